use std::collections::BTreeMap;

use vairun::Tensor;
use vairun::tensor::files::{read_dump, read_npy, read_npz};

use super::{Scene, digits};

fn golden() -> BTreeMap<String, Tensor> {
    read_npz(digits("digits_vai.layers.npz").as_ref()).unwrap().into_iter().collect()
}

#[test]
fn a_dump_holds_every_golden_tensor_bit_for_bit() {
    let scene = Scene::new();
    scene
        .run("run -q {digits}/digits_vai.onnx -i {digits}/inputs.npz --dump-layers out")
        .succeeds();
    scene
        .run("run -q {digits}/digits_vai.onnx -i {digits}/inputs.npz --dump-layers out.npz")
        .succeeds();
    let dump = read_dump(&scene.path("out")).unwrap();
    let archive: BTreeMap<_, _> = read_npz(&scene.path("out.npz")).unwrap().into_iter().collect();
    for (name, want) in golden() {
        let record = dump.manifest().tensors.iter().find(|record| record.label.name == name);
        let record = record.unwrap_or_else(|| panic!("`{name}` is missing"));
        assert!(dump.read(record).unwrap().bits_eq(&want), "`{name}`");
        assert!(archive[&name].bits_eq(&want), "`{name}`");
    }
    assert_eq!(dump.manifest().tensors.len(), archive.len());
}

#[test]
fn the_manifest_says_what_made_each_tensor_in_execution_order() {
    let scene = Scene::new();
    scene
        .run("run -q {digits}/digits_vai.onnx -i {digits}/inputs.npz --dump-layers out")
        .succeeds();
    let dump = read_dump(&scene.path("out")).unwrap();
    let records = &dump.manifest().tensors;
    assert_eq!(dump.manifest().model, "digits_vai.onnx");
    assert_eq!(
        (records[0].label.name.as_str(), records[0].label.node.as_str()),
        ("Digits::input_0", "")
    );
    let place = |name: &str| records.iter().position(|record| record.label.name == name).unwrap();
    assert!(place("/module_1/Conv_output_0") < place("/module_2/Relu_output_0"));
    let conv = &records[place("/module_1/Conv_output_0")];
    assert_eq!((conv.label.op.as_str(), conv.dtype.as_str()), ("Conv", "float32"));
    assert_eq!(conv.shape, [16, 8, 8, 8]);
    let codes = &records[place("/module_0/QuantizeLinear_output_0")].label;
    assert_eq!((codes.domain.as_str(), codes.op.as_str()), ("vai", "QuantizeLinear"));
    let scale = codes.quantization.as_ref().unwrap().scale[0];
    assert_eq!(scale.log2().fract(), 0.0, "{scale} is a power of two");
}

#[test]
fn dumping_changes_no_bit_of_the_outputs() {
    let scene = Scene::new();
    scene.run("run -q {digits}/digits_vai.onnx --seed 5 -o plain.npy").succeeds();
    scene
        .run("run -q {digits}/digits_vai.onnx --seed 5 -o dumped.npy --dump-layers out")
        .succeeds();
    let read = |name: &str| read_npy(&scene.path(name)).unwrap();
    assert!(read("plain.npy").bits_eq(&read("dumped.npy")));
}

#[test]
fn patterns_choose_tensors_nodes_and_operators() {
    let scene = Scene::new();
    let names = |options: &str| {
        let line = format!("run -q {{digits}}/digits_vai.onnx --dump-layers out {options}");
        scene.run(&line).succeeds();
        let dump = read_dump(&scene.path("out")).unwrap();
        dump.manifest().tensors.iter().map(|record| record.label.name.clone()).collect::<Vec<_>>()
    };
    assert_eq!(names("--only /module_1/Conv_output_0"), ["/module_1/Conv_output_0"]);
    assert!(names("--only op:Conv --only op:Gemm").iter().all(|name| !name.contains("Relu")));
    let vai = names("--only op:vai::*");
    let of_vai = |name: &String| name.contains("uantizeLinear") || name == "143";
    assert!(vai.iter().all(of_vai) && vai.len() > 20, "{vai:?}");
    assert!(names("--skip *_output_0").iter().all(|name| !name.ends_with("_output_0")));
}

#[test]
fn a_pattern_that_matches_nothing_is_wrong_usage() {
    let scene = Scene::new();
    let error =
        scene.run("run -q {digits}/digits_vai.onnx --dump-layers out --only nothing").fails(2);
    assert_eq!(error, "vairun: `--only nothing` matched no tensor\n");
    scene.run("run {digits}/digits_vai.onnx --only x").fails(2);
}
