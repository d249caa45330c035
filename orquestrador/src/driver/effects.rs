//! Doing what the machines say: the role machine's effects at once and in order, the task machine's when
//! they are committed.

use common::error_code::ErrorCode;
use common::grpc_status;
use common::messages::node::NodeMessage;
use common::proto::{self, orchestrator_message::Message as ToWorker};
use orquestrador_core::effect::CloseReason;
use orquestrador_core::ids::{Epoch, Index, RequestId, Timestamp, ViewNumber};
use orquestrador_core::role::{self, EntryId, Log as _, Notice, Sender, View};
use orquestrador_core::{Answer, Effect, Rejection};
use tonic::Status;

use super::input::Committed;
use super::leadership::Leadership;
use super::mutation::Mutation;
use super::state::Applied;
use super::store::{Install, Signature, Store};
use super::watch::{FirstLook, FirstTasks};
use super::{Asker, Driver, Error};
use crate::journal::{Content, SetAside};
use crate::replication::convert;
use crate::users::FirstUser;

impl<S: Store> Driver<S> {
    /// For the rules of a pair; nothing where they do not decide.
    pub(super) fn role_input(&mut self, input: role::Input) -> Result<(), Error> {
        let Leadership::Pair(role) = &mut self.role else { return Ok(()) };
        let mut effects = Vec::new();
        role.handle(self.clock.monotonic(), input, &self.tail, &mut effects);
        let sends_snapshot = effects.contains(&role::Effect::SendSnapshot);
        let mut effects = effects.into_iter().peekable();
        while let Some(effect) = effects.next() {
            // The next write holds all that this one would.
            let superseded = matches!(effect, role::Effect::Persist(_))
                && matches!(effects.peek(), Some(role::Effect::Persist(_)));
            if !superseded {
                self.role_effect(effect)?;
            }
        }
        // Both name the newest view, which one of the effects may have been the first to write down.
        if sends_snapshot {
            self.send_snapshot();
        }
        self.pump()
    }

    /// Sends the follower what it does not have yet.
    pub(super) fn pump(&mut self) -> Result<(), Error> {
        let Leadership::Pair(role) = &self.role else { return Ok(()) };
        Ok(self.replicator.pump(role, &self.tail, &self.store, self.nonce)?)
    }

    fn role_effect(&mut self, effect: role::Effect) -> Result<(), Error> {
        match effect {
            role::Effect::Persist(durable) => self.store.save_role(&durable)?,
            role::Effect::Send(message) => self.send_to_peer(message),
            role::Effect::Inquire(inquiry) => {
                tracing::trace!(?inquiry, "to the witnesses");
                self.witnesses.inquire(self.role.sender(), &inquiry);
            }
            role::Effect::AppendRecord(view) => self.append_content(&Content::View(view))?,
            role::Effect::Store { keep, skip } => self.store_from_peer(keep, skip)?,
            role::Effect::Replicate { after } => {
                self.replicator.start(after);
            }
            // When all is done.
            role::Effect::SendSnapshot => {}
            role::Effect::WantSnapshot => self.want_snapshot(),
            role::Effect::StopReplication => self.replicator.stop(),
            role::Effect::Committed(index) => tracing::trace!(journal.index = index.0, "committed"),
            role::Effect::Word { nonce } => self.word = self.word.max(nonce),
            role::Effect::Serve { epoch } => self.begin_service(epoch),
            role::Effect::StepDown => self.end_service()?,
            role::Effect::AbandonHistory => self.abandon_history()?,
            role::Effect::Notice(notice) => self.role_notice(notice),
        }
        Ok(())
    }

    /// Dropped without a link, or with a full one: every message may be lost.
    pub(super) fn send_to_peer(&mut self, message: role::Message) {
        if self.replicator.link().is_none() {
            return;
        }
        tracing::trace!(?message, "to peer");
        if let Some(message) = convert::to_wire(message, &self.start.own_address) {
            self.send_on_link(message);
        }
    }

