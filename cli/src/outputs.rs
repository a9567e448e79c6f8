//! The outputs of a run, written in the form that the path asks for.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::Path;

use vairun::tensor::files::{self, NpzWriter};
use vairun::{Outputs, Tensor, Value};

use crate::failure::Failure;

/// Writes .npz; .npy or .pb for a single output; `output_0.pb` … into a folder called test_data_set…; else a folder of
/// .npy files. The elements of a sequence are called `name[0]`, `name[1]`, …; an optional without value is left out.
pub(crate) fn write(path: &Path, outputs: &Outputs) -> Result<(), Failure> {
    let extension = path.extension().map(|extension| extension.to_string_lossy().to_lowercase());
    match extension.as_deref() {
        Some("npz") => write_npz(path, outputs),
        Some("npy") => {
            let (name, value) = only(outputs, path)?;
            match tensors(name, value).as_slice() {
                [(_, tensor)] => write_npy(path, tensor),
                _ => Err(Failure::usage(format!(
                    "{}: `{name}` is a {}",
                    path.display(),
                    value.kind()
                ))),
            }
        }
        Some("pb") => write_pb(path, only(outputs, path)?),
        _ if is_data_set(path) => write_data_set(path, outputs),
        _ => {
            let all = flat(outputs);
            let named = all.iter().map(|(name, tensor)| (name.as_str(), *tensor));
            Ok(files::write_folder(path, named).map(drop)?)
        }
    }
}

/// Every tensor of a value, with the name to write it under.
pub(crate) fn tensors<'a>(name: &str, value: &'a Value) -> Vec<(String, &'a Tensor)> {
    match value {
        Value::Tensor(tensor) => vec![(name.to_owned(), tensor)],
        Value::Sequence(items) => items
            .iter()
            .enumerate()
            .flat_map(|(i, item)| tensors(&format!("{name}[{i}]"), item))
            .collect(),
        Value::Optional(Some(item)) => tensors(name, item),
        _ => Vec::new(),
    }
}

fn flat(outputs: &Outputs) -> Vec<(String, &Tensor)> {
    outputs.iter().flat_map(|(name, value)| tensors(name, value)).collect()
}

fn is_data_set(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("test_data_set"))
}

fn only<'a>(outputs: &'a Outputs, path: &Path) -> Result<(&'a str, &'a Value), Failure> {
    let mut all = outputs.iter();
    match (all.next(), all.next()) {
        (Some(only), None) => Ok(only),
        _ => Err(Failure::usage(format!(
            "{} holds one output, the model has {}: give a .npz or a folder",
            path.display(),
            outputs.len()
        ))),
    }
}

fn write_npz(path: &Path, outputs: &Outputs) -> Result<(), Failure> {
    let mut writer = NpzWriter::create(path)?;
    flat(outputs).into_iter().try_for_each(|(name, tensor)| writer.add(&name, tensor))?;
    writer.finish()?;
    Ok(())
}

fn write_npy(path: &Path, tensor: &Tensor) -> Result<(), Failure> {
    let write = || -> std::io::Result<()> {
        let mut file = BufWriter::new(File::create(path)?);
        files::write_npy(&mut file, tensor)?;
        file.flush()
    };
    write().map_err(|error| unwritable(path, &error))
}

fn write_pb(path: &Path, (name, value): (&str, &Value)) -> Result<(), Failure> {
    let bytes = vairun_onnx::write_value(name, value).map_err(Failure::usage)?;
    fs::write(path, bytes).map_err(|error| unwritable(path, &error))
}

fn write_data_set(path: &Path, outputs: &Outputs) -> Result<(), Failure> {
    fs::create_dir_all(path).map_err(|error| unwritable(path, &error))?;
    let file = |i| path.join(format!("output_{i}.pb"));
    outputs.iter().enumerate().try_for_each(|(i, output)| write_pb(&file(i), output))
}

fn unwritable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::usage(format!("{}: {error}", path.display()))
}
