//! What the verbs that compare share: the rules, and how the terminal is.

use clap::Args;
use vairun_compare::{Limit, Rules};
use vairun_report::Style;

use crate::failure::Failure;

#[derive(Args, Clone, Debug)]
#[command(
    next_help_heading = "Rules (the last that fits a tensor counts, one with a pattern first)"
)]
pub(crate) struct RuleArgs {
    /// Steps of the quantizer by which codes may differ [default: 0]
    #[arg(long, value_name = "[GLOB=]N")]
    lsb: Vec<String>,
    /// Absolute tolerance of floats [default: 1e-5]
    #[arg(long, value_name = "[GLOB=]X")]
    atol: Vec<String>,
    /// Relative tolerance of floats [default: 1e-4]
    #[arg(long, value_name = "[GLOB=]X")]
    rtol: Vec<String>,
    /// The share of the elements that may be beyond these [default: 0]
    #[arg(long, value_name = "[GLOB=]FRACTION")]
    max_mismatch: Vec<String>,
    /// The least cosine, in place of a condition for each element
    #[arg(long, value_name = "[GLOB=]X", allow_hyphen_values = true)]
    min_cosine: Vec<String>,
    /// The least signal-to-noise ratio, in place of a condition for each element
    #[arg(long, value_name = "[GLOB=]DB", allow_hyphen_values = true)]
    min_sqnr: Vec<String>,
    /// Let tensors without elements pass
    #[arg(long)]
    allow_empty: bool,
}

impl RuleArgs {
    /// Reads the options.
    pub(crate) fn read(&self) -> Result<Rules, Failure> {
        let mut rules = Rules::new();
        for (limit, texts) in [
            (Limit::Lsb, &self.lsb),
            (Limit::Atol, &self.atol),
            (Limit::Rtol, &self.rtol),
            (Limit::MaxMismatch, &self.max_mismatch),
            (Limit::MinCosine, &self.min_cosine),
            (Limit::MinSqnr, &self.min_sqnr),
        ] {
            for text in texts {
                rules.set(limit, text).map_err(Failure::usage)?;
            }
        }
        rules.allow_empty(self.allow_empty);
        Ok(rules)
    }
}

/// An option that applied to no tensor does not do what was meant.
pub(crate) fn check_used(rules: &Rules) -> Result<(), Failure> {
    match rules.unused().as_slice() {
        [] => Ok(()),
        unused => {
            let quoted: Vec<_> = unused.iter().map(|text| format!("`{text}`")).collect();
            let what = format!("{} applied to no tensor that was compared", quoted.join(", "));
            Err(Failure::usage(what)
                .help("--lsb is for codes, --atol and --rtol without a pattern for plain floats"))
        }
    }
}

/// Columns where there is no terminal: names in files and pipes are whole.
const UNBOUNDED: usize = 1000;

/// The terminal. Colours are taken out again where there is none.
pub(crate) fn style() -> Style {
    Style { width: crate::table::width().unwrap_or(UNBOUNDED), color: true, all: false }
}
