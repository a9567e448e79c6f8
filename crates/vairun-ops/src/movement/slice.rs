//! `Slice`: a block of a tensor, with steps.
//!
//! Along each of `axes`: the elements `start`, `start + step`, … before `end`. Negative ends count from the end; then
//! they are clamped, to `0..=n` for positive steps and to `-1..=n-1` for negative ones.
//!
//! | | name     | type         | shape |
//! |-|----------|--------------|-------|
//! | 0 | `data`   | any          | any   |
//! | 1 | `starts` | int32, int64 | `[k]` |
//! | 2 | `ends`   | int32, int64 | `[k]` |
//! | 3 | `axes`   | int32, int64 | `[k]`, optional: the first k |
//! | 4 | `steps`  | int32, int64 | `[k]`, optional: 1; not 0 |
//! | → | `output` | as `data`    |       |
//!
//! Before opset 10 `starts`, `ends` and `axes` are attributes.
//!
//! Source: <https://onnx.ai/onnx/operators/onnx__Slice.html>.

use vairun_tensor::{DType, Tensor};

use crate::attrs::Attrs;
use crate::common::axes::{axes, strides};
use crate::common::dispatch::with_element;
use crate::common::movement::{AxisAfter, carry, strided};
use crate::common::parameters::Ints;
use crate::common::sizes::result_len;
use crate::common::types::INDICES;
use crate::common::{LATEST, one};
use crate::def::{Grade, OpDef};
use crate::error::{BuildError, OpError};
use crate::operator::{Context, Inputs, Operator, Outputs};
use crate::spec::NodeSpec;

/// `Slice`.
pub static DEF: OpDef = OpDef {
    names: &[("", "Slice")],
    opsets: 1..=LATEST,
    summary: "a block of a tensor, with steps",
    types: "data any; starts, ends, axes, steps int32, int64",
    grade: Grade::Exact("ONNX"),
    build,
};

struct Slice {
    starts: Ints,
    ends: Ints,
    axes: Ints,
    steps: Ints,
}

fn build(spec: &NodeSpec, attrs: &Attrs) -> Result<Box<dyn Operator>, BuildError> {
    if spec.op.opset >= 10 {
        spec.expect_inputs(3..=5)?;
        let [starts, ends, axes, steps] = [1, 2, 3, 4].map(Ints::Input);
        return Ok(Box::new(Slice { starts, ends, axes, steps }));
    }
    spec.expect_inputs(1..=1)?;
    let list = |name| Ok::<_, BuildError>(attrs.ints(name)?.map(<[i64]>::to_vec));
    let required =
        |name: &'static str| list(name)?.ok_or_else(|| BuildError::MissingAttribute(name.into()));
    Ok(Box::new(Slice {
        starts: Ints::Attribute(Some(required("starts")?)),
        ends: Ints::Attribute(Some(required("ends")?)),
        axes: Ints::Attribute(list("axes")?),
        steps: Ints::Attribute(None),
    }))
}

impl Operator for Slice {
    fn run(&self, inputs: Inputs, _: &mut dyn Context) -> Result<Outputs, OpError> {
        let data = inputs.tensor(0, "data")?;
        let block = self.block(&inputs, data.shape())?;
        let axis_after = |axis: usize| {
            let range = block.ranges[axis];
            let whole = range.start == 0 && range.step == 1 && range.len == data.shape()[axis];
            if whole { AxisAfter::At(axis) } else { AxisAfter::Lost }
        };
        one(carry(data, axis_after, block.copy(data)?))
    }

    fn output_dtypes(&self, inputs: &[Option<DType>]) -> Result<Vec<Option<DType>>, OpError> {
        for (index, name) in [(1, "starts"), (2, "ends"), (3, "axes"), (4, "steps")] {
            INDICES.check(inputs, index, name)?;
        }
        Ok(vec![inputs.first().copied().flatten()])
    }
}

/// What is taken along one axis.
#[derive(Clone, Copy)]
struct Range {
    start: usize,
    step: isize,
    len: usize,
}

struct Block {
    ranges: Vec<Range>,
}

impl Slice {
    fn block(&self, inputs: &Inputs, shape: &[usize]) -> Result<Block, OpError> {
        let starts = self.starts.read(inputs, "starts")?.ok_or(OpError::Missing("starts"))?;
        let ends = self.ends.read(inputs, "ends")?.ok_or(OpError::Missing("ends"))?;
        let named = self.axes.read(inputs, "axes")?;
        let named = named.unwrap_or_else(|| (0..starts.len() as i64).collect());
        let steps = self.steps.read(inputs, "steps")?;
        let steps = steps.unwrap_or_else(|| vec![1; starts.len()]);
        let count = starts.len();
        for (name, got) in [("ends", ends.len()), ("axes", named.len()), ("steps", steps.len())] {
            if got != count {
                return Err(OpError::Shape {
                    input: name.into(),
                    got: vec![got],
                    expected: format!("[{count}], one for each of starts"),
                });
            }
        }
        let mut ranges: Vec<_> =
            shape.iter().map(|&len| Range { start: 0, step: 1, len }).collect();
        for (i, axis) in axes(&named, shape.len())?.into_iter().enumerate() {
            ranges[axis] = range(shape[axis], starts[i], ends[i], steps[i])?;
        }
        Ok(Block { ranges })
    }
}

