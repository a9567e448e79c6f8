//! Sets of element types, for the check before the run.

use vairun_tensor::{DType, Tensor};

use crate::error::OpError;

/// A set of element types and its name in errors.
pub(crate) struct Types {
    words: &'static str,
    has: fn(DType) -> bool,
}

/// Every type.
pub(crate) const ANY: Types = Types { words: "any type", has: |_| true };
/// Integers of 8 to 64 bits and float16 to float64.
pub(crate) const NUMBERS: Types = Types {
    words: "an integer of 8 to 64 bits, float16, bfloat16, float32 or float64",
    has: |dtype| (FLOATS.has)(dtype) || (INTEGERS.has)(dtype),
};
/// float16, bfloat16, float32, float64.
pub(crate) const FLOATS: Types = Types {
    words: "float16, bfloat16, float32 or float64",
    has: |dtype| matches!(dtype, DType::F16 | DType::BF16 | DType::F32 | DType::F64),
};
/// Integers of 8 to 64 bits.
pub(crate) const INTEGERS: Types = Types {
    words: "an integer of 8 to 64 bits",
    has: |dtype| {
        dtype.is_integer() && !matches!(dtype, DType::I2 | DType::I4 | DType::U2 | DType::U4)
    },
};
/// int32 and int64.
pub(crate) const INDICES: Types =
    Types { words: "int32 or int64", has: |dtype| matches!(dtype, DType::I32 | DType::I64) };
/// bool.
pub(crate) const BOOL: Types = Types { words: "bool", has: |dtype| dtype == DType::Bool };

impl Types {
    /// A set that its words describe.
    pub(crate) const fn new(words: &'static str, has: fn(DType) -> bool) -> Self {
        Self { words, has }
    }

    /// Whether the set has a type.
    pub(crate) fn contains(&self, dtype: DType) -> bool {
        (self.has)(dtype)
    }

    /// The error for a type outside of the set.
    pub(crate) fn error(&self, got: DType, input: &str) -> OpError {
        OpError::DType { input: input.into(), got, expected: self.words.into() }
    }

    /// The type of input `index`, where known; it must be in the set.
    ///
    /// # Errors
    /// [`OpError::DType`].
    pub(crate) fn check(
        &self,
        inputs: &[Option<DType>],
        index: usize,
        name: &str,
    ) -> Result<Option<DType>, OpError> {
        match inputs.get(index).copied().flatten() {
            Some(got) if !self.contains(got) => Err(self.error(got, name)),
            known => Ok(known),
        }
    }

    /// That the type of a tensor is in the set.
    ///
    /// # Errors
    /// [`OpError::DType`].
    pub(crate) fn check_tensor(&self, tensor: &Tensor, name: &str) -> Result<(), OpError> {
        self.check(&[Some(tensor.dtype())], 0, name).map(|_| ())
    }

    /// The common type of all inputs from `first` on; those that are known must be equal and in the set.
    ///
    /// # Errors
    /// [`OpError::DType`].
    pub(crate) fn check_same(
        &self,
        inputs: &[Option<DType>],
        first: usize,
    ) -> Result<Option<DType>, OpError> {
        let mut common = None;
        for (index, got) in inputs.iter().enumerate().skip(first) {
            let name = format!("input {index}");
            self.check(inputs, index, &name)?;
            match (common, *got) {
                (Some(expected), Some(got)) if expected != got => {
                    return Err(other_type(&name, got, expected));
                }
                (None, known) => common = known,
                _ => {}
            }
        }
        Ok(common)
    }
}

/// The error for an input whose type is not that of another.
pub(crate) fn other_type(input: &str, got: DType, expected: DType) -> OpError {
    OpError::DType { input: input.into(), got, expected: format!("{expected} as the others") }
}

/// That two tensors have one type.
///
/// # Errors
/// [`OpError::DType`] that names the second.
pub(crate) fn same_type(a: &Tensor, b: &Tensor, name: &str) -> Result<(), OpError> {
    if a.dtype() == b.dtype() { Ok(()) } else { Err(other_type(name, b.dtype(), a.dtype())) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_types_pass_and_wrong_ones_are_named() {
        assert_eq!(FLOATS.check(&[None], 0, "x").unwrap(), None);
        let error = FLOATS.check(&[Some(DType::I8)], 0, "x").unwrap_err().to_string();
        assert_eq!(error, "x is int8, expected float16, bfloat16, float32 or float64");
    }

    #[test]
    fn inputs_of_two_types_are_refused() {
        let mixed = [Some(DType::F32), None, Some(DType::F64)];
        assert!(NUMBERS.check_same(&mixed, 0).is_err());
        assert_eq!(NUMBERS.check_same(&mixed[..2], 0).unwrap(), Some(DType::F32));
    }

    #[test]
    fn packed_integers_are_no_numbers_to_calculate_with() {
        assert!(!NUMBERS.contains(DType::I4));
        assert!(ANY.contains(DType::I4));
    }
}
