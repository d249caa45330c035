//! Which workers are witnesses (V13): chosen for the best chance that a majority outlives one machine.

use std::sync::Arc;

use crate::ids::ProcessId;

/// A worker that could be a witness.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Candidate {
    pub incarnation: ProcessId,
    /// The machine that it runs on, as far as its address tells.
    pub host: Arc<str>,
    /// An orchestrator runs on the same machine.
    pub beside_orchestrator: bool,
    /// It is linked to the other orchestrator too: before that it could not help it, and is not chosen.
    pub linked_to_all: bool,
}

/// More witnesses than that add nothing.
const MAX_WITNESSES: usize = 5;

/// The wanted witness set: 5, 3, 1 or none of the candidates. Present ones stay while they live; new ones
/// come from machines of their own first. Where a dead process is told from a silent machine by its refused
/// port (`loopback`), fewer than three would be worse than none: V11 needs no majority of survivors. Three of
/// which two live are not fewer: they still tell a silent principal from a busy one. `candidates` are in order of
/// their incarnations: that a full set of thousands still stands, as nearly always, is found out in a few steps.
pub(super) fn choose(
    present: &[ProcessId],
    candidates: &[Candidate],
    loopback: bool,
) -> Vec<ProcessId> {
    let is_fit = |witness: &ProcessId| {
        let found = candidates.binary_search_by_key(witness, |c| c.incarnation);
        found.is_ok_and(|nth| candidates[nth].linked_to_all)
    };
    if present.len() == MAX_WITNESSES && present.iter().all(is_fit) {
        return present.to_vec();
    }
    let mut left: Vec<&Candidate> = candidates.iter().filter(|c| c.linked_to_all).collect();
    let wanted = match left.len() {
        0 => 0,
        1 | 2 if loopback => 0,
        1 | 2 => 1,
        3 | 4 => 3,
        5.. => MAX_WITNESSES,
    };
    let alive = present.iter().filter(|witness| is_fit(witness)).count();
    if loopback && wanted == 0 && 2 * alive > present.len() {
        return present.to_vec();
    }
    let mut chosen: Vec<&Candidate> = Vec::with_capacity(wanted);
    while chosen.len() < wanted {
        let crowd = |host: &str| chosen.iter().filter(|c| *c.host == *host).count();
        let rank = |c: &Candidate| {
            (
                !present.contains(&c.incarnation),
                c.beside_orchestrator,
                crowd(&c.host),
                c.incarnation,
            )
        };
        let Some(best) = (0..left.len()).min_by_key(|nth| rank(left[*nth])) else { break };
        chosen.push(left.remove(best));
    }
    let mut chosen: Vec<ProcessId> = chosen.iter().map(|c| c.incarnation).collect();
    chosen.sort();
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(incarnation: u128, host: &str) -> Candidate {
        let host: Arc<str> = Arc::from(host);
        let beside_orchestrator = &*host == "principal";
        Candidate {
            incarnation: ProcessId(incarnation),
            host,
            beside_orchestrator,
            linked_to_all: true,
        }
    }

    fn ids(chosen: &[u128]) -> Vec<ProcessId> {
        chosen.iter().map(|id| ProcessId(*id)).collect()
    }

    #[test]
    fn on_loopback_a_majority_of_three_stays() {
        let three = ids(&[1, 2, 3]);
        let alive = |count| (1..=count).map(|n| candidate(n, "one")).collect::<Vec<_>>();
        assert_eq!(choose(&three, &alive(2), true), three);
        assert_eq!(choose(&three, &alive(1), true), []);
        assert_eq!(choose(&[], &alive(2), true), []);
    }

    #[test]
    fn an_odd_number_of_those_alive() {
        let all: Vec<_> = (1..=6).map(|n| candidate(n, &format!("h{n}"))).collect();
        let sizes: Vec<_> = (0..=6).map(|count| choose(&[], &all[..count], false).len()).collect();
        assert_eq!(sizes, [0, 1, 1, 3, 3, 5, 5]);
        assert_eq!(choose(&[], &all[..2], true).len(), 0, "on loopback none is better than one");
    }

    #[test]
    fn who_is_not_linked_to_both_is_not_chosen() {
        let mut all: Vec<_> = (1..=4).map(|n| candidate(n, "h")).collect();
        all[1].linked_to_all = false;
        assert_eq!(choose(&ids(&[1, 2, 3]), &all, false), ids(&[1, 3, 4]));
    }

    #[test]
    fn present_ones_stay() {
        let all: Vec<_> = (1..=4).map(|n| candidate(n, "h")).collect();
        assert_eq!(choose(&ids(&[2, 3, 4]), &all, false), ids(&[2, 3, 4]));
        assert_eq!(choose(&ids(&[3, 4, 9]), &all, false), ids(&[1, 3, 4]), "9 is gone");
    }

    #[test]
    fn a_full_set_stays_until_one_of_it_is_gone() {
        let all: Vec<_> = (1..=9).map(|n| candidate(n, &format!("h{n}"))).collect();
        let full = ids(&[2, 3, 5, 7, 9]);
        assert_eq!(choose(&full, &all, false), full);
        assert_eq!(choose(&full, &all[..8], false), ids(&[1, 2, 3, 5, 7]));
        let mut unlinked = all;
        unlinked[4].linked_to_all = false;
        assert_eq!(choose(&full, &unlinked, false), ids(&[1, 2, 3, 7, 9]));
    }

    #[test]
    fn spread_over_machines_and_away_from_the_orchestrators() {
        let all = [
            candidate(1, "principal"),
            candidate(2, "one"),
            candidate(3, "one"),
            candidate(4, "two"),
            candidate(5, "principal"),
        ];
        assert_eq!(choose(&[], &all[..4], false), ids(&[2, 3, 4]));
        let spread = [candidate(1, "a"), candidate(2, "a"), candidate(3, "b"), candidate(4, "c")];
        assert_eq!(choose(&[], &spread, false), ids(&[1, 3, 4]));
    }
}
