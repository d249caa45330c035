//! What the client says of the files of tasks.

use super::Message;
use super::amounts::size;
use crate::lang::Lang;

/// Said on standard error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FilesMessage {
    /// No file is what `--input` says.
    NoSuchInput {
        input: String,
    },
    /// A folder of `--input` in which there is no file.
    EmptyFolder {
        folder: String,
    },
    /// In a folder of `--input`, to a folder or to nothing.
    LinkInFolder {
        link: String,
    },
    /// A pipe or a device.
    NoRegularFile {
        input: String,
    },
    /// It holds something else than when it was looked at first.
    Changed {
        file: String,
    },
    /// The place of `--output-file` is one.
    PlaceIsFolder {
        place: String,
    },
    /// Of `map`: each task would leave its file there.
    SameOutput {
        name: String,
    },
    /// A file, or standard input, has more than that.
    TooLong {
        source: String,
        most: u64,
    },
    /// What a task of a file takes with it another one is to make there.
    MadeByAnother {
        input: String,
        other: String,
    },
    /// Whose files are to be taken is not clear.
    NoTaskBefore {
        value: String,
    },
    /// The program prints faster than it can be followed: what is to be whole comes when it has ended.
    OutputHeld,
    /// Something comes on standard input, and the program was given none.
    InputIgnored,
    /// Two files would have one name in the directory of the attempt.
    FileTwice {
        name: String,
    },
    /// A name that leads out of its directory, or none at all.
    BadFileName {
        name: String,
    },
    TooManyFiles {
        limit: u64,
    },
    /// The files of a result are here.
    FilesReceived {
        count: u64,
        into: String,
    },
    /// There are files beside what the program printed.
    FilesLeft {
        task: String,
        count: usize,
        bytes: u64,
    },
}

