//! .npy: one array.

use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::path::Path;

use super::header::{self, Header, Kind};
use super::{FileError, FileErrorKind};
use crate::{DType, MappedFile, Tensor};

/// Elements that are converted at a time while writing.
const CHUNK: usize = 1 << 16;

/// The array in the .npy file at `path`; see [`decode_npy`].
///
/// # Errors
/// Where the file cannot be read or is no array of a type that a [`Tensor`] has.
pub fn read_npy(path: &Path) -> Result<Tensor, FileError> {
    let map = MappedFile::open(path).map_err(|error| FileErrorKind::from(error).at(path))?;
    decode_npy(map.bytes()).map_err(|kind| kind.at(path))
}

/// The array in the bytes of an .npy file.
///
/// Fortran order and big-endian elements are converted. A structure of one field that is named as an ONNX type
/// (`[('bfloat16', '<u2')]`) has that type; so does `V2`, as which numpy writes the bfloat16 of ml_dtypes.
/// `S` and `U` strings are read without their padding. What follows the array is ignored, as numpy does.
///
/// # Errors
/// Where the bytes are no array of a type that a [`Tensor`] has.
pub fn decode_npy(bytes: &[u8]) -> Result<Tensor, FileErrorKind> {
    let cut = || {
        FileErrorKind::malformed(format!("the file ends within its header ({} bytes)", bytes.len()))
    };
    let (header, at) = header::parse(bytes)?.ok_or_else(cut)?;
    let needed = header.byte_count()?;
    let data = &bytes[at..];
    let whole = data.get(..needed).ok_or_else(|| header.short(data.len(), needed))?;
    header.tensor(whole.to_vec())
}

/// The array that comes next from `reader`; of what follows nothing is read. `available` bytes are there at most:
/// a header that promises more is refused before memory is taken for it.
pub(crate) fn read_from(reader: &mut dyn Read, available: u64) -> Result<Tensor, FileErrorKind> {
    let (header, at, mut bytes) = header_from(reader)?;
    let needed = header.byte_count()?;
    let mut data = bytes.split_off(at);
    let short = |got| header.short(got, needed);
    if (at as u64).checked_add(needed as u64).is_none_or(|end| end > available) {
        return Err(short(usize::try_from(available).unwrap_or(usize::MAX).saturating_sub(at)));
    }
    data.reserve_exact(needed.saturating_sub(data.len()));
    let missing = needed.saturating_sub(data.len()) as u64;
    reader.take(missing).read_to_end(&mut data)?;
    if data.len() < needed {
        return Err(short(data.len()));
    }
    data.truncate(needed);
    header.tensor(data)
}

/// The header that comes next from `reader`, its length, and the bytes that were read for it: hardly more than it has.
fn header_from(reader: &mut dyn Read) -> Result<(Header, usize, Vec<u8>), FileErrorKind> {
    let mut bytes = Vec::new();
    loop {
        match header::parse(&bytes)? {
            Some((header, at)) => return Ok((header, at, bytes)),
            // A header's length stands in its first 12 bytes; then as much as is missing, 64 bytes at a time.
            None => {
                let before = bytes.len();
                let more = if before < 12 { 12 - before as u64 } else { 64 };
                (&mut *reader).take(more).read_to_end(&mut bytes)?;
                if bytes.len() == before {
                    return Err(FileErrorKind::malformed(format!(
                        "the array ends within its header ({before} bytes)"
                    )));
                }
            }
        }
    }
}

/// What an array is, without its elements.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArrayInfo {
    /// The type of the elements.
    pub dtype: DType,
    /// The dimensions.
    pub shape: Vec<usize>,
}

/// What the array in the .npy file at `path` is; its elements are not read.
///
/// # Errors
/// Where the file cannot be read, or its header is not that of an array of a type that a [`Tensor`] has.
pub fn peek_npy(path: &Path) -> Result<ArrayInfo, FileError> {
    let fail = |kind: FileErrorKind| kind.at(path);
    let mut file = BufReader::new(File::open(path).map_err(|error| fail(error.into()))?);
    peek_from(&mut file).map_err(fail)
}

