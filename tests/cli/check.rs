//! `vairun check` and `vairun diff`.

use std::collections::BTreeMap;

use vairun::Tensor;
use vairun::tensor::files::{read_npz, write_npz};

use super::{Ended, Scene, digits};

const MODEL: &str = "{digits}/digits_vai.onnx";

fn check(scene: &Scene, rest: &str) -> Ended {
    scene.run(&format!("check {MODEL} {rest}"))
}

/// All tensors of a run in `golden.npz`, changed by `change`.
fn golden(scene: &Scene, change: impl FnOnce(&mut BTreeMap<String, Tensor>)) {
    scene
        .run(&format!("run {MODEL} -i {{digits}}/inputs.npz -q --dump-layers golden.npz"))
        .succeeds();
    let path = scene.path("golden.npz");
    let mut tensors: BTreeMap<_, _> = read_npz(&path).unwrap().into_iter().collect();
    change(&mut tensors);
    write_npz(&path, tensors.iter().map(|(name, tensor)| (name.as_str(), tensor))).unwrap();
}

/// The output of the last quantizer: what the golden of the digits calls its codes.
fn last_codes(tensors: &BTreeMap<String, Tensor>) -> String {
    let graph = vairun::Model::open(digits("digits_vai.onnx")).unwrap();
    let nodes = &graph.source().graph.nodes;
    let quantizer = nodes.iter().rev().find(|node| node.op.op_type == "QuantizeLinear").unwrap();
    let name = graph.source().graph.name_of(quantizer.outputs[0].unwrap()).to_owned();
    assert!(tensors.contains_key(&name));
    name
}

/// The same with one wrong code in the last quantized tensor; gives its name.
fn golden_with_a_wrong_code(scene: &Scene) -> String {
    let mut target = String::new();
    golden(scene, |tensors| {
        target = last_codes(tensors);
        let faulty = plus(&tensors[&target], 0, 1.0);
        tensors.insert(target.clone(), faulty);
    });
    target
}

fn plus(tensor: &Tensor, at: usize, delta: f32) -> Tensor {
    let mut data = tensor.as_slice::<f32>().unwrap().to_vec();
    data[at] += delta;
    Tensor::new(tensor.shape(), data).unwrap()
}

#[test]
fn a_model_against_its_own_golden_passes() {
    let scene = Scene::new();
    let out =
        check(&scene, "-i {digits}/inputs.npz --golden {digits}/digits_vai.outputs.npz").succeeds();
    assert!(out.contains("PASS"), "{out}");
    let layers = "-i {digits}/inputs.npz --golden {digits}/digits_vai.layers.npz -q";
    assert!(check(&scene, layers).succeeds().starts_with("PASS"));
}

#[test]
fn inputs_come_from_the_golden_and_missing_ones_are_named() {
    let scene = Scene::new();
    golden(&scene, |_| {});
    let out = check(&scene, "--golden golden.npz").succeeds();
    assert!(out.contains("input Digits::input_0 from golden.npz"), "{out}");
    let missing = check(&scene, "--golden {digits}/digits_vai.outputs.npz").fails(4);
    assert!(
        missing.contains("neither -i nor the golden gives the input `Digits::input_0`"),
        "{missing}"
    );
    assert!(missing.contains("the golden is digits_vai.outputs.npz (npz, 1 tensor)"), "{missing}");
    let other = check(&scene, "--golden {digits}/labels.npy").fails(4);
    assert!(other.contains("none of which has the name of a tensor of this model"), "{other}");
}

#[test]
fn everything_that_is_not_there_is_named_at_once() {
    let scene = Scene::new();
    let said = scene.run("check no.onnx -i no.npy -i x=no.npz --golden nothing").fails(3);
    for name in ["no.onnx", "no.npy", "no.npz", "nothing"] {
        assert!(said.contains(&format!("{name}: ")), "{name}: {said}");
    }
    let inputs = check(&scene, "-i no.npy -i no.npz --golden {digits}/inputs.npz").fails(4);
    assert!(inputs.contains("no.npy: ") && inputs.contains("no.npz: "), "{inputs}");
}

