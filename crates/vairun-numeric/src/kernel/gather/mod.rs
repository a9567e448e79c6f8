//! Where products read x: lines of taps, found once for all runs, and the rows of a task. For CPUs with AVX2.

pub(super) mod panel;
pub(super) mod places;
pub(super) mod sources;
