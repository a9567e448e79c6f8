//! `--round` and `--vary`: quantizers that deviate from their rule.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use clap::Args;
use globset::{Glob, GlobMatcher};
use vairun::ops::quant::varied::{Nodes, Varied};
use vairun_numeric::round::Round;
use vairun_numeric::variation::Variation;

use crate::failure::Failure;

#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Execution")]
pub(crate) struct VaryArgs {
    /// Round in quantizers by MODE instead of the model's rule: half-even, half-up (dpu), half-away (std), half-zero,
    /// floor, ceil, mixed; GLOB is for the node or its output (repeatable)
    #[arg(long, value_name = "[GLOB=]MODE")]
    pub(crate) round: Vec<String>,
    /// Let quantizers deviate in another way: wrap, narrow, reciprocal, scale*2^N, zero-point+N, first-channel, …
    #[arg(long, value_name = "[GLOB=]WORD", hide_short_help = true)]
    pub(crate) vary: Vec<String>,
}

/// The quantizers that deviate, and which of the options have been of use.
#[derive(Clone, Default)]
pub(crate) struct Vary {
    pub(crate) varied: Varied,
    used: Vec<(String, Arc<AtomicBool>)>,
}

impl VaryArgs {
    /// Reads the options.
    pub(crate) fn read(&self) -> Result<Vary, Failure> {
        let mut vary = Vary::default();
        for text in &self.round {
            let rounding = |word: &str| Round::from_name(word).map(Variation::rounding);
            let names: Vec<_> = Round::ALL.iter().map(|round| round.name()).collect();
            vary.add("--round", text, rounding, &names.join(", "))?;
        }
        for text in &self.vary {
            vary.add("--vary", text, Variation::from_word, Variation::WORDS)?;
        }
        Ok(vary)
    }

    /// What was asked for, as it was given.
    pub(crate) fn describe(&self) -> Vec<String> {
        let round = self.round.iter().map(|text| format!("--round {text}"));
        round.chain(self.vary.iter().map(|text| format!("--vary {text}"))).collect()
    }
}

impl Vary {
    fn add(
        &mut self,
        option: &str,
        text: &str,
        read: impl Fn(&str) -> Option<Variation>,
        known: &str,
    ) -> Result<(), Failure> {
        let (glob, word) = match text.rsplit_once('=') {
            Some((glob, word)) => (Some(glob), word),
            None => (None, text),
        };
        let wrong = |what: String| Failure::usage(format!("`{option} {text}`: {what}"));
        let variation = read(word).ok_or_else(|| wrong(format!("`{word}` is none of {known}")))?;
        let matcher = match glob {
            Some(glob) => {
                Some(Glob::new(glob).map_err(|e| wrong(e.to_string()))?.compile_matcher())
            }
            None => None,
        };
        let used = Arc::new(AtomicBool::new(false));
        self.used.push((format!("{option} {text}"), Arc::clone(&used)));
        self.varied.entries.push((nodes(matcher, used), variation));
        Ok(())
    }

    /// An option that no quantizer of the model was meant by is a mistake.
    pub(crate) fn check_used(&self) -> Result<(), Failure> {
        match self.used.iter().find(|(_, used)| !used.load(Ordering::Relaxed)) {
            None => Ok(()),
            Some((text, _)) => Err(Failure::usage(format!(
                "`{text}`: the model has no such quantizer to integers"
            ))),
        }
    }
}

fn nodes(glob: Option<GlobMatcher>, used: Arc<AtomicBool>) -> Nodes {
    Nodes::If(Arc::new(move |node: &str, output: &str| {
        let meant = glob.as_ref().is_none_or(|glob| glob.is_match(node) || glob.is_match(output));
        used.fetch_or(meant, Ordering::Relaxed);
        meant
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_that_mean_nothing_are_refused() {
        let read = |round: &str, vary: &str| {
            let list = |text: &str| if text.is_empty() { vec![] } else { vec![text.to_owned()] };
            VaryArgs { round: list(round), vary: list(vary) }
                .read()
                .map(|_| ())
                .map_err(|f| f.message)
        };
        assert!(read("half-up", "x=wrap").is_ok());
        assert!(read("sideways", "").unwrap_err().contains("is none of half-up"));
        assert!(read("wrap", "").is_err(), "no rounding");
        assert!(read("", "[=wrap").unwrap_err().starts_with("`--vary [=wrap`: "));
    }

    #[test]
    fn an_option_without_a_quantizer_is_told() {
        let args = VaryArgs { round: vec!["q*=half-up".into()], vary: vec![] };
        let vary = args.read().unwrap();
        assert!(vary.check_used().is_err());
        let Nodes::If(test) = &vary.varied.entries[0].0 else { panic!() };
        assert!(!test("x", "y") && test("x", "q1"));
        assert!(vary.check_used().is_ok());
    }
}
