//! Running one operator in a test.

use vairun_graph::{Attribute, Attributes, OpId};
use vairun_tensor::{Element, Tensor, Value};

use crate::common::LATEST;
use crate::error::{BuildError, OpError};
use crate::list::OwnOps;
use crate::operator::{Inputs, NoBodies, Operator, Outputs};
use crate::provider::Provider;
use crate::spec::{InputSpec, NodeSpec};

/// A node to run: an operator with attributes at an opset.
pub(crate) struct Case {
    op: OpId,
    attributes: Attributes,
    outputs: usize,
}

/// A node of ONNX's own operator at the newest opset.
pub(crate) fn node(op_type: &str) -> Case {
    Case { op: OpId::new("", op_type, LATEST), attributes: Attributes::new(), outputs: 1 }
}

/// A node of any domain: `(domain, op_type)`.
pub(crate) fn node_in((domain, op_type): (&str, &str)) -> Case {
    Case { op: OpId::new(domain, op_type, 1), ..node(op_type) }
}

impl Case {
    pub(crate) fn opset(mut self, opset: i64) -> Self {
        self.op.opset = opset;
        self
    }

    pub(crate) fn with(mut self, name: &str, value: Attribute) -> Self {
        self.attributes.insert(name.into(), value);
        self
    }

    pub(crate) fn int(self, name: &str, value: i64) -> Self {
        self.with(name, Attribute::Int(value))
    }

    pub(crate) fn ints(self, name: &str, values: &[i64]) -> Self {
        self.with(name, Attribute::Ints(values.to_vec()))
    }

    pub(crate) fn float(self, name: &str, value: f32) -> Self {
        self.with(name, Attribute::Float(value))
    }

    pub(crate) fn text(self, name: &str, value: &str) -> Self {
        self.with(name, Attribute::String(value.into()))
    }

    pub(crate) fn outputs(mut self, count: usize) -> Self {
        self.outputs = count;
        self
    }

    pub(crate) fn build(&self, inputs: &[Option<Value>]) -> Result<Box<dyn Operator>, BuildError> {
        self.build_fixed(inputs, &[])
    }

    /// The operator of a node whose inputs `fixed` are the same in every run.
    pub(crate) fn build_fixed(
        &self,
        inputs: &[Option<Value>],
        fixed: &[usize],
    ) -> Result<Box<dyn Operator>, BuildError> {
        let input = |(i, value): (usize, &Option<Value>)| {
            value.as_ref().map(|value| InputSpec {
                name: "",
                dtype: value.dtype(),
                constant: None,
                fixed: fixed.contains(&i),
            })
        };
        let spec = NodeSpec {
            name: "node",
            op: &self.op,
            attributes: &self.attributes,
            inputs: inputs.iter().enumerate().map(input).collect(),
            outputs: vec![Some("y"); self.outputs],
            permissive: false,
            isa: vairun_numeric::kernel::Isa::best(),
        };
        OwnOps.build(&spec).expect("the operator is in the list")
    }

    pub(crate) fn try_run_values(&self, inputs: Vec<Option<Value>>) -> Result<Outputs, OpError> {
        let operator = self.build(&inputs).unwrap();
        let dtypes: Vec<_> =
            inputs.iter().map(|value| value.as_ref().and_then(Value::dtype)).collect();
        let expected = operator.output_dtypes(&dtypes)?;
        let outputs = operator.run(Inputs::new(inputs), &mut NoBodies)?;
        for (got, expected) in outputs.iter().zip(expected) {
            if let (Some(got), Some(expected)) = (got.dtype(), expected) {
                assert_eq!(got, expected, "the type that was promised before the run");
            }
        }
        Ok(outputs)
    }

    pub(crate) fn try_run(
        &self,
        inputs: impl IntoIterator<Item = Tensor>,
    ) -> Result<Tensor, OpError> {
        let inputs = inputs.into_iter().map(|tensor| Some(tensor.into())).collect();
        Ok(self.try_run_values(inputs)?.remove(0).into_tensor()?)
    }

    pub(crate) fn run(&self, inputs: impl IntoIterator<Item = Tensor>) -> Tensor {
        self.try_run(inputs).unwrap()
    }

    pub(crate) fn error(&self, inputs: impl IntoIterator<Item = Tensor>) -> String {
        self.try_run(inputs).unwrap_err().to_string()
    }
}

pub(crate) fn tensor<T: Element>(shape: &[usize], data: &[T]) -> Tensor {
    Tensor::new(shape, data.to_vec()).unwrap()
}

pub(crate) fn floats(shape: &[usize], data: &[f32]) -> Tensor {
    tensor(shape, data)
}

/// 0.0, 1.0, 2.0, … in that shape.
pub(crate) fn count_up(shape: &[usize]) -> Tensor {
    let count = shape.iter().product::<usize>();
    floats(shape, &(0..count).map(|i| i as f32).collect::<Vec<_>>())
}

pub(crate) fn ints(data: &[i64]) -> Tensor {
    Tensor::vector(data.to_vec())
}

/// Compares type, shape and bits; shows both.
#[track_caller]
pub(crate) fn assert_tensor(got: &Tensor, expected: &Tensor) {
    let show = |tensor: &Tensor| match tensor.dtype().carrier() {
        vairun_tensor::Carrier::F32 => format!("{:?}", tensor.as_slice::<f32>().unwrap()),
        vairun_tensor::Carrier::I64 => format!("{:?}", tensor.as_slice::<i64>().unwrap()),
        vairun_tensor::Carrier::String => format!("{:?}", tensor.as_slice::<String>().unwrap()),
        vairun_tensor::Carrier::Bool => format!("{:?}", tensor.as_slice::<bool>().unwrap()),
        _ => format!("{:?}", tensor.as_bytes()),
    };
    assert!(
        got.bits_eq(expected),
        "got {got:?} {}, expected {expected:?} {}",
        show(got),
        show(expected)
    );
}
