use super::requantize::saturated;
use crate::linear::{Code, Grid};
use crate::vector::{Loop, widest};

/// `QLinearSoftmax` of rows of `length` codes from `low` (-128 or 0) on.
///
/// `y = saturate(round_half_even(f32(f32(e·⌊1/scale⌋) / Σe)) + zero_point)`, `e` the exponentials of the codes less the
/// largest one, from a table in f32 that is scaled so that their sum fits. The sum is taken in the order of the row.
///
/// Source: `contrib_ops/cpu/quantization/qlinear_softmax.cc` of onnxruntime 1.28.
pub fn softmax<C: Code>(x: &[C], length: usize, x_scale: f32, y: Grid, low: i32) -> Vec<C> {
    if length == 0 {
        return Vec::new();
    }
    let x: Vec<u8> = x.iter().map(|x| (x.widen() - low) as u8).collect();
    let mut out = vec![0; x.len()];
    let table = exponentials(x_scale, length);
    let steps = (1.0 / y.scale).floor();
    widest(Rows { x: &x, length, table: &table, steps, zero: y.zero_point - low, out: &mut out });
    out.into_iter().map(|code| C::narrow(i32::from(code) + low)).collect()
}

/// Rows whose sums are taken side by side: each waits for its own last addition alone.
const TOGETHER: usize = 4;

/// Codes from 0 on.
struct Rows<'a> {
    x: &'a [u8],
    length: usize,
    table: &'a [f32; 256],
    steps: f32,
    zero: i32,
    out: &'a mut [u8],
}

impl Loop for Rows<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { x, length, table, steps, zero, out } = self;
        let mut e = vec![0f32; TOGETHER * length];
        let block = TOGETHER * length;
        for (x, out) in x.chunks(block).zip(out.chunks_mut(block)) {
            let mut sums = [0f32; TOGETHER];
            match x.len() == block {
                true => {
                    let rows: [&[u8]; TOGETHER] =
                        std::array::from_fn(|r| &x[r * length..][..length]);
                    let behind = rows.map(behind);
                    for i in 0..length {
                        for r in 0..TOGETHER {
                            let power = table[usize::from(rows[r][i].wrapping_add(behind[r]))];
                            e[r * length + i] = power;
                            sums[r] += power;
                        }
                    }
                }
                false => {
                    let rows = x.chunks_exact(length).zip(e.chunks_exact_mut(length));
                    for ((x, e), sum) in rows.zip(&mut sums) {
                        let behind = behind(x);
                        for (e, &x) in e.iter_mut().zip(x) {
                            *e = table[usize::from(x.wrapping_add(behind))];
                            *sum += *e;
                        }
                    }
                }
            }
            let rows = out.chunks_exact_mut(length).zip(e.chunks_exact(length));
            for ((out, e), &sum) in rows.zip(&sums) {
                for (out, &e) in out.iter_mut().zip(e) {
                    let share = saturated(share(e, steps, sum), 0.0, 65536.0);
                    *out = (share + zero).min(255) as u8;
                }
            }
        }
    }
}

/// What leads from the largest code of a row to the end of the table.
#[inline(always)]
fn behind(row: &[u8]) -> u8 {
    255 - row.iter().fold(0, |largest: u8, &x| largest.max(x))
}

/// `f32(f32(e·steps) / sum)`. Where the product overflows (a row of one code, steps of 1/256 or less), onnxruntime gives
/// 0 instead of 1; here the division comes first.
#[inline(always)]
fn share(e: f32, steps: f32, sum: f32) -> f32 {
    let scaled = e * steps;
    let (first, last) = (scaled / sum, e / sum * steps);
    if scaled.is_finite() { first } else { last }
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

    #[test]
    fn softmax_shares_out_the_steps_and_saturates() {
        let grid = |zero_point| Grid { scale: 1.0 / 256.0, zero_point };
        let y = softmax::<u8>(&[10, 10, 200, 10], 2, 1.0, grid(0), 0);
        assert_eq!(y, [128, 128, 255, 0]);
        let y = softmax::<i8>(&[-128, -128], 1, 0.1, grid(-128), -128);
        assert_eq!(y, [127, 127]);
    }

    /// As the formula says it, one code after the other.
    fn plain(x: &[u8], length: usize, x_scale: f32, y: Grid) -> Vec<u8> {
        let table = exponentials(x_scale, length);
        let steps = (1.0 / y.scale).floor();
        let mut out = Vec::new();
        for row in x.chunks_exact(length) {
            let max = usize::from(*row.iter().max().unwrap());
            let e = |x: &u8| table[255 - max + usize::from(*x)];
            let sum = row.iter().fold(0f32, |sum, x| sum + e(x));
            out.extend(row.iter().map(|x| {
                let share = (e(x) * steps / sum).round_ties_even() as i32;
                (share + y.zero_point).min(255) as u8
            }));
        }
        out
    }

    #[test]
    fn rows_side_by_side_are_rows_alone() {
        for (rows, length) in [(1, 5), (4, 7), (9, 1), (11, 33)] {
            let x: Vec<u8> = (0..rows * length).map(|i| (i * 89 % 251) as u8).collect();
            for (scale, zero_point) in [(1.0 / 256.0, 0), (0.01, 3)] {
                let y = Grid { scale, zero_point };
                assert_eq!(softmax::<u8>(&x, length, 0.05, y, 0), plain(&x, length, 0.05, y));
                let signed: Vec<i8> = x.iter().map(|&x| (x ^ 0x80).cast_signed()).collect();
                let shifted = Grid { scale, zero_point: zero_point - 128 };
                let got = softmax::<i8>(&signed, length, 0.05, shifted, -128);
                let got: Vec<u8> = got.into_iter().map(|y| y.cast_unsigned() ^ 0x80).collect();
                assert_eq!(got, plain(&x, length, 0.05, y));
            }
        }
    }
}
