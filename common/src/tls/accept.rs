//! The connections of a port: with TLS or without, and what is known of whoever calls.

use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::{Stream, StreamExt as _};
use rustls::pki_types::UnixTime;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Sleep;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_stream::wrappers::TcpListenerStream;

use super::open::{Open, Other};
use super::{Certificate, Defect, Inner};
use crate::connections::{Connections, Seat};

/// How long a caller may take until the connection is secured.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a caller may take until the first bytes of what it asks have come.
const SILENCE: Duration = Duration::from_secs(10);
/// So many of them: what HTTP/2 begins with, and less than any request of HTTP/1 that says a host.
const BEGINNING: usize = 24;
/// So many at once; others wait in the queue of the system.
const MAX_HANDSHAKES: usize = 256;
/// How a handshake begins, and no HTTP request does.
const HANDSHAKE: u8 = 0x16;

/// Who is at the other end of a connection.
#[derive(Clone, Debug)]
pub enum Caller {
    /// This port speaks no TLS, and asks nobody.
    Unasked,
    /// It does, and the caller does not.
    Plain,
    /// Showed no certificate.
    Anonymous,
    /// Showed one that counts.
    Known(Arc<Certificate>),
    /// Showed one that does not.
    Refused(Arc<Defect>),
}

/// A connection as services see it.
#[derive(Clone, Debug)]
pub struct Connected {
    /// Who is at the other end.
    pub caller: Caller,
    /// From where; `None` when the system could not tell.
    pub address: Option<IpAddr>,
}

/// Secures the connections of a port.
#[derive(Clone)]
pub struct Acceptor(Arc<Inner>);

impl Acceptor {
    pub(super) fn new(tls: Arc<Inner>) -> Self {
        Self(tls)
    }

    async fn accept(&self, stream: TcpStream, seat: Seat) -> io::Result<Connection> {
        stream.set_nodelay(true)?;
        let mut first = [0];
        if stream.peek(&mut first).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if first != [HANDSHAKE] {
            return Ok(Connection::new(Caller::Plain, Kind::Plain(stream), seat));
        }
        // Whoever gave an acceptor had an own certificate, and what is read later has one, too.
        let gone = || io::Error::other("there is no own certificate any more");
        let material = self.0.material();
        let own = material.own.as_ref().ok_or_else(gone)?;
        let stream = TlsAcceptor::from(Arc::clone(&own.serving)).accept(stream).await?;
        // Before it is judged: what is read meanwhile judges it as well.
        let open = self.0.open.add(stream.get_ref().1.peer_certificates(), Other::Caller);
        let caller = self.judge(&stream);
        let connection = Connection::new(caller, Kind::Secured(Box::new(stream)), seat);
        Ok(Connection { open, ..connection })
    }

    fn judge(&self, stream: &TlsStream<TcpStream>) -> Caller {
        let shown = stream.get_ref().1.peer_certificates().and_then(<[_]>::split_first);
        let Some((own, others)) = shown else { return Caller::Anonymous };
        let material = self.0.material();
        let Some(of_us) = &material.own else { return Caller::Anonymous };
        let verified = of_us.callers.verify_client_cert(own, others, UnixTime::now());
        let judged = match verified {
            Ok(_) => Certificate::of_der(own).map_err(Defect::from),
            Err(error) => {
                Err(Defect::of(&error).unwrap_or_else(|| Defect::Other(error.to_string())))
            }
        };
        match judged {
            Ok(certificate) => Caller::Known(Arc::new(certificate)),
            Err(defect) => Caller::Refused(Arc::new(defect)),
        }
    }
}

/// One connection, of either kind.
pub struct Connection {
    caller: Caller,
    stream: Kind,
    /// Until it has begun to ask.
    silence: Option<Silence>,
    /// Of one that has shown a certificate.
    open: Option<Arc<Open>>,
    _seat: Seat,
}

