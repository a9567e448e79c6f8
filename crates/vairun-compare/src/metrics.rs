use serde::{Deserialize, Serialize};

use crate::number;

/// What was measured of two tensors of one shape: `got`, what the model makes, and `want`, the golden.
///
/// Sums run over the pairs in which both are finite; the others are counted in [`Metrics::nan`],
/// [`Metrics::infinite`] and [`Metrics::one_sided`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Metrics {
    /// Pairs.
    pub elements: u64,
    /// Pairs of equal value: NaN equals NaN, 0 equals -0.
    pub equal: u64,
    /// Pairs of zeros of different sign.
    pub zero_signs: u64,
    /// Pairs beyond the rule that was applied.
    pub beyond: u64,
    /// Pairs in which NaN or an infinity stands against another value.
    pub one_sided: u64,
    /// The largest |Δ|.
    #[serde(with = "number")]
    pub max_abs: f64,
    /// The mean |Δ|.
    #[serde(with = "number")]
    pub mean_abs: f64,
    /// The largest |Δ| / |want| where want is not 0.
    #[serde(with = "number")]
    pub max_relative: f64,
    /// The root of the mean Δ².
    #[serde(with = "number")]
    pub rmse: f64,
    /// Differences in steps of the quantizer, where there is one.
    pub steps: Option<Steps>,
    /// 10 · log10(Σ want² / Σ Δ²); infinite without a difference.
    #[serde(with = "number")]
    pub sqnr_db: f64,
    /// 10 · log10(max want² / mean Δ²); infinite without a difference.
    #[serde(with = "number")]
    pub psnr_db: f64,
    /// The cosine of the angle between the two; 1 where both are zero, 0 where one is.
    #[serde(with = "number")]
    pub cosine: f64,
    /// Pearson's correlation; `None` where one of them is constant and they differ.
    #[serde(with = "number::option")]
    pub pearson: Option<f64>,
    /// Pairs of opposite signs.
    pub sign_flips: u64,
    /// Elements at the ends of the quantizer's range, where that is known.
    pub saturated: Option<Sides<u64>>,
    /// NaNs.
    pub nan: Sides<u64>,
    /// Infinities.
    pub infinite: Sides<u64>,
    /// The least and the greatest finite number.
    pub range: Sides<Range>,
    /// How far class scores choose the same classes; only for outputs of rank 2.
    pub classes: Option<Classes>,
    /// The largest differences, worst first.
    pub worst: Vec<Element>,
    /// Differences along the channels; only where there are differences.
    pub channels: Option<Channels>,
}

/// Differences in steps of the quantizer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Steps {
    /// The largest |Δ| in steps.
    #[serde(with = "number")]
    pub max: f64,
    /// The root of the mean square in steps; 0.29 (1/√12) is what ideal rounding of real numbers gives.
    #[serde(with = "number")]
    pub rmse: f64,
    /// How many pairs differ by ≤ -4, -3, … 3, ≥ 4 steps.
    pub histogram: [u64; 9],
}

/// One number for each side.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sides<T> {
    /// Of what the model makes.
    pub got: T,
    /// Of the golden.
    pub want: T,
}

/// The least and the greatest of some numbers; `inf` and `-inf` where there are none.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Range {
    /// The least.
    #[serde(with = "number")]
    pub min: f64,
    /// The greatest.
    #[serde(with = "number")]
    pub max: f64,
}

/// How far class scores choose the same classes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Classes {
    /// Rows of scores.
    pub rows: u64,
    /// Rows in which both have the same best class (the first of equals).
    pub top1: u64,
    /// Rows in which the golden's best class is among the five best.
    pub top5: u64,
}

/// One pair of elements.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Element {
    /// Where it is.
    pub index: Vec<usize>,
    /// What the model makes.
    #[serde(with = "number")]
    pub got: f64,
    /// The golden.
    #[serde(with = "number")]
    pub want: f64,
}

/// Differences along one dimension.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Channels {
    /// The dimension.
    pub axis: usize,
    /// The channel with the largest |Δ| (in steps where there are steps).
    pub worst: usize,
    /// Pairs that differ, for each channel.
    pub differing: Vec<u64>,
    /// The largest |Δ| for each channel.
    #[serde(with = "number::list")]
    pub max_abs: Vec<f64>,
}

impl Metrics {
    /// The share of equal pairs, 0 to 100. Below 100 whenever a pair differs, however it is rounded.
    pub fn equal_percent(&self) -> f64 {
        100.0 * self.equal as f64 / self.elements.max(1) as f64
    }

    /// Pairs of different value.
    pub fn differing(&self) -> u64 {
        self.elements - self.equal
    }
}

impl Range {
    pub(crate) const EMPTY: Self = Self { min: f64::INFINITY, max: f64::NEG_INFINITY };

    pub(crate) fn with(self, other: Self) -> Self {
        Self { min: self.min.min(other.min), max: self.max.max(other.max) }
    }
}
