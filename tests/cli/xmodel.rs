use vairun::tensor::files::read_npy;

use super::Scene;
use crate::material::{repository, shared};

/// Runs the command; `{pairs}` is the folder of the networks in several formats.
fn run(line: &str) -> super::Ended {
    let folder = repository().join("testdata/xmodel_pairs").to_string_lossy().into_owned();
    let words: Vec<_> = line.split(' ').map(|word| word.replace("{pairs}", &folder)).collect();
    let scene = Scene::new();
    super::Ended::from(scene.command(words).output().unwrap())
}

#[test]
fn a_model_is_checked_against_its_xmodel() {
    let check = |onnx: &str, xmodel: &str, options: &str| {
        run(&format!(
            "check {{pairs}}/{onnx} --golden {{pairs}}/{xmodel} -i {{pairs}}/layers.inputs.npz --all{options}"
        ))
    };
    let equal = check("layers_vai.onnx", "layers.xmodel", " --strict").succeeds();
    assert!(equal.contains("29 of 29 golden tensors matched"), "{equal}");
    assert!(equal.contains("12 parameters, 17 activations paired"), "{equal}");
    let json = check("layers_vai.onnx", "layers.xmodel", " --format json").succeeds();
    assert!(
        json.contains("module_0.weight") && json.contains("Layers__module_0_weight_fix"),
        "{json}"
    );
    let ties = check("layers_native.onnx", "layers.xmodel", "").succeeds();
    assert!(ties.contains(" ties)") && !ties.contains(" real"), "{ties}");
    assert_eq!(check("layers_native.onnx", "layers.xmodel", " --strict").code, Some(1));
    check("layers_native.onnx", "layers.xmodel", " --strict --round half-even").succeeds();
    let wrong = check("layers_native.onnx", "layers_wrong_weight.xmodel", "");
    assert_eq!(wrong.code, Some(1));
    assert!(
        wrong.stdout.contains("module_1.weight") && wrong.stdout.contains("1 real"),
        "{}",
        wrong.stdout
    );
    assert!(wrong.stdout.contains("1 by itself, 1 inherits"), "{}", wrong.stdout);
    let swept = check("layers_native.onnx", "layers.xmodel", " --sweep-rounding").succeeds();
    assert!(swept.contains("rounded half-even: all equal"), "{swept}");
    assert!(swept.contains(" ties") && swept.contains("rounded half-up: "), "{swept}");
    check("layers_native.onnx", "layers.xmodel", " --cumulative").fails(2);
    check("layers_native.onnx", "layers.xmodel", " --round sideways").fails(2);
}

#[test]
fn both_tensors_of_a_pair_that_fails_are_saved() {
    let scene = Scene::new();
    let pairs = repository().join("testdata/xmodel_pairs");
    let file = |name: &str| pairs.join(name).display().to_string();
    let line = format!(
        "check {} --golden {} -i {} --save-mismatch wrong",
        file("layers_vai.onnx"),
        file("layers_wrong_fix.xmodel"),
        file("layers.inputs.npz")
    );
    assert_eq!(scene.run(&line).code, Some(1));
    let saved = std::fs::read_dir(scene.path("wrong")).unwrap().count();
    assert!(saved >= 2, "{saved}");
}

#[test]
fn strict_is_for_xmodels() {
    run("check {pairs}/layers_vai.onnx --golden {pairs}/layers.inputs.npz --strict --random")
        .fails(2);
}

#[test]
fn xmodels_run_in_either_layout() {
    let nhwc = run("run {pairs}/layers.xmodel").succeeds();
    assert!(nhwc.contains("[1, 12, 10, 3]") && nhwc.contains("softmax"), "{nhwc}");
    let nchw = run("run {pairs}/layers.xmodel --layout nchw").succeeds();
    assert!(nchw.contains("[1, 3, 12, 10]"), "{nchw}");
    let bench = run("bench {pairs}/layers.xmodel -n 1 --warmup 0").succeeds();
    assert!(bench.contains("GMAC"), "{bench}");
}

#[test]
fn xmodels_are_inspected() {
    let text = run("inspect {pairs}/layers.xmodel").succeeds();
    assert!(text.starts_with("xmodel `Layers`: quantized, "), "{text}");
    assert!(text.contains("every op is supported"), "{text}");
    let values = run("inspect {pairs}/layers.xmodel --tensors *module_0_bias --values").succeeds();
    assert!(
        values.contains("const Layers__module_0_bias") && values.contains("\n  = "),
        "{values}"
    );
    let json = run("inspect {pairs}/layers.xmodel --json").succeeds();
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["kind"], "quantized");
    assert!(json["unsupported"].is_null() && json["ops"].as_array().unwrap().len() > 60);
    run("inspect {pairs}/layers.xmodel --tensors nothing").fails(2);
}

#[test]
fn every_xmodel_is_listed() {
    let Some(folder) = shared("xmodel") else { return };
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "xmodel") {
            let text = run(&format!("inspect {} --nodes", path.display())).succeeds();
            assert!(text.starts_with("xmodel `") && text.contains("  ops       "), "{text}");
        }
    }
}

