//! The README's table of operators says what the list says.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use vairun::Model;
use vairun::ops::Grade;

use crate::material::repository;

/// The lines between these are written by this test.
const BEGIN: &str = "<!-- operators: written by tests/operators.rs -->\n";
const END: &str = "<!-- end of operators -->";

/// Names by domain and by how well they are proven.
fn table() -> String {
    let mut by_domain: BTreeMap<String, [Vec<String>; 3]> = BTreeMap::new();
    for entry in Model::builder().operators() {
        let column = match entry.grade {
            Grade::Exact(_) => 0,
            Grade::Within(..) => 1,
            Grade::Runs => 2,
        };
        let domain = if entry.domain.is_empty() { "ai.onnx".into() } else { entry.domain };
        by_domain.entry(domain).or_default()[column].push(entry.op_type);
    }
    let mut text = String::from("| domain | exact | within *n* | runs |\n|---|---|---|---|\n");
    for (domain, columns) in by_domain {
        let names = columns.map(|mut names| {
            names.sort();
            names.dedup();
            names.join(", ")
        });
        let _ = writeln!(text, "| `{domain}` | {} |", names.join(" | "));
    }
    text
}

#[test]
fn the_readme_lists_every_operator() {
    let path = repository().join("README.md");
    let readme = std::fs::read_to_string(&path).unwrap();
    let (head, rest) = readme.split_once(BEGIN).expect("README.md has a place for the operators");
    let (found, tail) = rest.split_once(END).expect("the place has an end");
    let wanted = table();
    if found == wanted {
        return;
    }
    if std::env::var_os("VAIRUN_UPDATE").is_some() {
        std::fs::write(&path, format!("{head}{BEGIN}{wanted}{END}{tail}")).unwrap();
        return;
    }
    panic!("README.md is behind the list of operators; run again with VAIRUN_UPDATE=1");
}
