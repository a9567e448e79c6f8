//! `TensorProto` to [`Tensor`]: typed fields, raw bytes, external files, packed narrow types.

use half::{bf16, f16};
use vairun_graph::dtype_from_onnx;
use vairun_tensor::{Carrier, DType, Element, MappedFile, Tensor};

use crate::error::Fault;
use crate::external::{Folder, Part};
use crate::packed::{byte_count, packed_bits, sign_extend, unpack};
use crate::proto::{EXTERNAL, TensorProto};

/// Reads the tensors of one file.
pub(crate) struct TensorReader {
    folder: Folder,
    /// Bytes that sparse tensors may still take when they are made dense.
    pub(crate) dense_budget: usize,
}

/// Bytes from which on a tensor stays in the file: a few pages.
const STAYS: usize = 1 << 16;

/// What all forms of a tensor's elements have to fill.
struct Header {
    dtype: DType,
    shape: Vec<usize>,
    count: usize,
}

impl TensorReader {
    pub(crate) fn new(folder: Folder) -> Self {
        Self { folder, dense_budget: 1 << 30 }
    }

    pub(crate) fn tensor(&mut self, proto: &TensorProto) -> Result<Tensor, Fault> {
        let header = Header::of(proto)?;
        if proto.segment.is_some() {
            return Err(Fault::unsupported("a tensor stored in segments"));
        }
        if proto.data_location == Some(EXTERNAL) {
            let Part { file, offset, length } = self.folder.part(&proto.external_data)?;
            return header.mapped(&file, offset, length, "external data");
        }
        // onnx.proto: "Data is stored in raw_data (if set) otherwise in type-specified field".
        match &proto.raw_data {
            Some(raw) if header.count == 0 || !raw.is_empty() => {
                match self.folder.place_of(raw).filter(|_| raw.len() >= STAYS) {
                    Some((file, offset)) => header.mapped(file, offset, raw.len(), "raw_data"),
                    None => header.raw(raw),
                }
            }
            _ => header.typed(proto),
        }
    }
}

/// The element type with that number.
pub(crate) fn dtype(number: Option<i32>) -> Result<DType, Fault> {
    match number {
        None | Some(0) => Err(Fault::malformed("no data_type")),
        Some(number) => dtype_from_onnx(number.into()).ok_or_else(|| match number {
            14 => Fault::unsupported("data_type 14 (complex64)"),
            15 => Fault::unsupported("data_type 15 (complex128)"),
            27 => Fault::unsupported("data_type 27 (float6e2m3)"),
            28 => Fault::unsupported("data_type 28 (float6e3m2)"),
            _ => Fault::malformed(format!("data_type {number}, which ONNX does not define")),
        }),
    }
}

/// Dimensions as sizes, and their product.
pub(crate) fn shape(dims: &[i64]) -> Result<(Vec<usize>, usize), Fault> {
    let size = |&dim: &i64| usize::try_from(dim).ok();
    let shape: Vec<usize> = dims
        .iter()
        .map(size)
        .collect::<Option<_>>()
        .ok_or_else(|| Fault::malformed(format!("dims {dims:?} are not all sizes")))?;
    if shape.contains(&0) {
        return Ok((shape, 0));
    }
    let count = shape.iter().try_fold(1usize, |n, &dim| n.checked_mul(dim));
    count.map(|count| (shape, count)).ok_or_else(|| {
        Fault::malformed(format!("dims {dims:?} multiply to more than memory can hold"))
    })
}

impl Header {
    fn of(proto: &TensorProto) -> Result<Self, Fault> {
        let (shape, count) = shape(&proto.dims)?;
        Ok(Self { dtype: dtype(proto.data_type)?, shape, count })
    }

    /// Bytes of the elements in a file; an error where the type has no fixed width.
    fn bytes(&self) -> Result<usize, Fault> {
        let bits = self
            .dtype
            .bits()
            .ok_or_else(|| Fault::malformed(format!("{} elements as raw bytes", self.dtype)))?;
        byte_count(bits, self.count).ok_or_else(|| {
            Fault::malformed(format!("shape {:?} is more than memory can hold", self.shape))
        })
    }

