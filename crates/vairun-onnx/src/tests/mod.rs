//! Tests of whole files: how messages become a graph.

mod corpus;
mod external;
mod hostile;
mod mapped;
mod values;

use prost::Message;
use vairun_graph::{Attribute, Dim, Model, ValueInfo};
use vairun_tensor::DType;

use crate::proto::{
    AttributeProto, FunctionProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto,
    TensorProto, ValueInfoProto, attribute_type as kind,
};
use crate::types::declaration;
use crate::{OnnxError, read_bytes};

fn texts(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

fn node(op_type: &str, inputs: &[&str], outputs: &[&str]) -> NodeProto {
    NodeProto {
        op_type: Some(op_type.into()),
        input: texts(inputs),
        output: texts(outputs),
        ..NodeProto::default()
    }
}

fn values(names: &[&str]) -> Vec<ValueInfoProto> {
    let value = |&name: &&str| ValueInfoProto { name: Some(name.into()), r#type: None };
    names.iter().map(value).collect()
}

fn graph(inputs: &[&str], nodes: Vec<NodeProto>, outputs: &[&str]) -> GraphProto {
    GraphProto {
        input: values(inputs),
        output: values(outputs),
        node: nodes,
        ..GraphProto::default()
    }
}

fn opset(domain: &str, version: i64) -> OperatorSetIdProto {
    OperatorSetIdProto { domain: Some(domain.into()), version: Some(version) }
}

fn model(graph: GraphProto) -> ModelProto {
    ModelProto {
        ir_version: Some(13),
        opset_import: vec![opset("", 21)],
        graph: Some(graph),
        ..ModelProto::default()
    }
}

fn int(name: &str, i: i64) -> AttributeProto {
    AttributeProto {
        name: Some(name.into()),
        i: Some(i),
        r#type: Some(kind::INT),
        ..Default::default()
    }
}

fn reference(name: &str, outer: &str) -> AttributeProto {
    AttributeProto {
        name: Some(name.into()),
        ref_attr_name: Some(outer.into()),
        r#type: Some(kind::INT),
        ..Default::default()
    }
}

fn body(name: &str, graph: GraphProto) -> AttributeProto {
    AttributeProto {
        name: Some(name.into()),
        g: Some(graph),
        r#type: Some(kind::GRAPH),
        ..Default::default()
    }
}

fn lowered(proto: &ModelProto) -> Result<Model, OnnxError> {
    read_bytes(&proto.encode_to_vec(), None)
}

fn text(proto: &ModelProto) -> String {
    lowered(proto).unwrap_or_else(|error| panic!("{error}")).graph.to_string()
}

#[test]
fn optional_inputs_stay_in_their_places() {
    let clip = node("Clip", &["x", "", "high", "", ""], &["y"]);
    let text = text(&model(graph(&["x", "high"], vec![clip], &["y"])));
    assert!(text.contains("`y` = Clip(`x`, -, `high`) // y\n"), "{text}");
}

#[test]
fn nodes_are_sorted_and_names_kept() {
    let nodes = vec![
        NodeProto { name: Some("/b::c".into()), ..node("Relu", &["/a/a"], &["TinyRes::y"]) },
        node("Relu", &["x"], &["/a/a"]),
    ];
    let text = text(&model(graph(&["x"], nodes, &["TinyRes::y"])));
    let (first, second) = (text.find("`/a/a` = Relu(`x`) // /a/a"), text.find("// /b::c"));
    assert!(first.is_some() && first < second, "{text}");
}

#[test]
fn an_operator_has_the_opset_of_its_domain() {
    let custom = NodeProto { domain: Some("vai".into()), ..node("Q", &["x"], &["q"]) };
    let own = NodeProto { domain: Some("ai.onnx".into()), ..node("Relu", &["q"], &["y"]) };
    let model = lowered(&model(graph(&["x"], vec![custom, own], &["y"]))).unwrap();
    let ops: Vec<_> =
        model.graph.nodes.iter().map(|node| (node.op.to_string(), node.op.opset)).collect();
    assert_eq!(ops, [("vai::Q".to_owned(), 1), ("Relu".to_owned(), 21)]);
}

#[test]
fn a_model_without_opset_is_malformed() {
    let mut proto = model(graph(&["x"], vec![node("Relu", &["x"], &["y"])], &["y"]));
    proto.opset_import.clear();
    let error = lowered(&proto).unwrap_err().to_string();
    assert_eq!(error, "malformed: opset_import: no version for ai.onnx");
}

#[test]
fn bodies_capture_at_any_depth_and_shadow() {
    let inner = graph(&[], vec![node("Add", &["x", "shadow"], &["z"])], &["z"]);
    let inner_if =
        NodeProto { attribute: vec![body("then_branch", inner)], ..node("If", &["c"], &["i"]) };
    let outer = graph(&[], vec![node("Neg", &["x"], &["shadow"]), inner_if], &["i"]);
    let outer_if =
        NodeProto { attribute: vec![body("then_branch", outer)], ..node("If", &["c"], &["y"]) };
    let nodes = vec![outer_if, node("Relu", &["x"], &["shadow"])];
    let model = lowered(&model(graph(&["x", "c"], nodes, &["y", "shadow"]))).unwrap();
    let body = model.graph.all_nodes().into_iter().find(|node| node.name == "y").unwrap();
    let body = body.bodies().next().unwrap();
    let names = |graph: &vairun_graph::Graph| -> Vec<String> {
        graph.captures.iter().map(|capture| graph.name_of(capture.inner).to_owned()).collect()
    };
    assert_eq!(names(body), ["x", "c"]);
    let innermost = body.nodes[1].bodies().next().unwrap();
    assert_eq!(names(innermost), ["x", "shadow"]);
    let shadow = innermost.captures[1].outer;
    assert_eq!(body.nodes[0].outputs, [Some(shadow)]);
}

/// `f(a, b?) = Inner(a) + b`, with an attribute that is passed on.
fn functions() -> Vec<FunctionProto> {
    let inner = FunctionProto {
        domain: Some("local".into()),
        name: Some("inner".into()),
        input: texts(&["a"]),
        output: texts(&["r"]),
        attribute_proto: vec![int("axis", 7)],
        node: vec![NodeProto {
            attribute: vec![reference("axis", "axis")],
            ..node("Softmax", &["a"], &["r"])
        }],
        opset_import: vec![opset("", 11)],
        ..FunctionProto::default()
    };
    let call = NodeProto {
        domain: Some("local".into()),
        name: Some("call".into()),
        attribute: vec![reference("axis", "k")],
        ..node("inner", &["a"], &["t"])
    };
    let outer = FunctionProto {
        domain: Some("local".into()),
        name: Some("outer".into()),
        input: texts(&["a", "b"]),
        output: texts(&["r", "a"]),
        attribute: texts(&["k"]),
        node: vec![call, node("Clip", &["t", "", "b"], &["r"])],
        ..FunctionProto::default()
    };
    vec![inner, outer]
}

#[test]
fn functions_are_inlined_with_their_names_attributes_and_opsets() {
    let call = |name: &str, inputs: &[&str], outputs: &[&str], attribute| NodeProto {
        domain: Some("local".into()),
        name: Some(name.into()),
        attribute,
        ..node("outer", inputs, outputs)
    };
    let nodes = vec![
        call("one", &["x", "high"], &["y", "same"], vec![int("k", 3)]),
        call("two", &["y"], &["z"], vec![]),
    ];
    let mut proto = model(graph(&["x", "high"], nodes, &["z", "same"]));
    proto.functions = functions();
    let got = text(&proto);
    for line in [
        "`one/t` = Softmax(`x`) axis=3 // one/t",
        "`y` = Clip(`one/t`, -, `high`) // y",
        "`same` = Identity(`x`) // same",
        "`two/t` = Softmax(`y`) axis=7 // two/t",
        "`z` = Clip(`two/t`) // z",
    ] {
        assert!(got.contains(line), "{line}\n{got}");
    }
    let softmax = &lowered(&proto).unwrap().graph.nodes[0];
    assert_eq!((softmax.op.op_type.as_str(), softmax.op.opset), ("Softmax", 11));
}

#[test]
fn a_function_that_calls_itself_is_malformed() {
    let mut proto = model(graph(&["x"], vec![], &["x"]));
    let call = NodeProto { domain: Some("f".into()), ..node("f", &["a"], &["r"]) };
    proto.functions = vec![FunctionProto {
        domain: Some("f".into()),
        name: Some("f".into()),
        input: texts(&["a"]),
        output: texts(&["r"]),
        node: vec![call.clone()],
        ..FunctionProto::default()
    }];
    proto.graph.as_mut().unwrap().node = vec![NodeProto { input: texts(&["x"]), ..call }];
    let error = lowered(&proto).unwrap_err().to_string();
    assert!(error.contains("function `f::f` calls itself"), "{error}");
}

#[test]
fn functions_that_grow_exponentially_are_refused_soon() {
    let function = |i: usize| {
        let call = |input: &str, output: &str| NodeProto {
            domain: Some("f".into()),
            ..node(&format!("f{}", i + 1), &[input], &[output])
        };
        FunctionProto {
            domain: Some("f".into()),
            name: Some(format!("f{i}")),
            input: texts(&["a"]),
            output: texts(&["c"]),
            node: vec![call("a", "b"), call("b", "c")],
            ..FunctionProto::default()
        }
    };
    let call = NodeProto { domain: Some("f".into()), ..node("f0", &["x"], &["y"]) };
    let mut proto = model(graph(&["x"], vec![call], &["y"]));
    proto.functions = (0..50).map(function).collect();
    let error = lowered(&proto).unwrap_err().to_string();
    assert!(error.contains("local functions that make more than"), "{}", &error[..200]);
}

#[test]
fn all_problems_are_told_at_once() {
    let wrong = TensorProto {
        name: Some("w".into()),
        data_type: Some(1),
        dims: vec![2],
        float_data: vec![1.0],
        ..TensorProto::default()
    };
    let nameless = NodeProto { op_type: None, ..node("", &["x"], &["y"]) };
    let twice =
        NodeProto { attribute: vec![int("axis", 1), int("axis", 2)], ..node("A", &["x"], &["z"]) };
    let mut graph = graph(&["x"], vec![nameless, twice], &["y"]);
    graph.initializer = vec![wrong];
    assert_eq!(
        lowered(&model(graph)).unwrap_err().to_string(),
        "malformed: \n  graph.initializer[0] `w`: float_data has 1 elements, expected 2 for float32 [2]\n  \
         graph.node[0] `y`: no op_type\n  graph.node[1] `z`: attribute `axis` is given twice"
    );
}

#[test]
fn what_nothing_makes_is_named() {
    let error = lowered(&model(graph(&["x"], vec![node("Add", &["x", "b"], &["y"])], &["y"])));
    assert_eq!(
        error.unwrap_err().to_string(),
        "malformed: graph: node `y` reads `b`, which nothing makes"
    );
}

#[test]
fn bytes_that_are_no_model_say_where() {
    let error = |bytes: &[u8]| read_bytes(bytes, None).unwrap_err().to_string();
    assert_eq!(error(b""), "malformed: model: no graph");
    let git = error(b"version https://git-lfs.github.com/spec/v1\noid sha256:0");
    assert!(git.contains("a pointer of git-lfs"), "{git}");
    let whole = model(graph(&["x"], vec![node("Relu", &["x"], &["y"])], &["y"])).encode_to_vec();
    let cut = error(&whole[..10]);
    assert!(cut.contains("field 7 at byte 2 needs"), "{cut}");
}

#[test]
fn symbols_and_types_are_kept_as_hints() {
    let mut graph = graph(&["x"], vec![node("Relu", &["x"], &["y"])], &["y"]);
    let dims = [Dim::Fixed(1), Dim::Symbol("n".into()), Dim::Unknown];
    let declared = ValueInfo {
        name: "x".into(),
        dtype: Some(DType::BF16),
        shape: Some(dims.to_vec()),
        non_tensor: None,
    };
    graph.input = vec![declaration(&declared, "x")];
    let model = lowered(&model(graph)).unwrap();
    assert_eq!(*model.graph.value(model.graph.inputs[0]), declared);
}

#[test]
fn bodies_are_attributes() {
    let then = graph(&[], vec![node("Identity", &["x"], &["z"])], &["z"]);
    let choose =
        NodeProto { attribute: vec![body("then_branch", then)], ..node("If", &["x"], &["y"]) };
    let model = lowered(&model(graph(&["x"], vec![choose], &["y"]))).unwrap();
    assert!(matches!(model.graph.nodes[0].attributes["then_branch"], Attribute::Graph(_)));
}
