use std::fs::{File, Metadata};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use memmap2::Mmap;

/// A file mapped into memory, read-only; clones share the mapping.
#[derive(Clone, Debug)]
pub struct MappedFile(Arc<Mapping>);

#[derive(Debug)]
struct Mapping {
    map: Mmap,
    file: File,
    path: PathBuf,
    stamp: Stamp,
}

/// What changes when somebody writes to a file: its length and the time.
#[derive(Debug, PartialEq, Eq)]
struct Stamp(u64, Option<SystemTime>);

impl Stamp {
    fn of(metadata: &Metadata) -> Self {
        Self(metadata.len(), metadata.modified().ok())
    }
}

impl MappedFile {
    /// Maps the whole file at `path`.
    ///
    /// The file must not be truncated while it is mapped: the operating system would end the process where somebody reads
    /// beyond the new end. [`MappedFile::check`] tells before.
    ///
    /// # Errors
    /// Whatever opening or mapping the file gives.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let stamp = Stamp::of(&file.metadata()?);
        // SAFETY: the mapping is read-only and private to this process. Another process that changes the file
        // changes the values we read, not their validity: only types for which every bit pattern is valid are
        // read through it (bytemuck's `Pod`).
        #[allow(unsafe_code)]
        // memory mapping has no safe form; this is the one place outside vairun-numeric
        let map = unsafe { Mmap::map(&file) }?;
        Ok(Self(Arc::new(Mapping { map, file, path: path.to_owned(), stamp })))
    }

    /// The bytes of the file.
    pub fn bytes(&self) -> &[u8] {
        &self.0.map
    }

    /// Where `part` starts, where it is a part of [`MappedFile::bytes`].
    pub fn offset_of(&self, part: &[u8]) -> Option<usize> {
        let offset = part.as_ptr().addr().checked_sub(self.bytes().as_ptr().addr())?;
        (offset.checked_add(part.len())? <= self.bytes().len()).then_some(offset)
    }

    /// Whether the file is as it was when it was mapped, by its length and the time of its last change.
    ///
    /// # Errors
    /// Where it is not.
    pub fn check(&self) -> io::Result<()> {
        let Mapping { file, path, stamp, .. } = &*self.0;
        if Stamp::of(&file.metadata()?) == *stamp {
            return Ok(());
        }
        let path = path.display();
        Err(io::Error::other(format!("{path}: changed while it was open; open it again")))
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

    pub(crate) fn check(&self) -> io::Result<()> {
        self.file.check()
    }

    /// Gives the memory of the part back; it is read from the file again when somebody looks at it.
    pub(crate) fn release(&self) {
        #[cfg(unix)]
        {
            use memmap2::UncheckedAdvice::DontNeed;
            let length = self.end - self.offset;
            // SAFETY: the mapping is read-only and shared with the file, which gives the same bytes again: nothing that was
            // written is lost.
            #[allow(unsafe_code)] // part of the mapping above
            let released =
                unsafe { self.file.0.map.unchecked_advise_range(DontNeed, self.offset, length) };
            // An advice: where the system does not take it, the memory stays.
            drop(released);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_given_back_is_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        let bytes: Vec<u8> = (0..20_000u32).map(|i| (i % 251) as u8).collect();
        std::fs::write(&path, &bytes).unwrap();
        let file = MappedFile::open(&path).unwrap();
        let range = file.range(5000, 10_000).unwrap();
        assert_eq!(file.offset_of(range.bytes()), Some(5000));
        assert_eq!(range.bytes(), &bytes[5000..15_000]);
        range.release();
        assert_eq!(file.bytes(), bytes);
        assert_eq!(file.offset_of(&bytes), None);
    }

    #[test]
    fn a_file_that_somebody_writes_to_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        std::fs::write(&path, [1; 100]).unwrap();
        let file = MappedFile::open(&path).unwrap();
        file.check().unwrap();
        std::fs::write(&path, [2; 200]).unwrap();
        let error = file.check().unwrap_err().to_string();
        assert!(error.ends_with("a: changed while it was open; open it again"), "{error}");
    }
}
