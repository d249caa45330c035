//! Loopback ports that nobody uses.

use std::net::{Ipv4Addr, TcpListener};

/// The guide's ports: principal, backup, three workers.
pub const GUIDE: [u16; 5] = [50051, 50052, 50061, 50062, 50063];

/// `count` different free ports. They are free when this returns; the caller binds them soon.
///
/// # Errors
/// The system has none left.
pub fn free(count: usize) -> std::io::Result<Vec<u16>> {
    let listeners = (0..count)
        .map(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))
        .collect::<std::io::Result<Vec<_>>>()?;
    listeners.iter().map(|l| l.local_addr().map(|a| a.port())).collect()
}

/// Nobody listens on it.
pub fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}
