//! `com.microsoft::QLinearGlobalAveragePool`: the mean of each channel of codes.
//!
//! `Y = saturate(round_half_even(f32(Σ(X - zx)) · f32(sx / f32(n·sy))) + zy)`, n the pixels of a channel.
//!
//! | | name                            | type   | shape          |
//! |-|---------------------------------|--------|----------------|
//! | 0 | `X`                           | i8, u8 | `[n, c, …]`; `[n, …, c]` with channels_last |
//! | 1, 3 | `x_scale`, `y_scale`       | f32    | one element    |
//! | 2, 4 | `x_zero_point`, `y_zero_point` | as `X` | one element |
//! | → | `Y`                           | as `X` | `[n, c, 1, …]`; `[n, 1, …, c]` |
//!
//! Attributes: channels_last (INT, 0).
//!
//! Source: `qlinear_global_average_pool.cc` and `qlgavgpool.cpp` of onnxruntime 1.28. Vectors: `testdata/ops/qlinear`.

use vairun_numeric::linear::{Code, Grid};
use vairun_numeric::qlinear::global_average_pool;
use vairun_tensor::{DType, Element, Tensor};

use super::codes::{Coded, Names, check, check_grid, grid, part, range, rounding, with_code};
use super::layout::{channels_first, channels_last};
use crate::attrs::Attrs;
use crate::coded::{CodeRule, OnCodes};
use crate::common::one;
use crate::def::{Grade, OpDef};
use crate::error::{BuildError, OpError};
use crate::operator::{Context, Inputs, Operator, Outputs};
use crate::spec::NodeSpec;

/// `com.microsoft::QLinearGlobalAveragePool`.
pub static DEF: OpDef = OpDef {
    names: &[("com.microsoft", "QLinearGlobalAveragePool")],
    opsets: 1..=i64::MAX,
    summary: "the mean of each channel of codes, from an exact sum",
    types: "X, Y int8, uint8; scales float32",
    grade: Grade::Exact("onnxruntime 1.28 and 1.32"),
    build,
};

const X: Names = Names("X", "x_scale", "x_zero_point");
const Y: Names = Names("Y", "y_scale", "y_zero_point");

struct QLinearGlobalAveragePool {
    channels_last: bool,
}

fn build(spec: &NodeSpec, attrs: &Attrs) -> Result<Box<dyn Operator>, BuildError> {
    spec.expect_inputs(4..=5)?;
    let channels_last = attrs.flag("channels_last")?.unwrap_or(false);
    Ok(Box::new(QLinearGlobalAveragePool { channels_last }))
}

impl Operator for QLinearGlobalAveragePool {
    fn run(&self, inputs: Inputs, _: &mut dyn Context) -> Result<Outputs, OpError> {
        let x = Coded::read(&inputs, 0, X)?;
        let dtype = x.codes.dtype();
        let y = grid(&inputs, 3, Y, dtype)?;
        with_code!(dtype, "X", C => one(match self.channels_last {
            false => pool::<C>(x.codes, x.grid, y)?,
            true => channels_last(&pool::<C>(&channels_first(x.codes)?, x.grid, y)?)?,
        }))
    }

    fn on_codes(&self, parameters: &Inputs) -> Option<OnCodes> {
        let x = part(parameters, 0, X).filter(|_| !self.channels_last)?;
        let Grid { scale, zero_point } = grid(parameters, 3, Y, x.dtype).ok()?;
        let rule = CodeRule::GlobalAverage { scale };
        Some(OnCodes { parts: vec![x], quantizer: rounding(zero_point, x.dtype), rule })
    }

    fn output_dtypes(&self, inputs: &[Option<DType>]) -> Result<Vec<Option<DType>>, OpError> {
        let x = check(inputs, 0, X)?;
        Ok(vec![check_grid(inputs, 3, Y, x)?])
    }
}

fn pool<C: Code + Element>(codes: &Tensor, x: Grid, y: Grid) -> Result<Tensor, OpError> {
    let wrong = || OpError::Shape {
        input: "X".into(),
        got: codes.shape().to_vec(),
        expected: "[n, c, …] with at least one pixel".into(),
    };
    let [n, c, pixels @ ..] = codes.shape() else { return Err(wrong()) };
    let length: usize = pixels.iter().product();
    if length == 0 {
        return Err(wrong());
    }
    let target = (y, range(codes.dtype()));
    let means = global_average_pool::<C>((codes.as_slice()?, x), length, target);
    let shape = [&[*n, *c], &vec![1; pixels.len()][..]].concat();
    Ok(Tensor::new(&shape, means)?)
}

#[cfg(test)]
mod tests {
    use super::super::lookup::testing::codes;
    use super::*;
    use crate::common::testing::{assert_tensor, node_in, tensor};

    #[test]
    fn channels_may_come_last() {
        let x = || codes(tensor(&[1, 2, 2], &[1u8, 10, 3, 30]), 1.0, 1.0);
        let y = node_in(DEF.names[0]).try_run_values(x()).unwrap();
        assert_tensor(y[0].as_tensor().unwrap(), &tensor(&[1, 2, 1], &[6u8, 16]));
        let y = node_in(DEF.names[0]).int("channels_last", 1).try_run_values(x()).unwrap();
        assert_tensor(y[0].as_tensor().unwrap(), &tensor(&[1, 1, 2], &[2u8, 20]));
    }

    #[test]
    fn a_channel_without_pixels_has_no_mean() {
        let empty = codes(tensor::<u8>(&[1, 2, 0], &[]), 1.0, 1.0);
        assert!(node_in(DEF.names[0]).try_run_values(empty).is_err());
    }
}
