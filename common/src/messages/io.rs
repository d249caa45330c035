//! What the operating system says, in the language of the person who must mend it.

use std::io::{Error, ErrorKind};

use crate::lang::Lang;

/// The common causes in the catalogue's words; the system's own text for the others.
pub fn text(error: &Error, lang: Lang) -> String {
    let (portuguese, english) = match error.kind() {
        ErrorKind::AddrInUse => {
            ("o endereço já está em uso por outro processo", "another process uses the address")
        }
        ErrorKind::AddrNotAvailable => {
            ("esta máquina não tem este endereço", "this machine does not have the address")
        }
        ErrorKind::NotFound => ("não existe", "it does not exist"),
        ErrorKind::AlreadyExists => ("já existe", "it exists already"),
        ErrorKind::PermissionDenied => ("sem permissão", "permission denied"),
        ErrorKind::IsADirectory => ("é um diretório", "it is a directory"),
        ErrorKind::NotADirectory => ("não é um diretório", "it is not a directory"),
        ErrorKind::StorageFull => ("o disco está cheio", "the disk is full"),
        ErrorKind::QuotaExceeded => ("a cota de disco acabou", "the disk quota is used up"),
        ErrorKind::ReadOnlyFilesystem => {
            ("o sistema de arquivos só permite leitura", "the file system is read-only")
        }
        ErrorKind::InvalidData => ("não é texto UTF-8", "it is not UTF-8 text"),
        _ => return error.to_string(),
    };
    match lang {
        Lang::Pt => portuguese.to_owned(),
        Lang::En => english.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_common_cause_is_told_and_a_rare_one_kept() {
        let missing = Error::from_raw_os_error(2);
        assert_eq!(text(&missing, Lang::Pt), "não existe");
        assert_eq!(text(&Error::other("estranho"), Lang::Pt), "estranho");
    }
}
