//! One input at a time.

use common::error_code::ErrorCode;
use common::grpc_status;
use common::proto;
use orquestrador_core::command::AttemptRef;
use orquestrador_core::ids::Epoch;
use orquestrador_core::role::{self, Failover, Log as _};
use orquestrador_core::{Command, Event, QUARANTINED};
use tonic::Status;

use common::messages::node_journal::JournalMessage;

use super::input::{Description, Explanation, Figures, Input, Members, PeerDescription};
use super::leadership::Leadership;
use super::mutation::Mutation;
use super::spill;
use super::store::Store;
use super::{Asker, Driver, Error, MAX_UNCOMMITTED_TURNS, PeerFacts, Start};
use crate::replication::convert::{self, Whereabouts};

impl<S: Store> Driver<S> {
    pub(super) fn take(&mut self, input: Input) -> Result<(), Error> {
        match input {
            Input::Call { request, command, reply } => {
                if self.is_admitting() {
                    self.askers.insert(request, Asker::Call(reply));
                    self.handle_command(command);
                } else if reply.send(Err(self.refusal())).is_err() {
                    tracing::trace!("a caller left before its refusal");
                }
            }
            Input::Watch { request, command, watcher } => {
                let admitted = match self.is_admitting() {
                    true => self.watch.expect(&watcher),
                    false => Err(self.refusal()),
                };
                if let Err(refusal) = admitted {
                    if watcher.outbox.try_send(Err(refusal)).is_err() {
                        tracing::trace!("a watcher left before its refusal");
                    }
                } else {
                    self.askers.insert(request, Asker::Watch(watcher));
                    self.handle_command(command);
                }
            }
            Input::OpenSession { session, command, outbox } => {
                if self.is_admitting() {
                    self.sessions.open(session, outbox);
                    self.handle_command(command);
                } else if outbox.try_send(Err(self.refusal())).is_err() {
                    tracing::trace!("a worker left before its refusal");
                }
            }
            Input::Session(command) => {
                if self.serving {
                    let is_over = match &command {
                        Command::DisconnectWorker { session } => Some(*session),
                        _ => None,
                    };
                    self.handle_command(command);
                    // A worker that takes its leave waits for the end of the stream.
                    is_over.into_iter().for_each(|session| self.sessions.forget(session));
                }
            }
            other => self.take_from_within(other)?,
        }
        Ok(())
    }

