use vairun::tensor::files::read_npz;

use super::{Scene, digits};

#[test]
fn a_vai_model_becomes_standard_and_gives_the_golden_outputs() {
    let scene = Scene::new();
    let out = scene.run("convert {digits}/digits_vai.onnx -o qdq.onnx --verify").succeeds();
    assert!(out.contains("verified: all outputs equal bit for bit on 4 random inputs"), "{out}");
    scene.run("run qdq.onnx -i {digits}/inputs.npz -o out.npz").succeeds();
    let got = read_npz(&scene.path("out.npz")).unwrap();
    let want = read_npz(digits("digits_vai.outputs.npz").as_ref()).unwrap();
    assert!(got[0].1.bits_eq(&want[0].1));
    let inspected = scene.run("inspect qdq.onnx").succeeds();
    assert!(!inspected.contains("vai"), "{inspected}");
}

#[test]
fn what_has_no_exact_form_is_refused_unless_it_may_stay() {
    let scene = Scene::new();
    let mut model = vairun_onnx::read(digits("digits_vai.onnx").as_ref()).unwrap();
    let nodes = &model.graph.nodes;
    let last = nodes.iter().rev().find(|node| node.op.op_type == "QuantizeLinear").unwrap();
    let codes = last.writes().next().unwrap();
    model.graph.outputs.push(codes);
    scene.write("codes.onnx", &vairun_onnx::write(&model).unwrap());
    let error = scene.run("convert codes.onnx -o qdq.onnx").fails(3);
    assert!(error.contains("its codes are an output of the model"), "{error}");
    assert!(!scene.path("qdq.onnx").exists());
    let told = scene.run("convert codes.onnx -o qdq.onnx --partial --verify 1").succeeds();
    assert!(told.contains("warning: 2 nodes have no exact form"), "{told}");
}
