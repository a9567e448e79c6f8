use std::fmt;

/// The element type of a tensor, as ONNX names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
#[allow(missing_docs)] // the names are the documentation: ONNX `TensorProto.DataType`
pub enum DType {
    Bool,
    I2,
    I4,
    I8,
    I16,
    I32,
    I64,
    U2,
    U4,
    U8,
    U16,
    U32,
    U64,
    F16,
    BF16,
    F32,
    F64,
    F8E4M3FN,
    F8E4M3FNUZ,
    F8E5M2,
    F8E5M2FNUZ,
    F8E8M0,
    F4E2M1,
    String,
}

/// How the elements of a [`DType`] lie in memory: one Rust value for each element.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum Carrier {
    Bool,
    I8,
    I16,
    I32,
    I64,
    U8,
    U16,
    U32,
    U64,
    F16,
    BF16,
    F32,
    F64,
    String,
}

impl DType {
    /// Every type, in the order of declaration.
    pub const ALL: [Self; 24] = {
        use DType::*;
        [
            Bool, I2, I4, I8, I16, I32, I64, U2, U4, U8, U16, U32, U64, F16, BF16, F32, F64,
            F8E4M3FN, F8E4M3FNUZ, F8E5M2, F8E5M2FNUZ, F8E8M0, F4E2M1, String,
        ]
    };

    /// The type of one element in memory.
    pub const fn carrier(self) -> Carrier {
        match self {
            Self::Bool => Carrier::Bool,
            Self::I2 | Self::I4 | Self::I8 => Carrier::I8,
            Self::I16 => Carrier::I16,
            Self::I32 => Carrier::I32,
            Self::I64 => Carrier::I64,
            Self::U2
            | Self::U4
            | Self::U8
            | Self::F8E4M3FN
            | Self::F8E4M3FNUZ
            | Self::F8E5M2
            | Self::F8E5M2FNUZ
            | Self::F8E8M0
            | Self::F4E2M1 => Carrier::U8,
            Self::U16 => Carrier::U16,
            Self::U32 => Carrier::U32,
            Self::U64 => Carrier::U64,
            Self::F16 => Carrier::F16,
            Self::BF16 => Carrier::BF16,
            Self::F32 => Carrier::F32,
            Self::F64 => Carrier::F64,
            Self::String => Carrier::String,
        }
    }

    /// Bits of one element in a file; `None` for strings.
    pub const fn bits(self) -> Option<usize> {
        Some(match self {
            Self::I2 | Self::U2 => 2,
            Self::I4 | Self::U4 | Self::F4E2M1 => 4,
            Self::String => return None,
            other => match other.carrier().bytes() {
                Some(bytes) => 8 * bytes,
                None => return None,
            },
        })
    }

    /// Whether the values are integers (`Bool` is not).
    pub const fn is_integer(self) -> bool {
        self.integer_range().is_some()
    }

    /// Whether the values are floating-point numbers of any width.
    pub const fn is_float(self) -> bool {
        !self.is_integer() && !matches!(self, Self::Bool | Self::String)
    }

    /// The smallest and the largest value of an integer type; `None` for the others.
    pub const fn integer_range(self) -> Option<(i128, i128)> {
        Some(match self {
            Self::I2 => (-2, 1),
            Self::I4 => (-8, 7),
            Self::I8 => (i8::MIN as i128, i8::MAX as i128),
            Self::I16 => (i16::MIN as i128, i16::MAX as i128),
            Self::I32 => (i32::MIN as i128, i32::MAX as i128),
            Self::I64 => (i64::MIN as i128, i64::MAX as i128),
            Self::U2 => (0, 3),
            Self::U4 => (0, 15),
            Self::U8 => (0, u8::MAX as i128),
            Self::U16 => (0, u16::MAX as i128),
            Self::U32 => (0, u32::MAX as i128),
            Self::U64 => (0, u64::MAX as i128),
            _ => return None,
        })
    }

    /// The lower-case name ONNX uses: `float32`, `int4`, `float8e4m3fn`, …
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bool => "bool",
            Self::I2 => "int2",
            Self::I4 => "int4",
            Self::I8 => "int8",
            Self::I16 => "int16",
            Self::I32 => "int32",
            Self::I64 => "int64",
            Self::U2 => "uint2",
            Self::U4 => "uint4",
            Self::U8 => "uint8",
            Self::U16 => "uint16",
            Self::U32 => "uint32",
            Self::U64 => "uint64",
            Self::F16 => "float16",
            Self::BF16 => "bfloat16",
            Self::F32 => "float32",
            Self::F64 => "float64",
            Self::F8E4M3FN => "float8e4m3fn",
            Self::F8E4M3FNUZ => "float8e4m3fnuz",
            Self::F8E5M2 => "float8e5m2",
            Self::F8E5M2FNUZ => "float8e5m2fnuz",
            Self::F8E8M0 => "float8e8m0",
            Self::F4E2M1 => "float4e2m1",
            Self::String => "string",
        }
    }

    /// The type of that name; the inverse of [`DType::name`].
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|dtype| dtype.name() == name)
    }
}

impl Carrier {
    /// Bytes of one element; `None` for strings.
    pub const fn bytes(self) -> Option<usize> {
        Some(match self {
            Self::Bool | Self::I8 | Self::U8 => 1,
            Self::I16 | Self::U16 | Self::F16 | Self::BF16 => 2,
            Self::I32 | Self::U32 | Self::F32 => 4,
            Self::I64 | Self::U64 | Self::F64 => 8,
            Self::String => return None,
        })
    }
}

impl fmt::Display for DType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_read_back() {
        for dtype in DType::ALL {
            assert_eq!(DType::from_name(dtype.name()), Some(dtype));
        }
    }

    #[test]
    fn packed_types_count_their_bits_not_their_carrier() {
        assert_eq!(DType::U2.bits(), Some(2));
        assert_eq!(DType::F4E2M1.bits(), Some(4));
        assert_eq!(DType::BF16.bits(), Some(16));
        assert_eq!(DType::String.bits(), None);
    }
}
