//! .safetensors: tensors by name.

use std::path::{Path, PathBuf};

use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};

use super::{ArrayInfo, FileError, FileErrorKind};
use crate::{DType, MappedFile, Tensor};

/// Reads the tensors of a .safetensors file one at a time; they stay in the file.
pub struct SafetensorsReader {
    path: PathBuf,
    file: MappedFile,
    /// In the order of the names.
    tensors: Vec<Place>,
}

/// Where a tensor stands in the file.
struct Place {
    name: String,
    dtype: Dtype,
    shape: Vec<usize>,
    start: usize,
    length: usize,
}

impl SafetensorsReader {
    /// Opens the file at `path` and reads its header.
    ///
    /// # Errors
    /// Where the file cannot be read or breaks the format.
    pub fn open(path: &Path) -> Result<Self, FileError> {
        let fail = |kind: FileErrorKind| kind.at(path);
        let file = MappedFile::open(path).map_err(|error| fail(error.into()))?;
        let bytes = file.bytes();
        let header = SafeTensors::deserialize(bytes)
            .map_err(|error| fail(FileErrorKind::malformed(error.to_string())))?;
        let place = |(name, view): (&str, TensorView)| Place {
            name: name.to_owned(),
            dtype: view.dtype(),
            shape: view.shape().to_vec(),
            start: view.data().as_ptr() as usize - bytes.as_ptr() as usize,
            length: view.data().len(),
        };
        let mut tensors: Vec<Place> = header.iter().map(place).collect();
        tensors.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(Self { path: path.to_owned(), file, tensors })
    }

    /// The names of the tensors, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.tensors.iter().map(|place| place.name.as_str())
    }

    /// What the tensor at `place` of [`SafetensorsReader::names`] is; `None` beyond the end.
    ///
    /// # Errors
    /// Where its elements are complex or packed.
    pub fn peek(&self, place: usize) -> Result<Option<ArrayInfo>, FileError> {
        let Some(place) = self.tensors.get(place) else { return Ok(None) };
        let dtype = dtype(place.dtype).map_err(|kind| kind.within(&self.path, &place.name))?;
        Ok(Some(ArrayInfo { dtype, shape: place.shape.clone() }))
    }

    /// The tensor at `place` of [`SafetensorsReader::names`]; `None` beyond the end.
    ///
    /// # Errors
    /// As [`SafetensorsReader::peek`].
    pub fn read_at(&self, place: usize) -> Result<Option<Tensor>, FileError> {
        let Some(place) = self.tensors.get(place) else { return Ok(None) };
        let read = || -> Result<Tensor, FileErrorKind> {
            let dtype = dtype(place.dtype)?;
            Tensor::from_mapped(dtype, &place.shape, &self.file, place.start, place.length)
                .map_err(|error| FileErrorKind::malformed(error.to_string()))
        };
        read().map(Some).map_err(|kind| kind.within(&self.path, &place.name))
    }
}

/// The tensors of the .safetensors file at `path` with their names, in the order of the names.
///
/// # Errors
/// Where the file cannot be read, breaks the format, or holds complex or packed elements.
pub fn read_safetensors(path: &Path) -> Result<Vec<(String, Tensor)>, FileError> {
    let reader = SafetensorsReader::open(path)?;
    let mut tensors = Vec::new();
    for (place, name) in reader.names().enumerate() {
        tensors.extend(reader.read_at(place)?.map(|tensor| (name.to_owned(), tensor)));
    }
    Ok(tensors)
}

fn dtype(dtype: Dtype) -> Result<DType, FileErrorKind> {
    Ok(match dtype {
        Dtype::BOOL => DType::Bool,
        Dtype::U8 => DType::U8,
        Dtype::I8 => DType::I8,
        Dtype::F8_E5M2 => DType::F8E5M2,
        Dtype::F8_E4M3 => DType::F8E4M3FN,
        Dtype::F8_E8M0 => DType::F8E8M0,
        Dtype::F8_E4M3FNUZ => DType::F8E4M3FNUZ,
        Dtype::F8_E5M2FNUZ => DType::F8E5M2FNUZ,
        Dtype::I16 => DType::I16,
        Dtype::U16 => DType::U16,
        Dtype::F16 => DType::F16,
        Dtype::BF16 => DType::BF16,
        Dtype::I32 => DType::I32,
        Dtype::U32 => DType::U32,
        Dtype::F32 => DType::F32,
        Dtype::F64 => DType::F64,
        Dtype::I64 => DType::I64,
        Dtype::U64 => DType::U64,
        other => return Err(FileErrorKind::unsupported(format!("elements of type {other:?}"))),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file with one tensor `w`.
    fn file(dtype: &str, shape: &[usize], data: &[u8]) -> Vec<u8> {
        let header = format!(
            r#"{{"w":{{"dtype":"{dtype}","shape":{shape:?},"data_offsets":[0,{}]}}}}"#,
            data.len()
        );
        let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
        bytes.extend(header.as_bytes());
        bytes.extend(data);
        bytes
    }

    fn read(bytes: &[u8]) -> Result<Vec<(String, Tensor)>, FileError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.safetensors");
        std::fs::write(&path, bytes).unwrap();
        read_safetensors(&path)
    }

    #[test]
    fn tensors_are_read_by_name() {
        let read = read(&file("BF16", &[1, 2], &[0x80, 0x3f, 0, 0])).unwrap();
        assert_eq!((read[0].0.as_str(), read[0].1.dtype()), ("w", DType::BF16));
    }

    #[test]
    fn damaged_files_are_survived() {
        let bytes = file("F32", &[2], &[0; 8]);
        for i in 0..bytes.len() {
            assert!(read(&bytes[..i]).is_err(), "{i}");
            let mut flipped = bytes.clone();
            flipped[i] ^= 1 << (i % 8);
            let _ = read(&flipped);
        }
        assert!(read(&file("F4", &[2], &[0])).is_err());
    }
}
