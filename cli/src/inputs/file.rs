//! Inputs from files of every kind, told apart by what they hold.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use vairun::graph::ValueInfo;
use vairun::tensor::files::{
    NpzReader, read_dump, read_npy, read_raw, read_safetensors, read_text,
};
use vairun::{DType, Port, Tensor, Value};

use super::shape::{Declared, Shapes};
use super::{Given, ports};
use crate::failure::Failure;

/// `[NAME=]FILE`
pub(super) struct Spec {
    name: Option<String>,
    path: PathBuf,
}

impl Spec {
    /// A text that is a file is no name; else the name is that of an input, or ends at the first `=`.
    pub(super) fn parse(text: &str, inputs: &[Port]) -> Self {
        let whole = Self { name: None, path: text.into() };
        if Path::new(text).exists() {
            return whole;
        }
        let after = |port: &&Port| {
            text.strip_prefix(port.name.as_str()).and_then(|rest| rest.strip_prefix('=')).is_some()
        };
        let split = match inputs.iter().find(after) {
            Some(port) => Some((port.name.as_str(), &text[port.name.len() + 1..])),
            None => text.split_once('='),
        };
        split.map_or(whole, |(name, path)| Self { name: Some(name.into()), path: path.into() })
    }

    pub(super) fn exists(&self) -> bool {
        self.path.exists()
    }

    pub(super) fn title(&self) -> String {
        self.path.display().to_string()
    }
}

/// What a file is.
enum Kind {
    Npz,
    Npy,
    Protobuf,
    Safetensors,
    Raw,
    Text,
    Dump,
    DataSet(PathBuf),
    NpyFolder,
}

/// Adds what the file gives to `found`; a later file counts before an earlier one.
pub(super) fn read(
    spec: &Spec,
    inputs: &[Port],
    shapes: &Shapes,
    found: &mut Vec<Given>,
) -> Result<(), Failure> {
    if let Some(name) = &spec.name
        && ports::named(inputs, name).is_none()
    {
        let known = ports::names(inputs);
        return Err(Failure::input(format!("no input named `{name}`; the model has {known}")));
    }
    let values = match kind(&spec.path)? {
        Kind::Npz => archive(spec, inputs)?,
        Kind::Safetensors => {
            choose(spec, inputs, read_safetensors(&spec.path).map_err(Failure::input)?)?
        }
        Kind::Dump => dump(spec, inputs)?,
        Kind::DataSet(folder) => data_set(&folder, inputs)?,
        Kind::NpyFolder => npy_folder(&spec.path, inputs)?,
        single => {
            let port = target(spec, inputs, found)?;
            vec![(port.name.clone(), one(&single, spec, port, shapes)?)]
        }
    };
    for (name, value) in values {
        found.retain(|given| given.name != name);
        found.push(Given { name, value, from: spec.title() });
    }
    Ok(())
}

fn kind(path: &Path) -> Result<Kind, Failure> {
    let unreadable = |error: std::io::Error| Failure::input(format!("{}: {error}", path.display()));
    if path.metadata().map_err(unreadable)?.is_dir() {
        return folder_kind(path);
    }
    let mut start = Vec::new();
    File::open(path).and_then(|file| file.take(6).read_to_end(&mut start)).map_err(unreadable)?;
    let extension = path.extension().map(|extension| extension.to_string_lossy().to_lowercase());
    Ok(match (start.as_slice(), extension.as_deref()) {
        ([b'P', b'K', ..], _) => Kind::Npz,
        (b"\x93NUMPY", _) => Kind::Npy,
        (_, Some("npz")) => Kind::Npz,
        (_, Some("npy")) => Kind::Npy,
        (_, Some("pb" | "tensorproto")) => Kind::Protobuf,
        (_, Some("safetensors")) => Kind::Safetensors,
        (_, Some("bin" | "raw" | "dat")) => Kind::Raw,
        (_, Some("txt" | "csv")) => Kind::Text,
        _ => {
            return Err(Failure::input(format!(
                "{}: not a kind of file that is read",
                path.display()
            ))
            .help("vairun help inputs"));
        }
    })
}

fn folder_kind(path: &Path) -> Result<Kind, Failure> {
    let has = |name: &str| path.join(name).exists();
    if has("manifest.json") {
        return Ok(Kind::Dump);
    }
    if has("input_0.pb") {
        return Ok(Kind::DataSet(path.to_owned()));
    }
    if has("test_data_set_0") {
        return Ok(Kind::DataSet(path.join("test_data_set_0")));
    }
    if !npy_files(path)?.is_empty() {
        return Ok(Kind::NpyFolder);
    }
    Err(Failure::input(format!(
        "{}: no .npy files, no manifest.json, no input_0.pb",
        path.display()
    )))
}