    pub(super) fn send_on_link(&self, message: proto::peer_message::Message) {
        let message = convert::envelope(self.role.sender(), self.role.epoch(), message);
        if !self.replicator.send(message) {
            tracing::debug!("the link is full: a message to the other node was dropped");
        }
    }

    fn store_from_peer(&mut self, keep: Option<Index>, skip: usize) -> Result<(), Error> {
        if let Some(keep) = keep {
            self.truncate(keep)?;
        }
        for mut received in self.in_hand.split_off(skip.min(self.in_hand.len())) {
            let record = convert::record(&received.content).map(|view| view.number);
            let index = received.entry.id.index;
            self.applied.apply_entry(&self.store, index, &mut received.content);
            self.note_entry(&received.entry, record);
            self.store.append(received.entry)?;
        }
        self.note_records();
        Ok(())
    }

    /// V6: what was never acknowledged, or what an override (V15) took back, is set aside, and the state goes
    /// back before it.
    pub(super) fn truncate(&mut self, keep: Index) -> Result<(), Error> {
        let aside = self.store.set_aside_after(keep)?;
        self.tell_set_aside(aside, keep);
        self.tail.truncate(keep);
        self.durable_reported = self.durable_reported.min(keep);
        self.drop_snapshots_after(keep);
        if self.applied.index > keep && self.lacks(Mutation::KeepAppliedTail) {
            self.applied.index = keep;
        } else if self.applied.index > keep {
            self.applied.rebuild(&self.store, keep)?;
        }
        Ok(())
    }

    fn abandon_history(&mut self) -> Result<(), Error> {
        self.truncate(Index(0))?;
        self.applied.clear();
        Ok(())
    }

    fn send_snapshot(&mut self) {
        let Some(link) = self.replicator.link().cloned() else { return };
        let Some(view) = self.role.newest().cloned() else { return };
        let (sender, epoch) = (self.role.sender(), self.role.epoch());
        self.store.send_snapshot(link, Signature { sender, epoch, view });
    }

    /// A learner's journal is replaced by the principal's snapshot, if it is still the principal.
    pub(super) fn adopt_snapshot(
        &mut self,
        from: Sender,
        view: View,
        last: EntryId,
        received: Install,
    ) -> Result<(), Error> {
        self.role_input(role::Input::Message {
            from,
            message: role::Message::Newest { view: view.clone() },
        })?;
        let follows = self.role.newest().is_some_and(|newest| {
            newest.number == view.number && newest.principal_process == from.process
        });
        let may_install =
            self.role.pair().is_some_and(|role| role.may_install_snapshot(from, last, &self.tail));
        if !follows || self.serving || !may_install {
            tracing::debug!("a snapshot of an earlier view, or of what is here, was dropped");
            if follows && !self.serving {
                self.acknowledge_needless_snapshot(&view, last);
            }
            return Ok(());
        }
        self.set_aside_what_parts_from(last, &received.records)?;
        let meta = self.store.install(received)?;
        let limits = self.applied.limits().clone();
        let (applied, tail) = Applied::recover(
            &self.store,
            limits,
            self.users.clone(),
            meta.view_records,
            self.tuning.recent_bytes,
        )?;
        self.applied = applied;
        self.tail = tail;
        self.note_records();
        self.forget_snapshots();
        self.durable_reported = meta.id.index;
        self.role_input(role::Input::SnapshotInstalled { from, last: meta.id, view })
    }

