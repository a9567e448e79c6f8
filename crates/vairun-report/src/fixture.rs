//! Small reports for the tests of every form.

use vairun_compare::{
    Around, Comparison, Diagnosis, Edge, Explanation, Kind, Mode, Near, Quantizer, Reading, Record,
    Report, Role, Rules, SCHEMA, Status, Subject, Summary, Unmatched, measure,
};
use vairun_tensor::Tensor;

/// A record of int8 codes.
pub(crate) fn record(name: &str, order: usize, got: &[i8], want: &[i8]) -> Record {
    let compared = compare(name, got, want);
    Record {
        name: name.into(),
        node: format!("node of {name}"),
        op: "vai::QuantizeLinear".into(),
        order,
        role: if order == 0 { Role::Input } else { Role::Inner },
        dtype: "int8".into(),
        shape: vec![1, got.len()],
        kind: Kind::Codes,
        quantizer: Some(Quantizer::per_tensor(0.5, 0, Some([-128, 127]))),
        golden: Reading { name: name.into(), ..Reading::default() },
        status: if compared.pass() { Status::Pass } else { Status::Fail },
        cumulative: Some(compared),
        isolated: None,
        diagnosis: None,
        differences: None,
    }
}

fn compare(name: &str, got: &[i8], want: &[i8]) -> Comparison {
    let quantizer = Quantizer::per_tensor(0.5, 0, Some([-128, 127]));
    let rule = Rules::new().rule_for(name, Kind::Codes, false);
    let subject = Subject {
        kind: Kind::Codes,
        quantizer: Some(&quantizer),
        elements: rule.elements,
        scores: false,
    };
    let tensor = |codes: &[i8]| Tensor::vector(codes.to_vec()).reshaped(&[1, codes.len()]).unwrap();
    let measured = measure(&tensor(got), &tensor(want), &subject);
    Comparison { verdict: rule.judge(&measured), metrics: measured.ok() }
}

/// A report of these records.
pub(crate) fn report(records: Vec<Record>) -> Report {
    let mut report = Report {
        schema: SCHEMA.into(),
        vairun: "0.1.0".into(),
        model: "m.onnx".into(),
        golden: vec!["ref.npz".into()],
        rules: Vec::new(),
        mode: Mode::Both,
        notes: Vec::new(),
        summary: Summary::default(),
        records,
        unmatched: Vec::new(),
        unchecked_outputs: Vec::new(),
        around: None,
    };
    report.summarize();
    report
}

/// An input and a result that are equal.
pub(crate) fn passing() -> Report {
    report(vec![record("x", 0, &[1, 2], &[1, 2]), record("y", 1, &[1, 2], &[1, 2])])
}

/// An equal input, a guilty tensor with an explanation, one that inherits, one that the run did not make, and names
/// without counterparts.
pub(crate) fn failing() -> Report {
    let mut guilty = record("y", 1, &[1, 2], &[1, 3]);
    guilty.status = Status::Guilty;
    guilty.isolated = guilty.cumulative.clone();
    guilty.diagnosis = Some(Diagnosis {
        from: vec!["x".into()],
        nodes: vec!["node of y".into()],
        explanations: vec![Explanation {
            cause: "rounding".into(),
            text: "all 1 differences are ±1 on ties".into(),
            differing: 1,
            left: 0,
            proof: Some("--round half-up".into()),
        }],
    });
    let mut inherits = record("z", 2, &[7, 0], &[9, 0]);
    inherits.status = Status::Inherited;
    inherits.isolated = Some(compare("z", &[9, 0], &[9, 0]));
    let missing = Record {
        dtype: String::new(),
        shape: Vec::new(),
        cumulative: None,
        status: Status::Missing,
        ..record("w", 3, &[0], &[0])
    };
    let mut report = report(vec![record("x", 0, &[1, 2], &[1, 2]), guilty, inherits, missing]);
    report.unmatched = vec![Unmatched { name: "q_fix".into(), closest: vec!["q".into()] }];
    report.unchecked_outputs = vec!["out".into()];
    report.around = Some(around());
    report
}

fn around() -> Around {
    let near = |name: &str, center: bool| Near {
        name: format!("node of {name}"),
        op: if name == "x" { "" } else { "vai::QuantizeLinear" }.into(),
        outputs: vec![name.into()],
        center,
        cut: name == "z",
    };
    let edge = |from, to, tensor: &str| Edge { from, to, tensor: tensor.into() };
    Around {
        tensor: "y".into(),
        nodes: vec![near("x", false), near("y", true), near("z", false)],
        edges: vec![edge(0, 1, "x"), edge(1, 2, "y")],
    }
}
