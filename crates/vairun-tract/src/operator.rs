//! A node of the table, ready to run.

use tract_onnx::pb::NodeProto;
use tract_onnx::prelude::{IntoArcTensor, IntoTValue, TVec};
use vairun_ops::{Context, Inputs, NoBodies, OpError, Operator, Outputs};
use vairun_tensor::{DType, Tensor, Value};

use crate::cache::{Cache, Key};
use crate::convert::{datum_type, from_tract, kernel, narrowed, to_tract};
use crate::plan::{Plan, Source};
use crate::table::TractOp;

/// How an input reaches tract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    /// Given in each run.
    Data,
    /// Part of the plan, the same in every run.
    Fixed,
}

/// A node, its attributes checked, and the plans that have been made for it.
pub(crate) struct TractNode {
    op: &'static TractOp,
    proto: NodeProto,
    opset: i64,
    /// One for each input of the node; `None` for one that is left out.
    roles: Vec<Option<Role>>,
    plans: Cache,
}

impl TractNode {
    /// `fixed` tells for each input whether it is the same in every run; `None` where it is left out.
    pub(crate) fn new(
        op: &'static TractOp,
        proto: NodeProto,
        opset: i64,
        fixed: &[Option<bool>],
    ) -> Self {
        let role = |(i, fixed): (usize, &Option<bool>)| {
            // A plan needs something to run on, or tract would compute the node while it plans.
            fixed.map(|fixed| if fixed && i > 0 { Role::Fixed } else { Role::Data })
        };
        let roles = fixed.iter().enumerate().map(role).collect();
        Self { op, proto, opset, roles, plans: Cache::default() }
    }

    /// The inputs that are present, each with its role.
    fn present<'a>(&self, inputs: &'a Inputs) -> Result<Vec<(Role, &'a Tensor)>, OpError> {
        let mut present = Vec::with_capacity(self.roles.len());
        for (i, role) in self.roles.iter().enumerate() {
            if let Some(role) = role {
                let name = self.op.input(i).name;
                let tensor = inputs.tensor(i, name)?;
                self.op.expect_type(i, tensor.dtype())?;
                present.push((*role, tensor));
            }
        }
        Ok(present)
    }

    /// tract multiplies no two vectors: a row and a column for it, whose product is a scalar.
    fn vectors_as_matrices(&self, inputs: &Inputs) -> Result<Option<Inputs>, OpError> {
        if self.op.name != "MatMul" {
            return Ok(None);
        }
        let (a, b) = (inputs.tensor(0, "A")?, inputs.tensor(1, "B")?);
        if a.rank() != 1 || b.rank() != 1 {
            return Ok(None);
        }
        Ok(Some(Inputs::of([a.reshaped(&[1, a.len()])?, b.reshaped(&[b.len(), 1])?])))
    }

    fn plan(&self, present: &[(Role, &Tensor)]) -> Result<Plan, OpError> {
        let source = |&(role, tensor): &(Role, &Tensor)| match (role, datum_type(tensor.dtype())) {
            (Role::Data, Some(dtype)) => Ok(Source::Data(dtype, tensor.shape().to_vec())),
            _ => Ok(Source::Constant(to_tract(tensor)?)),
        };
        let sources = present.iter().map(source).collect::<Result<_, OpError>>()?;
        Plan::new(&self.proto, self.opset, sources).map_err(kernel)
    }
}

impl Operator for TractNode {
    fn run(&self, inputs: Inputs, _: &mut dyn Context) -> Result<Outputs, OpError> {
        if let Some(matrices) = self.vectors_as_matrices(&inputs)? {
            let product = self.run(matrices, &mut NoBodies)?.remove(0).into_tensor()?;
            return Ok(vec![product.reshaped(&[])?.into()]);
        }
        let first = inputs.tensor(0, self.op.input(0).name)?.dtype();
        let present = self.present(&inputs)?;
        let mut key = Key::default();
        for (_, tensor) in present.iter().filter(|(role, _)| *role == Role::Data) {
            key.add_data(tensor);
        }
        let plan = self.plans.get(key, || self.plan(&present))?;
        let data = present.iter().filter(|(role, _)| *role == Role::Data);
        let data = data
            .map(|(_, tensor)| Ok(to_tract(tensor)?.into_tvalue()))
            .collect::<Result<TVec<_>, OpError>>()?;
        let outputs = plan.run(data).map_err(kernel)?;
        outputs
            .into_iter()
            .map(|output| {
                let output = from_tract(output.into_arc_tensor())?;
                Ok(Value::Tensor(narrowed(output, first)?))
            })
            .collect()
    }

    fn output_dtypes(&self, inputs: &[Option<DType>]) -> Result<Vec<Option<DType>>, OpError> {
        for (i, dtype) in inputs.iter().enumerate().filter_map(|(i, dtype)| Some((i, (*dtype)?))) {
            self.op.expect_type(i, dtype)?;
        }
        Ok(self.op.output_types(inputs.first().copied().flatten(), self.proto.output.len()))
    }
}
