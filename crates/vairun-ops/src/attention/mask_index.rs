//! The masks of `Attention` and `QAttention`: which steps a step sees.
//!
//! `[batch]`: the end of what is seen; `[2·batch]`: the ends, then the starts; `[batch, all steps]` and
//! `[batch, steps, all steps]`: 1 for what is seen; `[batch, 1]` and `[1, 1]` stand for no mask.

use vairun_tensor::{DType, Tensor};

use crate::common::types::Types;
use crate::error::OpError;
use crate::quant::parameters::wrong_shape;

/// The type of a mask.
pub(crate) const MASK: Types = Types::new("int32", |dtype| dtype == DType::I32);

/// One of the forms.
pub(crate) enum Mask<'a> {
    Everything,
    /// Ends, and starts where there are some.
    Ranges(&'a [i32], Option<&'a [i32]>),
    /// `[batch, total]`
    Steps(&'a [i32], usize),
    /// `[batch, steps, total]`
    Pairs(&'a [i32], usize, usize),
}

impl<'a> Mask<'a> {
    /// For `[batch, steps, total]`.
    pub(crate) fn new(
        mask: &'a Tensor,
        &[batch, steps, total]: &[usize; 3],
    ) -> Result<Self, OpError> {
        MASK.check_tensor(mask, "mask_index")?;
        let values = mask.as_slice::<i32>()?;
        match *mask.shape() {
            [rows, columns] if [rows, columns] == [batch, total] => Ok(Self::Steps(values, total)),
            [rows, 1] if rows == batch || rows == 1 => Ok(Self::Everything),
            [length] if length == batch => Ok(Self::Ranges(values, None)),
            [length] if length == 2 * batch => {
                Ok(Self::Ranges(&values[..batch], Some(&values[batch..])))
            }
            [a, b, c] if [a, b, c] == [batch, steps, total] => {
                Ok(Self::Pairs(values, steps, total))
            }
            _ => {
                let expected = format!(
                    "[{batch}], [{}], [{batch}, {total}] or [{batch}, {steps}, {total}]",
                    2 * batch
                );
                Err(wrong_shape("mask_index", mask.shape(), expected))
            }
        }
    }

    /// Whether step `step` of a sequence sees step `at` of all.
    pub(crate) fn shows(&self, batch: usize, step: usize, at: usize) -> bool {
        let at_signed = i64::try_from(at).unwrap_or(i64::MAX);
        match self {
            Self::Everything => true,
            Self::Ranges(ends, starts) => {
                let after = starts.is_none_or(|starts| at_signed >= i64::from(starts[batch]));
                after && at_signed < i64::from(ends[batch])
            }
            Self::Steps(values, total) => values[batch * total + at] > 0,
            Self::Pairs(values, steps, total) => values[(batch * steps + step) * total + at] > 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::common::testing::tensor;

    fn seen(shape: &[usize], values: &[i32]) -> Vec<bool> {
        let mask = tensor(shape, values);
        let mask = Mask::new(&mask, &[1, 2, 3]).unwrap();
        [0, 1].iter().flat_map(|&step| [0, 1, 2].map(|at| mask.shows(0, step, at))).collect()
    }

    #[test]
    fn every_form_says_what_is_seen() {
        assert_eq!(seen(&[1], &[2]), [true, true, false, true, true, false]);
        assert_eq!(seen(&[2], &[3, 1]), [false, true, true, false, true, true]);
        assert_eq!(seen(&[1, 3], &[1, 0, 1]), [true, false, true, true, false, true]);
        assert_eq!(seen(&[1, 2, 3], &[1, 0, 0, 1, 1, 0]), [true, false, false, true, true, false]);
        assert_eq!(seen(&[1, 1], &[0]), [true; 6]);
    }

    #[test]
    fn other_shapes_are_refused() {
        let mask = tensor(&[3], &[1i32, 1, 1]);
        let error = Mask::new(&mask, &[1, 2, 3]).err().unwrap().to_string();
        assert_eq!(error, "mask_index has shape [3], expected [1], [2], [1, 3] or [1, 2, 3]");
    }
}
