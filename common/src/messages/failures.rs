//! Why tasks failed or were lost: the platform's own causes in the reader's language, by their codes, with the details
//! that are in the message; a handler's in its own words.

use super::amounts::{size, time};
use crate::lang::Lang;

/// What went wrong with a task. What is not understood of the message stands in brackets: it is for developers.
pub fn task_error_text(code: &str, message: &str, lang: Lang) -> String {
    let text = match lang {
        Lang::Pt => portuguese(code, message),
        Lang::En => english(code, message),
    };
    text.unwrap_or_else(|| message.to_owned())
}

fn english(code: &str, message: &str) -> Option<String> {
    Some(match code {
        "EXPIRED" => "it did not begin in time".into(),
        "DEADLINE_EXCEEDED" => "it did not end in time".into(),
        "TIMEOUT" => format!("took longer than {}, and was stopped", time(timeout_ms(message)?)),
        "OUT_OF_MEMORY" => {
            format!("killed: it needed more memory than {}", size(memory_bytes(message)?))
        }
        _ => return None,
    })
}

/// What the worker says of an attempt that took too long.
fn timeout_ms(message: &str) -> Option<u64> {
    number(message, "took longer than ", " ms, and was stopped")
}

/// What it says of a program that needed too much.
fn memory_bytes(message: &str) -> Option<u64> {
    number(message, "killed: it needed more memory than ", " bytes")
}

fn number(message: &str, before: &str, after: &str) -> Option<u64> {
    message.strip_prefix(before)?.strip_suffix(after)?.parse().ok()
}

fn portuguese(code: &str, message: &str) -> Option<String> {
    let known = match code {
        "WORKER_SILENT" => "o worker ficou em silêncio; a tarefa não pode começar de novo",
        "WORKER_RESTARTED" => "o worker foi reiniciado; a tarefa não pode começar de novo",
        "WORKER_DRAINED" => {
            "o worker foi encerrado antes do fim; a tarefa não pode começar de novo"
        }
        "DEPENDENCY_FAILED" => "viria depois de uma tarefa que não foi concluída; veja --explain",
        "EXPIRED" => "não começou a tempo",
        "DEADLINE_EXCEEDED" => "não terminou a tempo",
        "CANCELLED" => "foi cancelada",
        "PANICKED" => "o handler tem um defeito e parou; o worker continua",
        "FAULT_INJECTED" => "o worker foi iniciado para falhar de propósito (--fail-rate)",
        "ALREADY_STARTED" => "só pode ser iniciada uma vez, e este worker já a tinha iniciado",
        _ => return with_details(code, message),
    };
    Some(known.to_owned())
}

fn with_details(code: &str, message: &str) -> Option<String> {
    let within = |before: &str, after: &str| {
        message.strip_prefix(before).and_then(|rest| rest.strip_suffix(after))
    };
    let detailed = |text: &str| format!("{text} [{message}]");
    Some(match code {
        "NON_ZERO_EXIT" => match within("exit code ", "") {
            Some(code) => format!("o programa terminou com o código de saída {code}"),
            None => detailed("o programa terminou com erro"),
        },
        "KILLED_BY_SIGNAL" => match within("killed by signal ", "") {
            Some(signal) => format!("o programa foi morto pelo sinal {signal}"),
            None => detailed("o programa foi morto"),
        },
        "OUT_OF_MEMORY" => match memory_bytes(message) {
            Some(bytes) => {
                format!("o programa foi morto: precisou de mais que {} de memória", size(bytes))
            }
            None => detailed("o programa foi morto: precisou de mais memória do que podia ter"),
        },
        "SPAWN_FAILED" => not_started(message),
        "PROGRAM_NOT_ALLOWED" => {
            let before = "the operator of this worker does not allow ";
            let program = message.strip_prefix(&format!("{before}the program `"));
            let variable = message.strip_prefix(&format!("{before}tasks to set the variable `"));
            let name = |rest: &str| rest.trim_end_matches('`').to_owned();
            match (program.map(name), variable.map(name)) {
                (Some(program), _) => {
                    format!("o operador do worker não permite o programa {program}")
                }
                (None, Some(variable)) => {
                    format!("o operador do worker não permite definir a variável {variable}")
                }
                (None, None) => detailed("o operador do worker não o permite"),
            }
        }
        "TIMEOUT" => match timeout_ms(message) {
            Some(ms) => format!("levou mais que {} e foi interrompida", time(ms)),
            None => detailed("demorou demais e foi interrompida"),
        },
        "UNKNOWN_HANDLER" => match within("this worker does not offer `", "`") {
            Some(handler) => format!("o worker não oferece o handler {handler}"),
            None => detailed("o worker não oferece o handler"),
        },
        "QUARANTINED" => match within("", " attempts were lost with their workers") {
            Some(lost) => format!("{lost} tentativas se perderam com seus workers"),
            None => detailed("tentativas demais se perderam com seus workers"),
        },
        "OUTPUT_MISSING" => match within("the program succeeded, and made no file `", "`") {
            Some(file) => format!("o programa terminou bem e não deixou o arquivo {file}"),
            None => match (
                within("`", "` is an empty folder"),
                within("`", "` is a symbolic link"),
                within("`", "` is no regular file"),
            ) {
                (Some(file), ..) => {
                    format!("o programa deixou {file}, uma pasta vazia, e não um arquivo")
                }
                (_, Some(file), _) => {
                    format!(
                        "o programa deixou {file}, um link simbólico, que não é seguido, e não um arquivo"
                    )
                }
                (.., Some(file)) => format!("o programa deixou {file}, que não é um arquivo comum"),
                _ => detailed("o programa terminou bem e não deixou um dos arquivos"),
            },
        },
        "RESULT_TOO_LARGE" => detailed("o resultado é grande demais"),
        "INPUT_MISSING" => detailed("falta um arquivo de entrada"),
        "OUTPUT_FAILED" => detailed("um arquivo feito pela tarefa não pôde ser guardado"),
        "WORK_DIR_UNAVAILABLE" => detailed("o worker não pôde criar a pasta da tentativa"),
        "INVALID_PAYLOAD" => detailed("a entrada não é o que o handler espera"),
        _ => return None,
    })
}

