//! The run loop on a small graph with operators made for the purpose.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use vairun_graph::{Attribute, Attributes, Capture, Graph, Node, OpId, ValueId};
use vairun_ops::{
    BuildError, Context, Inputs, NodeSpec, OpEntry, OpError, Operator, Outputs, Provider,
};
use vairun_tensor::{DType, MappedFile, Tensor, Value};

use crate::{NodeEvent, Observer, ObserverError, Options, Plan, RunError};

/// `Add`: the sum of its inputs; counts its runs. `Repeat`: runs its body `n` times on its input.
#[derive(Default)]
struct Arithmetic {
    runs: Arc<AtomicUsize>,
}

struct Add(Arc<AtomicUsize>);

impl Operator for Add {
    fn run(&self, inputs: Inputs, _: &mut dyn Context) -> Result<Outputs, OpError> {
        self.0.fetch_add(1, Ordering::Relaxed);
        let mut sum = 0.0;
        for i in 0..inputs.len() {
            let tensor = inputs.tensor(i, "x")?;
            sum += tensor.as_scalar::<f32>().ok_or(OpError::Shape {
                input: "x".into(),
                got: tensor.shape().to_vec(),
                expected: "one element".into(),
            })?;
        }
        Ok(vec![Tensor::scalar(sum).into()])
    }
}

struct Repeat(i64);

impl Operator for Repeat {
    fn run(&self, mut inputs: Inputs, context: &mut dyn Context) -> Result<Outputs, OpError> {
        let mut value = Value::from(inputs.take(0, "x")?);
        for _ in 0..self.0 {
            value = context.run_body("body", vec![value])?.remove(0);
        }
        Ok(vec![value])
    }
}

impl Provider for Arithmetic {
    fn build(&self, spec: &NodeSpec) -> Option<Result<Box<dyn Operator>, BuildError>> {
        match spec.op.op_type.as_str() {
            "Add" => Some(Ok(Box::new(Add(Arc::clone(&self.runs))))),
            "Repeat" => Some(Ok(Box::new(Repeat(3)))),
            _ => None,
        }
    }

    fn entries(&self) -> Vec<OpEntry> {
        Vec::new()
    }
}

fn node(name: &str, op_type: &str, inputs: &[ValueId], output: ValueId) -> Node {
    Node {
        name: name.into(),
        op: OpId::new("", op_type, 1),
        inputs: inputs.iter().copied().map(Some).collect(),
        outputs: vec![Some(output)],
        attributes: Attributes::new(),
    }
}

/// `y = x + (c + c)`
fn graph() -> Graph {
    let mut graph = Graph::default();
    let [x, c, d, y] = ["x", "c", "d", "y"].map(|name| graph.add_value(name));
    graph.inputs = vec![x];
    graph.outputs = vec![y];
    graph.initializers.insert(c, Tensor::scalar(2f32));
    graph.nodes = vec![node("double", "Add", &[c, c], d), node("sum", "Add", &[x, d], y)];
    graph
}

fn plan(graph: Graph) -> (Plan, Arc<AtomicUsize>) {
    let provider = Arithmetic::default();
    let runs = Arc::clone(&provider.runs);
    (Plan::new(Arc::new(graph), &[Arc::new(provider)], &Options::default()).unwrap(), runs)
}

fn scalar(value: f32) -> Vec<Option<Value>> {
    vec![Some(Tensor::scalar(value).into())]
}

fn number(values: &[Value]) -> f32 {
    *values[0].as_tensor().unwrap().as_scalar().unwrap()
}

