use super::requantize::saturated;
use crate::kernel::Operation;
use crate::linear::{Code, Grid};
use crate::vector::{Loop, widest};

/// What happens to two codes.
#[derive(Clone, Copy, Debug)]
enum Combine {
    /// `a·ra + (b·rb + offset)`, each sum fused with its product.
    Sum { ra: f32, rb: f32, offset: f32 },
    /// `(a - za)·(b - zb)·ratio + zero_point`
    Product { za: i32, zb: i32, ratio: f32, zero_point: f32 },
}

/// `QLinearAdd` or `QLinearMul`, for codes of one type.
#[derive(Clone, Copy, Debug)]
pub struct Binary<C> {
    combine: Combine,
    low: f32,
    high: f32,
    code: std::marker::PhantomData<C>,
}

impl<C: Code> Binary<C> {
    fn new(combine: Combine, (low, high): (i32, i32)) -> Self {
        Self { combine, low: low as f32, high: high as f32, code: std::marker::PhantomData }
    }

    /// `y = saturate(round_half_even(fma(a, sa/sy, fma(b, sb/sy, offset))))`, the zero points folded into the offset:
    /// `zy - (sa/sy·za + sb/sy·zb)`.
    ///
    /// "Dequantize, add, quantize" gives another code in 1.5 % of all cases where the scales are powers of two.
    ///
    /// Source: `core/mlas/lib/intrinsics/avx2/qladd_avx2.cpp` of onnxruntime 1.28.
    pub fn add(a: Grid, b: Grid, y: Grid, range: (i32, i32)) -> Self {
        let (ra, rb) = (a.scale / y.scale, b.scale / y.scale);
        let folded = ra * a.zero_point as f32 + rb * b.zero_point as f32;
        Self::new(Combine::Sum { ra, rb, offset: y.zero_point as f32 - folded }, range)
    }

    /// `y = saturate(round_half_even(f32((a - za)·(b - zb))·f32(f32(sa·sb) / sy) + zy))`
    ///
    /// Source: `core/mlas/lib/qlmul.cpp` of onnxruntime 1.28.
    pub fn mul(a: Grid, b: Grid, y: Grid, range: (i32, i32)) -> Self {
        let ratio = a.scale * b.scale / y.scale;
        let (za, zb, zero_point) = (a.zero_point, b.zero_point, y.zero_point as f32);
        Self::new(Combine::Product { za, zb, ratio, zero_point }, range)
    }

    /// The same on the numbers of codes: the operation, and the codes of a and b that are 0. Its result is rounded to the
    /// nearest integer, ties to even, and saturated.
    pub fn operation(&self) -> (Operation, [i32; 2]) {
        match self.combine {
            Combine::Sum { ra, rb, offset } => (Operation::WeightedSum([ra, rb, offset]), [0, 0]),
            Combine::Product { za, zb, ratio, zero_point } => {
                (Operation::ScaledProduct([ratio, zero_point]), [za, zb])
            }
        }
    }

    /// Appends the codes for `a` and `b` to `y`; either may be a single code that stands for as many as the other has.
    pub fn extend(&self, a: &[C], b: &[C], y: &mut Vec<C>) {
        match self.combine {
            Combine::Sum { ra, rb, offset } => {
                let f = Fused { ra, rb, offset };
                widest(Pairs { a, b, y, f, low: self.low, high: self.high });
            }
            Combine::Product { za, zb, ratio, zero_point } => {
                let f = Scaled { za, zb, ratio, zero_point };
                widest(Pairs { a, b, y, f, low: self.low, high: self.high });
            }
        }
    }
}

/// A real number from two codes.
trait Pair: Copy {
    fn value(self, a: i32, b: i32) -> f32;
}

#[derive(Clone, Copy)]
struct Fused {
    ra: f32,
    rb: f32,
    offset: f32,
}

impl Pair for Fused {
    #[inline(always)]
    fn value(self, a: i32, b: i32) -> f32 {
        (a as f32).mul_add(self.ra, (b as f32).mul_add(self.rb, self.offset))
    }
}

#[derive(Clone, Copy)]
struct Scaled {
    za: i32,
    zb: i32,
    ratio: f32,
    zero_point: f32,
}

impl Pair for Scaled {
    #[inline(always)]
    fn value(self, a: i32, b: i32) -> f32 {
        ((a - self.za) * (b - self.zb)) as f32 * self.ratio + self.zero_point
    }
}

struct Pairs<'a, C, F> {
    a: &'a [C],
    b: &'a [C],
    y: &'a mut Vec<C>,
    f: F,
    low: f32,
    high: f32,
}

impl<C: Code, F: Pair> Loop for Pairs<'_, C, F> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { a, b, y, f, low, high } = self;
        let code = |a: C, b: C| C::narrow(saturated(f.value(a.widen(), b.widen()), low, high));
        match (a, b) {
            (a, &[b]) => y.extend(a.iter().map(|&a| code(a, b))),
            (&[a], b) => y.extend(b.iter().map(|&b| code(a, b))),
            (a, b) => {
                assert_eq!(a.len(), b.len());
                y.extend(a.iter().zip(b).map(|(&a, &b)| code(a, b)));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const U8: (i32, i32) = (0, 255);

    fn grid(scale: f32, zero_point: i32) -> Grid {
        Grid { scale, zero_point }
    }

    fn pairs(binary: Binary<u8>, a: &[u8], b: &[u8]) -> Vec<u8> {
        let mut y = Vec::new();
        binary.extend(a, b, &mut y);
        y
    }

    #[test]
    fn the_sum_takes_its_zero_point_before_rounding() {
        let add = Binary::add(grid(1.0, 0), grid(1.0, 0), grid(2.0, 1), U8);
        // 0.5 + 1 and 1.5 + 1 round to the even neighbours of 1.5 and 2.5.
        assert_eq!(pairs(add, &[1, 3, 255], &[0, 0, 255]), [2, 2, 255]);
    }

    #[test]
    fn the_product_takes_its_zero_point_before_rounding() {
        let mul = Binary::mul(grid(1.0, 1), grid(1.0, 0), grid(2.0, 1), U8);
        assert_eq!(pairs(mul, &[2, 4, 0], &[1, 1, 200]), [2, 2, 0]);
    }

    #[test]
    fn one_code_stands_for_all() {
        let add = || Binary::add(grid(1.0, 0), grid(0.5, 0), grid(1.0, 0), U8);
        assert_eq!(pairs(add(), &[1, 2], &[4]), [3, 4]);
        assert_eq!(pairs(add(), &[4], &[2, 4]), [5, 6]);
    }
}
