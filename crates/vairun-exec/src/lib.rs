//! Plans and runs graphs, and lets observers watch.
//!
//! A [`Plan`] holds one operator for each node, made by the first [`vairun_ops::Provider`] that has it. A run evaluates
//! node after node; what is fixed is evaluated once; each value is dropped after its last use. An [`Observer`] sees
//! every value under the name in the file and changes no bit of the result. The crate prints nothing.

mod constants;
mod error;
mod exact;
mod fuse;
mod observer;
mod plan;
#[cfg(test)]
mod random;
mod resolve;
mod run;
#[cfg(test)]
mod tests;

pub use error::{NodeFailure, NodeProblem, PlanError, RunError};
pub use observer::{NodeEvent, Observer, ObserverError, Silent, StepEvent};
pub use plan::{Contractions, Options, Plan};
pub use vairun_numeric::kernel::Isa;
