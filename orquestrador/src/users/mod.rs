//! Who may do what: the users as far as they are committed, and which tokens were verified already.

mod admitted;
mod asking;
mod hashing;
mod throttle;

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use arc_swap::ArcSwap;
use common::auth::{DEMO_TOKEN, DEMO_USER, FIRST_ADMIN, Secret, token_name};
use common::error_code::ErrorCode;
use common::grpc_status;
use orquestrador_core::command::Role;
use orquestrador_core::effect::{Token, UserRecord};
use orquestrador_core::ids::{Timestamp, TokenName, UserName};
use tokio::sync::{Semaphore, SemaphorePermit};
use tonic::Status;

use crate::actions::Actions;
use crate::meters::Refusal;
use crate::refusals::Refusals;
pub use admitted::Admitted;
pub use asking::{Access, Asking, note_path};
use hashing::{Hashing, Room};
use throttle::Throttle;

/// Verified tokens remembered, and wrong ones; beyond it all are forgotten and verified again.
const MAX_REMEMBERED: usize = 10_000;
/// Refusals that are confirmed at once.
const MAX_CONFIRMING: usize = 4;

/// The caller of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    pub user: UserName,
    pub role: Role,
    /// When the token that was shown ends; `None`: never.
    pub until: Option<Timestamp>,
    /// Who was let in, also where somebody else is meant.
    admitted: Admitted,
}

/// Who is administrator of a cluster without users.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum FirstUser {
    /// The seed's user: every address of the node is a loopback one.
    Demo,
    /// `admin`, with this token.
    Admin(Secret),
    Nobody,
}

impl FirstUser {
    pub fn name(&self) -> Option<&'static str> {
        match self {
            Self::Demo => Some(DEMO_USER),
            Self::Admin(_) => Some(FIRST_ADMIN),
            Self::Nobody => None,
        }
    }

    fn is(&self, user: &str, token: &str) -> bool {
        let (known, secret) = match self {
            Self::Demo => (DEMO_USER, DEMO_TOKEN),
            Self::Admin(token) => (FIRST_ADMIN, token.reveal()),
            Self::Nobody => return false,
        };
        constant_time_eq(user, known) & constant_time_eq(token, secret)
    }
}

/// Cheap to clone; one for the whole node.
#[derive(Clone)]
pub struct Users {
    shared: Arc<Shared>,
}

struct Shared {
    /// By name.
    known: ArcSwap<HashMap<UserName, UserRecord>>,
    /// Who may enter while there is no user.
    first: FirstUser,
    /// Keyed hashes of user, token and token hash that were verified.
    verified: Mutex<HashSet<[u8; 32]>>,
    /// The same of what was not right.
    wrong: Mutex<HashSet<[u8; 32]>>,
    key: [u8; 32],
    hashing: Hashing,
    confirming: Semaphore,
    throttle: Throttle,
    refusals: Refusals,
    actions: Actions,
}

impl Users {
    /// `key`: random, for this process.
    pub fn new(first: FirstUser, key: [u8; 32], refusals: Refusals, actions: Actions) -> Self {
        Self {
            shared: Arc::new(Shared {
                known: ArcSwap::default(),
                first,
                verified: Mutex::default(),
                wrong: Mutex::default(),
                key,
                hashing: Hashing::default(),
                confirming: Semaphore::new(MAX_CONFIRMING),
                throttle: Throttle::default(),
                refusals,
                actions,
            }),
        }
    }

    /// Who may enter now because there is no user; `None` when there is one.
    pub fn first(&self) -> Option<&FirstUser> {
        self.shared.known.load().is_empty().then_some(&self.shared.first)
    }

    /// As a user, or as the one who may enter while there are none.
    pub fn knows(&self, user: &str) -> bool {
        let known = self.shared.known.load();
        known.contains_key(user)
            || known.is_empty() && self.shared.first.name().is_some_and(|first| first == user)
    }

    pub fn actions(&self) -> &Actions {
        &self.shared.actions
    }

    pub fn replace(&self, users: Vec<UserRecord>) {
        self.shared.known.store(Arc::new(users.into_iter().map(|u| (u.user.clone(), u)).collect()));
    }

