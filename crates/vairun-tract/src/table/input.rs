use vairun_tensor::DType;

/// float16, bfloat16, float32, float64.
pub(crate) const FLOATS: &[DType] = &[DType::F16, DType::BF16, DType::F32, DType::F64];
/// float16, bfloat16, float32.
pub(crate) const UP_TO_F32: &[DType] = &[DType::F16, DType::BF16, DType::F32];

/// One input of an operator.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Input {
    /// As in the specification.
    pub(crate) name: &'static str,
    pub(crate) types: &'static [DType],
    /// May be left out.
    pub(crate) optional: bool,
    /// Stands for any number of inputs.
    pub(crate) repeated: bool,
}

impl Input {
    /// A tensor that is given in each run.
    pub(crate) const fn data(name: &'static str, types: &'static [DType]) -> Self {
        Self { name, types, optional: false, repeated: false }
    }

    pub(crate) const fn optional(self) -> Self {
        Self { optional: true, ..self }
    }

    /// `float16, bfloat16, float32, float64`.
    pub(crate) fn type_words(&self) -> String {
        self.types.iter().map(|dtype| dtype.name()).collect::<Vec<_>>().join(", ")
    }
}
