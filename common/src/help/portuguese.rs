//! What clap itself says in a help text, in Portuguese: it has words in English only.

use std::ffi::OsStr;

use clap::{Arg, Command};

/// The same command line, whose help says nothing in clap's words.
pub(super) fn said_in_portuguese(command: Command) -> Command {
    let mut command = with_notes(command);
    // The arguments that all subcommands have come to them with their notes.
    command.build();
    with_usage(command)
}

fn with_notes(command: Command) -> Command {
    each_subcommand(command.mut_args(noted), with_notes)
}

fn with_usage(mut command: Command) -> Command {
    let usage = command.render_usage().ansi().to_string();
    // Behind the heading, which is one word.
    let usage = usage.split_once(' ').map_or(usage.as_str(), |(_, usage)| usage);
    let usage = usage.trim_end().replace("[OPTIONS]", "[OPÇÕES]");
    each_subcommand(command.override_usage(usage), with_usage)
}

fn each_subcommand(mut command: Command, change: fn(Command) -> Command) -> Command {
    let names: Vec<_> = command.get_subcommands().map(|c| c.get_name().to_owned()).collect();
    for name in names {
        command = command.mut_subcommand(name, change);
    }
    command
}

/// With what clap would put behind its help.
fn noted(arg: Arg) -> Arg {
    let notes = notes(&arg);
    let Some(help) = arg.get_help().map(ToString::to_string).filter(|_| !notes.is_empty()) else {
        return arg;
    };
    let long = format!("{help}\n\n{}", notes.join("\n"));
    // A flag without a value has nothing else to hide.
    let takes_value = arg.get_action().takes_values();
    arg.help(format!("{help} {}", notes.join(" ")))
        .long_help(long)
        .hide_env(true)
        .hide_default_value(takes_value)
        .hide_possible_values(takes_value)
}

fn notes(arg: &Arg) -> Vec<String> {
    let env = arg.get_env().filter(|_| !arg.is_hide_env_set()).map(|name| {
        let value = if arg.is_hide_env_values_set() { None } else { std::env::var_os(name) };
        let value = value.as_deref().map(OsStr::to_string_lossy).unwrap_or_default();
        format!("[ambiente: {}={value}]", name.to_string_lossy())
    });
    let defaults = arg.get_default_values().iter().map(|value| value.to_string_lossy());
    let defaults: Vec<_> = defaults.filter(|_| !arg.is_hide_default_value_set()).collect();
    let values = arg.get_possible_values();
    let values = values.iter().filter(|value| !value.is_hide_set());
    let values: Vec<_> = values.map(|value| value.get_name()).collect();
    let takes_value = arg.get_action().takes_values();
    let are_told = takes_value && !values.is_empty() && !arg.is_hide_possible_values_set();
    let values = are_told.then(|| format!("[valores possíveis: {}]", values.join(", ")));
    let defaults = (!defaults.is_empty()).then(|| format!("[padrão: {}]", defaults.join(" ")));
    [env, defaults, values].into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use clap::ArgAction;
    use clap::error::ErrorKind;

    use super::super::{localize, parse};
    use super::*;
    use crate::lang::Lang;

    fn shown(args: &[&str], lang: Lang) -> String {
        let form = Arg::new("form").long("form").value_parser(["table", "json"]).global(true);
        let form = form.default_value("table").env("MUTIRAO_TEST_FORM").help("f");
        let fast = Arg::new("fast").long("fast").action(ArgAction::SetTrue);
        let fast = fast.value_parser(clap::value_parser!(bool)).env("FAST").help("f");
        let submit = Command::new("submit").about("s").arg(Arg::new("id").required(true).help("i"));
        let command = Command::new("x").about("o x").args([form, fast]).subcommand(submit);
        let error = parse(localize(command, lang, |_| None), args, lang).expect_err("is help");
        assert_eq!(error.kind(), ErrorKind::DisplayHelp);
        error.to_string()
    }

    #[test]
    fn nothing_is_in_the_words_of_clap() {
        for args in [["x", "--help"], ["x", "-h"]] {
            let help = shown(&args, Lang::Pt);
            for word in [
                "Uso: x [OPÇÕES] [COMANDO]\n",
                "[padrão: table]",
                "[ambiente: MUTIRAO_TEST_FORM=]",
                "[ambiente: FAST=]",
                "[valores possíveis: table, json]",
            ] {
                assert!(help.contains(word), "{word}: {help}");
            }
            for word in ["true", "default", "env", "ossible values", "OPTIONS", "Usage"] {
                assert!(!help.contains(word), "{word}: {help}");
            }
        }
        let inner = shown(&["x", "submit", "--help"], Lang::Pt);
        assert!(inner.contains("Uso: x submit [OPÇÕES] <id>\n"), "{inner}");
        assert!(inner.contains("[padrão: table]"), "{inner}");
    }

    #[test]
    fn english_stays_as_it_is() {
        let help = shown(&["x", "-h"], Lang::En);
        assert!(help.contains("[OPTIONS]") && help.contains("[default: table]"), "{help}");
        assert!(help.contains("[possible values: table, json]"), "{help}");
    }
}
