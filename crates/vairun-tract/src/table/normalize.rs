//! Softmax and the normalizations.

use super::input::{F32, FLOATS};
use super::{Accept, BASE, Input, LATEST, TractOp};

const X: &[Input] = &[Input::data("X", FLOATS)];

pub(crate) static OPS: &[TractOp] = &[
    TractOp {
        name: "Softmax",
        summary: "exp(x) / sum of exp(x) along an axis",
        inputs: X,
        attributes: &[("axis", Accept::Int)],
        ..BASE
    },
    TractOp {
        name: "LogSoftmax",
        summary: "logarithm of Softmax",
        inputs: X,
        attributes: &[("axis", Accept::Int)],
        ..BASE
    },
    TractOp {
        name: "BatchNormalization",
        opsets: 9..=LATEST,
        summary: "normalization by given mean and variance (inference)",
        inputs: &[
            Input::data("X", FLOATS),
            Input::parameter("scale", FLOATS),
            Input::parameter("B", FLOATS),
            Input::parameter("input_mean", FLOATS),
            Input::parameter("input_var", FLOATS),
        ],
        attributes: &[
            ("epsilon", Accept::Float),
            ("momentum", Accept::Float),
            ("training_mode", Accept::Only(0)),
        ],
        ..BASE
    },
    TractOp {
        name: "InstanceNormalization",
        opsets: 6..=LATEST,
        summary: "normalization of each channel of each sample",
        inputs: &[Input::data("input", F32), Input::data("scale", F32), Input::data("B", F32)],
        attributes: &[("epsilon", Accept::Float)],
        ..BASE
    },
    TractOp {
        name: "LayerNormalization",
        opsets: 17..=LATEST,
        summary: "normalization over the last axes",
        inputs: &[
            Input::data("X", F32),
            Input::data("Scale", F32),
            Input::data("B", F32).optional(),
        ],
        attributes: &[
            ("axis", Accept::Int),
            ("epsilon", Accept::Float),
            ("stash_type", Accept::Only(1)),
        ],
        ..BASE
    },
    TractOp {
        name: "LRN",
        summary: "local response normalization",
        inputs: &[Input::data("X", F32)],
        attributes: &[
            ("alpha", Accept::Float),
            ("beta", Accept::Float),
            ("bias", Accept::Float),
            ("size", Accept::Int),
        ],
        ..BASE
    },
];
