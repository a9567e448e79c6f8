//! Tensors whose elements lie in files beside the model.

use std::collections::HashMap;
use std::path::{Component, Path, PathBuf};

use vairun_tensor::MappedFile;

use crate::error::Fault;
use crate::proto::StringStringEntryProto;

/// The folder of a model, out of which no path of the model leads.
pub(crate) struct Folder {
    /// `None` where the model came from bytes without a folder.
    root: Option<PathBuf>,
    mapped: HashMap<String, MappedFile>,
    model: Option<MappedFile>,
}

/// A part of a file beside the model.
pub(crate) struct Part {
    pub(crate) file: MappedFile,
    pub(crate) offset: usize,
    pub(crate) length: usize,
}

impl Folder {
    pub(crate) fn new(root: Option<&Path>) -> Self {
        Self { root: root.map(Path::to_owned), mapped: HashMap::new(), model: None }
    }

    /// With the file of the model itself: its large tensors stay there.
    pub(crate) fn of(model: Option<MappedFile>, root: Option<&Path>) -> Self {
        Self { model, ..Self::new(root) }
    }

    /// The file that holds these bytes of the model, and where they start.
    pub(crate) fn place_of(&self, bytes: &[u8]) -> Option<(&MappedFile, usize)> {
        let file = self.model.as_ref()?;
        Some((file, file.offset_of(bytes)?))
    }

    /// The part that the entries of `TensorProto.external_data` name; without `length`, to the end of the file.
    pub(crate) fn part(&mut self, entries: &[StringStringEntryProto]) -> Result<Part, Fault> {
        let entry =
            |key| entries.iter().find(|entry| entry.key.as_deref() == Some(key))?.value.as_deref();
        let location =
            entry("location").ok_or_else(|| Fault::malformed("external_data has no `location`"))?;
        let file = self.open(location)?;
        let available = file.bytes().len();
        let offset = number("offset", entry("offset"))?.unwrap_or(0);
        let length =
            number("length", entry("length"))?.unwrap_or_else(|| available.saturating_sub(offset));
        if offset.checked_add(length).is_none_or(|end| end > available) {
            return Err(Fault::malformed(format!(
                "external data `{location}`: {length} bytes at offset {offset}, the file has {available}"
            )));
        }
        Ok(Part { file, offset, length })
    }

    fn open(&mut self, location: &str) -> Result<MappedFile, Fault> {
        if let Some(file) = self.mapped.get(location) {
            return Ok(file.clone());
        }
        let fault = |what: String| Fault::malformed(format!("external data `{location}`: {what}"));
        let path = self.resolve(location)?;
        if !path.is_file() {
            return Err(fault("not a regular file".to_owned()));
        }
        let file = MappedFile::open(&path).map_err(|error| fault(error.to_string()))?;
        self.mapped.insert(location.to_owned(), file.clone());
        Ok(file)
    }

    /// The file, links followed; refused where it lies outside of the folder.
    fn resolve(&self, location: &str) -> Result<PathBuf, Fault> {
        let fault = |what: &str| Fault::malformed(format!("external data `{location}`: {what}"));
        let root = self.root.as_deref().ok_or_else(|| {
            Fault::unsupported(format!(
                "external data `{location}`, but the model has no folder: it was not read from a file"
            ))
        })?;
        let inside = |part| matches!(part, Component::Normal(_) | Component::CurDir);
        // A backslash separates folders on Windows alone; refusing it everywhere keeps files portable.
        if location.contains('\\') || !Path::new(location).components().all(inside) {
            return Err(fault("the path leads out of the model's folder"));
        }
        let real = |path: &Path| path.canonicalize().map_err(|error| fault(&error.to_string()));
        let root = real(if root.as_os_str().is_empty() { Path::new(".") } else { root })?;
        let path = real(&root.join(location))?;
        if path.starts_with(&root) {
            Ok(path)
        } else {
            Err(fault("the path leads out of the model's folder"))
        }
    }
}

fn number(key: &str, text: Option<&str>) -> Result<Option<usize>, Fault> {
    let parse = |text: &str| {
        text.trim().parse().map_err(|_| {
            Fault::malformed(format!(
                "external_data `{key}` is {text:?}, expected a number of bytes"
            ))
        })
    };
    text.map(parse).transpose()
}
