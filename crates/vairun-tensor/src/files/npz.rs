//! .npz: arrays by name, in a zip archive.

use std::fs::File;
use std::io::{BufReader, BufWriter, Seek, Write};
use std::path::{Path, PathBuf};

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

use super::npy::{ArrayInfo, peek_from, read_from, write_npy};
use super::{FileError, FileErrorKind};
use crate::Tensor;

/// An entry that claims more than this out of less than a hundredth is not unpacked.
const LARGE: u64 = 1 << 30;

/// Reads the arrays of an .npz file one at a time.
pub struct NpzReader {
    path: PathBuf,
    archive: ZipArchive<BufReader<File>>,
    /// The place of each array in the archive.
    arrays: Vec<(String, usize)>,
}

impl NpzReader {
    /// Opens the archive at `path` and reads its directory.
    ///
    /// # Errors
    /// Where it cannot be read or is no zip archive.
    pub fn open(path: &Path) -> Result<Self, FileError> {
        let fail = |kind: FileErrorKind| kind.at(path);
        let file = File::open(path).map_err(|error| fail(error.into()))?;
        let archive = ZipArchive::new(BufReader::new(file)).map_err(|error| fail(error.into()))?;
        let mut arrays = Vec::new();
        for place in 0..archive.len() {
            let name =
                archive.name_for_index(place).transpose().map_err(|error| fail(error.into()))?;
            if let Some(name) = name.as_deref().and_then(|name| name.strip_suffix(".npy")) {
                arrays.push((name.to_owned(), place));
            }
        }
        Ok(Self { path: path.to_owned(), archive, arrays })
    }

    /// The names of the arrays in the order of the archive: any text, `/` and `..` included.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.arrays.iter().map(|(name, _)| name.as_str())
    }

    /// The array of that name; `None` where there is none.
    ///
    /// # Errors
    /// Where the entry is damaged, or no array of a type that a [`Tensor`] has.
    pub fn read(&mut self, name: &str) -> Result<Option<Tensor>, FileError> {
        let Some(&(_, place)) = self.arrays.iter().find(|(known, _)| known == name) else {
            return Ok(None);
        };
        self.read_entry(place).map(Some).map_err(|kind| kind.within(&self.path, name))
    }

    /// What the array at `place` of [`NpzReader::names`] is, from its header; `None` beyond the end.
    ///
    /// # Errors
    /// Where the entry is damaged, or no array of a type that a [`Tensor`] has.
    pub fn peek(&mut self, place: usize) -> Result<Option<ArrayInfo>, FileError> {
        let Some((name, entry)) = self.arrays.get(place).cloned() else { return Ok(None) };
        let found = self.archive.by_index(entry).map_err(FileErrorKind::from);
        let info = found.and_then(|mut entry| peek_from(&mut entry));
        info.map(Some).map_err(|kind| kind.within(&self.path, &name))
    }

    /// The array at `place` of [`NpzReader::names`], which tells arrays of the same name apart; `None` beyond the end.
    ///
    /// # Errors
    /// As [`NpzReader::read`].
    pub fn read_at(&mut self, place: usize) -> Result<Option<Tensor>, FileError> {
        let Some((name, entry)) = self.arrays.get(place).cloned() else { return Ok(None) };
        self.read_entry(entry).map(Some).map_err(|kind| kind.within(&self.path, &name))
    }

    fn read_entry(&mut self, place: usize) -> Result<Tensor, FileErrorKind> {
        let mut entry = self.archive.by_index(place)?;
        let (size, stored) = (entry.size(), entry.compressed_size());
        if size > LARGE && size / 100 > stored {
            return Err(FileErrorKind::unsupported(format!(
                "{size} bytes out of {stored}: unpacking this much from so little is refused"
            )));
        }
        read_from(&mut entry, size)
    }

    /// Every array with its name, in the order of the archive.
    ///
    /// # Errors
    /// As [`NpzReader::read`].
    pub fn read_all(&mut self) -> Result<Vec<(String, Tensor)>, FileError> {
        let arrays = self.arrays.clone();
        let read = |(name, place): (String, usize)| match self.read_entry(place) {
            Ok(tensor) => Ok((name, tensor)),
            Err(kind) => Err(kind.within(&self.path, &name)),
        };
        arrays.into_iter().map(read).collect()
    }
}

/// The arrays of the .npz file at `path` with their names, in the order of the archive.
///
/// # Errors
/// As [`NpzReader::open`] and [`NpzReader::read`].
pub fn read_npz(path: &Path) -> Result<Vec<(String, Tensor)>, FileError> {
    NpzReader::open(path)?.read_all()
}

/// Writes arrays into an .npz file one at a time, uncompressed as `np.savez`, each as soon as it is there.
pub struct NpzWriter<W: Write + Seek> {
    path: PathBuf,
    zip: ZipWriter<W>,
}

