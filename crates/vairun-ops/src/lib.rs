//! The operators that vairun evaluates itself.
//!
//! One operator is one file; [`OPS`] lists them. An [`OpDef`] turns a node ([`NodeSpec`]) into an [`Operator`], which
//! runs on values. The crate knows neither files nor tract: `vairun-tract` is another [`Provider`] beside it.

mod arithmetic;
mod attrs;
mod coded;
mod common;
mod def;
mod error;
mod list;
mod operator;
mod provider;
mod quantizer;
mod spec;

pub mod attention;
pub mod cast;
pub mod contraction;
pub mod control;
pub mod detect;
pub mod dims;
pub mod einsum;
pub mod elementwise;
pub mod generate;
pub mod loss;
pub mod movement;
pub mod normalize;
pub mod pool;
pub mod qlinear;
pub mod quant;
pub mod quark;
pub mod random;
pub mod recurrent;
pub mod reduce;
pub mod resize;
pub mod search;
pub mod sequence;
pub mod signal;
pub mod text;
pub mod xir;

pub use arithmetic::Arithmetic;
pub use attrs::Attrs;
pub use coded::{CodeRule, CodedInput, OnCodes};
pub use def::{Build, Grade, OpDef};
pub use error::{BuildError, OpError};
pub use list::{OPS, OwnOps};
pub use operator::{Context, Inputs, NoBodies, Operator, Outputs, Sums};
pub use provider::{OpEntry, Provider};
pub use quantizer::{Dequantizer, Quantizer};
pub use spec::{InputSpec, Known, NodeSpec};
