//! Convolutions and matrix products.

use tract_onnx::pb::NodeProto;

use super::input::{FLOATS, UP_TO_F32};
use super::{Accept, BASE, Input, TractOp};
use crate::node::{remove, text};

pub(crate) const AUTO_PAD: Accept = Accept::Words(&["NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID"]);

pub(crate) static OPS: &[TractOp] = &[
    TractOp {
        name: "Conv",
        summary: "convolution",
        inputs: &[
            Input::data("X", FLOATS),
            Input::data("W", FLOATS),
            Input::data("B", FLOATS).optional(),
        ],
        attributes: &[
            ("auto_pad", AUTO_PAD),
            ("dilations", Accept::Sizes),
            ("group", Accept::Int),
            ("kernel_shape", Accept::Sizes),
            ("pads", Accept::Sizes),
            ("strides", Accept::Sizes),
        ],
        adapt: pads_or_auto_pad,
        ..BASE
    },
    TractOp {
        name: "ConvTranspose",
        summary: "transposed convolution",
        inputs: &[
            Input::data("X", UP_TO_F32),
            Input::data("W", UP_TO_F32),
            Input::data("B", UP_TO_F32).optional(),
        ],
        attributes: &[
            ("auto_pad", AUTO_PAD),
            ("dilations", Accept::Sizes),
            ("group", Accept::Int),
            ("kernel_shape", Accept::Sizes),
            ("output_padding", Accept::Sizes),
            ("pads", Accept::Sizes),
            ("strides", Accept::Sizes),
        ],
        adapt: pads_or_auto_pad,
        ..BASE
    },
    TractOp {
        name: "Gemm",
        summary: "alpha·A·B + beta·C",
        inputs: &[
            Input::data("A", UP_TO_F32),
            Input::data("B", UP_TO_F32),
            Input::data("C", UP_TO_F32).optional(),
        ],
        attributes: &[
            ("alpha", Accept::Float),
            ("beta", Accept::Float),
            // Opset 6, where C broadcasts without being told to as well.
            ("broadcast", Accept::Flag),
            ("transA", Accept::Flag),
            ("transB", Accept::Flag),
        ],
        ..BASE
    },
    TractOp {
        name: "MatMul",
        summary: "matrix product as numpy's",
        inputs: &[Input::data("A", FLOATS), Input::data("B", FLOATS)],
        ..BASE
    },
];

/// tract takes `pads` where both are given; ONNX's reference and onnxruntime take `auto_pad`.
pub(crate) fn pads_or_auto_pad(node: &mut NodeProto) {
    if text(node, "auto_pad").is_some_and(|mode| mode != b"NOTSET") {
        remove(node, "pads");
    }
}
