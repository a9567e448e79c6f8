//! Files of one value: `TensorProto`, `SequenceProto`, `OptionalProto`, as in ONNX's test data sets.

use std::path::Path;

use prost::Message;
use prost::bytes::Bytes;
use vairun_graph::dtype_to_onnx;
use vairun_tensor::files::ArrayInfo;
use vairun_tensor::{Tensor, Value};

use crate::error::{Fault, OnnxError};
use crate::external::Folder;
use crate::packed::{pack, packed_bits};
use crate::proto::{OptionalProto, SequenceProto, TensorProto, element};
use crate::read::{decode, map};
use crate::tensor::{TensorReader, dtype, shape};

/// The name and the tensor in a file that holds a `TensorProto`. The name may be empty.
///
/// # Errors
/// Those of [`crate::read`].
pub fn read_tensor(path: &Path) -> Result<(String, Tensor), OnnxError> {
    let proto: TensorProto = decode("TensorProto", map(path)?)?;
    let tensor = reader(path).tensor(&proto).map_err(|fault| fault.at("tensor"))?;
    Ok((proto.name.unwrap_or_default(), tensor))
}

/// The name, type and shape of the tensor in a file; its elements are not read where they stand in `raw_data`.
///
/// # Errors
/// Those of [`crate::read`].
pub fn peek_tensor(path: &Path) -> Result<(String, ArrayInfo), OnnxError> {
    let proto: TensorProto = decode("TensorProto", map(path)?)?;
    let info = || Ok(ArrayInfo { dtype: dtype(proto.data_type)?, shape: shape(&proto.dims)?.0 });
    let info = info().map_err(|fault: Fault| fault.at("tensor"))?;
    Ok((proto.name.unwrap_or_default(), info))
}

/// The name and the value in a file; `declared` is what the model says of it
/// ([`ValueInfo::non_tensor`](vairun_graph::ValueInfo::non_tensor)), because the bytes do not tell their kind.
///
/// # Errors
/// Those of [`crate::read`].
pub fn read_value(path: &Path, declared: Option<&str>) -> Result<(String, Value), OnnxError> {
    match declared.and_then(|words| words.split_once('(')).map(|(kind, _)| kind) {
        Some("seq") => {
            let proto: SequenceProto = decode("SequenceProto", map(path)?)?;
            let value = reader(path).sequence(&proto).map_err(|fault| fault.at("sequence"))?;
            Ok((proto.name.unwrap_or_default(), value))
        }
        Some("optional") => {
            let proto: OptionalProto = decode("OptionalProto", map(path)?)?;
            let value = reader(path).optional(&proto).map_err(|fault| fault.at("optional"))?;
            Ok((proto.name.unwrap_or_default(), value))
        }
        None | Some("tensor") => {
            let (name, tensor) = read_tensor(path)?;
            Ok((name, tensor.into()))
        }
        Some(other) => Err(Fault::unsupported(format!("a value of kind `{other}`")).at("value")),
    }
}

/// The bytes of a file that holds the tensor as a `TensorProto`.
pub fn write_tensor(name: &str, tensor: &Tensor) -> Vec<u8> {
    tensor_proto(name, tensor).encode_to_vec()
}

/// The bytes of a file that holds the value; read it back by [`read_value`].
///
/// # Errors
/// [`OnnxError::Write`] for a sequence of different kinds.
pub fn write_value(name: &str, value: &Value) -> Result<Vec<u8>, OnnxError> {
    Ok(match value {
        Value::Tensor(tensor) => write_tensor(name, tensor),
        Value::Sequence(items) => sequence_proto(name, items)?.encode_to_vec(),
        Value::Optional(item) => optional_proto(name, item.as_deref())?.encode_to_vec(),
        other => return Err(OnnxError::Write(format!("a {} has no file form", other.kind()))),
    })
}

fn reader(path: &Path) -> TensorReader {
    TensorReader::new(Folder::new(path.parent()))
}

impl TensorReader {
    fn sequence(&mut self, proto: &SequenceProto) -> Result<Value, Fault> {
        let items: Result<Vec<Value>, Fault> = match proto.elem_type.unwrap_or_default() {
            element::TENSOR => {
                proto.tensor_values.iter().map(|t| self.tensor(t).map(Value::from)).collect()
            }
            element::SPARSE_TENSOR => {
                proto.sparse_tensor_values.iter().map(|t| self.sparse(t).map(Value::from)).collect()
            }
            element::SEQUENCE => proto.sequence_values.iter().map(|s| self.sequence(s)).collect(),
            element::OPTIONAL => proto.optional_values.iter().map(|o| self.optional(o)).collect(),
            element::MAP => Err(Fault::unsupported("a sequence of maps")),
            0 => Ok(Vec::new()),
            other => {
                Err(Fault::malformed(format!("elem_type {other}, which ONNX does not define")))
            }
        };
        items.map(Value::Sequence)
    }

