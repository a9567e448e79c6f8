use std::fs;
use std::path::Path;

use anyhow::Context;
use vairun::{Outputs, Tensor, Value};
use vairun_tensor::files;

use crate::failure::Failure;

/// Writes the outputs of a run: one .npz, one .npy or .pb where there is one output, else a folder of .npy files; a
/// folder named `test_data_set…` gets output_0.pb, output_1.pb, …
pub(crate) fn write(path: &Path, outputs: &Outputs) -> Result<(), Failure> {
    let extension = path.extension().map(|extension| extension.to_string_lossy().to_lowercase());
    match extension.as_deref() {
        Some("npz") => write_npz(path, outputs),
        Some("npy") => {
            write_npy(path, only(outputs, path)?.1.as_tensor().map_err(Failure::output)?)
        }
        Some("pb") => write_pb(path, only(outputs, path)?),
        _ if file_name(path).starts_with("test_data_set") => write_data_set(path, outputs),
        _ => write_folder(path, outputs),
    }
}

fn file_name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
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
    let mut writer = files::NpzWriter::create(path).map_err(Failure::output)?;
    for (name, value) in outputs.iter() {
        let tensor = value
            .as_tensor()
            .with_context(|| format!("output `{name}`"))
            .map_err(Failure::Output)?;
        writer.add(name, tensor).map_err(Failure::output)?;
    }
    writer.finish().map_err(Failure::output)?;
    Ok(())
}

fn write_npy(path: &Path, tensor: &Tensor) -> Result<(), Failure> {
    let write = || -> anyhow::Result<()> {
        let mut file = std::io::BufWriter::new(fs::File::create(path)?);
        files::write_npy(&mut file, tensor)?;
        std::io::Write::flush(&mut file)?;
        Ok(())
    };
    write().with_context(|| path.display().to_string()).map_err(Failure::Output)
}

fn write_pb(path: &Path, (name, value): (&str, &Value)) -> Result<(), Failure> {
    let bytes = vairun_onnx::write_value(name, value).map_err(Failure::output)?;
    fs::write(path, bytes).with_context(|| path.display().to_string()).map_err(Failure::Output)
}

fn create_folder(path: &Path) -> Result<(), Failure> {
    fs::create_dir_all(path).with_context(|| path.display().to_string()).map_err(Failure::Output)
}

fn write_data_set(path: &Path, outputs: &Outputs) -> Result<(), Failure> {
    create_folder(path)?;
    outputs
        .iter()
        .enumerate()
        .try_for_each(|(i, output)| write_pb(&path.join(format!("output_{i}.pb")), output))
}

fn write_folder(path: &Path, outputs: &Outputs) -> Result<(), Failure> {
    create_folder(path)?;
    for (i, (name, value)) in outputs.iter().enumerate() {
        let tensor = value
            .as_tensor()
            .with_context(|| format!("output `{name}`"))
            .map_err(Failure::Output)?;
        write_npy(&path.join(format!("{i}_{}.npy", escaped(name))), tensor)?;
    }
    Ok(())
}

/// The number before it keeps two names that differ only in what is replaced apart.
fn escaped(name: &str) -> String {
    name.chars()
        .map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' })
        .take(100)
        .collect()
}
