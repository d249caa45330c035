//! Signals: Ctrl+C stops at once, SIGTERM asks for an orderly end.

use tokio::signal::unix::{SignalKind, signal};

/// What the operator wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// SIGINT: stop at once, as a crash would; nothing acknowledged is lost.
    Interrupt,
    /// SIGTERM: drain and hand over first.
    Terminate,
}

/// Waits for the first signal.
///
/// # Errors
/// The operating system refused to install a handler.
pub async fn wait() -> std::io::Result<Signal> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(tokio::select! {
        _ = interrupt.recv() => Signal::Interrupt,
        _ = terminate.recv() => Signal::Terminate,
    })
}
