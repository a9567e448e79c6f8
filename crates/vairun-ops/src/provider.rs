use crate::def::Grade;
use crate::error::BuildError;
use crate::operator::Operator;
use crate::spec::NodeSpec;

/// Somebody who can evaluate some operators. The executor asks one after the other.
pub trait Provider: Send + Sync {
    /// The operator for a node; `None` where the provider does not have it at all.
    fn build(&self, spec: &NodeSpec) -> Option<Result<Box<dyn Operator>, BuildError>>;

    /// Whether each of its operators computes what the specification of its name says, so that other code may stand in
    /// for it by that name.
    fn is_standard(&self) -> bool {
        false
    }

    /// Every operator it has, for `vairun ops`.
    fn entries(&self) -> Vec<OpEntry>;
}

/// One line of `vairun ops`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpEntry {
    /// The domain; empty for ONNX's own.
    pub domain: String,
    /// The name.
    pub op_type: String,
    /// The opset versions.
    pub opsets: std::ops::RangeInclusive<i64>,
    /// The element types, in words.
    pub types: String,
    /// One line.
    pub summary: String,
    /// How well its results are proven.
    pub grade: Grade,
}
