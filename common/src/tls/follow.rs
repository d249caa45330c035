//! Notices that the files are others, and reads them again: new connections use what is new, open ones go on.

use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::Instant;

use super::material::{Material, Print, print};
use super::{Inner, Problem, Tls};
use crate::console::Console;
use crate::messages::tls::TlsMessage;

/// How often the files are looked at.
const LOOK: Duration = Duration::from_secs(5);
/// How long they must have stayed as they are: whoever replaces a certificate and its key does one after the other.
const SETTLED: Duration = Duration::from_secs(1);
/// How often it is said that a certificate will not count for long.
const REMIND: Duration = Duration::from_secs(24 * 3600);

impl Tls {
    /// Reads all files again. When one of them is not as it should be, all stays as it was.
    ///
    /// # Errors
    /// As [`Tls::read`] or [`Tls::serving`], whichever it was.
    pub fn read_again(&self) -> Result<(), Problem> {
        let Some(inner) = &self.0 else { return Ok(()) };
        let read = Material::read(&inner.flags, inner.needed)?.ok_or(Problem::Incomplete)?;
        inner.exchange(read);
        Ok(())
    }

    /// Follows the files until the process ends, and reads them on SIGHUP, too. A process without TLS follows nothing, and a
    /// SIGHUP ends it as ever.
    ///
    /// # Errors
    /// The signal cannot be listened to.
    pub fn follow(&self, console: Console) -> std::io::Result<()> {
        let Some(inner) = self.0.clone() else { return Ok(()) };
        let hangup = signal(SignalKind::hangup())?;
        tokio::spawn(follow(self.clone(), inner.material().print, Some((hangup, console))));
        Ok(())
    }

    /// The same of a client, which says nothing of it.
    pub fn follow_silently(&self) {
        if let Some(inner) = self.0.clone() {
            tokio::spawn(follow(self.clone(), inner.material().print, None));
        }
    }
}

async fn follow(tls: Tls, mut known: Print, mut heard: Option<(Signal, Console)>) {
    let mut reminded = Instant::now();
    loop {
        let is_asked = tokio::select! {
            () = tokio::time::sleep(LOOK) => false,
            () = asked(&mut heard) => true,
        };
        let Some(now) = seen(&tls).await else { return };
        if is_asked || now != known {
            let settled = if is_asked { Some(now) } else { settled(&tls, now).await };
            let Some(now) = settled else { return };
            known = now;
            let (of_all, reader) = (tls.clone(), tls.clone());
            let read = tokio::task::spawn_blocking(move || reader.read_again()).await;
            match read {
                Ok(read) => tell(&of_all, read, heard.as_ref().map(|(_, console)| *console)),
                Err(error) => tracing::warn!(%error, "certificates were not read again"),
            }
        }
        if let Some((_, console)) = &heard
            && reminded.elapsed() > REMIND
        {
            reminded = Instant::now();
            tls.warnings().iter().for_each(|warning| console.warn(warning));
        }
    }
}

async fn asked(heard: &mut Option<(Signal, Console)>) {
    match heard {
        Some((hangup, _)) => {
            hangup.recv().await;
        }
        None => std::future::pending().await,
    }
}

async fn seen(tls: &Tls) -> Option<Print> {
    let inner = tls.0.clone()?;
    tokio::task::spawn_blocking(move || print(&inner.flags)).await.ok()
}

/// What they are when they stay so.
async fn settled(tls: &Tls, mut now: Print) -> Option<Print> {
    loop {
        tokio::time::sleep(SETTLED).await;
        let later = seen(tls).await?;
        if std::mem::replace(&mut now, later) == later {
            return Some(now);
        }
    }
}

fn tell(tls: &Tls, read: Result<(), Problem>, console: Option<Console>) {
    let Some(console) = console else {
        return if let Err(problem) = read {
            tracing::debug!(%problem, "the certificates stay as they were");
        };
    };
    match (read, tls.own()) {
        (Ok(()), Some(own)) => {
            console.info(&TlsMessage::ReadAgain { subject: own.subject, until: own.not_after });
            tls.warnings().iter().for_each(|warning| console.warn(warning));
        }
        (Ok(()), None) => {}
        (Err(problem), _) => console.warn(&TlsMessage::Kept { problem }),
    }
}

impl Inner {
    fn exchange(&self, read: Material) {
        let read = std::sync::Arc::new(read);
        // First what is new, then what is open: a connection that is made meanwhile is judged by one or by the other.
        *self.material.write().unwrap_or_else(std::sync::PoisonError::into_inner) = read.clone();
        self.open.judge(&read);
    }
}
