//! `Resize`: a tensor resampled along its axes.
//!
//! | | name     | type | shape |
//! |-|----------|------|-------|
//! | 0 | `X`      | any for `mode` nearest; float16, bfloat16, float32 else; int8, uint8, int32 too for linear without `antialias` | any |
//! | 1 | `roi`    | float16, float32, float64 | `[2n]`: n starts, then n ends; read for `tf_crop_and_resize` only |
//! | 2 | `scales` | float32 | `[n]`, each above 0; or |
//! | 3 | `sizes`  | int64 | `[n]` |
//! | → | `Y`      | as `X` | `floor(dims · scales)`, or `sizes` |
//!
//! n is the number of `axes`. An input without elements is as one that is left out.
//!
//! Attributes: `mode` (`nearest`, `linear`, `cubic`; `nearest`), `coordinate_transformation_mode` (`half_pixel`),
//! `nearest_mode` (`round_prefer_floor`), `cubic_coeff_a` (-0.75), `exclude_outside` (0), `extrapolation_value` (0), for
//! what a cropped region has outside of X; from opset 18 on `antialias` (0), `axes` (all) and `keep_aspect_ratio_policy`
//! (`stretch`).
//!
//! Source: <https://onnx.ai/onnx/operators/onnx__Resize.html>; where it leaves open how to round, onnxruntime
//! (`onnxruntime/core/providers/cpu/tensor/upsample.cc` and `upsamplebase.h`), whose bits these are for what it takes in
//! `mode` linear without `antialias`:
//!
//! * Two axes (a matrix, or `[n, c, h, w]` whose first two scales are 1) or three (rank 3, or rank 5 with two scales of 1)
//!   are interpolated at once, in float32, each weight the product of those along the axes. float16 is rounded once.
//!   Integers are truncated towards 0; that is no rounding, but what it does.
//! * `[n, h, w, c]` whose first and last scales are 1: the same; but uint8 and int8 with weights cut to 1024ths, in
//!   integers, the quotient truncated towards 0.
//! * A result of X's shape is X, whatever the scales are.
//!
//! Other axes, and `exclude_outside`, which it refuses there, go one axis after the other, the last first, as `antialias`
//! and cubic do. Integers it takes with `antialias` too, but makes 0 of what is below it: they are refused here. It
//! leaves axes whose scale is 1 whole in a cropped region; here they are cropped, as the specification says.

mod axes;
mod modes;

use vairun_numeric::resize::{Axis, Bilinear, Coordinates, Kernel, Nearest};

use crate::common::dispatch::with_element;
use crate::common::prelude::*;
use crate::common::sizes::result_len;
use crate::common::types::Types;

/// `Resize`.
pub static DEF: OpDef = OpDef {
    names: &[("", "Resize")],
    opsets: 11..=LATEST,
    summary: "a tensor resampled along its axes",
    types: "X float16, bfloat16, float32; int8, uint8, int32 in linear mode; any in nearest mode",
    grade: Grade::Exact("onnxruntime 1.32.0 (nearest, linear)"),
    build,
};

/// The node, its attributes read.
struct Resize {
    mode: Mode,
    coordinates: Coordinates,
    antialias: bool,
    exclude_outside: bool,
    extrapolation: f32,
    axes: Option<Vec<i64>>,
    policy: Policy,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Mode {
    Nearest(Nearest),
    /// Weighted neighbours.
    Weighted(Kernel),
}

/// `keep_aspect_ratio_policy`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Policy {
    Stretch,
    NotLarger,
    NotSmaller,
}

