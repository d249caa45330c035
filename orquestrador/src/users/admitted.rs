//! Streams end when whoever asked for them would not be let in any more.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use common::error_code::ErrorCode;
use common::grpc_status;
use futures::{Stream, StreamExt as _};
use orquestrador_core::command::Role;
use orquestrador_core::ids::{TokenName, UserName};
use tonic::Status;

use super::{Caller, Users, now, refusal};

/// How often it is looked.
const LOOK: Duration = Duration::from_secs(1);

/// By which token somebody was let in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admitted {
    pub(super) user: UserName,
    pub(super) role: Role,
    /// `None` of the first user, while there are none.
    pub(super) token: Option<(TokenName, Arc<str>)>,
}

impl Users {
    /// What `stream` says, until the token of `caller` is revoked or changed or expires, or the user's role is another one.
    pub fn while_admitted<T: Send + 'static>(
        &self,
        caller: &Caller,
        stream: impl Stream<Item = Result<T, Status>> + Send + 'static,
    ) -> impl Stream<Item = Result<T, Status>> + Send + 'static {
        let (users, admitted) = (self.clone(), caller.admitted.clone());
        let refused = Arc::new(OnceLock::new());
        let told = Arc::clone(&refused);
        let end = async move {
            let mut looks = tokio::time::interval(LOOK);
            loop {
                looks.tick().await;
                if let Some(status) = users.no_longer(&admitted) {
                    return refused.get_or_init(|| status).clone();
                }
            }
        };
        let farewell = futures::stream::once(async move { told.get().cloned() });
        let farewell = farewell.filter_map(|status| std::future::ready(status.map(Err)));
        stream.take_until(Box::pin(end)).chain(farewell)
    }

    /// Why; `None`: they would be let in.
    fn no_longer(&self, admitted: &Admitted) -> Option<Status> {
        let changed = || Some(refusal("the token, or its user's role, is another one now"));
        let Some((name, hash)) = &admitted.token else {
            return self.first().is_none().then(changed).flatten();
        };
        let known = self.shared.known.load();
        let Some(record) = known.get(&admitted.user) else { return changed() };
        let Some(token) = record.tokens.get(name) else { return changed() };
        if token.hash != *hash || record.role != admitted.role {
            return changed();
        }
        let is_over = token.expires_at.is_some_and(|at| at <= now());
        is_over.then(|| grpc_status::status(ErrorCode::TokenExpired, "the token has expired"))
    }
}
