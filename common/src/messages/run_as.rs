//! Why programs of tasks cannot run as another user.

use std::path::PathBuf;

use crate::lang::Lang;

/// What is wrong with `--run-as`, or with this machine for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RunAsProblem {
    UnknownUser {
        user: String,
    },
    UnknownGroup {
        group: String,
    },
    /// A number that is no account's.
    NoGroup {
        user: String,
    },
    /// Only root may become somebody else.
    NotRoot {
        user: String,
    },
    NoSetpriv,
    /// The system refuses.
    System {
        user: String,
        why: String,
    },
    /// Others could put something else there.
    OpenDir {
        dir: PathBuf,
    },
    /// The user cannot come there.
    ClosedDir {
        user: String,
        dir: PathBuf,
    },
}

/// What is wrong, and what to do.
pub fn problem(problem: &RunAsProblem, lang: Lang) -> String {
    match lang {
        Lang::Pt => portuguese(problem),
        Lang::En => english(problem),
    }
}

fn portuguese(problem: &RunAsProblem) -> String {
    match problem {
        RunAsProblem::UnknownUser { user } => format!(
            "--run-as: não há usuário `{user}` nesta máquina; crie-o (useradd --system), ou informe o nome ou número de um que exista"
        ),
        RunAsProblem::UnknownGroup { group } => format!(
            "--run-as: não há grupo `{group}` nesta máquina; informe o nome ou número de um que exista"
        ),
        RunAsProblem::NoGroup { user } => format!(
            "--run-as: o número {user} não é de uma conta, e não se sabe o grupo; escreva {user}:GRUPO"
        ),
        RunAsProblem::NotRoot { user } => format!(
            "--run-as {user}: só root pode executar programas como outro usuário; inicie o worker como root, ou sem --run-as e já como esse usuário"
        ),
        RunAsProblem::NoSetpriv => {
            "--run-as precisa do programa setpriv; instale o pacote util-linux".into()
        }
        RunAsProblem::System { user, why } => format!(
            "--run-as: o sistema não deixa executar como {user} [{why}]; o worker precisa ser root com as capacidades setuid, setgid, chown, dac_override, fowner, kill e sys_ptrace, e setpriv ser o de util-linux"
        ),
        RunAsProblem::OpenDir { dir } => format!(
            "--run-as: outros podem trocar o que está em {}, e desviar o que o worker escreve como root; informe com --work-root um diretório que, como todos acima dele, seja de root e só ele altere",
            dir.display()
        ),
        RunAsProblem::ClosedDir { user, dir } => format!(
            "--run-as: {user} não consegue entrar em {}; permita (chmod o+x nele e nos que o contêm), ou informe outro com --work-root",
            dir.display()
        ),
    }
}

fn english(problem: &RunAsProblem) -> String {
    match problem {
        RunAsProblem::UnknownUser { user } => format!(
            "--run-as: there is no user `{user}` on this machine; make it (useradd --system), or give the name or number of one that is there"
        ),
        RunAsProblem::UnknownGroup { group } => format!(
            "--run-as: there is no group `{group}` on this machine; give the name or number of one that is there"
        ),
        RunAsProblem::NoGroup { user } => format!(
            "--run-as: the number {user} is no account's, so its group is not known; write {user}:GROUP"
        ),
        RunAsProblem::NotRoot { user } => format!(
            "--run-as {user}: only root can run programs as another user; start the worker as root, or without --run-as and as that user"
        ),
        RunAsProblem::NoSetpriv => {
            "--run-as needs the program setpriv; install the package util-linux".into()
        }
        RunAsProblem::System { user, why } => format!(
            "--run-as: the system does not let programs run as {user} [{why}]; the worker must be root with the capabilities setuid, setgid, chown, dac_override, fowner, kill and sys_ptrace, and setpriv be that of util-linux"
        ),
        RunAsProblem::OpenDir { dir } => format!(
            "--run-as: others can exchange what is in {}, and so turn aside what the worker writes as root; give with --work-root a directory that is root's, as all above it, and that nobody else can change",
            dir.display()
        ),
        RunAsProblem::ClosedDir { user, dir } => format!(
            "--run-as: {user} cannot enter {}; allow it (chmod o+x of it and of those that contain it), or give another one with --work-root",
            dir.display()
        ),
    }
}