    /// A learner's own history ends where the other one has the record of a view that it does not know there:
    /// whoever was elected then had everything that was acknowledged. Or, at the latest, where the other one's
    /// snapshot `last` ends, if that is below its own: whoever has an entry of that one needs no snapshot.
    fn set_aside_what_parts_from(
        &mut self,
        last: EntryId,
        records: &[(ViewNumber, Index)],
    ) -> Result<(), Error> {
        let me = self.role.identity().node;
        let is_learner = self.role.newest().is_some_and(|view| view.replica(me).is_none());
        let ours = self.tail.records();
        // Older records than these may have been forgotten here.
        let oldest = ours.first().map_or(Index(0), |(_, at)| *at);
        let known = oldest..=self.tail.last().index;
        let parts =
            records.iter().find(|(view, at)| known.contains(at) && !ours.contains(&(*view, *at)));
        let below_ours = (last.index < self.tail.floor()).then(|| last.index.next());
        let at = parts.map(|(_, at)| *at).or(below_ours).filter(|_| is_learner);
        let Some(at) = at else { return Ok(()) };
        // Where they parted before our own snapshot, that is part of it.
        if at <= self.tail.floor() {
            let aside = self.store.set_aside_snapshot()?;
            self.tell_set_aside(aside, Index(at.0 - 1));
        }
        let at = at.max(self.tail.floor().next());
        let keep = Index(at.0 - 1);
        let aside = self.store.set_aside_after(keep)?;
        self.tell_set_aside(aside, keep);
        Ok(())
    }

    /// To be told before the tail forgets what followed `keep`.
    fn tell_set_aside(&self, aside: Option<SetAside>, keep: Index) {
        let Some(SetAside { entries, path }) = aside else { return };
        let known = self.tail.view_at(keep);
        let after_override =
            self.role.newest().is_some_and(|view| view.is_past_override(known.unwrap_or_default()));
        let path = path.display().to_string();
        self.console.warn(&NodeMessage::TailSetAside { entries, path, after_override });
    }

    /// The principal took this node for further behind than it is, and waits for the snapshot to arrive.
    fn acknowledge_needless_snapshot(&mut self, view: &View, last: EntryId) {
        let is_here = self.tail.id_at(last.index) == Some(last);
        if is_here && last.index <= self.durable_reported {
            let word = self.role.pair().is_some_and(role::Role::gives_word);
            let (view, nonce) = (view.number, 0);
            self.send_to_peer(role::Message::AppendAck { view, durable: last, nonce, word });
        }
    }

    // ---- The office. ----

    pub(super) fn begin_service(&mut self, epoch: Epoch) {
        self.applied.debug_assert_current(&self.tail);
        self.serving = true;
        self.warnings = super::turn::Warnings::default();
        if std::mem::take(&mut self.succeeds_another) {
            self.console.info(&NodeMessage::Promoted { epoch: epoch.0 });
        } else if epoch > Epoch(1) {
            self.console.info(&NodeMessage::Serving { epoch: epoch.0 });
        }
        match self.users.first() {
            Some(FirstUser::Demo) => self.console.warn(&NodeMessage::DemoMode),
            Some(FirstUser::Admin(_)) => self.console.info(&NodeMessage::FirstAdmin),
            Some(FirstUser::Nobody) => self.console.warn(&NodeMessage::NobodyMayEnter),
            None => {}
        }
        let now = match self.lacks(Mutation::LeasesEndAtTakeover) {
            true => Timestamp(0),
            false => self.clock.wall(),
        };
        self.applied.machine.take_office(now, &mut self.step);
    }

    pub(super) fn end_service(&mut self) -> Result<(), Error> {
        self.serving = false;
        if let Some(webhooks) = &self.webhooks {
            webhooks.stop();
        }
        // Who left the office and holds it anew (V15) has chosen already from where its follower goes on.
        if self.role.acknowledged().is_none() {
            self.prune_to_saved_snapshot()?;
        }
        // Callers see that the office ended before their answer was committed; they ask the other node.
        if !self.lacks(Mutation::AnswerAfterDeposition) {
            self.pending.clear();
            self.askers.clear();
        }
        self.step = orquestrador_core::Step::default();
        self.turn_has_read = false;
        let reason = self.not_primary();
        self.sessions.close_all(&reason);
        self.watch.close_all(&reason);
        self.backups.refuse_all(&reason);
        self.tracer.leave_office();
        Ok(())
    }