impl NpzWriter<BufWriter<File>> {
    /// Creates the file at `path`, or empties it.
    ///
    /// # Errors
    /// Where it cannot be created.
    pub fn create(path: &Path) -> Result<Self, FileError> {
        let file = File::create(path).map_err(|error| FileErrorKind::from(error).at(path))?;
        Ok(Self { path: path.to_owned(), zip: ZipWriter::new(BufWriter::new(file)) })
    }
}

impl<W: Write + Seek> NpzWriter<W> {
    /// Adds an array. Names may be any text; a name that is there already is an error.
    ///
    /// # Errors
    /// Where it cannot be written, see [`write_npy`].
    pub fn add(&mut self, name: &str, tensor: &Tensor) -> Result<(), FileError> {
        self.try_add(name, tensor).map_err(|kind| kind.within(&self.path, name))
    }

    fn try_add(&mut self, name: &str, tensor: &Tensor) -> Result<(), FileErrorKind> {
        // Strings take four bytes a character, each as many as the longest: they may be large as well.
        let large = tensor.byte_len() as u64 >= u64::from(u32::MAX) / 4;
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Stored)
            .large_file(large);
        self.zip.start_file(format!("{name}.npy"), options)?;
        write_npy(&mut self.zip, tensor)?;
        Ok(())
    }

    /// Writes the directory of the archive; without it the file is not readable.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn finish(self) -> Result<W, FileError> {
        let Self { path, zip } = self;
        let finish = || -> Result<W, FileErrorKind> {
            let mut inner = zip.finish()?;
            inner.flush()?;
            Ok(inner)
        };
        finish().map_err(|kind| kind.at(&path))
    }
}

/// Writes the arrays into an .npz file.
///
/// # Errors
/// As [`NpzWriter`].
pub fn write_npz<'a>(
    path: &Path,
    arrays: impl IntoIterator<Item = (&'a str, &'a Tensor)>,
) -> Result<(), FileError> {
    let mut writer = NpzWriter::create(path)?;
    arrays.into_iter().try_for_each(|(name, tensor)| writer.add(name, tensor))?;
    writer.finish().map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(n: i32) -> Tensor {
        Tensor::vector(vec![n, -n])
    }

    #[test]
    fn names_are_any_text_and_keep_their_order() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.npz");
        let names = ["/a/b::c", "../up", "", "a.npy", "ü 𝄞", "b\\c", "z", "A", "a"];
        let tensors: Vec<_> = (0..).map(numbers).take(names.len()).collect();
        write_npz(&path, names.into_iter().zip(&tensors)).unwrap();
        let read = read_npz(&path).unwrap();
        assert_eq!(read.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), names);
        for ((name, tensor), expected) in read.iter().zip(&tensors) {
            assert!(tensor.bits_eq(expected), "`{name}`");
        }
    }

    #[test]
    fn a_missing_name_is_none_and_a_second_one_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.npz");
        let mut writer = NpzWriter::create(&path).unwrap();
        writer.add("x", &numbers(1)).unwrap();
        let error = writer.add("x", &numbers(2)).unwrap_err().to_string();
        assert!(error.contains("`x`"), "{error}");
        writer.finish().unwrap();
        let mut reader = NpzReader::open(&path).unwrap();
        assert!(reader.read("y").unwrap().is_none());
        assert!(reader.read("x").unwrap().unwrap().bits_eq(&numbers(1)));
    }

    #[test]
    fn compressed_archives_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.npz");
        let mut zip = ZipWriter::new(File::create(&path).unwrap());
        let options = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
        zip.start_file("x.npy", options).unwrap();
        write_npy(&mut zip, &Tensor::vector(vec![0f32; 100_000])).unwrap();
        zip.start_file("readme.txt", options).unwrap();
        zip.finish().unwrap();
        let read = read_npz(&path).unwrap();
        assert_eq!((read.len(), read[0].1.len()), (1, 100_000));
    }

    #[test]
    fn damaged_archives_are_survived() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.npz");
        write_npz(&path, [("x", &numbers(1)), ("y", &numbers(2))]).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        for i in 0..bytes.len() {
            std::fs::write(&path, &bytes[..i]).unwrap();
            assert!(read_npz(&path).is_err(), "{i}");
            let mut flipped = bytes.clone();
            flipped[i] ^= 1 << (i % 8);
            std::fs::write(&path, &flipped).unwrap();
            let _ = read_npz(&path);
        }
    }

    #[test]
    fn errors_name_file_and_array() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.npz");
        let mut zip = ZipWriter::new(File::create(&path).unwrap());
        zip.start_file("x.npy", SimpleFileOptions::default()).unwrap();
        zip.write_all(b"not an array").unwrap();
        zip.finish().unwrap();
        let error = read_npz(&path).unwrap_err().to_string();
        let expected =
            format!("{}: `x`: not an .npy file: it does not begin with \\x93NUMPY", path.display());
        assert_eq!(error, expected);
    }
}
