//! How ONNX's own quantizers, and those made after them, spread a scale and a zero point over a tensor.
//!
//! - one element: for the whole tensor, whatever its rank and the axis;
//! - without `block_size`: `[n]`, one for each index of `axis`, counted from the end if negative;
//! - with `block_size`: the shape of x, but `ceil(d / block_size)` instead of d along `axis`.
//!
//! Source: ONNX, `QuantizeLinear`, opset 25.

use vairun_numeric::spread::Spread;
use vairun_tensor::Tensor;

use super::parameters::wrong_shape;
use crate::attrs::Attrs;
use crate::error::{BuildError, OpError};

/// The attributes `axis` and `block_size` of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Granularity {
    pub(super) axis: i64,
    /// 0: not blocked.
    pub(super) block_size: usize,
}

/// The names of a quantizer's parameters: `y_scale` and `y_zero_point`, or those of x.
#[derive(Clone, Copy)]
pub(super) struct Names {
    pub(super) scale: &'static str,
    pub(super) zero_point: &'static str,
}

impl Granularity {
    /// Reads `axis`, which is 1 where it is left out.
    pub(super) fn axis(attrs: &Attrs) -> Result<Self, BuildError> {
        Ok(Self { axis: attrs.int("axis")?.unwrap_or(1), block_size: 0 })
    }

    /// Reads `block_size` too.
    pub(super) fn blocked(attrs: &Attrs) -> Result<Self, BuildError> {
        let size = attrs.int("block_size")?.unwrap_or(0);
        let wrong = |_| Attrs::value("block_size", size, "0 (not blocked) or more");
        Ok(Self { block_size: usize::try_from(size).map_err(wrong)?, ..Self::axis(attrs)? })
    }

    /// The dimension that `axis` is in a tensor of so many dimensions.
    fn dimension(self, rank: usize) -> Result<usize, OpError> {
        let signed = rank as i64;
        let axis = if self.axis < 0 { self.axis + signed } else { self.axis };
        usize::try_from(axis).ok().filter(|&axis| axis < rank).ok_or_else(|| OpError::Value {
            input: "axis".into(),
            got: self.axis.to_string(),
            expected: format!("-{rank} to {} for x with {rank} dimensions", signed - 1),
        })
    }

    /// Lays the parameters over an input of shape `x`.
    pub(super) fn spread(
        self,
        x: &[usize],
        scale: &Tensor,
        zero_point: Option<&Tensor>,
        names: Names,
    ) -> Result<Spread, OpError> {
        if let Some(zero_point) = zero_point {
            let alike = zero_point.shape() == scale.shape();
            if !alike && (zero_point.len(), scale.len()) != (1, 1) {
                let expected = format!("{:?}, as {}", scale.shape(), names.scale);
                return Err(wrong_shape(names.zero_point, zero_point.shape(), expected));
            }
        }
        if scale.len() == 1 {
            return Ok(Spread::Tensor);
        }
        let axis = self.dimension(x.len())?;
        let (length, inner) = (x[axis], x[axis + 1..].iter().product());
        let (spread, expected) = match self.block_size {
            0 => (Spread::Axis { length, inner }, vec![length]),
            size => {
                let mut expected = x.to_vec();
                expected[axis] = length.div_ceil(size);
                (Spread::Block { length, inner, size }, expected)
            }
        };
        if scale.shape() == expected {
            return Ok(spread);
        }
        let kind =
            if self.block_size == 0 { "one for each index of" } else { "one for each block of" };
        let expected = format!("[] or {expected:?} ({kind} dimension {axis} of x)");
        Err(wrong_shape(names.scale, scale.shape(), expected))
    }

    /// The dimension that parameters spread like that run along: `Some(None)` for the whole tensor, `None` in blocks.
    pub(super) fn grid_axis(self, spread: Spread, rank: usize) -> Option<Option<usize>> {
        match spread {
            Spread::Tensor => Some(None),
            Spread::Axis { .. } => self.dimension(rank).ok().map(Some),
            Spread::Block { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spread(
        axis: i64,
        block_size: usize,
        x: &[usize],
        scale: &[usize],
    ) -> Result<Spread, String> {
        let scale = Tensor::new(scale, vec![1f32; scale.iter().product()]).unwrap();
        let names = Names { scale: "y_scale", zero_point: "y_zero_point" };
        Granularity { axis, block_size }
            .spread(x, &scale, None, names)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn one_element_of_any_rank_is_for_the_tensor() {
        for scale in [&[][..], &[1], &[1, 1]] {
            assert_eq!(spread(7, 0, &[2, 3], scale), Ok(Spread::Tensor), "{scale:?}");
        }
    }

    #[test]
    fn an_axis_counts_from_the_end_if_negative() {
        assert_eq!(spread(1, 0, &[2, 3, 4], &[3]), Ok(Spread::axis(&[2, 3, 4], 1)));
        assert_eq!(spread(-2, 0, &[2, 3, 4], &[3]), Ok(Spread::axis(&[2, 3, 4], 1)));
    }

    #[test]
    fn blocks_round_up() {
        let expected = Spread::Block { length: 5, inner: 3, size: 2 };
        assert_eq!(spread(0, 2, &[5, 3], &[3, 3]), Ok(expected));
    }

    #[test]
    fn errors_say_what_would_fit() {
        assert_eq!(
            spread(1, 0, &[2, 3], &[2]).unwrap_err(),
            "y_scale has shape [2], expected [] or [3] (one for each index of dimension 1 of x)"
        );
        assert_eq!(
            spread(0, 2, &[5, 3], &[5]).unwrap_err(),
            "y_scale has shape [5], expected [] or [3, 3] (one for each block of dimension 0 of x)"
        );
        assert_eq!(
            spread(1, 0, &[3], &[3]).unwrap_err(),
            "axis is 1, expected -1 to 0 for x with 1 dimensions"
        );
    }
}
