//! Who reaches whom, and the streams between them: in order while they last, broken at any time.

use std::collections::{BTreeMap, VecDeque};

use common::proto;
use orquestrador::driver::input::Committed;
use tonic::Status;

use crate::clock::{MILLI, Micros};
use crate::random::Random;

/// One who sends and receives.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Party {
    Node(usize),
    Worker(usize),
    Client(usize),
}

impl Party {
    /// A number that differs between parties, and for each from one occasion to the next.
    pub fn mix(self, occasion: u64) -> u64 {
        let own = match self {
            Self::Node(nth) => nth,
            Self::Worker(nth) => 10 + nth,
            Self::Client(nth) => 20 + nth,
        };
        Random::new(occasion ^ (own as u64) << 56).next()
    }
}

/// A party during one life of its process.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct End {
    pub party: Party,
    pub life: u32,
}

pub type ConnId = u64;

/// Which end of a stream.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Side {
    Dialler,
    Server,
}

impl Side {
    pub fn other(self) -> Self {
        match self {
            Self::Dialler => Self::Server,
            Self::Server => Self::Dialler,
        }
    }
}

/// What travels.
pub enum Wire {
    Peer(Box<proto::PeerMessage>),
    Worker(Box<proto::WorkerMessage>),
    Orchestrator(Result<Box<proto::OrchestratorMessage>, Status>),
    Witness(Box<proto::WitnessMessage>),
    /// `None`: the stream is open.
    Control(Result<Option<Box<proto::ControlMessage>>, Status>),
    Call(Box<crate::client::Call>),
    Answer(Box<Result<Committed, Status>>),
}

struct Half {
    end: End,
    open: bool,
    /// What comes to this end, oldest first.
    coming: VecDeque<Wire>,
    last_arrival: Micros,
}

struct Conn {
    dialler: Half,
    server: Half,
}

impl Conn {
    fn half(&mut self, side: Side) -> &mut Half {
        match side {
            Side::Dialler => &mut self.dialler,
            Side::Server => &mut self.server,
        }
    }
}

/// What becomes of a message.
pub enum Arrival {
    Message(Wire),
    HeldUpUntil(Micros),
    /// This end is closed: the sender learns it.
    Refused,
    Nothing,
}

/// All streams and all cuts.
pub struct Network {
    conns: BTreeMap<ConnId, Conn>,
    next: ConnId,
    /// From one party to another nothing comes through until then.
    cuts: BTreeMap<(Party, Party), Micros>,
    pub latency: Micros,
    chance: Random,
}

impl Network {
    pub fn new(latency: Micros, chance: Random) -> Self {
        Self { conns: BTreeMap::new(), next: 0, cuts: BTreeMap::new(), latency, chance }
    }

    pub fn cut(&mut self, from: Party, to: Party, until: Micros) {
        let present = self.cuts.entry((from, to)).or_default();
        *present = until.max(*present);
    }

    pub fn is_whole(&self, now: Micros) -> bool {
        self.cuts.values().all(|until| *until <= now)
    }

    /// Until when nothing comes through.
    pub fn blocked(&self, from: Party, to: Party, now: Micros) -> Option<Micros> {
        self.cuts.get(&(from, to)).copied().filter(|until| *until > now)
    }

    /// Neither way is cut.
    pub fn is_clear(&self, one: Party, other: Party, now: Micros) -> bool {
        self.blocked(one, other, now).is_none() && self.blocked(other, one, now).is_none()
    }

    pub fn delay(&mut self) -> Micros {
        20 + self.chance.around(self.latency)
    }

    pub fn open(&mut self, dialler: End, server: End) -> ConnId {
        let half = |end| Half { end, open: true, coming: VecDeque::new(), last_arrival: 0 };
        self.next += 1;
        self.conns.insert(self.next, Conn { dialler: half(dialler), server: half(server) });
        self.next
    }

    /// Puts a message on its way; `None` when this end is closed. Gives the time of its arrival.
    pub fn send(&mut self, conn: ConnId, from: Side, wire: Wire, now: Micros) -> Option<Micros> {
        let delay = self.delay();
        let conn = self.conns.get_mut(&conn)?;
        if !conn.half(from).open {
            return None;
        }
        let half = conn.half(from.other());
        half.coming.push_back(wire);
        half.last_arrival = half.last_arrival.max(now + delay);
        Some(half.last_arrival)
    }

    /// What arrives now at this end.
    pub fn arrive(&mut self, conn: ConnId, to: Side, now: Micros) -> Arrival {
        let Some((sender, receiver)) = self.ends(conn, to) else { return Arrival::Nothing };
        if let Some(until) = self.blocked(sender.party, receiver.party, now) {
            return Arrival::HeldUpUntil(until + MILLI);
        }
        let Some(half) = self.conns.get_mut(&conn).map(|conn| conn.half(to)) else {
            return Arrival::Nothing;
        };
        match half.coming.pop_front() {
            _ if !half.open => Arrival::Refused,
            Some(wire) => Arrival::Message(wire),
            None => Arrival::Nothing,
        }
    }

    /// The other end, and this one.
    pub fn ends(&mut self, conn: ConnId, to: Side) -> Option<(End, End)> {
        let conn = self.conns.get_mut(&conn)?;
        Some((conn.half(to.other()).end, conn.half(to).end))
    }

    /// This end is closed; true when it was open.
    pub fn close(&mut self, id: ConnId, side: Side) -> bool {
        let Some(conn) = self.conns.get_mut(&id) else { return false };
        let was_open = std::mem::replace(&mut conn.half(side).open, false);
        conn.half(side).coming.clear();
        if !conn.dialler.open && !conn.server.open {
            self.conns.remove(&id);
        }
        was_open
    }

    /// All ends that this party holds in this life.
    pub fn held_by(&self, end: End) -> Vec<(ConnId, Side)> {
        let mut held = Vec::new();
        for (id, conn) in &self.conns {
            if conn.dialler.end == end && conn.dialler.open {
                held.push((*id, Side::Dialler));
            }
            if conn.server.end == end && conn.server.open {
                held.push((*id, Side::Server));
            }
        }
        held
    }

    /// The streams between two parties.
    pub fn between(&self, one: Party, other: Party) -> Vec<ConnId> {
        let links = |conn: &Conn| {
            let ends = (conn.dialler.end.party, conn.server.end.party);
            ends == (one, other) || ends == (other, one)
        };
        self.conns.iter().filter(|(_, conn)| links(conn)).map(|(id, _)| *id).collect()
    }

    pub fn any(&mut self) -> Option<ConnId> {
        let count = self.conns.len();
        if count == 0 {
            return None;
        }
        let nth = self.chance.index(count);
        self.conns.keys().nth(nth).copied()
    }
}