impl Message for FilesMessage {
    fn event(&self) -> &'static str {
        match self {
            Self::NoSuchInput { .. } => "no_such_input",
            Self::EmptyFolder { .. } => "empty_folder",
            Self::LinkInFolder { .. } => "link_in_folder",
            Self::NoRegularFile { .. } => "no_regular_file",
            Self::Changed { .. } => "file_changed",
            Self::PlaceIsFolder { .. } => "place_is_folder",
            Self::SameOutput { .. } => "same_output",
            Self::TooLong { .. } => "too_long",
            Self::MadeByAnother { .. } => "made_by_another",
            Self::NoTaskBefore { .. } => "no_task_before",
            Self::OutputHeld => "output_held",
            Self::InputIgnored => "input_ignored",
            Self::FileTwice { .. } => "file_twice",
            Self::BadFileName { .. } => "bad_file_name",
            Self::TooManyFiles { .. } => "too_many_files",
            Self::FilesReceived { .. } => "files_received",
            Self::FilesLeft { .. } => "files_left",
        }
    }

    fn text(&self, lang: Lang) -> String {
        match lang {
            Lang::Pt => match self {
                Self::NoSuchInput { input } => {
                    format!("Nenhum arquivo corresponde a {input}; confira --input.")
                }
                Self::EmptyFolder { folder } => {
                    format!(
                        "A pasta {folder} não tem arquivos, e pastas vazias não são levadas; o programa pode criá-la."
                    )
                }
                Self::NoRegularFile { input } => {
                    format!(
                        "{input} não é um arquivo comum: de um pipe ou dispositivo ninguém sabe o fim; grave-o antes num arquivo."
                    )
                }
                Self::Changed { file } => {
                    format!(
                        "O arquivo {file} mudou enquanto era enviado; tente de novo quando ninguém o escrever."
                    )
                }
                Self::PlaceIsFolder { place } => {
                    format!(
                        "{place} já é uma pasta; diga com --output-file NOME=ARQUIVO onde o arquivo fica."
                    )
                }
                Self::LinkInFolder { link } => format!(
                    "O link simbólico {link} leva a uma pasta, ou a nada, e não pode ir junto; remova-o, ou mande a pasta com --input."
                ),
                Self::SameOutput { name } => format!(
                    "Todas as tarefas deixariam o arquivo {name} no mesmo lugar; ponha {{}} ou {{#}} no nome: --output-file {name}={{/}}.out"
                ),
                Self::TooLong { source, most } => {
                    let source = if source == "-" { "A entrada padrão" } else { source };
                    format!("{source} tem mais de {}, o máximo aqui; o que é maior vai com --input.", size(*most))
                }
                Self::MadeByAnother { input, other } => format!(
                    "{input}: é a tarefa {other} que o faz; escreva inputs_from = [\"{other}:{input}\"] em vez de inputs."
                ),
                Self::NoTaskBefore { value } => format!(
                    "{value}: comece com o id da tarefa, ou do array, que deixa os arquivos: ID, ID:NOME ou ID:PADRÃO=PASTA."
                ),
                Self::OutputHeld => {
                    "O programa escreve mais depressa do que se pode acompanhar: o resto da saída vem, inteiro, quando ele terminar.".into()
                }
                Self::InputIgnored => {
                    "AVISO: o que veio pela entrada padrão não foi enviado ao programa; use --stdin-from - para enviá-lo, ou < /dev/null.".into()
                }
                Self::FileTwice { name } => {
                    format!(
                        "Dois arquivos teriam o nome {name} na pasta da tentativa; dê outro a um deles: --input ARQUIVO=NOME."
                    )
                }
                Self::BadFileName { name } => format!(
                    "O nome {name} não serve: precisa ficar dentro da pasta, relativo, sem .. e sem passar por um link simbólico."
                ),
                Self::TooManyFiles { limit } => {
                    format!(
                        "São arquivos demais: no máximo {limit} por tarefa; junte-os em um, com tar."
                    )
                }
                Self::FilesReceived { count, into } => {
                    format!("Arquivos recebidos em {into}: {count}.")
                }
                Self::FilesLeft { task, count, bytes } => {
                    format!(
                        "Arquivos que o programa deixou: {count} ({}). Receba-os: cliente result {task} --files",
                        size(*bytes)
                    )
                }
            },
            Lang::En => match self {
                Self::NoSuchInput { input } => {
                    format!("There is no file that is {input}; check --input.")
                }
                Self::EmptyFolder { folder } => {
                    format!(
                        "The folder {folder} has no files, and empty folders are not taken along; the program may make it."
                    )
                }
                Self::NoRegularFile { input } => {
                    format!(
                        "{input} is no regular file: nobody knows where a pipe or a device ends; write it to a file first."
                    )
                }
                Self::Changed { file } => {
                    format!(
                        "The file {file} changed while it was sent; try again when nobody writes it."
                    )
                }
                Self::PlaceIsFolder { place } => {
                    format!(
                        "{place} is a folder already; say with --output-file NAME=FILE where the file goes."
                    )
                }
                Self::LinkInFolder { link } => format!(
                    "The symbolic link {link} leads to a folder, or nowhere, and cannot be taken along; remove it, or send the folder with --input."
                ),
                Self::SameOutput { name } => format!(
                    "All tasks would leave the file {name} in one place; put {{}} or {{#}} into the name: --output-file {name}={{/}}.out"
                ),
                Self::TooLong { source, most } => {
                    let source = if source == "-" { "Standard input" } else { source };
                    format!("{source} has more than {}, the most here; what is larger goes with --input.", size(*most))
                }
                Self::MadeByAnother { input, other } => format!(
                    "{input}: the task {other} is to make it; write inputs_from = [\"{other}:{input}\"] instead of inputs."
                ),
                Self::NoTaskBefore { value } => format!(
                    "{value}: begin with the id of the task, or array, that leaves the files: ID, ID:NAME or ID:PATTERN=FOLDER."
                ),
                Self::OutputHeld => {
                    "The program prints faster than it can be followed: the rest of its output comes, as a whole, when it has ended.".into()
                }
                Self::InputIgnored => {
                    "WARNING: what came on standard input was not sent to the program; use --stdin-from - to send it, or < /dev/null.".into()
                }
                Self::FileTwice { name } => {
                    format!(
                        "Two files would have the name {name} in the attempt's folder; give one another: --input FILE=NAME."
                    )
                }
                Self::BadFileName { name } => format!(
                    "The name {name} will not do: it must stay in its folder, relative, without .. and through no symbolic link."
                ),
                Self::TooManyFiles { limit } => {
                    format!(
                        "These are too many files: at most {limit} for a task; make them one, with tar."
                    )
                }
                Self::FilesReceived { count, into } => {
                    format!("Files received in {into}: {count}.")
                }
                Self::FilesLeft { task, count, bytes } => {
                    format!(
                        "Files that the program left: {count} ({}). Receive them: cliente result {task} --files",
                        size(*bytes)
                    )
                }
            },
        }
    }
}
