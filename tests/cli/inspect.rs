use super::{Scene, digits};

#[test]
fn inspect_shows_what_is_in_a_model() {
    let out = Scene::new().run("inspect {digits}/digits_vai.onnx").succeeds();
    insta::assert_snapshot!(out);
}

#[test]
fn inspect_lists_nodes_and_tensors() {
    let scene = Scene::new();
    let nodes = scene.run("inspect {digits}/digits_float.onnx --nodes").succeeds();
    assert!(
        nodes.lines().any(|line| line.contains("Conv") && line.contains("Digits::input_0")),
        "{nodes}"
    );
    let tensors = scene.run("inspect {digits}/digits_float.onnx --tensors logits*").succeeds();
    assert!(tensors.contains("logits float32 ["), "{tensors}");
    scene.run("inspect {digits}/digits_float.onnx --tensors nothing").fails(2);
}

#[test]
fn inspect_has_a_form_for_programs() {
    let out = Scene::new().run("inspect --json {digits}/digits_vai.onnx").succeeds();
    let json: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(json["nodes"], 223);
    assert!(json["unsupported"].is_null());
}

#[test]
fn what_is_not_supported_is_shown_and_3() {
    let scene = Scene::new();
    let mut model = vairun_onnx::read(digits("digits_float.onnx").as_ref()).unwrap();
    for node in &mut model.graph.nodes {
        if node.op.op_type == "Relu" {
            node.op.domain = "acme".into();
        }
    }
    scene.write("acme.onnx", &vairun_onnx::write(&model).unwrap());
    for verb in ["inspect", "run"] {
        let error = scene.run(&format!("{verb} acme.onnx")).fails(3);
        assert!(error.contains("acme::Relu") && error.contains("no such operator"), "{error}");
    }
    let shown = scene.run("inspect acme.onnx");
    assert!(shown.stdout.contains("acme::Relu"), "{}", shown.stdout);
}

#[test]
fn inspect_lists_tensors_of_files_and_folders() {
    let scene = Scene::new();
    let npz = scene.run("inspect {digits}/digits_vai.outputs.npz").succeeds();
    assert!(npz.contains("143") && npz.contains("float32") && npz.contains("[16, 10]"), "{npz}");
    scene.run("run {digits}/digits_vai.onnx -q --dump-layers dump").succeeds();
    let dump = scene.run("inspect dump --tensors 143").succeeds();
    assert!(dump.contains("min") && dump.contains("max"), "{dump}");
    let json = scene.run("inspect dump --json").succeeds();
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert!(json["tensors"].as_array().unwrap().len() > 20);
    scene.run("inspect dump --tensors nothing").fails(2);
    scene.write("broken.npz", b"PK\x03\x04 and no more");
    scene.run("inspect broken.npz").fails(4);
}

#[test]
fn inspect_lists_quantizers() {
    let out = Scene::new().run("inspect {digits}/digits_vai.onnx --quant").succeeds();
    assert_eq!(out.lines().filter(|line| line.contains("vai::QuantizeLinear")).count(), 19 + 3);
}

#[test]
fn ops_lists_operators_by_domain() {
    let scene = Scene::new();
    let out = scene.run("ops --domain vai").succeeds();
    assert!(out.contains("QuantizeLinear") && out.contains("exact"), "{out}");
    let json = scene.run("ops --json").succeeds();
    let all: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert!(all.as_array().unwrap().len() > 10);
    scene.run("ops --domain nowhere").fails(2);
}

#[test]
fn help_explains_verbs_and_topics() {
    let scene = Scene::new();
    let all = scene.run("help").succeeds();
    // A verb in the help is one that works.
    let verbs = all.lines().skip_while(|line| *line != "Commands:").skip(1);
    for verb in
        verbs.take_while(|line| !line.is_empty()).filter_map(|line| line.split_whitespace().next())
    {
        let help = scene.run(&format!("help {verb}")).succeeds();
        assert!(help.contains("Usage: vairun"), "{help}");
    }
    for topic in ["exit-codes", "inputs", "dumps", "rounding", "golden", "json", "json-schema"] {
        assert!(scene.run(&format!("help {topic}")).succeeds().lines().count() > 5);
    }
    assert!(scene.run("help nothing").fails(2).contains("no help on `nothing`"));
    assert_eq!(
        scene.run("--version").succeeds(),
        format!("vairun {}\n", env!("CARGO_PKG_VERSION"))
    );
}
