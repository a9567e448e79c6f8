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
    check("layers_native.onnx", "layers.xmodel", " --sweep-rounding").fails(2);
    check("layers_native.onnx", "layers.xmodel", " --round sideways").fails(2);
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
