use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;

use memmap2::Mmap;

/// A file mapped into memory, read-only; clones share the mapping.
#[derive(Clone, Debug)]
pub struct MappedFile(Arc<Mmap>);

impl MappedFile {
    /// Maps the whole file at `path`.
    ///
    /// The file must not be truncated while it is mapped: the operating system would end the process.
    ///
    /// # Errors
    /// Whatever opening or mapping the file gives.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        // SAFETY: the mapping is read-only and private to this process. Another process that changes the file
        // changes the values we read, not their validity: only types for which every bit pattern is valid are
        // read through it (bytemuck's `Pod`).
        #[allow(unsafe_code)]
        // memory mapping has no safe form; this is the one place outside vairun-numeric
        let map = unsafe { Mmap::map(&file) }?;
        Ok(Self(Arc::new(map)))
    }

    /// The bytes of the file.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// The part of the file from `offset`, `length` bytes long; `None` where it reaches beyond the end.
    pub(crate) fn range(&self, offset: usize, length: usize) -> Option<MappedRange> {
        let end = offset.checked_add(length)?;
        (end <= self.bytes().len()).then(|| MappedRange { file: self.clone(), offset, end })
    }
}

/// A part of a mapped file.
#[derive(Clone, Debug)]
pub struct MappedRange {
    file: MappedFile,
    offset: usize,
    end: usize,
}

impl MappedRange {
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.file.bytes()[self.offset..self.end]
    }
}
