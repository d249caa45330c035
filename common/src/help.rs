//! Help texts of the command lines, from the catalogue instead of from clap's English.

use std::ffi::OsStr;

use clap::error::ErrorKind;
use clap::{Arg, ArgAction, ArgMatches, Command};

use crate::lang::Lang;
use crate::manual;

mod portuguese;

/// The heading over what belongs to every subcommand.
const GENERAL: &str = "general";

/// Replaces every help text of `command` and its subcommands.
///
/// `lookup` is asked for `about` and for each argument's id; inside a subcommand the name is put in
/// front, as in `submit.about` and `submit.wait`, and the bare id is asked for if that is unknown. The heading
/// of an argument is a word, for which `heading.WORD` is asked.
#[must_use]
pub fn localize(
    command: Command,
    lang: Lang,
    lookup: impl Fn(&str) -> Option<&'static str> + Copy,
) -> Command {
    localize_at(command, lang, "", move |id: &str| lookup(id).or_else(|| manual::help(id, lang)))
}

fn localize_at(
    mut command: Command,
    lang: Lang,
    prefix: &str,
    lookup: impl Fn(&str) -> Option<&'static str> + Copy,
) -> Command {
    let find = |id: &str| lookup(&format!("{prefix}{id}")).or_else(|| lookup(id));
    if let Some(about) = lookup(&format!("{prefix}about")) {
        command = command.about(about).long_about(None);
    }
    let words = Words::of(lang);
    command = command
        .disable_help_flag(true)
        .disable_help_subcommand(true)
        .arg(
            Arg::new("help")
                .short('h')
                .long("help")
                .action(ArgAction::Help)
                .help(words.help)
                .help_heading(GENERAL)
                .global(false),
        )
        .help_template(words.template())
        .subcommand_help_heading(words.commands)
        .subcommand_value_name(words.subcommand);
    if command.get_version().is_some() {
        command = command.disable_version_flag(true).arg(
            Arg::new("version")
                .short('V')
                .long("version")
                .action(ArgAction::Version)
                .help(words.version)
                .help_heading(GENERAL),
        );
    }
    command = command.mut_args(|arg| {
        let heading = words.heading(&arg, lookup);
        let arg = arg.help_heading(heading);
        match find(arg.get_id().as_str()) {
            Some(text) => arg.help(text).long_help(None),
            None => arg,
        }
    });
    let names: Vec<String> = command.get_subcommands().map(|c| c.get_name().to_owned()).collect();
    for name in names {
        let inner = format!("{prefix}{name}.");
        command = command.mut_subcommand(name, |c| localize_at(c, lang, &inner, lookup));
    }
    command
}

/// Reads a command line that was localized. Help comes as an error, wholly in `lang`.
///
/// # Errors
/// As [`Command::try_get_matches_from`].
pub fn parse<T: AsRef<OsStr>>(
    command: Command,
    args: &[T],
    lang: Lang,
) -> Result<ArgMatches, clap::Error> {
    let args = || args.iter().map(AsRef::as_ref);
    let parsed = command.clone().try_get_matches_from(args());
    match (&parsed, lang) {
        (Err(error), Lang::Pt) if is_help(error.kind()) => {
            portuguese::said_in_portuguese(command).try_get_matches_from(args())
        }
        _ => parsed,
    }
}

fn is_help(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::DisplayHelp | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand)
}

/// The arguments of `command` and its subcommands that have no help text, for tests.
#[must_use]
pub fn missing(command: &Command) -> Vec<String> {
    let own = command
        .get_arguments()
        .filter(|arg| arg.get_help().is_none())
        .map(|arg| format!("{} {}", command.get_name(), arg.get_id()));
    let about = command.get_about().is_none().then(|| format!("{} about", command.get_name()));
    own.chain(about).chain(command.get_subcommands().flat_map(missing)).collect()
}

struct Words {
    usage: &'static str,
    arguments: &'static str,
    options: &'static str,
    commands: &'static str,
    subcommand: &'static str,
    help: &'static str,
    version: &'static str,
}

impl Words {
    fn of(lang: Lang) -> Self {
        match lang {
            Lang::Pt => Self {
                usage: "Uso",
                arguments: "Argumentos",
                options: "Opções",
                commands: "Comandos",
                subcommand: "COMANDO",
                help: "Mostra esta ajuda",
                version: "Mostra a versão",
            },
            Lang::En => Self {
                usage: "Usage",
                arguments: "Arguments",
                options: "Options",
                commands: "Commands",
                subcommand: "COMMAND",
                help: "Print this help",
                version: "Print the version",
            },
        }
    }

    /// Every argument has one: those that clap itself has are in English.
    fn heading(&self, arg: &Arg, lookup: impl Fn(&str) -> Option<&'static str>) -> &'static str {
        let word = arg.get_help_heading();
        let own = word.and_then(|word| lookup(&format!("heading.{word}")));
        own.unwrap_or(if arg.is_positional() { self.arguments } else { self.options })
    }

    fn template(&self) -> String {
        format!("{{about-with-newline}}\n{}: {{usage}}\n\n{{all-args}}{{after-help}}\n", self.usage)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lookup(id: &str) -> Option<&'static str> {
        match id {
            "about" => Some("o programa"),
            "wait" => Some("espera"),
            "submit.about" => Some("submete"),
            "heading.end" => Some("Fim"),
            _ => None,
        }
    }

    fn command() -> Command {
        let wait = Arg::new("wait").long("wait").action(ArgAction::SetTrue).help("english");
        let args = [wait.help_heading("end"), Arg::new("id"), Arg::new("key").long("key")];
        Command::new("x").subcommand(Command::new("submit").args(args))
    }

    #[test]
    fn texts_and_headings_are_replaced_in_subcommands_too() {
        let mut command = localize(command(), Lang::Pt, lookup);
        let help = command.render_help().to_string();
        assert!(
            help.contains("Uso: x") && help.contains("Comandos:") && help.contains("submete"),
            "{help}"
        );
        let submit =
            command.find_subcommand_mut("submit").expect("is there").render_help().to_string();
        assert!(submit.contains("espera") && !submit.contains("english"), "{submit}");
        for heading in ["Fim:", "Argumentos:", "Opções:"] {
            assert!(submit.contains(heading), "{submit}");
        }
    }

    #[test]
    fn what_has_no_text_is_named() {
        let bare = Command::new("x").arg(Arg::new("y").long("y"));
        assert_eq!(missing(&bare), ["x y", "x about"]);
    }
}
