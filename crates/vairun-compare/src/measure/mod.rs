//! Measures two tensors in one pass.
//!
//! The tensors are cut into blocks that fit the cache; blocks are measured in parallel and merged in order, so that
//! sums do not depend on the number of threads.

mod block;
pub(crate) mod channels;
mod classes;
pub(crate) mod lanes;
mod steps;
mod sums;
mod worst;

use rayon::prelude::*;
use vairun_tensor::{DType, Tensor};

use crate::metrics::Metrics;
use crate::quantizer::{Kind, Quantizer};
use crate::rule::Elements;
use block::{BLOCK, Block};
use channels::Layout;
use sums::Sums;

/// What is known of a tensor that is measured.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// What its elements are.
    pub kind: Kind,
    /// Its quantizer, where it has one.
    pub quantizer: Option<&'a Quantizer>,
    /// What counts as beyond the rule.
    pub elements: Elements,
    /// Whether the last dimension may hold the scores of classes.
    pub scores: bool,
}

/// Two tensors that cannot be measured against each other. A failure, whatever the rule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Incomparable {
    /// Other shapes.
    #[error("shape {got:?}, expected {want:?}")]
    Shape {
        /// Of what the model makes.
        got: Vec<usize>,
        /// Of the golden.
        want: Vec<usize>,
    },
    /// Other classes of types: integers, floats, bools and texts do not compare with each other.
    #[error("type {got}, expected {want}")]
    Class {
        /// Of what the model makes.
        got: DType,
        /// Of the golden.
        want: DType,
    },
    /// There is nothing to compare.
    #[error("no elements: nothing was compared")]
    Empty,
}

/// Measures `got` against `want`.
///
/// # Errors
/// Other shapes, other classes of types, or no elements.
pub fn measure(got: &Tensor, want: &Tensor, subject: &Subject) -> Result<Metrics, Incomparable> {
    comparable(got, want, subject.kind)?;
    if got.dtype() == DType::String {
        return Ok(texts(got, want));
    }
    let layout = Layout::of(got.shape(), subject.quantizer.and_then(|quantizer| quantizer.axis));
    let sums = sum(got, want, subject, &layout);
    let classes = if subject.scores { classes::agreement(got, want) } else { None };
    Ok(Metrics { classes, ..sums.finish(got.shape(), &layout, subject) })
}

fn comparable(got: &Tensor, want: &Tensor, kind: Kind) -> Result<(), Incomparable> {
    let class = |dtype: DType| match dtype {
        DType::Bool => 0,
        DType::String => 1,
        // Some quantizers keep their codes as whole numbers in a float type.
        _ if kind == Kind::Codes => 2,
        dtype if dtype.is_integer() => 2,
        _ => 3,
    };
    if class(got.dtype()) != class(want.dtype()) {
        return Err(Incomparable::Class { got: got.dtype(), want: want.dtype() });
    }
    if got.shape() != want.shape() {
        let (got, want) = (got.shape().to_vec(), want.shape().to_vec());
        return Err(Incomparable::Shape { got, want });
    }
    if got.is_empty() { Err(Incomparable::Empty) } else { Ok(()) }
}

/// Blocks in one parallel task.
const TASK: usize = 64;

fn sum(got: &Tensor, want: &Tensor, subject: &Subject, layout: &Layout) -> Sums {
    let tasks = got.len().div_ceil(BLOCK * TASK);
    let parts: Vec<Sums> = (0..tasks)
        .into_par_iter()
        .map(|task| {
            let mut sums = Sums::new();
            let mut block = Block::new(subject);
            let end = got.len().min((task + 1) * BLOCK * TASK);
            for start in (task * BLOCK * TASK..end).step_by(BLOCK) {
                block.load(got, want, start, BLOCK.min(end - start), layout);
                sums.add(&block, subject, layout);
            }
            sums
        })
        .collect();
    parts.into_iter().reduce(Sums::merge).unwrap_or_else(Sums::new)
}

fn texts(got: &Tensor, want: &Tensor) -> Metrics {
    let pair = (got.as_slice::<String>(), want.as_slice::<String>());
    let (Ok(a), Ok(b)) = pair else { unreachable!("both are texts: checked before") };
    let equal = a.iter().zip(b).filter(|(a, b)| a == b).count() as u64;
    let mut sums = Sums::new();
    sums.elements = a.len() as u64;
    sums.equal = equal;
    sums.beyond = sums.elements - equal;
    sums.one_sided = sums.beyond;
    sums.texts()
}

#[cfg(test)]
mod tests;
