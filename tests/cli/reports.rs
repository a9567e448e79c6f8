//! The forms of a report, from the command line.

use vairun::tensor::files::{NpzWriter, read_npz};

use super::{Scene, digits};

/// A golden of the digits network in which one code of one tensor is off by one.
fn wrong_golden(scene: &Scene) {
    let tensors = read_npz(digits("digits_qdq.layers.npz").as_ref()).unwrap();
    let mut writer = NpzWriter::create(&scene.path("wrong.npz")).unwrap();
    let mut changed = false;
    for (name, tensor) in tensors {
        let codes = tensor.as_slice::<i8>().ok().filter(|codes| !changed && codes.len() > 500);
        let wrong = codes.map(|codes| {
            let mut codes = codes.to_vec();
            codes[0] = if codes[0] > 0 { codes[0] - 1 } else { codes[0] + 1 };
            vairun::Tensor::vector(codes).reshaped(tensor.shape()).unwrap()
        });
        changed |= wrong.is_some();
        writer.add(&name, wrong.as_ref().unwrap_or(&tensor)).unwrap();
    }
    assert!(changed, "the golden has codes");
    writer.finish().unwrap();
}

const CHECK: &str =
    "check {digits}/digits_qdq.onnx -i {digits}/inputs.npz --golden wrong.npz --color never";

#[test]
fn files_are_written_in_the_form_of_their_extension() {
    let scene = Scene::new();
    wrong_golden(&scene);
    let files = "--report r.html --report r.json --report r.xml --report r.csv --report r.md";
    let ended = scene.run(&format!("{CHECK} {files}"));
    assert_eq!(ended.code, Some(1), "{}{}", ended.stdout, ended.stderr);
    let read = |name: &str| std::fs::read_to_string(scene.path(name)).unwrap();
    let report = vairun_report::parse_json(&read("r.json")).unwrap();
    let first = report.summary.first.clone().unwrap();
    assert!(report.around.as_ref().is_some_and(|around| around.tensor == first), "{first}");
    for name in ["r.html", "r.xml", "r.csv", "r.md"] {
        assert!(read(name).contains(&first), "{name}: {first}");
    }
    assert!(ended.stdout.contains(&first) && ended.stdout.contains("FAIL"), "{}", ended.stdout);
}

#[test]
fn every_format_is_printed() {
    let scene = Scene::new();
    wrong_golden(&scene);
    let print = |format: &str| {
        let ended = scene.run(&format!("{CHECK} --format {format}"));
        assert_eq!(ended.code, Some(1), "{}{}", ended.stdout, ended.stderr);
        ended.stdout
    };
    let report = vairun_report::parse_json(&print("json")).unwrap();
    assert_eq!(print("jsonl").lines().count(), report.records.len() + 1);
    assert_eq!(print("csv").lines().count(), report.records.len() + 1);
    assert!(print("junit").starts_with("<?xml"));
    assert!(print("html").starts_with("<!doctype html>"));
    assert!(print("md").starts_with("## ❌ FAIL"));
    assert!(print("text").contains("◀ first"));
}

#[test]
fn an_extension_that_no_form_has_is_told_before_the_run() {
    let error = Scene::new().run(&format!("{CHECK} --report r.pdf")).fails(2);
    assert!(error.contains("no format `pdf`") && error.contains(".html"), "{error}");
    Scene::new().run(&format!("{CHECK} --format pdf")).fails(2);
}

#[test]
fn a_narrow_terminal_has_no_long_lines_in_the_table() {
    let scene = Scene::new();
    wrong_golden(&scene);
    let digits = digits("");
    let words = CHECK.split(' ').map(|word| word.replace("{digits}", &digits));
    let output = scene.command(words).env("COLUMNS", "60").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let table = text.lines().skip_while(|line| !line.contains("equal %"));
    for line in table.take_while(|line| !line.is_empty()) {
        assert!(line.chars().count() <= 60, "{text}");
    }
}

#[test]
fn the_guilty_part_becomes_a_test_case_that_fails_by_itself() {
    let scene = Scene::new();
    wrong_golden(&scene);
    let json = scene.run(&format!("{CHECK} --format json")).stdout;
    let report = vairun_report::parse_json(&json).unwrap();
    let guilty = report.records.iter().find(|record| !record.pass()).unwrap();
    let from = &report.around.as_ref().unwrap().edges;
    let from = &from.iter().find(|edge| report.around.as_ref().unwrap().nodes[edge.to].center);
    let from = &from.unwrap().tensor;
    let part = format!("--from {from} --to {} --golden wrong.npz -o part", guilty.name);
    scene
        .run(&format!("extract {{digits}}/digits_qdq.onnx -i {{digits}}/inputs.npz {part}"))
        .succeeds();
    let ended = scene.run("check part/model.onnx --golden part/test_data_set_0");
    assert_eq!(ended.code, Some(1), "{}{}", ended.stdout, ended.stderr);
    assert!(ended.stdout.contains("FAIL"), "{}", ended.stdout);
}

#[test]
fn completions_and_manual_pages_know_every_verb() {
    let scene = Scene::new();
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = scene.run(&format!("completions {shell}")).succeeds();
        assert!(script.contains("inspect") && script.contains("--golden"), "{shell}");
    }
    scene.run("completions tcsh").fails(2);
    scene.run("man pages").succeeds();
    let page = std::fs::read_to_string(scene.path("pages/vairun-check.1")).unwrap();
    assert!(page.contains("golden") && page.contains(".TH"), "{page}");
    assert!(scene.path("pages/vairun.1").exists());
}

#[test]
fn a_mistyped_topic_is_recognized() {
    let error = Scene::new().run("help roundign").fails(2);
    assert!(error.contains("did you mean `vairun help rounding`?"), "{error}");
}

#[test]
fn the_schema_that_is_printed_is_that_of_the_reports() {
    let schema = Scene::new().run("help json-schema").succeeds();
    let schema: serde_json::Value = serde_json::from_str(&schema).unwrap();
    assert_eq!(schema["properties"]["schema"]["const"], "vairun.check/1");
}

#[test]
fn the_json_of_every_kind_of_check_follows_the_schema() {
    let scene = Scene::new();
    wrong_golden(&scene);
    let layers = "--golden {digits}/digits_qdq.layers.npz";
    let model = "{digits}/digits_qdq.onnx -i {digits}/inputs.npz";
    let checks = [
        format!("{model} --golden wrong.npz"),
        format!("{model} --golden wrong.npz --isolated --lsb 1"),
        format!("{model} --golden wrong.npz --cumulative --min-cosine 0.5"),
        format!("{model} {layers} --sweep-rounding"),
        format!("{model} {layers} --round floor --explain 1"),
        "{digits}/digits_float.onnx -i {digits}/inputs.npz --golden wrong.npz".to_owned(),
    ];
    for check in checks {
        let ended = scene.run(&format!("check {check} --report r.json -q"));
        assert!(matches!(ended.code, Some(0 | 1)), "{check}: {ended:?}");
        let text = std::fs::read_to_string(scene.path("r.json")).unwrap();
        let found = vairun_report::schema_violations(&serde_json::from_str(&text).unwrap());
        assert!(found.is_empty(), "{check}: {}", found.join("\n"));
    }
}
