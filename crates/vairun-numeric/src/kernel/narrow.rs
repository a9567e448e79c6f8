use crate::round::Round;

/// How a real number becomes a code: `clamp(round(x / scale) + zero, low, high)`.
///
/// Codes are *stored* codes (see [`super`]): the caller has added the offset of the storage to `zero`, `low` and
/// `high`. NaN is not defined here: the caller proves that there is none.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Narrow {
    scale: f32,
    zero: i32,
    low: i32,
    high: i32,
    round: Round,
    zero_inside: bool,
    division: Division,
}

/// How `x / scale` is computed; all three give the correctly rounded quotient, or a number that rounds to the same
/// code.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Division {
    /// The scale is a power of two: `x · (1 / scale)` is the quotient.
    Exact(f32),
    /// `x · (1 / scale)` is within `3 · 2^-24` of the quotient, relatively. Where that is farther from a tie than
    /// [`Division::MARGIN`], both round to the same integer; elsewhere the quotient is computed.
    Checked(f32),
    /// By division.
    Plain,
}

impl Division {
    /// More than `3 · 2^-24 · 2^10`: of codes up to 2^9 apart from zero and a bit.
    pub(super) const MARGIN: f32 = 1.0 / 4096.0;
}

/// The parts of a [`Narrow`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NarrowParts {
    /// The quantizer's step.
    pub scale: f32,
    /// The stored code of 0.
    pub zero: i32,
    /// The least stored code.
    pub low: i32,
    /// The largest stored code.
    pub high: i32,
    /// How the quotient is rounded.
    pub round: Round,
    /// `round(x / scale + zero)` in f32 instead of `round(x / scale) + zero`: the zero point that the quantizer adds
    /// before it rounds, and the rest of `zero`.
    pub zero_inside: Option<i32>,
}

impl Narrow {
    /// From its parts; `None` where the scale is not a positive normal number with a normal reciprocal, or the range
    /// is empty or beyond 2^20.
    pub fn new(parts: NarrowParts) -> Option<Self> {
        let NarrowParts { scale, zero, low, high, round, zero_inside } = parts;
        let inverse = 1.0 / scale;
        let usable = scale > 0.0 && scale.is_normal() && inverse.is_normal() && low <= high;
        let small = [zero, low, high].iter().all(|v| v.abs() <= 1 << 20);
        // A zero point of 0 is added before the rounding without effect.
        let inside = zero_inside.is_some_and(|inside| inside != 0);
        if !usable || !small || (inside && zero_inside != Some(zero)) {
            return None;
        }
        let nearest = !matches!(round, Round::Floor | Round::Ceil);
        let near_zero = (low - zero).abs().max((high - zero).abs()) < 1 << 9;
        let division = match scale.to_bits() & 0x007f_ffff {
            0 => Division::Exact(inverse),
            _ if nearest && near_zero && !inside => Division::Checked(inverse),
            _ => Division::Plain,
        };
        Some(Self { scale, zero, low, high, round, zero_inside: inside, division })
    }

    /// The same quantizer with a narrower range: what a clamp of the result, or of its argument, comes to.
    pub fn clamped(self, low: i32, high: i32) -> Self {
        // As `x.max(low).min(high)`: a clamp to an empty range gives its upper end.
        let clamp = |v: i32| v.max(low).min(high);
        Self { low: clamp(self.low), high: clamp(self.high), ..self }
    }

    /// The code of `x`.
    #[inline(always)]
    pub fn code(&self, x: f32) -> i32 {
        let zero = self.zero as f32;
        let quotient = match self.division {
            Division::Exact(inverse) => x * inverse,
            _ => x / self.scale,
        };
        if self.zero_inside {
            let clamped = (quotient + zero).max(self.low as f32).min(self.high as f32);
            return self.round.f32(clamped) as i32;
        }
        // The bounds are integers: clamping before the rounding is clamping after it.
        let clamped = quotient.max(self.low as f32 - zero).min(self.high as f32 - zero);
        self.round.f32(clamped) as i32 + self.zero
    }

    /// The codes of many numbers; compiled for each rule, so that the loop has vectors.
    #[inline(always)]
    pub(super) fn each<C: super::elementwise::Stored>(
        &self,
        x: impl Iterator<Item = f32>,
        out: &mut [C],
    ) {
        let (low, high, before, after) = self.bounds();
        let (inverse, scale) = (self.inverse(), self.scale);
        let exact = matches!(self.division, Division::Exact(_));
        crate::round::by_round!(self.round, f32, round => {
            for (out, x) in out.iter_mut().zip(x) {
                let quotient = if exact { x * inverse } else { x / scale };
                let clamped = (quotient + before).max(low).min(high);
                // Within 2^21: the addition leaves the integer in the low bits.
                let code = (round(clamped) + 12_582_912.0).to_bits() as i32 - 0x4b40_0000;
                *out = C::narrow(code + after);
            }
        });
    }

    /// Whether [`super::Finish`] may leave out the real number in between.
    pub(super) fn can_merge(&self) -> bool {
        let rounds = matches!(self.round, Round::HalfEven | Round::HalfUp | Round::HalfAway);
        rounds
            && !self.zero_inside
            && self.division != Division::Plain
            && self.low >= 0
            && self.high <= 255
    }

    /// The range of the codes, within a byte where [`Narrow::can_merge`].
    #[inline(always)]
    pub(super) fn range(&self) -> (i32, i32) {
        (self.low, self.high)
    }

    #[inline(always)]
    pub(super) fn zero(&self) -> i32 {
        self.zero
    }

    #[inline(always)]
    pub(super) fn scale(&self) -> f32 {
        self.scale
    }

    #[inline(always)]
    pub(super) fn inverse(&self) -> f32 {
        1.0 / self.scale
    }

    #[inline(always)]
    pub(super) fn division(&self) -> Division {
        self.division
    }

    #[inline(always)]
    pub(super) fn round(&self) -> Round {
        self.round
    }

    /// The bounds of the quotient before it is rounded, what is added before, and what is added after.
    #[inline(always)]
    pub(super) fn bounds(&self) -> (f32, f32, f32, i32) {
        let zero = self.zero as f32;
        match self.zero_inside {
            true => (self.low as f32, self.high as f32, zero, 0),
            false => (self.low as f32 - zero, self.high as f32 - zero, 0.0, self.zero),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn narrow(scale: f32, zero: i32, round: Round, zero_inside: Option<i32>) -> Narrow {
        Narrow::new(NarrowParts { scale, zero, low: 0, high: 255, round, zero_inside }).unwrap()
    }

    #[test]
    fn it_rounds_adds_and_clamps() {
        let q = narrow(0.5, 128, Round::HalfEven, None);
        let codes = [0.25, 0.75, -0.25, -1e30, 1e30, f32::INFINITY].map(|x| q.code(x));
        assert_eq!(codes, [128, 130, 128, 0, 255, 255]);
    }

    #[test]
    fn a_zero_point_inside_moves_the_ties() {
        assert_eq!(narrow(1.0, 3, Round::HalfEven, Some(3)).code(2.5), 6);
        assert_eq!(narrow(1.0, 3, Round::HalfEven, None).code(2.5), 5);
    }

    #[test]
    fn scales_that_have_no_reciprocal_are_refused() {
        for scale in [0.0, -1.0, f32::NAN, f32::INFINITY, 1e-40, f32::MAX] {
            let parts = NarrowParts {
                scale,
                zero: 0,
                low: 0,
                high: 255,
                round: Round::HalfEven,
                zero_inside: None,
            };
            assert_eq!(Narrow::new(parts), None, "{scale}");
        }
    }
}