fn build(spec: &NodeSpec, attrs: &Attrs) -> Built {
    spec.expect_inputs(2..=4)?;
    // What a newer opset has is an unknown attribute of an older one.
    let newer = spec.op.opset >= 18;
    let coefficient = attrs.float("cubic_coeff_a")?.unwrap_or(-0.75);
    let nearest = word(attrs, "nearest_mode", NEAREST)?;
    let mode = match word(attrs, "mode", &[("nearest", 0), ("linear", 1), ("cubic", 2)])? {
        0 => Mode::Nearest(nearest),
        1 => Mode::Weighted(Kernel::Linear),
        _ => Mode::Weighted(Kernel::Cubic { a: coefficient }),
    };
    Ok(Box::new(Resize {
        mode,
        coordinates: word(attrs, "coordinate_transformation_mode", COORDINATES)?,
        antialias: newer && attrs.flag("antialias")?.unwrap_or(false),
        exclude_outside: attrs.flag("exclude_outside")?.unwrap_or(false),
        extrapolation: attrs.float("extrapolation_value")?.unwrap_or(0.0),
        axes: if newer { attrs.ints("axes")?.map(<[i64]>::to_vec) } else { None },
        policy: match newer {
            true => word(attrs, "keep_aspect_ratio_policy", POLICIES)?,
            false => Policy::Stretch,
        },
    }))
}

const NEAREST: &[(&str, Nearest)] = &[
    ("round_prefer_floor", Nearest::RoundPreferFloor),
    ("round_prefer_ceil", Nearest::RoundPreferCeil),
    ("floor", Nearest::Floor),
    ("ceil", Nearest::Ceil),
];

const COORDINATES: &[(&str, Coordinates)] = &[
    ("half_pixel", Coordinates::HalfPixel),
    ("half_pixel_symmetric", Coordinates::HalfPixelSymmetric),
    ("pytorch_half_pixel", Coordinates::PytorchHalfPixel),
    ("align_corners", Coordinates::AlignCorners),
    ("asymmetric", Coordinates::Asymmetric),
    ("tf_half_pixel_for_nn", Coordinates::TfHalfPixelForNn),
    ("tf_crop_and_resize", Coordinates::TfCropAndResize { start: 0.0, end: 1.0 }),
];

const POLICIES: &[(&str, Policy)] = &[
    ("stretch", Policy::Stretch),
    ("not_larger", Policy::NotLarger),
    ("not_smaller", Policy::NotSmaller),
];

