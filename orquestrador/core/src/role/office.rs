//! The principal's part: its view's record, the follower's progress, and what is committed.

use super::log::Log;
use super::message::{Hello, Message, Sender};
use super::view::{EntryId, View};
use super::{Effect, Millis, Mutation, PeerLink, Role, Turn};
use crate::ids::{Index, NodeId, ProcessId, ViewNumber};

/// How long a follower may take for a snapshot before it is sent again.
const SNAPSHOT_PATIENCE: Millis = 10_000;

/// Held from the decision that names this process until a later one names another.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Office {
    /// The first view of this epoch.
    began: ViewNumber,
    /// Where the record of the newest view stands.
    record: Index,
    serving: bool,
    /// The process that first acknowledged the record.
    recorded_by: Option<ProcessId>,
    follower: Option<Follower>,
}

/// The other node, while it is linked.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct Follower {
    node: NodeId,
    process: ProcessId,
    progress: Progress,
    /// It has fsynced our entries up to here.
    acknowledged: Index,
    /// It has promised something in the register of the present view, so it gives no word any more (V2).
    wordless: bool,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
enum Progress {
    /// Looking for the last common entry, between `low` and `high`.
    Probing {
        low: Index,
        verified: bool,
        high: Index,
        asked: Index,
        /// It answered once with something above what was asked, and of another history.
        answered_above: bool,
        ask_again_at: Millis,
    },
    Streaming,
    /// It needs entries that are pruned here.
    Snapshot {
        /// When to look whether it has installed it.
        ask_again_at: Millis,
        /// When to take it for lost, and how long it may take after that.
        resend_at: Millis,
        patience: Millis,
    },
}

/// What the next probe should be, or what the search found.
enum Search {
    Ask(Index),
    Found(EntryId),
    TooFarBehind,
}

impl Office {
    pub(super) fn serving(&self) -> bool {
        self.serving
    }

    pub(super) fn follower_acknowledged(&self) -> Option<Index> {
        self.follower.as_ref().map(|f| f.acknowledged)
    }

    /// What the follower has fsynced; 0 without one.
    pub(super) fn acknowledged(&self) -> Index {
        self.follower.as_ref().map_or(Index(0), |f| f.acknowledged)
    }

    /// True when there was one.
    pub(super) fn lose_follower(&mut self) -> bool {
        self.follower.take().is_some()
    }

    /// The follower that keeps up, once the record of the newest view is committed.
    pub(super) fn steady_follower(&self) -> Option<(NodeId, ProcessId, Index)> {
        let follower = self.follower.as_ref()?;
        (self.serving && follower.progress == Progress::Streaming).then_some((
            follower.node,
            follower.process,
            follower.acknowledged,
        ))
    }

    pub(super) fn record(&self) -> Index {
        self.record
    }

    /// V2: a promise that came to nothing keeps the follower from giving its word; another view frees it.
    pub(super) fn follower_is_wordless(&self) -> bool {
        self.follower.as_ref().is_some_and(|follower| follower.wordless)
    }

    /// This process is our follower and not followed yet: it is judged by its answers, not its progress.
    pub(super) fn is_searching(&self, process: ProcessId) -> bool {
        self.follower
            .as_ref()
            .is_some_and(|f| f.process == process && f.progress != Progress::Streaming)
    }

    /// V11: the follower is not the process that first appended the record, so it may not take over.
    pub(super) fn follower_is_unarmed(&self) -> bool {
        let process = self.follower.as_ref().map(|follower| follower.process);
        self.recorded_by.is_some() && process.is_some() && self.recorded_by != process
    }
}

impl Role {
    /// V6: the record follows all that is here, and service begins when it is committed. V8: the rule
    /// of the new view holds from now on.
    pub(super) fn enter_office(&mut self, view: View, turn: &mut Turn<'_>) {
        let record = turn.log.last().index.next();
        self.armed = Some(view.number);
        let former = self.office.take();
        self.office = Some(Office {
            began: former.as_ref().map_or(view.number, |office| office.began),
            record,
            serving: former.as_ref().is_some_and(|office| office.serving),
            recorded_by: None,
            follower: former
                .and_then(|office| office.follower)
                .map(|follower| Follower { wordless: false, ..follower }),
        });
        turn.append_record(view);
        self.begin_following(turn);
    }

