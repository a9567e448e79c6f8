//! The facade on a model made in memory: `y = Twice(x)`, an operator of the application.

use std::sync::Arc;

use vairun_graph::{Dim, Graph, Node, OpId, OpsetId};
use vairun_ops::{Context, Inputs as NodeInputs, OpError, Operator, Outputs as NodeOutputs};

use crate::*;

struct Twice;

impl Operator for Twice {
    fn run(&self, mut inputs: NodeInputs, _: &mut dyn Context) -> Result<NodeOutputs, OpError> {
        let mut x = inputs.take(0, "x")?;
        x.make_mut::<f32>()?.iter_mut().for_each(|x| *x *= 2.0);
        Ok(vec![x.into()])
    }
}

fn source() -> graph::Model {
    let mut graph = Graph::default();
    let [x, y] = ["my::input/0", "y"].map(|name| graph.add_value(name));
    graph.values[0].dtype = Some(DType::F32);
    graph.values[0].shape = Some(vec![Dim::Symbol("N".into()), Dim::Fixed(2)]);
    graph.inputs = vec![x];
    graph.outputs = vec![y];
    graph.nodes = vec![Node {
        name: "twice".into(),
        op: OpId::new("mine", "Twice", 1),
        inputs: vec![Some(x)],
        outputs: vec![Some(y)],
        attributes: Default::default(),
    }];
    graph::Model {
        graph,
        opset_imports: vec![OpsetId { domain: "mine".into(), version: 1 }],
        ..Default::default()
    }
}

fn builder() -> Builder {
    Model::builder().operator("mine", "Twice", |_| Ok(Box::new(Twice)))
}

fn x(shape: &[usize]) -> Tensor {
    Tensor::new(shape, vec![1.5f32; shape.iter().product()]).unwrap()
}

#[test]
fn names_are_those_of_the_file() {
    let model = builder().from_graph(source()).unwrap();
    let out = model.run(inputs! { "my::input/0" => x(&[1, 2]) }).unwrap();
    assert_eq!(out["y"].to_array::<f32>().unwrap(), ndarray::arr2(&[[3.0, 3.0]]).into_dyn());
    assert_eq!(model.inputs()[0].name, "my::input/0");
}

#[test]
fn the_callers_tensor_is_not_written_over() {
    let model = builder().from_graph(source()).unwrap();
    let x = x(&[1, 2]);
    model.run(inputs! { "my::input/0" => x.clone() }).unwrap();
    assert_eq!(x.as_slice::<f32>().unwrap(), [1.5, 1.5]);
}

#[test]
fn everything_wrong_with_the_inputs_is_said_at_once() {
    let model = builder().from_graph(source()).unwrap();
    let error = model.run(inputs! { "imput" => x(&[1, 2]) }).unwrap_err().to_string();
    assert_eq!(
        error,
        "input `my::input/0` is missing; given were `imput`\nno input named `imput`; the model has `my::input/0`"
    );
}

#[test]
fn type_and_shape_are_checked_before_the_run() {
    let model = builder().from_graph(source()).unwrap();
    let error =
        |value: Value| model.run(Inputs::new().with("my::input/0", value)).unwrap_err().to_string();
    assert_eq!(error(Tensor::scalar(1i8).into()), "input `my::input/0` is int8, expected float32");
    assert_eq!(error(x(&[1, 3]).into()), "input `my::input/0` has shape [1, 3], expected [N=1, 2]");
    assert_eq!(
        error(Value::Sequence(vec![])),
        "input `my::input/0` is a sequence, expected a tensor"
    );
}

#[test]
fn a_dimension_that_was_set_is_kept_to() {
    let model = builder().dim("N", 4).from_graph(source()).unwrap();
    assert!(model.run(inputs! { "my::input/0" => x(&[4, 2]) }).is_ok());
    let error = model.run(inputs! { "my::input/0" => x(&[1, 2]) }).unwrap_err().to_string();
    assert_eq!(error, "input `my::input/0` has shape [1, 2], expected [N=4, 2]");
}

#[test]
fn an_operator_that_nobody_has_is_refused_with_its_node() {
    let error = Model::builder().from_graph(source()).err().unwrap();
    assert!(matches!(error, Error::Unsupported(_)));
    assert_eq!(
        error.to_string(),
        "1 nodes cannot be run:\n  mine::Twice (opset 1) ×1: no such operator\n    at `twice`"
    );
}

#[test]
fn one_model_runs_on_many_threads_at_once() {
    let model = builder().threads(2).from_graph(source()).unwrap();
    let models: Vec<_> = (0..4).map(|_| model.clone()).collect();
    let run = |model: Model| {
        move || model.run(inputs! { "my::input/0" => x(&[8, 2]) }).unwrap()["y"].clone()
    };
    let threads: Vec<_> = models.into_iter().map(|model| std::thread::spawn(run(model))).collect();
    for thread in threads {
        assert_eq!(thread.join().unwrap().as_slice::<f32>().unwrap(), [3.0; 16]);
    }
}

#[test]
fn what_an_observer_says_ends_the_run() {
    struct Stop;
    impl Observer for Stop {
        fn node(&mut self, event: &NodeEvent) -> Result<(), ObserverError> {
            Err(format!("seen {}", event.node.name).into())
        }
    }
    let model = builder().from_graph(source()).unwrap();
    let error = model.observe(inputs! { "my::input/0" => x(&[1, 2]) }, &mut Stop).unwrap_err();
    assert_eq!(error.to_string(), "seen twice");
}

#[test]
fn a_file_that_is_no_model_is_a_read_error() {
    assert!(matches!(Model::from_bytes(b"\xff\xff\xff"), Err(Error::Read { path: None, .. })));
    let error = Model::open("no/such/file.onnx").err().unwrap().to_string();
    assert!(error.contains("no/such/file.onnx"), "{error}");
}

#[test]
fn a_provider_is_asked_before_vairuns_own() {
    let shadow = Model::builder().operator("ai.onnx", "Relu", |_| Ok(Box::new(Twice)));
    let mut source = source();
    source.graph.nodes[0].op = OpId::new("", "Relu", 14);
    let model = shadow.provider(Arc::new(ops::OwnOps)).from_graph(source).unwrap();
    assert_eq!(
        model.run(inputs! { "my::input/0" => x(&[1, 2]) }).unwrap()["y"].as_slice::<f32>().unwrap(),
        [3.0, 3.0]
    );
}