    pub(super) fn role_notice(&mut self, notice: Notice) {
        let peer = self.start.peer_address.clone();
        match notice {
            Notice::Founded { cluster } => {
                self.console.info(&NodeMessage::Founded { cluster: cluster.to_string() });
            }
            Notice::ForeignCluster { .. } => {
                self.console.error(&NodeMessage::ForeignCluster { peer })
            }
            Notice::TakingOver => self.console.warn(&NodeMessage::PrincipalFailed),
            Notice::Forced => self.console.warn(&NodeMessage::PromotionForced),
            Notice::ViewChanged { view, handed_over } => self.tell_view(&view, handed_over),
        }
    }

    fn tell_view(&mut self, view: &View, handed_over: bool) {
        tracing::debug!(?view, "newest view");
        let before = self.views.learn(view, handed_over, self.clock.wall());
        let me = self.role.identity();
        if view.principal_process == me.process {
            self.succeeds_another |= before.is_some_and(|b| b.view.principal_node != me.node);
            return;
        }
        // Whoever holds the office is told of when etcd says so, not when its record is read.
        if self.engaged.is_some() {
            return;
        }
        let led = before.as_ref().is_some_and(|b| b.view.principal_process == me.process);
        // In this process: one that was restarted says it again.
        let stood_by = before.is_some_and(|b| {
            b.is_ours && b.view.epoch == view.epoch && b.view.replica(me.node).is_some()
        });
        let principal = self.address_of(view).unwrap_or_else(|| view.principal_node.to_string());
        if led {
            self.console.warn(&NodeMessage::SteppedDown { epoch: view.epoch.0, principal });
        } else if view.replica(me.node).is_none() {
            self.console.info(&NodeMessage::Following { principal });
        } else if !stood_by {
            self.console.info(&NodeMessage::StandbyInSync { epoch: view.epoch.0 });
        }
    }

    /// Views that this process did not hear of, but whose records came with the history.
    pub(super) fn note_records(&mut self) {
        self.applied.records.drain(..).for_each(|view| self.views.recorded(&view));
    }

    /// For people: a failure is told and nothing else.
    pub(super) fn save_views(&mut self) {
        if let Some(notes) = self.views.take_news()
            && let Err(error) = self.store.save_views(&notes)
        {
            tracing::warn!(%error, "the file of the last views could not be written");
        }
    }

    // ---- Release. ----

    /// V2: what is committed, and where needed has the standby's word, becomes visible.
    pub(super) fn release(&mut self) -> Result<(), Error> {
        let wants_word = self.role.needs_word() && !self.lacks(Mutation::ReadWithoutWord);
        let word = wants_word.then_some(self.word);
        let committed = match self.lacks(Mutation::ReleaseBeforeCommit) {
            true => self.tail.last().index,
            false => self.role.committed(),
        };
        let mut released = false;
        while let Some(held) = self.pending.pop(committed, word) {
            released = true;
            self.meters.committed_after(self.clock.monotonic().saturating_sub(held.since));
            let mut effects = held.effects;
            for effect in effects.drain(..) {
                self.effect(effect, held.index);
            }
            self.spares.keep_effects(effects);
        }
        if released {
            // Whoever waits for a task comes before the worker, which may forget it now.
            self.watch.flush();
            self.sessions.flush(self.role.epoch());
        }
        Ok(())
    }

