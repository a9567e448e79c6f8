use rayon::prelude::*;

use super::code::Code;
use crate::round::Round;

/// Codes of one task.
const CHUNK: usize = 1 << 16;

/// From codes of one grid to codes of another: `round(code · 2^-shift / divisor)`, kept between `low` and `high`.
///
/// Exact for every i64 code: the quotient is rounded once, as a rational number. Rounding before or after the clip is
/// the same, because the bounds are integers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Requantize {
    /// Binary digits to drop; negative: to add.
    pub shift: i32,
    /// Positive.
    pub divisor: i64,
    /// How a quotient becomes an integer.
    pub round: Round,
    /// The smallest code.
    pub low: i64,
    /// The largest code.
    pub high: i64,
}

impl Requantize {
    /// One code.
    pub fn apply(&self, code: i64) -> i64 {
        // Beyond 64 digits a quotient is smaller than a half, a product larger than every bound.
        let (up, down) = (self.shift.min(0).unsigned_abs(), self.shift.max(0).unsigned_abs());
        if up > 62 {
            return if code == 0 {
                0i64.clamp(self.low, self.high)
            } else if code < 0 {
                self.low
            } else {
                self.high
            };
        }
        let numerator = i128::from(code) << up;
        // 2^65 halves of a digit: every quotient beyond is less than a half, like that by the largest number.
        let scaled = i128::from(self.divisor).checked_mul(1 << down.min(65));
        let denominator = scaled.unwrap_or(i128::MAX / 4);
        let rounded = quotient(numerator, denominator, self.round);
        rounded.clamp(self.low.into(), self.high.into()) as i64
    }

    /// What a real number becomes: `round(x · 2^-shift / divisor)`; `None` for NaN.
    pub fn apply_real(&self, x: f64) -> Option<i64> {
        self.of_scaled(x * self.scale() / self.divisor as f64)
    }

    /// As [`Requantize::apply_real`] for every number; `None` where one is NaN.
    pub fn map_real<U: Code>(&self, numbers: &[f32]) -> Option<Vec<U>> {
        let (scale, divisor) = (self.scale(), self.divisor as f64);
        let mut out = vec![U::default(); numbers.len()];
        let tasks = out.par_chunks_mut(CHUNK).zip(numbers.par_chunks(CHUNK));
        let all = tasks.map(|(out, numbers)| {
            numbers.iter().zip(out).try_for_each(|(&x, out)| {
                *out = U::narrow(self.of_scaled(f64::from(x) * scale / divisor)?);
                Some(())
            })
        });
        all.collect::<Option<()>>().map(|()| out)
    }

    /// A power of two is exact in f64 for every f32, and XIR divides by nothing else.
    fn scale(&self) -> f64 {
        f64::from(-self.shift).exp2()
    }

    fn of_scaled(&self, scaled: f64) -> Option<i64> {
        if scaled.is_nan() {
            return None;
        }
        Some(self.round.f64(scaled).clamp(self.low as f64, self.high as f64) as i64)
    }

    /// Every code.
    pub fn map<T: Code, U: Code>(&self, codes: &[T]) -> Vec<U> {
        let mut out = vec![U::default(); codes.len()];
        let tasks = out.par_chunks_mut(CHUNK).zip(codes.par_chunks(CHUNK));
        tasks.for_each(|(out, codes)| self.map_into(codes, out));
        out
    }

    fn map_into<T: Code, U: Code>(&self, codes: &[T], out: &mut [U]) {
        let (low, high) = (self.low, self.high);
        match (self.divisor, self.round, self.shift) {
            (1, _, 0) => each(codes, out, |code| code.clamp(low, high)),
            (1, Round::HalfUp, shift @ 1..=62) => {
                // floor(x / 2^s) and the next digit: the sum with a half could overflow, this cannot.
                each(codes, out, |code| {
                    ((code >> shift) + ((code >> (shift - 1)) & 1)).clamp(low, high)
                });
            }
            _ => each(codes, out, |code| self.apply(code)),
        }
    }
}

#[inline(always)]
fn each<T: Code, U: Code>(codes: &[T], out: &mut [U], f: impl Fn(i64) -> i64) {
    codes.iter().zip(out).for_each(|(&code, out)| *out = U::narrow(f(code.widen())));
}

/// `numerator / denominator` to an integer; the denominator is positive.
fn quotient(numerator: i128, denominator: i128, round: Round) -> i128 {
    let floor = numerator.div_euclid(denominator);
    let rest = numerator.rem_euclid(denominator);
    let up = match rest.cmp(&(denominator - rest)) {
        _ if round == Round::Floor => false,
        _ if round == Round::Ceil => rest > 0,
        std::cmp::Ordering::Less => false,
        std::cmp::Ordering::Greater => true,
        std::cmp::Ordering::Equal => tie_goes_up(floor, round),
    };
    floor + i128::from(up)
}

