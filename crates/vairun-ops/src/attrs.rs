use std::cell::RefCell;
use std::collections::BTreeSet;

use vairun_graph::{Attribute, Attributes};
use vairun_tensor::{DType, Tensor};

use crate::error::BuildError;

/// Reads the attributes of a node and remembers which were read: one that nobody read is an error, because computing
/// without it would be silently wrong.
pub struct Attrs<'a> {
    attributes: &'a Attributes,
    read: RefCell<BTreeSet<&'static str>>,
}

macro_rules! reader {
    ($($(#[$doc:meta])* $name:ident -> $type:ty, $variant:ident, $kind:literal, $value:ident => $convert:expr;)*) => {$(
        $(#[$doc])*
        ///
        /// # Errors
        /// [`BuildError::AttributeKind`] where it is of another kind.
        pub fn $name(&self, name: &'static str) -> Result<Option<$type>, BuildError> {
            match self.get(name) {
                None => Ok(None),
                Some(Attribute::$variant($value)) => Ok(Some($convert)),
                Some(other) => {
                    Err(BuildError::AttributeKind { name: name.into(), expected: $kind, got: other.kind() })
                }
            }
        }
    )*};
}

impl<'a> Attrs<'a> {
    /// A reader that has read nothing.
    pub fn new(attributes: &'a Attributes) -> Self {
        Self { attributes, read: RefCell::default() }
    }

    /// The attribute, marked as read.
    pub fn get(&self, name: &'static str) -> Option<&'a Attribute> {
        self.read.borrow_mut().insert(name);
        self.attributes.get(name)
    }

    reader! {
        /// An INT.
        int -> i64, Int, "INT", value => *value;
        /// An INTS.
        ints -> &'a [i64], Ints, "INTS", value => value;
        /// A FLOAT.
        float -> f32, Float, "FLOAT", value => *value;
        /// A FLOATS.
        floats -> &'a [f32], Floats, "FLOATS", value => value;
        /// A STRING; bytes that are no UTF-8 are replaced.
        string -> String, String, "STRING", value => String::from_utf8_lossy(value).into_owned();
        /// A STRINGS.
        strings -> Vec<String>, Strings, "STRINGS",
            value => value.iter().map(|text| String::from_utf8_lossy(text).into_owned()).collect();
        /// A TENSOR.
        tensor -> &'a Tensor, Tensor, "TENSOR", value => value;
    }

    /// An INT that is 0 or 1.
    ///
    /// # Errors
    /// [`BuildError::AttributeKind`], [`BuildError::Value`].
    pub fn flag(&self, name: &'static str) -> Result<Option<bool>, BuildError> {
        match self.int(name)? {
            None => Ok(None),
            Some(0) => Ok(Some(false)),
            Some(1) => Ok(Some(true)),
            Some(got) => Err(Self::value(name, got, "0 or 1")),
        }
    }

    /// An INT that names an element type by ONNX's `TensorProto.DataType`; 0 is as absent.
    ///
    /// # Errors
    /// [`BuildError::AttributeKind`], [`BuildError::Value`].
    pub fn dtype(&self, name: &'static str) -> Result<Option<DType>, BuildError> {
        match self.int(name)? {
            None | Some(0) => Ok(None),
            Some(code) => match vairun_graph::dtype_from_onnx(code) {
                Some(dtype) => Ok(Some(dtype)),
                None => Err(Self::value(name, code, "the number of an element type in ONNX")),
            },
        }
    }

    /// The error for a value that is not supported.
    pub fn value(name: &str, got: impl ToString, expected: &str) -> BuildError {
        BuildError::Value { name: name.into(), got: got.to_string(), expected: expected.into() }
    }

    /// That every attribute of the node was read.
    ///
    /// # Errors
    /// [`BuildError::UnknownAttribute`] with those that were not.
    pub fn finish(&self) -> Result<(), BuildError> {
        let read = self.read.borrow();
        let got: Vec<_> =
            self.attributes.keys().filter(|name| !read.contains(name.as_str())).cloned().collect();
        if got.is_empty() {
            return Ok(());
        }
        Err(BuildError::UnknownAttribute {
            got,
            known: read.iter().map(|name| (*name).to_owned()).collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attribute_that_nobody_reads_is_an_error() {
        let attributes = Attributes::from([
            ("axis".into(), Attribute::Int(1)),
            ("block".into(), Attribute::Int(2)),
        ]);
        let attrs = Attrs::new(&attributes);
        assert_eq!(attrs.int("axis").unwrap(), Some(1));
        let error = attrs.finish().unwrap_err().to_string();
        assert_eq!(error, r#"unknown attribute ["block"]; this operator has ["axis"]"#);
    }

    #[test]
    fn another_kind_is_named() {
        let attributes = Attributes::from([("axis".into(), Attribute::Float(1.0))]);
        let error = Attrs::new(&attributes).int("axis").unwrap_err().to_string();
        assert_eq!(error, "attribute `axis` is FLOAT, expected INT");
    }
}