/// The input that a file of one tensor is for.
fn target<'a>(spec: &Spec, inputs: &'a [Port], found: &[Given]) -> Result<&'a Port, Failure> {
    let stem = spec.path.file_stem().map(|stem| stem.to_string_lossy());
    let named =
        spec.name.as_deref().or(stem.as_deref()).and_then(|name| ports::named(inputs, name));
    named.or_else(|| ports::next(inputs, found)).ok_or_else(|| {
        Failure::input(format!("{}: one file more than the model has inputs", spec.title()))
    })
}

fn one(kind: &Kind, spec: &Spec, port: &Port, shapes: &Shapes) -> Result<Value, Failure> {
    let dtype = port.dtype.unwrap_or(DType::F32);
    let path = &spec.path;
    Ok(match kind {
        Kind::Protobuf => {
            vairun_onnx::read_value(path, port.non_tensor.as_deref()).map_err(Failure::input)?.1
        }
        Kind::Raw => {
            let bytes = path.metadata().map_err(Failure::input)?.len();
            let count = dtype.carrier().bytes().map(|width| bytes as usize / width);
            let shape = filled(port, shapes, count)?;
            read_raw(path, dtype, &shape).map_err(Failure::input)?.into()
        }
        Kind::Text => {
            let flat = read_text(path, dtype, None).map_err(Failure::input)?;
            let shape = filled(port, shapes, Some(flat.len()))?;
            let wrong = |error| Failure::input(format!("{}: {error}", path.display()));
            flat.reshaped(&shape).map_err(wrong)?.into()
        }
        _ => read_npy(path).map_err(Failure::input)?.into(),
    })
}

/// The shape of a file that has none: one unknown dimension follows from the number of elements.
fn filled(port: &Port, shapes: &Shapes, count: Option<usize>) -> Result<Vec<usize>, Failure> {
    let open = |dims: &[(String, Option<usize>)]| {
        let known = dims.iter().filter_map(|(_, n)| *n).try_fold(1usize, usize::checked_mul)?;
        let missing = count?.checked_div(known)?;
        let one = dims.iter().filter(|(_, n)| n.is_none()).count() == 1;
        one.then(|| dims.iter().map(|(_, n)| n.unwrap_or(missing)).collect())
    };
    let shape = match shapes.of(port) {
        Declared::Known(shape) => Some(shape),
        Declared::Open(dims) => open(&dims),
        Declared::Nothing => None,
    };
    shape.ok_or_else(|| {
        Failure::usage(format!(
            "input `{}`: the file has no shape, and the model does not fix it",
            port.name
        ))
        .help(format!("give it with `--shape {}=1x3x224x224`", port.name))
    })
}

/// The arrays of an .npz file that are inputs; only these are read.
fn archive(spec: &Spec, inputs: &[Port]) -> Result<Vec<(String, Value)>, Failure> {
    let mut reader = NpzReader::open(&spec.path).map_err(Failure::input)?;
    let names: Vec<String> = reader.names().map(str::to_owned).collect();
    let mut read = |name: &str| -> Result<Tensor, Failure> {
        Ok(reader.read(name).map_err(Failure::input)?.expect("a name of the archive"))
    };
    let pairs = pairs(spec, inputs, &names)?;
    pairs.into_iter().map(|(input, array)| Ok((input, read(&array)?.into()))).collect()
}

fn choose(
    spec: &Spec,
    inputs: &[Port],
    tensors: Vec<(String, Tensor)>,
) -> Result<Vec<(String, Value)>, Failure> {
    let names: Vec<String> = tensors.iter().map(|(name, _)| name.clone()).collect();
    let pairs = pairs(spec, inputs, &names)?;
    let value = |array: &str| {
        let (_, tensor) =
            tensors.iter().find(|(name, _)| name == array).expect("a name of the file");
        Value::from(tensor.clone())
    };
    Ok(pairs.into_iter().map(|(input, array)| (input, value(&array))).collect())
}

