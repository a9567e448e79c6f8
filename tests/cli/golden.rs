//! Goldens of other tools: what is read, how it is matched, what is told of what is not.

use std::fs;
use std::path::Path;

use serde_json::Value as Json;
use vairun::Tensor;
use vairun::tensor::files::read_npz;

use super::{Ended, Scene, digits};
use crate::material::{numbers, shared};

/// A check of a model, with its report.
fn check(scene: &Scene, model: &str, options: &str) -> (Ended, Json) {
    let line = format!("check {model} {options} --report r.json");
    let ended = scene.run(&line);
    let text = fs::read_to_string(scene.path("r.json")).unwrap_or_else(|_| panic!("{ended:?}"));
    (ended, serde_json::from_str(&text).unwrap())
}

fn unmatched(report: &Json) -> Vec<&str> {
    let list = report["unmatched"].as_array().unwrap();
    list.iter().map(|entry| entry["name"].as_str().unwrap()).collect()
}

/// The names of the golden that were compared.
fn compared(report: &Json) -> Vec<&str> {
    let records = report["records"].as_array().unwrap();
    records.iter().map(|record| record["golden"]["name"].as_str().unwrap()).collect()
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

#[test]
fn a_deploy_check_matches_whole_and_bit_for_bit() {
    let Some(folder) = shared("golden/exported/vai8") else { return };
    let model = folder.join("TinyRes_int.onnx").display().to_string();
    let dump = folder.join("deploy_check_data_int");
    let scene = Scene::new();
    let (ended, report) = check(&scene, &model, &format!("--golden {}", dump.display()));
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(unmatched(&report), [""; 0]);
    let files = fs::read_dir(dump.join("TinyRes")).unwrap().count() - 1;
    assert_eq!(compared(&report).len(), files);
    let codes = |record: &&Json| record["golden"]["name"].as_str().unwrap().ends_with("_fix");
    for record in report["records"].as_array().unwrap().iter().filter(codes) {
        assert_eq!(
            record["cumulative"]["metrics"]["equal"],
            record["cumulative"]["metrics"]["elements"]
        );
    }
}

#[test]
fn without_the_exported_module_the_order_of_the_nodes_is_enough() {
    let Some(folder) = shared("golden/exported/vai8") else { return };
    let model = folder.join("TinyRes_int.onnx").display().to_string();
    let scene = Scene::new();
    copy(&folder.join("deploy_check_data_int/TinyRes"), &scene.path("TinyRes"));
    let (ended, report) = check(&scene, &model, "--golden TinyRes");
    assert_eq!((ended.code, unmatched(&report)), (Some(0), vec![]), "{ended:?}");
}

/// Exporters before torch 1.13 call nodes `Conv_12` and tensors by numbers: scales, shapes and order are all that is left.
#[test]
fn where_names_are_numbers_structure_is_enough() {
    let Some(folder) = shared("golden/exported/vai8") else { return };
    let mut model = vairun::Model::open(folder.join("TinyRes_int.onnx")).unwrap().source().clone();
    let graph = &mut model.graph;
    for (i, value) in graph.values.iter_mut().enumerate() {
        value.name = i.to_string();
    }
    for (i, node) in graph.nodes.iter_mut().enumerate() {
        node.name = format!("{}_{i}", node.op.op_type);
    }
    let scene = Scene::new();
    scene.write("numbers.onnx", &vairun_onnx::write(&model).unwrap());
    copy(&folder.join("deploy_check_data_int/TinyRes"), &scene.path("dump/TinyRes"));
    for file in ["TinyRes.py", "quant_info.json"] {
        fs::copy(folder.join(file), scene.path(file)).unwrap();
    }
    let input = scene.path("dump/TinyRes/TinyRes__input_0.bin");
    // NHWC in the dump: the input is given as the model has it.
    let bytes = fs::read(input).unwrap();
    let values: Vec<f32> =
        bytes.chunks(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect();
    let x = Tensor::new(&[1, 32, 32, 3], values).unwrap();
    let x = channels_first(&x);
    let name = model.graph.name_of(model.graph.inputs[0]).to_owned();
    vairun::tensor::files::write_npz(&scene.path("x.npz"), [(name.as_str(), &x)]).unwrap();
    let (ended, report) = check(&scene, "numbers.onnx", "-i x.npz --golden dump");
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let records = report["records"].as_array().unwrap();
    let by_structure = |record: &&Json| {
        record["golden"]["matched_by"].as_str().is_some_and(|how| how.starts_with("structure"))
    };
    let codes = |record: &&Json| record["golden"]["name"].as_str().unwrap().ends_with("_fix");
    let matched = records.iter().filter(by_structure).filter(codes).count();
    // All twelve quantized activations of the dump.
    assert_eq!(matched, 12, "{}", ended.stdout);
}

/// The picture with channels before height and width.
fn channels_first(tensor: &Tensor) -> Tensor {
    let &[n, h, w, c] = tensor.shape() else { panic!("{:?}", tensor.shape()) };
    let data = tensor.as_slice::<f32>().unwrap();
    let places = (0..data.len()).map(|p| (p / (c * h * w), p / (h * w) % c, p % (h * w)));
    let picked = places.map(|(b, k, place)| data[(b * h * w + place) * c + k]).collect();
    Tensor::new(&[n, c, h, w], picked).unwrap()
}

#[test]
fn a_wrong_code_in_a_deploy_check_is_named() {
    let Some(folder) = shared("golden/exported/vai8") else { return };
    let model = folder.join("TinyRes_int.onnx").display().to_string();
    let scene = Scene::new();
    copy(&folder.join("deploy_check_data_int/TinyRes"), &scene.path("TinyRes"));
    for (file, tensor) in [
        (
            "TinyRes__TinyRes_Block_layer1__ReLU_relu__ret_13_fix",
            "/module_5/QuantizeLinear_output_0",
        ),
        ("TinyRes__layer2_conv1_weight_fix", "/module_9/QuantizeLinear_output_0"),
    ] {
        let path = scene.path(&format!("TinyRes/{file}.bin"));
        let bytes = fs::read(&path).unwrap();
        let mut wrong = bytes.clone();
        wrong[17] ^= 1;
        fs::write(&path, wrong).unwrap();
        let (ended, report) = check(&scene, &model, "--golden TinyRes");
        assert_eq!(ended.code, Some(1), "{ended:?}");
        assert_eq!(report["summary"]["first"], tensor);
        fs::write(&path, bytes).unwrap();
    }
}

#[test]
fn a_layer_dump_matches_whole() {
    let Some(folder) = shared("golden/exported/vai8") else { return };
    let model = folder.join("TinyRes_int.onnx").display().to_string();
    let options = format!(
        "--golden {0}/onnx_layer_output --golden {0}/deploy_check_data_int",
        folder.display()
    );
    let (ended, report) = check(&Scene::new(), &model, &options);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(unmatched(&report), [""; 0]);
}

/// The tensors of a run of the digits network, and a scene to write them in.
fn digits_run() -> (Scene, Vec<(String, Tensor)>) {
    let scene = Scene::new();
    scene
        .run("run {digits}/digits_vai.onnx -i {digits}/inputs.npz --dump-layers run.npz")
        .succeeds();
    let tensors = read_npz(&scene.path("run.npz")).unwrap();
    (scene, tensors)
}

/// The numbers with channels last.
fn channels_last(tensor: &Tensor) -> Vec<f64> {
    let data = numbers(tensor).unwrap();
    let &[n, c, h, w] = tensor.shape() else { return data };
    let mut out = Vec::with_capacity(data.len());
    for at in (0..n).flat_map(|n| (0..h * w).map(move |place| (n, place))) {
        out.extend((0..c).map(|channel| data[(at.0 * c + channel) * h * w + at.1]));
    }
    out
}

/// As the Vitis AI tools escape names.
fn escape(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect()
}

/// Writes the codes of every quantizer by `file`, which makes a path of the escaped name. Returns how many.
fn write_codes(
    scene: &Scene,
    tensors: &[(String, Tensor)],
    file: impl Fn(&str) -> String,
) -> usize {
    let codes = tensors.iter().filter(|(name, _)| name.contains("/QuantizeLinear"));
    let mut count = 0;
    for (name, tensor) in codes {
        let bytes: Vec<u8> = channels_last(tensor).iter().map(|&code| code as i8 as u8).collect();
        let path = scene.path(&file(&escape(name)));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
        count += 1;
    }
    count
}

#[test]
fn flat_codes_of_every_tool_match_whole_and_a_wrong_one_is_named() {
    let (scene, tensors) = digits_run();
    type File = fn(&str) -> String;
    let layouts: [(&str, File); 4] = [
        ("golden", |name| format!("golden/{name}.bin")),
        ("dump", |name| format!("dump/subgraph_1/internal/0.{name}_fix.bin")),
        ("out", |name| format!("out/0.{name}.bin")),
        ("dump_results", |name| format!("dump_results/dump_results_0/{name}.bin")),
    ];
    let model = digits("digits_vai.onnx");
    let input = format!("-i {}", digits("inputs.npz"));
    for (folder, file) in layouts {
        let count = write_codes(&scene, &tensors, file);
        let options = format!("{input} --golden {folder}");
        let (ended, report) = check(&scene, &model, &options);
        assert_eq!((ended.code, unmatched(&report)), (Some(0), vec![]), "{folder}: {ended:?}");
        assert_eq!(compared(&report).len(), count, "{folder}");
        let path = scene.path(&file("_module_5_QuantizeLinear_output_0"));
        let mut bytes = fs::read(&path).unwrap();
        bytes[3] ^= 2;
        fs::write(&path, bytes).unwrap();
        let (ended, report) = check(&scene, &model, &options);
        assert_eq!(ended.code, Some(1), "{folder}: {ended:?}");
        assert_eq!(report["summary"]["first"], "/module_5/QuantizeLinear_output_0", "{folder}");
    }
}

#[test]
fn the_report_says_how_a_tensor_was_read_and_matched() {
    let (scene, tensors) = digits_run();
    write_codes(&scene, &tensors, |name| format!("golden/{name}.bin"));
    let options = format!("-i {} --golden golden", digits("inputs.npz"));
    let (_, report) = check(&scene, &digits("digits_vai.onnx"), &options);
    let records = report["records"].as_array().unwrap();
    let record = records
        .iter()
        .find(|record| record["name"] == "/module_5/QuantizeLinear_output_0")
        .unwrap();
    assert_eq!(record["golden"]["read_as"], "int8 codes, NHWC → NCHW");
    assert_eq!(record["golden"]["matched_by"], "escaped name");
}

#[test]
fn a_map_says_what_names_do_not() {
    let (scene, tensors) = digits_run();
    let codes =
        tensors.iter().find(|(name, _)| name == "/module_5/QuantizeLinear_output_0").unwrap();
    write_codes(&scene, std::slice::from_ref(codes), |_| "golden/strange.bin".to_owned());
    let model = digits("digits_vai.onnx");
    let options = format!("-i {} --golden golden", digits("inputs.npz"));
    let (ended, report) = check(&scene, &model, &options);
    assert_eq!((ended.code, unmatched(&report)), (Some(1), vec!["strange"]), "{ended:?}");
    scene.write("map.txt", b"strange = /module_5/QuantizeLinear_output_0\n");
    let (ended, _) = check(&scene, &model, &format!("{options} --map map.txt"));
    assert_eq!(ended.code, Some(0), "{ended:?}");
    scene.write("map.txt", b"absent = y\n");
    let ended = scene.run(&format!("check {model} {options} --map map.txt"));
    assert_eq!(ended.code, Some(2), "{ended:?}");
}

#[test]
fn hostile_goldens_end_with_a_word_and_4() {
    let scene = Scene::new();
    scene.write("truncated.npz", b"PK\x03\x04\x14\0");
    scene.write("empty.json", b"{}");
    scene.write("deep.json", "[".repeat(1 << 20).as_bytes());
    scene.write("huge.safetensors", &u64::MAX.to_le_bytes());
    scene.write("unknown.xyz", b"?");
    fs::create_dir(scene.path("void")).unwrap();
    fs::create_dir(scene.path("out")).unwrap();
    let escape = r#"{"schema":"vairun.dump/1","model":"m","tensors":[{"name":"143","node":"","op":"","domain":"",
        "file":"../x.npy","dtype":"float32","shape":[1],"min":null,"max":null,"nan":0,"sha256":""}]}"#;
    scene.write("out/manifest.json", escape.as_bytes());
    for golden in [
        "truncated.npz",
        "empty.json",
        "deep.json",
        "huge.safetensors",
        "unknown.xyz",
        "void",
        "out",
        "absent",
    ] {
        let line =
            format!("check {{digits}}/digits_vai.onnx -i {{digits}}/inputs.npz --golden {golden}");
        let ended = scene.run(&line);
        assert_eq!(ended.code, Some(4), "{golden}: {ended:?}");
        assert!(ended.stderr.contains(golden) && !ended.stderr.contains("panicked"), "{ended:?}");
    }
}