#[test]
fn every_form_of_golden_is_read() {
    let scene = Scene::new();
    let run = format!("run {MODEL} -i {{digits}}/inputs.npz -q");
    scene.run(&format!("{run} --dump-layers dump -o test_data_set_0")).succeeds();
    scene.run(&format!("{run} -o folder")).succeeds();
    for form in ["dump", "test_data_set_0", "folder"] {
        check(&scene, &format!("-i {{digits}}/inputs.npz --golden {form}")).succeeds();
    }
    check(&scene, "-i {digits}/inputs.npz --golden folder --golden dump").succeeds();
}

#[test]
fn one_wrong_element_fails_at_its_tensor_and_the_rest_inherits() {
    let scene = Scene::new();
    let target = golden_with_a_wrong_code(&scene);
    let ended = check(&scene, "--golden golden.npz");
    assert_eq!(ended.code, Some(1), "{}{}", ended.stdout, ended.stderr);
    let line = ended.stdout.lines().find(|line| line.contains("◀")).unwrap();
    assert!(line.contains("guilty"), "{}", ended.stdout);
    assert!(ended.stdout.contains(&format!("{target}: 1 of 160 beyond")), "{}", ended.stdout);
    let quiet = check(&scene, "--golden golden.npz -q").stdout;
    assert!(quiet.starts_with("FAIL ") && quiet.contains(&format!("first={target}")), "{quiet}");
    assert_eq!(quiet.lines().count(), 1);
    check(&scene, "--golden golden.npz -q --lsb 1 --cumulative").succeeds();
}

#[test]
fn nan_another_shape_an_empty_tensor_and_nothing_matched_fail() {
    let scene = Scene::new();
    let code = |scene: &Scene| check(scene, "--golden golden.npz -q --min-cosine -1").code;
    golden(&scene, |tensors| {
        let target = last_codes(tensors);
        let faulty = plus(&tensors[&target], 0, f32::NAN);
        tensors.insert(target, faulty);
    });
    assert_eq!(code(&scene), Some(1), "NaN");
    golden(&scene, |tensors| {
        let target = last_codes(tensors);
        let mut shape = tensors[&target].shape().to_vec();
        shape.reverse();
        let turned = tensors[&target].reshaped(&shape).unwrap();
        tensors.insert(target, turned);
    });
    assert_eq!(code(&scene), Some(1), "another shape");
    golden(&scene, |tensors| {
        let target = last_codes(tensors);
        tensors.insert(target, Tensor::new::<f32>(&[0], vec![]).unwrap());
    });
    assert_eq!(code(&scene), Some(1), "empty");
    golden(&scene, |tensors| {
        tensors.retain(|name, _| name == "Digits::input_0");
    });
    let ended = check(&scene, "--golden golden.npz -q");
    assert_eq!(ended.code, Some(1));
    assert!(ended.stdout.contains("no result was compared"), "{}", ended.stdout);
}

#[test]
fn exit_codes_tell_usage_model_and_golden_apart() {
    let scene = Scene::new();
    let inputs = "-i {digits}/inputs.npz --golden {digits}/digits_vai.outputs.npz";
    assert!(scene.run(&format!("check {MODEL}")).fails(2).contains("no golden is given"));
    assert!(scene.run("check").fails(2).contains("no model is given"));
    assert!(
        check(&scene, &format!("{inputs} --lsb nothing=1"))
            .fails(2)
            .contains("applied to no tensor")
    );
    assert!(check(&scene, &format!("{inputs} --round sideways")).fails(2).contains("half-even"));
    assert!(
        check(&scene, &format!("{inputs} --round nothing=half-up"))
            .fails(2)
            .contains("no such quantizer")
    );
    scene.run("check missing.onnx --golden {digits}/inputs.npz").fails(3);
    check(&scene, "--golden missing.npz").fails(4);
    scene.write("broken.npz", b"PK\x03\x04 and no more");
    check(&scene, "--golden broken.npz").fails(4);
}

#[test]
fn the_vendors_variable_names_a_golden() {
    let scene = Scene::new();
    golden(&scene, |_| {});
    let mut command = scene.command(["check", &digits("digits_vai.onnx")]);
    let ended = Ended::from(command.env("XLNX_GOLDEN_DIR", "golden.npz").output().unwrap());
    assert!(ended.succeeds().contains("golden from XLNX_GOLDEN_DIR: golden.npz"));
}

