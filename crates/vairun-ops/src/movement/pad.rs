//! `Pad`: more, or fewer, elements at both ends of the axes.
//!
//! `pads = [begin of each axis…, end of each axis…]`; negative numbers cut. Modes: `constant`, `reflect` (without the
//! border), `edge`, `wrap` (opset 19). What is cut goes first; then the modes look at what is left.
//!
//! | | name             | type         | shape   |
//! |-|------------------|--------------|---------|
//! | 0 | `data`           | any          | any     |
//! | 1 | `pads`           | int64        | `[2 · axes]` |
//! | 2 | `constant_value` | as `data`    | one element; optional: 0, false, "" |
//! | 3 | `axes`           | int32, int64 | optional: all (opset 18) |
//! | → | `output`         | as `data`    |         |
//!
//! Before opset 11 `pads` (`paddings` in opset 1) and `value` are attributes.
//!
//! Source: <https://onnx.ai/onnx/operators/onnx__Pad.html>. For cut axes in other modes than `constant` no reference
//! agrees with another; they are refused.

use vairun_tensor::{DType, Tensor};

use crate::attrs::Attrs;
use crate::common::axes::{around, axes};
use crate::common::dispatch::{with_element, with_number};
use crate::common::number::Number;
use crate::common::parameters::{Ints, one_element};
use crate::common::sizes::result_len;
use crate::common::types::{INDICES, same_type};
use crate::common::{LATEST, one};
use crate::def::{Grade, OpDef};
use crate::error::{BuildError, OpError};
use crate::operator::{Context, Inputs, Operator, Outputs};
use crate::spec::NodeSpec;

/// `Pad`.
pub static DEF: OpDef = OpDef {
    names: &[("", "Pad")],
    opsets: 1..=LATEST,
    summary: "more elements at both ends of the axes",
    types: "data any",
    grade: Grade::Exact("onnxruntime 1.32"),
    build,
};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Constant,
    Reflect,
    Edge,
    Wrap,
}

struct Pad {
    mode: Mode,
    pads: Ints,
    /// The attribute of old opsets; later an input.
    value: Option<f32>,
}

fn build(spec: &NodeSpec, attrs: &Attrs) -> Result<Box<dyn Operator>, BuildError> {
    let opset = spec.op.opset;
    let mode = match attrs.string("mode")?.as_deref() {
        None | Some("constant") => Mode::Constant,
        Some("reflect") => Mode::Reflect,
        Some("edge") => Mode::Edge,
        Some("wrap") if opset >= 19 => Mode::Wrap,
        Some(other) => return Err(Attrs::value("mode", other, "constant, reflect, edge or wrap")),
    };
    if opset >= 11 {
        spec.expect_inputs(2..=if opset >= 18 { 4 } else { 3 })?;
        return Ok(Box::new(Pad { mode, pads: Ints::Input(1), value: None }));
    }
    spec.expect_inputs(1..=1)?;
    let name = if opset == 1 { "paddings" } else { "pads" };
    let pads = attrs.ints(name)?.ok_or_else(|| BuildError::MissingAttribute(name.into()))?;
    let value = Some(attrs.float("value")?.unwrap_or(0.0));
    Ok(Box::new(Pad { mode, pads: Ints::Attribute(Some(pads.to_vec())), value }))
}

impl Operator for Pad {
    fn run(&self, inputs: Inputs, _: &mut dyn Context) -> Result<Outputs, OpError> {
        let data = inputs.tensor(0, "data")?;
        let pads = self.pads(&inputs, data.rank())?;
        self.check(&pads, data.shape())?;
        let shape: Vec<_> =
            pads.iter().zip(data.shape()).map(|(pad, &dim)| pad.grow(dim)).collect();
        result_len(data.dtype(), &shape)?;
        let value = self.value(&inputs, data)?;
        let padded = pad(data, &pads, self.mode, &value)?;
        one(match self.stays_on_grid(data, &pads, &value) {
            Some(axis) => padded.on_grid_of(data, axis),
            None => padded,
        })
    }

    fn output_dtypes(&self, inputs: &[Option<DType>]) -> Result<Vec<Option<DType>>, OpError> {
        INDICES.check(inputs, 1, "pads")?;
        INDICES.check(inputs, 3, "axes")?;
        Ok(vec![inputs.first().copied().flatten()])
    }
}

/// What is added before and after; negative: cut.
#[derive(Clone, Copy, Default)]
struct Ends {
    before: i64,
    after: i64,
}

impl Ends {
    fn grow(self, dim: usize) -> usize {
        let grown = (dim as i64).saturating_add(self.before).saturating_add(self.after);
        usize::try_from(grown).unwrap_or(0)
    }
}

