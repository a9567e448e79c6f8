use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use globset::{Glob, GlobMatcher};
use thiserror::Error;

use crate::quantizer::Kind;
use crate::rule::{Elements, Rule};

/// Which quantity an option sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// `--lsb N`: steps of the quantizer.
    Lsb,
    /// `--atol X`
    Atol,
    /// `--rtol X`
    Rtol,
    /// `--max-mismatch FRACTION`
    MaxMismatch,
    /// `--min-cosine X`
    MinCosine,
    /// `--min-sqnr DB`
    MinSqnr,
}

/// The rules of a check: those that the caller asks for, and the default for the rest.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    options: Vec<RuleOption>,
    allow_empty: bool,
}

#[derive(Clone, Debug)]
struct RuleOption {
    limit: Limit,
    glob: Option<GlobMatcher>,
    value: f64,
    text: String,
    /// Shared with clones: any of them may have been of use.
    used: Arc<AtomicBool>,
}

/// An option that cannot be read.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum RuleError {
    /// Not a number in the range that the option takes.
    #[error("`{option} {text}`: expected [GLOB=]VALUE with {expected}")]
    Value {
        /// The option.
        option: Limit,
        /// What was given.
        text: String,
        /// What it takes.
        expected: &'static str,
    },
    /// Not a pattern.
    #[error("`{option} {text}`: {message}")]
    Glob {
        /// The option.
        option: Limit,
        /// What was given.
        text: String,
        /// What the pattern's parser says.
        message: String,
    },
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Lsb => "--lsb",
            Self::Atol => "--atol",
            Self::Rtol => "--rtol",
            Self::MaxMismatch => "--max-mismatch",
            Self::MinCosine => "--min-cosine",
            Self::MinSqnr => "--min-sqnr",
        })
    }
}

impl Limit {
    fn expects(self) -> (&'static str, fn(f64) -> bool) {
        match self {
            Self::MaxMismatch => ("a fraction from 0 to 1", |x| (0.0..=1.0).contains(&x)),
            Self::MinCosine => ("a number from -1 to 1", |x| (-1.0..=1.0).contains(&x)),
            Self::MinSqnr => ("a number", |x: f64| !x.is_nan()),
            _ => ("a number of at least 0", |x| (0.0..f64::INFINITY).contains(&x)),
        }
    }

    /// Whether it is a condition for each element rather than for the whole tensor.
    fn is_elementwise(self) -> bool {
        matches!(self, Self::Lsb | Self::Atol | Self::Rtol)
    }
}

impl Rules {
    /// The default rules.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an option `[GLOB=]VALUE`. The last that fits a tensor counts; one with a pattern counts before one without.
    ///
    /// # Errors
    /// No number, or no pattern.
    pub fn set(&mut self, limit: Limit, text: &str) -> Result<&mut Self, RuleError> {
        let (glob, value) = match text.rsplit_once('=') {
            Some((glob, value)) => (Some(glob), value),
            None => (None, text),
        };
        let (expected, accepts) = limit.expects();
        let value = value.trim().parse().ok().filter(|value| accepts(*value));
        let value = value.ok_or_else(|| RuleError::Value {
            option: limit,
            text: text.to_owned(),
            expected,
        })?;
        let glob = glob.map(Glob::new).transpose().map_err(|error| RuleError::Glob {
            option: limit,
            text: text.to_owned(),
            message: error.kind().to_string(),
        })?;
        let glob = glob.map(|glob| glob.compile_matcher());
        let text = format!("{limit} {text}");
        self.options.push(RuleOption { limit, glob, value, text, used: Arc::default() });
        Ok(self)
    }

    /// Lets tensors without elements pass.
    pub fn allow_empty(&mut self, allow: bool) -> &mut Self {
        self.allow_empty = allow;
        self
    }

    /// The rule for a tensor. `float`: its elements are of a float type.
    pub fn rule_for(&self, name: &str, kind: Kind, float: bool) -> Rule {
        let mut rule = Rule::default_for(kind, float);
        rule.allow_empty = self.allow_empty;
        rule.min_cosine = self.value(name, Limit::MinCosine, kind, float);
        rule.min_sqnr = self.value(name, Limit::MinSqnr, kind, float);
        rule.max_mismatch = self.value(name, Limit::MaxMismatch, kind, float).unwrap_or(0.0);
        let lsb = self.value(name, Limit::Lsb, kind, float);
        let atol = self.value(name, Limit::Atol, kind, float);
        let rtol = self.value(name, Limit::Rtol, kind, float);
        let whole = rule.min_cosine.is_some() || rule.min_sqnr.is_some();
        rule.elements = match (lsb, atol, rtol) {
            (Some(steps), None, None) => Elements::Steps(steps),
            (None, None, None) if whole => Elements::Any,
            (None, None, None) => rule.elements,
            _ => tolerance(rule.elements, atol, rtol),
        };
        rule
    }

    /// The options that applied to no tensor, as they were given. Each is an error: it does not do what was meant.
    pub fn unused(&self) -> Vec<String> {
        self.options
            .iter()
            .filter(|option| !option.used.load(Ordering::Relaxed))
            .map(|option| option.text.clone())
            .collect()
    }

    /// What was asked for, as it was given.
    pub fn describe(&self) -> Vec<String> {
        self.options.iter().map(|option| option.text.clone()).collect()
    }

