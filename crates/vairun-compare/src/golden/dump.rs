//! A dump of `vairun run --dump-layers`: a folder with `manifest.json`.

use std::path::Path;

use vairun_tensor::DType;
use vairun_tensor::files::{Dump, read_dump};

use super::{Content, Entry, GoldenError, GoldenSource, describe};

pub(super) struct DumpGolden {
    title: String,
    entries: Vec<Entry>,
    dump: Dump,
}

impl DumpGolden {
    pub(super) fn open(path: &Path, title: String) -> Result<Self, GoldenError> {
        let dump = read_dump(path)?;
        let entry = |record: &vairun_tensor::files::Record| Entry {
            name: format!("{}{}", record.label.scope, record.label.name),
            dtype: DType::from_name(&record.dtype),
            shape: Some(record.shape.clone()),
            file: Some(record.file.clone()),
            ..Entry::default()
        };
        let entries = dump.manifest().tensors.iter().map(entry).collect();
        Ok(Self { title, entries, dump })
    }
}

impl GoldenSource for DumpGolden {
    fn description(&self) -> String {
        let layout = format!("dump of {}", self.dump.manifest().model);
        describe(&self.title, &layout, self.entries.len())
    }

    fn entries(&self) -> &[Entry] {
        &self.entries
    }

    fn load(&self, index: usize) -> Result<Content, GoldenError> {
        Ok(Content::Tensor(self.dump.read(&self.dump.manifest().tensors[index])?))
    }
}
