//! What the role machine of a principal needs for one input, where each worker could be a witness: it has one after
//! each fsync, and one for each acknowledgement of the standby.

use orquestrador_core::ids::{ClusterId, Index, NodeId, ProcessId, ViewNumber};
use orquestrador_core::role::{
    Candidate, Durable, Effect, EntryHash, EntryId, Hello, Identity, Input, Log, Message, Role,
    Sender, Standing, Timing, View,
};

use crate::cost::Stopwatch;
use crate::fleet;
use crate::random::Random;

const CLUSTER: ClusterId = ClusterId(1);
const INPUTS: u64 = 200;

/// # Errors
/// The two did not become a pair.
pub fn ns_of_one_input(workers: u64) -> Result<u64, String> {
    let mut principal = Principal::new();
    principal.take(Input::PeerUnreachable);
    principal.take(Input::Candidates(candidates(workers)));
    let from = Sender { node: NodeId(2), process: ProcessId(2), cluster: None };
    let hello = Hello { newest: None, last: EntryId::default(), may_found: false };
    principal.take(Input::Dialed { peer: from, hello });
    principal.hear_of_the_standby();
    principal.hear_of_the_standby();
    let is_pair = principal.role.newest().is_some_and(|view| !view.is_single());
    if !is_pair || principal.role.standing() != Standing::Principal {
        return Err(format!("no pair, but {:?}", principal.role.standing()));
    }
    let index = principal.log.last().index;
    let watch = Stopwatch::start();
    for _ in 0..INPUTS {
        principal.take(Input::Durable { index });
    }
    Ok(watch.elapsed_ns() / INPUTS)
}

fn candidates(workers: u64) -> Vec<Candidate> {
    let mut random = Random::new(1);
    let mut all: Vec<_> = (0..workers)
        .map(|nth| Candidate {
            incarnation: ProcessId(u128::from(random.next()) << 64 | u128::from(random.next())),
            host: fleet::host(nth).as_str().into(),
            beside_orchestrator: false,
            linked_to_all: true,
        })
        .collect();
    all.sort();
    all
}

struct Principal {
    role: Role,
    log: Records,
}

impl Principal {
    fn new() -> Self {
        let me = Identity {
            node: NodeId(1),
            process: ProcessId(1),
            preferred: true,
            fresh_cluster: CLUSTER,
            loopback: false,
        };
        let durable = Durable::default();
        let role = Role::new(me, Timing::default(), durable, Index(0), Index(0));
        Self { role, log: Records(vec![(EntryId::default(), None)]) }
    }

    /// With a disk that takes no time.
    fn take(&mut self, input: Input) {
        let mut effects = Vec::new();
        self.role.handle(0, input, &self.log, &mut effects);
        for effect in effects {
            if let Effect::AppendRecord(view) = effect {
                let index = self.log.append(view);
                self.take(Input::Durable { index });
            }
        }
    }

    /// It has fsynced all that there is.
    fn hear_of_the_standby(&mut self) {
        let view = self.role.newest().map_or(ViewNumber(0), |view| view.number);
        let from = Sender { node: NodeId(2), process: ProcessId(2), cluster: Some(CLUSTER) };
        let durable = self.log.last();
        let message = Message::AppendAck { view, durable, nonce: 0, word: true };
        self.take(Input::Message { from, message });
    }
}

/// A journal of views.
struct Records(Vec<(EntryId, Option<View>)>);

impl Records {
    fn append(&mut self, view: View) -> Index {
        let index = self.last().index.next();
        let hash = EntryHash([index.0 as u8; 32]);
        self.0.push((EntryId { index, epoch: view.epoch, hash }, Some(view)));
        index
    }
}

impl Log for Records {
    fn last(&self) -> EntryId {
        self.0.last().map(|(id, _)| *id).unwrap_or_default()
    }

    fn id_at(&self, index: Index) -> Option<EntryId> {
        self.0.get(index.0 as usize).map(|(id, _)| *id)
    }

    fn floor(&self) -> Index {
        Index(0)
    }

    fn record(&self, from: ViewNumber, to: ViewNumber) -> Option<Index> {
        let fits = |view: &View| from <= view.number && view.number <= to;
        let record = self.0.iter().rev().find(|(_, view)| view.as_ref().is_some_and(fits));
        record.map(|(id, _)| id.index)
    }
}
