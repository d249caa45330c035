//! Command lines that cannot be meant, and what help says.

mod support;

use common::exit;
use support::stage::{Run, Stage};

/// Refused, and nothing is submitted.
#[track_caller]
fn refused(args: &[&str], words: &str) {
    let stage = Stage::working();
    let run = stage.run(&[&["--lang", "en"], args].concat());
    assert_eq!(run.code, i32::from(exit::USAGE), "{run:?}");
    assert!(run.stderr.contains(words), "{run:?}");
    assert!(stage.pair.store().tasks.is_empty(), "{args:?}");
}

fn accepted(args: &[&str]) -> Run {
    let run = Stage::working().run(args);
    assert_eq!(run.code, 0, "{run:?}");
    run
}

#[test]
fn a_failure_that_cannot_happen_is_not_retried_on() {
    let submit = ["submit", "--retries", "2", "--retry-on"];
    for (code, words) in [
        ("NON_ZERO_EXT", "the code NON_ZERO_EXT (perhaps: NON_ZERO_EXIT)"),
        ("timeout,out_of_memroy", "OUT_OF_MEMROY (perhaps: OUT_OF_MEMORY)"),
        ("NO_INK", "no failure has the code NO_INK; docs/errors.md"),
    ] {
        refused(&[&submit[..], &[code, "--", "true"]].concat(), words);
    }
    let own = |code| [&submit[..], &[code, "--handler", "print", "--payload", "x"]].concat();
    refused(&own("HANDLER_EROR"), "(perhaps: HANDLER_ERROR)");
    accepted(&own("NO_INK"));
    accepted(&[&submit[..], &["non_zero_exit,TIMEOUT", "--", "true"]].concat());
}

#[test]
fn a_place_for_an_input_of_no_list_is_refused() {
    let map = |program: &[&'static str], lists: &[&'static str]| {
        [&["map", "--"], program, lists].concat()
    };
    let two = [":::", "a", ":::", "b"];
    refused(&map(&["echo", "{1} {3.}"], &two), "{3.} is the input of another list");
    refused(&map(&["echo", "{2}"], &[":::", "a"]), "there is only one list");
    refused(&map(&["echo", "{2}"], &[]), "there is only one list");
    let files = ["map", "--output-file", "{1}-{3}", "--", "echo", ":::", "a", ":::", "b"];
    refused(&files, "{3} is the input");
    accepted(&map(&["echo", "{1} {2/} {#}"], &two));
    accepted(&map(&["grep", "x{3,3}", "{}"], &two));
}

#[test]
fn memory_in_which_no_program_starts_is_refused() {
    refused(&["submit", "--memory-limit", "1KiB", "--", "true"], "less than 4MiB");
    accepted(&["submit", "--memory-limit", "4MiB", "--", "true"]);
}

#[test]
fn help_is_wholly_in_the_language_of_its_reader() {
    for help in [&["--help"][..], &["submit", "--help"], &["users", "-h"]] {
        let portuguese = accepted(help).stdout;
        for word in ["[OPÇÕES]", "[padrão: table]", "[ambiente: ", "[valores possíveis: pt, en]"]
        {
            assert!(portuguese.contains(word), "{word}: {portuguese}");
        }
        for word in ["[OPTIONS]", "[default", "[env", "ossible values", "true, false", "Brazilian"]
        {
            assert!(!portuguese.contains(word), "{word}: {portuguese}");
        }
        let english = accepted(&[&["--lang", "en"], help].concat()).stdout;
        assert!(english.contains("[OPTIONS]") && english.contains("[default: "), "{english}");
    }
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
