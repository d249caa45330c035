//! Command lines that cannot be meant, and what help says.

mod support;

use support::stage::{Run, Stage};

fn accepted(args: &[&str]) -> Run {
    let run = Stage::working().run(args);
    assert_eq!(run.code, 0, "{run:?}");
    run
}

#[test]
fn many_options_stand_under_headings() {
    for (lang, headings) in [
        ("pt", ["O programa:", "Fila e worker:", "Tempo e ordem:", "Opções gerais:"]),
        ("en", ["The program:", "Queue and worker:", "Time and order:", "General options:"]),
    ] {
        for subcommand in ["submit", "run", "map"] {
            let help = accepted(&["--lang", lang, subcommand, "--help"]).stdout;
            let mut rest = help.as_str();
            for heading in headings {
                let Some(at) = rest.find(heading) else { panic!("no `{heading}` in {rest}") };
                rest = &rest[at..];
            }
            assert!(rest.contains("--help"), "{rest}");
        }
    }
}
