//! Which node is principal (docs/failover.md).
