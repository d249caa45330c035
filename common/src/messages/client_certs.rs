//! What `cliente certs` says.

use std::path::PathBuf;

use time::OffsetDateTime;

use super::Message;
use super::tls::moment;
use crate::lang::Lang;
use crate::tls::{Certificate, Role};

/// What it tells, on either output.
#[derive(Clone, Debug)]
pub enum CertsMessage {
    /// An authority was made.
    Made { cert: PathBuf, key: PathBuf, until: OffsetDateTime },
    /// A certificate was issued.
    Issued { cert: PathBuf, key: PathBuf, certificate: Box<Certificate> },
    /// A file's.
    Shown { certificate: Box<Certificate>, days: i64 },
    /// Nothing is overwritten.
    Exists { path: PathBuf },
    /// There is no authority in the directory.
    NoAuthority { dir: PathBuf },
    /// It cannot be a file's name.
    BadName { name: String },
    /// Neither a name nor an address.
    BadHost { host: String },
    /// Nobody listens under a client's certificate.
    HostOfClient,
    /// What is in the directory cannot sign.
    Unusable { path: PathBuf, why: String },
}

impl Message for CertsMessage {
    fn event(&self) -> &'static str {
        match self {
            Self::Made { .. } => "authority_made",
            Self::Issued { .. } => "certificate_issued",
            Self::Shown { .. } => "certificate_shown",
            Self::Exists { .. } => "file_exists",
            Self::NoAuthority { .. } => "no_authority",
            Self::BadName { .. } => "bad_name",
            Self::BadHost { .. } => "bad_host",
            Self::HostOfClient => "host_of_client",
            Self::Unusable { .. } => "authority_unusable",
        }
    }

    fn text(&self, lang: Lang) -> String {
        match lang {
            Lang::Pt => self.portuguese(),
            Lang::En => self.english(),
        }
    }
}

impl CertsMessage {
    fn portuguese(&self) -> String {
        match self {
            Self::Made { cert, key, until } => format!(
                "Autoridade criada: {}, válida até {}.\nA chave é {}: quem a tem entra no cluster; guarde-a fora das máquinas que \
                 servem.",
                cert.display(),
                moment(*until),
                key.display()
            ),
            Self::Issued { cert, key, certificate } => format!(
                "Certificado emitido: {}, chave {}.\n{}",
                cert.display(),
                key.display(),
                portuguese(certificate)
            ),
            Self::Shown { certificate, days } if *days < 0 => {
                format!("{}\nVENCIDO.", portuguese(certificate))
            }
            Self::Shown { certificate, days } => {
                format!("{}\nAinda vale {days} dias.", portuguese(certificate))
            }
            Self::Exists { path } => format!(
                "{} já existe, e nada é sobrescrito; apague-o se não serve mais, ou escolha outro --dir.",
                path.display()
            ),
            Self::NoAuthority { dir } => format!(
                "Não há autoridade em {}; crie-a com `cliente certs init --dir {}`.",
                dir.display(),
                dir.display()
            ),
            Self::BadName { name } => format!(
                "`{name}` não serve de nome: letras, dígitos, ponto, hífen e sublinhado, no máximo 64, e não `ca`."
            ),
            Self::BadHost { host } => format!("--host `{host}` não é um nome nem um endereço IP."),
            Self::HostOfClient => {
                "--host é de quem escuta; um certificado de cliente não tem.".into()
            }
            Self::Unusable { path, why } => {
                format!("{}: não serve para assinar. [{why}]", path.display())
            }
        }
    }

    fn english(&self) -> String {
        match self {
            Self::Made { cert, key, until } => format!(
                "Authority made: {}, valid until {}.\nThe key is {}: whoever has it enters the cluster; keep it off the machines that \
                 serve.",
                cert.display(),
                moment(*until),
                key.display()
            ),
            Self::Issued { cert, key, certificate } => format!(
                "Certificate issued: {}, key {}.\n{}",
                cert.display(),
                key.display(),
                english(certificate)
            ),
            Self::Shown { certificate, days } if *days < 0 => {
                format!("{}\nEXPIRED.", english(certificate))
            }
            Self::Shown { certificate, days } => {
                format!("{}\nValid for {days} days more.", english(certificate))
            }
            Self::Exists { path } => format!(
                "{} exists, and nothing is overwritten; remove it if it is of no more use, or choose another --dir.",
                path.display()
            ),
            Self::NoAuthority { dir } => format!(
                "There is no authority in {}; make it with `cliente certs init --dir {}`.",
                dir.display(),
                dir.display()
            ),
            Self::BadName { name } => format!(
                "`{name}` cannot be a name: letters, digits, dot, hyphen and underscore, 64 at most, and not `ca`."
            ),
            Self::BadHost { host } => {
                format!("--host `{host}` is neither a name nor an IP address.")
            }
            Self::HostOfClient => {
                "--host is for who listens; a client's certificate has none.".into()
            }
            Self::Unusable { path, why } => {
                format!("{}: cannot be used to sign. [{why}]", path.display())
            }
        }
    }
}

