use vairun_compare::Unmatched;

use super::*;
use crate::fixture::{record, report};

fn equal(name: &str, order: usize) -> Record {
    record(name, order, &[1, 2], &[1, 2])
}

#[test]
fn a_check_that_passes_says_so_in_words() {
    let report = report(vec![equal("x", 0), equal("y", 1)]);
    let text = terminal(&report, &Style::default());
    assert!(text.contains("PASS  1 tensor compared, all pass"), "{text}");
    assert!(text.contains("2 of 2 golden tensors matched · 1 input equal"), "{text}");
    assert_eq!(one_line(&report), "PASS 1/1 all equal");
}

#[test]
fn the_first_tensor_that_differs_is_pointed_at() {
    let report =
        report(vec![equal("x", 0), record("y", 1, &[1, 2], &[1, 3]), record("z", 2, &[0], &[9])]);
    let text = terminal(&report, &Style::default());
    let line = text.lines().find(|line| line.contains("◀")).unwrap();
    assert!(line.contains("✗") && line.contains(" y ") && line.contains("FAIL"), "{text}");
    assert!(text.contains("y: 1 of 2 beyond `exact`"), "{text}");
    assert!(text.contains("worst element: [0, 1] got 2, expected 3"), "{text}");
    assert!(text.contains("steps: −1: 1   0: 1"), "{text}");
    assert!(text.contains("FAIL  2 of 2 tensors fail"), "{text}");
    assert_eq!(one_line(&report), "FAIL 0/2 first=y max|Δ|=1");
}

#[test]
fn what_passes_is_folded_in_a_long_table() {
    let mut records: Vec<_> = (0..60).map(|i| equal(&format!("t{i}"), i)).collect();
    records[40] = record("t40", 40, &[1], &[2]);
    let report = report(records);
    let text = terminal(&report, &Style::default());
    assert!(text.contains("0–39") && text.contains("(40 more pass)"), "{text}");
    assert!(text.lines().count() < 24, "{text}");
    let all = terminal(&report, &Style { all: true, ..Style::default() });
    assert!(all.lines().count() > 60);
}

#[test]
fn lines_are_as_wide_as_the_terminal_at_most() {
    let name = "/a/very/long/path/of/modules/".repeat(4);
    let report = report(vec![equal("x", 0), record(&name, 1, &[1], &[2])]);
    for width in [60, 80, 132] {
        let text = terminal(&report, &Style { width, ..Style::default() });
        // But for a word that is longer.
        let fits = |line: &str| line.chars().count() <= width || line.trim().contains(&name);
        assert!(text.lines().all(fits), "{text}");
        assert!(text.contains("FAIL") && text.contains("equal %"), "{text}");
        let coloured = terminal(&report, &Style { width, color: true, ..Style::default() });
        assert_eq!(coloured.lines().count(), text.lines().count(), "{coloured}");
    }
}

#[test]
fn nothing_compared_is_a_failure_in_words() {
    let mut report = report(Vec::new());
    report.unmatched = vec![Unmatched { name: "z".into(), closest: vec!["y".into()] }];
    let text = terminal(&report, &Style::default());
    assert!(text.contains("no counterpart in the model: z (closest: y)"), "{text}");
    assert!(text.contains("FAIL  no golden tensor matches a tensor of the model"), "{text}");
}

#[test]
fn the_explanation_that_holds_and_its_proof_are_told() {
    let mut guilty = record("y", 1, &[1, 2], &[1, 3]);
    guilty.status = Status::Guilty;
    let explanation = vairun_compare::Explanation {
        cause: "rounding".into(),
        text: "rounded half-up instead of half-even: 0 differences".into(),
        differing: 1,
        left: 0,
        proof: Some("--round 'y=half-up'".into()),
    };
    guilty.diagnosis =
        Some(vairun_compare::Diagnosis { explanations: vec![explanation], ..Default::default() });
    let text = terminal(&report(vec![equal("x", 0), guilty.clone()]), &Style::default());
    assert!(text.contains("y: rounded half-up instead of half-even: 0 differences"), "{text}");
    assert!(text.contains("to prove it, add: --round 'y=half-up'"), "{text}");
    guilty.diagnosis = Some(vairun_compare::Diagnosis::default());
    let text = terminal(&report(vec![guilty]), &Style::default());
    assert!(text.contains("none of the explanations that were tried holds"), "{text}");
}

#[test]
fn what_is_the_same_of_several_tensors_is_told_once() {
    let guilty = |name: &str, order| {
        let mut guilty = record(name, order, &[1, 2], &[1, 3]);
        guilty.status = Status::Guilty;
        let explanation = vairun_compare::Explanation {
            cause: "rounding".into(),
            text: format!("{name} is rounded"),
            differing: 1,
            left: 0,
            proof: Some(format!("--round '{name}=half-up'")),
        };
        let explanations = vec![explanation];
        guilty.diagnosis = Some(vairun_compare::Diagnosis { explanations, ..Default::default() });
        guilty
    };
    let records = vec![guilty("y", 1), guilty("z", 2), guilty("w", 3)];
    let text = terminal(&report(records), &Style::default());
    assert!(text.contains("y: y is rounded") && !text.contains("z is rounded"), "{text}");
    assert!(text.contains("the same of 2 more tensors: z, w"), "{text}");
    assert!(text.contains("for every quantizer: --round half-up"), "{text}");
}
