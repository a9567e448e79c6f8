use vairun_numeric::round::Round;
use vairun_tensor::DType;

/// What a quantizer with one grid for the whole tensor makes of a number:
/// `clamp(round(x / scale) + zero_point, low, high)`, the quotient in f32.
///
/// It is told by [`crate::Operator::quantizer`], so that codes can be computed where the number itself is not needed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Quantizer {
    /// The distance of two neighbours.
    pub scale: f32,
    /// The code of 0.
    pub zero_point: i32,
    /// The least code.
    pub low: i32,
    /// The largest code.
    pub high: i32,
    /// How the quotient is rounded.
    pub round: Round,
    /// `round(f32(x / scale + zero_point))` instead.
    pub zero_inside: bool,
    /// The formula holds for numbers of a magnitude below this; never for NaN.
    pub below: f32,
    /// The type of the codes; float32 for families whose codes are real numbers.
    pub dtype: DType,
}

/// What a dequantizer with one grid for the whole tensor makes of a code: `f32(code - zero_point) · scale` in f32.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Dequantizer {
    /// The distance of two neighbours.
    pub scale: f32,
    /// The code of 0.
    pub zero_point: i32,
}
