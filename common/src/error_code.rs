//! The words by which programs tell errors apart. Documented in `docs/errors.md`; a retired word is
//! not used again.

use std::str::FromStr;

use tonic::Code;

macro_rules! error_codes {
    ($($(#[$doc:meta])* $name:ident = $word:literal, $grpc:ident, retry: $retry:literal;)*) => {
        /// The reason of an error, in `google.rpc.ErrorInfo`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum ErrorCode {
            $($(#[$doc])* $name,)*
        }

        impl ErrorCode {
            /// All of them, in the order in which they win when several apply.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The word on the wire.
            pub fn word(self) -> &'static str {
                match self { $(Self::$name => $word,)* }
            }

            /// The gRPC code it travels with.
            pub fn grpc(self) -> Code {
                match self { $(Self::$name => Code::$grpc,)* }
            }

            /// It is a matter of TLS and certificates, not of the request.
            pub fn is_of_tls(self) -> bool {
                matches!(
                    self,
                    Self::TlsRequired
                        | Self::CertificateRefused
                        | Self::CertificateRequired
                        | Self::WrongRole
                        | Self::TlsFailed
                )
            }

            /// The same request may succeed later, or at the other orchestrator.
            pub fn retryable(self) -> bool {
                match self { $(Self::$name => $retry,)* }
            }
        }

        impl FromStr for ErrorCode {
            type Err = UnknownErrorCode;

            fn from_str(word: &str) -> Result<Self, UnknownErrorCode> {
                match word {
                    $($word => Ok(Self::$name),)*
                    _ => Err(UnknownErrorCode),
                }
            }
        }
    };
}

/// A word of a newer version.
#[derive(Debug, thiserror::Error)]
#[error("unknown error code")]
pub struct UnknownErrorCode;

error_codes! {
    /// The port speaks TLS only, and the caller came without.
    TlsRequired = "TLS_REQUIRED", FailedPrecondition, retry: false;
    /// The caller showed a certificate that does not count; the message says why.
    CertificateRefused = "CERTIFICATE_REFUSED", Unauthenticated, retry: false;
    /// The call needs a certificate, and the caller showed none.
    CertificateRequired = "CERTIFICATE_REQUIRED", Unauthenticated, retry: false;
    /// The caller's certificate is of another role than the call needs.
    WrongRole = "WRONG_ROLE", PermissionDenied, retry: false;
    /// No TLS came about with whoever was called: its certificate, or its port; the message says why. Another one may do.
    TlsFailed = "TLS_FAILED", Unavailable, retry: true;
    /// The node is not the principal, or no longer.
    NotPrimary = "NOT_PRIMARY", FailedPrecondition, retry: true;
    /// Nobody answered, or the answer is not known; repeat with the same id.
    Unavailable = "UNAVAILABLE", Unavailable, retry: true;
    /// The sender belongs to another cluster.
    ForeignCluster = "FOREIGN_CLUSTER", FailedPrecondition, retry: false;
    /// The sender is fenced: a higher epoch is known.
    StaleEpoch = "STALE_EPOCH", FailedPrecondition, retry: true;
    /// Something else listens there: its answer knows nothing of the call.
    NotAnOrchestrator = "NOT_AN_ORCHESTRATOR", Unimplemented, retry: false;
    /// User or token is missing or wrong.
    Unauthenticated = "UNAUTHENTICATED", Unauthenticated, retry: false;
    /// The token was right, and has expired.
    TokenExpired = "TOKEN_EXPIRED", Unauthenticated, retry: false;
    /// Too many wrong tokens were shown; the status says how long to wait.
    TooManyAttempts = "TOO_MANY_ATTEMPTS", ResourceExhausted, retry: false;
    /// The user may not do this.
    PermissionDenied = "PERMISSION_DENIED", PermissionDenied, retry: false;
    /// A field is wrong; the violations name it.
    InvalidArgument = "INVALID_ARGUMENT", InvalidArgument, retry: false;
    /// No worker has ever offered the handler.
    UnknownHandler = "UNKNOWN_HANDLER", InvalidArgument, retry: false;
    /// None of the workers that offer the handler has what the task needs.
    NeedsNotMet = "NEEDS_NOT_MET", InvalidArgument, retry: false;
    /// The orchestrators do not allow the webhook of a task.
    WebhookNotAllowed = "WEBHOOK_NOT_ALLOWED", FailedPrecondition, retry: false;
    /// Nothing is owed of the task to any receiver, nor kept of what was given up, or it is another user's.
    WebhookNotFound = "WEBHOOK_NOT_FOUND", NotFound, retry: false;
    /// There is no such task, or it is another user's.
    TaskNotFound = "TASK_NOT_FOUND", NotFound, retry: false;
    /// There is no such array, or it is another user's.
    ArrayNotFound = "ARRAY_NOT_FOUND", NotFound, retry: false;
    /// There is no such group, or it is another user's.
    GroupNotFound = "GROUP_NOT_FOUND", NotFound, retry: false;
    /// The task neither failed nor was lost.
    NotRetriable = "NOT_RETRIABLE", FailedPrecondition, retry: false;
    /// What the task comes after did not succeed, and is not done once more.
    DependencyNotRetried = "DEPENDENCY_NOT_RETRIED", FailedPrecondition, retry: false;
    /// There is no such queue.
    QueueNotFound = "QUEUE_NOT_FOUND", NotFound, retry: false;
    /// The queue belongs to another group of orchestrators; the message says which.
    QueueElsewhere = "QUEUE_ELSEWHERE", FailedPrecondition, retry: false;
    /// There is no such schedule, or it is another user's.
    ScheduleNotFound = "SCHEDULE_NOT_FOUND", NotFound, retry: false;
    /// No such worker is connected.
    WorkerNotFound = "WORKER_NOT_FOUND", NotFound, retry: false;
    /// Another worker of this id is connected.
    WorkerIdTaken = "WORKER_ID_TAKEN", AlreadyExists, retry: true;
    /// A task is to come after one that is not known.
    DependencyNotFound = "DEPENDENCY_NOT_FOUND", NotFound, retry: false;
    /// A blob that was asked for, or that a task refers to, is not there: put it first.
    BlobNotFound = "BLOB_NOT_FOUND", NotFound, retry: false;
    /// What the disk holds is not what was stored; asked again, the other orchestrator is asked.
    BlobDamaged = "BLOB_DAMAGED", DataLoss, retry: true;
    /// No room for a blob: the limit of the orchestrator, or its disk; the message says which.
    BlobStoreFull = "BLOB_STORE_FULL", ResourceExhausted, retry: true;
    /// The object store that keeps blobs does not answer the orchestrator.
    BlobStoreAway = "BLOB_STORE_AWAY", Unavailable, retry: true;
    /// The object store that keeps blobs refuses the orchestrator; the message says why.
    BlobStoreRefused = "BLOB_STORE_REFUSED", FailedPrecondition, retry: false;
    /// Too late to cancel.
    TaskFinished = "TASK_FINISHED", FailedPrecondition, retry: false;
    /// The id belongs to a task or an array with other content.
    TaskIdConflict = "TASK_ID_CONFLICT", AlreadyExists, retry: false;
    /// The key belongs to a task with other content.
    KeyConflict = "KEY_CONFLICT", AlreadyExists, retry: false;
    /// The task that had the key is forgotten; the key is not free yet.
    KeySpent = "KEY_SPENT", FailedPrecondition, retry: false;
    /// There is no such user.
    UserNotFound = "USER_NOT_FOUND", NotFound, retry: false;
    /// The user has no token of this name.
    TokenNotFound = "TOKEN_NOT_FOUND", NotFound, retry: false;
    /// The user has a token of this name already.
    TokenKnown = "TOKEN_EXISTS", AlreadyExists, retry: false;
    /// The user has as many tokens as one may.
    TooManyTokens = "TOO_MANY_TOKENS", FailedPrecondition, retry: false;
    /// The first user must be an administrator.
    FirstUserNotAdmin = "FIRST_USER_NOT_ADMIN", FailedPrecondition, retry: false;
    /// Other users would be left without an administrator.
    LastAdmin = "LAST_ADMIN", FailedPrecondition, retry: false;
    /// The backlog is at its limit; the message names it.
    QueueFull = "QUEUE_FULL", ResourceExhausted, retry: true;
    /// The request alone is more than its user may have unfinished; the message names the limit.
    QuotaTooSmall = "QUOTA_TOO_SMALL", FailedPrecondition, retry: false;
    /// The user has as much unfinished as they may; the message names the limit.
    QuotaExceeded = "QUOTA_EXCEEDED", ResourceExhausted, retry: true;
    /// The user submits faster than they may; the message says when to come again.
    RateLimited = "RATE_LIMITED", ResourceExhausted, retry: true;
    /// Too many requests are waiting.
    Overloaded = "OVERLOADED", ResourceExhausted, retry: true;
    /// The reader of a watch was too slow.
    WatchLagged = "WATCH_LAGGED", ResourceExhausted, retry: true;
    /// The node cannot take over; the message says why.
    NotPromotable = "NOT_PROMOTABLE", FailedPrecondition, retry: false;
    /// The other orchestrator still belongs to the cluster.
    PeerInUse = "PEER_IN_USE", FailedPrecondition, retry: false;
    /// There is no such set-aside tail.
    TailNotFound = "TAIL_NOT_FOUND", NotFound, retry: false;
    /// A set-aside tail is damaged, or cannot be read; the message says how.
    TailDamaged = "TAIL_DAMAGED", DataLoss, retry: false;
    /// The cluster lives on the demo credentials, which end where the addresses leave loopback.
    DemoCredentials = "DEMO_CREDENTIALS", FailedPrecondition, retry: false;
    /// This orchestrator was not started with `--allow-drill`.
    DrillsOff = "DRILLS_OFF", FailedPrecondition, retry: false;
    /// Nothing was done, because the orchestrator cannot log it; the message says why.
    ActionsLogFailed = "ACTIONS_LOG_FAILED", FailedPrecondition, retry: false;
    /// A fault of ours.
    Internal = "INTERNAL", Internal, retry: false;
}
