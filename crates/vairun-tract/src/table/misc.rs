//! Pooling.

use vairun_tensor::DType;

use super::input::{F32, FLOATS};
use super::linear::{AUTO_PAD, pads_or_auto_pad};
use super::{Accept, BASE, Input, LATEST, TractOp};

pub(crate) static OPS: &[TractOp] = &[
    TractOp {
        name: "MaxPool",
        summary: "the largest element of each window",
        inputs: &[Input::data("X", F32)],
        attributes: &[
            ("auto_pad", AUTO_PAD),
            ("ceil_mode", Accept::Flag),
            ("dilations", Accept::Sizes),
            ("kernel_shape", Accept::Sizes),
            ("pads", Accept::Sizes),
            ("storage_order", Accept::Flag),
            ("strides", Accept::Sizes),
        ],
        outputs: &[None, Some(DType::I64)],
        adapt: pads_or_auto_pad,
        ..BASE
    },
    TractOp {
        name: "AveragePool",
        opsets: 7..=LATEST,
        summary: "the mean of each window",
        inputs: &[Input::data("X", F32)],
        attributes: &[
            ("auto_pad", AUTO_PAD),
            ("ceil_mode", Accept::Flag),
            ("count_include_pad", Accept::Flag),
            ("dilations", Accept::Sizes),
            ("kernel_shape", Accept::Sizes),
            ("pads", Accept::Sizes),
            ("strides", Accept::Sizes),
        ],
        adapt: pads_or_auto_pad,
        ..BASE
    },
    TractOp {
        name: "GlobalAveragePool",
        summary: "the mean of each channel",
        inputs: &[Input::data("X", FLOATS)],
        ..BASE
    },
    TractOp {
        name: "GlobalMaxPool",
        summary: "the largest element of each channel",
        inputs: &[Input::data("X", F32)],
        ..BASE
    },
];