    /// What comes from the other node, the journal or the process itself.
    fn take_from_within(&mut self, input: Input) -> Result<(), Error> {
        // What was decided so far goes into the journal before a view may change.
        self.close_entry()?;
        if self.ending && input.is_news_of_the_link() {
            return Ok(());
        }
        match input {
            Input::Dialed { peer, hello, address, link } => {
                self.met(peer, address);
                self.replicator.set_link(Some(link));
                self.role_input(role::Input::Dialed { peer, hello })
            }
            Input::DialLost => {
                self.forget_link();
                if self.lacks(Mutation::PromoteWithoutRegister) {
                    self.role_input(role::Input::Promote)?;
                }
                self.role_input(role::Input::DialLost)
            }
            Input::PeerRefused => {
                self.forget_link();
                self.role_input(role::Input::PeerRefused)
            }
            Input::PeerUnreachable => self.role_input(role::Input::PeerUnreachable),
            Input::Peer { from, epoch, message, entries } => {
                self.take_from_peer(from, epoch, message, entries)
            }
            Input::SnapshotReceived { from, view, last, snapshot } => {
                self.adopt_snapshot(from, view, last, snapshot)
            }
            Input::Greet { reply } => {
                let Leadership::Pair(role) = &self.role else { return Ok(()) };
                let hello = role.hello(&self.tail);
                let Start { own_address, peer_address, .. } = &self.start;
                let hello = convert::hello(hello, own_address, peer_address);
                let greeting = convert::envelope(self.role.sender(), self.role.epoch(), hello);
                if reply.send(greeting).is_err() {
                    tracing::trace!("the peer left before it was greeted");
                }
                Ok(())
            }
            Input::Testimony { from, testimony } => {
                tracing::trace!(%from, ?testimony, "from a witness");
                self.role_input(role::Input::Testimony { from, testimony })
            }
            Input::Candidates(candidates) => self.role_input(role::Input::Candidates(candidates)),
            // The end of the turn looks at the journal's progress.
            Input::JournalProgress => Ok(()),
            Input::SnapshotSaved(saved) => self.snapshot_saved(saved),
            Input::PruningFailed(error) => Err(error.into()),
            Input::SnapshotUnreadable(error) => {
                let error = error.fault().text(self.console.lang());
                self.console.error(&JournalMessage::SnapshotUnreadable { error });
                self.want_snapshot();
                Ok(())
            }
            Input::Figures { reply } => {
                let Explanation { node, failover, witnesses, .. } = self.explain();
                let figures = Figures {
                    node,
                    machine: self.applied.machine.figures(),
                    committed: self.role.committed(),
                    uncommitted: self.pending.len(),
                    witnesses_heard: witnesses.iter().filter(|(_, host)| host.is_some()).count(),
                    failover,
                    now: self.clock.wall(),
                };
                if reply.send(figures).is_err() {
                    tracing::trace!("nobody waits for the figures");
                }
                Ok(())
            }
            Input::Backup { reply } => self.begin_backup(reply),
            Input::Describe { reply } => {
                if reply.send(self.describe()).is_err() {
                    tracing::trace!("nobody waits for the description");
                }
                Ok(())
            }
            Input::ReferredBlobs { known, reply } => {
                let machine = &self.applied.machine;
                let sum = machine.referred_sum();
                let news = (known != Some(sum)).then(|| (sum, machine.referred_blobs().collect()));
                if reply.send(news).is_err() {
                    tracing::trace!("nobody waits for what is referred to");
                }
                Ok(())
            }
            Input::Standing { reply } => {
                if reply.send(self.role.standing()).is_err() {
                    tracing::trace!("nobody waits for the standing");
                }
                Ok(())
            }
            Input::Promote { accept_incomplete, reply } => self.promote(accept_incomplete, reply),
            Input::HandOver { reply } => {
                self.handing_over = Some(reply);
                self.give_office_away()
            }
            Input::SwitchOver { reply } => self.switch_over(reply),
            Input::StopWorkers { within_ms } => {
                let stop = proto::Stop { within_ms: Some(within_ms) };
                let stop = proto::orchestrator_message::Message::Stop(stop);
                self.sessions.send_all(self.role.epoch(), &stop);
                Ok(())
            }
            Input::StopWorker { worker, within_ms, reply } => {
                let session = self.applied.machine.session_of(&worker);
                if let Some(session) = session {
                    let stop =
                        proto::orchestrator_message::Message::Stop(proto::Stop { within_ms });
                    self.sessions.send(session, self.role.epoch(), stop);
                }
                if reply.send(session.is_some()).is_err() {
                    tracing::trace!("nobody waits for the word on a worker");
                }
                Ok(())
            }
            Input::Farewell => {
                self.ending = true;
                self.end_others();
                self.send_on_link(proto::peer_message::Message::Farewell(proto::Farewell {}));
                Ok(())
            }
            Input::PeerFarewell { from, reply } => {
                let is_ours = self.is_replica(from);
                self.ending |= is_ours;
                if reply.send(is_ours).is_err() {
                    tracing::trace!("whoever said farewell has left");
                }
                Ok(())
            }
            Input::MovePeer { moved, reply } => self.move_peer(moved, reply),
            Input::KeepOffice { reply } => self.keep_office(reply),
            Input::Engine(news) => self.take_news(news),
            Input::Leave => {
                self.leave_engine();
                Ok(())
            }
            Input::Explain { reply } => {
                if reply.send(self.explain()).is_err() {
                    tracing::trace!("nobody waits for the explanation");
                }
                Ok(())
            }
            Input::Tick => self.tick(),
            Input::Call { .. }
            | Input::Watch { .. }
            | Input::OpenSession { .. }
            | Input::Session(_) => Ok(()),
        }
    }

    fn is_admitting(&self) -> bool {
        self.serving && self.pending.len() < MAX_UNCOMMITTED_TURNS && !self.lags_behind_log()
    }

