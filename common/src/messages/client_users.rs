//! What the client says of users and their tokens.

use super::Message;
use crate::lang::Lang;

/// Said on standard error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UsersMessage {
    /// A token was made, and is on standard output.
    TokenShown { user: String, name: String },
    /// A token counts no more.
    TokenRevoked { user: String, name: String },
}

impl Message for UsersMessage {
    fn event(&self) -> &'static str {
        match self {
            Self::TokenShown { .. } => "token_shown",
            Self::TokenRevoked { .. } => "token_revoked",
        }
    }

    fn text(&self, lang: Lang) -> String {
        match (self, lang) {
            (Self::TokenShown { user, name }, Lang::Pt) => {
                format!("Token {name} de {user}; guarde-o: não é mostrado outra vez.")
            }
            (Self::TokenShown { user, name }, Lang::En) => {
                format!("Token {name} of {user}; keep it: it is not shown again.")
            }
            (Self::TokenRevoked { user, name }, Lang::Pt) => {
                format!("Token {name} de {user} revogado.")
            }
            (Self::TokenRevoked { user, name }, Lang::En) => {
                format!("Token {name} of {user} revoked.")
            }
        }
    }
}

/// The help of one argument or subcommand, by its path.
pub fn help(id: &str, lang: Lang) -> Option<&'static str> {
    match lang {
        Lang::Pt => portuguese(id),
        Lang::En => english(id),
    }
}

fn portuguese(id: &str) -> Option<&'static str> {
    Some(match id {
        "users.about" => "Administra usuários",
        "users.add.about" => {
            "Cria um usuário, ou com --replace troca o seu token, que é perguntado"
        }
        "users.add.admin" => "O mesmo que --role admin",
        "users.add.role" => {
            "admin pode tudo; submitter, o que é de suas tarefas; viewer vê as de todos (com --as) e nada muda"
        }
        "users.add.replace" => "Um que já existe passa a ter este token e este papel",
        "users.add.name" | "users.remove.name" | "users.limit.name" => "Nome do usuário",
        "users.me.about" => "Mostra quem você é, o que pode e o que ocupa",
        "users.limit.about" => {
            "Limita o que um usuário pode ocupar; o que não é dado fica como vale para ele"
        }
        "users.limit.default" => "O limite de todos os que não têm um só seu",
        "users.limit.max_active" => "Quantas tarefas por terminar pode ter; 0: sem limite",
        "users.limit.max_bytes" => {
            "Quantos bytes de entrada das tarefas por terminar, por exemplo 200MiB; 0: sem limite"
        }
        "users.limit.max_running" => "Quantas tarefas podem executar ao mesmo tempo; 0: sem limite",
        "users.limit.submit_rate" => "Quantas submissões por segundo; 0: sem limite",
        "users.limit.clear" => "Volta ao limite padrão; com --default, tira-o",
        "users.add.generate" => "Gera o token, em vez de perguntá-lo, e o escreve na saída padrão",
        "users.tokens.about" => "Lista, cria, troca e revoga tokens: os seus, ou os de um usuário",
        "users.tokens.list.about" => "Lista os tokens pelo nome; os segredos ninguém mais sabe",
        "users.tokens.create.about" => {
            "Cria mais um token e o escreve na saída padrão: é a única vez que é mostrado"
        }
        "users.tokens.rotate.about" => {
            "Troca um token: o anterior deixa de valer na hora, e o novo é escrito na saída padrão"
        }
        "users.tokens.revoke.about" => "Revoga um token: deixa de valer na hora",
        "users.tokens.create.name" | "users.tokens.rotate.name" | "users.tokens.revoke.name" => {
            "Nome do token; main é aquele com que o usuário foi criado"
        }
        "users.tokens.create.expires" | "users.tokens.rotate.expires" => {
            "Até quando vale: 90d, 12h, ou um instante como 2027-01-31T12:00:00Z [padrão: não expira]"
        }
        "users.tokens.list.of"
        | "users.tokens.create.of"
        | "users.tokens.rotate.of"
        | "users.tokens.revoke.of" => "Para administradores: de outro usuário",
        "users.remove.about" => "Remove um usuário",
        "users.list.about" => "Lista os usuários",
        _ => return None,
    })
}

fn english(id: &str) -> Option<&'static str> {
    Some(match id {
        "users.about" => "Manages users",
        "users.add.about" => {
            "Creates a user, or with --replace changes their token, which is asked for"
        }
        "users.add.admin" => "The same as --role admin",
        "users.add.role" => {
            "admin may do anything; submitter what concerns tasks of their own; viewer sees those of all (with --as), and changes nothing"
        }
        "users.add.replace" => "One who exists already has this token and role from now on",
        "users.add.name" | "users.remove.name" | "users.limit.name" => "Name of the user",
        "users.me.about" => "Shows who you are, what you may take and what you take",
        "users.limit.about" => {
            "Limits what a user may take; what is not given stays as it applies to them"
        }
        "users.limit.default" => "The limit of all who have none of their own",
        "users.limit.max_active" => "How many unfinished tasks they may have; 0: no limit",
        "users.limit.max_bytes" => {
            "How many bytes of input of unfinished tasks, for example 200MiB; 0: no limit"
        }
        "users.limit.max_running" => "How many tasks may run at a time; 0: no limit",
        "users.limit.submit_rate" => "How many submissions a second; 0: no limit",
        "users.limit.clear" => "Back to the default limit; with --default, takes that away",
        "users.add.generate" => {
            "Makes the token, instead of asking for it, and writes it to standard output"
        }
        "users.tokens.about" => "Lists, creates, rotates and revokes tokens: your own, or a user's",
        "users.tokens.list.about" => "Lists tokens by name; nobody knows the secrets any more",
        "users.tokens.create.about" => {
            "Creates one more token and writes it to standard output: it is shown this once"
        }
        "users.tokens.rotate.about" => {
            "Changes a token: the one before is refused at once, the new one goes to standard output"
        }
        "users.tokens.revoke.about" => "Revokes a token: it is refused at once",
        "users.tokens.create.name" | "users.tokens.rotate.name" | "users.tokens.revoke.name" => {
            "Name of the token; main is the one that the user was added with"
        }
        "users.tokens.create.expires" | "users.tokens.rotate.expires" => {
            "Until when it counts: 90d, 12h, or a moment such as 2027-01-31T12:00:00Z [default: it does not expire]"
        }
        "users.tokens.list.of"
        | "users.tokens.create.of"
        | "users.tokens.rotate.of"
        | "users.tokens.revoke.of" => "For administrators: of another user",
        "users.remove.about" => "Removes a user",
        "users.list.about" => "Lists the users",
        _ => return None,
    })
}