/// What the array is whose .npy file begins with `bytes`.
///
/// # Errors
/// As [`peek_npy`].
pub fn peek_npy_bytes(mut bytes: &[u8]) -> Result<ArrayInfo, FileErrorKind> {
    peek_from(&mut bytes)
}

/// What the array is that comes next from `reader`.
pub(crate) fn peek_from(reader: &mut dyn Read) -> Result<ArrayInfo, FileErrorKind> {
    let (header, ..) = header_from(reader)?;
    header.byte_count()?;
    let dtype = match header.kind.letter {
        'U' | 'S' => DType::String,
        _ => header.kind.dtype()?,
    };
    Ok(ArrayInfo { dtype, shape: header.shape })
}

/// Writes the tensor as an .npy file, little-endian in C order.
///
/// A type that numpy lacks is written as its carrier under a field with ONNX's name of the type: in numpy,
/// `np.load(file)['int4']` are the values, and `np.load(file)['bfloat16'].view(ml_dtypes.bfloat16)`. Strings become
/// `<U`, as wide as the longest.
///
/// # Errors
/// Those of `writer`; strings that would take more than 1 GiB because one is very long.
pub fn write_npy(writer: &mut dyn Write, tensor: &Tensor) -> io::Result<()> {
    let width = text_width(tensor)?;
    writer.write_all(&header::write(&header::descr(tensor.dtype(), width), tensor.shape()))?;
    match tensor.as_bytes() {
        Some(bytes) => writer.write_all(bytes),
        None => match tensor.as_slice::<bool>() {
            Ok(values) => write_bools(writer, values),
            Err(_) => write_texts(writer, tensor.as_slice::<String>().unwrap_or(&[]), width),
        },
    }
}

fn write_bools(writer: &mut dyn Write, values: &[bool]) -> io::Result<()> {
    for chunk in values.chunks(CHUNK) {
        let bytes: Vec<u8> = chunk.iter().map(|&value| u8::from(value)).collect();
        writer.write_all(&bytes)?;
    }
    Ok(())
}

fn write_texts(writer: &mut dyn Write, texts: &[String], width: usize) -> io::Result<()> {
    let mut row = Vec::with_capacity(4 * width);
    for text in texts {
        row.clear();
        text.chars().for_each(|c| row.extend(u32::from(c).to_le_bytes()));
        row.resize(4 * width, 0);
        writer.write_all(&row)?;
    }
    Ok(())
}

/// Characters of the longest string, at least one; 0 for numbers.
fn text_width(tensor: &Tensor) -> io::Result<usize> {
    let Ok(texts) = tensor.as_slice::<String>() else { return Ok(0) };
    let width = texts.iter().map(|text| text.chars().count()).max().unwrap_or(0).max(1);
    match width.checked_mul(4 * texts.len()) {
        Some(bytes) if bytes <= 1 << 30 => Ok(width),
        _ => Err(io::Error::other(format!(
            "{} strings of up to {width} characters take more than 1 GiB in an .npy file",
            texts.len()
        ))),
    }
}

impl Header {
    fn byte_count(&self) -> Result<usize, FileErrorKind> {
        let bytes = if self.shape.contains(&0) {
            Some(0)
        } else {
            let element = self.kind.bytes();
            self.shape.iter().try_fold(element, |n, &dim| n.map(|n| n.checked_mul(dim))).flatten()
        };
        bytes.filter(|&n| n <= isize::MAX as usize).ok_or_else(|| {
            FileErrorKind::malformed(format!("shape {:?} is more than memory can hold", self.shape))
        })
    }

    fn short(&self, got: usize, needed: usize) -> FileErrorKind {
        FileErrorKind::malformed(format!(
            "{got} bytes of elements, {needed} needed for shape {:?}",
            self.shape
        ))
    }

    fn tensor(&self, mut bytes: Vec<u8>) -> Result<Tensor, FileErrorKind> {
        if self.fortran_order && self.shape.len() > 1 && !bytes.is_empty() {
            let width = self.kind.bytes().unwrap_or(1);
            bytes = from_fortran(&bytes, width, &self.shape);
        }
        let wrong = |error: crate::TensorError| FileErrorKind::malformed(error.to_string());
        match self.kind.letter {
            'U' | 'S' => {
                let texts = self.texts(&bytes)?;
                Tensor::new(&self.shape, texts).map_err(wrong)
            }
            _ => {
                let dtype = self.kind.dtype()?;
                if self.kind.big_endian {
                    bytes.chunks_exact_mut(self.kind.size.max(1)).for_each(<[u8]>::reverse);
                }
                Tensor::from_le_bytes(dtype, &self.shape, &bytes).map_err(wrong)
            }
        }
    }