impl Pad {
    fn pads(&self, inputs: &Inputs, rank: usize) -> Result<Vec<Ends>, OpError> {
        let pads = self.pads.read(inputs, "pads")?.ok_or(OpError::Missing("pads"))?;
        let named = Ints::Input(3).read(inputs, "axes")?;
        let padded = match named {
            Some(named) => axes(&named, rank)?,
            None => (0..rank).collect(),
        };
        if pads.len() != 2 * padded.len() {
            return Err(OpError::Shape {
                input: "pads".into(),
                got: vec![pads.len()],
                expected: format!("[{}], two for each axis", 2 * padded.len()),
            });
        }
        let mut ends = vec![Ends::default(); rank];
        for (i, &axis) in padded.iter().enumerate() {
            ends[axis] = Ends { before: pads[i], after: pads[padded.len() + i] };
        }
        Ok(ends)
    }

    /// That the mode is defined for these numbers.
    fn check(&self, pads: &[Ends], shape: &[usize]) -> Result<(), OpError> {
        for (ends, &dim) in pads.iter().zip(shape) {
            let (n, Ends { before, after }) = (dim as i64, *ends);
            let wrong = |expected: &str| OpError::Value {
                input: "pads".into(),
                got: format!("{before}, {after} at a dimension of {dim}"),
                expected: expected.into(),
            };
            if n.saturating_add(before).saturating_add(after) < 0 || before < -n || after < -n {
                return Err(wrong("to cut no more than there is"));
            }
            let largest = before.max(after);
            match self.mode {
                Mode::Constant => {}
                _ if before.min(after) < 0 => return Err(wrong("to cut only in mode constant")),
                Mode::Reflect if largest > 0 && largest >= n => {
                    return Err(wrong("less than the dimension in mode reflect"));
                }
                _ if largest > 0 && n == 0 => {
                    return Err(wrong("an element to repeat, or mode constant"));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// The element to pad with, of the type of `data`.
    fn value(&self, inputs: &Inputs, data: &Tensor) -> Result<Tensor, OpError> {
        if let Some(value) = inputs.optional(2)? {
            same_type(data, value, "constant_value")?;
            return if value.len() == 1 {
                Ok(value.clone())
            } else {
                Err(one_element(value, "constant_value"))
            };
        }
        let Some(value) = self.value else { return zero(data.dtype()) };
        with_number!(data.dtype(), "data", T => {
            Ok(Tensor::scalar(<T as Number>::from_f64(value.into())))
        })
    }

    /// The axis of the scales, where what is put between the numbers is on their grid: one of them, or 0.
    fn stays_on_grid(&self, data: &Tensor, pads: &[Ends], value: &Tensor) -> Option<Option<usize>> {
        let axis = data.dequantized()?.axis;
        let scales_untouched =
            axis.is_none_or(|axis| (pads[axis].before, pads[axis].after) == (0, 0));
        let zero = value.as_scalar::<f32>() == Some(&0.0);
        (scales_untouched && (zero || self.mode != Mode::Constant)).then_some(axis)
    }
}

/// 0, false or the empty string; for the float8 and float4 types the bits 0 are 0 as well.
fn zero(dtype: DType) -> Result<Tensor, OpError> {
    with_element!(dtype, T => Ok(Tensor::with_dtype(dtype, &[], vec![T::default()])?))
}

fn pad(data: &Tensor, pads: &[Ends], mode: Mode, value: &Tensor) -> Result<Tensor, OpError> {
    let mut padded = data.clone().without_dequantized();
    for (axis, ends) in pads.iter().enumerate() {
        if (ends.before, ends.after) != (0, 0) {
            padded = pad_axis(&padded, axis, *ends, mode, value)?;
        }
    }
    Ok(padded)
}

fn pad_axis(
    data: &Tensor,
    axis: usize,
    ends: Ends,
    mode: Mode,
    value: &Tensor,
) -> Result<Tensor, OpError> {
    let (outer, length, inner) = around(data.shape(), axis);
    let mut shape = data.shape().to_vec();
    shape[axis] = ends.grow(length);
    let len = result_len(data.dtype(), &shape)?;
    let places: Vec<_> =
        (0..shape[axis] as i64).map(|i| place(i - ends.before, length as i64, mode)).collect();
    with_element!(data.dtype(), T => {
        let (elements, value) = (data.as_slice::<T>()?, &value.as_slice::<T>()?[0]);
        let mut out = Vec::with_capacity(len);
        for row in 0..outer {
            let row = &elements[row * length * inner..][..length * inner];
            for place in &places {
                match place {
                    Some(place) => out.extend_from_slice(&row[place * inner..][..inner]),
                    None => out.extend(std::iter::repeat_n(value.clone(), inner)),
                }
            }
        }
        Ok(Tensor::with_dtype(data.dtype(), &shape, out)?)
    })
}

/// Where the element at `i` of an axis of `n` comes from; `None`: the constant.
fn place(i: i64, n: i64, mode: Mode) -> Option<usize> {
    let place = match mode {
        Mode::Constant => return usize::try_from(i).ok().filter(|_| i < n),
        Mode::Edge => i.clamp(0, n - 1),
        Mode::Wrap => i.rem_euclid(n),
        Mode::Reflect if i < 0 => -i,
        Mode::Reflect if i >= n => 2 * (n - 1) - i,
        Mode::Reflect => i,
    };
    Some(place as usize)
}

#[cfg(test)]
mod tests {
    use vairun_tensor::Dequantized;

    use super::*;
    use crate::common::testing::*;

    fn row(mode: &str, before: i64, after: i64) -> Vec<f32> {
        let pads = ints(&[before, after]);
        let y = node("Pad").text("mode", mode).run([floats(&[3], &[1.0, 2.0, 3.0]), pads]);
        y.as_slice::<f32>().unwrap().to_vec()
    }

    #[test]
    fn each_mode_has_its_own_elements() {
        assert_eq!(row("constant", 1, 2), [0.0, 1.0, 2.0, 3.0, 0.0, 0.0]);
        assert_eq!(row("reflect", 2, 1), [3.0, 2.0, 1.0, 2.0, 3.0, 2.0]);
        assert_eq!(row("edge", 2, 1), [1.0, 1.0, 1.0, 2.0, 3.0, 3.0]);
        assert_eq!(row("wrap", 2, 4), [2.0, 3.0, 1.0, 2.0, 3.0, 1.0, 2.0, 3.0, 1.0]);
    }

    #[test]
    fn negative_pads_cut() {
        assert_eq!(row("constant", -1, 1), [2.0, 3.0, 0.0]);
        assert_eq!(row("constant", -1, -2), [0f32; 0]);
    }

    #[test]
    fn begins_come_before_ends() {
        let y = node("Pad").run([count_up(&[1, 1]), ints(&[0, 1, 2, 0]), Tensor::scalar(9f32)]);
        assert_tensor(&y, &floats(&[3, 2], &[9.0, 0.0, 9.0, 9.0, 9.0, 9.0]));
    }

    #[test]
    fn only_the_named_axes_are_padded() {
        let inputs = [count_up(&[1, 2]), ints(&[1, 0]), Tensor::scalar(7f32), ints(&[-1])];
        assert_tensor(&node("Pad").run(inputs), &floats(&[1, 3], &[7.0, 0.0, 1.0]));
    }

    #[test]
    fn opset_2_has_attributes() {
        let old = node("Pad").opset(2).ints("pads", &[0, 1]).float("value", 5.0);
        assert_tensor(&old.run([count_up(&[1])]), &floats(&[2], &[0.0, 5.0]));
    }

    #[test]
    fn what_is_not_defined_is_refused() {
        let error = |mode: &str, pads: &[i64]| {
            node("Pad").text("mode", mode).error([count_up(&[3]), ints(pads)])
        };
        assert!(error("reflect", &[3, 0]).contains("less than the dimension in mode reflect"));
        assert!(error("constant", &[-2, -2]).contains("to cut no more than there is"));
        assert!(error("edge", &[-1, 0]).contains("to cut only in mode constant"));
        assert!(error("constant", &[1]).contains("[2], two for each axis"));
        assert!(error("constant", &[1 << 40, 1 << 40]).contains("more than memory can hold"));
    }

    fn on_grid() -> Tensor {
        let (scale, zero_point) = (Tensor::scalar(1f32), Tensor::scalar(7i32));
        floats(&[1], &[2.0]).with_dequantized(Dequantized::on_grid(scale, zero_point, None))
    }

    #[test]
    fn padding_with_zero_stays_on_the_grid() {
        let y = node("Pad").run([on_grid(), ints(&[1, 0])]);
        assert_eq!(y.codes().unwrap().as_slice::<i8>().unwrap(), [7, 9]);
    }

    #[test]
    fn padding_with_another_number_leaves_it() {
        let y = node("Pad").run([on_grid(), ints(&[1, 0]), Tensor::scalar(0.5f32)]);
        assert!(y.dequantized().is_none());
    }
}
