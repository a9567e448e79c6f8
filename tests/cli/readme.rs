//! README.md shows real output.

use std::fs;

use super::Scene;
use crate::material::repository;

/// The blocks of README.md that begin with a command of vairun, each with what it prints.
fn commands() -> Vec<(String, String)> {
    let readme = fs::read_to_string(repository().join("README.md")).unwrap();
    let blocks = readme.split("```console\n").skip(1);
    let block = |text: &str| {
        let text = text.split("```").next().unwrap();
        let (command, output) = text.split_once('\n').unwrap();
        (
            command.strip_prefix("$ ").expect("a block begins with `$ `").to_owned(),
            output.to_owned(),
        )
    };
    blocks.map(block).collect()
}

/// The arguments of `vairun …` or of `cargo run --release -- …`.
fn arguments(command: &str) -> Vec<String> {
    let rest = command.strip_prefix("vairun ").or(command.strip_prefix("cargo run --release -- "));
    rest.unwrap_or_else(|| panic!("{command}")).split(' ').map(str::to_owned).collect()
}

#[test]
fn every_command_of_the_readme_prints_what_it_says() {
    let commands = commands();
    assert!(!commands.is_empty());
    for (command, expected) in commands {
        let scene = Scene::new();
        // Files of the repository by their names, files that are written elsewhere.
        std::os::unix::fs::symlink(
            repository().join("testdata").canonicalize().unwrap(),
            scene.path("testdata"),
        )
        .unwrap();
        let output = scene.command(arguments(&command)).output().unwrap();
        let got = String::from_utf8(output.stdout).unwrap();
        assert_eq!(got.trim_end(), expected.trim_end(), "$ {command}");
    }
}

#[test]
fn the_commands_that_set_up_everything_are_there() {
    let readme = fs::read_to_string(repository().join("README.md")).unwrap();
    let first = readme.lines().find(|line| line.contains("cargo run --release -- ")).unwrap();
    assert!(first.contains("testdata/digits/digits_vai.onnx"), "{first}");
    assert!(readme.lines().any(|line| line == "cargo test --release --workspace"));
}
