use std::path::Path;

use vairun_tensor::Tensor;

use super::*;
use crate::Inputs;

fn testdata(file: &str) -> vairun_graph::Model {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata").join(file);
    vairun_onnx::read(&path).unwrap()
}

/// Both models on the same numbers: every code there is, ties and what saturates among them.
#[track_caller]
fn same_results(source: &vairun_graph::Model, converted: &vairun_graph::Model) {
    let builder = Model::builder();
    let (a, b) = (builder.from_graph(source.clone()), builder.from_graph(converted.clone()));
    let (a, b) = (a.unwrap(), b.unwrap());
    let numbers: Vec<f32> = (0..3 * 64).map(|i| (i as f32 - 96.0) / 64.0).collect();
    let x = Tensor::vector(numbers).reshaped(&[3, 1, 8, 8]).unwrap();
    let name = a.inputs()[0].name.clone();
    let run = |model: &Model| model.run(Inputs::new().with(&*name, x.clone())).unwrap();
    let (a, b) = (run(&a), run(&b));
    assert!(!a.is_empty());
    for ((name, a), (_, b)) in a.iter().zip(b.iter()) {
        assert!(a.as_tensor().unwrap().bits_eq(b.as_tensor().unwrap()), "{name}");
    }
}

#[test]
fn a_vai_model_becomes_standard_and_keeps_every_bit() {
    let source = testdata("digits/digits_vai.onnx");
    let conversion = to_qdq(&source, &Model::builder()).unwrap();
    assert_eq!(conversion.left, []);
    assert!(conversion.folded > 5 && conversion.spelled > 5, "{conversion:?}");
    assert_eq!(conversion.model.opset("vai"), None);
    let domains: HashSet<_> =
        conversion.model.graph.all_nodes().iter().map(|node| node.op.domain.clone()).collect();
    assert_eq!(domains, HashSet::from([String::new()]));
    same_results(&source, &conversion.model);
    // What is written reads back.
    let bytes = vairun_onnx::write(&conversion.model).unwrap();
    same_results(&source, &vairun_onnx::read_bytes(&bytes, None).unwrap());
}

#[test]
fn a_standard_model_stays_as_it_is() {
    let source = testdata("digits/digits_qdq.onnx");
    let conversion = to_qdq(&source, &Model::builder()).unwrap();
    assert_eq!((conversion.folded, conversion.native, conversion.spelled), (0, 0, 0));
    assert_eq!(conversion.model.graph.nodes.len(), source.graph.nodes.len());
}

#[test]
fn quantizers_of_other_domains_only_change_their_names() {
    let mut source = testdata("digits/digits_qdq.onnx");
    source.opset_imports.push(vairun_graph::OpsetId { domain: "com.microsoft".into(), version: 1 });
    let mut changed = 0;
    for node in &mut source.graph.nodes {
        if node.op.is_onnx("QuantizeLinear") || node.op.is_onnx("DequantizeLinear") {
            node.op = OpId::new("com.microsoft", &node.op.op_type.clone(), 1);
            changed += 1;
        }
    }
    let conversion = to_qdq(&source, &Model::builder()).unwrap();
    assert_eq!((conversion.native, conversion.left.len()), (changed, 0));
    same_results(&source, &conversion.model);
}

#[test]
fn what_has_no_exact_form_is_named_and_kept() {
    let mut source = testdata("digits/digits_vai.onnx");
    // The codes of the last quantizer become an output: as integers they would be another tensor.
    let last = source.graph.nodes.iter().rev().find(|node| node.op.op_type == "QuantizeLinear");
    let codes = last.unwrap().writes().next().unwrap();
    source.graph.outputs.push(codes);
    let conversion = to_qdq(&source, &Model::builder()).unwrap();
    let reasons: Vec<_> = conversion.left.iter().map(|left| left.why.as_str()).collect();
    assert_eq!(reasons[0], "its codes are an output of the model");
    assert_eq!(reasons.len(), 2, "the quantizer and its dequantizer: {reasons:?}");
    same_results(&source, &conversion.model);
}
