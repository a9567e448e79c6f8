use vairun_graph::{Attribute, Node};

use crate::plan::Step;

/// Operators on two tensors that have a form on codes.
pub(super) const BINARY: &[&str] = &["Add", "Sub", "Mul"];

/// Functions of each element for itself.
const ELEMENTWISE: &[&str] = &[
    "Abs",
    "Acos",
    "Acosh",
    "Add",
    "Asin",
    "Asinh",
    "Atan",
    "Atanh",
    "Ceil",
    "Celu",
    "Clip",
    "Cos",
    "Cosh",
    "Div",
    "Elu",
    "Erf",
    "Exp",
    "Floor",
    "Gelu",
    "HardSigmoid",
    "HardSwish",
    "LeakyRelu",
    "Log",
    "Max",
    "Mean",
    "Min",
    "Mish",
    "Mul",
    "Neg",
    "PRelu",
    "Pow",
    "Reciprocal",
    "Relu",
    "Round",
    "Selu",
    "Shrink",
    "Sigmoid",
    "Sign",
    "Sin",
    "Sinh",
    "Softplus",
    "Softsign",
    "Sqrt",
    "Sub",
    "Sum",
    "Swish",
    "Tan",
    "Tanh",
    "ThresholdedRelu",
];

/// Operators that put elements into other places, or copies of them, perhaps zeros between them, and read the first input
/// alone otherwise.
const MOVES: &[&str] = &[
    "DepthToSpace",
    "Expand",
    "Flatten",
    "Gather",
    "Identity",
    "Pad",
    "Reshape",
    "Resize",
    "Slice",
    "SpaceToDepth",
    "Split",
    "Squeeze",
    "Tile",
    "Transpose",
    "Unsqueeze",
    "Upsample",
];

/// Operators among them whose result holds every element of the first input.
const WHOLE: &[&str] = &[
    "DepthToSpace",
    "Expand",
    "Flatten",
    "Identity",
    "Reshape",
    "SpaceToDepth",
    "Squeeze",
    "Tile",
    "Transpose",
    "Unsqueeze",
];

/// Whether a move leaves no element of its input away, where the shapes are not empty.
pub(super) fn keeps_all(node: &Node) -> bool {
    WHOLE.contains(&node.op.op_type.as_str())
}

pub(super) fn is_elementwise(node: &Node, step: &Step) -> bool {
    step.standard
        && node.op.domain.is_empty()
        && node.outputs.len() == 1
        && ELEMENTWISE.contains(&node.op.op_type.as_str())
}

/// Whether each element of the result is a function of one of the first input, and of constants.
pub(super) fn is_function(node: &Node, step: &Step) -> bool {
    is_elementwise(node, step) || (step.standard && node.outputs.len() == 1 && is_affine(node))
}

/// A normalization by given statistics: a factor and a term for each channel.
pub(super) fn is_affine(node: &Node) -> bool {
    let given = matches!(node.attributes.get("training_mode"), None | Some(Attribute::Int(0)));
    node.op.is_onnx("BatchNormalization") && node.op.opset >= 9 && given
}

pub(super) fn is_move(node: &Node, step: &Step) -> bool {
    let text = |name: &str| match node.attributes.get(name) {
        Some(Attribute::String(text)) => Some(text.as_slice()),
        _ => None,
    };
    let known = || match node.op.op_type.as_str() {
        // What lies outside of a cropped x is a number, which need not have a code.
        "Resize" | "Upsample" => {
            text("mode").is_none_or(|mode| mode == b"nearest")
                && text("coordinate_transformation_mode")
                    .is_none_or(|mode| mode != b"tf_crop_and_resize")
        }
        other => MOVES.contains(&other),
    };
    step.standard && node.op.domain.is_empty() && known()
}