/// As the `command` handler says it: the program, and the system's words.
fn not_started(message: &str) -> String {
    let parts = message.strip_prefix("failed to start `").and_then(|rest| rest.split_once("`: "));
    let Some((program, why)) = parts else {
        return format!("o programa não pôde ser iniciado [{message}]");
    };
    let folder = why.strip_prefix("this worker has no folder `").and_then(|f| f.strip_suffix('`'));
    match folder {
        Some(folder) => {
            format!("{program} não pôde ser iniciado: o worker não tem a pasta {folder}")
        }
        None if why.starts_with("No such file or directory") => {
            format!("{program} não pôde ser iniciado: não existe no worker")
        }
        None if why.starts_with("Permission denied") => {
            format!("{program} não pôde ser iniciado: o worker não tem permissão")
        }
        None => format!("{program} não pôde ser iniciado [{why}]"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_are_said_in_the_language_of_the_reader_with_their_details() {
        let said = |code, message| task_error_text(code, message, Lang::Pt);
        for (code, message, expected) in [
            ("NON_ZERO_EXIT", "exit code 3", "o programa terminou com o código de saída 3"),
            ("KILLED_BY_SIGNAL", "killed by signal 9", "o programa foi morto pelo sinal 9"),
            (
                "SPAWN_FAILED",
                "failed to start `x`: No such file or directory (os error 2)",
                "x não pôde ser iniciado: não existe no worker",
            ),
            (
                "PROGRAM_NOT_ALLOWED",
                "the operator of this worker does not allow the program `rm`",
                "o operador do worker não permite o programa rm",
            ),
            (
                "TIMEOUT",
                "took longer than 500 ms, and was stopped",
                "levou mais que 500 ms e foi interrompida",
            ),
        ] {
            assert_eq!(said(code, message), expected);
            assert_eq!(task_error_text(code, message, Lang::En), message);
        }
        let long = "took longer than 90000 ms, and was stopped";
        assert_eq!(said("TIMEOUT", long), "levou mais que 1 min 30 s e foi interrompida");
        let english = task_error_text("TIMEOUT", long, Lang::En);
        assert_eq!(english, "took longer than 1 min 30 s, and was stopped");
        let large = "killed: it needed more memory than 1073741824 bytes";
        assert!(said("OUT_OF_MEMORY", large).ends_with("mais que 1 GiB de memória"));
        let english = task_error_text("OUT_OF_MEMORY", large, Lang::En);
        assert_eq!(english, "killed: it needed more memory than 1 GiB");
        assert!(said("TIMEOUT", "another way to say it").ends_with("[another way to say it]"));
        assert_eq!(said("HANDLER_ERROR", "sem tinta"), "sem tinta", "in its own words");
        assert_eq!(said("MINE", "x"), "x");
    }
}
