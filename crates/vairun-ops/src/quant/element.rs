//! The element types between which ONNX's own quantizers convert.

use vairun_numeric::narrow::Narrow;
use vairun_tensor::{Carrier, DType};

/// What a quantizer gives and a dequantizer takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Quantized {
    /// Integers from the first to the second number, carried by the type.
    Integer(Carrier, i32, i32),
    /// Narrow floating-point numbers.
    Float(Narrow),
}

/// The types that [`Quantized::of`] knows.
pub(crate) const QUANTIZED: &str = "int2, uint2, int4, uint4, int8, uint8, int16, uint16, a float8 type but float8e8m0, or float4e2m1";

impl Quantized {
    /// `None` for a type that is none, int32 included.
    pub(crate) fn of(dtype: DType) -> Option<Self> {
        let narrow = match dtype {
            DType::F8E4M3FN => Narrow::Float8E4M3FN,
            DType::F8E4M3FNUZ => Narrow::Float8E4M3FNUZ,
            DType::F8E5M2 => Narrow::Float8E5M2,
            DType::F8E5M2FNUZ => Narrow::Float8E5M2FNUZ,
            DType::F4E2M1 => Narrow::Float4E2M1,
            _ => {
                let (low, high) = dtype.integer_range()?;
                let small = dtype.bits().is_some_and(|bits| bits <= 16);
                let range = (i32::try_from(low).ok()?, i32::try_from(high).ok()?);
                return small.then_some(Self::Integer(dtype.carrier(), range.0, range.1));
            }
        };
        Some(Self::Float(narrow))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_of_at_most_16_bits_and_the_narrow_floats_are_quantized_types() {
        let known = DType::ALL.into_iter().filter(|&dtype| Quantized::of(dtype).is_some());
        assert_eq!(known.count(), 8 + 5);
        assert_eq!(Quantized::of(DType::U2), Some(Quantized::Integer(Carrier::U8, 0, 3)));
        assert_eq!(Quantized::of(DType::F8E8M0), None);
        assert_eq!(Quantized::of(DType::I32), None);
    }
}
