use std::any::Any;
use std::fmt;
use std::sync::Arc;

use half::{bf16, f16};

use crate::dtype::Carrier;
use crate::mapped::MappedRange;

/// Elements in an allocation of somebody else, such as another library's tensor. They are used in place.
pub trait Buffer: Any + fmt::Debug + Send + Sync {
    /// The elements, little-endian, aligned for their type; always the same number.
    fn bytes(&self) -> &[u8];

    /// How many bytes these are.
    fn byte_len(&self) -> usize {
        self.bytes().len()
    }

    /// The elements to write to; `None` where others may read them.
    fn bytes_mut(&mut self) -> Option<&mut [u8]>;

    /// Whether [`Buffer::bytes_mut`] is `None`.
    fn is_shared(&self) -> bool;
}

/// The elements of a tensor: owned, memory-mapped, or somebody else's.
#[derive(Clone, Debug)]
pub enum Storage {
    Bool(Vec<bool>),
    I8(Vec<i8>),
    I16(Vec<i16>),
    I32(Vec<i32>),
    I64(Vec<i64>),
    U8(Vec<u8>),
    U16(Vec<u16>),
    U32(Vec<u32>),
    U64(Vec<u64>),
    F16(Vec<f16>),
    BF16(Vec<bf16>),
    F32(Vec<f32>),
    F64(Vec<f64>),
    String(Vec<String>),
    /// Little-endian elements in a file, aligned for the carrier.
    Mapped(MappedRange, Carrier),
    /// Little-endian elements that another owner holds, aligned for the carrier.
    Buffer(Arc<dyn Buffer>, Carrier),
}

macro_rules! each_owned {
    ($storage:expr, $data:ident => $body:expr) => {
        match $storage {
            Storage::Bool($data) => $body,
            Storage::I8($data) => $body,
            Storage::I16($data) => $body,
            Storage::I32($data) => $body,
            Storage::I64($data) => $body,
            Storage::U8($data) => $body,
            Storage::U16($data) => $body,
            Storage::U32($data) => $body,
            Storage::U64($data) => $body,
            Storage::F16($data) => $body,
            Storage::BF16($data) => $body,
            Storage::F32($data) => $body,
            Storage::F64($data) => $body,
            Storage::String($data) => $body,
            Storage::Mapped(..) | Storage::Buffer(..) => unreachable!("handled before"),
        }
    };
}

impl Storage {
    pub(crate) fn carrier(&self) -> Carrier {
        match self {
            Self::Bool(_) => Carrier::Bool,
            Self::I8(_) => Carrier::I8,
            Self::I16(_) => Carrier::I16,
            Self::I32(_) => Carrier::I32,
            Self::I64(_) => Carrier::I64,
            Self::U8(_) => Carrier::U8,
            Self::U16(_) => Carrier::U16,
            Self::U32(_) => Carrier::U32,
            Self::U64(_) => Carrier::U64,
            Self::F16(_) => Carrier::F16,
            Self::BF16(_) => Carrier::BF16,
            Self::F32(_) => Carrier::F32,
            Self::F64(_) => Carrier::F64,
            Self::String(_) => Carrier::String,
            Self::Mapped(_, carrier) | Self::Buffer(_, carrier) => *carrier,
        }
    }

    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Mapped(map, carrier) => map.bytes().len() / carrier.bytes().unwrap_or(1),
            Self::Buffer(buffer, carrier) => buffer.byte_len() / carrier.bytes().unwrap_or(1),
            owned => each_owned!(owned, data => data.len()),
        }
    }

    /// Whether the elements cannot be written to although nobody else holds this storage.
    pub(crate) fn is_read_only(&self) -> bool {
        match self {
            Self::Mapped(..) => true,
            Self::Buffer(buffer, _) => Arc::strong_count(buffer) > 1 || buffer.is_shared(),
            _ => false,
        }
    }

    /// Whether the elements stand in a `Vec`.
    pub(crate) fn is_owned(&self) -> bool {
        !matches!(self, Self::Mapped(..) | Self::Buffer(..))
    }

    /// The elements as little-endian bytes; `None` for strings and bools.
    pub(crate) fn as_bytes(&self) -> Option<&[u8]> {
        Some(match self {
            Self::Mapped(map, _) => map.bytes(),
            Self::Buffer(buffer, _) => buffer.bytes(),
            Self::I8(data) => bytemuck::cast_slice(data),
            Self::I16(data) => bytemuck::cast_slice(data),
            Self::I32(data) => bytemuck::cast_slice(data),
            Self::I64(data) => bytemuck::cast_slice(data),
            Self::U8(data) => data,
            Self::U16(data) => bytemuck::cast_slice(data),
            Self::U32(data) => bytemuck::cast_slice(data),
            Self::U64(data) => bytemuck::cast_slice(data),
            Self::F16(data) => bytemuck::cast_slice(data),
            Self::BF16(data) => bytemuck::cast_slice(data),
            Self::F32(data) => bytemuck::cast_slice(data),
            Self::F64(data) => bytemuck::cast_slice(data),
            Self::Bool(_) | Self::String(_) => return None,
        })
    }

    /// Reads `bytes` as little-endian elements; `None` where the length is no multiple, or for strings.
    pub(crate) fn from_le_bytes(carrier: Carrier, bytes: &[u8]) -> Option<Self> {
        fn read<const N: usize, T>(bytes: &[u8], from: fn([u8; N]) -> T) -> Option<Vec<T>> {
            let chunks = bytes.chunks_exact(N);
            chunks.remainder().is_empty().then(|| {
                bytes
                    .chunks_exact(N)
                    .map(|chunk| from(chunk.try_into().expect("chunks have N bytes")))
                    .collect()
            })
        }
        Some(match carrier {
            Carrier::Bool => Self::Bool(bytes.iter().map(|&byte| byte != 0).collect()),
            Carrier::I8 => Self::I8(bytes.iter().map(|&byte| byte as i8).collect()),
            Carrier::U8 => Self::U8(bytes.to_vec()),
            Carrier::I16 => Self::I16(read(bytes, i16::from_le_bytes)?),
            Carrier::I32 => Self::I32(read(bytes, i32::from_le_bytes)?),
            Carrier::I64 => Self::I64(read(bytes, i64::from_le_bytes)?),
            Carrier::U16 => Self::U16(read(bytes, u16::from_le_bytes)?),
            Carrier::U32 => Self::U32(read(bytes, u32::from_le_bytes)?),
            Carrier::U64 => Self::U64(read(bytes, u64::from_le_bytes)?),
            Carrier::F16 => Self::F16(read(bytes, f16::from_le_bytes)?),
            Carrier::BF16 => Self::BF16(read(bytes, bf16::from_le_bytes)?),
            Carrier::F32 => Self::F32(read(bytes, f32::from_le_bytes)?),
            Carrier::F64 => Self::F64(read(bytes, f64::from_le_bytes)?),
            Carrier::String => return None,
        })
    }
}
