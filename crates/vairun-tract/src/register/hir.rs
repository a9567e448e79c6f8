use tract_onnx::prelude::*;
use tract_onnx::tract_hir::infer::{
    InferenceResult, Solver, TensorProxy, check_input_arity, check_output_arity,
};
use tract_onnx::tract_hir::internal::StaticName;
use tract_onnx::tract_hir::ops::expandable::Expansion;
use vairun_tensor::{DType, Tensor};

use super::spec::Node;
use super::typed::OwnOp;
use crate::convert::{dtype, from_tract};

/// A node of vairun's before tract knows all types and shapes.
#[derive(Clone, Debug)]
pub(super) struct Own(pub(super) Node);

impl Own {
    /// Whether the first output has the shape of the first input: true of every quantizer.
    fn keeps_shape(&self) -> bool {
        let op_type = self.0.op.op_type.as_str();
        let quantizers = ["QuantizeLinear", "QuantizeDequantize", "fix_neuron"];
        op_type != "DynamicQuantizeLinear" && quantizers.iter().any(|end| op_type.ends_with(end))
            || op_type.ends_with("DequantizeLinear")
    }
}

impl Expansion for Own {
    fn name(&self) -> StaticName {
        self.0.op.to_string().into()
    }

    fn nboutputs(&self) -> TractResult<usize> {
        Ok(self.0.output_count())
    }

    fn rules<'r, 'p: 'r, 's: 'r>(
        &'s self,
        solver: &mut Solver<'r>,
        inputs: &'p [TensorProxy],
        outputs: &'p [TensorProxy],
    ) -> InferenceResult {
        check_input_arity(inputs, self.0.input_count())?;
        check_output_arity(outputs, self.0.output_count())?;
        if self.keeps_shape() {
            solver.equals(&inputs[0].shape, &outputs[0].shape)?;
        }
        Ok(())
    }

    fn wire(
        &self,
        prefix: &str,
        model: &mut TypedModel,
        inputs: &[OutletId],
    ) -> TractResult<TVec<OutletId>> {
        let known = inputs
            .iter()
            .map(|&input| known(model.outlet_fact(input)?))
            .collect::<TractResult<Vec<_>>>()?;
        let operator = self.0.operator(&known)?;
        let op = OwnOp::new(self.0.clone(), operator, self.keeps_shape());
        model.wire_node(prefix, op, inputs)
    }
}

/// The type of a value, and the value itself where it is constant.
fn known(fact: &TypedFact) -> TractResult<(DType, Option<Tensor>)> {
    let konst = fact.konst.as_ref().map(|konst| from_tract(konst.clone())).transpose()?;
    Ok((dtype(fact.datum_type)?, konst))
}
