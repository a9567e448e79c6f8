//! What tract does right, and how far.

mod attribute;
mod input;
mod linear;
mod normalize;

use std::ops::RangeInclusive;

use tract_onnx::pb::NodeProto;
use vairun_ops::{Attrs, BuildError, Grade, NodeSpec, OpEntry, OpError};
use vairun_tensor::DType;

pub(crate) use attribute::Accept;
pub(crate) use input::Input;

/// The newest opset version that the table has been compared with.
pub(crate) const LATEST: i64 = 28;

/// Every operator that tract is asked for.
pub(crate) static TABLE: &[&[TractOp]] = &[linear::OPS, normalize::OPS];

/// An operator of tract: for which uses it is right.
pub(crate) struct TractOp {
    /// Empty for ONNX's own.
    pub(crate) domain: &'static str,
    pub(crate) name: &'static str,
    pub(crate) opsets: RangeInclusive<i64>,
    pub(crate) summary: &'static str,
    /// In order. The last one stands for all further inputs where it is [`Input::repeated`].
    pub(crate) inputs: &'static [Input],
    /// Every attribute that tract reads, with the values that it does right.
    pub(crate) attributes: &'static [(&'static str, Accept)],
    /// The types of the outputs: `None` is that of the first input.
    pub(crate) outputs: &'static [Option<DType>],
    /// Conditions between attributes, inputs and outputs.
    pub(crate) check: fn(&NodeSpec, &Attrs) -> Result<(), BuildError>,
    /// Changes the node into a form that tract reads as ONNX means it.
    pub(crate) adapt: fn(&mut NodeProto),
    pub(crate) grade: Grade,
}

/// The fields that most operators share.
pub(crate) const BASE: TractOp = TractOp {
    domain: "",
    name: "",
    opsets: 1..=LATEST,
    summary: "",
    inputs: &[],
    attributes: &[],
    outputs: &[None],
    check: |_, _| Ok(()),
    adapt: |_| {},
    grade: Grade::Runs,
};

impl TractOp {
    /// What is known of input `index`.
    pub(crate) fn input(&self, index: usize) -> &'static Input {
        &self.inputs[index.min(self.inputs.len() - 1)]
    }

    /// The number of inputs, left-out ones before the last included.
    pub(crate) fn arity(&self) -> RangeInclusive<usize> {
        let required = self.inputs.iter().filter(|input| !input.optional).count();
        let most = if self.inputs.last().is_some_and(|input| input.repeated) {
            usize::MAX
        } else {
            self.inputs.len()
        };
        required..=most
    }

    /// Reads every attribute and checks it, the inputs' types, and that no required input is left out.
    pub(crate) fn check(&self, spec: &NodeSpec, attrs: &Attrs) -> Result<(), BuildError> {
        for (name, accept) in self.attributes {
            accept.check(attrs, name)?;
        }
        for i in 0..spec.inputs.len() {
            let input = self.input(i);
            if !spec.has_input(i) && !input.optional {
                return Err(BuildError::Malformed(format!("input `{}` is missing", input.name)));
            }
            if let Some(dtype) = spec.dtype(i) {
                self.expect_type(i, dtype)
                    .map_err(|error| BuildError::Unsupported(error.to_string()))?;
            }
        }
        if spec.outputs.len() > self.outputs.len() {
            let (got, most) = (spec.outputs.len(), self.outputs.len());
            return Err(BuildError::Unsupported(format!("{got} outputs, expected at most {most}")));
        }
        (self.check)(spec, attrs)
    }

    /// That input `index` may have this type.
    pub(crate) fn expect_type(&self, index: usize, got: DType) -> Result<(), OpError> {
        let input = self.input(index);
        if input.types.contains(&got) {
            return Ok(());
        }
        Err(OpError::DType { input: input.name.into(), got, expected: input.type_words() })
    }

    /// The types of the first `count` outputs, given that of the first input.
    pub(crate) fn output_types(&self, first: Option<DType>, count: usize) -> Vec<Option<DType>> {
        self.outputs.iter().take(count).map(|dtype| dtype.or(first)).collect()
    }

    /// Its line in `vairun ops`.
    pub(crate) fn entry(&self) -> OpEntry {
        let inputs: Vec<_> = self
            .inputs
            .iter()
            .map(|input| format!("{} {}", input.name, input.type_words()))
            .collect();
        OpEntry {
            domain: self.domain.into(),
            op_type: self.name.into(),
            opsets: self.opsets.clone(),
            types: inputs.join("; "),
            summary: self.summary.into(),
            grade: self.grade,
        }
    }
}
