//! `.safetensors`: tensors by name.

use std::path::Path;

use vairun_tensor::files::SafetensorsReader;

use super::{Content, Entry, GoldenError, GoldenSource, describe};

pub(super) struct Safetensors {
    title: String,
    entries: Vec<Entry>,
    reader: SafetensorsReader,
}

impl Safetensors {
    pub(super) fn open(path: &Path, title: String) -> Result<Self, GoldenError> {
        let reader = SafetensorsReader::open(path)?;
        let entry = |(place, name): (usize, &str)| {
            let info = reader.peek(place).ok().flatten();
            Entry::new(name, info.as_ref().map(|info| (info.dtype, &*info.shape)))
        };
        let entries = reader.names().enumerate().map(entry).collect();
        Ok(Self { title, entries, reader })
    }
}

impl GoldenSource for Safetensors {
    fn description(&self) -> String {
        describe(&self.title, "safetensors", self.entries.len())
    }

    fn entries(&self) -> &[Entry] {
        &self.entries
    }

    fn load(&self, index: usize) -> Result<Content, GoldenError> {
        let tensor = self.reader.read_at(index)?;
        Ok(Content::Tensor(tensor.expect("an entry for each tensor of the file")))
    }
}
