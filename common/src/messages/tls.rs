//! What is said of certificates, by all four programs.

use time::format_description::well_known::Rfc3339;
use time::{OffsetDateTime, UtcOffset};

use super::{Message, error, io};
use crate::error_code::ErrorCode;
use crate::lang::Lang;
use crate::tls::{Defect, Problem, Role};

/// A line of the console.
#[derive(Clone, Debug)]
pub enum TlsMessage {
    /// The own certificate will not count for long.
    ExpiresSoon { subject: String, until: OffsetDateTime, days: i64 },
    /// The files are others, and what stands in them counts from now on.
    ReadAgain { subject: String, until: OffsetDateTime },
    /// The files are others, and not as they should be.
    Kept { problem: Problem },
    /// A list of revoked certificates is older than its authority meant it to be.
    OldList { until: OffsetDateTime },
    /// Others call the process by a name that is not in its certificate.
    OtherHost { subject: String, host: String },
    /// There is no link to the other orchestrator because of certificates, or of TLS itself.
    PeerInsecure { address: String, code: ErrorCode, why: String },
    /// Nor a session with any orchestrator.
    OrchestratorInsecure { address: String, code: ErrorCode, why: String },
}

impl Message for TlsMessage {
    fn event(&self) -> &'static str {
        match self {
            Self::ExpiresSoon { .. } => "certificate_expires_soon",
            Self::ReadAgain { .. } => "certificates_read_again",
            Self::Kept { .. } => "certificates_kept",
            Self::OldList { .. } => "revocation_list_old",
            Self::OtherHost { .. } => "certificate_of_other_host",
            Self::PeerInsecure { .. } => "peer_insecure",
            Self::OrchestratorInsecure { .. } => "orchestrator_insecure",
        }
    }

    fn text(&self, lang: Lang) -> String {
        match (self, lang) {
            (Self::ExpiresSoon { subject, until, days }, Lang::Pt) => format!(
                "O certificado de {subject} vale só até {}, daqui a {days} dias; renove-o com `cliente certs renew`; não é preciso reiniciar.",
                moment(*until)
            ),
            (Self::ExpiresSoon { subject, until, days }, Lang::En) => format!(
                "The certificate of {subject} is valid only until {}, for {days} days more; renew it with `cliente certs renew`; no \
                 restart is needed.",
                moment(*until)
            ),
            (Self::ReadAgain { subject, until }, Lang::Pt) => {
                format!("Certificados lidos de novo: o de {subject} vale até {}.", moment(*until))
            }
            (Self::ReadAgain { subject, until }, Lang::En) => format!(
                "Certificates read again: that of {subject} is valid until {}.",
                moment(*until)
            ),
            (Self::Kept { problem }, Lang::Pt) => format!(
                "AVISO: os arquivos de certificados mudaram e não servem; continuam os anteriores. {}",
                self::problem(problem, lang)
            ),
            (Self::Kept { problem }, Lang::En) => format!(
                "WARNING: the files of certificates are others and cannot be used; those before go on. {}",
                self::problem(problem, lang)
            ),
            (Self::OldList { until }, Lang::Pt) => format!(
                "AVISO: a lista de certificados revogados (--tls-crl) devia ter sido renovada até {}; ela continua valendo. Renove-a com `cliente certs revoke`.",
                moment(*until)
            ),
            (Self::OldList { until }, Lang::En) => format!(
                "WARNING: the list of revoked certificates (--tls-crl) should have been renewed by {}; it goes on counting. Renew it with `cliente certs revoke`.",
                moment(*until)
            ),
            (Self::OtherHost { subject, host }, Lang::Pt) => format!(
                "AVISO: o certificado de {subject} não vale para {host}, o endereço deste nó para os outros: ninguém se ligará a ele. Emita outro com \
                 `cliente certs issue --host {host}`, ou corrija --advertise."
            ),
            (Self::OtherHost { subject, host }, Lang::En) => format!(
                "WARNING: the certificate of {subject} is not valid for {host}, where others find this node: nobody will connect to it. Issue another one \
                 with `cliente certs issue --host {host}`, or mend --advertise."
            ),
            (Self::PeerInsecure { address, code, why }, Lang::Pt) => {
                format!(
                    "Sem ligação com o outro orquestrador, em {address}. {}",
                    error::text(*code, why, lang)
                )
            }
            (Self::PeerInsecure { address, code, why }, Lang::En) => {
                format!(
                    "No link to the other orchestrator, at {address}. {}",
                    error::text(*code, why, lang)
                )
            }
            (Self::OrchestratorInsecure { address, code, why }, Lang::Pt) => {
                format!(
                    "Sem sessão com o orquestrador em {address}. {}",
                    error::text(*code, why, lang)
                )
            }
            (Self::OrchestratorInsecure { address, code, why }, Lang::En) => {
                format!(
                    "No session with the orchestrator at {address}. {}",
                    error::text(*code, why, lang)
                )
            }
        }
    }
}