    fn texts(&self, bytes: &[u8]) -> Result<Vec<String>, FileErrorKind> {
        let Some(width) = self.kind.bytes().filter(|&width| width > 0) else {
            // Strings of no characters: as many as the shape has, which the length cannot vouch for.
            let count = self.shape.iter().try_fold(1usize, |n, &dim| n.checked_mul(dim));
            return match count {
                Some(count) if count <= 1 << 20 => Ok(vec![String::new(); count]),
                _ => Err(FileErrorKind::unsupported("millions of empty strings")),
            };
        };
        let text = |chunk: &[u8]| self.kind.text(chunk);
        bytes
            .chunks_exact(width)
            .map(text)
            .collect::<Option<_>>()
            .ok_or_else(|| FileErrorKind::unsupported("strings that are no Unicode text"))
    }
}

impl Kind {
    fn dtype(&self) -> Result<DType, FileErrorKind> {
        let plain = match (self.letter, self.size) {
            ('b', 1) => DType::Bool,
            ('i', 1) => DType::I8,
            ('i', 2) => DType::I16,
            ('i', 4) => DType::I32,
            ('i', 8) => DType::I64,
            ('u', 1) => DType::U8,
            ('u', 2) => DType::U16,
            ('u', 4) => DType::U32,
            ('u', 8) => DType::U64,
            ('f', 2) => DType::F16,
            ('f', 4) => DType::F32,
            ('f', 8) => DType::F64,
            ('V', 2) if self.field.is_none() => return Ok(DType::BF16),
            (letter, size) => {
                return Err(FileErrorKind::unsupported(format!(
                    "elements of type \"{letter}{size}\""
                )));
            }
        };
        let Some(field) = &self.field else { return Ok(plain) };
        DType::from_name(field)
            .filter(|dtype| dtype.carrier().bytes() == Some(self.size))
            .ok_or_else(|| {
                FileErrorKind::unsupported(format!("a structured type with the field `{field}`"))
            })
    }

    /// One string without its padding; `None` where it is no text.
    fn text(&self, bytes: &[u8]) -> Option<String> {
        if self.letter == 'S' {
            let end = bytes.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
            return String::from_utf8(bytes[..end].to_vec()).ok();
        }
        let code = |chunk: &[u8]| {
            let bytes: [u8; 4] = chunk.try_into().expect("chunks of 4 bytes");
            if self.big_endian { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) }
        };
        let codes: Vec<u32> = bytes.chunks_exact(4).map(code).collect();
        let end = codes.iter().rposition(|&code| code != 0).map_or(0, |last| last + 1);
        codes[..end].iter().map(|&code| char::from_u32(code)).collect()
    }
}

