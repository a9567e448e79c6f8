//! Quark's `ExtendedLSTM`: a bidirectional LSTM in 16-bit fixed point with float32 gates, as AMD's NPU computes it.
//!
//! Source: `src/lstm/cpu/lstm.h` of amd-quark 0.13. Codes are unsigned 16-bit in the file and signed here (less 32768).

use crate::transcendental::tanh;
use crate::vector::{Loop, widest};

/// The step of the sums: 2^-24.
const UNIT: f64 = (1 << 24) as f64;

/// The scale and the zero point (of signed codes) of a tensor.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LstmGrid {
    /// The distance of two neighbours.
    pub scale: f32,
    /// The signed code of 0.
    pub zero_point: i16,
}

/// The scales and zero points of the tensors.
#[derive(Clone, Copy, Debug, PartialEq)]
#[allow(missing_docs)] // named as in the operator
pub struct LstmGrids {
    pub x: LstmGrid,
    pub w: LstmGrid,
    pub r: LstmGrid,
    pub b: LstmGrid,
    pub y: LstmGrid,
}

/// One direction, as signed codes. Gates in the order i, o, f, c.
#[derive(Clone, Copy, Debug)]
pub struct LstmWeights<'a> {
    /// `[4·hidden, input]`
    pub w: &'a [i16],
    /// `[4·hidden, hidden]`
    pub r: &'a [i16],
    /// `[8·hidden]`: those of w, then those of r.
    pub b: &'a [i16],
}

/// The sizes and the fixed-point factors that all steps share.
#[derive(Clone, Debug, PartialEq)]
pub struct Lstm {
    input: usize,
    hidden: usize,
    grids: LstmGrids,
    x: Factor,
    h: Factor,
    x_zero: Fixed,
    h_zero: Fixed,
    y: Fixed,
    /// Where h starts.
    h_start: i16,
    /// In steps of `UNIT`, as real numbers.
    x_step: f64,
    h_step: f64,
}

/// Multiplies by `value / 2^shift`.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Fixed {
    value: i64,
    shift: u32,
}

/// A sum is shifted before it is multiplied.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Factor {
    before: u32,
    after: Fixed,
}

impl Lstm {
    /// `None` where a factor does not fit the fixed point: there the reference shifts by more than a word.
    pub fn new(input: usize, hidden: usize, grids: LstmGrids) -> Option<Self> {
        let step = |a: LstmGrid, b: LstmGrid| f64::from(a.scale * b.scale) * UNIT;
        let (x_step, h_step) = (step(grids.x, grids.w), step(grids.y, grids.r));
        let wide = |grid: LstmGrid| f64::from(grid.zero_point);
        Some(Self {
            input,
            hidden,
            grids,
            x: Factor::new(x_step, input)?,
            h: Factor::new(h_step, hidden)?,
            x_zero: Fixed::new(x_step * wide(grids.w))?,
            h_zero: Fixed::new(h_step * wide(grids.r))?,
            y: output_factor(grids.y.scale)?,
            // Truncated after a sum that is not an integer: one up for a negative zero point.
            h_start: (wide(grids.y) + 0.000_000_001) as i16,
            x_step,
            h_step,
        })
    }

    /// The codes `[steps, hidden]` of h for x `[steps, input]`; `reversed`: from the last step to the first.
    pub fn run(&self, x: &[i16], weights: LstmWeights, reversed: bool) -> Vec<i16> {
        let (input, hidden) = (self.input, self.hidden);
        assert_eq!(weights.w.len(), 4 * hidden * input);
        assert_eq!(weights.r.len(), 4 * hidden * hidden);
        assert_eq!(weights.b.len(), 8 * hidden);
        let offsets = self.offsets(weights);
        let (mut h, mut c) = (vec![self.h_start; hidden], vec![0f32; hidden]);
        let steps = x.len() / input;
        let mut y = vec![0; steps * hidden];
        for step in 0..steps {
            let at = if reversed { steps - 1 - step } else { step };
            let sums = self.sums(&x[at * input..][..input], &h, weights, &offsets);
            for i in 0..hidden {
                let gate = |k: usize| sums[k * hidden + i];
                let (next, out) = cell([gate(0), gate(1), gate(2), gate(3)], c[i]);
                c[i] = next;
                h[i] = self.code(out);
            }
            y[at * hidden..][..hidden].copy_from_slice(&h);
        }
        y
    }