#[test]
fn codes_of_an_xmodel_are_a_golden_like_any_other() {
    let Some(folder) = shared("xmodel") else { return };
    let folder = folder.display();
    let line = format!(
        "check {folder}/CNN_int.xmodel --golden {folder}/CNN_int.expected.npz -i {folder}/CNN_int.inputs.npz -q"
    );
    assert_eq!(run(&line).succeeds(), "PASS 5/5 all equal\n");
    let line = format!(
        "check {folder}/CNN_int.xmodel --golden {folder}/CNN_zcu104.xmodel -i {folder}/CNN_int.inputs.npz --strict -q"
    );
    assert!(run(&line).succeeds().starts_with("PASS "));
}

#[test]
fn truncated_xmodels_are_refused() {
    let bytes = std::fs::read(repository().join("testdata/xmodel_pairs/layers.xmodel")).unwrap();
    let scene = Scene::new();
    for cut in [1, 7, 100, bytes.len() / 2, bytes.len() - 1] {
        scene.write("cut.xmodel", &bytes[..cut]);
        for verb in ["inspect", "run"] {
            scene.run(&format!("{verb} cut.xmodel")).fails(3);
        }
    }
}

/// A folder as vai_q_pytorch's `deploy_check=True` writes it, from a dump of an .xmodel: the codes behind each `fix`, and
/// their numbers under the name of the op before it; raw sums for an op without.
fn deploy_check_of(scene: &Scene, dump: &str) {
    let manifest = std::fs::read(scene.path(&format!("{dump}/manifest.json"))).unwrap();
    let manifest: serde_json::Value = serde_json::from_slice(&manifest).unwrap();
    let folder = scene.path("deploy_check_data_int/Layers");
    std::fs::create_dir_all(&folder).unwrap();
    let mut shapes = String::new();
    for tensor in manifest["tensors"].as_array().unwrap() {
        let (name, file) = (tensor["name"].as_str().unwrap(), tensor["file"].as_str().unwrap());
        let Some(op) = name.strip_suffix("_fix") else { continue };
        let codes = read_npy(&scene.path(&format!("{dump}/{file}"))).unwrap();
        let codes = codes.as_slice::<i8>().unwrap();
        let step = tensor["scale"][0].as_f64().unwrap() as f32;
        let numbers: Vec<u8> =
            codes.iter().flat_map(|&code| (f32::from(code) * step).to_le_bytes()).collect();
        let codes: Vec<u8> = codes.iter().map(|code| code.cast_unsigned()).collect();
        std::fs::write(folder.join(format!("{name}.bin")), codes).unwrap();
        std::fs::write(folder.join(format!("{op}.bin")), numbers).unwrap();
        shapes += &format!("{}: {}\n", tensor["shape"], op.replacen("__", "::", 1));
    }
    std::fs::write(folder.join("shape.txt"), shapes).unwrap();
}

#[test]
fn an_xmodel_is_checked_against_the_dump_of_its_quantizer() {
    let scene = Scene::new();
    let pairs = repository().join("testdata/xmodel_pairs");
    let model = pairs.join("layers.xmodel").display().to_string();
    let inputs = format!("-i {} --layout nchw", pairs.join("layers.inputs.npz").display());
    scene.run(&format!("run {model} {inputs} --dump-layers dump -q")).succeeds();
    deploy_check_of(&scene, "dump");
    let check = format!("check {model} {inputs} --golden deploy_check_data_int");
    let passed = scene.run(&check).succeeds();
    assert!(passed.contains("58 of 58 golden tensors matched"), "{passed}");

    let sum = "deploy_check_data_int/Layers/Layers__Layers_add_96_fix.bin";
    let mut codes = std::fs::read(scene.path(sum)).unwrap();
    codes[5] = codes[5].wrapping_add(1);
    scene.write(sum, &codes);
    let ended = scene.run(&check);
    assert_eq!(ended.code, Some(1));
    assert!(ended.stdout.contains("Layers__Layers_add_96_fix: 1 of 960"), "{}", ended.stdout);
}

#[test]
fn a_model_is_checked_against_what_the_compiler_has_made_of_it() {
    for (model, layout) in
        [("curve_vai.onnx", ""), ("curve_native.onnx", ""), ("curve.xmodel", " --layout nchw")]
    {
        let text = run(&format!(
            "check {{pairs}}/{model} --golden {{pairs}}/curve_compiled.xmodel -i {{pairs}}/curve.inputs.npz{layout}"
        ));
        let text = text.succeeds();
        assert!(text.contains("23 parameters, 31 activations paired"), "{model}: {text}");
        assert!(text.contains("54 of 54 golden tensors matched"), "{model}: {text}");
    }
}

#[test]
fn images_in_the_other_layout_are_told_how_to_be_fed() {
    let ended = run("run {pairs}/curve.xmodel -i {pairs}/curve.inputs.npz");
    assert_eq!(ended.code, Some(4));
    assert!(ended.stderr.contains("--layout nchw"), "{}", ended.stderr);
}