    pub(super) fn step_down(&mut self, turn: &mut Turn<'_>) {
        if self.office.take().is_some() {
            turn.effects.push(Effect::StopReplication);
            turn.effects.push(Effect::StepDown);
        }
    }

    /// A linked node that is not followed yet becomes our follower.
    pub(super) fn begin_following(&mut self, turn: &mut Turn<'_>) {
        let (Some(office), PeerLink::Up { sender, hello }) = (&self.office, &self.peer.link) else {
            return;
        };
        if office.follower.as_ref().is_some_and(|f| f.process == sender.process) {
            return;
        }
        let (sender, hello) = (*sender, hello.clone());
        self.meet_follower(sender, &hello, turn);
    }

    fn meet_follower(&mut self, sender: Sender, hello: &Hello, turn: &mut Turn<'_>) {
        if sender.cluster.is_none() {
            // It greeted us before we had a cluster ourselves, and hears nobody else until it has one.
            let hello = self.hello(turn.log);
            turn.send(Message::Hello(hello));
        }
        let Some(office) = &mut self.office else { return };
        if office.lose_follower() {
            turn.effects.push(Effect::StopReplication);
        }
        let last = turn.log.last().index;
        // The greeting is as old as the link: what it says is missing may be there by now.
        let seems_too_far = hello.last.index < turn.log.floor();
        let high = if seems_too_far { last } else { hello.last.index.min(last) };
        let progress = probing(turn.log, high, Index(0), turn.now);
        office.follower = Some(Follower {
            node: sender.node,
            process: sender.process,
            progress,
            acknowledged: Index(0),
            wordless: false,
        });
        let behind = last.0.saturating_sub(hello.last.index.0);
        match retains(turn.log, hello.last) {
            true if behind <= self.timing.growth_slack => self.stream_after(hello.last, turn),
            true => self.ask_how_far(hello.last, turn),
            false => self.search_on(None, turn),
        }
    }

    /// The greeting is as old as the link: who followed, or led, since then has more by now than it said.
    fn ask_how_far(&mut self, at_least: EntryId, turn: &mut Turn<'_>) {
        let view = self.newest().map_or(ViewNumber(0), |v| v.number);
        let (last, ask_again) = (turn.log.last().index, turn.now + self.timing.retry_ms);
        let Some(follower) = self.follower() else { return };
        follower.progress = Progress::Probing {
            low: at_least.index,
            verified: true,
            high: last,
            asked: last,
            answered_above: false,
            ask_again_at: ask_again,
        };
        turn.send(Message::Probe { view, index: last });
    }

    fn stream_after(&mut self, after: EntryId, turn: &mut Turn<'_>) {
        if let Some(follower) = self.follower() {
            follower.progress = Progress::Streaming;
            turn.effects.push(Effect::Replicate { after });
        }
    }

    fn follower(&mut self) -> Option<&mut Follower> {
        self.office.as_mut()?.follower.as_mut()
    }

    /// `told`: what the follower has last, or stands nearest to what was asked.
    fn search_on(&mut self, told: Option<EntryId>, turn: &mut Turn<'_>) {
        let view = self.newest().map_or(ViewNumber(0), |v| v.number);
        let ask_again = turn.now + self.timing.retry_ms;
        let Some(follower) = self.follower() else { return };
        let Progress::Probing { low, verified, high, asked, ask_again_at, .. } =
            &mut follower.progress
        else {
            return;
        };
        match search(turn.log, *low, *verified, *high) {
            Search::Ask(index) => {
                *asked = index;
                *ask_again_at = ask_again;
                turn.send(Message::Probe { view, index });
            }
            Search::Found(after) => self.stream_after(after, turn),
            Search::TooFarBehind => self.send_snapshot(told, turn),
        }
    }

