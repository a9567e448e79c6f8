//! A check of a small graph `x → double → d → negate → y`, evaluated here.

use std::sync::Arc;

use vairun_exec::{Options, Plan};
use vairun_graph::{Attributes, Node, OpId};
use vairun_ops::{
    BuildError, Context, Inputs, NodeSpec, OpEntry, OpError, Operator, Outputs, Provider,
};

use super::*;
use crate::golden::MemoryGolden;
use crate::matching::{Matcher, NameMap};
use crate::rules::Limit;

struct Scaled(f32);

impl Operator for Scaled {
    fn run(&self, inputs: Inputs, _: &mut dyn Context) -> Result<Outputs, OpError> {
        let x = inputs.tensor(0, "x")?;
        let y = x.as_slice::<f32>()?.iter().map(|x| x * self.0).collect();
        Ok(vec![Tensor::new(x.shape(), y).expect("the shape of x").into()])
    }
}

struct Arithmetic;

impl Provider for Arithmetic {
    fn build(&self, spec: &NodeSpec) -> Option<Result<Box<dyn Operator>, BuildError>> {
        let factor = if spec.op.op_type == "Double" { 2.0 } else { -1.0 };
        Some(Ok(Box::new(Scaled(factor))))
    }

    fn entries(&self) -> Vec<OpEntry> {
        Vec::new()
    }
}

fn graph() -> Graph {
    let mut graph = Graph::default();
    let [x, d, y] = ["x", "d", "y"].map(|name| graph.add_value(name));
    graph.inputs = vec![x];
    graph.outputs = vec![y];
    let node = |name: &str, op: &str, from, to| Node {
        name: name.into(),
        op: OpId::new("", op, 1),
        inputs: vec![Some(from)],
        outputs: vec![Some(to)],
        attributes: Attributes::new(),
    };
    graph.nodes = vec![node("n0", "Double", x, d), node("n1", "Negate", d, y)];
    graph
}

fn check(golden: &[(&str, &[f32])], rules: &Rules) -> Report {
    let graph = Arc::new(graph());
    let plan = Plan::new(Arc::clone(&graph), &[Arc::new(Arithmetic)], &Options::default()).unwrap();
    let tensors =
        golden.iter().map(|(name, data)| ((*name).to_owned(), Tensor::vector(data.to_vec())));
    let golden = MemoryGolden::new("golden", tensors);
    let map = NameMap::default();
    let names = Matcher::new(&graph, &golden, &map);
    let mut check = Check::new(&graph, &names, rules);
    let x = Tensor::vector(vec![1f32, 2.0]);
    plan.run(vec![Some(x.into())], Some(&mut check)).unwrap();
    check.finish("model.onnx").unwrap()
}

fn status(report: &Report) -> Vec<(&str, bool)> {
    report.records.iter().map(|record| (record.name.as_str(), record.pass())).collect()
}

#[test]
fn every_tensor_that_the_golden_has_is_compared_in_execution_order() {
    let report =
        check(&[("y", &[-2.0, -4.0]), ("x", &[1.0, 2.0]), ("d", &[2.0, 4.0])], &Rules::new());
    assert_eq!(status(&report), [("x", true), ("d", true), ("y", true)]);
    assert!(report.passed());
    assert_eq!((report.summary.compared, report.summary.passed), (2, 2));
    assert_eq!(report.records[2].role, Role::Output);
    assert_eq!(report.records[2].node, "n1");
}

#[test]
fn the_first_tensor_that_differs_is_named() {
    let report = check(&[("y", &[-2.0, -5.0]), ("d", &[2.0, 5.0])], &Rules::new());
    assert!(!report.passed());
    assert_eq!(report.summary.first.as_deref(), Some("d"));
}

#[test]
fn an_input_that_differs_fails_although_every_result_passes() {
    let report = check(&[("x", &[1.0, 3.0]), ("y", &[-2.0, -4.0])], &Rules::new());
    assert!(!report.passed());
    assert_eq!((report.summary.inputs_differ, report.summary.passed), (1, 1));
}

#[test]
fn nothing_compared_fails() {
    for (golden, problem) in [
        (&[] as &[(&str, &[f32])], "no golden tensor matches a tensor of the model"),
        (&[("z", &[1.0])], "no golden tensor matches a tensor of the model"),
        (&[("x", &[1.0, 2.0])], "the golden has only inputs of the model: no result was compared"),
    ] {
        let report = check(golden, &Rules::new());
        assert!(!report.passed());
        assert_eq!(report.summary.problem.as_deref(), Some(problem));
    }
}

#[test]
fn another_shape_fails() {
    let report = check(&[("y", &[-2.0])], &Rules::new());
    assert!(!report.passed());
    let verdict = &report.records[0].comparison().unwrap().verdict;
    assert_eq!(verdict.reasons, ["shape [2], expected [1]"]);
}

