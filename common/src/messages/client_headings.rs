//! Headings over the options of the client.

use crate::lang::Lang;

/// That of one word.
pub fn help(id: &str, lang: Lang) -> Option<&'static str> {
    Some(match (id.strip_prefix("heading.")?, lang) {
        ("work", Lang::Pt) => "O que é feito",
        ("work", Lang::En) => "What is done",
        ("inputs", Lang::Pt) => "Entradas e saídas",
        ("inputs", Lang::En) => "Inputs and outputs",
        ("schedule", Lang::Pt) => "O agendamento",
        ("schedule", Lang::En) => "The schedule",
        ("program", Lang::Pt) => "O programa",
        ("program", Lang::En) => "The program",
        ("files", Lang::Pt) => "Arquivos que vão e voltam",
        ("files", Lang::En) => "Files that go and come back",
        ("failure", Lang::Pt) => "Falhas e repetições",
        ("failure", Lang::En) => "Failures and repetitions",
        ("place", Lang::Pt) => "Fila e worker",
        ("place", Lang::En) => "Queue and worker",
        ("time", Lang::Pt) => "Tempo e ordem",
        ("time", Lang::En) => "Time and order",
        ("follow", Lang::Pt) => "Acompanhamento",
        ("follow", Lang::En) => "Following it",
        ("general", Lang::Pt) => "Opções gerais",
        ("general", Lang::En) => "General options",
        _ => return None,
    })
}
