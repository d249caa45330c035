//! What a program says of itself to shells and to `man`, from its command line.

use std::io::{self, ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use clap::Command;
use clap_complete::Shell;
use clap_mangen::Man;

use crate::lang::Lang;

/// Subcommands of all four programs.
#[derive(Clone, Debug, clap::Subcommand)]
pub enum Manual {
    /// The completion script for a shell, on standard output.
    Completions {
        /// Which shell.
        #[arg(value_name = "SHELL", value_enum)]
        shell: Shell,
    },
    /// The pages for `man`, one for the program and one for each subcommand.
    Man {
        /// Made if it is not there.
        #[arg(value_name = "DIR")]
        dir: PathBuf,
    },
}

/// Something could not be written.
#[derive(Debug, thiserror::Error)]
#[error("{what}: {source}")]
pub struct Error {
    /// The file, directory or stream.
    pub what: String,
    /// Why.
    pub source: io::Error,
}

impl Manual {
    /// `command`: the whole program, in the language of the person.
    ///
    /// # Errors
    /// A file or standard output cannot be written. A reader that has left is no error.
    pub fn write(&self, command: Command, lang: Lang) -> Result<(), Error> {
        match self {
            Self::Completions { shell } => print_completions(*shell, command),
            Self::Man { dir } => {
                let failed = |path: &Path| {
                    let what = path.display().to_string();
                    |source| Error { what, source }
                };
                std::fs::create_dir_all(dir).map_err(failed(dir))?;
                for (name, page) in pages(command, lang).map_err(failed(dir))? {
                    let path = dir.join(name);
                    std::fs::write(&path, page).map_err(failed(&path))?;
                }
                Ok(())
            }
        }
    }
}

fn print_completions(shell: Shell, mut command: Command) -> Result<(), Error> {
    let (mut script, name) = (Vec::new(), command.get_name().to_owned());
    clap_complete::generate(shell, &mut command, name, &mut script);
    let mut stdout = io::stdout().lock();
    match stdout.write_all(&script).and_then(|()| stdout.flush()) {
        Err(source) if source.kind() != ErrorKind::BrokenPipe => {
            Err(Error { what: "stdout".into(), source })
        }
        _ => Ok(()),
    }
}

/// The name of each page's file, and its text.
fn pages(mut command: Command, lang: Lang) -> io::Result<Vec<(String, String)>> {
    command.build();
    let mut pages = Vec::new();
    let mut open = vec![command];
    while let Some(command) = open.pop() {
        open.extend(command.get_subcommands().cloned());
        let man = Man::new(with_short_synopsis(command));
        let mut page = Vec::new();
        man.render(&mut page)?;
        let page = String::from_utf8(page).map_err(io::Error::other)?;
        pages.push((man.get_filename(), in_language(&with_capitals(&page), lang)));
    }
    Ok(pages)
}

/// As help shows it, not every option by itself.
fn with_short_synopsis(command: Command) -> Command {
    // The long version has several lines.
    let mut command = command.long_version(None);
    let usage = command.render_usage().to_string();
    let usage = usage.strip_prefix("Usage: ").unwrap_or(&usage).trim_end().to_owned();
    command.override_usage(usage)
}

/// Headings of sections are in capitals, also those that come from the command line.
fn with_capitals(page: &str) -> String {
    let line = |line: &str| match line.starts_with(".SH ") {
        true => line.to_uppercase() + "\n",
        false => line.to_owned() + "\n",
    };
    page.lines().map(line).collect()
}

/// What `clap_mangen` says in English, and the same in Portuguese. The first ones are whole lines.
const HEADINGS: [(&str, &str); 4] = [
    (".SH NAME", ".SH NOME"),
    (".SH SYNOPSIS", ".SH SINOPSE"),
    (".SH DESCRIPTION", ".SH DESCRIÇÃO"),
    (".SH VERSION", ".SH VERSÃO"),
];
const PHRASES: [(&str, &str); 5] = [
    ("[default: ", "[padrão: "),
    ("[OPTIONS]", "[OPÇÕES]"),
    ("Possible values:", "Valores possíveis:"),
    ("May also be specified with the ", "Também com a variável de ambiente "),
    (" environment variable. ", "."),
];

fn in_language(page: &str, lang: Lang) -> String {
    match lang {
        Lang::En => page.to_owned(),
        Lang::Pt => page.lines().map(portuguese).collect(),
    }
}

fn portuguese(line: &str) -> String {
    let heading = HEADINGS.iter().find(|(english, _)| *english == line);
    let line = heading.map_or(line, |(_, portuguese)| portuguese).to_owned();
    let in_words =
        |line: String, (english, portuguese): &(&str, &str)| line.replace(english, portuguese);
    PHRASES.iter().fold(line, in_words) + "\n"
}

/// The help of [`Manual`].
pub(crate) fn help(id: &str, lang: Lang) -> Option<&'static str> {
    Some(match (id, lang) {
        ("completions.about", Lang::Pt) => "Imprime o script de autocompletar para um shell",
        ("completions.about", Lang::En) => "Prints the completion script for a shell",
        ("completions.shell", Lang::Pt) => "Qual shell",
        ("completions.shell", Lang::En) => "Which shell",
        ("man.about", Lang::Pt) => "Grava as páginas de manual, para man, num diretório",
        ("man.about", Lang::En) => "Writes the manual pages, for man, into a directory",
        ("man.dir", Lang::Pt) => "O diretório, por exemplo ~/.local/share/man/man1",
        ("man.dir", Lang::En) => "The directory, for example ~/.local/share/man/man1",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use clap::Arg;

    use super::*;

    fn command(lang: Lang) -> Command {
        let port = Arg::new("port").long("port").env("PORT").default_value("1").help("-p");
        let form = Arg::new("form").long("form").value_parser(["a", "b"]).help("f");
        let inner = Command::new("inner").subcommand(Command::new("most").about("m")).about("i");
        let command = Command::new("x").version("1.2.3").about("o x").args([port, form]);
        crate::help::localize(command.subcommand(inner), lang, |_| None)
    }

    #[test]
    fn there_is_a_page_for_each_subcommand() {
        let pages = pages(command(Lang::Pt), Lang::Pt).expect("is text");
        let names: Vec<_> = pages.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["x.1", "x-inner.1", "x-inner-most.1"]);
    }

    #[test]
    fn a_page_is_in_one_language() {
        let page = |lang| pages(command(lang), lang).expect("is text").remove(0).1;
        let (portuguese, english) = (page(Lang::Pt), page(Lang::En));
        for (said, other) in HEADINGS.iter().chain(&PHRASES) {
            assert!(english.contains(said), "{said} is not what is said: {english}");
            assert!(!portuguese.contains(said) && portuguese.contains(other), "{portuguese}");
        }
        for heading in [".SH OPÇÕES\n", ".SH COMANDOS\n"] {
            assert!(portuguese.contains(heading), "{portuguese}");
        }
    }

    #[test]
    fn the_synopsis_names_no_single_option() {
        let page = pages(command(Lang::En), Lang::En).expect("is text").remove(0).1;
        let synopsis = page.split(".SH ").find(|part| part.starts_with("SYNOPSIS"));
        assert_eq!(synopsis, Some("SYNOPSIS\n\\fBx\\fR [OPTIONS] [COMMAND]\n"));
    }
}
