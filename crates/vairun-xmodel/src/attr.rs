//! Reading attributes whose types differ between writers: an `int32` here is an `int64` or a list of one there.

use std::collections::BTreeMap;
use std::fmt;

use crate::proto::{Attr, AttrValue};

/// Elements of a list that are shown as text.
const SHOWN: usize = 8;

impl AttrValue {
    /// An integer or a bool of any width.
    pub fn as_int(&self) -> Option<i64> {
        match self.value.as_ref()? {
            Attr::Bool(value) => Some(i64::from(*value)),
            Attr::Int32(value) => Some(i64::from(*value)),
            Attr::Uint32(value) => Some(i64::from(*value)),
            Attr::Int64(value) => Some(*value),
            Attr::Uint64(value) => i64::try_from(*value).ok(),
            _ => None,
        }
    }

    /// A floating-point number of any width.
    pub fn as_float(&self) -> Option<f64> {
        match self.value.as_ref()? {
            Attr::Float(value) => Some(f64::from(*value)),
            Attr::Double(value) => Some(*value),
            _ => None,
        }
    }

    /// A text.
    pub fn as_str(&self) -> Option<&str> {
        match self.value.as_ref()? {
            Attr::String(value) => Some(value),
            _ => None,
        }
    }

    /// Bytes.
    pub fn as_bytes(&self) -> Option<&[u8]> {
        match self.value.as_ref()? {
            Attr::Bytes(bytes) => Some(&bytes.value),
            _ => None,
        }
    }

    /// A list of integers of any width.
    pub fn as_ints(&self) -> Option<Vec<i64>> {
        match self.value.as_ref()? {
            Attr::BoolVec(list) => Some(list.value.iter().map(|&v| i64::from(v)).collect()),
            Attr::Int32Vec(list) => Some(list.value.iter().map(|&v| i64::from(v)).collect()),
            Attr::Uint32Vec(list) => Some(list.value.iter().map(|&v| i64::from(v)).collect()),
            Attr::Int64Vec(list) => Some(list.value.clone()),
            Attr::Uint64Vec(list) => list.value.iter().map(|&v| i64::try_from(v).ok()).collect(),
            _ => None,
        }
    }

    /// A list of floating-point numbers of any width.
    pub fn as_floats(&self) -> Option<Vec<f64>> {
        match self.value.as_ref()? {
            Attr::FloatVec(list) => Some(list.value.iter().map(|&v| f64::from(v)).collect()),
            Attr::DoubleVec(list) => Some(list.value.clone()),
            _ => None,
        }
    }

    /// A list of texts.
    pub fn as_strings(&self) -> Option<&[String]> {
        match self.value.as_ref()? {
            Attr::StringVec(list) => Some(&list.value),
            _ => None,
        }
    }

    /// A map from names to texts.
    pub fn as_string_map(&self) -> Option<&BTreeMap<String, String>> {
        match self.value.as_ref()? {
            Attr::MapString2String(map) => Some(&map.value),
            _ => None,
        }
    }

    /// The bytes of that name in a map of bytes.
    pub fn bytes_of(&self, name: &str) -> Option<&[u8]> {
        match self.value.as_ref()? {
            Attr::MapString2Bytes(map) => map.value.get(name).map(|bytes| bytes.value.as_slice()),
            _ => None,
        }
    }

    /// All bytes in it, where it is bytes or a map of bytes.
    pub fn byte_count(&self) -> usize {
        match self.value.as_ref() {
            Some(Attr::Bytes(bytes)) => bytes.value.len(),
            Some(Attr::MapString2Bytes(map)) => map.value.values().map(|b| b.value.len()).sum(),
            _ => 0,
        }
    }

    /// The type as the file format names it.
    pub fn kind(&self) -> &'static str {
        match &self.value {
            None => "nothing",
            Some(attr) => attr.kind(),
        }
    }
}

impl Attr {
    /// The type as the file format names it: `int32`, `string`, `MapString2Bytes`, …
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Bool(_) => "bool",
            Self::Int32(_) => "int32",
            Self::Uint32(_) => "uint32",
            Self::Int64(_) => "int64",
            Self::Uint64(_) => "uint64",
            Self::Float(_) => "float",
            Self::Double(_) => "double",
            Self::String(_) => "string",
            Self::Bytes(_) => "bytes",
            Self::BoolVec(_) => "BoolVec",
            Self::Int32Vec(_) => "Int32Vec",
            Self::Uint32Vec(_) => "Uint32Vec",
            Self::Int64Vec(_) => "Int64Vec",
            Self::Uint64Vec(_) => "Uint64Vec",
            Self::FloatVec(_) => "FloatVec",
            Self::DoubleVec(_) => "DoubleVec",
            Self::StringVec(_) => "StringVec",
            Self::BytesVec(_) => "BytesVec",
            Self::MapString2Int32(_) => "MapString2Int32",
            Self::MapString2Uint32(_) => "MapString2Uint32",
            Self::MapString2Int64(_) => "MapString2Int64",
            Self::MapString2Uint64(_) => "MapString2Uint64",
            Self::MapString2String(_) => "MapString2String",
            Self::MapString2Bytes(_) => "MapString2Bytes",
            Self::MapString2Int32Vec(_) => "MapString2Int32Vec",
            Self::MapString2Uint32Vec(_) => "MapString2Uint32Vec",
            Self::MapString2Int64Vec(_) => "MapString2Int64Vec",
            Self::MapString2Uint64Vec(_) => "MapString2Uint64Vec",
            Self::MapString2StringVec(_) => "MapString2StringVec",
        }
    }
}

