//! Why an attempt to tell a receiver failed, in the language of the orchestrator that tried.

use crate::lang::Lang;

/// What went wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WebhookFailure {
    /// Another status than 200 to 299, with its words.
    Answer {
        status: String,
    },
    /// A status that leads elsewhere.
    Redirect {
        status: String,
    },
    NoAnswer {
        seconds: u64,
    },
    /// The orchestrators do not allow the URL any more.
    NotAllowed,
    Refused,
    /// No connection within the time for one.
    ConnectTimeout,
    /// The name of the host leads nowhere.
    NoSuchHost,
    NoConnection {
        why: String,
    },
    /// Nobody known vouches for the certificate.
    UnknownIssuer,
    /// It is of another host.
    OtherName,
    /// Its time is over, or has not begun.
    OutOfTime,
    Certificate {
        why: String,
    },
    /// The receiver speaks no TLS, or none that could be understood.
    Tls {
        why: String,
    },
    NotHttp,
    BrokenOff,
    Other {
        why: String,
    },
}

impl WebhookFailure {
    /// A fragment of a sentence.
    pub fn text(&self, lang: Lang) -> String {
        match lang {
            Lang::Pt => self.portuguese(),
            Lang::En => self.english(),
        }
    }

    fn portuguese(&self) -> String {
        match self {
            Self::Answer { status } => format!("a resposta foi {status}"),
            Self::Redirect { status } => {
                format!("a resposta foi {status}; redirecionamentos não são seguidos")
            }
            Self::NoAnswer { seconds } => format!("nenhuma resposta em {seconds} s"),
            Self::NotAllowed => "este orquestrador não permite a URL (--webhook-allow)".into(),
            Self::Refused => "conexão recusada: ninguém escuta nesta porta".into(),
            Self::ConnectTimeout => "a conexão não se estabeleceu a tempo".into(),
            Self::NoSuchHost => "o nome do host não foi encontrado".into(),
            Self::NoConnection { why } => format!("sem conexão ({why})"),
            Self::UnknownIssuer => {
                "certificado recusado: emitido por uma autoridade desconhecida (SSL_CERT_FILE indica outras)".into()
            }
            Self::OtherName => "certificado recusado: é de outro host".into(),
            Self::OutOfTime => "certificado recusado: está fora da validade".into(),
            Self::Certificate { why } => format!("certificado recusado ({why})"),
            Self::Tls { why } => {
                format!("a conexão TLS falhou; confira se o receptor fala https nesta porta ({why})")
            }
            Self::NotHttp => {
                "a resposta não é HTTP; confira a porta da URL e se é http ou https".into()
            }
            Self::BrokenOff => "o receptor fechou a conexão sem responder".into(),
            Self::Other { why } => format!("o pedido falhou ({why})"),
        }
    }

    fn english(&self) -> String {
        match self {
            Self::Answer { status } => format!("the answer was {status}"),
            Self::Redirect { status } => {
                format!("the answer was {status}; redirects are not followed")
            }
            Self::NoAnswer { seconds } => format!("no answer within {seconds} s"),
            Self::NotAllowed => "this orchestrator does not allow the URL (--webhook-allow)".into(),
            Self::Refused => "connection refused: nobody listens on this port".into(),
            Self::ConnectTimeout => "no connection in time".into(),
            Self::NoSuchHost => "the name of the host was not found".into(),
            Self::NoConnection { why } => format!("no connection ({why})"),
            Self::UnknownIssuer => {
                "certificate refused: an unknown authority issued it (SSL_CERT_FILE names others)"
                    .into()
            }
            Self::OtherName => "certificate refused: it is of another host".into(),
            Self::OutOfTime => "certificate refused: it is not valid now".into(),
            Self::Certificate { why } => format!("certificate refused ({why})"),
            Self::Tls { why } => {
                format!(
                    "the TLS connection failed; check that the receiver speaks https on this port ({why})"
                )
            }
            Self::NotHttp => {
                "the answer is no HTTP; check the port of the URL, and whether it is http or https"
                    .into()
            }
            Self::BrokenOff => "the receiver closed the connection without an answer".into(),
            Self::Other { why } => format!("the request failed ({why})"),
        }
    }
}
