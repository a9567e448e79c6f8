//! Codes of 8 bits with the scale and the zero point that they come with.

use vairun_numeric::linear::{Affine, Grid};
use vairun_numeric::round::Round;
use vairun_tensor::{DType, Tensor};

use crate::coded::CodedInput;
use crate::common::parameters::one_element;
use crate::common::types::{Types, other_type};
use crate::error::OpError;
use crate::operator::Inputs;
use crate::quant::parameters::{integers, scales};
use crate::quantizer::{Dequantizer, Quantizer};

/// int8 and uint8.
pub(super) const CODES: Types =
    Types::new("int8 or uint8", |dtype| matches!(dtype, DType::I8 | DType::U8));
/// The types of a scale.
pub(super) const SCALE: Types = Types::new("float32", |dtype| dtype == DType::F32);

/// Evaluates `$body`, a `Result<_, OpError>`, with `$C` standing for the Rust type of 8-bit codes.
macro_rules! with_code {
    ($dtype:expr, $input:expr, $C:ident => $body:expr) => {
        $crate::common::dispatch::with_type!($dtype, $crate::qlinear::codes::CODES, $input, $C => $body; I8 i8, U8 u8)
    };
}
pub(super) use with_code;

/// The names of codes, their scale and their zero point in the specification.
#[derive(Clone, Copy)]
pub(super) struct Names(pub(super) &'static str, pub(super) &'static str, pub(super) &'static str);

/// Three inputs that make one quantized tensor.
#[derive(Clone, Copy)]
pub(super) struct Coded<'a> {
    pub(super) codes: &'a Tensor,
    pub(super) grid: Grid,
}

impl<'a> Coded<'a> {
    /// The inputs `first`, its scale and its zero point, one element each; 0 where the zero point is left out.
    pub(super) fn read(inputs: &'a Inputs, first: usize, names: Names) -> Result<Self, OpError> {
        let codes = inputs.tensor(first, names.0)?;
        CODES.check_tensor(codes, names.0)?;
        let grid = grid(inputs, first + 1, names, codes.dtype())?;
        Ok(Self { codes, grid })
    }
}

/// The scale at input `first` and the zero point after it, of the type of codes.
pub(super) fn grid(
    inputs: &Inputs,
    first: usize,
    names: Names,
    codes: DType,
) -> Result<Grid, OpError> {
    let scale = scalar_scale(inputs.tensor(first, names.1)?, names.1)?;
    let Some(tensor) = inputs.optional(first + 1)? else {
        return Ok(Grid { scale, zero_point: 0 });
    };
    if tensor.dtype() != codes {
        return Err(other_type(names.2, tensor.dtype(), codes));
    }
    match integers(tensor, names.2)?[..] {
        [zero_point] => Ok(Grid { scale, zero_point }),
        _ => Err(one_element(tensor, names.2)),
    }
}

/// A scale of one element.
pub(super) fn scalar_scale(tensor: &Tensor, name: &'static str) -> Result<f32, OpError> {
    SCALE.check_tensor(tensor, name)?;
    match *scales(tensor, name)? {
        [scale] => Ok(scale),
        _ => Err(one_element(tensor, name)),
    }
}

/// The least and the greatest code of a type of 8 bits.
pub(super) fn range(dtype: DType) -> (i32, i32) {
    if dtype == DType::I8 { (-128, 127) } else { (0, 255) }
}

/// A grid to quantize to.
pub(super) fn affine(grid: Grid, dtype: DType) -> Affine {
    let (low, high) = range(dtype);
    Affine::new(grid.scale, grid.zero_point, low, high)
}

/// The codes at `first` as an input of a fused plan, with the grid that a known scale and zero point behind them say;
/// `None` where one is left out.
pub(super) fn part(inputs: &Inputs, first: usize, names: Names) -> Option<CodedInput> {
    let dtype = inputs.optional(first + 2).ok()??.dtype();
    let Grid { scale, zero_point } = grid(inputs, first + 1, names, dtype).ok()?;
    CODES.contains(dtype).then_some(())?;
    Some(CodedInput { index: first, dtype, grid: Dequantizer { scale, zero_point } })
}

/// A quantizer of numbers that count codes already: `saturate(round_half_even(x) + zero_point)`.
pub(super) fn rounding(zero_point: i32, dtype: DType) -> Quantizer {
    let (low, high) = range(dtype);
    // Beyond, x86's conversion to an integer gives the least code.
    let below = 2_147_483_648.0;
    let round = Round::HalfEven;
    Quantizer { scale: 1.0, zero_point, low, high, round, zero_inside: false, below, dtype }
}

/// The type of the codes at `first`, where known; their zero point must have it too, their scale must be float32.
pub(super) fn check(
    inputs: &[Option<DType>],
    first: usize,
    names: Names,
) -> Result<Option<DType>, OpError> {
    let codes = CODES.check(inputs, first, names.0)?;
    Ok(check_grid(inputs, first + 1, names, codes)?.or(codes))
}

/// The type of the codes of a grid whose scale is at `first`: `codes`, or that of the zero point.
pub(super) fn check_grid(
    inputs: &[Option<DType>],
    first: usize,
    names: Names,
    codes: Option<DType>,
) -> Result<Option<DType>, OpError> {
    SCALE.check(inputs, first, names.1)?;
    let zero_point = CODES.check(inputs, first + 1, names.2)?;
    match (codes, zero_point) {
        (Some(codes), Some(got)) if codes != got => Err(other_type(names.2, got, codes)),
        _ => Ok(codes.or(zero_point)),
    }
}
