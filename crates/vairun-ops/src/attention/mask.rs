//! What a query may attend to.

use vairun_tensor::DType;

use super::floats::widened;
use crate::common::prelude::{OpError, Tensor, wrong_shape};

/// A mask that is added to the scores, laid over `[batch, heads, queries, keys]` from the end.
pub(super) struct Mask {
    values: Vec<f32>,
    shape: [usize; 4],
}

impl Mask {
    /// bool: -∞ where false; else the numbers. Keys beyond its end are masked.
    pub(super) fn new(x: &Tensor, limits: [usize; 4]) -> Result<Self, OpError> {
        let values = match x.dtype() {
            DType::Bool => x
                .as_slice::<bool>()?
                .iter()
                .map(|&attend| if attend { 0.0 } else { f32::NEG_INFINITY })
                .collect(),
            _ => widened(x, "attn_mask")?,
        };
        let mut shape = [1; 4];
        let fits = x.rank() <= 4 && {
            shape[4 - x.rank()..].copy_from_slice(x.shape());
            let same = |i: usize| shape[i] == 1 || shape[i] == limits[i];
            (0..3).all(same) && shape[3] <= limits[3]
        };
        if !fits {
            return Err(wrong_shape("attn_mask", x.shape(), format!("to broadcast to {limits:?}")));
        }
        Ok(Self { values, shape })
    }

    pub(super) fn add(&self, at: [usize; 3], row: &mut [f32]) {
        let mut place = 0;
        for (i, &index) in at.iter().enumerate() {
            place = place * self.shape[i] + if self.shape[i] == 1 { 0 } else { index };
        }
        let keys = self.shape[3];
        let values = &self.values[place * keys..][..keys];
        row.iter_mut().zip(values).for_each(|(x, &mask)| *x += mask);
        if keys < row.len() {
            row[keys..].fill(f32::NEG_INFINITY);
        }
    }
}

/// Which keys lie near enough to a query, whose place is that of its index plus `offset`.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Window {
    pub(super) causal: bool,
    /// Keys before the query; `None`: all.
    pub(super) left: Option<i64>,
    /// Keys after the query; `None`: all.
    pub(super) right: Option<i64>,
}

impl Window {
    pub(super) fn add(self, query: usize, offset: i64, row: &mut [f32]) {
        let at = query as i64 + offset;
        for (key, x) in (0i64..).zip(row) {
            let before = at - key;
            let masked = (self.causal && before < 0)
                || self.left.is_some_and(|left| before > left)
                || self.right.is_some_and(|right| -before > right);
            if masked {
                *x = f32::NEG_INFINITY;
            }
        }
    }
}
