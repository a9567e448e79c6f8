//! What is known of a value before anything runs: real numbers, or integers on a grid.

use vairun_tensor::DType;

/// The numbers `code · 2^-fix_point / divisor` for integer codes.
///
/// Additions, products and contractions of numbers on grids lie on a grid again, so they are exact in integers. The
/// divisor is odd; it comes from means and from interpolation, and the factors that the quantizer puts behind means take it
/// away again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Grid {
    pub(super) fix_point: i32,
    pub(super) divisor: i64,
}

/// Fix positions beyond this make no sense and would overflow the arithmetic on them.
pub(super) const FIX_POINTS: std::ops::RangeInclusive<i64> = -256..=256;

/// Codes larger than this are refused: sums of two still fit 64 bits.
const LARGEST: i128 = 1 << 62;

impl Grid {
    /// `code · 2^-fix_point`.
    pub(super) fn of(fix_point: i32) -> Self {
        Self { fix_point, divisor: 1 }
    }

    /// The grid whose codes are `n` times finer; `n` is positive.
    pub(super) fn divided(self, n: i64) -> Option<Self> {
        let twos = n.trailing_zeros();
        let fix_point = self.fix_point.checked_add(i32::try_from(twos).ok()?)?;
        Some(Self { fix_point, divisor: self.divisor.checked_mul(n >> twos)? })
    }

    /// The grid of products of a number of each.
    pub(super) fn times(self, other: Self) -> Option<Self> {
        let fix_point = self.fix_point.checked_add(other.fix_point)?;
        Some(Self { fix_point, divisor: self.divisor.checked_mul(other.divisor)? })
    }

    /// The coarsest grid that has the numbers of both.
    pub(super) fn joined(self, other: Self) -> Option<Self> {
        let common = self.divisor / gcd(self.divisor, other.divisor);
        let divisor = common.checked_mul(other.divisor)?;
        Some(Self { fix_point: self.fix_point.max(other.fix_point), divisor })
    }

    /// What a code is multiplied with on the way to the finer grid `to`; `None` where that is no integer of 64 bits.
    pub(super) fn multiplier(self, to: Self) -> Option<i64> {
        let shift = u32::try_from(to.fix_point.checked_sub(self.fix_point)?).ok()?;
        let whole = to.divisor % self.divisor == 0 && shift < 62;
        let ratio = to.divisor / self.divisor;
        whole.then(|| ratio.checked_mul(1 << shift)).flatten()
    }
}

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

/// The greatest common divisor; of 0 and n it is n.
pub(super) fn gcd(mut a: i64, mut b: i64) -> i64 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a.abs()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn powers_of_two_go_into_the_fix_position() {
        let sixth = Grid::of(4).divided(6).unwrap();
        assert_eq!(sixth, Grid { fix_point: 5, divisor: 3 });
        assert_eq!(sixth.times(Grid::of(2)), Some(Grid { fix_point: 7, divisor: 3 }));
    }

    #[test]
    fn the_joined_grid_has_the_numbers_of_both() {
        let (a, b) = (Grid { fix_point: 4, divisor: 9 }, Grid { fix_point: 6, divisor: 15 });
        let joined = a.joined(b).unwrap();
        assert_eq!(joined, Grid { fix_point: 6, divisor: 45 });
        assert_eq!((a.multiplier(joined), b.multiplier(joined)), (Some(20), Some(3)));
    }

    #[test]
    fn there_is_no_way_to_a_coarser_grid() {
        assert_eq!(Grid::of(4).multiplier(Grid::of(3)), None);
        assert_eq!(Grid { fix_point: 0, divisor: 3 }.multiplier(Grid::of(5)), None);
        assert_eq!(Grid::of(0).multiplier(Grid::of(62)), None);
    }

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
