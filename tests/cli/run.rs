use std::io::Read;
use std::process::Stdio;

use vairun::tensor::files::{read_npy, read_npz};

use super::{Ended, Scene, digits};

#[test]
fn the_outputs_are_the_golden_ones_bit_for_bit() {
    let scene = Scene::new();
    for kind in ["vai", "qdq"] {
        scene
            .run(&format!("run {{digits}}/digits_{kind}.onnx -i {{digits}}/inputs.npz -o out.npz"))
            .succeeds();
        let (got, want) = (
            read_npz(&scene.path("out.npz")).unwrap(),
            read_npz(digits(&format!("digits_{kind}.outputs.npz")).as_ref()).unwrap(),
        );
        assert_eq!(got.len(), want.len());
        for ((name, got), (expected, want)) in got.iter().zip(&want) {
            assert_eq!(name, expected);
            assert!(got.bits_eq(want), "{kind} `{name}`");
        }
    }
}

#[test]
fn a_run_prints_its_inputs_and_outputs() {
    let out = Scene::new().run("run {digits}/digits_vai.onnx -i {digits}/inputs.npz").succeeds();
    let out = out.replace(&digits(""), "digits");
    insta::assert_snapshot!(out);
}

#[test]
fn without_a_verb_it_is_run() {
    let scene = Scene::new();
    let with = scene.run("run {digits}/digits_vai.onnx").succeeds();
    assert_eq!(scene.run("{digits}/digits_vai.onnx").succeeds(), with);
}

#[test]
fn random_inputs_are_told_and_the_same_for_a_seed() {
    let scene = Scene::new();
    let first = scene.run("run {digits}/digits_float.onnx --seed 7").succeeds();
    assert!(first.contains("random, seed 7, -1 … 1, Digits::input_0_dynamic_axes_1=1"), "{first}");
    assert_eq!(scene.run("run {digits}/digits_float.onnx --random --seed 7").succeeds(), first);
    assert_ne!(scene.run("run {digits}/digits_float.onnx --seed 8").succeeds(), first);
}

#[test]
fn dimensions_and_ranges_shape_random_inputs() {
    let args =
        "run {digits}/digits_float.onnx --dim Digits::input_0_dynamic_axes_1=3 --range 0..0.5";
    let out = Scene::new().run(args).succeeds();
    assert!(out.contains("float32 [3, 1, 8, 8]") && out.contains("0 … 0.5"), "{out}");
}

#[test]
fn threads_and_exec_do_not_change_a_bit() {
    let scene = Scene::new();
    let run = |options: &str| {
        let line = format!(
            "run {{digits}}/digits_vai.onnx -i {{digits}}/inputs.npz -q -o out.npy {options}"
        );
        scene.run(&line).succeeds();
        read_npy(&scene.path("out.npy")).unwrap()
    };
    let first = run("--threads 1");
    for options in ["--threads 2", "--exec unfused", "--exec fused"] {
        assert!(run(options).bits_eq(&first), "{options}");
    }
}

#[test]
fn quiet_prints_nothing() {
    let ended = Scene::new().run("run -q {digits}/digits_float.onnx");
    assert_eq!((ended.stdout.as_str(), ended.stderr.as_str(), ended.code), ("", "", Some(0)));
}

#[test]
fn verbose_tells_what_is_done_on_stderr_alone() {
    let scene = Scene::new();
    let plain = scene.run("run {digits}/digits_float.onnx");
    let verbose = scene.run("run -v {digits}/digits_float.onnx");
    assert_eq!((plain.stdout, plain.stderr), (verbose.stdout, String::new()));
    for span in ["load", "plan", "run"] {
        assert!(verbose.stderr.contains(span), "{}", verbose.stderr);
    }
    let nodes = scene.run("run -vv {digits}/digits_float.onnx --exec unfused").stderr;
    assert!(nodes.contains("Conv"), "{nodes}");
}

#[test]
fn the_log_has_filters() {
    let scene = Scene::new();
    let mut command = scene.command(["run", "-q", &digits("digits_float.onnx")]);
    let ended = Ended::from(command.env("VAIRUN_LOG", "vairun=info").output().unwrap());
    assert!(ended.stderr.contains("plan"), "{}", ended.stderr);
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let scene = Scene::new();
    let mut child =
        scene.command(["ops"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!((child.wait().unwrap().code(), said.as_str()), (Some(0), ""));
}

#[test]
fn colours_are_for_terminals() {
    let scene = Scene::new();
    let out = scene.run("run {digits}/digits_float.onnx --color never").succeeds();
    assert!(!out.contains('\x1b'));
}

#[test]
fn a_model_comes_from_standard_input_too() {
    let scene = Scene::new();
    let file = std::fs::File::open(digits("digits_float.onnx")).unwrap();
    let ended = Ended::from(scene.command(["run", "-"]).stdin(file).output().unwrap());
    assert_eq!(ended.succeeds(), scene.run("run {digits}/digits_float.onnx").succeeds());
}

#[test]
fn outputs_are_written_in_the_form_that_the_path_asks_for() {
    let scene = Scene::new();
    let run = |output: &str| {
        scene.run(&format!("run -q {{digits}}/digits_float.onnx -o {output}")).succeeds()
    };
    for path in ["out.npz", "out.npy", "out.pb", "folder", "test_data_set_0"] {
        run(path);
    }
    let want = read_npy(&scene.path("out.npy")).unwrap();
    let (_, pb) = vairun_onnx::read_tensor(&scene.path("out.pb")).unwrap();
    let (name, set) = vairun_onnx::read_tensor(&scene.path("test_data_set_0/output_0.pb")).unwrap();
    let all = [pb, set, read_npy(&scene.path("folder/logits.npy")).unwrap()];
    assert!(all.iter().all(|tensor| tensor.bits_eq(&want)), "{all:?}");
    assert_eq!(name, "logits");
}

#[test]
fn wrong_usage_is_2_and_names_what_there_is() {
    let scene = Scene::new();
    scene.run("run").fails(2);
    scene.run("inspct x").fails(2);
    scene.run("run {digits}/digits_float.onnx --threads many").fails(2);
    let dim = scene.run("run {digits}/digits_float.onnx --dim N=1").fails(2);
    assert!(dim.contains("there is `Digits::input_0_dynamic_axes_1`"), "{dim}");
    let range = scene.run("run {digits}/digits_float.onnx --range x=0..1").fails(2);
    assert!(range.contains("the model has the input `Digits::input_0`"), "{range}");
    let nowhere = scene.run("run -q {digits}/digits_float.onnx -o no/such/folder.npz").fails(2);
    assert!(nowhere.contains("no/such/folder.npz: No such file or directory"), "{nowhere}");
}

#[test]
fn a_model_that_is_none_is_3() {
    let scene = Scene::new();
    let missing = scene.run("run missing.onnx").fails(3);
    assert_eq!(missing, "vairun: missing.onnx: No such file or directory (os error 2)\n");
    scene.write("text.onnx", b"this is no model");
    let text = scene.run("run text.onnx").fails(3);
    assert!(text.contains("not a readable ONNX ModelProto"), "{text}");
}
