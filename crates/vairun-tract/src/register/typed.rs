use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use tract_onnx::prelude::*;
use tract_onnx::tract_core::internal::*;
use vairun_ops::{Inputs, NoBodies, Operator};
use vairun_tensor::{DType, Tensor as OwnTensor, Value};

use super::spec::Node;
use crate::convert::{datum_type, dtype, from_tract, to_tract};

/// Facts of inputs and what follows from them.
struct Seen {
    inputs: Vec<TypedFact>,
    outputs: TVec<TypedFact>,
}

/// An operator of vairun in a plan of tract. No rewrite of tract looks into it.
#[derive(Clone)]
pub(super) struct OwnOp {
    node: Node,
    operator: Arc<dyn Operator>,
    keeps_shape: bool,
    /// The facts that the last run on zeros gave, for these facts of the inputs: tract asks again and again.
    seen: Arc<Mutex<Option<Seen>>>,
}

impl OwnOp {
    pub(super) fn new(node: Node, operator: Arc<dyn Operator>, keeps_shape: bool) -> Self {
        Self { node, operator, keeps_shape, seen: Arc::default() }
    }

    fn run(&self, inputs: Vec<OwnTensor>) -> TractResult<Vec<OwnTensor>> {
        let inputs = self.node.spread(inputs.into_iter().map(Value::Tensor));
        let outputs = self.operator.run(Inputs::new(inputs), &mut NoBodies);
        let outputs = outputs.map_err(|error| self.node.error(error))?;
        outputs
            .into_iter()
            .map(|value| value.into_tensor().map_err(|error| self.node.error(error)))
            .collect()
    }

    /// The types and shapes of the outputs as a run on zeros shows them; needs shapes that are numbers.
    fn facts_by_run(&self, inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        let asked: Vec<TypedFact> = inputs.iter().map(|fact| (*fact).clone()).collect();
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = seen.as_ref().filter(|known| known.inputs == asked) {
            return Ok(known.outputs.clone());
        }
        let outputs = self.run_on_zeros(inputs)?;
        *seen = Some(Seen { inputs: asked, outputs: outputs.clone() });
        Ok(outputs)
    }

    fn run_on_zeros(&self, inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        let example = |fact: &&TypedFact| match &fact.konst {
            Some(konst) => Ok(from_tract(konst.clone())?),
            None => {
                let shape = fact.shape.as_concrete();
                let shape = shape.ok_or_else(|| {
                    self.node
                        .error("needs shapes that are numbers: set the facts of the model's inputs")
                })?;
                Ok(from_tract(Tensor::zero_dt(fact.datum_type, shape)?.into_arc_tensor())?)
            }
        };
        let outputs = self.run(inputs.iter().map(example).collect::<TractResult<_>>()?)?;
        let fact = |output: &OwnTensor| Ok(self.datum(output.dtype())?.fact(output.shape()));
        outputs.iter().take(self.node.output_count()).map(fact).collect()
    }

    fn datum(&self, dtype: DType) -> TractResult<DatumType> {
        datum_type(dtype)
            .ok_or_else(|| self.node.error(format!("gives {dtype}, which tract does not have")))
    }
}

impl fmt::Debug for OwnOp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.node)
    }
}

impl PartialEq for OwnOp {
    /// The same node; two nodes that compute the same are not looked for.
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.operator, &other.operator)
    }
}

impl Eq for OwnOp {}

impl Op for OwnOp {
    fn name(&self) -> StaticName {
        self.node.op.to_string().into()
    }

    op_as_typed_op!();
}

impl EvalOp for OwnOp {
    op_out_of_plan!();

    fn eval(&self, _: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let inputs = inputs.into_iter().map(|input| Ok(from_tract(input.into_arc_tensor())?));
        let outputs = self.run(inputs.collect::<TractResult<_>>()?)?;
        let outputs = outputs.iter().take(self.node.output_count());
        outputs.map(|output| Ok(to_tract(output)?.into_tvalue())).collect()
    }
}

impl TypedOp for OwnOp {
    fn output_facts(&self, inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        let dtypes =
            inputs.iter().map(|fact| dtype(fact.datum_type)).collect::<Result<Vec<_>, _>>()?;
        let known = self.operator.output_dtypes(&self.node.spread(dtypes));
        match known.map_err(|error| self.node.error(error))?.as_slice() {
            [Some(dtype)] if self.keeps_shape => {
                Ok(tvec!(self.datum(*dtype)?.fact(inputs[0].shape.clone())))
            }
            _ => self.facts_by_run(inputs),
        }
    }

    as_op!();
}