/// In UTC, to the second.
pub fn moment(moment: OffsetDateTime) -> String {
    let moment = moment.to_offset(UtcOffset::UTC);
    moment.format(&Rfc3339).unwrap_or_else(|_| moment.to_string())
}

fn some_moment(at: Option<OffsetDateTime>) -> String {
    at.map_or_else(|| "?".to_owned(), moment)
}

/// What is wrong with the files that the flags name, and what to do.
pub fn problem(problem: &Problem, lang: Lang) -> String {
    match lang {
        Lang::Pt => match problem {
            Problem::Incomplete => {
                "--tls-cert, --tls-key e --tls-ca só valem juntos; num cliente, --tls-ca também sozinho; e --tls-crl só com --tls-ca".into()
            }
            Problem::File { path, error } => format!("{}: {}", path.display(), io::text(error, lang)),
            Problem::NotPem { path, why } => format!(
                "{}: não é um arquivo PEM com o que se espera; `cliente certs` faz esses arquivos [{why}]",
                path.display()
            ),
            Problem::OpenKey { path } => format!(
                "{}: qualquer um nesta máquina pode ler a chave; corrija com chmod 600",
                path.display()
            ),
            Problem::OtherKey { cert, key, why } => format!(
                "{} não é a chave do certificado {} [{why}]",
                key.display(),
                cert.display()
            ),
            Problem::OtherList { path } => format!(
                "--tls-crl {}: a lista não foi assinada pela autoridade de --tls-ca; `cliente certs revoke` faz uma",
                path.display()
            ),
            Problem::Own { path, defect } => {
                format!("--tls-cert {}: {}", path.display(), self::defect(defect, lang))
            }
            Problem::PlainAddress { address } => format!(
                "{address}: com --tls-ca os endereços são https://; escreva-o assim, ou sem http://"
            ),
            Problem::NoAuthority { address } => format!(
                "{address}: https:// precisa de --tls-ca, o certificado da autoridade (ca.pem de `cliente certs init`)"
            ),
        },
        Lang::En => match problem {
            Problem::Incomplete => {
                "--tls-cert, --tls-key and --tls-ca count only together; at a client, --tls-ca also alone; and --tls-crl only with --tls-ca".into()
            }
            Problem::File { path, error } => format!("{}: {}", path.display(), io::text(error, lang)),
            Problem::NotPem { path, why } => format!(
                "{}: no PEM file with what is expected; `cliente certs` makes such files [{why}]",
                path.display()
            ),
            Problem::OpenKey { path } => {
                format!("{}: anybody on this machine can read the key; chmod 600 it", path.display())
            }
            Problem::OtherKey { cert, key, why } => format!(
                "{} is not the key of the certificate {} [{why}]",
                key.display(),
                cert.display()
            ),
            Problem::OtherList { path } => format!(
                "--tls-crl {}: the list is not signed by the authority of --tls-ca; `cliente certs revoke` makes one",
                path.display()
            ),
            Problem::Own { path, defect } => {
                format!("--tls-cert {}: {}", path.display(), self::defect(defect, lang))
            }
            Problem::PlainAddress { address } => format!(
                "{address}: with --tls-ca addresses are https://; write it so, or without http://"
            ),
            Problem::NoAuthority { address } => format!(
                "{address}: https:// needs --tls-ca, the certificate of the authority (ca.pem of `cliente certs init`)"
            ),
        },
    }
}

