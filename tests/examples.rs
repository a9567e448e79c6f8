//! The examples of the facade and of the tract registration, run as they stand.

use std::path::PathBuf;
use std::process::Command;

/// The example that `cargo test --workspace` has built; `None` where only this package was built.
fn example(name: &str) -> Option<PathBuf> {
    let path = std::env::current_exe().ok()?.parent()?.parent()?.join("examples").join(name);
    let path = path.with_extension(std::env::consts::EXE_EXTENSION);
    if !path.exists() {
        println!("skipped: {} is not built; `cargo test --workspace` builds it", path.display());
        return None;
    }
    Some(path)
}

fn run(name: &str, expected: &str) {
    let Some(path) = example(name) else { return };
    let output = Command::new(path).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
    assert!(text.contains(expected), "{name} does not print `{expected}`:\n{text}");
}

#[test]
fn run_prints_the_scores() {
    run("run", "143: [[");
}

#[test]
fn observe_prints_every_tensor() {
    run("observe", "/module_12/QuantizeLinear_2_output_0: ");
}

#[test]
fn a_custom_operator_takes_the_place_of_relu() {
    run("custom_operator", "Relu cut off ");
}