    fn refusal(&self) -> Status {
        if self.serving && self.lags_behind_log() {
            let why = "too much of what is in etcd waits for the disk of this node";
            grpc_status::status(ErrorCode::Overloaded, why)
        } else if self.serving {
            grpc_status::status(ErrorCode::Overloaded, "too much is waiting to be committed")
        } else {
            self.not_primary()
        }
    }

    pub(super) fn not_primary(&self) -> Status {
        grpc_status::not_primary(self.principal_address().as_deref())
    }

    fn handle_command(&mut self, command: Command) {
        let command = spill::command(&self.store, command);
        let asks = is_request(&command);
        self.applied.machine.tell_changes(self.watch.is_needed());
        let before = self.step.events.len();
        let may_lose = matches!(
            command,
            Command::ConnectWorker(_)
                | Command::ReportEnded { .. }
                | Command::ReportOutcomes { .. }
        );
        let wall = self.stalls.at(self.clock.wall());
        self.applied.machine.handle(wall, command, &mut self.step);
        if may_lose {
            self.keep_last_words(before);
        }
        if asks && self.step.events.len() == before {
            self.turn_has_read = true;
        }
        self.turn_bytes += self.step.events[before..].iter().map(content_bytes).sum::<usize>();
    }

    /// Of attempts that were cancelled, or ended with their workers, and their tasks with them: what was heard is worth
    /// keeping.
    pub(super) fn keep_last_words(&mut self, from: usize) {
        let ended = |event: &Event| match event {
            Event::TaskLost { task, attempt, .. } | Event::AttemptEnded { task, attempt, .. } => {
                Some((*task, *attempt))
            }
            Event::TaskFailed { task, attempt, failure, .. } if failure.code == QUARANTINED => {
                Some((*task, *attempt))
            }
            _ => None,
        };
        let ended: Vec<_> = self.step.events[from..].iter().filter_map(ended).collect();
        for (task, attempt) in ended {
            if let Some(report) = self.outputs.report(task, attempt.0) {
                let attempt = AttemptRef { task, attempt };
                let command = Command::KeepOutput { attempt, output: report.into() };
                let command = spill::command(&self.store, command);
                let wall = self.stalls.at(self.clock.wall());
                self.applied.machine.handle(wall, command, &mut self.step);
            }
        }
    }

    /// G3: a message of a lower epoch is answered with what is newer by the role machine itself; one of a
    /// higher epoch carries its view.
    fn take_from_peer(
        &mut self,
        from: role::Sender,
        epoch: Epoch,
        message: role::Message,
        entries: Vec<super::Received>,
    ) -> Result<(), Error> {
        tracing::trace!(%epoch, ?message, "from peer");
        if let role::Message::AppendAck { durable, .. } = &message {
            self.replicator.acknowledged(durable.index);
        }
        if self.peer.sender.is_some_and(|peer| peer.process == from.process) {
            // It may have joined our cluster meanwhile.
            self.peer.sender = Some(from);
            self.peer.speaks = true;
        }
        self.in_hand = entries;
        let done = self.role_input(role::Input::Message { from, message });
        self.in_hand.clear();
        done
    }

    /// A principal whose other replica is gone, so that nothing is committed.
    pub(super) fn is_blocked(&self) -> bool {
        let hosts = self.witnesses.alive(self.clock.monotonic());
        let successors = self.successors();
        let failover = self.role.failover(|witness| hosts.contains_key(&witness), successors);
        failover == Failover::Blocked
    }

    /// Where clients should go, as far as this node knows.
    pub(super) fn principal_address(&self) -> Option<String> {
        if let Some(election) = self.role.election() {
            let principal = election.principal()?;
            return match principal == election.identity().node {
                true => Some(self.start.own_address.clone()),
                false => self.member_address(principal),
            };
        }
        let view = self.role.newest()?;
        let me = self.role.identity();
        if view.principal_node == me.node {
            return (view.principal_process == me.process).then(|| self.start.own_address.clone());
        }
        let linked = self.peer.sender.is_some_and(|s| s.process == view.principal_process);
        linked.then(|| self.start.peer_address.clone())
    }

