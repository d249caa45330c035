//! What operators ask of a node: the office given away, kept or taken by force, and another machine in the
//! place of the other one.

use common::error_code::ErrorCode;
use common::grpc_status;
use orquestrador_core::election;
use orquestrador_core::ids::Epoch;
use orquestrador_core::role::{self, Log as _, Standing};
use tokio::sync::oneshot;
use tonic::Status;

use super::input::Moved;
use super::leadership::Leadership;
use super::store::Store;
use super::{Driver, Error};
use crate::users::FirstUser;

impl<S: Store> Driver<S> {
    /// V15, unless something speaks against it.
    pub(super) fn promote(
        &mut self,
        accept_incomplete: bool,
        reply: oneshot::Sender<Result<Epoch, Status>>,
    ) -> Result<(), Error> {
        let answer = match self.not_promotable(accept_incomplete) {
            Some(why) => Err(grpc_status::status(ErrorCode::NotPromotable, why)),
            None => {
                self.role_input(role::Input::Promote)?;
                Ok(self.role.epoch())
            }
        };
        if reply.send(answer).is_err() {
            tracing::debug!("the operator left before the promotion was answered");
        }
        Ok(())
    }

    fn not_promotable(&self, accept_incomplete: bool) -> Option<String> {
        if self.engaged.is_some() {
            let why = "etcd gives the office, to whichever orchestrator is alive: there is nothing to override";
            return Some(why.to_owned());
        }
        let why = match self.role.standing() {
            Standing::Principal | Standing::Elected if self.is_blocked() => return None,
            Standing::Principal | Standing::Elected => "this node is the principal already",
            Standing::Standby => "the principal is alive: nothing to override",
            Standing::Unfounded => "this node has no history",
            Standing::Learner if self.role.hears_principal() => {
                "the principal is alive: nothing to override"
            }
            Standing::Learner if !accept_incomplete => {
                let last = self.tail.last().index;
                let view = self.role.newest().map_or(0, |view| view.number.0);
                return Some(format!(
                    "this node is no replica of view {view}, the newest that it knows, and its journal goes up to \
                     entry {last} only: whatever was acknowledged beyond that would be lost; if the other node is gone \
                     for good and nothing better is left, add --accept-incomplete"
                ));
            }
            Standing::Learner | Standing::Waiting => return None,
        };
        Some(why.to_owned())
    }

    /// Checked, written down and followed in one step: no view can change in between.
    pub(super) fn move_peer(
        &mut self,
        moved: Moved,
        reply: oneshot::Sender<Result<(), Status>>,
    ) -> Result<(), Error> {
        let Moved { address, loopback, keep } = moved;
        let answer = self.may_move_peer(loopback).and_then(|()| {
            keep().map_err(|error| grpc_status::status(ErrorCode::Internal, error.to_string()))
        });
        let is_moved = answer.is_ok();
        if reply.send(answer).is_err() {
            tracing::debug!("the operator left before the other node was moved");
        }
        if !is_moved {
            return Ok(());
        }
        self.start.peer_address = address;
        self.forget_link();
        let members = self.members();
        self.sessions.send_all(self.role.epoch(), &members);
        self.role_input(role::Input::PeerMoved { loopback })
    }

    fn may_move_peer(&self, loopback: bool) -> Result<(), Status> {
        if self.engaged.is_some() {
            let why = "with etcd there is no other orchestrator to name: each announces itself";
            return Err(grpc_status::status(ErrorCode::InvalidArgument, why));
        }
        if !self.serving {
            return Err(self.not_primary());
        }
        if self.role.newest().is_some_and(|view| !view.is_single()) {
            let why = "the other orchestrator still belongs to the cluster";
            return Err(grpc_status::status(ErrorCode::PeerInUse, why));
        }
        // At the next start nobody could enter.
        if !loopback && self.users.first() == Some(&FirstUser::Demo) {
            let why = "the new address is not a loopback one";
            return Err(grpc_status::status(ErrorCode::DemoCredentials, why));
        }
        Ok(())
    }

    pub(super) fn keep_office(&mut self, reply: oneshot::Sender<bool>) -> Result<(), Error> {
        self.handing_over = None;
        self.role_input(role::Input::KeepOffice)?;
        self.election_input(election::Input::KeepOffice)?;
        if reply.send(self.role.may_lose_office()).is_err() {
            tracing::debug!("the operator left before the switch-over was given up");
        }
        Ok(())
    }

    pub(super) fn give_office_away(&mut self) -> Result<(), Error> {
        self.role_input(role::Input::HandOver)?;
        self.election_input(election::Input::HandOver)
    }

    /// Somebody is there to take the office.
    pub(super) fn has_successor(&self) -> bool {
        match &self.role {
            Leadership::Pair(role) => role.replicated().is_some(),
            Leadership::Etcd(_) => self.successors() > 0,
        }
    }

    /// The office is in other hands, or nobody is there to take it.
    pub(super) fn answer_hand_over(&mut self) {
        let given = match self.role.standing() {
            // Nobody is there any more to take it.
            Standing::Principal if !self.has_successor() => None,
            Standing::Principal | Standing::Elected => return,
            // Who has it now is not known yet.
            Standing::Waiting if self.engaged.is_some() => return,
            Standing::Unfounded | Standing::Learner | Standing::Standby | Standing::Waiting => {
                Some(self.role.epoch())
            }
        };
        if let Some(reply) = self.handing_over.take()
            && reply.send(given).is_err()
        {
            tracing::debug!("nobody waits for the handover any more");
        }
    }

    /// An operator's wish: refused unless a standby is there to take the office.
    pub(super) fn switch_over(
        &mut self,
        reply: oneshot::Sender<Result<oneshot::Receiver<Option<Epoch>>, Status>>,
    ) -> Result<(), Error> {
        let answer = if !self.serving {
            Err(self.not_primary())
        } else if !self.has_successor() {
            let why = "there is no standby in sync to take over";
            Err(grpc_status::status(ErrorCode::NotPromotable, why))
        } else {
            let (done, news) = oneshot::channel();
            self.handing_over = Some(done);
            self.give_office_away()?;
            Ok(news)
        };
        if reply.send(answer).is_err() {
            tracing::debug!("the operator left before the switch-over began");
        }
        Ok(())
    }
}
