//! A node without a graph around it, for the tests of the operators.

use vairun_graph::{Attribute, Attributes, OpId};
use vairun_tensor::Tensor;

use crate::list::OwnOps;
use crate::operator::{Inputs, NoBodies, Operator};
use crate::provider::Provider;
use crate::spec::{InputSpec, NodeSpec};

/// A node whose inputs are all constant, unless told otherwise.
pub(crate) struct Node {
    op: OpId,
    attributes: Attributes,
    pub(crate) inputs: Vec<Tensor>,
    constant: bool,
    permissive: bool,
}

impl Node {
    /// Of the newest opset.
    pub(crate) fn new(domain: &str, op_type: &str) -> Self {
        Self::at(domain, op_type, 25)
    }

    pub(crate) fn at(domain: &str, op_type: &str, opset: i64) -> Self {
        Self {
            op: OpId::new(domain, op_type, opset),
            attributes: Attributes::new(),
            inputs: Vec::new(),
            constant: true,
            permissive: false,
        }
    }

    pub(crate) fn inputs(self, inputs: impl IntoIterator<Item = Tensor>) -> Self {
        Self { inputs: inputs.into_iter().collect(), ..self }
    }

    pub(crate) fn attribute(mut self, name: &str, value: Attribute) -> Self {
        self.attributes.insert(name.into(), value);
        self
    }

    pub(crate) fn int(self, name: &str, value: i64) -> Self {
        self.attribute(name, Attribute::Int(value))
    }

    pub(crate) fn string(self, name: &str, value: &str) -> Self {
        self.attribute(name, Attribute::String(value.into()))
    }

    pub(crate) fn permissive(self) -> Self {
        Self { permissive: true, ..self }
    }

    pub(crate) fn without_constants(self) -> Self {
        Self { constant: false, ..self }
    }

    fn built_by(&self, provider: &dyn Provider) -> Option<Result<Box<dyn Operator>, String>> {
        let input = |tensor| {
            let constant = self.constant.then_some(tensor);
            Some(InputSpec { name: "input", dtype: None, constant, fixed: self.constant })
        };
        let spec = NodeSpec {
            name: "node",
            op: &self.op,
            attributes: &self.attributes,
            inputs: self.inputs.iter().map(input).collect(),
            outputs: vec![Some("y")],
            permissive: self.permissive,
            isa: vairun_numeric::kernel::Isa::best(),
        };
        Some(provider.build(&spec)?.map_err(|error| error.to_string()))
    }

    fn try_build(&self) -> Result<Box<dyn Operator>, String> {
        self.built_by(&OwnOps).expect("the operator is listed")
    }

    /// Whether another provider leaves the node alone.
    pub(crate) fn declined_by(&self, provider: &dyn Provider) -> bool {
        self.built_by(provider).is_none()
    }

    /// The first output of the operator that another provider makes.
    pub(crate) fn run_by(&self, provider: &dyn Provider) -> Tensor {
        let operator = self.built_by(provider).expect("the provider has it").unwrap();
        let outputs = operator.run(Inputs::of(self.inputs.clone()), &mut NoBodies).unwrap();
        outputs.into_iter().next().unwrap().into_tensor().unwrap()
    }

    pub(crate) fn build(&self) -> Box<dyn Operator> {
        self.try_build().unwrap()
    }

    /// Why the node is refused before the run.
    pub(crate) fn refused(&self) -> String {
        self.try_build().err().expect("the node is refused")
    }

    fn try_run(&self) -> Result<Vec<Tensor>, String> {
        let outputs = self.build().run(Inputs::of(self.inputs.clone()), &mut NoBodies);
        let outputs = outputs.map_err(|error| error.to_string())?;
        Ok(outputs.into_iter().map(|value| value.into_tensor().unwrap()).collect())
    }

    pub(crate) fn outputs(&self) -> Vec<Tensor> {
        self.try_run().unwrap()
    }

    /// The first output.
    pub(crate) fn run(&self) -> Tensor {
        self.outputs().remove(0)
    }

    /// Why the node fails at run time.
    pub(crate) fn fails(&self) -> String {
        self.try_run().expect_err("the node fails")
    }
}

pub(crate) fn f32s(tensor: Tensor) -> Vec<f32> {
    tensor.into_vec().unwrap()
}