    /// Only if there is one, to a learner, or to a replica whose `last` entry is below it: it was taken in when it
    /// had almost everything. Any other replica has all that is committed, so that the histories part above our
    /// floor: what says otherwise is the answer to an earlier question.
    fn send_snapshot(&mut self, last: Option<EntryId>, turn: &mut Turn<'_>) {
        let ask_again_at = turn.now + self.timing.retry_ms;
        let newest = self.durable.newest.as_ref();
        let is_replica = |node| newest.is_some_and(|view| view.replica(node).is_some());
        let has_none = turn.log.floor() == Index(0);
        let ends_below = last.is_some_and(|last| last.index < turn.log.floor());
        let Some(follower) = self.office.as_mut().and_then(|office| office.follower.as_mut())
        else {
            return;
        };
        let is_needed = !is_replica(follower.node) || ends_below;
        if has_none || !is_needed {
            if is_needed {
                turn.effects.push(Effect::WantSnapshot);
            }
            let high = turn.log.last().index;
            follower.progress = probing(turn.log, high, Index(0), ask_again_at);
        } else {
            let patience = SNAPSHOT_PATIENCE;
            let resend_at = turn.now + patience;
            follower.progress = Progress::Snapshot { ask_again_at, resend_at, patience };
            turn.effects.push(Effect::SendSnapshot);
        }
    }

    /// A probe may have reached the other node before it knew us.
    pub(super) fn repeat_probe(&mut self, turn: &mut Turn<'_>) {
        let (now, retry) = (turn.now, self.timing.retry_ms);
        match self.follower().map(|follower| &mut follower.progress) {
            Some(Progress::Probing { ask_again_at, .. }) if *ask_again_at <= now => {
                self.search_on(None, turn);
            }
            Some(Progress::Snapshot { ask_again_at, resend_at, patience })
                if *ask_again_at <= now =>
            {
                *ask_again_at = now + retry;
                let is_lost = *resend_at <= now;
                if is_lost {
                    *patience = patience.saturating_mul(2);
                    *resend_at = now + *patience;
                }
                self.look_for_snapshot(is_lost, turn);
            }
            Some(Progress::Probing { .. } | Progress::Snapshot { .. } | Progress::Streaming)
            | None => {}
        }
    }

    /// The snapshot, or the news that it is installed, may be lost with a link or a pause.
    fn look_for_snapshot(&mut self, is_lost: bool, turn: &mut Turn<'_>) {
        if is_lost {
            turn.effects.push(Effect::SendSnapshot);
        }
        let view = self.newest().map_or(ViewNumber(0), |v| v.number);
        turn.send(Message::Probe { view, index: turn.log.floor() });
    }

    pub(super) fn on_probe_reply(&mut self, from: Sender, entry: EntryId, turn: &mut Turn<'_>) {
        let (log, now) = (turn.log, turn.now);
        // An earlier process of that node may have had what this one lost.
        let Some(follower) = self.follower().filter(|f| f.process == from.process) else { return };
        if follower.progress == Progress::Streaming {
            // It refused an append: look for where we agree, beginning with what it answered.
            let high = entry.index.min(log.last().index);
            follower.progress = probing(log, high, entry.index, now);
            turn.effects.push(Effect::StopReplication);
        }
        if matches!(follower.progress, Progress::Snapshot { .. }) && retains(log, entry) {
            return self.stream_after(entry, turn);
        }
        let Progress::Probing { low, verified, high, asked, answered_above, .. } =
            &mut follower.progress
        else {
            return;
        };
        let is_ours = retains(log, entry);
        let is_above = !is_ours && entry.index > *asked;
        if is_ours {
            *low = entry.index.max(*low);
            *verified = true;
            *high = if entry.index < *asked { *low } else { (*high).max(*low) };
        } else if !is_above {
            *high = Index(entry.index.0.saturating_sub(1)).min(*high);
        } else if *answered_above {
            // It has nothing older than its snapshot, which is none of our history.
            return self.send_snapshot(None, turn);
        }
        // Once it may be the answer to an earlier question.
        *answered_above = is_above;
        self.search_on(Some(entry), turn);
    }

