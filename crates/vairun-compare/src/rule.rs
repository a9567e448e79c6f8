use std::fmt;

use serde::{Deserialize, Serialize};

use crate::measure::Incomparable;
use crate::metrics::Metrics;
use crate::number;
use crate::quantizer::Kind;

/// What a pair of elements must satisfy.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Elements {
    /// The same value; NaN equals NaN, 0 equals -0.
    Exact,
    /// At most this many steps of the quantizer apart.
    Steps(f64),
    /// |Δ| ≤ atol + rtol · |want|
    Tolerance {
        /// Absolute.
        atol: f64,
        /// Relative to the golden.
        rtol: f64,
    },
    /// Anything but NaN or an infinity against another value; other conditions decide.
    Any,
}

/// What two tensors must satisfy to pass.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rule {
    /// For each pair of elements.
    pub elements: Elements,
    /// The share of the elements that may be beyond that, 0 to 1.
    pub max_mismatch: f64,
    /// The least cosine.
    pub min_cosine: Option<f64>,
    /// The least signal-to-noise ratio in dB.
    #[serde(with = "number::option")]
    pub min_sqnr: Option<f64>,
    /// Whether two tensors without elements pass.
    pub allow_empty: bool,
}

/// Whether a tensor passes, and why not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// Whether it passes.
    pub pass: bool,
    /// The rule that was applied, in words.
    pub rule: String,
    /// What is violated; empty where it passes.
    pub reasons: Vec<String>,
}

/// f32 keeps 24 bits: a dequantized number may be this far, relatively, from its place on the grid.
const GRID_ROUNDING: f64 = 1.0 / (1u64 << 22) as f64;

/// The part of a step by which a number on the grid may miss its place.
const GRID_SLACK: f64 = 1.0 / 128.0;

impl Elements {
    /// How many pairs are beyond. `step` is the step of the quantizer for each pair.
    pub(crate) fn beyond(self, delta: &[f64], want: &[f64], step: Option<&[f64]>) -> u64 {
        let pairs = delta.iter().zip(want);
        match (self, step) {
            (Self::Any, _) => 0,
            (Self::Exact, _) => delta.iter().filter(|delta| **delta != 0.0).count() as u64,
            (Self::Steps(most), Some(step)) => {
                let within = |((d, w), s): ((&f64, &f64), &f64)| {
                    d.abs() <= s * (most + GRID_SLACK) + w.abs() * GRID_ROUNDING
                };
                pairs.zip(step).filter(|&triple| !within(triple)).count() as u64
            }
            (Self::Steps(_), None) => delta.iter().filter(|delta| **delta != 0.0).count() as u64,
            (Self::Tolerance { atol, rtol }, _) => {
                let within = |(d, w): (&f64, &f64)| d.abs() <= atol + rtol * w.abs();
                pairs.filter(|&pair| !within(pair)).count() as u64
            }
        }
    }
}

impl Rule {
    /// The rule for a tensor about which nothing is asked: codes exactly, in whatever type they are kept; numbers from
    /// a dequantizer on the same step; floats within the vendor's own tolerance; all else exactly.
    ///
    /// Source of the tolerance: `check_model` in vai_q_pytorch, `assert_allclose(rtol=1e-4, atol=1e-5)` (Xilinx/Vitis-AI
    /// b2b2279, `pytorch_nndct/qproc/onnx.py`).
    pub fn default_for(kind: Kind, float: bool) -> Self {
        let elements = match (kind, float) {
            (Kind::Codes, _) | (Kind::Plain, false) => Elements::Exact,
            (Kind::Dequantized, _) => Elements::Steps(0.0),
            (Kind::Plain, true) => Elements::Tolerance { atol: 1e-5, rtol: 1e-4 },
        };
        Self { elements, max_mismatch: 0.0, min_cosine: None, min_sqnr: None, allow_empty: false }
    }

    /// Applies the rule. What is not known to pass fails.
    pub fn judge(&self, measured: &Result<Metrics, Incomparable>) -> Verdict {
        let reasons = match measured {
            Ok(metrics) => self.violations(metrics),
            Err(Incomparable::Empty) if self.allow_empty => Vec::new(),
            Err(error) => vec![error.to_string()],
        };
        Verdict { pass: reasons.is_empty(), rule: self.to_string(), reasons }
    }

    fn violations(&self, metrics: &Metrics) -> Vec<String> {
        let mut reasons = Vec::new();
        let mut require = |holds: bool, reason: String| {
            if !holds {
                reasons.push(reason);
            }
        };
        require(metrics.elements > 0, "no elements: nothing was compared".to_owned());
        require(
            metrics.one_sided == 0,
            format!("{} NaN or infinite against another value", metrics.one_sided),
        );
        let finite_beyond = metrics.beyond.saturating_sub(metrics.one_sided);
        let share = finite_beyond as f64 / metrics.elements.max(1) as f64;
        require(
            share <= self.max_mismatch,
            format!("{finite_beyond} of {} beyond `{}`", metrics.elements, self.elements),
        );
        if let Some(least) = self.min_cosine {
            require(
                metrics.cosine >= least,
                format!("cosine {:.6}, at least {least}", metrics.cosine),
            );
        }
        if let Some(least) = self.min_sqnr {
            require(
                metrics.sqnr_db >= least,
                format!("SQNR {:.1} dB, at least {least} dB", metrics.sqnr_db),
            );
        }
        reasons
    }
}

