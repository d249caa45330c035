//! Who was not let in: counted, and told on the console, of each address and reason once a minute.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use common::connections::Connections;
use common::console::Console;
use common::error_code::ErrorCode;
use common::grpc_status;
use common::messages::refused::RefusedMessage;
use tonic::Status;

use crate::meters::Meters;

/// The same is told again.
const AGAIN: Duration = Duration::from_secs(60);
/// Addresses and reasons that are remembered; more are only counted.
const MAX_TOLD: usize = 1_000;
/// How often connections are looked at.
const LOOK: Duration = Duration::from_secs(10);

/// Cheap to clone: all clones tell together.
#[derive(Clone)]
pub struct Refusals {
    console: Console,
    meters: Meters,
    told: Arc<Mutex<HashMap<Key, Instant>>>,
}

type Key = (Option<IpAddr>, ErrorCode);

impl Refusals {
    pub fn new(console: Console, meters: Meters) -> Self {
        Self { console, meters, told: Arc::default() }
    }

    pub fn meters(&self) -> &Meters {
        &self.meters
    }

    /// Somebody whose connection, or certificate, is not for what was asked.
    pub fn caller(&self, address: Option<IpAddr>, status: &Status) {
        let meaning = grpc_status::meaning(status);
        self.meters.refused_caller(meaning.code);
        if self.is_due((address, meaning.code)) {
            let (code, why) = (meaning.code, status.message().to_owned());
            self.console.warn(&RefusedMessage::Caller { address, code, why });
        }
    }

    /// Somebody who has shown many wrong tokens.
    pub fn guesses(&self, address: Option<IpAddr>, user: &str) {
        if self.is_due((address, ErrorCode::TooManyAttempts)) {
            let user = user.chars().take(64).collect();
            self.console.warn(&RefusedMessage::Guesses { address, user });
        }
    }

    /// Tells of connections that found no room, as long as the process lives.
    pub async fn watch(self, connections: Connections) {
        let mut known = 0;
        loop {
            tokio::time::sleep(LOOK).await;
            let refused = connections.refused();
            if refused > known && self.is_due((None, ErrorCode::Overloaded)) {
                let (count, open) = (refused - known, connections.open());
                self.console.warn(&RefusedMessage::Connections { count, open });
                known = refused;
            }
        }
    }

    fn is_due(&self, key: Key) -> bool {
        let now = Instant::now();
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.get(&key).is_some_and(|at| now.duration_since(*at) < AGAIN) {
            return false;
        }
        if told.len() >= MAX_TOLD {
            told.retain(|_, at| now.duration_since(*at) < AGAIN);
        }
        let has_room = told.len() < MAX_TOLD;
        if has_room {
            told.insert(key, now);
        }
        has_room
    }
}

#[cfg(test)]
mod tests {
    use common::lang::Lang;

    use super::*;

    #[test]
    fn each_is_told_once_and_not_without_end() {
        let refusals = Refusals::new(Console::new(Lang::Pt), Meters::default());
        let from = |n: u32| Some(IpAddr::from(n.to_be_bytes()));
        assert!(refusals.is_due((from(0), ErrorCode::WrongRole)));
        assert!(!refusals.is_due((from(0), ErrorCode::WrongRole)));
        assert!(refusals.is_due((from(0), ErrorCode::TlsRequired)));
        let told = (1..5_000).filter(|n| refusals.is_due((from(*n), ErrorCode::WrongRole)));
        assert_eq!(told.count(), MAX_TOLD - 2);
    }
}
