//! `.npz`: arrays by name.

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use vairun_tensor::files::NpzReader;

use super::{Content, Entry, GoldenError, GoldenSource, describe};

pub(super) struct Npz {
    title: String,
    entries: Vec<Entry>,
    reader: Mutex<NpzReader>,
}

impl Npz {
    /// Reads the directory of the archive and the header of each array. An array with a damaged header is listed
    /// without type and shape; reading it tells what is wrong.
    pub(super) fn open(path: &Path, title: String) -> Result<Self, GoldenError> {
        let mut reader = NpzReader::open(path)?;
        let names: Vec<String> = reader.names().map(str::to_owned).collect();
        let mut entries = Vec::with_capacity(names.len());
        for (place, name) in names.into_iter().enumerate() {
            let info = reader.peek(place).ok().flatten();
            entries.push(Entry::new(name, info.as_ref().map(|info| (info.dtype, &*info.shape))));
        }
        Ok(Self { title, entries, reader: Mutex::new(reader) })
    }
}

impl GoldenSource for Npz {
    fn description(&self) -> String {
        describe(&self.title, "npz", self.entries.len())
    }

    fn entries(&self) -> &[Entry] {
        &self.entries
    }

    fn load(&self, index: usize) -> Result<Content, GoldenError> {
        // A panic while reading leaves nothing half done: the reader seeks anew each time.
        let mut reader = self.reader.lock().unwrap_or_else(PoisonError::into_inner);
        let tensor = reader.read_at(index)?;
        Ok(Content::Tensor(tensor.expect("an entry for each array of the archive")))
    }
}