#[test]
fn what_the_golden_has_and_the_model_lacks_is_listed() {
    let report = check(&[("y", &[-2.0, -4.0]), ("z", &[1.0])], &Rules::new());
    assert!(report.passed());
    assert_eq!(report.unmatched[0].name, "z");
}

#[test]
fn what_the_run_did_not_make_is_missing() {
    let graph = graph();
    let golden = MemoryGolden::new("golden", [("d".to_owned(), Tensor::scalar(1f32))]);
    let rules = Rules::new();
    let map = NameMap::default();
    let names = Matcher::new(&graph, &golden, &map);
    let report = Check::new(&graph, &names, &rules).finish("model.onnx").unwrap();
    assert!(!report.passed());
    assert_eq!(report.records[0].status, Status::Missing);
}

#[test]
fn rules_apply_by_name() {
    let mut rules = Rules::new();
    rules.set(Limit::Atol, "d=1").unwrap();
    let report = check(&[("y", &[-2.0, -5.0]), ("d", &[2.0, 5.0])], &rules);
    assert_eq!(status(&report), [("d", true), ("y", false)]);
    assert_eq!(report.records[0].comparison().unwrap().verdict.rule, "atol 1e0 + rtol 1e-4");
    assert_eq!(report.rules, ["--atol d=1"]);
    assert!(rules.unused().is_empty());
}

/// The records of the isolated run, and the nodes that ran: `again` lets those alone run that must.
fn isolated(golden: &[(&str, &[f32])], again: bool) -> (Vec<Record>, Vec<String>) {
    struct Ran<'a>(Check<'a>, Vec<String>);
    impl Observer for Ran<'_> {
        fn node(&mut self, event: &NodeEvent) -> Result<(), ObserverError> {
            self.1.push(event.node.name.clone());
            self.0.node(event)
        }

        fn instead(&mut self, node: &Node) -> Option<Vec<Value>> {
            self.0.instead(node)
        }

        fn substitute(&mut self, name: &str, value: &Value) -> Option<Value> {
            self.0.substitute(name, value)
        }
    }
    let mut graph = graph();
    let [z, w] = ["z", "w"].map(|name| graph.add_value(name));
    for (from, to) in [(graph.outputs[0], z), (z, w)] {
        let mut node = graph.nodes[1].clone();
        (node.name, node.inputs, node.outputs) =
            (format!("n{}", graph.nodes.len()), vec![Some(from)], vec![Some(to)]);
        graph.nodes.push(node);
    }
    graph.outputs = vec![w];
    let graph = Arc::new(graph);
    let plan = Plan::new(Arc::clone(&graph), &[Arc::new(Arithmetic)], &Options::default()).unwrap();
    let tensors =
        golden.iter().map(|(name, data)| ((*name).to_owned(), Tensor::vector(data.to_vec())));
    let golden = MemoryGolden::new("golden", tensors);
    let (map, rules) = (NameMap::default(), Rules::new());
    let names = Matcher::new(&graph, &golden, &map);
    let x = || vec![Some(Tensor::vector(vec![1f32, 2.0]).into())];
    let mut first = Check::new(&graph, &names, &rules);
    plan.run(x(), Some(&mut first)).unwrap();
    let isolation = Isolation::of(&graph, &names, &first.records, &first.fed);
    let kept = isolation.as_ref().filter(|_| again).map(|some| some.kept(&first.records));
    let check = Check::isolated(&graph, &names, &rules).only(isolation.filter(|_| again));
    let mut ran = Ran(check, Vec::new());
    plan.run(x(), Some(&mut ran)).unwrap();
    let Ran(check, nodes) = ran;
    let mut records = check.records;
    records.extend(kept.into_iter().flatten());
    records.sort_by_key(|record| record.order);
    (records, nodes)
}

#[test]
fn isolated_only_what_reads_another_tensor_runs_again() {
    type Golden<'a> = &'a [(&'a str, &'a [f32])];
    let cases: [(Golden, &[&str]); 4] = [
        (
            &[("d", &[2.0, 5.0]), ("y", &[-2.0, -4.0]), ("z", &[2.0, 4.0]), ("w", &[-2.0, -4.0])],
            &["n1"],
        ),
        (&[("d", &[2.0, 5.0]), ("z", &[2.0, 4.0]), ("w", &[-2.0, -4.0])], &["n1", "n2"]),
        (&[("y", &[-2.0, -4.0]), ("w", &[-2.0, -9.0])], &[]),
        (&[("d", &[2.0, 5.0, 6.0]), ("y", &[-2.0, f32::NAN]), ("w", &[-2.0, -4.0])], &["n2", "n3"]),
    ];
    for (golden, nodes) in cases {
        let (records, ran) = isolated(golden, true);
        assert_eq!(ran, nodes, "{golden:?}");
        // NaN equals nothing, itself included.
        let text = |records: &[Record]| format!("{records:?}");
        assert_eq!(text(&records), text(&isolated(golden, false).0), "{golden:?}");
    }
}