fn range(length: usize, start: i64, end: i64, step: i64) -> Result<Range, OpError> {
    if step == 0 {
        return Err(OpError::Value {
            input: "steps".into(),
            got: "0".into(),
            expected: "a step forwards or backwards".into(),
        });
    }
    let n = length as i64;
    let from_start = |place: i64| if place < 0 { place.saturating_add(n) } else { place };
    let (low, high) = if step > 0 { (0, n) } else { (-1, n - 1) };
    let first = from_start(start).clamp(low.max(0), high.max(0));
    let end = from_start(end).clamp(low, high);
    let distance = if step > 0 { end - first } else { first - end };
    let len = if distance <= 0 { 0 } else { (distance - 1) as u64 / step.unsigned_abs() + 1 };
    let len = if length == 0 { 0 } else { len };
    Ok(Range { start: first as usize, step: step as isize, len: len as usize })
}

impl Block {
    fn copy(&self, data: &Tensor) -> Result<Tensor, OpError> {
        let shape: Vec<_> = self.ranges.iter().map(|range| range.len).collect();
        let len = result_len(data.dtype(), &shape)?;
        let strides = strides(data.shape());
        let start = self.ranges.iter().zip(&strides).map(|(range, stride)| range.start * stride);
        let start = start.sum();
        // A step is never taken where there is one element; it may be any number there.
        let step = |(range, &stride): (&Range, &usize)| {
            if range.len > 1 { range.step * stride as isize } else { 0 }
        };
        let steps: Vec<_> = self.ranges.iter().zip(&strides).map(step).collect();
        with_element!(data.dtype(), T => {
            let out = match len {
                0 => Vec::new(),
                _ => strided(data.as_slice::<T>()?, start, &shape, &steps, len),
            };
            Ok(Tensor::with_dtype(data.dtype(), &shape, out)?)
        })
    }
}

#[cfg(test)]
mod tests {
    use vairun_tensor::Tensor;

    use crate::common::testing::*;

    fn slice(starts: &[i64], ends: &[i64], axes: &[i64], steps: &[i64]) -> Tensor {
        node("Slice")
            .run([count_up(&[4, 5])].into_iter().chain([starts, ends, axes, steps].map(ints)))
    }

    fn row(start: i64, end: i64, step: i64) -> Vec<f32> {
        let y = node("Slice").run(
            [count_up(&[5])].into_iter().chain([[start], [end], [0], [step]].map(|v| ints(&v))),
        );
        y.as_slice::<f32>().unwrap().to_vec()
    }

    #[test]
    fn a_block_of_two_axes() {
        let y = slice(&[1, -2], &[3, i64::MAX], &[0, 1], &[1, 1]);
        assert_tensor(&y, &floats(&[2, 2], &[8.0, 9.0, 13.0, 14.0]));
    }

    #[test]
    fn negative_steps_walk_backwards() {
        assert_eq!(row(-1, i64::MIN, -2), [4.0, 2.0, 0.0]);
        assert_eq!(row(9, 1, -1), [4.0, 3.0, 2.0]);
        assert_eq!(row(3, -5, -1), [3.0, 2.0, 1.0]);
        assert_eq!(row(0, -6, -1), [0.0]);
    }

    #[test]
    fn ends_are_clamped() {
        assert_eq!(row(-9, 9, 2), [0.0, 2.0, 4.0]);
        assert_eq!(row(3, 2, 1), [0f32; 0]);
        assert_eq!(row(9, 9, 1), [0f32; 0]);
        assert_eq!(row(1, 2, i64::MAX), [1.0]);
        assert_eq!(row(1, 0, i64::MIN), [1.0]);
    }

    #[test]
    fn the_first_axes_by_default() {
        let y = node("Slice").run([count_up(&[2, 2]), ints(&[1]), ints(&[2])]);
        assert_tensor(&y, &floats(&[1, 2], &[2.0, 3.0]));
    }

    #[test]
    fn before_opset_10_everything_is_an_attribute() {
        let y = node("Slice")
            .opset(9)
            .ints("starts", &[1])
            .ints("ends", &[1000])
            .ints("axes", &[1])
            .run([count_up(&[2, 2])]);
        assert_tensor(&y, &floats(&[2, 1], &[1.0, 3.0]));
    }

    #[test]
    fn an_empty_dimension_stays_empty() {
        let y = node("Slice")
            .run([count_up(&[0])].into_iter().chain([[0], [5], [0], [-1]].map(|v| ints(&v))));
        assert_eq!(y.shape(), [0]);
    }

    #[test]
    fn a_step_of_zero_and_lists_of_two_lengths_are_refused() {
        let run = |lists: [&[i64]; 4]| {
            node("Slice").error([count_up(&[4])].into_iter().chain(lists.map(ints)))
        };
        assert!(run([&[0], &[1], &[0], &[0]]).contains("a step forwards or backwards"));
        assert!(run([&[0], &[1, 2], &[0], &[1]]).contains("[1], one for each of starts"));
    }
}