#[derive(Default)]
struct Names(Vec<String>, Option<(&'static str, f32)>);

impl Observer for Names {
    fn input(&mut self, name: &str, _: &Value) -> Result<(), ObserverError> {
        self.0.push(name.into());
        Ok(())
    }

    fn node(&mut self, event: &NodeEvent) -> Result<(), ObserverError> {
        self.0.extend(event.outputs.iter().map(|(name, _)| format!("{}{name}", event.scope)));
        Ok(())
    }

    fn substitute(&mut self, name: &str, _: &Value) -> Option<Value> {
        self.1.filter(|(wanted, _)| *wanted == name).map(|(_, value)| Tensor::scalar(value).into())
    }
}

#[test]
fn constants_are_computed_once_and_still_observed() {
    let (plan, runs) = plan(graph());
    let mut names = Names::default();
    assert_eq!(number(&plan.run(scalar(1.0), Some(&mut names)).unwrap()), 5.0);
    assert_eq!(number(&plan.run(scalar(2.0), None).unwrap()), 6.0);
    assert_eq!(names.0, ["x", "d", "y"]);
    assert_eq!(runs.load(Ordering::Relaxed), 3, "`double` once, `sum` twice");
}

#[test]
fn a_constant_whose_file_has_changed_is_not_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("weights");
    std::fs::write(&path, 2f32.to_le_bytes()).unwrap();
    let file = MappedFile::open(&path).unwrap();
    let mut graph = Graph::default();
    let [x, c, y] = ["x", "c", "y"].map(|name| graph.add_value(name));
    (graph.inputs, graph.outputs) = (vec![x], vec![y]);
    graph.initializers.insert(c, Tensor::from_mapped(DType::F32, &[], &file, 0, 4).unwrap());
    graph.nodes = vec![node("sum", "Add", &[x, c], y)];
    let (plan, _) = plan(graph);
    assert_eq!(number(&plan.run(scalar(1.0), None).unwrap()), 3.0);
    std::fs::write(&path, [0; 8]).unwrap();
    let error = plan.run(scalar(1.0), None).unwrap_err().to_string();
    let expected = "weights: changed while it was open; open it again";
    assert!(error.starts_with("the file of a constant: ") && error.ends_with(expected), "{error}");
}

#[test]
fn an_observer_may_put_another_value_in_place() {
    let (plan, _) = plan(graph());
    let mut names = Names(Vec::new(), Some(("d", 10.0)));
    assert_eq!(number(&plan.run(scalar(1.0), Some(&mut names)).unwrap()), 11.0);
    assert_eq!(number(&plan.run(scalar(1.0), None).unwrap()), 5.0, "and it does not stay");
}

/// Has the value of `d`, and is told of the rest.
#[derive(Default)]
struct Stands(Vec<(usize, String)>);

impl Observer for Stands {
    fn node(&mut self, event: &NodeEvent) -> Result<(), ObserverError> {
        self.0.push((event.index, event.node.name.clone()));
        Ok(())
    }

    fn instead(&mut self, node: &Node) -> Option<Vec<Value>> {
        (node.name == "double").then(|| vec![Tensor::scalar(20f32).into()])
    }
}

#[test]
fn an_observer_may_stand_in_for_a_node() {
    let (plan, runs) = plan(graph());
    let mut stands = Stands::default();
    runs.store(0, Ordering::Relaxed);
    assert_eq!(number(&plan.run(scalar(1.0), Some(&mut stands)).unwrap()), 21.0);
    assert_eq!(stands.0, [(1, "sum".to_owned())], "its place counts");
    assert_eq!(runs.load(Ordering::Relaxed), 1);
}

#[test]
fn an_input_that_is_also_an_initializer_is_a_default() {
    let mut graph = graph();
    graph.inputs.push(ValueId(1));
    let (plan, _) = plan(graph);
    let [one, ten] = [1.0f32, 10.0].map(|value| Some(Value::from(Tensor::scalar(value))));
    assert_eq!(number(&plan.run(vec![one.clone(), None], None).unwrap()), 5.0);
    assert_eq!(number(&plan.run(vec![one, ten], None).unwrap()), 21.0);
}

#[test]
fn what_a_body_makes_of_constants_around_it_is_computed_once() {
    let mut body = Graph::default();
    let [state, c, double, next] =
        ["state", "c", "double", "next"].map(|name| body.add_value(name));
    body.inputs = vec![state];
    body.outputs = vec![next];
    body.captures = vec![Capture { outer: ValueId(1), inner: c }];
    body.nodes =
        vec![node("double", "Add", &[c, c], double), node("inner", "Add", &[state, double], next)];
    let mut graph = Graph::default();
    let [x, c, y] = ["x", "c", "y"].map(|name| graph.add_value(name));
    graph.inputs = vec![x];
    graph.outputs = vec![y];
    graph.initializers.insert(c, Tensor::scalar(2f32));
    let mut repeat = node("repeat", "Repeat", &[x], y);
    repeat.attributes.insert("body".into(), Attribute::Graph(Box::new(body)));
    graph.nodes = vec![repeat];
    let (plan, runs) = plan(graph);
    let before = runs.load(Ordering::Relaxed);
    for _ in 0..2 {
        let y = plan.run(vec![Some(Tensor::scalar(1f32).into())], None).unwrap().remove(0);
        assert_eq!(y.as_tensor().unwrap().as_scalar::<f32>(), Some(&13.0));
    }
    assert_eq!((before, runs.load(Ordering::Relaxed)), (1, 7));
}

#[test]
fn a_body_sees_captured_values_and_its_names_carry_the_pass() {
    let mut body = Graph::default();
    let [state, outer, next] = ["state", "x", "next"].map(|name| body.add_value(name));
    body.inputs = vec![state];
    body.outputs = vec![next];
    body.captures = vec![Capture { outer: ValueId(0), inner: outer }];
    body.nodes = vec![node("inner", "Add", &[state, outer], next)];
    let mut graph = Graph::default();
    let [x, y] = ["x", "y"].map(|name| graph.add_value(name));
    graph.inputs = vec![x];
    graph.outputs = vec![y];
    let mut repeat = node("repeat", "Repeat", &[x], y);
    repeat.attributes.insert("body".into(), Attribute::Graph(Box::new(body)));
    graph.nodes = vec![repeat];
    let (plan, _) = plan(graph);
    let mut names = Names::default();
    assert_eq!(number(&plan.run(scalar(1.5), Some(&mut names)).unwrap()), 6.0);
    assert!(names.0.contains(&"repeat/body[2]/next".to_owned()), "{:?}", names.0);
}

#[test]
fn every_node_without_an_operator_is_named_before_the_run() {
    let mut graph = graph();
    graph.nodes.iter_mut().for_each(|node| node.op.op_type = "Nothing".into());
    let problems =
        Plan::new(Arc::new(graph), &[Arc::new(Arithmetic::default())], &Options::default());
    let names: Vec<_> =
        problems.err().unwrap().problems.into_iter().map(|problem| problem.node).collect();
    assert_eq!(names, ["double", "sum"]);
}

#[test]
fn a_node_that_fails_is_named_with_its_inputs() {
    let (plan, _) = plan(graph());
    let error = plan.run(vec![Some(Tensor::vector(vec![1f32, 2.0]).into())], None).unwrap_err();
    assert!(
        matches!(&error, RunError::Node(failure) if failure.node == "sum" && failure.tensor == "y")
    );
    let text = error.to_string();
    assert!(text.contains("x has shape [2], expected one element"), "{text}");
    assert!(text.contains("inputs: `x` float32 [2], `d` float32 []"), "{text}");
}

#[test]
fn a_missing_input_is_named() {
    let (plan, _) = plan(graph());
    assert_eq!(plan.run(vec![None], None).unwrap_err().to_string(), "no value for input `x`");
}
