//! onnxruntime's operators on 8-bit codes, `QLinear…`, and their requantization.
//!
//! Each adds the zero point of its result where onnxruntime's kernel adds it, before the rounding or after: this is
//! what decides ties. The bits are those of onnxruntime on x86 with AVX2.

use crate::linear::{Affine, Code, Grid, dequantize, integer};
use crate::spread::Spread;
use crate::vector::{Loop, widest};

/// Codes of sums: `saturate(round_half_even(f32(f32(sum) · scale)) + zero_point)`, `scale` that of `affine`.
///
/// Source: `MlasRequantizeOutput`, `core/mlas/lib/quantize.cpp` of onnxruntime 1.28.
pub fn requantize<C: Code>(sums: &[i32], affine: &[Affine], spread: Spread) -> Vec<C> {
    spread.map(sums, affine, |sum, affine| affine.code(sum as f32 * affine.scale()))
}

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

/// `x` to the nearest integer, ties to even, then cut off at the bounds. What does not fit an i32 gives the lower one:
/// so in x86's `CVTPS2DQ`.
#[inline(always)]
fn saturated(x: f32, low: f32, high: f32) -> i32 {
    let x = if x < 2_147_483_648.0 { x } else { low };
    let x = if x > low { x } else { low };
    integer(if x < high { x } else { high })
}

/// The code of a real number with the zero point added before the rounding:
/// `saturate(round_half_even(f32(x / scale) + zero_point))`.
///
/// Source: `quantize_value`, `contrib_ops/cpu/quantization/qlinear_pool.cc` of onnxruntime 1.28.
pub fn quantize_with_early_zero_point<C: Code>(
    x: &[f32],
    grid: Grid,
    (low, high): (i32, i32),
) -> Vec<C> {
    let (low, high, zero_point) = (low as f32, high as f32, grid.zero_point as f32);
    x.iter().map(|x| C::narrow(saturated(x / grid.scale + zero_point, low, high))).collect()
}

/// The results of a function for all 256 codes of 8 bits.
#[derive(Clone, Debug)]
pub struct Table<C>([C; 256]);

impl<C: Code> Table<C> {
    /// `quantize(f(dequantize(x)))` for every code: `y = saturate(round_half_even(f / scale) + zero_point)`.
    ///
    /// Source: `contrib_ops/cpu/quantization/qlinear_lookup_table.cc` of onnxruntime 1.28.
    pub fn new(x: Grid, y: Affine, f: impl Fn(f32) -> f32) -> Self {
        Self(std::array::from_fn(|byte| {
            let x = dequantize(&[C::narrow(byte as i32)], &[x], Spread::Tensor)[0];
            y.code(f(x) / y.scale())
        }))
    }

    /// The results for `x`.
    pub fn map(&self, x: &[C]) -> Vec<C> {
        x.iter().map(|x| self.0[(x.widen() & 0xff) as usize]).collect()
    }
}

/// `QLinearSoftmax` of rows of `length` codes from `low` (-128 or 0) on.
///
/// `y = saturate(round_half_even(f32(f32(e·⌊1/scale⌋) / Σe)) + zero_point)`, `e` the exponentials of the codes less the
/// largest one, from a table in f32 that is scaled so that their sum fits.
///
/// Source: `contrib_ops/cpu/quantization/qlinear_softmax.cc` of onnxruntime 1.28.
pub fn softmax<C: Code>(x: &[C], length: usize, x_scale: f32, y: Grid, low: i32) -> Vec<C> {
    if length == 0 {
        return Vec::new();
    }
    let table = exponentials(x_scale, length);
    let steps = (1.0 / y.scale).floor();
    let mut out = Vec::with_capacity(x.len());
    for row in x.chunks_exact(length) {
        let max = row.iter().map(|x| x.widen()).max().unwrap_or(low);
        let e = |x: &C| table[(255 - max + x.widen()) as usize];
        let sum = row.iter().fold(0f32, |sum, x| sum + e(x));
        out.extend(row.iter().map(|x| {
            let share = saturated(share(e(x), steps, sum), 0.0, 65536.0);
            C::narrow((share + y.zero_point).min(low + 255))
        }));
    }
    out
}

/// `f32(f32(e·steps) / sum)`. Where the product overflows (a row of one code, steps of 1/256 or less), onnxruntime gives
/// 0 instead of 1; here the division comes first.
fn share(e: f32, steps: f32, sum: f32) -> f32 {
    let scaled = e * steps;
    if scaled.is_finite() { scaled / sum } else { e / sum * steps }
}

/// `e^(scale·(i - 255))`, times a factor that leaves room for the sum of `length` of them.
fn exponentials(scale: f32, length: usize) -> [f32; 256] {
    let scale = f64::from(scale);
    let room = f64::from((f64::from(f32::MAX / length as f32)).ln() as f32);
    let shift = (room - 5.0).max(0.0) / scale;
    std::array::from_fn(|i| ((i as f64 - 255.0 + shift) * scale).exp() as f32)
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

    #[test]
    fn what_fits_no_integer_gives_the_least_code() {
        assert_eq!(saturated(3e9, 0.0, 255.0), 0);
        assert_eq!(saturated(f32::NAN, 0.0, 255.0), 0);
        assert_eq!(saturated(2e9, 0.0, 255.0), 255);
        assert_eq!(saturated(-3e9, -128.0, 127.0), -128);
    }

    #[test]
    fn requantization_adds_the_zero_point_after_rounding() {
        let affine = [Affine::new(0.5, 1, 0, 255)];
        assert_eq!(requantize::<u8>(&[1, 3, -3, 1000], &affine, Spread::Tensor), [1, 3, 0, 255]);
    }

    #[test]
    fn a_table_holds_every_code() {
        let table = Table::<i8>::new(grid(0.5, 0), Affine::new(0.25, 1, -128, 127), |x| -x);
        assert_eq!(table.map(&[1, -1, -128, 127]), [-1, 3, 127, -128]);
    }

    #[test]
    fn softmax_shares_out_the_steps_and_saturates() {
        let y = softmax::<u8>(&[10, 10, 200, 10], 2, 1.0, grid(1.0 / 256.0, 0), 0);
        assert_eq!(y, [128, 128, 255, 0]);
        let y = softmax::<i8>(&[-128, -128], 1, 0.1, grid(1.0 / 256.0, -128), -128);
        assert_eq!(y, [127, 127]);
    }
}
