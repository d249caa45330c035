//! What `orquestrador journal restore` says.

use time::OffsetDateTime;

use super::{Message, tls};
use crate::lang::Lang;

/// A sentence about a backup.
#[derive(Clone, Debug)]
pub enum BackupMessage {
    /// It is whole.
    Holds { file: String, at_ms: u64, cluster: String, last: u64, tasks: u64, blobs: u64 },
    /// A new cluster was made of it.
    Restored { dir: String, cluster: String, start: String },
    /// The directory holds something.
    NotEmpty { dir: String, found: String },
    /// It is not what was written, or not whole.
    Damaged { file: String, detail: String },
    /// The disk did not let it.
    NotRestored { error: String },
}

impl Message for BackupMessage {
    fn event(&self) -> &'static str {
        match self {
            Self::Holds { .. } => "backup_holds",
            Self::Restored { .. } => "backup_restored",
            Self::NotEmpty { .. } => "restore_into_new",
            Self::Damaged { .. } => "backup_damaged",
            Self::NotRestored { .. } => "backup_not_restored",
        }
    }

    fn text(&self, lang: Lang) -> String {
        match lang {
            Lang::Pt => self.portuguese(),
            Lang::En => self.english(),
        }
    }
}

impl BackupMessage {
    fn portuguese(&self) -> String {
        match self {
            Self::Holds { file, at_ms, cluster, last, tasks, blobs } => format!(
                "{file} está íntegro: o cluster {cluster} em {} (entrada {last}); tarefas: {tasks}; arquivos: {blobs}.",
                moment(*at_ms)
            ),
            Self::Restored { dir, cluster, start } => format!(
                "Pronto em {dir}: um cluster novo ({cluster}) com este estado. Inicie-o: {start}\nDepois o backup, com um \
                 diretório de dados vazio; reinicie os workers. O que aconteceu depois da cópia não está nele: o que \
                 então esperava roda de novo."
            ),
            Self::NotEmpty { dir, found } => format!(
                "Recusado: {dir} não está vazio (há nele `{found}`). Uma cópia de segurança só é restaurada num diretório novo: \
                 mova este, ou informe outro com --data-dir."
            ),
            Self::Damaged { file, detail } => format!(
                "Recusado: {file} não é uma cópia de segurança íntegra; nada foi restaurado. Use outra cópia. [{detail}]"
            ),
            Self::NotRestored { error } => {
                format!("ERRO: nada foi restaurado: {error} Corrija isso e repita.")
            }
        }
    }

    fn english(&self) -> String {
        match self {
            Self::Holds { file, at_ms, cluster, last, tasks, blobs } => format!(
                "{file} is whole: cluster {cluster} at {} (entry {last}); tasks: {tasks}; files: {blobs}.",
                moment(*at_ms)
            ),
            Self::Restored { dir, cluster, start } => format!(
                "Done in {dir}: a new cluster ({cluster}) with that state. Start it: {start}\nThen the backup, with an \
                 empty data directory; restart the workers. What happened after the backup was taken is not in it: what \
                 waited then runs again."
            ),
            Self::NotEmpty { dir, found } => format!(
                "Refused: {dir} is not empty (it holds `{found}`). A backup is restored into a new directory only: move this \
                 one away, or give another with --data-dir."
            ),
            Self::Damaged { file, detail } => format!(
                "Refused: {file} is no whole backup; nothing was restored. Use another one. [{detail}]"
            ),
            Self::NotRestored { error } => {
                format!("ERROR: nothing was restored: {error} Mend that and repeat.")
            }
        }
    }
}

fn moment(at_ms: u64) -> String {
    let at = OffsetDateTime::from_unix_timestamp((at_ms / 1_000).cast_signed());
    at.map_or_else(|_| format!("{at_ms} ms"), tls::moment)
}

/// The help of the subcommand and its arguments.
pub fn help(id: &str, lang: Lang) -> Option<&'static str> {
    Some(match lang {
        Lang::Pt => match id {
            "journal.restore.about" => {
                "Faz de uma cópia de segurança um cluster novo, num diretório de dados vazio"
            }
            "journal.restore.file" => "O que `cliente cluster backup` gravou",
            "journal.restore.check" => "Só confere se a cópia está íntegra e pode ser restaurada",
            _ => return None,
        },
        Lang::En => match id {
            "journal.restore.about" => "Make a new cluster of a backup, in an empty data directory",
            "journal.restore.file" => "What `cliente cluster backup` wrote",
            "journal.restore.check" => "Only check that the backup is whole and can be restored",
            _ => return None,
        },
    })
}