    fn value(&self, name: &str, limit: Limit, kind: Kind, float: bool) -> Option<f64> {
        let fits =
            |option: &&RuleOption| option.limit == limit && option.applies(name, kind, float);
        let fitting: Vec<_> = self.options.iter().filter(fits).collect();
        fitting.iter().for_each(|option| option.used.store(true, Ordering::Relaxed));
        let named = fitting.iter().rev().find(|option| option.glob.is_some());
        // A pattern for the steps of a tensor takes the place of a tolerance for all, and the other way round.
        if named.is_none() && limit.is_elementwise() && self.names_elements(name, kind, float) {
            return None;
        }
        named.or(fitting.last()).map(|option| option.value)
    }

    fn names_elements(&self, name: &str, kind: Kind, float: bool) -> bool {
        self.options.iter().any(|option| {
            option.limit.is_elementwise()
                && option.glob.is_some()
                && option.applies(name, kind, float)
        })
    }
}

/// What is not given of a tolerance is 0 where the tensor was to be exact, and the default's otherwise.
fn tolerance(default: Elements, atol: Option<f64>, rtol: Option<f64>) -> Elements {
    let (a, r) = match default {
        Elements::Tolerance { atol, rtol } => (atol, rtol),
        _ => (0.0, 0.0),
    };
    Elements::Tolerance { atol: atol.unwrap_or(a), rtol: rtol.unwrap_or(r) }
}

impl RuleOption {
    /// Steps apply to what has steps; a tolerance without a pattern to plain floats alone, as codes are to be exact
    /// until somebody names them.
    fn applies(&self, name: &str, kind: Kind, float: bool) -> bool {
        let named = self.glob.as_ref().is_none_or(|glob| glob.is_match(name));
        let meant = match self.limit {
            Limit::Lsb => kind != Kind::Plain,
            Limit::Atol | Limit::Rtol => self.glob.is_some() || (float && kind == Kind::Plain),
            _ => true,
        };
        named && meant
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(options: &[(Limit, &str)]) -> Rules {
        let mut rules = Rules::new();
        for (limit, text) in options {
            rules.set(*limit, text).unwrap();
        }
        rules
    }

    fn rule(options: &[(Limit, &str)], name: &str, kind: Kind) -> String {
        rules(options).rule_for(name, kind, kind != Kind::Codes).to_string()
    }

    #[test]
    fn without_options_codes_are_exact_and_floats_within_the_vendors_tolerance() {
        assert_eq!(rule(&[], "t", Kind::Codes), "exact");
        assert_eq!(rule(&[], "t", Kind::Dequantized), "same step");
        assert_eq!(rule(&[], "t", Kind::Plain), "atol 1e-5 + rtol 1e-4");
        assert_eq!(Rules::new().rule_for("t", Kind::Plain, false).to_string(), "exact");
    }

    #[test]
    fn a_pattern_counts_before_an_option_for_all_and_the_last_before_the_first() {
        let options =
            [(Limit::Lsb, "/a/*=2"), (Limit::Lsb, "1"), (Limit::Lsb, "/a/b=3"), (Limit::Atol, "9")];
        assert_eq!(rule(&options, "/a/b", Kind::Codes), "within 3 steps");
        assert_eq!(rule(&options, "/a/c", Kind::Codes), "within 2 steps");
        assert_eq!(rule(&options, "/b", Kind::Codes), "within 1 steps");
        assert_eq!(rule(&options, "/b", Kind::Plain), "atol 9e0 + rtol 1e-4");
    }

    #[test]
    fn a_tolerance_for_all_leaves_codes_exact_and_one_with_a_pattern_does_not() {
        assert_eq!(rule(&[(Limit::Atol, "1")], "t", Kind::Codes), "exact");
        assert_eq!(rule(&[(Limit::Atol, "t=1")], "t", Kind::Codes), "atol 1e0 + rtol 0e0");
    }

    #[test]
    fn a_condition_for_the_whole_tensor_takes_the_place_of_the_default() {
        let cosine = (Limit::MinCosine, "0.99");
        assert_eq!(rule(&[cosine], "t", Kind::Codes), "cosine ≥ 0.99");
        assert_eq!(
            rule(&[cosine, (Limit::Lsb, "1")], "t", Kind::Codes),
            "within 1 steps, cosine ≥ 0.99"
        );
        let share = (Limit::MaxMismatch, "0.01");
        assert_eq!(rule(&[share], "t", Kind::Codes), "exact, at most 1 % beyond");
    }

    #[test]
    fn an_option_that_applies_to_nothing_is_told() {
        let rules = rules(&[(Limit::Lsb, "nothing=1"), (Limit::Lsb, "1"), (Limit::Rtol, "0")]);
        rules.rule_for("t", Kind::Codes, false);
        assert_eq!(rules.unused(), ["--lsb nothing=1", "--rtol 0"]);
    }

    #[test]
    fn what_is_no_number_or_no_pattern_is_refused() {
        let error = |limit, text| Rules::new().set(limit, text).unwrap_err().to_string();
        assert_eq!(
            error(Limit::Lsb, "-1"),
            "`--lsb -1`: expected [GLOB=]VALUE with a number of at least 0"
        );
        assert!(error(Limit::MaxMismatch, "x=1.5").contains("a fraction from 0 to 1"));
        assert!(error(Limit::Atol, "NaN").contains("at least 0"));
        assert!(error(Limit::Atol, "[=1").starts_with("`--atol [=1`: "));
    }
}