/// Whether `floor + 1/2` becomes `floor + 1`.
fn tie_goes_up(floor: i128, round: Round) -> bool {
    let (positive, odd) = (floor >= 0, floor & 1 == 1);
    match round {
        Round::HalfUp | Round::Ceil => true,
        Round::HalfAway => positive,
        Round::HalfTowardZero => !positive,
        Round::HalfEven => odd,
        Round::HalfUpBelowZeroElseEven => !positive || odd,
        Round::Floor => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn requantize(shift: i32, divisor: i64, round: Round) -> Requantize {
        Requantize { shift, divisor, round, low: -128, high: 127 }
    }

    #[test]
    fn every_rule_agrees_with_the_rule_on_real_numbers() {
        for round in Round::ALL {
            for (shift, divisor) in
                [(0, 1), (1, 1), (3, 1), (-2, 1), (0, 3), (2, 9), (-1, 5), (1, 45)]
            {
                let rule = requantize(shift, divisor, round);
                for code in -600..600i64 {
                    // All these quotients are exact in f64, or not near a tie.
                    let real = code as f64 * f64::from(-shift).exp2() / divisor as f64;
                    let want = round.f64(real).clamp(-128.0, 127.0) as i64;
                    let got = rule.apply(code);
                    assert!(got == want, "{rule:?}({code}) = {got}, expected {want}");
                    assert_eq!(rule.apply_real(code as f64), Some(want), "{rule:?}({code})");
                }
            }
        }
    }

    #[test]
    fn the_fast_forms_are_the_slow_form() {
        let codes: Vec<i32> = (-5000..5000)
            .map(|i| i * 429_496 + i)
            .chain([i32::MIN, i32::MAX, i32::MIN + 1])
            .collect();
        for round in Round::ALL {
            for shift in [-40, -3, 0, 1, 2, 15, 31, 40, 70] {
                let rule = requantize(shift, 1, round);
                let got: Vec<i8> = rule.map(&codes);
                for (&code, got) in codes.iter().zip(got) {
                    assert_eq!(i64::from(got), rule.apply(code.into()), "{rule:?}({code})");
                }
            }
        }
    }

    #[test]
    fn ties_go_where_the_rule_says() {
        let tie = |round, code| requantize(1, 1, round).apply(code);
        assert_eq!([-5, -3, 3, 5].map(|c| tie(Round::HalfUp, c)), [-2, -1, 2, 3]);
        assert_eq!([-5, -3, 3, 5].map(|c| tie(Round::HalfAway, c)), [-3, -2, 2, 3]);
        assert_eq!([-5, -3, 3, 5].map(|c| tie(Round::HalfEven, c)), [-2, -2, 2, 2]);
    }

    #[test]
    fn a_rational_tie_is_a_tie() {
        // 27 / 9 / 2 = 1.5
        assert_eq!(requantize(1, 9, Round::HalfEven).apply(27), 2);
        assert_eq!(requantize(1, 9, Round::HalfUp).apply(-27), -1);
        assert_eq!(requantize(1, 9, Round::HalfUp).apply(26), 1);
    }

    #[test]
    fn the_largest_codes_and_shifts_do_not_overflow() {
        for code in [i64::MIN, i64::MAX, i64::MAX - 1] {
            for shift in [-256, -63, 0, 62, 63, 64, 256] {
                let got = requantize(shift, 1, Round::HalfUp).apply(code);
                let want = if shift > 62 {
                    match (code, shift) {
                        (i64::MIN, 63) => -1,
                        (_, 63) => 1,
                        // -2^63 / 2^64 is a tie, which goes up.
                        _ => 0,
                    }
                } else if shift == 62 {
                    if code < 0 { -2 } else { 2 }
                } else if code < 0 {
                    -128
                } else {
                    127
                };
                assert_eq!(got, want, "{code} by {shift}");
            }
        }
    }

    #[test]
    fn nan_has_no_code_and_infinities_saturate() {
        let rule = requantize(-4, 1, Round::HalfEven);
        assert_eq!(rule.apply_real(f64::NAN), None);
        assert_eq!(rule.apply_real(f64::INFINITY), Some(127));
        assert_eq!(rule.apply_real(-1e300), Some(-128));
        assert_eq!(rule.map_real::<i8>(&[0.5, -1e30]), Some(vec![8, -128]));
        assert_eq!(rule.map_real::<i8>(&[0.5, f32::NAN]), None);
    }
}
