//! Two sets of tensors, or two models, side by side.

mod models;
mod tensors;

pub use models::{Layer, ModelDiff, diff_models};
pub use tensors::diff_tensors;
