use std::fmt;

use vairun_tensor::DType;

/// The element type of a tensor: a kind and a number of bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ElementType {
    /// What the bits mean.
    pub kind: ElementKind,
    /// Bits of one element; 0 in files of the first compiler, whose `kind` is another numbering.
    pub bits: i32,
}

/// What the bits of an element mean, by the number in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // the names are those of the file format
pub enum ElementKind {
    Int,
    Uint,
    /// A fixed-point integer: it has a fix position.
    Xint,
    /// An unsigned fixed-point integer.
    Xuint,
    Float,
    Bfloat,
    Unknown,
    /// A number outside of the enumeration.
    Other(i32),
}

impl ElementType {
    /// From the two fields of a tensor.
    pub fn new(data_type: i32, bit_width: i32) -> Self {
        let kind = match data_type {
            0 => ElementKind::Int,
            1 => ElementKind::Uint,
            2 => ElementKind::Xint,
            3 => ElementKind::Xuint,
            4 => ElementKind::Float,
            5 => ElementKind::Bfloat,
            6 => ElementKind::Unknown,
            other => ElementKind::Other(other),
        };
        Self { kind, bits: bit_width }
    }

    /// From the name that `data` and `const` ops carry: `FLOAT32`, `float32`, `XINT8`.
    pub fn from_name(name: &str) -> Option<Self> {
        let at = name.find(|c: char| c.is_ascii_digit())?;
        let (kind, bits) = name.split_at(at);
        let kind = match kind.to_ascii_uppercase().as_str() {
            "INT" => ElementKind::Int,
            "UINT" => ElementKind::Uint,
            "XINT" => ElementKind::Xint,
            "XUINT" => ElementKind::Xuint,
            "FLOAT" => ElementKind::Float,
            "BFLOAT" => ElementKind::Bfloat,
            _ => return None,
        };
        Some(Self { kind, bits: bits.parse().ok().filter(|&bits| bits > 0)? })
    }

    /// Whether the numbering is that of the first compiler (xcompiler 1.1, 2020).
    pub fn is_legacy(self) -> bool {
        self.bits == 0
    }

    /// The type of a tensor with these elements; `None` where vairun has none.
    pub fn dtype(self) -> Option<DType> {
        use ElementKind::{Bfloat, Float, Int, Uint, Xint, Xuint};
        Some(match (self.kind, self.bits) {
            (Float, 16) => DType::F16,
            (Float, 32) => DType::F32,
            (Float, 64) => DType::F64,
            (Bfloat, 16) => DType::BF16,
            (Int | Xint, 4) => DType::I4,
            (Int | Xint, 8) => DType::I8,
            (Int | Xint, 16) => DType::I16,
            (Int | Xint, 32) => DType::I32,
            (Int | Xint, 64) => DType::I64,
            (Uint | Xuint, 4) => DType::U4,
            (Uint | Xuint, 8) => DType::U8,
            (Uint | Xuint, 16) => DType::U16,
            (Uint | Xuint, 32) => DType::U32,
            (Uint | Xuint, 64) => DType::U64,
            _ => return None,
        })
    }
}

impl fmt::Display for ElementType {
    /// `XINT8`, `FLOAT32`; `LEGACY 8` for the numbering of the first compiler.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            ElementKind::Int => "INT",
            ElementKind::Uint => "UINT",
            ElementKind::Xint => "XINT",
            ElementKind::Xuint => "XUINT",
            ElementKind::Float => "FLOAT",
            ElementKind::Bfloat => "BFLOAT",
            ElementKind::Unknown => "UNKNOWN",
            ElementKind::Other(number) => return f.pad(&format!("LEGACY {number}")),
        };
        if self.is_legacy() {
            return f.pad(&format!("LEGACY {}", kind_number(self.kind)));
        }
        f.pad(&format!("{kind}{}", self.bits))
    }
}

fn kind_number(kind: ElementKind) -> i32 {
    match kind {
        ElementKind::Int => 0,
        ElementKind::Uint => 1,
        ElementKind::Xint => 2,
        ElementKind::Xuint => 3,
        ElementKind::Float => 4,
        ElementKind::Bfloat => 5,
        ElementKind::Unknown => 6,
        ElementKind::Other(number) => number,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_in_any_case_and_printed_in_capitals() {
        for (name, printed) in [("float32", "FLOAT32"), ("XINT8", "XINT8"), ("int64", "INT64")] {
            assert_eq!(ElementType::from_name(name).unwrap().to_string(), printed);
        }
        for name in ["", "float", "32", "float-1", "complex64", "XINT0"] {
            assert_eq!(ElementType::from_name(name), None, "{name}");
        }
    }

    #[test]
    fn a_width_of_zero_is_the_first_compilers_numbering() {
        assert_eq!(ElementType::new(8, 0).to_string(), "LEGACY 8");
        assert_eq!(ElementType::new(0, 0).to_string(), "LEGACY 0");
        assert!(!ElementType::new(2, 8).is_legacy());
    }

    #[test]
    fn widths_without_a_type_have_none() {
        assert_eq!(ElementType::new(2, 8).dtype(), Some(DType::I8));
        assert_eq!(ElementType::new(2, 7).dtype(), None);
        assert_eq!(ElementType::new(6, 32).dtype(), None);
    }
}
