//! Quantizers that deviate from their own rule: how somebody else may have computed the same node.
//!
//! A [`Form`] describes the order of operations of a family; a [`Variation`] changes a part of it. The plain form of
//! each family gives the codes of its own kernel, which the tests of the operators hold; what a variation gives says
//! whether it explains a difference. Not fast: one element after the other.

use crate::linear::Grid;
use crate::round::{Round, i32_x86};
use crate::spread::Spread;

/// What differs from a quantizer's own rule. The default differs in nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Variation {
    /// The rounding.
    pub round: Option<Round>,
    /// Numbers are rounded toward zero, as a cast in C does.
    pub truncates: bool,
    /// The zero point is added on the other side of the rounding.
    pub moves_zero_point: bool,
    /// What happens beyond the range.
    pub range: Option<Beyond>,
    /// The clip and the conversion to 32 bits change places.
    pub moves_clip: bool,
    /// The first scale and zero point are taken for all channels.
    pub first_channel: bool,
    /// Numbers are multiplied by the reciprocal of the scale.
    pub reciprocal: bool,
    /// The scale is multiplied by this power of two.
    pub scale_exponent: i32,
    /// This is added to the zero point.
    pub zero_point_offset: i32,
}

/// What a quantizer does with codes beyond its range.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Beyond {
    /// The low bits are kept.
    Wrap,
    /// The least code is left out: -127 rather than -128.
    Narrow,
    /// Codes are clipped before the zero point is added, and once more after it.
    ClipFirst,
    /// Codes are clipped before the zero point is added and not after it: types that they do not fit keep the low bits.
    ClipFirstOnly,
}

/// The order of operations of a family of quantizers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Form {
    /// The rounding.
    pub round: Round,
    /// Whether the zero point is added before rounding.
    pub zero_point_first: bool,
    /// Whether numbers are multiplied by the reciprocal of the scale, which is exact for powers of two alone.
    pub reciprocal: bool,
    /// Whether numbers are converted to 32 bits before they are clipped: what does not fit becomes the least code.
    pub converts_first: bool,
    /// The least code.
    pub low: i64,
    /// The greatest code.
    pub high: i64,
    /// The code of NaN.
    pub nan: i64,
}

impl Variation {
    /// A variation in rounding alone.
    pub fn rounding(round: Round) -> Self {
        Self { round: Some(round), ..Self::default() }
    }

    /// The words of [`Variation::from_word`] that are no roundings.
    pub const WORDS: &'static str = "truncate, move-zero-point, move-clip, wrap, narrow, clip-first, clip-first-only, \
                                     first-channel, reciprocal, scale*2^N, zero-point+N or zero-point-N";

    /// The deviation that a word of the command line means: a rounding, `wrap`, `scale*2^-1`, `zero-point+3`, …
    pub fn from_word(word: &str) -> Option<Self> {
        let plain = Self::default();
        Some(match word {
            "move-zero-point" => Self { moves_zero_point: true, ..plain },
            "move-clip" => Self { moves_clip: true, ..plain },
            "wrap" => Self { range: Some(Beyond::Wrap), ..plain },
            "narrow" => Self { range: Some(Beyond::Narrow), ..plain },
            "clip-first" => Self { range: Some(Beyond::ClipFirst), ..plain },
            "clip-first-only" => Self { range: Some(Beyond::ClipFirstOnly), ..plain },
            "truncate" => Self { truncates: true, ..plain },
            "first-channel" => Self { first_channel: true, ..plain },
            "reciprocal" => Self { reciprocal: true, ..plain },
            _ => {
                let number = |prefix: &str| word.strip_prefix(prefix)?.parse::<i32>().ok();
                if let Some(exponent) = number("scale*2^").filter(|n| (-126..=126).contains(n)) {
                    return Some(Self { scale_exponent: exponent, ..plain });
                }
                if let Some(offset) = number("zero-point").filter(|n| n.abs() < 1 << 20) {
                    return Some(Self { zero_point_offset: offset, ..plain });
                }
                return Round::from_name(word).map(Self::rounding);
            }
        })
    }
}

impl Form {
    /// The codes of `x` under the form as `variation` changes it.
    ///
    /// # Panics
    /// Where `grids` are not as many as [`Spread::parameters`] says.
    pub fn codes(
        self,
        x: &[f32],
        grids: &[Grid],
        spread: Spread,
        variation: &Variation,
    ) -> Vec<i64> {
        let form = Self {
            round: variation.round.unwrap_or(self.round),
            zero_point_first: self.zero_point_first != variation.moves_zero_point,
            reciprocal: self.reciprocal || variation.reciprocal,
            converts_first: self.converts_first != variation.moves_clip,
            low: self.low + i64::from(variation.range == Some(Beyond::Narrow)),
            ..self
        };
        let factor = 2f32.powi(variation.scale_exponent);
        let grids: Vec<Grid> = grids
            .iter()
            .map(|grid| if variation.first_channel { &grids[0] } else { grid })
            .map(|grid| Grid {
                scale: grid.scale * factor,
                zero_point: grid.zero_point + variation.zero_point_offset,
            })
            .collect();
        spread.map(x, &grids, |x, grid| form.code(x, grid, variation))
    }

