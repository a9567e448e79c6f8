//! What is known of a value before anything runs: real numbers, or integers on a grid.

pub(super) use vairun_numeric::fixed::{Grid, gcd};
use vairun_tensor::DType;

/// Fix positions beyond this make no sense and would overflow the arithmetic on them.
pub(super) const FIX_POINTS: std::ops::RangeInclusive<i64> = -256..=256;

/// Codes larger than this are refused: sums of two still fit 64 bits.
const LARGEST: i128 = 1 << 62;

/// Integers on a grid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Codes {
    pub(super) grid: Grid,
    /// No code is larger in magnitude.
    pub(super) bound: i64,
    /// Every code is a multiple of it; 1 where nothing is known.
    pub(super) factor: i64,
    pub(super) dtype: DType,
}

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// float32.
    Real,
    /// Integers on a grid.
    Codes(Codes),
}

impl Codes {
    /// Results of arithmetic with codes up to `bound`: in 32 bits where they fit, else in 64; `None` beyond that.
    pub(super) fn sums(grid: Grid, bound: i128) -> Option<Self> {
        if bound > LARGEST {
            return None;
        }
        let dtype = if bound <= i128::from(i32::MAX) { DType::I32 } else { DType::I64 };
        let bound = i64::try_from(bound).expect("at most 2^62");
        Some(Self { grid, bound, factor: 1, dtype })
    }

    /// Codes of a quantizer.
    pub(super) fn quantized(fix_point: i32, bits: u32, signed: bool) -> Option<Self> {
        let dtype = match (bits, signed) {
            (4, true) => DType::I4,
            (4, false) => DType::U4,
            (1..=8, true) => DType::I8,
            (1..=8, false) => DType::U8,
            (9..=16, true) => DType::I16,
            (9..=16, false) => DType::U16,
            (17..=32, true) | (17..=31, false) => DType::I32,
            _ => return None,
        };
        let bound = if signed { 1 << (bits - 1) } else { (1i64 << bits) - 1 };
        Some(Self { grid: Grid::of(fix_point), bound, factor: 1, dtype })
    }

    /// The bound of these codes on the finer grid `to`.
    pub(super) fn bound_on(&self, to: Grid) -> Option<i128> {
        Some(i128::from(self.bound) * i128::from(self.grid.multiplier(to)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_take_the_bits_they_need() {
        let dtype = |bound| Codes::sums(Grid::of(0), bound).map(|codes| codes.dtype);
        assert_eq!(dtype((1 << 31) - 1), Some(DType::I32));
        assert_eq!(dtype(1 << 31), Some(DType::I64));
        assert_eq!(dtype((1 << 62) + 1), None);
    }

    #[test]
    fn quantizers_have_4_8_16_and_32_bits() {
        let quantized =
            |bits, signed| Codes::quantized(3, bits, signed).map(|c| (c.dtype, c.bound));
        assert_eq!(quantized(8, true), Some((DType::I8, 128)));
        assert_eq!(quantized(8, false), Some((DType::U8, 255)));
        assert_eq!(quantized(4, true), Some((DType::I4, 8)));
        assert_eq!(quantized(12, true), Some((DType::I16, 2048)));
        assert_eq!(quantized(33, true), None);
        assert_eq!(quantized(0, true), None);
    }
}