impl fmt::Display for AttrValue {
    /// `[1, 1, 2, 2]`, `DPU_ROUND`, `<3364 bytes>`; long lists are cut.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.value {
            None => f.write_str("nothing"),
            Some(attr) => attr.fmt(f),
        }
    }
}

impl fmt::Display for Attr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool(value) => write!(f, "{value}"),
            Self::Int32(value) => write!(f, "{value}"),
            Self::Uint32(value) => write!(f, "{value}"),
            Self::Int64(value) => write!(f, "{value}"),
            Self::Uint64(value) => write!(f, "{value}"),
            Self::Float(value) => write!(f, "{value}"),
            Self::Double(value) => write!(f, "{value}"),
            Self::String(value) => f.write_str(value),
            Self::Bytes(bytes) => write!(f, "<{} bytes>", bytes.value.len()),
            Self::BoolVec(list) => show_list(f, &list.value),
            Self::Int32Vec(list) => show_list(f, &list.value),
            Self::Uint32Vec(list) => show_list(f, &list.value),
            Self::Int64Vec(list) => show_list(f, &list.value),
            Self::Uint64Vec(list) => show_list(f, &list.value),
            Self::FloatVec(list) => show_list(f, &list.value),
            Self::DoubleVec(list) => show_list(f, &list.value),
            Self::StringVec(list) => show_list(f, &list.value),
            Self::BytesVec(list) => write!(f, "<{} byte strings>", list.value.len()),
            Self::MapString2Int32(map) => show_map(f, &map.value),
            Self::MapString2Uint32(map) => show_map(f, &map.value),
            Self::MapString2Int64(map) => show_map(f, &map.value),
            Self::MapString2Uint64(map) => show_map(f, &map.value),
            Self::MapString2String(map) => show_map(f, &map.value),
            Self::MapString2Bytes(map) => {
                let size = |(name, bytes): (&String, &crate::proto::Bytes)| {
                    (name.clone(), format!("<{} bytes>", bytes.value.len()))
                };
                show_map(f, &map.value.iter().map(size).collect())
            }
            Self::MapString2Int32Vec(map) => write!(f, "<{} lists>", map.value.len()),
            Self::MapString2Uint32Vec(map) => write!(f, "<{} lists>", map.value.len()),
            Self::MapString2Int64Vec(map) => write!(f, "<{} lists>", map.value.len()),
            Self::MapString2Uint64Vec(map) => write!(f, "<{} lists>", map.value.len()),
            Self::MapString2StringVec(map) => write!(f, "<{} lists>", map.value.len()),
        }
    }
}

fn show_list<T: fmt::Display>(f: &mut fmt::Formatter<'_>, list: &[T]) -> fmt::Result {
    let shown: Vec<_> = list.iter().take(SHOWN).map(T::to_string).collect();
    let more = if list.len() > SHOWN {
        format!(", … {} more", list.len() - SHOWN)
    } else {
        String::new()
    };
    write!(f, "[{}{more}]", shown.join(", "))
}

fn show_map<T: fmt::Display>(f: &mut fmt::Formatter<'_>, map: &BTreeMap<String, T>) -> fmt::Result {
    let entries: Vec<_> = map.iter().map(|(name, value)| format!("{name}: {value}")).collect();
    write!(f, "{{")?;
    let shown = entries.iter().take(SHOWN).cloned().collect::<Vec<_>>().join(", ");
    let more = if entries.len() > SHOWN {
        format!(", … {} more", entries.len() - SHOWN)
    } else {
        String::new()
    };
    write!(f, "{shown}{more}}}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::{Bytes, Int32Vec};

    fn value(attr: Attr) -> AttrValue {
        AttrValue { value: Some(attr) }
    }

    #[test]
    fn integers_of_any_width_are_one() {
        for attr in [Attr::Int32(3), Attr::Uint32(3), Attr::Int64(3), Attr::Uint64(3)] {
            assert_eq!(value(attr).as_int(), Some(3));
        }
        assert_eq!(value(Attr::Uint64(u64::MAX)).as_int(), None);
        assert_eq!(value(Attr::String("3".into())).as_int(), None);
    }

    #[test]
    fn long_lists_and_bytes_are_not_printed_whole() {
        let list = value(Attr::Int32Vec(Int32Vec { value: (0..10).collect() }));
        assert_eq!(list.to_string(), "[0, 1, 2, 3, 4, 5, 6, 7, … 2 more]");
        assert_eq!(value(Attr::Bytes(Bytes { value: vec![0; 9] })).to_string(), "<9 bytes>");
    }
}
