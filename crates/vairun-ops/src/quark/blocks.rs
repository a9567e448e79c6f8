use vairun_numeric::blocks::Blocks;
use vairun_tensor::{DType, Tensor, f16};

use crate::attrs::Attrs;
use crate::common::axes;
use crate::error::{BuildError, OpError};
use crate::operator::{Inputs, Outputs};

/// The types of the numbers that a block format rounds.
const TYPES: &str = "float32 or float16";

/// Where the blocks of a block format lie.
#[derive(Clone, Copy, Debug)]
pub(super) struct BlockAttributes {
    axis: i64,
    pub(super) block_size: usize,
}

impl BlockAttributes {
    /// `axis` (1) and `block_size` (`default_size`).
    pub(super) fn read(attrs: &Attrs, default_size: i64) -> Result<Self, BuildError> {
        let axis = attrs.int("axis")?.unwrap_or(1);
        Ok(Self { axis, block_size: positive(attrs, "block_size", default_size)? })
    }

    /// The blocks of a tensor; `None` where it has a single element or none, which the formats leave alone.
    fn blocks(self, shape: &[usize]) -> Result<Option<Blocks>, OpError> {
        let rank = shape.len();
        if shape.iter().product::<usize>() < 2 {
            return Ok(None);
        }
        let axis = if rank == 1 { 0 } else { axes::axis(self.axis, rank)? };
        Ok(Some(Blocks::along(shape, axis, self.block_size)))
    }

    /// The input with `before` applied to all its numbers, then `round` to its blocks; float16 takes the way through
    /// float32.
    pub(super) fn run(
        self,
        mut inputs: Inputs,
        before: impl FnOnce(&mut [f32]),
        round: impl FnOnce(&mut [f32], Blocks),
    ) -> Result<Outputs, OpError> {
        let mut x = inputs.take(0, "x")?;
        let blocks = self.blocks(x.shape())?;
        let apply = |data: &mut [f32]| {
            before(data);
            if let Some(blocks) = blocks {
                round(data, blocks);
            }
        };
        if x.dtype() == DType::F16 {
            let mut wide: Vec<f32> = x.as_slice::<f16>()?.iter().map(|x| x.to_f32()).collect();
            apply(&mut wide);
            x = Tensor::new(x.shape(), wide.into_iter().map(f16::from_f32).collect())?;
        } else {
            check_dtype(x.dtype())?;
            apply(x.make_mut::<f32>()?);
        }
        Ok(vec![x.into()])
    }
}

/// An attribute that is at least 1.
pub(super) fn positive(
    attrs: &Attrs,
    name: &'static str,
    default: i64,
) -> Result<usize, BuildError> {
    let value = attrs.int(name)?.unwrap_or(default);
    let size = usize::try_from(value).ok().filter(|&size| size > 0);
    size.ok_or_else(|| Attrs::value(name, value, "at least 1"))
}

/// The type of the output: that of the input.
pub(super) fn output_dtypes(inputs: &[Option<DType>]) -> Result<Vec<Option<DType>>, OpError> {
    let dtype = inputs.first().copied().flatten();
    dtype.map_or(Ok(()), check_dtype)?;
    Ok(vec![dtype])
}

fn check_dtype(got: DType) -> Result<(), OpError> {
    match got {
        DType::F32 | DType::F16 => Ok(()),
        _ => Err(OpError::DType { input: "x".into(), got, expected: TYPES.into() }),
    }
}
