//! A report judged again by other rules, from its numbers alone.

use crate::check::is_wide_float;
use crate::metrics::Metrics;
use crate::report::{Comparison, Record, Report, Role, Status};
use crate::rule::{Elements, Rule, Verdict};
use crate::rules::Rules;

impl Report {
    /// Judges every comparison by `rules`. Where the numbers do not tell, the tensor fails and the reason says so.
    pub fn judge_again(&mut self, rules: &Rules) {
        for record in &mut self.records {
            let dtype = vairun_tensor::DType::from_name(&record.dtype);
            let rule = rules.rule_for(&record.name, record.kind, dtype.is_some_and(is_wide_float));
            for comparison in [&mut record.cumulative, &mut record.isolated].into_iter().flatten() {
                comparison.judge_again(&rule);
            }
            record.status = status(record);
            if record.pass() {
                record.diagnosis = None;
            }
        }
        self.rules = rules.describe();
        self.summarize();
    }
}

fn status(record: &Record) -> Status {
    let pass = |comparison: &Option<Comparison>| comparison.as_ref().map(Comparison::pass);
    match (pass(&record.cumulative), pass(&record.isolated)) {
        (None, None) => Status::Missing,
        (Some(true), _) => Status::Pass,
        (_, Some(false)) => Status::Guilty,
        (Some(false), Some(true)) => Status::Inherited,
        (Some(false), None) if record.role == Role::Input || record.status == Status::Pass => {
            Status::Fail
        }
        (Some(false), None) => record.status,
        _ => Status::Pass,
    }
}

impl Comparison {
    fn judge_again(&mut self, rule: &Rule) {
        // Without numbers the tensors could not be compared at all, by any rule.
        let Some(metrics) = &mut self.metrics else { return };
        self.verdict = match beyond(rule, &self.verdict, metrics) {
            Some(beyond) => {
                metrics.beyond = beyond;
                rule.judge(&Ok(metrics.clone()))
            }
            None => Verdict {
                pass: false,
                rule: rule.to_string(),
                reasons: vec![format!(
                    "the report does not tell how many elements are beyond `{}`: check again",
                    rule.elements
                )],
            },
        };
    }
}

/// Pairs beyond a rule, where that can be known.
fn beyond(rule: &Rule, old: &Verdict, metrics: &Metrics) -> Option<u64> {
    let finite = |count: u64| count + metrics.one_sided;
    match rule.elements {
        Elements::Any => Some(metrics.one_sided),
        Elements::Exact => Some(metrics.differing()),
        _ if old.rule == rule.to_string() => Some(metrics.beyond),
        Elements::Steps(most) => {
            let steps = metrics.steps.as_ref()?;
            if steps.max <= most {
                return Some(finite(0));
            }
            let whole = (most.fract() == 0.0 && most < 4.0).then_some(most as usize)?;
            let inside = &steps.histogram[4 - whole..=4 + whole];
            Some(metrics.elements - inside.iter().sum::<u64>())
        }
        Elements::Tolerance { atol, .. } => (metrics.max_abs <= atol).then(|| finite(0)),
    }
}

#[cfg(test)]
mod tests {
    use vairun_tensor::Tensor;

    use super::*;
    use crate::rules::Limit;
    use crate::{GoldenSource, MemoryGolden, diff_tensors};

    fn golden(data: &[i8]) -> MemoryGolden {
        MemoryGolden::new("side", [("t".to_owned(), Tensor::vector(data.to_vec()))])
    }

    fn report() -> Report {
        let (a, b): (MemoryGolden, MemoryGolden) = (golden(&[1, 2, 3]), golden(&[1, 3, 5]));
        let sides: (&dyn GoldenSource, &dyn GoldenSource) = (&a, &b);
        diff_tensors(sides.0, sides.1, &Rules::new()).unwrap()
    }

    fn again(limit: Limit, text: &str) -> Vec<String> {
        let mut report = report();
        let mut rules = Rules::new();
        rules.set(limit, text).unwrap();
        report.judge_again(&rules);
        assert_eq!(report.passed(), report.records[0].pass());
        report.records[0].cumulative.as_ref().unwrap().verdict.reasons.clone()
    }

    #[test]
    fn steps_are_counted_anew() {
        assert_eq!(
            report().records[0].cumulative.as_ref().unwrap().metrics.as_ref().unwrap().beyond,
            2
        );
        assert_eq!(again(Limit::Lsb, "2"), [""; 0]);
        assert_eq!(again(Limit::Lsb, "1"), ["1 of 3 beyond `within 1 steps`"]);
        assert_eq!(again(Limit::MaxMismatch, "0.7"), [""; 0]);
    }

    #[test]
    fn what_the_numbers_do_not_tell_fails() {
        assert!(again(Limit::Atol, "t=1")[0].starts_with("the report does not tell"));
        assert_eq!(again(Limit::Atol, "t=2"), [""; 0]);
    }
}