fn portuguese(certificate: &Certificate) -> String {
    let role = match (certificate.is_authority, certificate.role) {
        (true, _) => "autoridade",
        (false, role) => role.map_or("nenhum", Role::word),
    };
    format!(
        "Nome: {}\nEmitido por: {}\nPapel: {role}\nHosts: {}\nVálido: de {} até {}",
        certificate.subject,
        certificate.issuer,
        hosts(certificate),
        moment(certificate.not_before),
        moment(certificate.not_after)
    )
}

fn english(certificate: &Certificate) -> String {
    let role = match (certificate.is_authority, certificate.role) {
        (true, _) => "authority",
        (false, role) => role.map_or("none", Role::word),
    };
    format!(
        "Name: {}\nIssued by: {}\nRole: {role}\nHosts: {}\nValid: from {} until {}",
        certificate.subject,
        certificate.issuer,
        hosts(certificate),
        moment(certificate.not_before),
        moment(certificate.not_after)
    )
}

fn hosts(certificate: &Certificate) -> String {
    match certificate.hosts.is_empty() {
        true => "-".to_owned(),
        false => certificate.hosts.join(", "),
    }
}

/// The help of the subcommand.
pub fn help(id: &str, lang: Lang) -> Option<&'static str> {
    Some(match (id, lang) {
        ("certs.about", Lang::Pt) => {
            "Certificados para TLS: uma autoridade, e o que ela assina (docs/security.md)"
        }
        ("certs.about", Lang::En) => {
            "Certificates for TLS: an authority, and what it signs (docs/security.md)"
        }
        ("certs.init.about", Lang::Pt) => {
            "Cria a autoridade: ca.pem e ca-key.pem; nada é sobrescrito"
        }
        ("certs.init.about", Lang::En) => {
            "Makes the authority: ca.pem and ca-key.pem; nothing is overwritten"
        }
        ("certs.issue.about", Lang::Pt) => {
            "Emite um certificado e a sua chave: NOME.pem e NOME-key.pem"
        }
        ("certs.issue.about", Lang::En) => {
            "Issues a certificate and its key: NAME.pem and NAME-key.pem"
        }
        ("certs.issue.name", Lang::Pt) => "De quem é; também um host, se é um nome de host",
        ("certs.issue.name", Lang::En) => "Whose it is; a host too, if it is a host's name",
        ("certs.issue.host", Lang::Pt) => {
            "Nome ou endereço em que escuta; pode ser repetida [padrão: localhost, 127.0.0.1 e ::1]"
        }
        ("certs.issue.host", Lang::En) => {
            "Name or address that it listens on; may be repeated [default: localhost, 127.0.0.1 and ::1]"
        }
        ("certs.issue.role", Lang::Pt) => {
            "O que o certificado permite ser: nó do cluster, worker (e testemunha), ou cliente, ao lado do token"
        }
        ("certs.issue.role", Lang::En) => {
            "What the certificate lets its owner be: a node of the cluster, a worker (and witness), or a client, beside the token"
        }
        ("certs.init.days" | "certs.issue.days", Lang::Pt) => "Por quantos dias vale",
        ("certs.init.days" | "certs.issue.days", Lang::En) => "For how many days it is valid",
        ("certs.init.dir" | "certs.issue.dir", Lang::Pt) => "Onde ficam os arquivos",
        ("certs.init.dir" | "certs.issue.dir", Lang::En) => "Where the files are",
        ("certs.show.about", Lang::Pt) => "Mostra um certificado: nome, papel, hosts e validade",
        ("certs.show.about", Lang::En) => "Shows a certificate: name, role, hosts and validity",
        ("certs.show.file", Lang::Pt) => "O arquivo PEM",
        ("certs.show.file", Lang::En) => "The PEM file",
        _ => return None,
    })
}
