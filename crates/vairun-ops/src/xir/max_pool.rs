//! `maxpool1d`, `maxpool2d`: the largest element of each window. Padding is below every number.

use vairun_numeric::fixed::{Code, Pool, PoolShape};
use vairun_tensor::{DType, Element, Tensor};

use super::codes::with_code;
use super::grids::Grids;
use super::window::{Windows, does_not_fit};
use super::{Compute, EXECUTOR, def, node};
use crate::attrs::Attrs;
use crate::common::sizes::result_len;
use crate::def::OpDef;
use crate::error::{BuildError, OpError};
use crate::operator::{Inputs, Operator};
use crate::spec::NodeSpec;

/// `maxpool1d`, `maxpool2d`.
pub static DEF: OpDef = def(
    &[("xir", "maxpool2d"), ("xir", "maxpool1d")],
    "the largest element of each window",
    EXECUTOR,
    build,
);

struct MaxPool {
    windows: Windows,
}

fn build(spec: &NodeSpec, attrs: &Attrs) -> Result<Box<dyn Operator>, BuildError> {
    spec.expect_inputs(1..=1)?;
    node(spec, attrs, MaxPool { windows: Windows::read(attrs)? })
}

/// Windows over a tensor, and the shape of the result.
pub(super) fn pool(windows: &Windows, x: &Tensor) -> Result<(Pool, Vec<usize>), OpError> {
    let [batch, .., channels] = *x.shape() else { return Err(does_not_fit(x.shape())) };
    let shape = PoolShape { batch, channels, windows: windows.over(x.shape())? };
    let pool = Pool::new(shape).ok_or_else(|| does_not_fit(x.shape()))?;
    let shape: Vec<usize> =
        [batch].iter().chain(pool.output()).chain(&[channels]).copied().collect();
    result_len(DType::I64, &shape)?;
    Ok((pool, shape))
}

impl Compute for MaxPool {
    fn compute(&self, _: &Grids, inputs: Inputs) -> Result<Tensor, OpError> {
        let x = inputs.tensor(0, "input")?;
        let (pool, shape) = pool(&self.windows, x)?;
        if x.dtype() == DType::F32 {
            let keys: Vec<i32> = x.as_slice::<f32>()?.iter().map(|&x| key(x)).collect();
            let y = largest(&pool, &keys, x)?.into_iter().map(number).collect();
            return Ok(Tensor::new(&shape, y)?);
        }
        with_code!(x.dtype(), T => {
            Ok(Tensor::with_dtype(x.dtype(), &shape, largest::<T>(&pool, x.as_slice()?, x)?)?)
        })
    }
}

fn largest<T: Code + Element>(pool: &Pool, codes: &[T], x: &Tensor) -> Result<Vec<T>, OpError> {
    pool.max(codes).ok_or_else(|| does_not_fit(x.shape()))
}

/// An integer that is in the order of the numbers; NaN is the largest.
fn key(x: f32) -> i32 {
    let bits = if x.is_nan() { f32::NAN } else { x }.to_bits().cast_signed();
    bits ^ ((bits >> 31).cast_unsigned() >> 1).cast_signed()
}

/// The number of a key.
fn number(key: i32) -> f32 {
    f32::from_bits((key ^ ((key >> 31).cast_unsigned() >> 1).cast_signed()).cast_unsigned())
}

#[cfg(test)]
mod tests {
    use crate::xir::testing::*;

    fn case() -> Case {
        xir("maxpool2d").ints("kernel", &[2, 1]).ints("stride", &[1, 1]).ints("dilation", &[1, 1])
    }

    #[test]
    fn padding_loses_against_every_code() {
        let case =
            case().ints("pad", &[1, 0, 0, 0]).codes_in(&[0]).codes_out(vairun_tensor::DType::I8, 0);
        let y = case.run([tensor(&[1, 1, 3, 1], &[-5i8, -9, -7])]);
        assert_tensor(&y, &tensor(&[1, 1, 3, 1], &[-5i8, -5, -7]));
    }

    #[test]
    fn real_numbers_compare_as_such_and_nan_stays() {
        let x = floats(&[1, 1, 4, 1], &[-1.5, -0.5, f32::NEG_INFINITY, f32::NAN]);
        let y = case().ints("pad", &[0, 0, 0, 0]).run([x]);
        let y = y.as_slice::<f32>().unwrap();
        assert_eq!(y[..2], [-0.5, -0.5]);
        assert!(y[2].is_nan());
    }
}
