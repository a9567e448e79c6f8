//! `ReverseSequence`: the first elements of each sequence of a batch backwards.
//!
//! | | name            | type  | shape |
//! |-|-----------------|-------|-------|
//! | 0 | `input`         | any | rank 2 or more |
//! | 1 | `sequence_lens` | int64 | `[batch]`, each at most the time |
//! | → | `Y`             | as `input` | as `input` |
//!
//! Attributes: `batch_axis` (int, 1), `time_axis` (int, 0): 0 and 1 in either order.
//!
//! Source: <https://onnx.ai/onnx/operators/onnx__ReverseSequence.html>.

use crate::common::dispatch::with_element;
use crate::common::movement::{AxisAfter, carry};
use crate::common::parameters::integers;
use crate::common::prelude::*;
use crate::common::types::INDICES;

/// `ReverseSequence`.
pub static DEF: OpDef = OpDef {
    names: &[("", "ReverseSequence")],
    opsets: 10..=LATEST,
    summary: "the first elements of each sequence of a batch backwards",
    types: "input any; sequence_lens int64",
    grade: Grade::Exact("ONNX"),
    build,
};

struct ReverseSequence {
    time_first: bool,
}

fn build(spec: &NodeSpec, attrs: &Attrs) -> Built {
    spec.expect_inputs(2..=2)?;
    let batch = attrs.int("batch_axis")?.unwrap_or(1);
    let time = attrs.int("time_axis")?.unwrap_or(0);
    match (time, batch) {
        (0, 1) | (1, 0) => Ok(Box::new(ReverseSequence { time_first: time == 0 })),
        _ => Err(Attrs::value("time_axis, batch_axis", format!("{time}, {batch}"), "0 and 1")),
    }
}

impl Operator for ReverseSequence {
    fn run(&self, inputs: Inputs, _: &mut dyn Context) -> Result<Outputs, OpError> {
        let x = inputs.tensor(0, "input")?;
        let lengths = integers(inputs.tensor(1, "sequence_lens")?, "sequence_lens")?;
        let [first, second, rest @ ..] = x.shape() else {
            return Err(wrong_shape("input", x.shape(), "rank 2 or more"));
        };
        let (time, batch) = if self.time_first { (*first, *second) } else { (*second, *first) };
        let fits = |&length: &i64| usize::try_from(length).is_ok_and(|length| length <= time);
        if lengths.len() != batch || !lengths.iter().all(fits) {
            let expected = format!("{batch} lengths of at most {time}");
            return Err(wrong_value("sequence_lens", format!("{lengths:?}"), expected));
        }
        let run: usize = rest.iter().product();
        let y = with_element!(x.dtype(), T => {
            let elements = x.as_slice::<T>()?;
            let mut out = Vec::with_capacity(x.len());
            for i in 0..first * second {
                let (t, b) = if self.time_first { (i / batch, i % batch) } else { (i % time, i / time) };
                let length = lengths[b] as usize;
                let from = if t < length { length - 1 - t } else { t };
                let place = if self.time_first { from * batch + b } else { b * time + from };
                out.extend_from_slice(&elements[place * run..(place + 1) * run]);
            }
            Tensor::with_dtype(x.dtype(), x.shape(), out)?
        });
        one(carry(x, |axis| if axis > 1 { AxisAfter::At(axis) } else { AxisAfter::Lost }, y))
    }

    fn output_dtypes(&self, inputs: &[Option<DType>]) -> DTypes {
        INDICES.check(inputs, 1, "sequence_lens")?;
        Ok(vec![inputs.first().copied().flatten()])
    }
}

#[cfg(test)]
mod tests {
    use crate::common::testing::*;

    #[test]
    fn each_sequence_has_its_length() {
        let y = node("ReverseSequence").run([count_up(&[3, 2]), ints(&[2, 3])]);
        assert_tensor(&y, &floats(&[3, 2], &[2.0, 5.0, 0.0, 3.0, 4.0, 1.0]));
        let y = node("ReverseSequence")
            .int("time_axis", 1)
            .int("batch_axis", 0)
            .run([count_up(&[2, 3]), ints(&[1, 2])]);
        assert_tensor(&y, &floats(&[2, 3], &[0.0, 1.0, 2.0, 4.0, 3.0, 5.0]));
    }

    #[test]
    fn lengths_must_fit() {
        let error = node("ReverseSequence").error([count_up(&[3, 2]), ints(&[2, 4])]);
        assert_eq!(error, "sequence_lens is [2, 4], expected 2 lengths of at most 3");
    }
}
