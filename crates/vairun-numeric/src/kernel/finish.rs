use super::narrow::Narrow;
use super::product::Written;

/// What a product becomes: `f32(sum + add) · scale (+ bias)`, then perhaps a code; with [`Finish::widened`]
/// `f32((sum + add) · factor + term) · scale (+ bias)`; with [`Finish::sloped`] what is below 0 times a slope.
#[derive(Clone, Debug)]
pub struct Finish {
    /// For each output channel, and as many as fill a vector behind them.
    add: Vec<i32>,
    scale: Vec<f32>,
    bias: Option<Vec<f32>>,
    slopes: Option<Vec<f32>>,
    wide: Option<Wide>,
    /// `scale / step` of a quantizer to 8 bits, where that alone gives the code; see [`Finish::merged`].
    merged: Option<Vec<f32>>,
    /// Whether such a quotient and a zero point fit 16 bits; see [`Finish::reaching`].
    fixed: bool,
    output: Output,
}

/// What makes sums numbers that may need more than 32 bits.
#[derive(Clone, Debug)]
struct Wide {
    factors: Vec<f64>,
    terms: Vec<f64>,
}

/// What is written.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Output {
    /// Codes of 8 bits.
    Codes8(Narrow),
    /// Codes of 16 bits.
    Codes16(Narrow),
    /// The real numbers.
    Real,
    /// The sums themselves, after `add`.
    Sums,
}

/// Channels that a vector holds at most.
pub(super) const LANES: usize = 16;

impl Finish {
    /// `add`, `scale` and `bias` have one element for each output channel.
    pub fn new(
        mut add: Vec<i32>,
        mut scale: Vec<f32>,
        bias: Option<Vec<f32>>,
        output: Output,
    ) -> Self {
        let channels = add.len();
        assert_eq!(channels, scale.len(), "one scale for each channel");
        assert!(
            bias.as_ref().is_none_or(|bias| bias.len() == channels),
            "one bias for each channel"
        );
        let padded = channels + 4 * LANES;
        add.resize(padded, 0);
        scale.resize(padded, 0.0);
        let bias = bias.map(|mut bias| {
            bias.resize(padded, 0.0);
            bias
        });
        let merged = bias.is_none().then(|| Self::merged(&scale, output)).flatten();
        Self { add, scale, bias, slopes: None, wide: None, merged, fixed: false, output }
    }

    /// Of codes whose zero is `zero` in this run: `weights` are the sums of the weights of each channel, `scales` one for
    /// each or one for all.
    pub fn of_zero(
        weights: &[i32],
        zero: i32,
        scales: &[f32],
        bias: Option<&[f32]>,
        output: Output,
    ) -> Self {
        let add = weights.iter().map(|&w| w.wrapping_mul(zero).wrapping_neg()).collect();
        let scales = match scales {
            &[scale] => vec![scale; weights.len()],
            scales => scales.to_vec(),
        };
        Self::new(add, scales, bias.map(<[f32]>::to_vec), output)
    }

    /// With a factor, a power of two, and a term for each channel: `sum · factor + term` in f64, which holds it exactly
    /// where it stays below 2^53, as the caller proves; then one rounding to f32.
    #[must_use]
    pub fn widened(mut self, mut factors: Vec<f64>, mut terms: Vec<f64>) -> Self {
        assert_eq!((factors.len(), terms.len()), (self.channels(), self.channels()), "one each");
        factors.resize(self.add.len(), 0.0);
        terms.resize(self.add.len(), 0.0);
        self.wide = Some(Wide { factors, terms });
        self.merged = None;
        self
    }

    /// With a slope for each channel: a number `x` below 0 becomes `x · slope`, as LeakyRelu and PRelu make it.
    #[must_use]
    pub fn sloped(self, mut slopes: Vec<f32>) -> Self {
        assert_eq!(slopes.len(), self.channels(), "one slope for each channel");
        slopes.resize(self.add.len(), 0.0);
        Self { slopes: Some(slopes), merged: None, fixed: false, ..self }
    }

    /// With what is known of the sums before `add`: the largest magnitude of those of each channel.
    pub(super) fn reaching(self, magnitudes: impl Iterator<Item = i64>) -> Self {
        /// A zero point of a byte stays within 16 bits too.
        const LARGEST: f32 = 32000.0;
        let (Some(merged), Output::Codes8(narrow)) = (&self.merged, self.output) else {
            return self;
        };
        let fits = |((magnitude, &add), &factor): ((i64, &i32), &f32)| {
            let largest = magnitude.saturating_add(i64::from(add).abs());
            largest <= i32::MAX.into() && largest as f32 * factor.abs() < LARGEST
        };
        let fixed =
            (0..=255).contains(&narrow.zero()) && magnitudes.zip(&self.add).zip(merged).all(fits);
        Self { fixed, ..self }
    }