/// It ends when enough has come, or in time.
struct Silence {
    bytes: usize,
    end: Pin<Box<Sleep>>,
}

impl Connection {
    fn new(caller: Caller, stream: Kind, seat: Seat) -> Self {
        let silence = Silence { bytes: 0, end: Box::pin(tokio::time::sleep(SILENCE)) };
        Self { caller, stream, silence: Some(silence), open: None, _seat: seat }
    }
}

enum Kind {
    Plain(TcpStream),
    Secured(Box<TlsStream<TcpStream>>),
}

/// The connections of a port. One that cannot be secured is left out, and so is one for which there is no room.
pub fn incoming(
    listener: TcpListener,
    acceptor: Option<Acceptor>,
    room: Connections,
) -> impl Stream<Item = io::Result<Connection>> + Send {
    let connections = TcpListenerStream::new(listener);
    let seated = connections.filter_map(move |stream| std::future::ready(seated(&room, stream)));
    let Some(acceptor) = acceptor else {
        let plain = |(stream, seat): (TcpStream, Seat)| {
            stream.set_nodelay(true)?;
            Ok(Connection::new(Caller::Unasked, Kind::Plain(stream), seat))
        };
        return seated.map(move |stream| stream.and_then(plain)).left_stream();
    };
    seated
        .map(move |stream| secured(acceptor.clone(), stream))
        .buffer_unordered(MAX_HANDSHAKES)
        .filter_map(std::future::ready)
        .right_stream()
}

/// Without room it is closed.
fn seated(
    room: &Connections,
    stream: io::Result<TcpStream>,
) -> Option<io::Result<(TcpStream, Seat)>> {
    let stream = match stream {
        Ok(stream) => stream,
        Err(error) => return Some(Err(error)),
    };
    let from = stream.peer_addr().ok().map(|address| address.ip());
    room.take(from).map(|seat| Ok((stream, seat)))
}

async fn secured(
    acceptor: Acceptor,
    stream: io::Result<(TcpStream, Seat)>,
) -> Option<io::Result<Connection>> {
    let (stream, seat) = match stream {
        Ok(seated) => seated,
        Err(error) => return Some(Err(error)),
    };
    match tokio::time::timeout(HANDSHAKE_TIMEOUT, acceptor.accept(stream, seat)).await {
        Ok(Ok(connection)) => return Some(Ok(connection)),
        Ok(Err(error)) => tracing::debug!(%error, "no handshake"),
        Err(_) => tracing::debug!("no handshake in time"),
    }
    None
}

impl tonic::transport::server::Connected for Connection {
    type ConnectInfo = Connected;

    fn connect_info(&self) -> Connected {
        let stream = match &self.stream {
            Kind::Plain(stream) => stream,
            Kind::Secured(stream) => stream.get_ref().0,
        };
        let address = stream.peer_addr().ok().map(|address| address.ip().to_canonical());
        Connected { caller: self.caller.clone(), address }
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        // One that was refused from the beginning is told so, by each answer.
        if let Some(open) = self.open.as_ref().filter(|_| matches!(self.caller, Caller::Known(_))) {
            open.check(cx)?;
        }
        let before = buf.filled().len();
        let read = match &mut self.stream {
            Kind::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Kind::Secured(stream) => Pin::new(stream).poll_read(cx, buf),
        };
        let Some(silence) = &mut self.silence else { return read };
        silence.bytes += buf.filled().len() - before;
        if silence.bytes >= BEGINNING {
            self.silence = None;
        } else if read.is_pending() && silence.end.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        read
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &mut self.stream {
            Kind::Plain(stream) => Pin::new(stream).poll_write(cx, buf),
            Kind::Secured(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Kind::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Kind::Secured(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Kind::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Kind::Secured(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut self.stream {
            Kind::Plain(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
            Kind::Secured(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match &self.stream {
            Kind::Plain(stream) => stream.is_write_vectored(),
            Kind::Secured(stream) => stream.is_write_vectored(),
        }
    }
}
