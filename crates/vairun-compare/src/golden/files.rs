//! Tensors that have a file each.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use vairun_tensor::files::{peek_npy, read_npy, read_text};
use vairun_tensor::{DType, Tensor};

use super::{Content, Entry, GoldenError, GoldenSource, describe};

/// A list of files that a layout has chosen and named.
pub(super) struct Files {
    title: String,
    layout: String,
    entries: Vec<Entry>,
    /// Most have one file; the samples of a batch may have one each.
    paths: Vec<Vec<PathBuf>>,
}

/// How a file holds its tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Npy,
    Protobuf,
    /// Elements alone.
    Raw,
    /// Numbers as text.
    Text,
}

impl Form {
    /// By the extension of the file's name; `None` for one that is no tensor's.
    pub(super) fn of(path: &Path) -> Option<Self> {
        let extension = path.extension()?.to_str()?.to_ascii_lowercase();
        match extension.as_str() {
            "npy" => Some(Self::Npy),
            "pb" | "tensorproto" => Some(Self::Protobuf),
            "bin" | "raw" | "dat" => Some(Self::Raw),
            "txt" | "csv" => Some(Self::Text),
            _ => None,
        }
    }
}

impl Files {
    pub(super) fn new(title: String, layout: impl Into<String>) -> Self {
        Self { title, layout: layout.into(), entries: Vec::new(), paths: Vec::new() }
    }

    /// Adds a file; type and shape are taken from its header where it has one and `entry` lacks them.
    pub(super) fn add(&mut self, path: PathBuf, mut entry: Entry) {
        let info = match Form::of(&path) {
            Some(Form::Npy) => peek_npy(&path).ok(),
            Some(Form::Protobuf) => vairun_onnx::peek_tensor(&path).ok().map(|(_, info)| info),
            _ => None,
        };
        if let Some(info) = info {
            entry.dtype = entry.dtype.or(Some(info.dtype));
            entry.shape = entry.shape.or(Some(info.shape));
        } else {
            entry.bytes = path.metadata().ok().map(|metadata| metadata.len());
        }
        entry.file = path.file_name().map(|name| name.to_string_lossy().into_owned());
        self.entries.push(entry);
        self.paths.push(vec![path]);
    }

    /// Adds a tensor whose elements stand in raw files, one after the other.
    pub(super) fn add_parts(&mut self, paths: Vec<PathBuf>, mut entry: Entry) {
        let size = |path: &PathBuf| path.metadata().ok().map(|metadata| metadata.len());
        entry.bytes = paths.iter().map(size).sum();
        entry.hint.samples = paths.len();
        let first = paths.first().and_then(|path| path.file_name());
        entry.file = first.map(|name| name.to_string_lossy().into_owned());
        self.entries.push(entry);
        self.paths.push(paths);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

impl GoldenSource for Files {
    fn description(&self) -> String {
        describe(&self.title, &self.layout, self.entries.len())
    }

    fn entries(&self) -> &[Entry] {
        &self.entries
    }

    fn load(&self, index: usize) -> Result<Content, GoldenError> {
        let [path] = self.paths[index].as_slice() else { return raw(&self.paths[index]) };
        match Form::of(path) {
            Some(Form::Npy) => Ok(Content::Tensor(read_npy(path)?)),
            Some(Form::Protobuf) => match vairun_onnx::read_tensor(path) {
                Ok((_, tensor)) => Ok(Content::Tensor(tensor)),
                Err(error) => Err(GoldenError::onnx(path, error)),
            },
            Some(Form::Text) => Ok(Content::Numbers(numbers(&read_text(path, DType::F64, None)?))),
            Some(Form::Raw) | None => raw(&self.paths[index]),
        }
    }
}

fn raw(paths: &[PathBuf]) -> Result<Content, GoldenError> {
    let mut bytes = Vec::new();
    for path in paths {
        File::open(path)
            .and_then(|mut file| file.read_to_end(&mut bytes))
            .map_err(|error| GoldenError::io(path, error))?;
    }
    Ok(Content::Raw(bytes))
}

fn numbers(tensor: &Tensor) -> Vec<f64> {
    tensor.as_slice::<f64>().map(<[f64]>::to_vec).unwrap_or_default()
}
