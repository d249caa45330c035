//! Exit codes of all four binaries, documented in `docs/errors.md`.

/// All went well.
pub const OK: u8 = 0;
/// The work itself failed: the task ended FAILED or CANCELLED.
pub const TASK_FAILED: u8 = 1;
/// The command line or the configuration is wrong.
pub const USAGE: u8 = 2;
/// The orchestrator refused the request.
pub const REFUSED: u8 = 3;
/// No orchestrator could be reached in time.
pub const UNAVAILABLE: u8 = 4;
/// User or token is wrong.
pub const UNAUTHENTICATED: u8 = 5;
/// There is no such task or user.
pub const NOT_FOUND: u8 = 6;
/// The wait ended before the work did.
pub const TIMEOUT: u8 = 7;
/// A resource of this machine is missing: the port is taken, the data directory locked or unreadable.
pub const RESOURCE: u8 = 8;
/// A guarantee broke: the journal could not be written, or is damaged.
pub const BROKEN: u8 = 9;
/// Ended by Ctrl+C.
pub const INTERRUPTED: u8 = 130;