    /// What each gate has before anything comes in, in steps of `UNIT`.
    fn offsets(&self, weights: LstmWeights) -> Vec<i32> {
        let LstmGrids { x, w, r, b, y } = self.grids;
        let zero = |grid: LstmGrid| f64::from(grid.zero_point);
        let (x_zero_step, h_zero_step) = (self.x_step * zero(w), self.h_step * zero(r));
        let common = self.input as f64 * x_zero_step * zero(x);
        let common = common + self.hidden as f64 * h_zero_step * zero(y);
        let sum = |codes: &[i16]| codes.iter().map(|&code| f64::from(code)).sum::<f64>();
        let gates = 4 * self.hidden;
        (0..gates)
            .map(|i| {
                let mut offset = common;
                offset -= self.x_step * zero(x) * sum(&weights.w[i * self.input..][..self.input]);
                offset -= self.h_step * zero(y) * sum(&weights.r[i * self.hidden..][..self.hidden]);
                let bias = f64::from(weights.b[i]) + f64::from(weights.b[gates + i]);
                offset += f64::from(b.scale) * UNIT * (bias - 2.0 * zero(b));
                rounded(offset)
            })
            .collect()
    }

    fn sums(&self, x: &[i16], h: &[i16], weights: LstmWeights, offsets: &[i32]) -> Vec<i32> {
        let total = |codes: &[i16]| codes.iter().map(|&code| i64::from(code)).sum::<i64>();
        let (x_zero, h_zero) = (self.x_zero.apply(total(x)), self.h_zero.apply(total(h)));
        (0..offsets.len())
            .map(|i| {
                let from_x = self.x.apply(dot(x, &weights.w[i * self.input..][..self.input]));
                let from_h = self.h.apply(dot(h, &weights.r[i * self.hidden..][..self.hidden]));
                let sum = from_x.wrapping_add(from_h).wrapping_sub(x_zero);
                sum.wrapping_sub(h_zero).wrapping_add(offsets[i])
            })
            .collect()
    }

    fn code(&self, h: f32) -> i16 {
        let h = i64::from(rounded(f64::from(h) * UNIT));
        let sum = h * self.y.value + (i64::from(self.h_start) << self.y.shift);
        // A bound of 17 bits, then the low 16: so in the reference.
        shifted(sum, self.y.shift).clamp(-65536, 65535) as i16
    }
}

impl Fixed {
    /// 15 bits of a factor. `None` where the shift does not fit a word.
    fn new(factor: f64) -> Option<Self> {
        if factor == 0.0 {
            return Some(Self { value: 0, shift: 0 });
        }
        let shift = word_shift(15.0 - factor.abs().log2().ceil())?;
        Some(Self { value: i64::from(short(f64::from(1u32 << shift) * factor) as i16), shift })
    }

    fn apply(self, sum: i64) -> i32 {
        saturated(shifted(sum * self.value, self.shift))
    }
}

impl Factor {
    /// For sums of `terms` products.
    fn new(factor: f64, terms: usize) -> Option<Self> {
        let before = (terms as f64).log2().ceil() as u32;
        let Fixed { value, shift } = Fixed::new(factor)?;
        Some(Self { before, after: Fixed { value, shift: shift.checked_sub(before)? } })
    }

    fn apply(self, sum: i64) -> i32 {
        self.after.apply(i64::from(saturated(shifted(sum, self.before))))
    }
}

/// The factor from h in steps of `UNIT` to codes.
fn output_factor(scale: f32) -> Option<Fixed> {
    let factor = 1.0 / f64::from(scale);
    let up = 16.0 - factor.log2().ceil();
    let value = i64::from(short(factor * up.exp2()) as u16);
    Some(Fixed { value, shift: word_shift(24.0 + up)? })
}

/// A shift by which the reference can shift a word.
fn word_shift(shift: f64) -> Option<u32> {
    (0.0..31.0).contains(&shift).then_some(shift as u32)
}

/// The cell and the output of one unit from its gates i, o, f, c.
fn cell(gates: [i32; 4], c: f32) -> (f32, f32) {
    let sigmoid = |sum: i32| {
        let half = tanh((f64::from(sum) / (2.0 * UNIT)) as f32);
        (f64::from(half) * 0.5 + 0.5) as f32
    };
    let [input, output, forget] = [gates[0], gates[1], gates[2]].map(sigmoid);
    let candidate = tanh((f64::from(gates[3]) / UNIT) as f32);
    let c = input * candidate + forget * c;
    (c, output * tanh(c))
}

/// `Σ a · b`, exact.
fn dot(a: &[i16], b: &[i16]) -> i64 {
    widest(Dot { a, b })
}

struct Dot<'a> {
    a: &'a [i16],
    b: &'a [i16],
}

