use vairun_ops::{Attrs, BuildError, NodeSpec, OpEntry, Operator, Provider};

use crate::fused;
use crate::node::proto;
use crate::operator::TractNode;
use crate::table::{TABLE, TractOp};

/// The operators that tract does right, each node through plans of its own.
pub struct TractOps;

impl Provider for TractOps {
    fn is_standard(&self) -> bool {
        true
    }

    fn build(&self, spec: &NodeSpec) -> Option<Result<Box<dyn Operator>, BuildError>> {
        let named = |op: &&TractOp| op.name == spec.op.op_type && op.domain == spec.op.domain;
        let fits = |op: &TractOp| !spec.op.domain.is_empty() || op.opsets.contains(&spec.op.opset);
        match TABLE.iter().copied().flatten().filter(named).find(|op| fits(op)) {
            Some(op) => Some(build(op, spec)),
            None => fused::build(spec),
        }
    }

    fn entries(&self) -> Vec<OpEntry> {
        let table = TABLE.iter().copied().flatten().map(TractOp::entry);
        table.chain(fused::entries()).collect()
    }
}

fn build(op: &'static TractOp, spec: &NodeSpec) -> Result<Box<dyn Operator>, BuildError> {
    spec.expect_inputs(op.arity())?;
    let attrs = Attrs::new(spec.attributes);
    op.check(spec, &attrs)?;
    attrs.finish()?;
    let mut proto = proto(spec)?;
    (op.adapt)(&mut proto);
    let fixed: Vec<_> =
        spec.inputs.iter().map(|input| input.as_ref().map(|input| input.fixed)).collect();
    Ok(Box::new(TractNode::new(op, proto, spec.op.opset, &fixed)))
}
