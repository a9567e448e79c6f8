use std::sync::Arc;

use vairun_ops::{BuildError, Grade, NodeSpec, OpEntry, Operator, Provider};

/// Turns a node into an operator of your own.
pub type BuildOperator =
    Arc<dyn Fn(&NodeSpec) -> Result<Box<dyn Operator>, BuildError> + Send + Sync>;

/// One operator that an application adds.
pub(crate) struct Custom {
    pub(crate) domain: String,
    pub(crate) op_type: String,
    pub(crate) build: BuildOperator,
}

impl Provider for Custom {
    fn build(&self, spec: &NodeSpec) -> Option<Result<Box<dyn Operator>, BuildError>> {
        (spec.op.domain == self.domain && spec.op.op_type == self.op_type)
            .then(|| (self.build)(spec))
    }

    fn entries(&self) -> Vec<OpEntry> {
        vec![OpEntry {
            domain: self.domain.clone(),
            op_type: self.op_type.clone(),
            opsets: 1..=i64::MAX,
            types: "any".into(),
            summary: "added by the application".into(),
            grade: Grade::Runs,
        }]
    }
}
