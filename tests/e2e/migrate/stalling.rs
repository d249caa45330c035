//! A way to a server on which nothing passes any more after so many bytes, so that whoever uses it is in the middle.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::Duration;

use anyhow::Context as _;

/// Whose bytes count.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    ToServer,
    ToClient,
}

/// It ends with the process.
pub struct Stalling {
    address: String,
    reached: Receiver<()>,
}

/// How much may still pass, of all connections.
#[derive(Clone)]
struct Budget {
    left: Arc<AtomicUsize>,
    reached: Sender<()>,
}

impl Stalling {
    /// Lets less than `bytes` pass to `server` (`HOST:PORT`).
    pub fn before(server: &str, counted: Direction, bytes: usize) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?.to_string();
        let (told, reached) = mpsc::channel();
        let budget = Budget { left: Arc::new(AtomicUsize::new(bytes)), reached: told };
        let server = server.to_owned();
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let Ok(client) = client else { return };
                let Ok(upstream) = TcpStream::connect(&server) else { return };
                let ways = [
                    (Direction::ToServer, client.try_clone(), upstream.try_clone()),
                    (Direction::ToClient, upstream.try_clone(), client.try_clone()),
                ];
                for (direction, from, to) in ways {
                    let (Ok(from), Ok(to)) = (from, to) else { return };
                    let budget = (direction == counted).then(|| budget.clone());
                    std::thread::spawn(move || pass(from, to, budget));
                }
            }
        });
        Ok(Self { address, reached })
    }

    pub fn address(&self) -> &str {
        &self.address
    }

    /// Until nothing passes any more.
    pub fn wait(&self, timeout: Duration) -> anyhow::Result<()> {
        self.reached.recv_timeout(timeout).context("so much never came")
    }
}

fn pass(mut from: TcpStream, mut to: TcpStream, budget: Option<Budget>) {
    let mut buffer = [0; 4 << 10];
    while let Ok(read @ 1..) = from.read(&mut buffer) {
        if let Some(Budget { left, reached }) = &budget {
            let spend = |left: usize| left.checked_sub(read);
            if left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, spend).is_err() {
                if reached.send(()).is_err() {
                    break;
                }
                // Both ends stay open, and wait.
                loop {
                    std::thread::park();
                }
            }
        }
        if to.write_all(&buffer[..read]).is_err() {
            break;
        }
    }
    drop(to.shutdown(Shutdown::Write));
}
