//! `com.microsoft::QLinearAveragePool`: the mean of each window of codes.
//!
//! `Y = saturate(round_half_even(f32(mean / sy) + zy))`, the mean that of the dequantized codes: the zero point comes
//! before the rounding.
//!
//! | | name                            | type   | shape       |
//! |-|---------------------------------|--------|-------------|
//! | 0 | `X`                           | i8, u8 | `[n, c, …]`; `[n, …, c]` with channels_last |
//! | 1, 3 | `x_scale`, `y_scale`       | f32    | one element |
//! | 2, 4 | `x_zero_point`, `y_zero_point` | as `X` | one element; may be left out |
//! | → | `Y`                           | as `X` | as `X`      |
//!
//! Attributes: auto_pad (NOTSET), ceil_mode (0), channels_last (0), count_include_pad (0), kernel_shape, pads (0 …),
//! strides (1 …). With count_include_pad every window counts its whole length, what ceil_mode adds included.
//!
//! Source: `qlinear_pool.cc` of onnxruntime 1.28. Vectors: `testdata/ops/qlinear`.

use vairun_numeric::linear::{Code, Grid};
use vairun_numeric::qlinear::average_pool;
use vairun_tensor::{DType, Element, Tensor};

use super::codes::{Coded, Names, check, check_grid, grid, part, range, rounding, with_code};
use super::layout::{channels_first, channels_last};
use crate::attrs::Attrs;
use crate::coded::{CodeRule, OnCodes};
use crate::common::one;
use crate::def::{Grade, OpDef};
use crate::error::{BuildError, OpError};
use crate::operator::{Context, Inputs, Operator, Outputs};
use crate::pool::window::Windows;
use crate::quantizer::Dequantizer;
use crate::spec::NodeSpec;

/// `com.microsoft::QLinearAveragePool`.
pub static DEF: OpDef = OpDef {
    names: &[("com.microsoft", "QLinearAveragePool")],
    opsets: 1..=i64::MAX,
    summary: "the mean of each window of codes, zero point before rounding",
    types: "X, Y int8, uint8; scales float32",
    grade: Grade::Exact("onnxruntime 1.28 and 1.32"),
    build,
};

const X: Names = Names("X", "x_scale", "x_zero_point");
const Y: Names = Names("Y", "y_scale", "y_zero_point");

struct QLinearAveragePool {
    windows: Windows,
    count_include_pad: bool,
    channels_last: bool,
}

fn build(spec: &NodeSpec, attrs: &Attrs) -> Result<Box<dyn Operator>, BuildError> {
    spec.expect_inputs(4..=5)?;
    Ok(Box::new(QLinearAveragePool {
        count_include_pad: attrs.flag("count_include_pad")?.unwrap_or(false),
        channels_last: attrs.flag("channels_last")?.unwrap_or(false),
        windows: Windows::read(attrs)?,
    }))
}

impl Operator for QLinearAveragePool {
    fn run(&self, inputs: Inputs, _: &mut dyn Context) -> Result<Outputs, OpError> {
        let x = Coded::read(&inputs, 0, X)?;
        let dtype = x.codes.dtype();
        let y = grid(&inputs, 3, Y, dtype)?;
        with_code!(dtype, "X", C => one(match self.channels_last {
            false => self.pool::<C>(x.codes, x.grid, y)?,
            true => channels_last(&self.pool::<C>(&channels_first(x.codes)?, x.grid, y)?)?,
        }))
    }

    fn on_codes(&self, parameters: &Inputs) -> Option<OnCodes> {
        let x = part(parameters, 0, X).filter(|_| !self.channels_last)?;
        let Grid { scale, zero_point } = grid(parameters, 3, Y, x.dtype).ok()?;
        let rule = CodeRule::Average(Dequantizer { scale, zero_point });
        // The rule adds the zero point.
        Some(OnCodes { parts: vec![x], quantizer: rounding(0, x.dtype), rule })
    }

    fn output_dtypes(&self, inputs: &[Option<DType>]) -> Result<Vec<Option<DType>>, OpError> {
        let x = check(inputs, 0, X)?;
        Ok(vec![check_grid(inputs, 3, Y, x)?])
    }
}

impl QLinearAveragePool {
    fn pool<C: Code + Element>(&self, codes: &Tensor, x: Grid, y: Grid) -> Result<Tensor, OpError> {
        let (pool, shape) = self.windows.over(codes.dtype(), codes.shape())?;
        let target = (y, range(codes.dtype()));
        let means =
            average_pool::<C>((codes.as_slice()?, x), &pool, self.count_include_pad, target);
        Ok(Tensor::new(&shape, means)?)
    }
}

#[cfg(test)]
mod tests {
    use super::super::lookup::testing::codes;
    use super::*;
    use crate::common::testing::{assert_tensor, node_in, tensor};

    #[test]
    fn channels_may_come_last() {
        let case = || node_in(DEF.names[0]).ints("kernel_shape", &[2]);
        let x = |shape: &[usize]| codes(tensor(shape, &[1u8, 10, 3, 30]), 1.0, 1.0);
        let y = case().try_run_values(x(&[1, 2, 2])).unwrap();
        assert_tensor(y[0].as_tensor().unwrap(), &tensor(&[1, 2, 1], &[6u8, 16]));
        let y = case().int("channels_last", 1).try_run_values(x(&[1, 2, 2])).unwrap();
        assert_tensor(y[0].as_tensor().unwrap(), &tensor(&[1, 1, 2], &[2u8, 20]));
    }
}
