//! Pairs the tensors of an ONNX model with those of an .xmodel that came out of the same quantizer, and compares them.
//!
//! The two share no names but those of their inputs. What they share is structure: both are graphs of *sites*, places
//! where numbers become codes, joined by float operators that each exporter writes in its own way (`Hardsigmoid` is
//! four nodes here and two there). [`Skeleton`] reduces a graph to its sites; [`Pairing`] matches them by what they
//! depend on, who depends on them, their shapes, scales, and the bytes of parameters, never by the values of
//! activations. [`PairCheck`] then evaluates every site of the .xmodel from the ONNX model's own tensors, so that a
//! difference is one of that operator alone, and says of each differing code why it may differ ([`Differences`]).
//!
//! Rounding rules differ: a native ONNX rounds ties to even, an .xmodel toward +∞. End to end that moves most codes of a
//! deep network by a step, which says nothing; operator by operator it is exact ties and nothing else.

mod check;
mod classify;
mod facts;
mod layout;
mod run;
mod search;
mod sites;
mod tensors;

pub use check::PairCheck;
pub use classify::Differences;
pub use facts::{Facts, Watch};
pub use layout::Layout;
pub use run::{PairOptions, check_pair, inputs};
pub use search::{Pair, Pairing};
pub use sites::{Site, Skeleton};
