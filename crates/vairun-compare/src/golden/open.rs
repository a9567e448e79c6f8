use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use super::dump::DumpGolden;
use super::files::{Files, Form};
use super::folder::{Found, walk};
use super::many::Many;
use super::npz::Npz;
use super::polygraphy::Polygraphy;
use super::safe::Safetensors;
use super::{Entry, GoldenError, GoldenSource, dataset, deploy, layers, trtexec, vitis};

type Opened = Result<Box<dyn GoldenSource>, GoldenError>;

/// Opens the golden at `path`, a file or a folder, whatever tool wrote it. Only headers and names are read.
///
/// Reads: .npz; .npy; .safetensors; Polygraphy's .json; folders with .npy files, trtexec's included; dumps of vairun;
/// ONNX's `test_data_set_N`, or a folder that holds some, of which the first counts; onnxruntime's .tensorproto files;
/// vai_q_pytorch's `onnx_layer_output` and `deploy_check_data_int`; `dump_results` of the Vitis AI quantizers, dumps of
/// VART, outputs of xdputil, an `XLNX_GOLDEN_DIR`, SNPE's `Result_0`, and other folders of .bin, .raw or .txt files.
///
/// # Errors
/// Where nothing is there, it cannot be read, or it is of no known layout: the message says what was looked for.
pub fn open(path: &Path) -> Opened {
    let metadata = path.metadata().map_err(|error| GoldenError::io(path, error))?;
    if metadata.is_dir() { open_folder(path) } else { open_file(path) }
}

/// Several goldens as one.
///
/// # Errors
/// Those of [`open`]; where there is no path.
pub fn open_all(paths: &[PathBuf]) -> Opened {
    let mut parts = paths.iter().map(|path| open(path)).collect::<Result<Vec<_>, _>>()?;
    match parts.pop() {
        None => Err(GoldenError::unknown(Path::new(""), "no golden was given")),
        Some(only) if parts.is_empty() => Ok(only),
        Some(last) => {
            parts.push(last);
            Ok(Box::new(Many::new(parts)))
        }
    }
}

/// What the user calls it: the last part of the path.
fn title(path: &Path) -> String {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
    name.unwrap_or_else(|| path.display().to_string())
}

fn open_file(path: &Path) -> Opened {
    let mut start = Vec::new();
    File::open(path)
        .and_then(|file| file.take(16).read_to_end(&mut start))
        .map_err(|error| GoldenError::io(path, error))?;
    let extension = path.extension().map(|extension| extension.to_string_lossy().to_lowercase());
    match (start.as_slice(), extension.as_deref()) {
        ([b'P', b'K', 3 | 5, ..], _) | (_, Some("npz")) => {
            Ok(Box::new(Npz::open(path, title(path))?))
        }
        (_, Some("safetensors")) => Ok(Box::new(Safetensors::open(path, title(path))?)),
        (_, Some("json")) => Ok(Box::new(Polygraphy::open(path, title(path))?)),
        _ if Form::of(path).is_some() => Ok(Box::new(single(path))),
        _ => Err(GoldenError::unknown(
            path,
            "no kind of golden that is read: expected .npz, .npy, .safetensors, .json, .pb, .bin, .txt or a folder",
        )),
    }
}

/// A file with one tensor, which is called as the file is.
fn single(path: &Path) -> Files {
    let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned());
    let mut golden = Files::new(title(path), "one tensor");
    golden.add(path.to_owned(), Entry { name: stem.unwrap_or_default(), ..Entry::default() });
    golden
}

fn open_folder(path: &Path) -> Opened {
    if path.join(vairun_tensor::files::MANIFEST).is_file() {
        return Ok(Box::new(DumpGolden::open(path, title(path))?));
    }
    let files = walk(path)?;
    let first = path.join("test_data_set_0");
    if first.is_dir() {
        return open_folder(&first);
    }
    if let Some(golden) = recognise(path, &files) {
        return Ok(Box::new(golden));
    }
    Err(GoldenError::unknown(path, unknown_folder(&files)))
}

/// The layouts of folders, the most telling first.
fn recognise(path: &Path, files: &[Found]) -> Option<Files> {
    let title = title(path);
    dataset::recognise(&title, files)
        .or_else(|| deploy::recognise(&title, path, files))
        .or_else(|| layers::recognise(&title, files))
        .or_else(|| trtexec::recognise(&title, files))
        .or_else(|| named_files(&title, files))
        .or_else(|| vitis::recognise(&title, files))
}

/// A folder whose files are called by the tensors: `np.save` in a loop, onnxruntime's dumps of nodes.
fn named_files(title: &str, files: &[Found]) -> Option<Files> {
    let typed = |file: &&Found| matches!(Form::of(&file.path), Some(Form::Npy | Form::Protobuf));
    let mut golden = Files::new(title.to_owned(), ".npy and .pb files");
    for file in files.iter().filter(typed) {
        golden.add(file.path.clone(), Entry { name: file.stem().to_owned(), ..Entry::default() });
    }
    (!golden.is_empty()).then_some(golden)
}

fn unknown_folder(files: &[Found]) -> String {
    let shown: Vec<_> = files.iter().take(4).map(|file| format!("`{}`", file.name)).collect();
    let there = match shown.len() {
        0 => "it is empty".to_owned(),
        _ => format!("it holds {}{}", shown.join(", "), if files.len() > 4 { ", …" } else { "" }),
    };
    format!("no layout of a golden that is read: {there}; see `vairun help golden`")
}