fn defect(defect: &Defect, lang: Lang) -> String {
    let role = |role: Option<Role>| match (role, lang) {
        (Some(role), _) => role.word(),
        (None, Lang::Pt) => "nenhum",
        (None, Lang::En) => "none",
    };
    match (defect, lang) {
        (Defect::OtherAuthority, Lang::Pt) => {
            "não foi assinado pela autoridade de --tls-ca; emita outro com `cliente certs issue`"
                .into()
        }
        (Defect::OtherAuthority, Lang::En) => {
            "is not signed by the authority of --tls-ca; issue another with `cliente certs issue`"
                .into()
        }
        (Defect::Expired(at), Lang::Pt) => {
            format!("venceu em {}; emita outro com `cliente certs issue`", some_moment(*at))
        }
        (Defect::Expired(at), Lang::En) => {
            format!("expired at {}; issue another with `cliente certs issue`", some_moment(*at))
        }
        (Defect::NotYetValid(at), Lang::Pt) => {
            format!("só vale a partir de {}; confira o relógio", some_moment(*at))
        }
        (Defect::NotYetValid(at), Lang::En) => {
            format!("is valid only from {}; check the clock", some_moment(*at))
        }
        (Defect::Revoked, Lang::Pt) => {
            "foi revogado; emita outro com `cliente certs renew`, se deve valer".into()
        }
        (Defect::Revoked, Lang::En) => {
            "was revoked; issue another with `cliente certs renew`, if it is to count".into()
        }
        (Defect::OtherHost { expected, presented }, Lang::Pt) => format!(
            "é de {presented}, e não de {expected}; emita outro com `cliente certs issue --host {expected}`"
        ),
        (Defect::OtherHost { expected, presented }, Lang::En) => format!(
            "is for {presented}, not for {expected}; issue another with `cliente certs issue --host {expected}`"
        ),
        (Defect::OtherRole { found, needed }, Lang::Pt) => format!(
            "o papel do certificado é {}, e aqui precisa ser {needed}; emita outro com `cliente certs issue NOME --role {needed}`",
            role(*found)
        ),
        (Defect::OtherRole { found, needed }, Lang::En) => format!(
            "its role is {}, and must be {needed} here; issue another with `cliente certs issue NAME --role {needed}`",
            role(*found)
        ),
        (Defect::Purpose, Lang::Pt) => "não pode ser usado para isto".into(),
        (Defect::Purpose, Lang::En) => "may not be used for this".into(),
        (Defect::Unreadable(why), Lang::Pt) => format!("não se lê como certificado [{why}]"),
        (Defect::Unreadable(why), Lang::En) => format!("cannot be read as a certificate [{why}]"),
        (Defect::Other(why), Lang::Pt) => format!("não vale [{why}]"),
        (Defect::Other(why), Lang::En) => format!("does not count [{why}]"),
    }
}

/// A port that others can reach, and nothing that keeps strangers out.
pub fn open_network(listen: &str, role: Role, lang: Lang) -> String {
    match lang {
        Lang::Pt => format!(
            "--listen {listen} abre este processo para a rede, e sem certificados qualquer um entra: dê --tls-cert, --tls-key e \
             --tls-ca (`cliente certs init` e `cliente certs issue NOME --role {role} --host HOST`), ou --insecure-network se a \
             rede é confiável"
        ),
        Lang::En => format!(
            "--listen {listen} opens this process to the network, and without certificates anybody comes in: give --tls-cert, \
             --tls-key and --tls-ca (`cliente certs init` and `cliente certs issue NAME --role {role} --host HOST`), or \
             --insecure-network where the network is trusted"
        ),
    }
}

/// The help of the flags.
pub fn help(id: &str, lang: Lang) -> Option<&'static str> {
    Some(match (id, lang) {
        ("tls_cert", Lang::Pt) => {
            "Certificado deste processo, PEM (cliente certs issue); com ele, --tls-key e --tls-ca tudo é cifrado"
        }
        ("tls_cert", Lang::En) => {
            "Certificate of this process, PEM (cliente certs issue); with it, --tls-key and --tls-ca everything is encrypted"
        }
        ("tls_key", Lang::Pt) => "A chave desse certificado, PEM; só o dono deve poder lê-la",
        ("tls_key", Lang::En) => {
            "The key of that certificate, PEM; only its owner should be able to read it"
        }
        ("tls_ca", Lang::Pt) => {
            "Certificado da autoridade, PEM (cliente certs init): só quem ela certificou é aceito"
        }
        ("tls_ca", Lang::En) => {
            "Certificate of the authority, PEM (cliente certs init): only those that it certified are accepted"
        }
        ("tls_crl", Lang::Pt) => {
            "Lista de certificados revogados, PEM (cliente certs revoke): quem está nela não é mais aceito"
        }
        ("tls_crl", Lang::En) => {
            "List of revoked certificates, PEM (cliente certs revoke): those in it are no longer accepted"
        }
        _ => return None,
    })
}
