//! Reading and writing tensors of codes, whatever their type.

use vairun_numeric::fixed::{Code, Grid, Scaled, Source};
use vairun_tensor::{DType, Element, Tensor};

use super::grids::Grids;
use crate::common::broadcast::expanded;
use crate::error::OpError;
use crate::operator::Inputs;

/// Evaluates `$body`, a `Result<_, OpError>`, with `$T` standing for the Rust type that carries codes of `$dtype`.
macro_rules! with_code {
    ($dtype:expr, $T:ident => $body:expr) => {
        $crate::xir::codes::with_code!($dtype, $T => $body;
            I8 i8, U8 u8, I16 i16, U16 u16, I32 i32, I64 i64)
    };
    ($dtype:expr, $T:ident => $body:expr; $($carrier:ident $rust:ty),*) => {
        match $dtype.carrier() {
            $(vairun_tensor::Carrier::$carrier => {
                type $T = $rust;
                $body
            })*
            _ => Err($crate::xir::codes::no_codes($dtype)),
        }
    };
}

pub(super) use with_code;

/// The error for a tensor that holds no codes.
pub(super) fn no_codes(got: DType) -> OpError {
    OpError::DType { input: "input".into(), got, expected: "codes of 4 to 64 bits".into() }
}

/// The codes of a tensor on the way to another grid.
pub(super) fn source(tensor: &Tensor, multiplier: i64) -> Result<Box<dyn Source + '_>, OpError> {
    with_code!(tensor.dtype(), T => {
        Ok(Box::new(Scaled { codes: tensor.as_slice::<T>()?, multiplier }))
    })
}

/// A tensor of codes of `dtype` from elements of its carrier.
pub(super) fn codes<T: Code + Element>(
    dtype: DType,
    shape: &[usize],
    codes: Vec<T>,
) -> Result<Tensor, OpError> {
    Ok(Tensor::with_dtype(dtype, shape, codes)?)
}

/// The codes as `i32`; `name` is the specification's, for the error.
pub(super) fn as_i32(tensor: &Tensor, name: &str) -> Result<Vec<i32>, OpError> {
    with_code!(tensor.dtype(), T => {
        let narrow = |&code: &T| i32::try_from(code.widen()).ok();
        tensor.as_slice::<T>()?.iter().map(narrow).collect::<Option<_>>().ok_or_else(|| OpError::Value {
            input: name.into(),
            got: "codes of more than 32 bits".into(),
            expected: "codes that are multiplied in pairs of 32 bits".into(),
        })
    })
}

/// The codes as `i64`, each times `multiplier`.
pub(super) fn as_i64(tensor: &Tensor, multiplier: i64) -> Result<Vec<i64>, OpError> {
    let mut out = vec![0; tensor.len()];
    source(tensor, multiplier)?.fill(0, &mut out);
    Ok(out)
}

/// The numbers of a tensor: itself where it is float32.
pub(super) fn reals(tensor: &Tensor, grid: Grid) -> Result<Tensor, OpError> {
    if tensor.dtype() == DType::F32 {
        return Ok(tensor.clone());
    }
    with_code!(tensor.dtype(), T => {
        Ok(Tensor::new(tensor.shape(), grid.reals(tensor.as_slice::<T>()?))?)
    })
}

/// The numbers of input `index`, to write over where nobody else holds them.
pub(super) fn take_reals(
    inputs: &mut Inputs,
    grids: &Grids,
    index: usize,
) -> Result<(Vec<usize>, Vec<f32>), OpError> {
    let x = reals(&inputs.take(index, "input")?, grids.input(index))?;
    Ok((x.shape().to_vec(), x.into_vec()?))
}

/// All inputs, brought to the shape that they broadcast to.
pub(super) fn broadcast(inputs: Inputs) -> Result<(Vec<usize>, Vec<Tensor>), OpError> {
    let tensors = all(inputs)?;
    let shapes: Vec<&[usize]> = tensors.iter().map(Tensor::shape).collect();
    let shape = crate::common::broadcast::broadcast_shape(&shapes)?;
    let tensors =
        tensors.iter().map(|tensor| expanded(tensor, &shape)).collect::<Result<_, _>>()?;
    Ok((shape, tensors))
}

/// All inputs, none of which may be left out.
pub(super) fn all(inputs: Inputs) -> Result<Vec<Tensor>, OpError> {
    let tensor = |value: Option<vairun_tensor::Value>| {
        Ok(value.ok_or(OpError::Missing("input"))?.into_tensor()?)
    };
    inputs.into_values().into_iter().map(tensor).collect()
}

/// The output of a function of single elements: of codes in exact integers, of real numbers in float32.
pub(super) fn map(
    grids: &Grids,
    mut inputs: Inputs,
    on_codes: impl FnOnce(&Grids) -> Result<Box<dyn Fn(i64) -> i64 + Sync>, OpError>,
    on_reals: impl Fn(f32) -> f32,
) -> Result<Tensor, OpError> {
    if grids.is_real() {
        let (shape, mut x) = take_reals(&mut inputs, grids, 0)?;
        x.iter_mut().for_each(|x| *x = on_reals(*x));
        return Ok(Tensor::new(&shape, x)?);
    }
    let f = on_codes(grids)?;
    let x = inputs.tensor(0, "input")?;
    let source = source(x, 1)?;
    with_code!(grids.dtype(), S => {
        codes::<S>(grids.dtype(), x.shape(), vairun_numeric::fixed::map(x.len(), source.as_ref(), f))
    })
}