    fn code(self, x: f32, grid: Grid, variation: &Variation) -> i64 {
        let beyond = variation.range;
        let clips_first = matches!(beyond, Some(Beyond::ClipFirst | Beyond::ClipFirstOnly));
        let quotient = if self.reciprocal { x * (1.0 / grid.scale) } else { x / grid.scale };
        if quotient.is_nan() {
            return self.nan;
        }
        let zero_point = i64::from(grid.zero_point);
        let code = if self.zero_point_first {
            let ends = (self.low as f32, self.high as f32);
            let quotient = if clips_first { quotient.max(ends.0).min(ends.1) } else { quotient };
            self.integer(quotient + zero_point as f32, variation)
        } else {
            let code = self.integer(quotient, variation);
            let code = if clips_first { self.clip(code) } else { code };
            code.saturating_add(zero_point)
        };
        match beyond {
            Some(Beyond::Wrap) => self.wrap(code),
            Some(Beyond::ClipFirstOnly) => code,
            _ => self.clip(code),
        }
    }

    fn integer(self, x: f32, variation: &Variation) -> i64 {
        let rounded = if variation.truncates { x.trunc() } else { self.round.f32(x) };
        let rounded = f64::from(rounded);
        if self.converts_first { i64::from(i32_x86(rounded)) } else { rounded as i64 }
    }

    fn clip(self, code: i64) -> i64 {
        code.max(self.low).min(self.high)
    }

    fn wrap(self, code: i64) -> i64 {
        let count = self.high - self.low + 1;
        self.low + (code.wrapping_sub(self.low)).rem_euclid(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NATIVE: Form = Form {
        round: Round::HalfEven,
        zero_point_first: false,
        reciprocal: false,
        converts_first: false,
        low: -128,
        high: 127,
        nan: -128,
    };

    fn code(form: Form, x: f32, zero_point: i32, variation: Variation) -> i64 {
        let grid = [Grid { scale: 1.0, zero_point }];
        form.codes(&[x], &grid, Spread::Tensor, &variation)[0]
    }

    #[test]
    fn without_a_deviation_it_is_the_own_rule() {
        let plain = Variation::default();
        assert_eq!(code(NATIVE, 2.5, 3, plain), 5);
        assert_eq!(code(Form { zero_point_first: true, ..NATIVE }, 2.5, 3, plain), 6);
        assert_eq!(code(NATIVE, 1e10, 0, plain), 127);
        assert_eq!(code(Form { converts_first: true, ..NATIVE }, 1e10, 0, plain), -128);
        assert_eq!(code(NATIVE, f32::NAN, 0, plain), -128);
    }

    #[test]
    fn each_deviation_shows() {
        let plain = Variation::default();
        let vary = |variation: Variation, x, zero_point| code(NATIVE, x, zero_point, variation);
        assert_eq!(vary(Variation::rounding(Round::HalfUp), 2.5, 0), 3);
        assert_eq!(vary(Variation { moves_zero_point: true, ..plain }, 2.5, 3), 6);
        assert_eq!(vary(Variation { range: Some(Beyond::Wrap), ..plain }, 130.0, 0), -126);
        assert_eq!(vary(Variation { range: Some(Beyond::Narrow), ..plain }, -500.0, 0), -127);
        assert_eq!(vary(Variation { range: Some(Beyond::ClipFirst), ..plain }, 130.0, -5), 122);
        assert_eq!(vary(Variation { range: Some(Beyond::ClipFirst), ..plain }, 130.0, 5), 127);
        assert_eq!(vary(Variation { range: Some(Beyond::ClipFirstOnly), ..plain }, 130.0, 5), 132);
        assert_eq!(vary(Variation { truncates: true, ..plain }, -2.7, 0), -2);
        assert_eq!(vary(Variation { moves_clip: true, ..plain }, 1e10, 0), -128);
        assert_eq!(vary(Variation { scale_exponent: 1, ..plain }, 6.0, 0), 3);
        assert_eq!(vary(Variation { zero_point_offset: 2, ..plain }, 6.0, 0), 8);
    }

    #[test]
    fn words_mean_deviations() {
        let plain = Variation::default();
        let of = |word| Variation::from_word(word);
        assert_eq!(of("dpu"), Some(Variation::rounding(Round::HalfUp)));
        assert_eq!(of("scale*2^-1"), Some(Variation { scale_exponent: -1, ..plain }));
        assert_eq!(of("zero-point+3"), Some(Variation { zero_point_offset: 3, ..plain }));
        assert_eq!(of("zero-point-3"), Some(Variation { zero_point_offset: -3, ..plain }));
        assert!(of("scale*2^999").is_none() && of("sideways").is_none());
    }

    #[test]
    fn the_first_channel_speaks_for_all() {
        let grids = [1.0, 2.0].map(|scale| Grid { scale, zero_point: 0 });
        let first = Variation { first_channel: true, ..Variation::default() };
        let codes = |variation: &Variation| {
            NATIVE.codes(&[4.0, 4.0], &grids, Spread::axis(&[2], 0), variation)
        };
        assert_eq!(codes(&Variation::default()), [4, 2]);
        assert_eq!(codes(&first), [4, 4]);
    }
}
