//! Who may do what: the users as far as they are committed, and which tokens were verified already.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use arc_swap::ArcSwap;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use argon2::{Argon2, PasswordHash};
use common::auth::{AS_KEY, DEMO_TOKEN, DEMO_USER, FIRST_ADMIN, Secret, TOKEN_KEY, USER_KEY};
use common::error_code::ErrorCode;
use common::grpc_status;
use orquestrador_core::command::Role;
use orquestrador_core::effect::UserRecord;
use orquestrador_core::ids::UserName;
use tokio::sync::{Semaphore, SemaphorePermit};
use tonic::Status;
use tonic::metadata::MetadataMap;

/// Verified tokens remembered; beyond it all are forgotten and verified again.
const MAX_VERIFIED: usize = 10_000;
/// Argon2 runs at once: each takes tens of milliseconds and 19 MiB.
const MAX_HASHING: usize = 2;

/// Refusals that are confirmed at once.
const MAX_CONFIRMING: usize = 4;

/// The caller of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    pub user: UserName,
    pub role: Role,
}

/// What a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    Look,
    Change,
    Administer,
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
    verified: Mutex<HashMap<[u8; 32], ()>>,
    key: [u8; 32],
    hashing: Semaphore,
    confirming: Semaphore,
}

impl Users {
    /// `key`: random, for this process.
    pub fn new(first: FirstUser, key: [u8; 32]) -> Self {
        Self {
            shared: Arc::new(Shared {
                known: ArcSwap::default(),
                first,
                verified: Mutex::default(),
                key,
                hashing: Semaphore::new(MAX_HASHING),
                confirming: Semaphore::new(MAX_CONFIRMING),
            }),
        }
    }

    /// Who may enter now because there is no user; `None` when there is one.
    pub fn first(&self) -> Option<&FirstUser> {
        self.shared.known.load().is_empty().then_some(&self.shared.first)
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
    /// from here: another node may know more. `PERMISSION_DENIED` to whose role this is not for.
    pub async fn authenticate(
        &self,
        metadata: &MetadataMap,
        access: Access,
    ) -> Result<Caller, Status> {
        let text = |key| metadata.get(key).and_then(|value| value.to_str().ok());
        let caller = self.sender(text).await?;
        let denied = |why| Err(grpc_status::status(ErrorCode::PermissionDenied, why));
        match (caller.role, access) {
            (Role::Admin, _) | (_, Access::Look) | (Role::Submitter, Access::Change) => {}
            (_, Access::Administer) => return denied("only for administrators"),
            (Role::Viewer, Access::Change) => return denied("viewers change nothing"),
        }
        match (text(AS_KEY), caller.role) {
            (None, _) => Ok(caller),
            // Also one who is no longer known: the tasks stay.
            (Some(user), Role::Admin | Role::Viewer) => Ok(Caller { user: user.into(), ..caller }),
            (Some(_), Role::Submitter) => {
                denied("only administrators, and viewers, act in the place of another user")
            }
        }
    }

    async fn sender<'a>(
        &self,
        text: impl Fn(&'static str) -> Option<&'a str>,
    ) -> Result<Caller, Status> {
        let (Some(user), Some(token)) = (text(USER_KEY), text(TOKEN_KEY)) else {
            return Err(refusal("user and token are required in the metadata"));
        };
        if let Some(first) = self.first() {
            return match first.is(user, token) {
                true => Ok(Caller { user: user.into(), role: Role::Admin }),
                false => Err(refusal("wrong user or token")),
            };
        }
        let record = self.shared.known.load().get(&UserName::from(user)).cloned();
        // An unknown user costs as much time as a known one.
        let hash = record.as_ref().map_or(UNKNOWN_USER_HASH, |r| &r.token_hash).to_owned();
        let proof = self.proof(user, token, &hash);
        if !self.is_verified(&proof) {
            self.verify(token.to_owned(), hash).await?;
            if record.is_some() {
                self.remember(proof);
            }
        }
        match record {
            Some(record) => Ok(Caller { user: record.user, role: record.role }),
            None => Err(refusal("wrong user or token")),
        }
    }

    async fn verify(&self, token: String, hash: String) -> Result<(), Status> {
        let permit = self.shared.hashing.acquire().await;
        let verified = tokio::task::spawn_blocking(move || {
            PasswordHash::new(&hash).is_ok_and(|hash| {
                Argon2::default().verify_password(token.as_bytes(), &hash).is_ok()
            })
        })
        .await;
        drop(permit);
        match verified {
            Ok(true) => Ok(()),
            Ok(false) | Err(_) => Err(refusal("wrong user or token")),
        }
    }

    /// Argon2id of a new user's token, in PHC form.
    ///
    /// # Errors
    /// `INTERNAL` when hashing fails.
    pub async fn hash(&self, token: String) -> Result<String, Status> {
        let permit = self.shared.hashing.acquire().await;
        let hashed = tokio::task::spawn_blocking(move || {
            Argon2::default().hash_password(token.as_bytes()).map(|hash| hash.to_string())
        })
        .await;
        drop(permit);
        match hashed {
            Ok(Ok(hash)) => Ok(hash),
            Ok(Err(error)) => Err(grpc_status::status(
                ErrorCode::Internal,
                format!("failed to hash the token: {error}"),
            )),
            Err(error) => Err(grpc_status::status(
                ErrorCode::Internal,
                format!("failed to hash the token: {error}"),
            )),
        }
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
        self.shared.verified.lock().is_ok_and(|verified| verified.contains_key(proof))
    }

    fn remember(&self, proof: [u8; 32]) {
        if let Ok(mut verified) = self.shared.verified.lock() {
            if verified.len() >= MAX_VERIFIED {
                verified.clear();
            }
            verified.insert(proof, ());
        }
    }
}

/// Argon2id of a random string that nobody kept.
const UNKNOWN_USER_HASH: &str = "$argon2id$v=19$m=19456,t=2,p=1$bXV0aXJhby11bmtub3du$n6pYyhxMcCVxWbbqj5rkOzTZP9xUvyuNlNZ3pzo3NHk";

fn constant_time_eq(given: &str, expected: &str) -> bool {
    blake3::hash(given.as_bytes()) == blake3::hash(expected.as_bytes())
}

fn refusal(message: &str) -> Status {
    grpc_status::status(ErrorCode::Unauthenticated, message)
}
