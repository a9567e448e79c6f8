//! Flat files of the Vitis AI tools, a tensor each, called by the escaped name, without type and shape.
//!
//! - vai_q_tensorflow2, Quark and vai_q_onnx `dump_model`: `dump_results[_0]/<name>.bin` and `.txt` with codes,
//!   `<name>_float.bin` and `_float.txt` with float32; parameters in `dump_results_weights/`; `/` becomes `_`.
//! - VART with `XLNX_ENABLE_DUMP=1`: `dump/<subgraph>/{input,internal,output}/<batch>.<layer>.bin`.
//! - `xdputil run`: `<batch>.<tensor>.bin`.
//! - `XLNX_GOLDEN_DIR`: `<layer>.bin`.
//! - SNPE and QNN: `Result_0/<tensor>.raw`, float32.
//! - Any other folder of .bin, .raw, .dat, .txt and .csv files.
//!
//! Sources: Vitis AI 3.5 (`model_utils.py`, `dpu_runner_base_imp.cpp`), Quark 0.10 (`dump_model`).

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::files::{Files, Form};
use super::folder::Found;
use super::{Elements, Entry, Hint};

/// The files of one tensor.
#[derive(Default)]
struct Group {
    /// By batch.
    raw: BTreeMap<usize, PathBuf>,
    text: Option<PathBuf>,
}

pub(super) fn recognise(title: &str, files: &[Found]) -> Option<Files> {
    let layout = layout(title, files);
    let mut groups: BTreeMap<String, Group> = BTreeMap::new();
    for file in files {
        let Some(form @ (Form::Raw | Form::Text)) = Form::of(&file.path) else { continue };
        let (folder, stem) = file.stem().rsplit_once('/').unwrap_or(("", file.stem()));
        // VART and xdputil number the samples of a batch; nothing else begins so in their folders.
        let (batch, name) = match batched(stem).filter(|_| layout.batched) {
            Some((batch, name)) => (batch, name),
            None => (0, stem),
        };
        let group = groups.entry(key(folder, name, layout.flat)).or_default();
        if form == Form::Raw {
            group.raw.insert(batch, file.path.clone());
        } else {
            group.text = Some(file.path.clone());
        }
    }
    let mut golden = Files::new(title.to_owned(), layout.name);
    for (key, group) in groups {
        let name = key.rsplit_once('\0').map_or(key.as_str(), |(_, name)| name);
        add(&mut golden, name, group);
    }
    (!golden.is_empty()).then_some(golden)
}

/// What keeps tensors apart: where folders only sort them (`input`, `internal`), the name; elsewhere the whole path.
fn key(folder: &str, name: &str, flat: bool) -> String {
    match folder {
        "" => name.to_owned(),
        _ if flat => format!("{folder}\0{name}"),
        _ => format!("{folder}/{name}"),
    }
}

fn add(golden: &mut Files, name: &str, group: Group) {
    let elements = name.ends_with("_float").then_some(Elements::Numbers);
    let batches = group.raw.len();
    let entry = Entry {
        name: name.to_owned(),
        hint: Hint { elements, ..Hint::default() },
        ..Entry::default()
    };
    match (batches, group.text) {
        // The text says the same as the bytes beside it, less exactly.
        (1.., _) => golden.add_parts(group.raw.into_values().collect(), entry),
        (0, Some(text)) => golden.add(text, entry),
        (0, None) => {}
    }
}

/// What a folder of flat files is.
struct Layout {
    name: &'static str,
    /// Whether files are numbered by the sample of the batch.
    batched: bool,
    /// Whether folders only sort the tensors.
    flat: bool,
}

fn layout(title: &str, files: &[Found]) -> Layout {
    let any = |test: &dyn Fn(&str) -> bool| files.iter().any(|file| test(&file.name));
    let kinds = ["input/", "internal/", "output/"];
    let vart = any(&|name| {
        kinds.iter().any(|kind| name.contains(&format!("/{kind}")) || name.starts_with(kind))
    }) && all_batched(files);
    if vart {
        return Layout { name: "VART dump", batched: true, flat: true };
    }
    if title.starts_with("dump_results") || any(&|name| name.contains("dump_results")) {
        return Layout { name: "dump_model results", batched: false, flat: true };
    }
    if title.starts_with("Result_")
        || any(&|name| name.starts_with("Result_") && name.ends_with(".raw"))
    {
        return Layout { name: "SNPE results", batched: false, flat: true };
    }
    if all_batched(files) {
        return Layout { name: "xdputil outputs", batched: true, flat: true };
    }
    Layout { name: "raw files", batched: false, flat: false }
}

fn all_batched(files: &[Found]) -> bool {
    let mut raw = files.iter().filter(|file| Form::of(&file.path) == Some(Form::Raw)).peekable();
    raw.peek().is_some()
        && raw.all(|file| {
            let stem = file.stem();
            batched(stem.rsplit_once('/').map_or(stem, |(_, name)| name)).is_some()
        })
}

/// `0.conv1` is sample 0 of `conv1`.
fn batched(stem: &str) -> Option<(usize, &str)> {
    let (number, name) = stem.split_once('.')?;
    let digits = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    (digits && !name.is_empty()).then(|| number.parse().ok()).flatten().map(|n| (n, name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_before_a_dot_is_a_sample() {
        assert_eq!(batched("0.conv1"), Some((0, "conv1")));
        assert_eq!(batched("12.a.b"), Some((12, "a.b")));
        assert_eq!(batched("conv.1"), None);
        assert_eq!(batched("0."), None);
        assert_eq!(batched("99999999999999999999.x"), None);
    }
}
