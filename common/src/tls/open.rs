//! The connections that are open, so that one whose certificate is revoked meanwhile is closed.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::{Context, Poll};

use futures::task::AtomicWaker;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::Defect;
use super::material::Material;

/// Which they are; those that have ended are forgotten by and by.
#[derive(Debug, Default)]
pub(super) struct OpenConnections(Mutex<Vec<Weak<Open>>>);

/// What somebody at the other end of one has shown.
#[derive(Debug)]
pub(super) struct Open {
    chain: Vec<CertificateDer<'static>>,
    other: Other,
    is_revoked: AtomicBool,
    reader: AtomicWaker,
}

/// Who that is.
#[derive(Debug)]
pub(super) enum Other {
    /// Has called.
    Caller,
    /// Was called, by this name.
    Called(ServerName<'static>),
}

/// How many may have ended before all are looked through.
const MANY: usize = 64;

impl OpenConnections {
    /// Judged from now on. `None`: nothing was shown.
    pub fn add(&self, shown: Option<&[CertificateDer<'_>]>, other: Other) -> Option<Arc<Open>> {
        let chain: Vec<_> = shown?.iter().map(|shown| shown.clone().into_owned()).collect();
        let (is_revoked, reader) = (AtomicBool::new(false), AtomicWaker::new());
        let open = Arc::new(Open { chain, other, is_revoked, reader });
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= MANY && all.len() == all.capacity() {
            all.retain(|open| open.strong_count() > 0);
        }
        all.push(Arc::downgrade(&open));
        Some(open)
    }

    /// Closes those whose certificates are revoked. An expired one, or one of an authority that was exchanged, stays: what is open
    /// stays open.
    pub fn judge(&self, material: &Material) {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        all.iter().filter_map(Weak::upgrade).for_each(|open| open.judge(material));
    }
}

impl Open {
    /// Sees whether it is revoked.
    pub fn judge(&self, material: &Material) {
        let Some((own, others)) = self.chain.split_first() else { return };
        let now = UnixTime::now();
        let judged = match (&self.other, &material.own) {
            (Other::Caller, None) => return,
            (Other::Caller, Some(material)) => {
                material.callers.verify_client_cert(own, others, now).map(drop)
            }
            (Other::Called(name), _) => {
                material.called.verify_server_cert(own, others, name, &[], now).map(drop)
            }
        };
        if judged.is_err_and(|error| Defect::of(&error) == Some(Defect::Revoked)) {
            self.is_revoked.store(true, Ordering::Release);
            self.reader.wake();
        }
    }

    /// Before each read: an error once it is revoked; whoever waits then is woken.
    pub fn check(&self, cx: &mut Context<'_>) -> io::Result<()> {
        self.reader.register(cx.waker());
        match self.is_revoked.load(Ordering::Acquire) {
            true => Err(io::Error::new(
                io::ErrorKind::ConnectionAborted,
                "the certificate of the other end was revoked",
            )),
            false => Ok(()),
        }
    }
}

/// A connection that ends when its certificate is revoked.
pub(crate) struct Revocable<S> {
    stream: S,
    open: Option<Arc<Open>>,
}

impl<S> Revocable<S> {
    pub(super) fn new(stream: S, open: Option<Arc<Open>>) -> Self {
        Self { stream, open }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Revocable<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if let Some(open) = &self.open {
            open.check(cx)?;
        }
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Revocable<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
