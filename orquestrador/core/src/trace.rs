//! Which trace of its submitter's a task belongs to (W3C Trace Context, level 1): carried, and never looked into.

/// A span, by its place in a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TraceContext {
    /// Not 0.
    pub trace: u128,
    /// The span within it that what follows is a child of; not 0.
    pub span: u64,
    /// Whether spans of the trace are recorded.
    pub sampled: bool,
}