    pub(super) fn describe(&self) -> Description {
        Description {
            standing: self.role.standing(),
            view: self.role.newest().cloned(),
            cluster: self.role.durable().cluster,
            epoch: self.role.epoch(),
            principal: self.principal_address(),
            own_address: self.start.own_address.clone(),
            peer_address: self.start.peer_address.clone(),
            node: self.role.identity().node,
            last_index: self.tail.last().index,
            applied: self.applied.index,
            digest: self.applied.machine.digest(),
            has_successor: self.has_successor(),
            members: self.role.election().map(|election| Members {
                others: self.others().into_iter().cloned().collect(),
                is_answered: !election.is_silent(),
                principal: election.principal(),
            }),
            peer: self.peer.sender.map(|sender| PeerDescription {
                node: sender.node,
                foreign: self.is_foreign(sender),
                in_view: self.role.newest().is_some_and(|v| v.replica(sender.node).is_some()),
                acknowledged: self.role.acknowledged(),
            }),
        }
    }

    /// Who is principal and why, as this node sees it.
    fn explain(&self) -> Explanation {
        let now = self.clock.monotonic();
        let hosts = self.witnesses.alive(now);
        let successors = self.successors();
        let failover = self.role.failover(|witness| hosts.contains_key(&witness), successors);
        let of_view = self.role.newest().map(|view| view.witnesses.clone()).unwrap_or_default();
        let witnesses = of_view.into_iter().map(|w| (w, hosts.get(&w).cloned())).collect();
        Explanation { node: self.describe(), failover, witnesses, views: self.views.all() }
    }

    /// For workers: where the orchestrators are.
    pub(super) fn members(&self) -> proto::orchestrator_message::Message {
        let mut addresses = vec![self.start.own_address.clone()];
        match &self.role {
            Leadership::Pair(_) => addresses.push(self.start.peer_address.clone()),
            Leadership::Etcd(_) => {
                addresses.extend(self.others().into_iter().map(|other| other.address.clone()));
            }
        }
        proto::orchestrator_message::Message::Members(proto::Members { addresses })
    }

    /// One of the orchestrators of this cluster, as the newest view has them; anybody before there is a view.
    fn is_replica(&self, peer: role::Sender) -> bool {
        peer.cluster == self.role.sender().cluster
            && self
                .role
                .newest()
                .is_none_or(|view| view.replicas.iter().any(|r| r.node == peer.node))
    }

    /// It has a cluster, and not ours.
    pub(super) fn is_foreign(&self, peer: role::Sender) -> bool {
        let ours = self.role.durable().cluster;
        peer.cluster.is_some() && ours.is_some() && peer.cluster != ours
    }

    fn met(&mut self, peer: role::Sender, address: Whereabouts) {
        self.acquaintance = Some((peer.node, address.own));
        self.peer = PeerFacts {
            sender: Some(peer),
            expects: address.peer,
            linked_at: self.clock.monotonic(),
            speaks: false,
        };
    }

    /// Where this principal is, if it is a node that was linked to this one.
    pub(super) fn address_of(&self, view: &role::View) -> Option<String> {
        if self.engaged.is_some() {
            return self.member_address(view.principal_node);
        }
        let known = self.acquaintance.as_ref();
        known.filter(|(node, _)| *node == view.principal_node).map(|(_, address)| address.clone())
    }

    pub(super) fn forget_link(&mut self) {
        self.peer = PeerFacts::default();
        self.replicator.set_link(None);
    }

    /// The receipt of what is committed now.
    pub(super) fn receipt(&self, index: orquestrador_core::ids::Index) -> proto::Receipt {
        let replicated = self.role.replicated().is_some_and(|up_to| index <= up_to);
        proto::Receipt {
            durability: match replicated {
                true => proto::Durability::Replicated.into(),
                false => proto::Durability::LocalOnly.into(),
            },
            epoch: self.role.epoch().0,
            journal_index: index.0,
        }
    }
}