    /// The factors m so that `sum · m` rounds to the code that `sum · scale / step` rounds to, near ties excepted.
    ///
    /// With a power of two as step that is the quotient itself. With another the product of three roundings is within
    /// `5 · 2^-24` of the quotient of two, relatively: for codes apart from 2^9 less than `Division::MARGIN`. Below a
    /// half they keep every sum within `i32`, so that the clamp may come after the conversion.
    fn merged(scale: &[f32], output: Output) -> Option<Vec<f32>> {
        let Output::Codes8(narrow) = output else { return None };
        if !narrow.can_merge() {
            return None;
        }
        let factor = |&scale: &f32| {
            let factor = scale * narrow.inverse();
            let usable = scale == 0.0 || (factor.is_normal() && factor.abs() < 0.5);
            usable.then_some(factor)
        };
        scale.iter().map(factor).collect()
    }

    /// What sums `[pixels, channels]` become, one after the other: sums or real numbers.
    ///
    /// # Panics
    /// Where `out` is of another length or type.
    pub fn apply(&self, sums: &[i32], out: Written) {
        let part = self.from(0);
        let channels = (0..self.channels()).cycle();
        match (out, self.output) {
            (Written::F32(out), Output::Real) => {
                assert_eq!(out.len(), sums.len());
                let each = out.iter_mut().zip(sums).zip(channels);
                each.for_each(|((out, &sum), c)| *out = part.real(c, sum));
            }
            (Written::I32(out), Output::Sums) => {
                assert_eq!(out.len(), sums.len());
                let each = out.iter_mut().zip(sums).zip(channels);
                each.for_each(|((out, &sum), c)| *out = sum.wrapping_add(part.add[c]));
            }
            _ => panic!("the output is of the type that is written"),
        }
    }

    /// What is written.
    pub fn output(&self) -> Output {
        self.output
    }

    pub(super) fn channels(&self) -> usize {
        self.add.len() - 4 * LANES
    }

    /// The parameters from channel `first` on; a vector past the last channel may be read.
    pub(super) fn from(&self, first: usize) -> Part<'_> {
        Part {
            add: &self.add[first..],
            scale: &self.scale[first..],
            bias: self.bias.as_ref().map(|bias| &bias[first..]),
            slopes: self.slopes.as_ref().map(|slopes| &slopes[first..]),
            wide: self.wide.as_ref().map(|wide| (&wide.factors[first..], &wide.terms[first..])),
            merged: self.merged.as_ref().map(|merged| &merged[first..]),
            fixed: self.fixed,
            output: self.output,
        }
    }
}

/// The parameters of some channels.
#[derive(Clone, Copy)]
pub(super) struct Part<'a> {
    pub(super) add: &'a [i32],
    pub(super) scale: &'a [f32],
    pub(super) bias: Option<&'a [f32]>,
    pub(super) slopes: Option<&'a [f32]>,
    /// Factors and terms.
    pub(super) wide: Option<(&'a [f64], &'a [f64])>,
    pub(super) merged: Option<&'a [f32]>,
    /// Whether the quotients fit 16 bits ([`Finish::reaching`]).
    pub(super) fixed: bool,
    pub(super) output: Output,
}

impl Part<'_> {
    /// The real number of a sum of channel `c`.
    #[inline(always)]
    pub(super) fn real(&self, c: usize, sum: i32) -> f32 {
        let sum = sum.wrapping_add(self.add[c]);
        match self.wide {
            Some(_) => self.real_of(c, sum.into()),
            None => self.scaled(c, sum as f32),
        }
    }

    /// The real number of a corrected sum of channel `c`, a whole number, where sums are wide.
    #[inline(always)]
    pub(super) fn real_of(&self, c: usize, sum: f64) -> f32 {
        let (factors, terms) = self.wide.unwrap_or((&[], &[]));
        self.scaled(c, (sum * factors[c] + terms[c]) as f32)
    }

    #[inline(always)]
    fn scaled(&self, c: usize, number: f32) -> f32 {
        let product = number * self.scale[c];
        let real = match self.bias {
            Some(bias) => product + bias[c],
            None => product,
        };
        match self.slopes {
            Some(slopes) if real < 0.0 => real * slopes[c],
            _ => real,
        }
    }
}

impl Output {
    /// Bytes of one element.
    pub fn bytes(self) -> usize {
        match self {
            Self::Codes8(_) => 1,
            Self::Codes16(_) => 2,
            Self::Real | Self::Sums => 4,
        }
    }
}