#[test]
fn another_rounding_is_found_and_its_proof_holds() {
    let scene = Scene::new();
    scene
        .run(&format!(
            "run {MODEL} -i {{digits}}/inputs.npz -q --dump-layers golden.npz --round half-away"
        ))
        .succeeds();
    let ended = check(&scene, "--golden golden.npz");
    assert_eq!(ended.code, Some(1), "{}", ended.stdout);
    assert!(ended.stdout.contains("half-away"), "{}", ended.stdout);
    check(&scene, "--golden golden.npz --round half-away").succeeds();
    let swept = check(&scene, "--golden golden.npz --sweep-rounding").stdout;
    assert!(swept.contains("every quantized tensor of the golden is that of half-away"), "{swept}");
}

#[test]
fn a_report_is_judged_again_without_a_run() {
    let scene = Scene::new();
    golden_with_a_wrong_code(&scene);
    assert_eq!(check(&scene, "--golden golden.npz -q --cumulative --report r.json").code, Some(1));
    let again = scene.run("check --from-report r.json -q");
    assert_eq!(again.code, Some(1), "{}", again.stderr);
    scene.run("check --from-report r.json -q --lsb 1").succeeds();
    scene.write("r.txt", b"{}");
    scene.run("check --from-report r.txt").fails(4);
}

#[test]
fn what_fails_is_written_and_can_be_compared() {
    let scene = Scene::new();
    golden_with_a_wrong_code(&scene);
    assert_eq!(check(&scene, "--golden golden.npz -q --save-mismatch bad").code, Some(1));
    let ended = scene.run("diff bad/got bad/golden -q");
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    scene.run("diff bad/got bad/got").succeeds();
    scene.run("diff bad/got bad/golden --lsb *=1").fails(2);
}

#[test]
fn two_models_are_compared_layer_by_layer() {
    let scene = Scene::new();
    let out = scene
        .run(
            "diff {digits}/digits_float.onnx {digits}/digits_qdq.onnx -i {digits}/inputs.npz --all",
        )
        .succeeds();
    assert!(out.contains("local SQNR") && out.contains("Conv"), "{out}");
    let same =
        scene.run("diff {digits}/digits_qdq.onnx {digits}/digits_qdq.onnx -i {digits}/inputs.npz");
    assert!(same.succeeds().contains("exact"));
    let strict = "diff {digits}/digits_float.onnx {digits}/digits_qdq.onnx -i {digits}/inputs.npz -q --min-local-sqnr 200";
    assert_eq!(scene.run(strict).code, Some(1));
    scene.run("diff {digits}/digits_float.onnx {digits}/inputs.npz").fails(2);
}

/// What `polygraphy debug reduce --mode bisect --check vairun check polygraphy_debug.onnx …` does: it makes the outputs of
/// the model earlier ones, then the inputs later ones, and asks the exit code whether the fault is still there.
#[test]
fn the_exit_code_drives_a_reducer() {
    let scene = Scene::new();
    let target = golden_with_a_wrong_code(&scene);
    let model = vairun::Model::open(digits("digits_vai.onnx")).unwrap();
    let graph = &model.source().graph;
    let mut moving: std::collections::HashSet<_> = graph.inputs.iter().copied().collect();
    let mut tensors = Vec::new();
    for node in graph.nodes.iter() {
        if node.reads().any(|id| moving.contains(&id)) {
            moving.extend(node.writes());
            tensors.push(graph.name_of(node.outputs[0].unwrap()));
        }
    }
    let faulty = |part: &str| {
        let run = format!("extract {MODEL} -i {{digits}}/inputs.npz {part}");
        scene.run(&format!("{run} -o polygraphy_debug.onnx -q")).succeeds();
        let ended = scene.run("check polygraphy_debug.onnx --golden golden.npz --cumulative -q");
        assert!(matches!(ended.code, Some(0 | 1)), "{}", ended.stderr);
        ended.code == Some(1)
    };
    // Everything before the target is right, everything from it on has it.
    let end = first(0, tensors.len() - 1, |i| faulty(&format!("--to {}", tensors[i])));
    assert_eq!(tensors[end], target);
    // The latest input from which the fault still comes.
    let begin =
        first(0, end, |i| i == end || !faulty(&format!("--from {} --to {target}", tensors[i])));
    scene
        .run(&format!(
            "extract {MODEL} --from {} --to {target} -o reduced.onnx -q",
            tensors[begin - 1]
        ))
        .succeeds();
    let reduced = vairun::Model::open(scene.path("reduced.onnx")).unwrap();
    let nodes = &reduced.source().graph.nodes;
    let computing: Vec<_> = nodes.iter().filter(|node| node.op.op_type != "Constant").collect();
    assert_eq!(computing.len(), 1, "{nodes:?}");
    assert_eq!(computing[0].op.op_type, "QuantizeLinear");
}