impl fmt::Display for Elements {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact => f.write_str("exact"),
            Self::Steps(0.0) => f.write_str("same step"),
            Self::Steps(most) => write!(f, "within {most} steps"),
            Self::Tolerance { atol, rtol } => write!(f, "atol {atol:e} + rtol {rtol:e}"),
            Self::Any => f.write_str("finite"),
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        let conditions = self.min_cosine.is_some() || self.min_sqnr.is_some();
        if !(conditions && self.elements == Elements::Any) {
            parts.push(self.elements.to_string());
        }
        if self.max_mismatch > 0.0 {
            parts.push(format!("at most {} % beyond", self.max_mismatch * 100.0));
        }
        parts.extend(self.min_cosine.map(|least| format!("cosine ≥ {least}")));
        parts.extend(self.min_sqnr.map(|least| format!("SQNR ≥ {least} dB")));
        f.write_str(&parts.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use vairun_tensor::Tensor;

    use super::*;
    use crate::{Quantizer, Subject, measure};

    fn judge(rule: Rule, kind: Kind, got: &[f32], want: &[f32]) -> Verdict {
        let tensor = |data: &[f32]| Tensor::vector(data.to_vec());
        let quantizer = Quantizer::per_tensor(0.5, 0, None);
        let quantizer = (kind != Kind::Plain).then_some(&quantizer);
        let subject = Subject { kind, quantizer, elements: rule.elements, scores: false };
        rule.judge(&measure(&tensor(got), &tensor(want), &subject))
    }

    fn plain() -> Rule {
        Rule::default_for(Kind::Plain, true)
    }

    #[test]
    fn what_is_equal_passes_and_the_rule_is_named() {
        let verdict = judge(plain(), Kind::Plain, &[1.0, f32::NAN], &[1.0, f32::NAN]);
        assert!(verdict.pass, "{verdict:?}");
        assert_eq!(verdict.rule, "atol 1e-5 + rtol 1e-4");
    }

    #[test]
    fn nan_against_a_number_fails_under_every_rule() {
        let lenient = Rule { max_mismatch: 1.0, ..plain() };
        let cosine = Rule { elements: Elements::Any, min_cosine: Some(-1.0), ..plain() };
        for rule in [plain(), lenient, cosine] {
            for (got, want) in [([f32::NAN], [1.0]), ([1.0], [f32::NAN]), ([1.0], [f32::INFINITY])]
            {
                let verdict = judge(rule, Kind::Plain, &got, &want);
                assert!(!verdict.pass, "{rule}: {got:?} against {want:?}");
            }
        }
    }

    #[test]
    fn a_tensor_without_elements_fails_unless_that_is_allowed() {
        let verdict = judge(plain(), Kind::Plain, &[], &[]);
        assert_eq!(verdict.reasons, ["no elements: nothing was compared"]);
        assert!(judge(Rule { allow_empty: true, ..plain() }, Kind::Plain, &[], &[]).pass);
        assert!(!judge(Rule { allow_empty: true, ..plain() }, Kind::Plain, &[], &[1.0]).pass);
    }

    #[test]
    fn another_shape_fails_under_every_rule() {
        let lenient = Rule { max_mismatch: 1.0, elements: Elements::Any, ..plain() };
        assert!(!judge(lenient, Kind::Plain, &[1.0], &[1.0, 1.0]).pass);
    }

    #[test]
    fn steps_are_counted_on_the_grid_and_what_is_between_is_another_step() {
        let steps = |most| Rule { elements: Elements::Steps(most), ..plain() };
        let judge = |most, got| judge(steps(most), Kind::Dequantized, &[got], &[1.0]).pass;
        assert!(judge(0.0, 1.0) && !judge(0.0, 1.5) && !judge(0.0, 1.2));
        assert!(judge(1.0, 1.5) && !judge(1.0, 2.0) && !judge(1.0, 1.6));
    }

    #[test]
    fn the_tolerance_is_relative_to_the_golden() {
        assert!(judge(plain(), Kind::Plain, &[100.009], &[100.0]).pass);
        let verdict = judge(plain(), Kind::Plain, &[100.02, 1.0], &[100.0, 1.0]);
        assert_eq!(verdict.reasons, ["1 of 2 beyond `atol 1e-5 + rtol 1e-4`"]);
    }

    #[test]
    fn a_share_may_be_beyond() {
        let rule = Rule { max_mismatch: 0.5, ..plain() };
        assert!(judge(rule, Kind::Plain, &[1.0, 2.0], &[1.0, 1.0]).pass);
        assert!(!judge(rule, Kind::Plain, &[2.0, 2.0], &[1.0, 1.0]).pass);
    }

    #[test]
    fn cosine_and_sqnr_have_a_least_value() {
        let cosine = Rule { elements: Elements::Any, min_cosine: Some(0.99), ..plain() };
        assert!(judge(cosine, Kind::Plain, &[1.0, 1.1], &[1.0, 1.0]).pass);
        let verdict = judge(cosine, Kind::Plain, &[1.0, 0.0], &[1.0, 1.0]);
        assert_eq!(verdict.reasons, ["cosine 0.707107, at least 0.99"]);
        let sqnr = Rule { elements: Elements::Any, min_sqnr: Some(20.0), ..plain() };
        let verdict = judge(sqnr, Kind::Plain, &[1.0, 0.0], &[1.0, 1.0]);
        assert_eq!(verdict.reasons, ["SQNR 3.0 dB, at least 20 dB"]);
    }
}
