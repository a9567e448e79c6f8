//! Resize.

use super::input::{F16_F32, F32, I64, IN_F32};
use super::{Accept, BASE, Input, LATEST, TractOp};

const COORDINATES: Accept = Accept::Words(&[
    "half_pixel",
    "half_pixel_symmetric",
    "pytorch_half_pixel",
    "align_corners",
    "asymmetric",
    "tf_crop_and_resize",
]);
const NEAREST: Accept =
    Accept::Words(&["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"]);

pub(crate) static OPS: &[TractOp] = &[TractOp {
    name: "Resize",
    opsets: 11..=LATEST,
    summary: "resampling",
    inputs: &[
        Input::data("X", IN_F32),
        Input::parameter("roi", F16_F32).optional(),
        Input::parameter("scales", F32).optional(),
        Input::parameter("sizes", I64).optional(),
    ],
    attributes: &[
        ("antialias", Accept::Flag),
        ("axes", Accept::Ints),
        ("coordinate_transformation_mode", COORDINATES),
        ("cubic_coeff_a", Accept::Float),
        ("exclude_outside", Accept::Flag),
        ("extrapolation_value", Accept::Float),
        ("keep_aspect_ratio_policy", Accept::Words(&["stretch", "not_larger", "not_smaller"])),
        ("mode", Accept::Words(&["nearest", "linear", "cubic"])),
        ("nearest_mode", NEAREST),
    ],
    ..BASE
}];