    pub(super) fn on_append_ack(
        &mut self,
        from: Sender,
        view: ViewNumber,
        durable: EntryId,
        nonce: u64,
        word: bool,
        turn: &mut Turn<'_>,
    ) {
        let Some(newest) = self.newest() else { return };
        let is_replica = newest.replica(from.node).is_some();
        let same_view = newest.number == view;
        let ours = retains(turn.log, durable)
            || (self.lacks(Mutation::AckWithoutHash) && durable.index <= turn.log.last().index);
        // An acknowledgement counts only in the epoch that it was given in.
        if self.office.as_ref().is_none_or(|office| view < office.began) {
            return;
        }
        let last = turn.log.last().index;
        let Some(follower) = self.follower().filter(|f| f.process == from.process) else { return };
        let comes_forward =
            ours && (durable.index > follower.acknowledged || durable.index >= last);
        if ours {
            follower.acknowledged = follower.acknowledged.max(durable.index);
        }
        if is_replica && same_view {
            follower.wordless = !word;
        }
        let starts_over = ours && matches!(follower.progress, Progress::Snapshot { .. });
        if comes_forward {
            self.note_progress();
        }
        if starts_over {
            self.stream_after(durable, turn);
        }
        if let Some(office) = &mut self.office
            && office.acknowledged() >= office.record
        {
            office.recorded_by.get_or_insert(from.process);
        }
        if word && is_replica && same_view {
            turn.effects.push(Effect::Word { nonce });
        }
        self.advance_commit(turn);
    }

    /// Never, but under the mutations that leave out the standby's acknowledgement.
    fn commits_alone(&self, office: &Office) -> bool {
        let unacknowledged = office.acknowledged() < office.record;
        self.lacks(Mutation::CommitAlone)
            || (self.lacks(Mutation::GrowthUnderOldRule) && office.serving && unacknowledged)
    }

    /// V1: committed is what every replica of the newest view has fsynced, from its record on; on a
    /// follower, what the principal says, as far as it is here.
    pub(super) fn advance_commit(&mut self, turn: &mut Turn<'_>) {
        let Some(view) = &self.durable.newest else { return };
        let limit = match &self.office {
            Some(office) => {
                let everywhere = match view.other(self.me.node) {
                    None => self.journal_durable,
                    Some(_) if self.commits_alone(office) => self.journal_durable,
                    Some(other) => {
                        let follower = office.follower.as_ref().filter(|f| f.node == other.node);
                        follower.map_or(Index(0), |f| f.acknowledged).min(self.journal_durable)
                    }
                };
                if everywhere >= office.record { everywhere } else { Index(0) }
            }
            None => self.heard_commit.min(self.journal_durable),
        };
        if limit > self.committed {
            self.committed = limit;
            turn.effects.push(Effect::Committed(limit));
        }
        let epoch = view.epoch;
        let at_once = self.lacks(Mutation::ServeBeforeRecord);
        if let Some(office) = &mut self.office
            && !office.serving
            && (self.committed >= office.record || at_once)
        {
            office.serving = true;
            turn.effects.push(Effect::Serve { epoch });
        }
    }
}

/// It stands here, and so does all that follows it.
fn retains(log: &dyn Log, entry: EntryId) -> bool {
    entry.index >= log.floor() && log.id_at(entry.index) == Some(entry)
}

fn probing(log: &dyn Log, high: Index, asked: Index, ask_again_at: Millis) -> Progress {
    let low = log.floor();
    Progress::Probing {
        low,
        verified: low == Index(0),
        high,
        asked,
        answered_above: false,
        ask_again_at,
    }
}

/// Binary search: equal hashes mean equal histories, so agreement is monotone in the index.
fn search(log: &dyn Log, low: Index, verified: bool, high: Index) -> Search {
    if high < low {
        return if verified && low == Index(0) { found(log, low) } else { Search::TooFarBehind };
    }
    if low < high {
        return Search::Ask(Index(low.0 + (high.0 - low.0).div_ceil(2)));
    }
    if verified { found(log, low) } else { Search::Ask(low) }
}

fn found(log: &dyn Log, index: Index) -> Search {
    log.id_at(index).map_or(Search::TooFarBehind, Search::Found)
}
