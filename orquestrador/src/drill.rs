//! Accidents on request, for rehearsals: only where the operator allowed them at the start.

use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::process::{Signal, getpid, kill_process};

/// The process dies as by `kill -9`: it says nothing and closes nothing.
///
/// # Errors
/// The system refuses the signal.
pub fn kill() -> std::io::Result<()> {
    Ok(kill_process(getpid(), Signal::KILL)?)
}

/// The process stops, as a machine that hangs, and goes on after a while: a child wakes it.
///
/// # Errors
/// The child could not be started, or the system refuses the signal.
pub fn pause(duration: Duration) -> std::io::Result<()> {
    let me = getpid();
    let script = format!("sleep {}; kill -CONT {}", duration.as_secs_f64(), me.as_raw_pid());
    let mut waker = Command::new("sh");
    waker.args(["-c", &script]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut waker = waker.spawn()?;
    std::thread::Builder::new().name("drill".into()).spawn(move || {
        if let Err(error) = waker.wait() {
            tracing::warn!(%error, "the end of a drill was not seen");
        }
    })?;
    Ok(kill_process(me, Signal::STOP)?)
}