    /// For one look whether a refusal is still this node's to give: strangers take few turns.
    pub async fn confirming(&self) -> Option<SemaphorePermit<'_>> {
        self.shared.confirming.acquire().await.ok()
    }

    /// Who sends this request, or in whose place an administrator does.
    ///
    /// # Errors
    /// `UNAUTHENTICATED` when user or token is missing or wrong; which of them is not said. So it looks
    /// from here: another node may know more. `TOKEN_EXPIRED` to whose token was right, `TOO_MANY_ATTEMPTS` after
    /// many wrong ones, `PERMISSION_DENIED` to whose role this is not for.
    pub async fn authenticate(&self, asking: Asking<'_>) -> Result<Caller, Status> {
        let caller = self.sender(asking).await?;
        let denied = |why| Err(grpc_status::status(ErrorCode::PermissionDenied, why));
        match (caller.role, asking.access) {
            (Role::Admin, _) | (_, Access::Look) | (Role::Submitter, Access::Change) => {}
            (_, Access::Administer(_)) => return denied("only for administrators"),
            (Role::Viewer, Access::Change) => return denied("viewers change nothing"),
        }
        match (asking.acting_as(), caller.role) {
            (None, _) => Ok(caller),
            // Also one who is no longer known: the tasks stay.
            (Some(user), Role::Admin | Role::Viewer) => Ok(Caller { user: user.into(), ..caller }),
            (Some(_), Role::Submitter) => {
                denied("only administrators, and viewers, act in the place of another user")
            }
        }
    }

    /// What is known of a user's token.
    pub fn token_of(&self, user: &UserName, name: &str) -> Option<Token> {
        self.shared.known.load().get(user)?.tokens.get(name).cloned()
    }

    async fn sender(&self, asking: Asking<'_>) -> Result<Caller, Status> {
        let (Some(user), Some(token)) = (asking.user(), asking.token()) else {
            return Err(refusal("user and token are required in the metadata"));
        };
        if let Some(first) = self.first() {
            self.check_first(first, (user, token), asking)?;
            let admitted = Admitted { user: user.into(), role: Role::Admin, token: None };
            return Ok(caller(admitted, None));
        }
        let record = self.shared.known.load().get(&UserName::from(user)).cloned();
        let name = token_name(token).unwrap_or(TokenName::MAIN);
        let known = record.and_then(|record| Some((record.tokens.get(name)?.clone(), record)));
        // What is not known costs as much time as what is.
        let hash = known.as_ref().map_or(UNKNOWN_TOKEN_HASH, |(known, _)| &*known.hash);
        let proof = self.proof(user, token, hash);
        if !self.is_verified(&proof) {
            self.check_new(&proof)?;
            if !self.verify(token, hash, (user, asking)).await? || known.is_none() {
                remember(&self.shared.wrong, proof);
                return Err(self.wrong(user, asking));
            }
            remember(&self.shared.verified, proof);
        }
        match known {
            Some((Token { expires_at: Some(at), .. }, _)) if at <= now() => {
                self.shared.refusals.meters().refused_login(Refusal::Expired);
                Err(grpc_status::status(ErrorCode::TokenExpired, "the token has expired"))
            }
            Some((Token { hash, expires_at, .. }, UserRecord { user, role, .. })) => {
                let token = Some((name.into(), hash));
                Ok(caller(Admitted { user, role, token }, expires_at))
            }
            None => Err(self.wrong(user, asking)),
        }
    }

    /// By a comparison alone, and throttled all the same.
    fn check_first(
        &self,
        first: &FirstUser,
        (user, token): (&str, &str),
        asking: Asking<'_>,
    ) -> Result<(), Status> {
        let proof = self.proof(user, token, "");
        if self.is_verified(&proof) {
            return Ok(());
        }
        self.check_new(&proof)?;
        self.throttled(user, asking.address())?;
        if !first.is(user, token) {
            remember(&self.shared.wrong, proof);
            return Err(self.wrong(user, asking));
        }
        remember(&self.shared.verified, proof);
        Ok(())
    }

    /// The same wrong token once more is no guess: a program that was not told of a new one holds nobody up.
    fn check_new(&self, proof: &[u8; 32]) -> Result<(), Status> {
        if !self.is_wrong(proof) {
            return Ok(());
        }
        self.shared.refusals.meters().refused_login(Refusal::Wrong);
        Err(refusal("wrong user or token"))
    }

    /// Refuses who showed many wrong tokens a short while ago.
    fn throttled(&self, user: &str, address: Option<IpAddr>) -> Result<(), Status> {
        match self.shared.throttle.wait(user, address, Instant::now()) {
            None => Ok(()),
            Some(wait) => {
                self.shared.refusals.meters().refused_login(Refusal::Throttled);
                self.shared.refusals.guesses(address, user);
                let why = "too many wrong tokens from there, or for this user";
                Err(grpc_status::later(ErrorCode::TooManyAttempts, why, wait))
            }
        }
    }

    fn wrong(&self, user: &str, asking: Asking<'_>) -> Status {
        self.shared.refusals.meters().refused_login(Refusal::Wrong);
        self.shared.throttle.note(user, asking.address(), Instant::now());
        refusal("wrong user or token")
    }

    /// Whether the token is that of the hash.
    async fn verify(
        &self,
        token: &str,
        hash: &str,
        (user, asking): (&str, Asking<'_>),
    ) -> Result<bool, Status> {
        let address = asking.address();
        self.throttled(user, address)?;
        let (users, user) = (self.clone(), user.to_owned());
        let (token, hash) = (token.to_owned(), hash.to_owned());
        let verify = move |room: &mut Room| {
            // After the wait: many may have come at once.
            users.throttled(&user, address)?;
            Ok(is_token_of(&token, &hash, room))
        };
        self.shared.hashing.run(verify).await?
    }

    /// Whether a user's token of this name is this one: issued by a request whose answer was lost.
    ///
    /// # Errors
    /// `INTERNAL` when hashing fails.
    pub async fn has_token(
        &self,
        user: &UserName,
        (name, token): (&str, &str),
        expires_at: Option<Timestamp>,
    ) -> Result<bool, Status> {
        let Some(known) = self.token_of(user, name).filter(|it| it.expires_at == expires_at) else {
            return Ok(false);
        };
        let (token, hash) = (token.to_owned(), known.hash.to_string());
        self.shared.hashing.run(move |room| is_token_of(&token, &hash, room)).await
    }

    /// Argon2id of a new token, in PHC form.
    ///
    /// # Errors
    /// `INTERNAL` when hashing fails.
    pub async fn hash(&self, token: String) -> Result<String, Status> {
        let hash = self.shared.hashing.run(move |room| room.hash(&token));
        hash.await?.map_err(|error| {
            let why = format!("failed to hash the token: {error}");
            grpc_status::status(ErrorCode::Internal, why)
        })
    }

    /// Bound to the stored hash, so that a changed token is verified anew.
    fn proof(&self, user: &str, token: &str, hash: &str) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new_keyed(&self.shared.key);
        for part in [user, token, hash] {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part.as_bytes());
        }
        *hasher.finalize().as_bytes()
    }

    fn is_verified(&self, proof: &[u8; 32]) -> bool {
        self.shared.verified.lock().is_ok_and(|verified| verified.contains(proof))
    }

    fn is_wrong(&self, proof: &[u8; 32]) -> bool {
        self.shared.wrong.lock().is_ok_and(|wrong| wrong.contains(proof))
    }
}

