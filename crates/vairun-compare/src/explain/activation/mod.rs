//! The golden is from before or after an activation, or another node that keeps the shape.

mod after;
mod before;
mod function;

use vairun_graph::{Node, ValueId};

use super::case::Case;
use crate::check::Constants;
use crate::report::Explanation;

pub(super) fn test(case: &Case) -> Option<Explanation> {
    before::test(case).or_else(|| after::test(case)).or_else(|| function::test(case))
}

/// Operators that change elements one by one, or rows by themselves, and may stand in or fall out.
fn is_activation(node: &Node) -> bool {
    const KNOWN: [&str; 24] = [
        "Relu",
        "Clip",
        "LeakyRelu",
        "PRelu",
        "HardSwish",
        "HardSigmoid",
        "Sigmoid",
        "Tanh",
        "Elu",
        "Selu",
        "Celu",
        "Gelu",
        "Swish",
        "Softplus",
        "Softsign",
        "ThresholdedRelu",
        "Mish",
        "Erf",
        "Max",
        "Softmax",
        "LogSoftmax",
        "BatchNormalization",
        "Add",
        "Mul",
    ];
    let known = KNOWN.contains(&node.op.op_type.as_str()) && node.op.domain.is_empty();
    let on_codes = ["QLinearLeakyRelu", "QLinearSigmoid", "QLinearSoftmax"];
    known || on_codes.contains(&node.op.op_type.as_str())
}

/// The inputs that are no constants.
fn moving<'a>(
    node: &'a Node,
    constants: &'a Constants,
) -> impl DoubleEndedIterator<Item = ValueId> + 'a {
    node.inputs.iter().flatten().copied().filter(|&id| !constants.contains(id))
}
