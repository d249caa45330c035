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
    Made { cert: PathBuf, key: PathBuf, list: PathBuf, until: OffsetDateTime },
    /// A certificate was issued.
    Issued { cert: PathBuf, key: PathBuf, certificate: Box<Certificate> },
    /// These do not count any more where this list is known, with so many in all.
    Revoked { list: PathBuf, serials: Vec<String>, all: usize },
    /// It is another authority's, or one itself.
    NotIssuedHere { path: PathBuf, issuer: String },
    /// Neither a file nor a number.
    BadSerial { text: String },
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
            Self::Revoked { .. } => "certificate_revoked",
            Self::NotIssuedHere { .. } => "not_issued_here",
            Self::BadSerial { .. } => "bad_serial",
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
            Self::Made { cert, key, list, until } => format!(
                "Autoridade criada: {}, válida até {}.\nA chave é {}: quem a tem entra no cluster; guarde-a fora das máquinas que \
                 servem.\nLista de revogados, ainda vazia: {} (--tls-crl).",
                cert.display(),
                moment(*until),
                key.display(),
                list.display()
            ),
            Self::Revoked { list, serials, all } => format!(
                "Revogado: {}.\nA lista {} tem {all} ao todo; leve-a a todas as máquinas, onde --tls-crl a lê: vale em segundos, sem reiniciar.",
                shown(serials),
                list.display()
            ),
            Self::NotIssuedHere { path, issuer } => format!(
                "{} não foi emitido por esta autoridade, e sim por {issuer}; use o --dir daquela.",
                path.display()
            ),
            Self::BadSerial { text } => format!(
                "`{text}` não é um arquivo de certificado nem um número de série, que é hexadecimal; `cliente certs show` mostra-o."
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
                "`{name}` não serve de nome: letras, dígitos, ponto, hífen e sublinhado, no máximo 64, e nem `ca` nem `crl`."
            ),
            Self::BadHost { host } => format!("--host `{host}` não é um nome nem um endereço IP."),
            Self::HostOfClient => {
                "--host é de quem escuta; um certificado de cliente não tem.".into()
            }
            Self::Unusable { path, why } => {
                format!(
                    "{}: não é o certificado ou a chave de que se precisa aqui. [{why}]",
                    path.display()
                )
            }
        }
    }

    fn english(&self) -> String {
        match self {
            Self::Made { cert, key, list, until } => format!(
                "Authority made: {}, valid until {}.\nThe key is {}: whoever has it enters the cluster; keep it off the machines that \
                 serve.\nList of revoked certificates, still empty: {} (--tls-crl).",
                cert.display(),
                moment(*until),
                key.display(),
                list.display()
            ),
            Self::Revoked { list, serials, all } => format!(
                "Revoked: {}.\nThe list {} has {all} in all; take it to all machines, where --tls-crl reads it: it counts within seconds, without a restart.",
                shown(serials),
                list.display()
            ),
            Self::NotIssuedHere { path, issuer } => format!(
                "{} was not issued by this authority, but by {issuer}; use the --dir of that one.",
                path.display()
            ),
            Self::BadSerial { text } => format!(
                "`{text}` is neither a file of a certificate nor a serial number, which is hexadecimal; `cliente certs show` shows it."
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
                "`{name}` cannot be a name: letters, digits, dot, hyphen and underscore, 64 at most, and neither `ca` nor `crl`."
            ),
            Self::BadHost { host } => {
                format!("--host `{host}` is neither a name nor an IP address.")
            }
            Self::HostOfClient => {
                "--host is for who listens; a client's certificate has none.".into()
            }
            Self::Unusable { path, why } => {
                format!(
                    "{}: is not the certificate or key that is needed here. [{why}]",
                    path.display()
                )
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
        "Nome: {}\nEmitido por: {}\nNúmero de série: {}\nPapel: {role}\nHosts: {}\nVálido: de {} até {}",
        certificate.subject,
        certificate.issuer,
        certificate.serial,
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
        "Name: {}\nIssued by: {}\nSerial number: {}\nRole: {role}\nHosts: {}\nValid: from {} until {}",
        certificate.subject,
        certificate.issuer,
        certificate.serial,
        hosts(certificate),
        moment(certificate.not_before),
        moment(certificate.not_after)
    )
}

fn shown(serials: &[String]) -> String {
    match serials.is_empty() {
        true => "-".to_owned(),
        false => serials.join(", "),
    }
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
            "Cria a autoridade: ca.pem, ca-key.pem e crl.pem; nada é sobrescrito"
        }
        ("certs.init.about", Lang::En) => {
            "Makes the authority: ca.pem, ca-key.pem and crl.pem; nothing is overwritten"
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
        ("certs.renew.about", Lang::Pt) => {
            "Emite de novo um certificado, com os mesmos nome, papel e hosts e outra chave, no lugar do anterior"
        }
        ("certs.renew.about", Lang::En) => {
            "Issues a certificate anew, with the same name, role and hosts and another key, in the place of the one before"
        }
        ("certs.renew.name", Lang::Pt) => "De quem é: NOME.pem em --dir",
        ("certs.renew.name", Lang::En) => "Whose it is: NAME.pem in --dir",
        ("certs.revoke.about", Lang::Pt) => {
            "Revoga certificados: põe-nos na lista crl.pem, que --tls-crl lê; sem nenhum, só a assina de novo"
        }
        ("certs.revoke.about", Lang::En) => {
            "Revokes certificates: puts them into the list crl.pem, which --tls-crl reads; without any it is only signed anew"
        }
        ("certs.revoke.which", Lang::Pt) => {
            "Um arquivo, um nome em --dir, ou um número de série (cliente certs show)"
        }
        ("certs.revoke.which", Lang::En) => {
            "A file, a name in --dir, or a serial number (cliente certs show)"
        }
        ("certs.init.days" | "certs.issue.days" | "certs.renew.days", Lang::Pt) => {
            "Por quantos dias vale"
        }
        ("certs.init.days" | "certs.issue.days" | "certs.renew.days", Lang::En) => {
            "For how many days it is valid"
        }
        (
            "certs.init.dir" | "certs.issue.dir" | "certs.renew.dir" | "certs.revoke.dir",
            Lang::Pt,
        ) => "Onde ficam os arquivos",
        (
            "certs.init.dir" | "certs.issue.dir" | "certs.renew.dir" | "certs.revoke.dir",
            Lang::En,
        ) => "Where the files are",
        ("certs.show.about", Lang::Pt) => "Mostra um certificado: nome, papel, hosts e validade",
        ("certs.show.about", Lang::En) => "Shows a certificate: name, role, hosts and validity",
        ("certs.show.file", Lang::Pt) => "O arquivo PEM",
        ("certs.show.file", Lang::En) => "The PEM file",
        _ => return None,
    })
}
