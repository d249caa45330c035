//! What `cliente cluster backup` and `restore` say.

use super::amounts;
use crate::lang::Lang;

/// A sentence about a backup.
#[derive(Clone, Debug)]
pub enum BackupMessage {
    /// It is on the disk.
    Taken { file: String, tasks: u64, blobs: u64, bytes: u64, last: u64 },
    /// The program that restores is not on this machine.
    NoOrchestrator { file: String },
}

impl BackupMessage {
    /// The sentence.
    pub fn text(&self, lang: Lang) -> String {
        match (self, lang) {
            (Self::Taken { file, tasks, blobs, bytes, last }, Lang::Pt) => format!(
                "{file}: o cluster até a entrada {last}; tarefas: {tasks}; arquivos: {blobs}; {}. Contém o que as \
                 tarefas dizem e os hashes dos tokens: guarde-o como se guarda um segredo.",
                amounts::size(*bytes)
            ),
            (Self::Taken { file, tasks, blobs, bytes, last }, Lang::En) => format!(
                "{file}: the cluster up to entry {last}; tasks: {tasks}; files: {blobs}; {}. It has what tasks say, \
                 and the hashes of tokens: keep it as a secret is kept.",
                amounts::size(*bytes)
            ),
            (Self::NoOrchestrator { file }, Lang::Pt) => format!(
                "Quem restaura é o programa `orquestrador`, que não está ao lado de `cliente` nem no PATH. Na máquina do novo \
                 orquestrador: orquestrador journal restore {file} --data-dir DIR"
            ),
            (Self::NoOrchestrator { file }, Lang::En) => format!(
                "The program `orquestrador` restores, and is neither beside `cliente` nor in PATH. On the machine of the new \
                 orchestrator: orquestrador journal restore {file} --data-dir DIR"
            ),
        }
    }
}

/// The help of the subcommands.
pub fn help(id: &str, lang: Lang) -> Option<&'static str> {
    Some(match (id, lang) {
        ("cluster.backup.about", Lang::Pt) => {
            "Grava o cluster inteiro (tarefas, filas, usuários, arquivos) num arquivo, sem parar nada"
        }
        ("cluster.backup.about", Lang::En) => {
            "Write the whole cluster (tasks, queues, users, files) into a file, stopping nothing"
        }
        ("cluster.backup.file", Lang::Pt) => "Onde; só aparece inteiro",
        ("cluster.backup.file", Lang::En) => "Where; it appears only when it is whole",
        ("cluster.backup.overwrite", Lang::Pt) => "Também no lugar de um arquivo que já existe",
        ("cluster.backup.overwrite", Lang::En) => "Also in the place of a file that exists",
        ("cluster.restore.about", Lang::Pt) => {
            "Faz de uma cópia de segurança um cluster novo, nesta máquina: o mesmo que orquestrador journal restore"
        }
        ("cluster.restore.about", Lang::En) => {
            "Make a new cluster of a backup, on this machine: the same as orquestrador journal restore"
        }
        ("cluster.restore.file", Lang::Pt) => "O que `cluster backup` gravou",
        ("cluster.restore.file", Lang::En) => "What `cluster backup` wrote",
        ("cluster.restore.data_dir", Lang::Pt) => {
            "O diretório de dados do novo orquestrador, vazio ou ainda inexistente [padrão: o dele]"
        }
        ("cluster.restore.data_dir", Lang::En) => {
            "The data directory of the new orchestrator, empty or not there yet [default: its own]"
        }
        ("cluster.restore.check", Lang::Pt) => {
            "Só confere se a cópia está íntegra e pode ser restaurada"
        }
        ("cluster.restore.check", Lang::En) => {
            "Only check that the backup is whole and can be restored"
        }
        _ => return None,
    })
}
