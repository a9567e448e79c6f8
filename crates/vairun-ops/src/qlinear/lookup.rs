//! What the operators share that give for each code another one: a table of all 256.

use vairun_numeric::qlinear::Table;
use vairun_tensor::{DType, Tensor};

use super::codes::{Coded, Names, affine, check, check_grid, grid, part, rounding, with_code};
use crate::coded::{CodeRule, OnCodes};
use crate::common::one;
use crate::error::OpError;
use crate::operator::{Inputs, Outputs};

const X: Names = Names("X", "X_scale", "X_zero_point");
const Y: Names = Names("Y", "Y_scale", "Y_zero_point");

/// `quantize(f(dequantize(X)))`; inputs: X, its scale and zero point, the scale and zero point of Y.
pub(super) fn run(inputs: &Inputs, f: impl Fn(f32) -> f32) -> Result<Outputs, OpError> {
    let x = Coded::read(inputs, 0, X)?;
    let dtype = x.codes.dtype();
    let y = affine(grid(inputs, 3, Y, dtype)?, dtype);
    with_code!(dtype, "X", C => {
        let codes = Table::<C>::new(x.grid, y, f).map(x.codes.as_slice()?);
        one(Tensor::new(x.codes.shape(), codes)?)
    })
}

/// How it is a function of each code for itself.
pub(super) fn on_codes(parameters: &Inputs) -> Option<OnCodes> {
    let x = part(parameters, 0, X)?;
    let quantizer = rounding(grid(parameters, 3, Y, x.dtype).ok()?.zero_point, x.dtype);
    Some(OnCodes { parts: vec![x], quantizer, rule: CodeRule::Each })
}

/// The type of the result: that of the codes.
pub(super) fn output_dtypes(inputs: &[Option<DType>]) -> Result<Vec<Option<DType>>, OpError> {
    let x = check(inputs, 0, X)?;
    Ok(vec![check_grid(inputs, 3, Y, x)?])
}

#[cfg(test)]
pub(super) mod testing {
    use vairun_tensor::{Tensor, Value};

    /// Codes with a scale each for what comes in and what goes out, without zero points.
    pub(crate) fn codes(x: Tensor, x_scale: f32, y_scale: f32) -> Vec<Option<Value>> {
        let scale = |scale| Some(Tensor::scalar(scale).into());
        vec![Some(x.into()), scale(x_scale), None, scale(y_scale)]
    }
}