impl Loop for Dot<'_> {
    type Output = i64;

    #[inline(always)]
    fn run(self) -> i64 {
        const LANES: usize = 16;
        let product = |a: i16, b: i16| i64::from(i32::from(a) * i32::from(b));
        let mut lanes = [0i64; LANES];
        let ((a, a_rest), (b, b_rest)) = (self.a.as_chunks::<LANES>(), self.b.as_chunks::<LANES>());
        for (a, b) in a.iter().zip(b) {
            for i in 0..LANES {
                lanes[i] += product(a[i], b[i]);
            }
        }
        let rest: i64 = a_rest.iter().zip(b_rest).map(|(&a, &b)| product(a, b)).sum();
        lanes.iter().sum::<i64>() + rest
    }
}

/// `sum / 2^shift`, ties away from zero.
fn shifted(sum: i64, shift: u32) -> i64 {
    let half = if shift == 0 { 0 } else { 1 << (shift - 1) };
    let magnitude = (sum.wrapping_abs().wrapping_add(half)) >> shift;
    if sum < 0 { -magnitude } else { magnitude }
}

fn saturated(sum: i64) -> i32 {
    sum.clamp(i32::MIN.into(), i32::MAX.into()) as i32
}

/// Half up in magnitude; what lies between -1 and 0 is treated as if it were positive: so in the reference.
fn nearest(x: f64) -> f64 {
    if x.trunc() < 0.0 { -(0.5 - x) } else { 0.5 + x }
}

fn rounded(x: f64) -> i32 {
    nearest(x) as i32
}

fn short(x: f64) -> i32 {
    nearest(x).clamp(-65536.0, 65535.0) as i32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grid(scale: f32, zero_point: i16) -> LstmGrid {
        LstmGrid { scale, zero_point }
    }

    fn grids() -> LstmGrids {
        let fine = grid(3e-5, 0);
        LstmGrids { x: grid(6e-5, 100), w: fine, r: fine, b: fine, y: grid(1.0 / 32768.0, 7) }
    }

    #[test]
    fn sums_of_the_largest_products_are_exact() {
        for n in 0..50 {
            let codes = vec![i16::MIN; n];
            assert_eq!(dot(&codes, &codes), (n as i64) << 30, "{n}");
        }
    }

    #[test]
    fn shifts_round_half_away_from_zero() {
        assert_eq!([3, -3, 5, -5].map(|sum| shifted(sum, 1)), [2, -2, 3, -3]);
        assert_eq!([shifted(-7, 0), shifted(-7, 2)], [-7, -2]);
    }

    #[test]
    fn small_negative_numbers_round_like_positive_ones() {
        assert_eq!([-0.4, -0.6, -0.9999, -1.5, 0.5].map(rounded), [0, 0, 0, -2, 1]);
    }

    #[test]
    fn it_follows_the_real_lstm() {
        let lstm = Lstm::new(2, 1, grids()).unwrap();
        let (w, r, b) = ([9000, -8000, 7000, 100, -20000, 3000, 15000, 15000], [9000; 4], [500; 8]);
        let x = [10000, -10000, 3000, 4000, -20000, 20000];
        let y = lstm.run(&x, LstmWeights { w: &w, r: &r, b: &b }, false);
        let (mut h, mut c) = (0f64, 0f64);
        for (x, y) in x.chunks(2).zip(y) {
            let gate = |k: usize| {
                let x =
                    |i: usize| (f64::from(x[i]) - 100.0) * 6e-5 * f64::from(w[2 * k + i]) * 3e-5;
                x(0) + x(1) + h * 9000.0 * 3e-5 + 1000.0 * 3e-5
            };
            let sigmoid = |v: f64| 1.0 / (1.0 + (-v).exp());
            c = sigmoid(gate(0)) * gate(3).tanh() + sigmoid(gate(2)) * c;
            h = sigmoid(gate(1)) * c.tanh();
            let got = (f64::from(y) - 7.0) / 32768.0;
            assert!((got - h).abs() < 3e-4, "{got}, expected about {h}");
        }
    }

    #[test]
    fn the_way_back_is_the_way_there_on_the_reversed_sequence() {
        let lstm = Lstm::new(1, 1, grids()).unwrap();
        let weights = LstmWeights { w: &[9000; 4], r: &[5000; 4], b: &[0; 8] };
        let there = lstm.run(&[1000, 2000, -3000], weights, false);
        let back = lstm.run(&[-3000, 2000, 1000], weights, true);
        assert_eq!(there.into_iter().rev().collect::<Vec<_>>(), back);
    }

    #[test]
    fn factors_beyond_the_fixed_point_are_refused() {
        let coarse = LstmGrids { y: grid(1.0, 0), ..grids() };
        assert_eq!(Lstm::new(2, 1, coarse), None);
        let fine = LstmGrids { x: grid(1e-12, 0), ..grids() };
        assert_eq!(Lstm::new(2, 1, fine), None);
    }
}
