//! Files without a header: raw elements, and numbers as text.

use std::fs;
use std::path::Path;

use half::{bf16, f16};

use super::{FileError, FileErrorKind};
use crate::{Carrier, DType, MappedFile, Tensor};

/// The raw little-endian elements of the file at `path`, one carrier for each; they stay in the file.
///
/// # Errors
/// Where the file cannot be read, or has not exactly the bytes of `shape`.
pub fn read_raw(path: &Path, dtype: DType, shape: &[usize]) -> Result<Tensor, FileError> {
    let map = MappedFile::open(path).map_err(|error| FileErrorKind::from(error).at(path))?;
    Tensor::from_mapped(dtype, shape, &map, 0, map.bytes().len())
        .map_err(|error| FileErrorKind::malformed(error.to_string()).at(path))
}

/// The numbers in the text file at `path`, separated by white space or commas; `#` begins a comment.
///
/// Without `shape`, one dimension as long as there are numbers.
///
/// # Errors
/// Where the file cannot be read, a word is no value of `dtype` (8-bit floats have no text form), or the numbers do
/// not fill `shape`.
pub fn read_text(path: &Path, dtype: DType, shape: Option<&[usize]>) -> Result<Tensor, FileError> {
    let text = fs::read_to_string(path).map_err(|error| FileErrorKind::from(error).at(path))?;
    parse_text(&text, dtype, shape).map_err(|kind| kind.at(path))
}

fn parse_text(text: &str, dtype: DType, shape: Option<&[usize]>) -> Result<Tensor, FileErrorKind> {
    let lines = text.lines().map(|line| line.split('#').next().unwrap_or_default());
    let words: Vec<(usize, &str)> = (1..)
        .zip(lines)
        .flat_map(|(number, line)| {
            let words = line.split(|c: char| c.is_whitespace() || c == ',');
            words.filter(|word| !word.is_empty()).map(move |word| (number, word))
        })
        .collect();
    let length = [words.len()];
    let shape = shape.unwrap_or(&length);
    match dtype.carrier() {
        Carrier::F32 if dtype == DType::F32 => {
            fill(dtype, shape, &words, |word| word.parse::<f32>().ok())
        }
        Carrier::F64 => fill(dtype, shape, &words, |word| word.parse::<f64>().ok()),
        Carrier::F16 => fill(dtype, shape, &words, |word| word.parse().ok().map(f16::from_f64)),
        Carrier::BF16 => fill(dtype, shape, &words, |word| word.parse().ok().map(bf16::from_f64)),
        Carrier::Bool => fill(dtype, shape, &words, boolean),
        Carrier::I8 => fill(dtype, shape, &words, |word| integer::<i8>(dtype, word)),
        Carrier::I16 => fill(dtype, shape, &words, |word| integer::<i16>(dtype, word)),
        Carrier::I32 => fill(dtype, shape, &words, |word| integer::<i32>(dtype, word)),
        Carrier::I64 => fill(dtype, shape, &words, |word| integer::<i64>(dtype, word)),
        Carrier::U8 if dtype.is_integer() => {
            fill(dtype, shape, &words, |word| integer::<u8>(dtype, word))
        }
        Carrier::U16 => fill(dtype, shape, &words, |word| integer::<u16>(dtype, word)),
        Carrier::U32 => fill(dtype, shape, &words, |word| integer::<u32>(dtype, word)),
        Carrier::U64 => fill(dtype, shape, &words, |word| integer::<u64>(dtype, word)),
        _ => Err(FileErrorKind::unsupported(format!("{dtype} as text"))),
    }
}

fn fill<T: crate::Element>(
    dtype: DType,
    shape: &[usize],
    words: &[(usize, &str)],
    parse: impl Fn(&str) -> Option<T>,
) -> Result<Tensor, FileErrorKind> {
    let value = |&(line, word): &(usize, &str)| {
        parse(word).ok_or_else(|| {
            let shown: String = word.chars().take(40).collect();
            FileErrorKind::malformed(format!("line {line}: `{shown}` is no {dtype}"))
        })
    };
    let data = words.iter().map(value).collect::<Result<Vec<T>, _>>()?;
    Tensor::with_dtype(dtype, shape, data)
        .map_err(|error| FileErrorKind::malformed(error.to_string()))
}

/// An integer of the type's range; `3.0` and `1e2` are integers too, as printf's %g writes them.
fn integer<T: TryFrom<i128>>(dtype: DType, word: &str) -> Option<T> {
    let value = word.parse::<i128>().ok().or_else(|| {
        let real: f64 = word.parse().ok()?;
        // Beyond 2^53 a real number does not tell which integer was meant.
        (real.fract() == 0.0 && real.abs() <= 9007199254740992.0).then_some(real as i128)
    })?;
    let (low, high) = dtype.integer_range()?;
    (low <= value && value <= high).then(|| T::try_from(value).ok()).flatten()
}

fn boolean(word: &str) -> Option<bool> {
    match word {
        "0" | "false" | "False" => Some(false),
        "1" | "true" | "True" => Some(true),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_numbers_between_spaces_commas_and_comments() {
        let tensor = parse_text("1 2,\n-3.5e0 # three\n\n nan", DType::F32, None).unwrap();
        assert_eq!(tensor.as_slice::<f32>().unwrap()[..3], [1., 2., -3.5]);
        assert!(tensor.as_slice::<f32>().unwrap()[3].is_nan());
        let shaped = parse_text("1 2 3 4", DType::I64, Some(&[2, 2])).unwrap();
        assert_eq!(shaped.shape(), [2, 2]);
    }

    #[test]
    fn integers_are_exact_and_in_range() {
        let read = |text, dtype| parse_text(text, dtype, None).map_err(|error| error.to_string());
        assert_eq!(read("9223372036854775807", DType::I64).unwrap().as_scalar(), Some(&i64::MAX));
        assert_eq!(read("-128 1e2", DType::I8).unwrap().as_slice::<i8>().unwrap(), [-128, 100]);
        assert_eq!(read("1\n8", DType::I4).unwrap_err(), "line 2: `8` is no int4");
        assert_eq!(read("0.5", DType::U8).unwrap_err(), "line 1: `0.5` is no uint8");
        assert_eq!(read("0", DType::F8E5M2).unwrap_err(), "float8e5m2 as text");
    }

    #[test]
    fn a_raw_file_has_exactly_the_bytes_of_its_shape() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.bin");
        fs::write(&path, [1, 0, 2, 0]).unwrap();
        let tensor = read_raw(&path, DType::I16, &[1, 2]).unwrap();
        assert_eq!(tensor.as_slice::<i16>().unwrap(), [1, 2]);
        let error = read_raw(&path, DType::I32, &[2]).unwrap_err().to_string();
        assert_eq!(
            error,
            format!("{}: 4 bytes do not hold the shape [2] of int32", path.display())
        );
    }
}