fn remember(proofs: &Mutex<HashSet<[u8; 32]>>, proof: [u8; 32]) {
    if let Ok(mut proofs) = proofs.lock() {
        if proofs.len() >= MAX_REMEMBERED {
            proofs.clear();
        }
        proofs.insert(proof);
    }
}

fn caller(admitted: Admitted, until: Option<Timestamp>) -> Caller {
    Caller { user: admitted.user.clone(), role: admitted.role, until, admitted }
}

fn is_token_of(token: &str, hash: &str, room: &mut Room) -> bool {
    room.verify(token, hash).unwrap_or_else(|error| {
        tracing::error!(%error, "a token's hash cannot be compared with: nobody has it");
        false
    })
}

/// The node's own clock.
pub fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// Argon2id of a random string that nobody kept.
const UNKNOWN_TOKEN_HASH: &str = "$argon2id$v=19$m=19456,t=2,p=1$bXV0aXJhby11bmtub3du$n6pYyhxMcCVxWbbqj5rkOzTZP9xUvyuNlNZ3pzo3NHk";

fn constant_time_eq(given: &str, expected: &str) -> bool {
    blake3::hash(given.as_bytes()) == blake3::hash(expected.as_bytes())
}

fn refusal(message: &str) -> Status {
    grpc_status::status(ErrorCode::Unauthenticated, message)
}