    fn optional(&mut self, proto: &OptionalProto) -> Result<Value, Fault> {
        let absent = || Fault::malformed("elem_type without a value of that kind");
        let item = match proto.elem_type.unwrap_or_default() {
            0 => return Ok(Value::Optional(None)),
            element::TENSOR => {
                let Some(tensor) = &proto.tensor_value else { return Ok(Value::Optional(None)) };
                self.tensor(tensor)?.into()
            }
            element::SPARSE_TENSOR => {
                self.sparse(proto.sparse_tensor_value.as_ref().ok_or_else(absent)?)?.into()
            }
            element::SEQUENCE => {
                self.sequence(proto.sequence_value.as_ref().ok_or_else(absent)?)?
            }
            element::OPTIONAL => {
                self.optional(proto.optional_value.as_ref().ok_or_else(absent)?)?
            }
            element::MAP => return Err(Fault::unsupported("an optional map")),
            other => {
                return Err(Fault::malformed(format!(
                    "elem_type {other}, which ONNX does not define"
                )));
            }
        };
        Ok(Value::Optional(Some(Box::new(item))))
    }
}

/// The tensor as a message, its elements as raw bytes.
pub(crate) fn tensor_proto(name: &str, tensor: &Tensor) -> TensorProto {
    let size = |&dim: &usize| i64::try_from(dim).expect("a tensor in memory is smaller");
    let mut proto = TensorProto {
        dims: tensor.shape().iter().map(size).collect(),
        data_type: i32::try_from(dtype_to_onnx(tensor.dtype())).ok(),
        name: Some(name.to_owned()),
        ..TensorProto::default()
    };
    match raw_data(tensor) {
        Some(raw) => proto.raw_data = Some(raw),
        None => {
            let texts = tensor.as_slice::<String>().expect("only strings have no raw data");
            proto.string_data = texts.iter().map(|text| Bytes::from(text.clone())).collect();
        }
    }
    proto
}

fn raw_data(tensor: &Tensor) -> Option<Bytes> {
    if let Ok(bools) = tensor.as_slice::<bool>() {
        return Some(bools.iter().map(|&value| u8::from(value)).collect());
    }
    let bytes = tensor.as_bytes()?;
    Some(match packed_bits(tensor.dtype()) {
        Some(bits) => pack(bits, bytes.iter().copied()).into(),
        None => Bytes::copy_from_slice(bytes),
    })
}

fn sequence_proto(name: &str, items: &[Value]) -> Result<SequenceProto, OnnxError> {
    let mut proto = SequenceProto { name: Some(name.to_owned()), ..SequenceProto::default() };
    let mut kinds = Vec::new();
    for item in items {
        kinds.push(match item {
            Value::Tensor(tensor) => {
                proto.tensor_values.push(tensor_proto("", tensor));
                element::TENSOR
            }
            Value::Sequence(items) => {
                proto.sequence_values.push(sequence_proto("", items)?);
                element::SEQUENCE
            }
            Value::Optional(item) => {
                proto.optional_values.push(optional_proto("", item.as_deref())?);
                element::OPTIONAL
            }
            other => return Err(OnnxError::Write(format!("a {} has no file form", other.kind()))),
        });
    }
    if kinds.iter().any(|kind| *kind != kinds[0]) {
        return Err(OnnxError::Write(format!("sequence `{name}` has elements of different kinds")));
    }
    proto.elem_type = Some(kinds.first().map_or(element::TENSOR, |&kind| kind));
    Ok(proto)
}

fn optional_proto(name: &str, item: Option<&Value>) -> Result<OptionalProto, OnnxError> {
    let mut proto = OptionalProto { name: Some(name.to_owned()), ..OptionalProto::default() };
    proto.elem_type = Some(match item {
        None => 0,
        Some(Value::Tensor(tensor)) => {
            proto.tensor_value = Some(tensor_proto("", tensor));
            element::TENSOR
        }
        Some(Value::Sequence(items)) => {
            proto.sequence_value = Some(sequence_proto("", items)?);
            element::SEQUENCE
        }
        Some(Value::Optional(item)) => {
            proto.optional_value = Some(Box::new(optional_proto("", item.as_deref())?));
            element::OPTIONAL
        }
        Some(other) => {
            return Err(OnnxError::Write(format!("a {} has no file form", other.kind())));
        }
    });
    Ok(proto)
}
