//! The attributes of an op, with the memory of which were read.

use std::cell::RefCell;
use std::collections::BTreeSet;

use crate::proto::{AttrValue, OpDef, OpNode};

/// Reads the attributes of an op.
pub(super) struct Reader<'a> {
    op: &'a OpNode,
    read: RefCell<BTreeSet<&'static str>>,
}

macro_rules! reader {
    ($($(#[$doc:meta])* $name:ident -> $type:ty, $as:ident, $expected:literal;)*) => {$(
        $(#[$doc])*
        pub(super) fn $name(&self, name: &'static str) -> Result<Option<$type>, String> {
            let Some(value) = self.get(name) else { return Ok(None) };
            match value.$as() {
                Some(read) => Ok(Some(read)),
                None => Err(format!("attribute `{name}` is {}, expected {}", value.kind(), $expected)),
            }
        }
    )*};
}

impl<'a> Reader<'a> {
    pub(super) fn new(op: &'a OpNode) -> Self {
        Self { op, read: RefCell::default() }
    }

    fn get(&self, name: &'static str) -> Option<&'a AttrValue> {
        self.read.borrow_mut().insert(name);
        self.op.op_attr.get(name)
    }

    reader! {
        /// An integer or a bool.
        int -> i64, as_int, "an integer";
        /// A list of integers.
        ints -> Vec<i64>, as_ints, "a list of integers";
        /// A number.
        float -> f64, as_float, "a number";
        /// A text.
        text -> &'a str, as_str, "a text";
    }

    /// A list of numbers; a list without elements may be of any type.
    pub(super) fn floats(&self, name: &'static str) -> Result<Option<Vec<f64>>, String> {
        let Some(value) = self.get(name) else { return Ok(None) };
        let empty = || value.as_ints().filter(Vec::is_empty).map(|_| Vec::new());
        let none = || value.as_bytes().filter(|bytes| bytes.is_empty()).map(|_| Vec::new());
        match value.as_floats().or_else(empty).or_else(none) {
            Some(read) => Ok(Some(read)),
            None => {
                Err(format!("attribute `{name}` is {}, expected a list of numbers", value.kind()))
            }
        }
    }

    /// An integer that must be there.
    pub(super) fn required_int(&self, name: &'static str) -> Result<i64, String> {
        self.int(name)?.ok_or_else(|| missing(name))
    }

    /// A list of integers that must be there.
    pub(super) fn required_ints(&self, name: &'static str) -> Result<Vec<i64>, String> {
        self.ints(name)?.ok_or_else(|| missing(name))
    }

    /// A text that must be there.
    pub(super) fn required_text(&self, name: &'static str) -> Result<&'a str, String> {
        self.text(name)?.ok_or_else(|| missing(name))
    }

    /// A bool; false where it is absent.
    pub(super) fn flag(&self, name: &'static str) -> Result<bool, String> {
        Ok(self.int(name)?.is_some_and(|value| value != 0))
    }

    /// Marks attributes as read that say what is known otherwise.
    pub(super) fn ignore(&self, names: &[&'static str]) {
        self.read.borrow_mut().extend(names);
    }

    /// That every attribute was read which the definition of the op type has. What a definition does not have cannot
    /// change what the op computes: tools put notes there.
    pub(super) fn finish(&self, definition: Option<&OpDef>) -> Result<(), String> {
        let Some(definition) = definition else { return Ok(()) };
        let read = self.read.borrow();
        let known = |name: &str| definition.attrs.iter().any(|attr| attr.name == name);
        let unread =
            |name: &&String| known(name) && !read.contains(name.as_str()) && !is_note(name);
        let got: Vec<_> = self.op.op_attr.keys().filter(unread).collect();
        if got.is_empty() { Ok(()) } else { Err(format!("attributes {got:?} are not supported")) }
    }
}

/// Attributes that every op type has and that tell tools where and how fast it runs, or repeat the quantization.
fn is_note(name: &str) -> bool {
    name.starts_with("quant_") || matches!(name, "device" | "workload" | "workload_on_arch")
}

fn missing(name: &str) -> String {
    format!("attribute `{name}` is missing")
}