    fn expect(&self, field: &str, got: usize, expected: usize, unit: &str) -> Result<(), Fault> {
        if got == expected {
            return Ok(());
        }
        let Self { dtype, shape, .. } = self;
        Err(Fault::malformed(format!(
            "{field} has {got} {unit}, expected {expected} for {dtype} {shape:?}"
        )))
    }

    fn mapped(
        &self,
        file: &MappedFile,
        offset: usize,
        length: usize,
        field: &str,
    ) -> Result<Tensor, Fault> {
        self.expect(field, length, self.bytes()?, "bytes")?;
        if packed_bits(self.dtype).is_some() {
            return self.raw(&file.bytes()[offset..offset + length]);
        }
        Tensor::from_mapped(self.dtype, &self.shape, file, offset, length)
            .map_err(|error| Fault::malformed(error.to_string()))
    }

    fn raw(&self, bytes: &[u8]) -> Result<Tensor, Fault> {
        self.expect("raw_data", bytes.len(), self.bytes()?, "bytes")?;
        match packed_bits(self.dtype) {
            Some(bits) => self.codes(bits, unpack(bits, self.count, bytes)),
            None => Tensor::from_le_bytes(self.dtype, &self.shape, bytes)
                .map_err(|error| Fault::malformed(error.to_string())),
        }
    }

    fn codes(&self, bits: usize, codes: Vec<u8>) -> Result<Tensor, Fault> {
        match self.dtype.carrier() {
            Carrier::I8 => {
                let signed = codes.into_iter().map(|code| sign_extend(bits, code)).collect();
                self.tensor::<i8>(signed)
            }
            _ => self.tensor(codes),
        }
    }

    fn tensor<T: Element>(&self, data: Vec<T>) -> Result<Tensor, Fault> {
        Tensor::with_dtype(self.dtype, &self.shape, data)
            .map_err(|error| Fault::malformed(error.to_string()))
    }

    fn typed(&self, proto: &TensorProto) -> Result<Tensor, Fault> {
        if let Some(bits) = packed_bits(self.dtype) {
            return self.packed_in_ints(bits, &proto.int32_data);
        }
        let ints = &proto.int32_data;
        match self.dtype.carrier() {
            Carrier::F32 => self.copied("float_data", &proto.float_data),
            Carrier::F64 => self.copied("double_data", &proto.double_data),
            Carrier::I64 => self.copied("int64_data", &proto.int64_data),
            Carrier::U64 => self.copied("uint64_data", &proto.uint64_data),
            Carrier::I32 => self.copied("int32_data", ints),
            Carrier::U32 => {
                self.converted("uint64_data", &proto.uint64_data, |n| u32::try_from(n).ok())
            }
            Carrier::I16 => self.converted("int32_data", ints, |n| i16::try_from(n).ok()),
            Carrier::I8 => self.converted("int32_data", ints, |n| i8::try_from(n).ok()),
            Carrier::U16 => self.converted("int32_data", ints, |n| u16::try_from(n).ok()),
            Carrier::U8 => self.converted("int32_data", ints, |n| u8::try_from(n).ok()),
            Carrier::Bool => self.converted("int32_data", ints, |n| Some(n != 0)),
            Carrier::F16 => self.converted("int32_data", ints, |n| bits16(n).map(f16::from_bits)),
            Carrier::BF16 => self.converted("int32_data", ints, |n| bits16(n).map(bf16::from_bits)),
            Carrier::String => self.strings(proto),
        }
    }

    fn copied<T: Element>(&self, field: &str, data: &[T]) -> Result<Tensor, Fault> {
        self.expect(field, data.len(), self.count, "elements")?;
        self.tensor(data.to_vec())
    }

    fn converted<S: Copy + std::fmt::Display, T: Element>(
        &self,
        field: &str,
        data: &[S],
        convert: impl Fn(S) -> Option<T>,
    ) -> Result<Tensor, Fault> {
        self.expect(field, data.len(), self.count, "elements")?;
        let convert = |&value: &S| {
            convert(value).ok_or_else(|| {
                Fault::malformed(format!("{field} holds {value}, which is no {}", self.dtype))
            })
        };
        self.tensor(data.iter().map(convert).collect::<Result<_, _>>()?)
    }

