//! Sentences about traces.

use crate::lang::Lang;

/// Of the options that all programs share.
pub fn help(id: &str, lang: Lang) -> Option<&'static str> {
    Some(match (id, lang) {
        ("otlp", Lang::Pt) => {
            "Coletor do OpenTelemetry a quem os rastros das tarefas são enviados por OTLP/gRPC, por exemplo http://localhost:4317"
        }
        ("otlp", Lang::En) => {
            "Collector of OpenTelemetry to which traces of tasks are sent over OTLP/gRPC, for example http://localhost:4317"
        }
        ("trace_ratio", Lang::Pt) => {
            "Parte das tarefas que é rastreada, de 0 a 1; as enviadas dentro de um rastro seguem o que este diz"
        }
        ("trace_ratio", Lang::En) => {
            "Share of the tasks that is traced, 0 to 1; those submitted within a trace do as that one says"
        }
        _ => return None,
    })
}