/// Which array is for which input: by name; else by place, where the arrays have no names of their own (`arr_0`) or
/// there is one of each.
fn pairs(
    spec: &Spec,
    inputs: &[Port],
    arrays: &[String],
) -> Result<Vec<(String, String)>, Failure> {
    if let Some(input) = &spec.name {
        let array = arrays.iter().find(|name| *name == input);
        return match (array, arrays) {
            (Some(array), _) | (None, [array]) => Ok(vec![(input.clone(), array.clone())]),
            _ => Err(none_fits(spec, inputs, arrays)),
        };
    }
    let same: Vec<_> = inputs.iter().filter(|port| arrays.contains(&port.name)).collect();
    if !same.is_empty() {
        return Ok(same.into_iter().map(|port| (port.name.clone(), port.name.clone())).collect());
    }
    let positional = (0..arrays.len()).all(|i| arrays.contains(&format!("arr_{i}")));
    match (inputs, arrays) {
        ([input], [array]) => Ok(vec![(input.name.clone(), array.clone())]),
        _ if positional && arrays.len() <= inputs.len() && !arrays.is_empty() => {
            let array = |i| format!("arr_{i}");
            let places = inputs.iter().enumerate().take(arrays.len());
            Ok(places.map(|(i, port)| (port.name.clone(), array(i))).collect())
        }
        _ => Err(none_fits(spec, inputs, arrays)),
    }
}

fn none_fits(spec: &Spec, inputs: &[Port], arrays: &[String]) -> Failure {
    let shown: Vec<_> = arrays.iter().take(8).map(|name| format!("`{name}`")).collect();
    let more = if arrays.len() > shown.len() { ", …" } else { "" };
    Failure::input(format!(
        "{}: no array is called like an input; it has {}{more}, the model has {}",
        spec.title(),
        if shown.is_empty() { "none".to_owned() } else { shown.join(", ") },
        ports::names(inputs)
    ))
}

fn dump(spec: &Spec, inputs: &[Port]) -> Result<Vec<(String, Value)>, Failure> {
    let dump = read_dump(&spec.path).map_err(Failure::input)?;
    let records = &dump.manifest().tensors;
    let of = |port: &Port| {
        let made = |label: &vairun::tensor::files::Label| {
            label.scope.is_empty() && label.name == port.name
        };
        records.iter().find(|record| made(&record.label))
    };
    let mut values = Vec::new();
    for port in inputs {
        if let Some(record) = of(port) {
            values.push((port.name.clone(), dump.read(record).map_err(Failure::input)?.into()));
        }
    }
    if values.is_empty() {
        let names: Vec<String> = records.iter().map(|record| record.label.name.clone()).collect();
        return Err(none_fits(spec, inputs, &names));
    }
    Ok(values)
}

fn data_set(folder: &Path, inputs: &[Port]) -> Result<Vec<(String, Value)>, Failure> {
    let info = |port: &Port| ValueInfo {
        name: port.name.clone(),
        dtype: port.dtype,
        shape: port.shape.clone(),
        non_tensor: port.non_tensor.clone(),
    };
    let declared: Vec<_> = inputs.iter().map(info).collect();
    vairun_onnx::read_data_set(folder, "input", &declared).map_err(Failure::input)
}

fn npy_files(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let fail = |error: std::io::Error| Failure::input(format!("{}: {error}", folder.display()));
    let mut files = Vec::new();
    for entry in folder.read_dir().map_err(fail)? {
        let path = entry.map_err(fail)?.path();
        if path.extension().is_some_and(|extension| extension == "npy") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// The files that are called like an input; a single file for a single input whatever it is called.
fn npy_folder(folder: &Path, inputs: &[Port]) -> Result<Vec<(String, Value)>, Failure> {
    let files = npy_files(folder)?;
    let named: Vec<_> = inputs
        .iter()
        .filter(|port| folder.join(format!("{}.npy", port.name)).is_file())
        .map(|port| (port.name.clone(), folder.join(format!("{}.npy", port.name))))
        .collect();
    let chosen = match (inputs, files.as_slice()) {
        ([input], [file]) if named.is_empty() => vec![(input.name.clone(), file.clone())],
        _ => named,
    };
    if chosen.is_empty() {
        let stem =
            |path: &PathBuf| path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let names: Vec<String> = files.iter().map(stem).collect();
        let spec = Spec { name: None, path: folder.to_owned() };
        return Err(none_fits(&spec, inputs, &names));
    }
    let read = |(name, path): (String, PathBuf)| {
        Ok((name, read_npy(&path).map_err(Failure::input)?.into()))
    };
    chosen.into_iter().map(read).collect()
}
