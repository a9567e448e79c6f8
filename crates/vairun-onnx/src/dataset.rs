//! ONNX's test data sets: a folder with `input_0.pb`, `input_1.pb`, …, `output_0.pb`, ….

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use vairun_graph::ValueInfo;
use vairun_tensor::Value;

use crate::error::OnnxError;
use crate::values::read_value;

/// The values of the files `<prefix>_<number>.pb` in `folder` (`input` or `output`), by the numbers.
///
/// The values are called as their files say where these names are all different and all in `declared` (the model's
/// inputs or outputs, in order). Else the number counts: the files of ONNX's backend suite are all called `x`. Files
/// beyond `declared` keep their own names.
///
/// # Errors
/// Those of [`crate::read`].
pub fn read_data_set(
    folder: &Path,
    prefix: &str,
    declared: &[ValueInfo],
) -> Result<Vec<(String, Value)>, OnnxError> {
    let mut values = Vec::new();
    let mut numbers = Vec::new();
    for (number, path) in numbered_files(folder, prefix)? {
        let kind = declared.get(number).and_then(|info| info.non_tensor.as_deref());
        values.push(read_value(&path, kind)?);
        numbers.push(number);
    }
    let names: HashSet<&str> = values.iter().map(|(name, _)| name.as_str()).collect();
    let known = |name: &&str| declared.iter().any(|info| info.name == **name);
    if names.len() < values.len() || !names.iter().all(known) {
        for ((name, _), number) in values.iter_mut().zip(numbers) {
            if let Some(info) = declared.get(number) {
                name.clone_from(&info.name);
            }
        }
    }
    Ok(values)
}

fn numbered_files(folder: &Path, prefix: &str) -> Result<Vec<(usize, PathBuf)>, OnnxError> {
    let io = |source| OnnxError::Io { path: folder.to_owned(), source };
    let mut found = Vec::new();
    for entry in folder.read_dir().map_err(io)? {
        let path = entry.map_err(io)?.path();
        let number = path.file_name().and_then(|name| {
            let name = name.to_str()?.strip_prefix(prefix)?;
            name.strip_prefix('_')?.strip_suffix(".pb")?.parse().ok()
        });
        found.extend(number.map(|number| (number, path)));
    }
    found.sort();
    Ok(found)
}
