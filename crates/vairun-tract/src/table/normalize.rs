//! Normalizations.

use super::input::UP_TO_F32;
use super::{Accept, BASE, Input, TractOp};

pub(crate) static OPS: &[TractOp] = &[TractOp {
    name: "LRN",
    summary: "local response normalization",
    inputs: &[Input::data("X", UP_TO_F32)],
    attributes: &[
        ("alpha", Accept::Float),
        ("beta", Accept::Float),
        ("bias", Accept::Float),
        ("size", Accept::Int),
    ],
    ..BASE
}];