/// The elements of `width` bytes in C order, from elements whose first index varies fastest.
fn from_fortran(bytes: &[u8], width: usize, shape: &[usize]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut strides = vec![width; shape.len()];
    for axis in 1..shape.len() {
        strides[axis] = strides[axis - 1] * shape[axis - 1];
    }
    let mut index = vec![0usize; shape.len()];
    let mut at = 0;
    while out.len() < bytes.len() {
        out.extend(&bytes[at..at + width]);
        for axis in (0..shape.len()).rev() {
            index[axis] += 1;
            at += strides[axis];
            if index[axis] < shape[axis] {
                break;
            }
            at -= strides[axis] * shape[axis];
            index[axis] = 0;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::header::write;

    fn npy(descr: &str, shape: &[usize], data: &[u8]) -> Vec<u8> {
        let mut bytes = write(descr, shape);
        bytes.extend(data);
        bytes
    }

    /// Both ways of reading.
    fn read(bytes: &[u8]) -> Result<Tensor, String> {
        let whole = decode_npy(bytes).map_err(|error| error.to_string());
        let streamed = read_from(&mut &bytes[..], bytes.len() as u64);
        match (&whole, &streamed) {
            (Ok(a), Ok(b)) => assert!(a.bits_eq(b), "{a:?} {b:?}"),
            (a, b) => assert_eq!(a.is_err(), b.is_err(), "{a:?} {b:?}"),
        }
        whole
    }

    fn written(tensor: &Tensor) -> Vec<u8> {
        let mut bytes = Vec::new();
        write_npy(&mut bytes, tensor).unwrap();
        bytes
    }

    #[test]
    fn each_type_reads_back() {
        for dtype in DType::ALL {
            let tensor = match dtype.carrier().bytes() {
                Some(width) => {
                    let bytes: Vec<u8> = (0..6 * width).map(|i| i as u8 % 2).collect();
                    Tensor::from_le_bytes(dtype, &[2, 3], &bytes).unwrap()
                }
                None => Tensor::vector(vec!["wide ü𝄞".to_owned(), String::new()]),
            };
            let again = read(&written(&tensor)).unwrap();
            assert!(again.bits_eq(&tensor), "{tensor:?} {again:?}");
        }
    }

    #[test]
    fn fortran_order_and_big_endian_are_converted() {
        let data: Vec<u8> = [1i16, 4, 2, 5, 3, 6].iter().flat_map(|n| n.to_be_bytes()).collect();
        let text = String::from_utf8_lossy(&npy("'>i2'", &[2, 3], &data)).into_owned();
        let at = text.find("False").unwrap();
        let mut bytes = npy("'>i2'", &[2, 3], &data);
        // The magic number's first byte is no UTF-8: lossy text has three bytes in its place.
        bytes[at - 2..at + 3].copy_from_slice(b"True ");
        let tensor = read(&bytes).unwrap();
        assert_eq!(tensor.as_slice::<i16>().unwrap(), [1, 2, 3, 4, 5, 6]);
    }

    #[test]
    fn byte_strings_and_wide_strings_lose_their_padding() {
        let bytes = read(&npy("'|S3'", &[2], b"ab\0c\0d")).unwrap();
        assert_eq!(bytes.as_slice::<String>().unwrap(), ["ab", "c\0d"]);
        let wide: Vec<u8> = [0x75u32, 0].iter().flat_map(|c| c.to_be_bytes()).collect();
        assert_eq!(read(&npy("'>U2'", &[], &wide)).unwrap().as_slice::<String>().unwrap(), ["u"]);
    }

    #[test]
    fn ml_dtypes_bfloat16_is_recognized_and_other_raw_bytes_are_not() {
        assert_eq!(read(&npy("'<V2'", &[1], &[0x80, 0x3f])).unwrap().dtype(), DType::BF16);
        let error = read(&npy("'|V1'", &[1], &[0])).unwrap_err();
        assert_eq!(error, "elements of type \"V1\"");
    }

    #[test]
    fn short_files_and_huge_shapes_take_no_memory() {
        let short = read(&npy("'<f4'", &[2, 2], &[0; 15])).unwrap_err();
        assert_eq!(short, "15 bytes of elements, 16 needed for shape [2, 2]");
        assert!(read(&npy("'<f4'", &[usize::MAX, 2], &[])).is_err());
        assert!(read(&npy("'<f8'", &[1 << 50], &[])).is_err());
        assert!(read(&npy("'<U0'", &[1 << 50], &[])).is_err());
        assert!(read(&npy("'<f4'", &[usize::MAX, 0, 3], &[])).unwrap().is_empty());
    }

    #[test]
    fn every_truncation_and_every_flipped_bit_is_survived() {
        let bytes = written(&Tensor::new(&[2, 2], vec![1i16, 2, 3, 4]).unwrap());
        (0..bytes.len()).for_each(|length| assert!(read(&bytes[..length]).is_err(), "{length}"));
        for bit in 0..8 * bytes.len() {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let _ = read(&flipped);
        }
    }

    #[test]
    fn one_long_string_does_not_fill_the_disk() {
        let mut texts = vec![String::new(); 1 << 16];
        texts[0] = "x".repeat(1 << 16);
        assert!(write_npy(&mut Vec::new(), &Tensor::vector(texts)).is_err());
    }
}