/// The first place from which on `test` holds; it holds at `high`.
fn first(mut low: usize, mut high: usize, test: impl Fn(usize) -> bool) -> usize {
    while low < high {
        let middle = (low + high) / 2;
        if test(middle) { high = middle } else { low = middle + 1 }
    }
    low
}

/// x → QuantizeLinear → q → QLinearConv → y, 64 codes with a kernel of one weight.
fn quantized_convolution() -> vairun::graph::Model {
    use vairun::graph::{Attributes, Graph, Model, Node, OpId, OpsetId};
    let mut graph = Graph::default();
    let mut constants: Vec<_> = [
        ("xs", Tensor::scalar(0.125f32)),
        ("xz", Tensor::scalar(0u8)),
        ("w", Tensor::new(&[1, 1, 1, 1], vec![3i8]).unwrap()),
        ("ws", Tensor::scalar(0.25f32)),
        ("wz", Tensor::scalar(0i8)),
        ("ys", Tensor::scalar(1f32)),
        ("yz", Tensor::scalar(0u8)),
    ]
    .into_iter()
    .map(|(name, tensor)| {
        let id = graph.add_value(name);
        graph.initializers.insert(id, tensor);
        Some(id)
    })
    .collect();
    let x = graph.add_value("x");
    graph.values[x.index()].dtype = Some(vairun::DType::F32);
    let (q, y) = (graph.add_value("q"), graph.add_value("y"));
    let mut node = |op: &str, inputs, output| {
        let (name, op) = (op.to_owned(), OpId::new("", op, 19));
        let attributes = Attributes::new();
        graph.nodes.push(Node { name, op, inputs, outputs: vec![Some(output)], attributes });
    };
    node("QuantizeLinear", vec![Some(x), constants[0], constants[1]], q);
    constants.insert(0, Some(q));
    node("QLinearConv", constants, y);
    (graph.inputs, graph.outputs) = (vec![x], vec![y]);
    let opset_imports = vec![OpsetId { domain: String::new(), version: 19 }];
    Model { graph, opset_imports, ir_version: 9, ..Model::default() }
}

#[test]
fn a_rounding_of_an_operator_on_codes_is_named_behind_the_first_quantizer() {
    let scene = Scene::new();
    scene.write("m.onnx", &vairun_onnx::write(&quantized_convolution()).unwrap());
    let codes: Vec<u8> = (0..64).collect();
    let x = codes.iter().map(|&q| f32::from(q) / 8.0).collect();
    // 0.125 · 0.25 · 3 of a step, rounded down.
    let y = codes.iter().map(|&q| (u32::from(q) * 3 / 32) as u8).collect();
    let shape = &[1, 1, 8, 8];
    let tensors = [
        ("x", Tensor::new(shape, x).unwrap()),
        ("q", Tensor::new(shape, codes).unwrap()),
        ("y", Tensor::new::<u8>(shape, y).unwrap()),
    ];
    let golden = tensors.iter().map(|(name, tensor)| (*name, tensor));
    write_npz(&scene.path("golden.npz"), golden).unwrap();
    let ended = scene.run("check m.onnx --golden golden.npz");
    assert_eq!(ended.code, Some(1), "{ended:?}");
    let out = ended.stdout;
    assert!(out.contains("rounded floor instead of half-even: 0 differences"), "{out}");
}