/// Answered by an effect, unlike what workers and timers send: without events it is a read, which a deposed
/// principal must not answer.
fn is_request(command: &Command) -> bool {
    match command {
        Command::Submit { .. }
        | Command::SubmitArray { .. }
        | Command::SubmitFlow { .. }
        | Command::QueryArray { .. }
        | Command::CancelArray { .. }
        | Command::Query { .. }
        | Command::QuerySources { .. }
        | Command::List { .. }
        | Command::Watch { .. }
        | Command::Cancel { .. }
        | Command::Retry { .. }
        | Command::Overview { .. }
        | Command::AddUser { .. }
        | Command::RemoveUser { .. }
        | Command::IssueToken { .. }
        | Command::RevokeToken { .. }
        | Command::ListUsers { .. }
        | Command::QueryUser { .. }
        | Command::ChangeQuota { .. }
        | Command::ListQueues { .. }
        | Command::ChangeQueue { .. }
        | Command::PurgeQueue { .. }
        | Command::SetSchedule { .. }
        | Command::PauseSchedule { .. }
        | Command::RemoveSchedule { .. }
        | Command::QuerySchedule { .. }
        | Command::ListSchedules { .. }
        | Command::RunSchedule { .. }
        | Command::Look { .. }
        | Command::QueryGroup { .. }
        | Command::ListGroups { .. }
        | Command::CancelGroup { .. }
        | Command::ListWebhooks { .. }
        | Command::RetryWebhooks { .. }
        | Command::ConnectWorker(_) => true,
        Command::DisconnectWorker { .. }
        | Command::WorkerHeartbeat { .. }
        | Command::DrainWorker { .. }
        | Command::SetPrefetch { .. }
        | Command::ReturnAttempts { .. }
        | Command::ReportOutcomes { .. }
        | Command::KeepOutput { .. }
        | Command::ReportEnded { .. }
        | Command::ReportPost { .. }
        | Command::ExpireTimers => false,
    }
}

/// What weighs in an event.
fn content_bytes(event: &Event) -> usize {
    match event {
        Event::TaskSubmitted { payload, .. } | Event::ArraySubmitted { payload, .. } => {
            payload.len()
        }
        Event::TaskSucceeded { result, .. } => result.len(),
        Event::TaskFailed { failure, .. } => failure.output.len() + failure.message.len(),
        Event::TasksPruned { tasks } | Event::WebhooksRetried { tasks, .. } => tasks.len() * 16,
        Event::OutputKept { output, .. } => output.len(),
        Event::ScheduleSet { schedule, .. } => schedule.payload.len() + schedule.expression.len(),
        Event::KeysReleased { keys } => keys.len() * 64,
        Event::BlobsReferred { blobs, .. } => blobs.len() * 48,
        Event::TaskBlocked { blockage, .. } => blockage.after.len() * 16,
        // Only in snapshots.
        Event::TaskRestored(_)
        | Event::ArrayRestored(_)
        | Event::GroupRestored(_)
        | Event::OrderRestored { .. } => 0,
        Event::WebhookOwed(owed) => {
            owed.report.rest.as_ref().map_or(0, |rest| rest.numbers.len() * 8)
        }
        Event::WebhookDelayed { error, .. } | Event::WebhookGivenUp { error, .. } => error.len(),
        Event::TaskAssigned { .. }
        | Event::WebhookDelivered { .. }
        | Event::ScheduleFired { .. }
        | Event::ScheduleRemoved { .. }
        | Event::ArrayCancelled { .. }
        | Event::ArrayFailed { .. }
        | Event::TaskCancelled { .. }
        | Event::TaskRequeued { .. }
        | Event::TaskReturned { .. }
        | Event::TaskRetried { .. }
        | Event::TaskDelayed { .. }
        | Event::TaskDue { .. }
        | Event::TaskLost { .. }
        | Event::WorkerRegistered { .. }
        | Event::HandlersLearned { .. }
        | Event::WorkerLost { .. }
        | Event::AttemptEnded { .. }
        | Event::UserAdded { .. }
        | Event::TaskExpired { .. }
        | Event::TaskReleased { .. }
        | Event::TaskSkipped { .. }
        | Event::TaskRepeated { .. }
        | Event::SourcesTaken { .. }
        | Event::TaskTraced { .. }
        | Event::TaskKeyed { .. }
        | Event::QueueChanged { .. }
        | Event::QuotaChanged { .. }
        | Event::UserRemoved { .. }
        | Event::TokenIssued { .. }
        | Event::TokenRevoked { .. } => 0,
    }
}