    fn effect(&mut self, effect: Effect, index: Index) {
        match effect {
            Effect::Answer { request, answer } => self.answer(request, answer, index),
            Effect::Welcome { session } => {
                let registered =
                    crate::dispatch::registered(self.role.durable().cluster, self.applied.limits());
                let epoch = self.role.epoch();
                self.sessions.send(session, epoch, ToWorker::Registered(registered));
                self.sessions.send(session, epoch, self.members());
            }
            Effect::CloseSession { session, reason } => {
                self.sessions.close(session, close_status(reason))
            }
            Effect::Assign { session, assignment } => {
                let traceparent = self.tracer.assigned(&assignment);
                self.sessions.assign(session, assignment, traceparent);
            }
            Effect::AcknowledgeOutcome { session, attempt } => {
                self.sessions.acknowledge(session, attempt)
            }
            Effect::CancelAttempt { session, attempt } => self.sessions.cancel(session, attempt),
            Effect::TaskChanged { snapshot, result } => {
                self.watch.changed(&snapshot, result.as_ref())
            }
            Effect::EndedInArray { array, numbers, template } => {
                self.watch.ended_in_array(array, &numbers, &template);
            }
            Effect::GroupEnded { owner, group } => self.watch.group_ended(&owner, &group),
            Effect::Post { owed } => match &self.webhooks {
                Some(webhooks) => webhooks.post(owed),
                None => tracing::debug!(task.id = %owed.report.task, "nobody tells of its end"),
            },
            Effect::Notice(notice) => {
                self.measure(&notice);
                self.lines.notice(notice);
            }
            Effect::UsersChanged { users } => self.users.replace(users),
        }
    }

    /// What happened to tasks, for figures and traces.
    fn measure(&mut self, notice: &orquestrador_core::effect::Notice) {
        use orquestrador_core::effect::Notice;
        match notice {
            Notice::OutcomeFenced { .. } => self.meters.fenced(),
            Notice::TaskRetried { task, failure, .. } => {
                self.tracer.retried(*task, failure, self.clock.wall());
            }
            Notice::TaskFinished { task, state, failure, timeline } => {
                self.meters.finished(*state, timeline);
                self.tracer.finished(*task, (*state, failure.as_ref()), timeline);
            }
            _ => {}
        }
    }

    fn answer(&mut self, request: RequestId, answer: Result<Answer, Rejection>, index: Index) {
        match self.askers.remove(&request) {
            Some(Asker::Call(reply)) => {
                let receipt = self.receipt(index);
                if reply.send(Ok(Committed { answer, receipt })).is_err() {
                    tracing::trace!(request.id = request.0, "a caller left before its answer");
                }
            }
            Some(Asker::Watch(watcher)) => match answer {
                Ok(Answer::Watched { told, open, unknown }) => {
                    self.watch.add(watcher, FirstTasks { told, open, unknown });
                }
                Ok(Answer::Looked { tasks, position, is_all, is_open }) => {
                    let first = FirstLook { tasks, position, is_all, is_open };
                    self.watch.add_looking(watcher, first);
                }
                Ok(Answer::Submitted { accepted: 1.., first }) => {
                    let open = vec![first.id];
                    let (told, unknown) = (vec![(first, None)], Vec::new());
                    self.watch.add(watcher, FirstTasks { told, open, unknown });
                }
                Ok(Answer::Submitted { accepted: 0, .. }) => {
                    self.watch.expected_in_vain(&watcher);
                }
                answer => {
                    self.watch.expected_in_vain(&watcher);
                    let status = match answer {
                        Err(rejection) => crate::api::rejected(&rejection),
                        Ok(_) => grpc_status::status(ErrorCode::Internal, "a watch got no tasks"),
                    };
                    if watcher.outbox.try_send(Err(status)).is_err() {
                        tracing::trace!(
                            request.id = request.0,
                            "a watcher left before its refusal"
                        );
                    }
                }
            },
            None => tracing::debug!(request.id = request.0, "an answer without a question"),
        }
    }
}

fn close_status(reason: CloseReason) -> Status {
    match reason {
        CloseReason::Replaced => {
            grpc_status::status(ErrorCode::Unavailable, "a newer stream of this worker took over")
        }
        CloseReason::IdTaken => {
            grpc_status::status(ErrorCode::WorkerIdTaken, "another worker of this id is connected")
        }
        CloseReason::LeaseExpired => {
            grpc_status::status(ErrorCode::Unavailable, "the worker was silent for a whole lease")
        }
        CloseReason::Unknown => {
            grpc_status::status(ErrorCode::Unavailable, "the session is not known; register again")
        }
    }
}
