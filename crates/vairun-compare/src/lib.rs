//! Compares tensors: metrics, verdicts, diagnosis, golden layouts.
//!
//! [`measure`] puts two tensors side by side, a [`Rule`] judges, a [`Check`] does so for every tensor of a run and
//! makes a [`Report`]. Comparison fails closed: NaN against a number, another shape, a missing tensor, nothing
//! compared are failures. The crate does not print.

mod again;
mod around;
mod check;
mod diff;
mod explain;
pub mod golden;
mod matching;
mod measure;
mod metrics;
mod number;
pub mod pair;
mod quantizer;
mod quantizers;
mod report;
mod rule;
mod rules;

pub use around::{Around, Edge, Near};
pub use check::{
    Check, Engine, EngineError, Found, MadeTensor, Mismatches, Pairing, Prepared, Settings, cast,
    check,
};
pub use diff::{Layer, ModelDiff, diff_models, diff_tensors};
pub use explain::{Sweep, SweepRow, sweep};
pub use golden::{Content, Entry, GoldenError, GoldenSource, MemoryGolden};
pub use matching::{Matcher, NameMap, NameMapError, Outline, outlines};
pub use measure::{Incomparable, Subject, measure};
pub use metrics::{Channels, Classes, Element, Metrics, Range, Sides, Steps};
pub use quantizer::{Kind, Quantizer};
pub use quantizers::Quantizers;
pub use report::{
    Comparison, Diagnosis, Explanation, Mode, Reading, Record, Report, Role, SCHEMA, Status,
    Summary, Unmatched,
};
pub use rule::{Elements, Rule, Verdict};
pub use rules::{Limit, RuleError, Rules};