    fn packed_in_ints(&self, bits: usize, ints: &[i32]) -> Result<Tensor, Fault> {
        self.expect("int32_data", ints.len(), self.bytes()?, "elements")?;
        let byte = |&n: &i32| {
            u8::try_from(n).map_err(|_| {
                Fault::malformed(format!(
                    "int32_data holds {n}, expected a byte of packed {}",
                    self.dtype
                ))
            })
        };
        let bytes = ints.iter().map(byte).collect::<Result<Vec<u8>, _>>()?;
        self.codes(bits, unpack(bits, self.count, &bytes))
    }

    fn strings(&self, proto: &TensorProto) -> Result<Tensor, Fault> {
        self.expect("string_data", proto.string_data.len(), self.count, "elements")?;
        let text = |bytes: &prost::bytes::Bytes| {
            String::from_utf8(bytes.to_vec())
                .map_err(|_| Fault::unsupported("a string that is no UTF-8"))
        };
        self.tensor(proto.string_data.iter().map(text).collect::<Result<Vec<_>, _>>()?)
    }
}

/// The bit pattern of a 16-bit float; some writers sign-extend it.
fn bits16(n: i32) -> Option<u16> {
    u16::try_from(n).ok().or_else(|| i16::try_from(n).ok().map(|n| n as u16))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(proto: &TensorProto) -> Result<Tensor, String> {
        let fault = |fault| match fault {
            Fault::Malformed(what) => format!("malformed: {what}"),
            Fault::Unsupported(what) => format!("unsupported: {what}"),
        };
        TensorReader::new(Folder::new(None)).tensor(proto).map_err(fault)
    }

    fn proto(data_type: i32, dims: &[i64]) -> TensorProto {
        TensorProto { data_type: Some(data_type), dims: dims.to_vec(), ..TensorProto::default() }
    }

    #[test]
    fn narrow_types_are_unpacked_from_raw_bytes_and_from_ints() {
        let raw = TensorProto { raw_data: Some(vec![0x8f, 0x07].into()), ..proto(22, &[3]) };
        assert_eq!(read(&raw).unwrap().as_slice::<i8>().unwrap(), [-1, -8, 7]);
        let ints = TensorProto { int32_data: vec![0x8f, 0x07], ..proto(21, &[3]) };
        assert_eq!(read(&ints).unwrap().as_slice::<u8>().unwrap(), [15, 8, 7]);
        let two_bits = TensorProto { raw_data: Some(vec![0b11100100].into()), ..proto(26, &[4]) };
        assert_eq!(read(&two_bits).unwrap().as_slice::<i8>().unwrap(), [0, 1, -2, -1]);
    }

    #[test]
    fn half_floats_are_bit_patterns() {
        let half = TensorProto { int32_data: vec![0x3c00, -0x8000], ..proto(10, &[2]) };
        let tensor = read(&half).unwrap();
        let bits: Vec<_> = tensor.as_slice::<f16>().unwrap().iter().map(|x| x.to_bits()).collect();
        assert_eq!(bits, [0x3c00, 0x8000]);
    }

    #[test]
    fn the_elements_must_fill_the_shape() {
        let short = TensorProto { float_data: vec![1.0; 3], ..proto(1, &[2, 2]) };
        assert_eq!(
            read(&short).unwrap_err(),
            "malformed: float_data has 3 elements, expected 4 for float32 [2, 2]"
        );
        let huge = TensorProto { raw_data: Some(vec![0; 4].into()), ..proto(1, &[i64::MAX, 4]) };
        assert!(read(&huge).unwrap_err().contains("more than memory can hold"));
        assert!(read(&proto(1, &[-1])).unwrap_err().contains("not all sizes"));
    }

    #[test]
    fn a_value_outside_of_its_type_is_an_error() {
        let wide = TensorProto { int32_data: vec![300], ..proto(3, &[1]) };
        assert_eq!(read(&wide).unwrap_err(), "malformed: int32_data holds 300, which is no int8");
    }

    #[test]
    fn types_that_no_tensor_has_are_unsupported() {
        assert_eq!(read(&proto(14, &[])).unwrap_err(), "unsupported: data_type 14 (complex64)");
        assert!(read(&proto(99, &[])).unwrap_err().starts_with("malformed"));
        assert_eq!(read(&proto(0, &[])).unwrap_err(), "malformed: no data_type");
    }

    #[test]
    fn an_empty_tensor_needs_no_data() {
        assert!(read(&proto(1, &[0, 7])).unwrap().is_empty());
    }
}
