//! The words by which the platform tells why a task failed. Documented in `docs/errors.md`; handlers of one's own
//! may have others.

/// All of them.
pub const ALL: &[&str] = &[
    "HANDLER_ERROR",
    "INVALID_PAYLOAD",
    "NON_ZERO_EXIT",
    "KILLED_BY_SIGNAL",
    "SPAWN_FAILED",
    "PROGRAM_NOT_ALLOWED",
    "OUT_OF_MEMORY",
    "WORK_DIR_UNAVAILABLE",
    "RESULT_TOO_LARGE",
    "INPUT_MISSING",
    "OUTPUT_MISSING",
    "OUTPUT_FAILED",
    "PANICKED",
    "CANCELLED",
    "UNKNOWN_HANDLER",
    "TIMEOUT",
    "EXPIRED",
    "DEADLINE_EXCEEDED",
    "DEPENDENCY_FAILED",
    "QUARANTINED",
    "ALREADY_STARTED",
    "FAULT_INJECTED",
];
