use std::ops::Index;

use vairun_tensor::{Tensor, Value};

/// The outputs of a run, in the order of the model, by name.
#[derive(Clone, Debug)]
pub struct Outputs(Vec<(String, Value)>);

impl Outputs {
    pub(crate) fn new(values: Vec<(String, Value)>) -> Self {
        Self(values)
    }

    /// The output of that name.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.iter().find(|(known, _)| *known == name).map(|(_, value)| value)
    }

    /// Names and values in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether the model has no outputs.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Names and values themselves.
    pub fn into_values(self) -> Vec<(String, Value)> {
        self.0
    }
}

impl Index<&str> for Outputs {
    type Output = Tensor;

    /// The tensor of that name.
    ///
    /// # Panics
    /// Where the model has no such output, or it is a sequence or an optional: use [`Outputs::get`] for these.
    fn index(&self, name: &str) -> &Tensor {
        let names: Vec<_> = self.0.iter().map(|(name, _)| name).collect();
        let value =
            self.get(name).unwrap_or_else(|| panic!("no output `{name}`; the model has {names:?}"));
        value.as_tensor().unwrap_or_else(|error| panic!("output `{name}`: {error}"))
    }
}

impl Index<usize> for Outputs {
    type Output = Tensor;

    /// The tensor in that place.
    ///
    /// # Panics
    /// Where there are not so many outputs, or it is a sequence or an optional.
    fn index(&self, place: usize) -> &Tensor {
        let (name, value) = &self.0[place];
        value.as_tensor().unwrap_or_else(|error| panic!("output `{name}`: {error}"))
    }
}