/// What an attribute stands for; the first of `words` where it is absent.
fn word<T: Copy>(
    attrs: &Attrs,
    name: &'static str,
    words: &[(&'static str, T)],
) -> Result<T, BuildError> {
    let Some(got) = attrs.string(name)? else { return Ok(words[0].1) };
    let found = words.iter().find(|(word, _)| *word == got);
    found.map(|(_, value)| *value).ok_or_else(|| {
        let expected = words.iter().map(|(word, _)| *word).collect::<Vec<_>>().join(", ");
        Attrs::value(name, got, &expected)
    })
}

impl Operator for Resize {
    fn run(&self, inputs: Inputs, _: &mut dyn Context) -> Result<Outputs, OpError> {
        let x = inputs.tensor(0, "X")?;
        self.expect_type(x.dtype())?;
        let axes = self.resolved(x.shape(), &inputs)?;
        let shape: Vec<_> = axes.iter().map(|axis| axis.output).collect();
        if result_len(x.dtype(), &shape)? == 0 {
            return one(empty(x.dtype(), &shape)?);
        }
        expect_room(&axes)?;
        if axes.iter().all(|axis| self.keeps(axis)) {
            return one(x.clone());
        }
        one(match self.mode {
            Mode::Nearest(nearest) => self.nearest(x, &axes, nearest)?,
            Mode::Weighted(kernel) => self.weighted(x, &axes, kernel)?,
        })
    }

    fn output_dtypes(&self, inputs: &[Option<DType>]) -> DTypes {
        let x = inputs.first().copied().flatten();
        x.map_or(Ok(()), |x| self.expect_type(x))?;
        Ok(vec![x])
    }

    fn bilinear(&self, x: &[usize], parameters: &Inputs) -> Option<Bilinear> {
        let axes = self.resolved(x, parameters).ok()?;
        let shape: Vec<_> = axes.iter().map(|axis| axis.output).collect();
        let filled = result_len(DType::F32, &shape).ok()? > 0;
        expect_room(&axes).ok()?;
        match axes[..] {
            [n, c, rows, columns] if self.is_linear_at_once() && filled => {
                let images = n.is_identity() && c.is_identity();
                let moves = images && ![rows, columns].iter().all(|axis| self.keeps(axis));
                moves.then_some(Bilinear { rows, columns, outside: self.extrapolation })
            }
            _ => None,
        }
    }
}

impl Resize {
    /// That X may have this type.
    fn expect_type(&self, got: DType) -> Result<(), OpError> {
        let types = match self.mode {
            Mode::Nearest(_) => return Ok(()),
            Mode::Weighted(Kernel::Linear) if !self.antialias => LINEAR,
            Mode::Weighted(_) => WEIGHTED,
        };
        types.check(&[Some(got)], 0, "X").map(|_| ())
    }

    /// Whether neighbours along several axes may be interpolated at once.
    fn is_linear_at_once(&self) -> bool {
        let linear = self.mode == Mode::Weighted(Kernel::Linear);
        linear && !self.antialias && !self.exclude_outside
    }

    /// Whether nothing moves along an axis.
    fn keeps(&self, axis: &Axis) -> bool {
        let crops = matches!(self.coordinates, Coordinates::TfCropAndResize { .. });
        axis.is_identity() || (axis.input == axis.output && !crops)
    }
}

const LINEAR: Types =
    Types::new("float16, bfloat16, float32, int8, uint8 or int32, or `mode` nearest", |dtype| {
        WEIGHTED.contains(dtype) || matches!(dtype, DType::I8 | DType::U8 | DType::I32)
    });
const WEIGHTED: Types = Types::new(
    "float16, bfloat16 or float32, or `mode` nearest or linear without antialias",
    |dtype| matches!(dtype, DType::F16 | DType::BF16 | DType::F32),
);

/// That there is room for the places and weights of the axes.
fn expect_room(axes: &[Axis]) -> Result<(), OpError> {
    axes.iter().try_for_each(|axis| result_len(DType::F64, &[axis.output, 4]).map(|_| ()))
}

fn empty(dtype: DType, shape: &[usize]) -> Result<Tensor, OpError> {
    with_element!(dtype, T => {
        Ok(Tensor::with_dtype(dtype, shape, Vec::<T>::new())?)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::common::testing::*;
    use vairun_tensor::Value;

    fn scaled(case: Case, x: Tensor, scales: &[f32]) -> Result<Tensor, OpError> {
        let inputs = [Some(x), None, Some(floats(&[scales.len()], scales))];
        let inputs = inputs.into_iter().map(|tensor| tensor.map(Value::from)).collect();
        Ok(case.try_run_values(inputs)?.remove(0).into_tensor()?)
    }

    fn sized(case: Case, x: Tensor, sizes: &[i64]) -> Result<Tensor, OpError> {
        let inputs = [Some(x), None, None, Some(ints(sizes))];
        let inputs = inputs.into_iter().map(|tensor| tensor.map(Value::from)).collect();
        Ok(case.try_run_values(inputs)?.remove(0).into_tensor()?)
    }

    fn resize(mode: &str) -> Case {
        node("Resize").text("mode", mode)
    }

    #[test]
    fn codes_are_moved_by_nearest() {
        let case = || resize("nearest").text("coordinate_transformation_mode", "asymmetric");
        let y = scaled(case(), tensor(&[1, 1, 1, 2], &[200u8, 3]), &[1., 1., 2., 2.]).unwrap();
        assert_tensor(&y, &tensor(&[1, 1, 2, 4], &[200u8, 200, 3, 3, 200, 200, 3, 3]));
        let y = scaled(case(), tensor(&[2], &[-30_000i16, 5]), &[1.5]).unwrap();
        assert_tensor(&y, &tensor(&[3], &[-30_000i16, 5, 5]));
        let words = tensor(&[2], &["a".to_owned(), "b".to_owned()]);
        assert_eq!(scaled(case(), words, &[2.]).unwrap().shape(), [4]);
    }

    #[test]
    fn integers_between_codes_are_truncated() {
        let y = scaled(resize("linear"), tensor(&[1, 2], &[10u8, 13]), &[1., 2.]).unwrap();
        assert_tensor(&y, &tensor(&[1, 4], &[10u8, 10, 12, 13]));
        let y = scaled(resize("linear"), tensor(&[1, 2], &[-10i8, -13]), &[1., 2.]).unwrap();
        assert_tensor(&y, &tensor(&[1, 4], &[-10i8, -10, -12, -13]));
        let y = scaled(resize("linear"), tensor(&[1, 2], &[-1000i32, 7]), &[1., 2.]).unwrap();
        assert_tensor(&y, &tensor(&[1, 4], &[-1000i32, -748, -244, 7]));
    }

    #[test]
    fn types_without_a_rule_are_refused_with_those_that_have_one() {
        let error = |case: Case, x: Tensor| scaled(case, x, &[1., 2.]).unwrap_err().to_string();
        assert_eq!(
            error(resize("linear"), tensor(&[1, 2], &[1u16, 2])),
            "X is uint16, expected float16, bfloat16, float32, int8, uint8 or int32, or `mode` nearest"
        );
        assert!(error(resize("cubic"), tensor(&[1, 2], &[1u8, 2])).contains("without antialias"));
        let smooth = resize("linear").int("antialias", 1);
        assert!(error(smooth, tensor(&[1, 2], &[1i8, 2])).contains("without antialias"));
    }

    #[test]
    fn an_attribute_of_a_newer_opset_is_unknown_to_an_older_one() {
        let inputs = [Some(count_up(&[2]).into()), None, Some(count_up(&[1]).into())];
        let build = |opset| resize("linear").int("antialias", 1).opset(opset).build(&inputs);
        assert!(build(18).is_ok());
        assert!(matches!(build(17), Err(BuildError::UnknownAttribute { .. })));
        let other = resize("area").build(&inputs).map(|_| ()).unwrap_err().to_string();
        assert_eq!(other, "`mode` is area, expected nearest, linear, cubic");
    }

    #[test]
    fn one_of_scales_and_sizes_is_wanted() {
        let values = |scales: &[f32], sizes: &[i64]| {
            vec![
                Some(count_up(&[2]).into()),
                None,
                Some(floats(&[scales.len()], scales).into()),
                Some(ints(sizes).into()),
            ]
        };
        let run =
            |scales: &[f32], sizes: &[i64]| node("Resize").try_run_values(values(scales, sizes));
        assert!(run(&[], &[4]).is_ok() && run(&[2.], &[]).is_ok());
        let both = run(&[2.], &[4]).unwrap_err().to_string();
        assert_eq!(both, "scales is given with sizes, expected one of them");
        assert!(run(&[], &[]).is_err());
    }

    #[test]
    fn hostile_scales_and_sizes_are_refused() {
        let x = || count_up(&[1, 2]);
        for scale in [0., -1., f32::NAN, f32::INFINITY] {
            assert!(scaled(resize("linear"), x(), &[1., scale]).is_err(), "{scale}");
        }
        assert!(scaled(resize("linear"), x(), &[1e30, 1e30]).is_err());
        assert!(scaled(resize("linear"), x(), &[1.]).is_err());
        assert!(sized(resize("nearest"), x(), &[1, -2]).is_err());
        assert!(sized(resize("nearest"), tensor(&[1], &[1u8]), &[1 << 31]).is_err());
        assert!(sized(resize("cubic"), x(), &[1 << 20, 1 << 20]).is_err());
        assert!(sized(resize("linear"), count_up(&[0, 2]), &[1, 2]).is_err());
        assert_eq!(sized(resize("linear"), count_up(&[0, 2]), &[0, 4]).unwrap().shape(), [0, 4]);
        assert_eq!(scaled(resize("cubic"), x(), &[0.1, 1.]).unwrap().shape(), [0, 2]);
    }

    #[test]
    fn images_by_linear_mode_tell_their_axes_as_far_as_there_is_room() {
        let told = |mode: &str, scales: [f32; 4]| {
            let inputs = vec![None, None, Some(floats(&[4], &scales).into())];
            let operator = resize(mode).build(&inputs).unwrap();
            let axes = operator.bilinear(&[1, 3, 4, 5], &Inputs::new(inputs));
            axes.map(|axes| [axes.rows.output, axes.columns.output])
        };
        assert_eq!(told("linear", [1., 1., 2., 3.]), Some([8, 15]));
        assert_eq!(told("linear", [1., 1., 1., 1.]), None, "nothing moves");
        assert_eq!(told("linear", [1., 2., 1., 1.]), None, "over channels");
        assert_eq!(told("cubic", [1., 1., 2., 2.]), None);
        assert_eq!(told("linear", [1., 1., 1e30, 1.]), None, "too large");
        assert_eq!(told("linear", [1., 1., 1e9, 1e9]), None, "too large");
        assert_eq!(told("linear", [1., 1., 0.1, 1.]), None, "empty");
    }

    #[test]
    fn axes_and_policies_choose_the_sizes() {
        let shape = |policy: &str| {
            let case =
                resize("nearest").ints("axes", &[-1, 1]).text("keep_aspect_ratio_policy", policy);
            sized(case, count_up(&[1, 4, 10]), &[20, 12]).unwrap().shape().to_vec()
        };
        assert_eq!(shape("stretch"), [1, 12, 20]);
        assert_eq!(shape("not_larger"), [1, 8, 20]);
        assert_eq!(shape("not_smaller"), [1, 12, 30]);
    }

    #[test]
    fn a_result_of_the_same_shape_is_x() {
        let y = scaled(resize("linear"), count_up(&[1, 2]), &[1., 1.3]).unwrap();
        assert_tensor(&y, &count_up(&[1, 2]));
    }

    #[test]
    fn a_cropped_region_has_the_given_value_outside() {
        let case = |mode| {
            let crop = resize(mode).text("coordinate_transformation_mode", "tf_crop_and_resize");
            crop.float("extrapolation_value", 7.0)
        };
        for mode in ["nearest", "linear", "cubic"] {
            let inputs = [
                floats(&[1, 3], &[1., 2., 3.]),
                floats(&[4], &[0., 0.5, 1., 1.5]),
                floats(&[2], &[1., 1.]),
            ];
            let y = case(mode).run(inputs);
            assert_tensor(&y, &floats(&[1, 3], &[2., 3., 7.]));
        }
        let inputs = [tensor(&[3], &[1u8, 2, 3]), floats(&[2], &[0.5, 1.5]), floats(&[1], &[1.])];
        assert_tensor(&case("nearest").run(inputs), &tensor(&[3], &[2u8, 3, 7]));
    }

    #[test]
    fn halves_are_rounded_once_and_moved_numbers_keep_their_grid() {
        use vairun_tensor::{Dequantized, f16};
        let halves = |data: &[f32]| data.iter().map(|&x| f16::from_f32(x)).collect::<Vec<_>>();
        let y = scaled(resize("linear"), tensor(&[1, 2], &halves(&[0., 1.])), &[1., 3.]).unwrap();
        let third = 1.0f32 / 3.0;
        assert_tensor(&y, &tensor(&[1, 6], &halves(&[0., 0., third, 2.0 * third, 1., 1.])));
        let grid = Dequantized::on_grid(Tensor::scalar(0.5f32), Tensor::scalar(0i32), None);
        let x = || floats(&[1, 2], &[1., 2.]).with_dequantized(grid.clone());
        assert!(scaled(resize("nearest"), x(), &[1., 2.]).unwrap().dequantized().is_some());
        assert!(scaled(resize("linear"), x(), &[1., 2.]).unwrap().dequantized().is_none());
    }
}
