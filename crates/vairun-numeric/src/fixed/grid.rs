use rayon::prelude::*;

use super::code::Code;

/// The numbers `code · 2^-fix_point / divisor` for integer codes.
///
/// Additions, products and contractions of numbers on grids lie on a grid again, so they are exact in integers. The
/// divisor is odd; it comes from means and from interpolation, and the factors that the quantizer puts behind means take it
/// away again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grid {
    /// Binary digits behind the point; negative: zeros before it.
    pub fix_point: i32,
    /// Positive and odd.
    pub divisor: i64,
}

impl Grid {
    /// `code · 2^-fix_point`.
    pub fn of(fix_point: i32) -> Self {
        Self { fix_point, divisor: 1 }
    }

    /// The grid whose codes are `n` times finer; `n` is positive.
    pub fn divided(self, n: i64) -> Option<Self> {
        let twos = n.trailing_zeros();
        let fix_point = self.fix_point.checked_add(i32::try_from(twos).ok()?)?;
        Some(Self { fix_point, divisor: self.divisor.checked_mul(n >> twos)? })
    }

    /// The grid of products of a number of each.
    pub fn times(self, other: Self) -> Option<Self> {
        let fix_point = self.fix_point.checked_add(other.fix_point)?;
        Some(Self { fix_point, divisor: self.divisor.checked_mul(other.divisor)? })
    }

    /// The coarsest grid that has the numbers of both.
    pub fn joined(self, other: Self) -> Option<Self> {
        let common = self.divisor / gcd(self.divisor, other.divisor);
        let divisor = common.checked_mul(other.divisor)?;
        Some(Self { fix_point: self.fix_point.max(other.fix_point), divisor })
    }

    /// What a code is multiplied with on the way to the finer grid `to`; `None` where that is no integer of 64 bits.
    pub fn multiplier(self, to: Self) -> Option<i64> {
        let shift = u32::try_from(to.fix_point.checked_sub(self.fix_point)?).ok()?;
        let whole = to.divisor % self.divisor == 0 && shift < 62;
        let ratio = to.divisor / self.divisor;
        whole.then(|| ratio.checked_mul(1 << shift)).flatten()
    }

    /// The code of the integer `n`, where the grid has it in 64 bits.
    pub fn code_of(self, n: i64) -> Option<i64> {
        Self::of(0).multiplier(self)?.checked_mul(n)
    }

    /// The number of a code, rounded to f64 and then to f32: codes of 53 bits and powers of two are exact in f64.
    pub fn real(self, code: i64) -> f32 {
        (code as f64 * self.step() / self.divisor as f64) as f32
    }

    /// As [`Grid::real`] for every code.
    pub fn reals<T: Code>(self, codes: &[T]) -> Vec<f32> {
        let (step, divisor) = (self.step(), self.divisor as f64);
        let real = |code: &T| (code.widen() as f64 * step / divisor) as f32;
        codes.par_iter().with_min_len(1 << 14).map(real).collect()
    }

    fn step(self) -> f64 {
        f64::from(-self.fix_point).exp2()
    }
}

/// The greatest common divisor; of 0 and n it is n.
pub fn gcd(mut a: i64, mut b: i64) -> i64 {
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
    fn numbers_of_codes() {
        assert_eq!(Grid { fix_point: 1, divisor: 3 }.real(12), 2.0);
        assert_eq!(Grid::of(-3).real(-5), -40.0);
        assert_eq!(Grid::of(2).reals(&[-5i8, 8]), [-1.25, 2.0]);
        assert_eq!(Grid::of(4).code_of(3), Some(48));
        assert_eq!(Grid::of(-1).code_of(3), None);
    }
}
