//! A folder with an .npy file for each tensor, called by its name.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::Path;

use super::dump::FileNames;
use super::{FileError, FileErrorKind, write_npy};
use crate::Tensor;

/// Writes each tensor to `<name>.npy` in `folder`, which is made where it is absent. Returns the names of the files.
///
/// A name that is no safe file name, or differs from an earlier one in case alone, is escaped and marked by `~` and a
/// fingerprint.
///
/// # Errors
/// Where a file cannot be written.
pub fn write_folder<'a>(
    folder: &Path,
    tensors: impl IntoIterator<Item = (&'a str, &'a Tensor)>,
) -> Result<Vec<String>, FileError> {
    fs::create_dir_all(folder).map_err(|error| FileErrorKind::from(error).at(folder))?;
    let mut names = FileNames::default();
    let mut files = Vec::new();
    for (name, tensor) in tensors {
        let file = format!("{}.npy", names.next(name));
        let path = folder.join(&file);
        let write = || -> io::Result<()> {
            let mut writer = BufWriter::new(File::create(&path)?);
            write_npy(&mut writer, tensor)?;
            writer.flush()
        };
        write().map_err(|error| FileErrorKind::from(error).at(&path))?;
        files.push(file);
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::read_npy;

    #[test]
    fn plain_names_are_file_names_and_others_do_not_collide() {
        let folder = tempfile::tempdir().unwrap();
        let tensors: Vec<Tensor> = (0..3).map(|n| Tensor::vector(vec![n])).collect();
        let names = ["fc", "FC", "/fc"];
        let files = write_folder(folder.path(), names.into_iter().zip(&tensors)).unwrap();
        assert_eq!(files[0], "fc.npy");
        for (file, tensor) in files.iter().zip(&tensors) {
            assert!(read_npy(&folder.path().join(file)).unwrap().bits_eq(tensor), "{file}");
        }
    }
}
