//! `TensorScatter`: a cache with an update written into it.
//!
//! | | name | type | shape |
//! |-|------|------|-------|
//! | 0 | `past_cache` | any | `[b, .., n, ..]` |
//! | 1 | `update` | as `past_cache` | as `past_cache`, at most as long along `axis` |
//! | 2 | `write_indices` | int64 | `[b]`, optional: 0. Where each update starts |
//! | → | `present_cache` | as `past_cache` | as `past_cache` |
//!
//! Attributes: `axis` (int, -2; not the first), `mode` (`linear`, `circular`; `linear`): whether it goes on at the start.
//!
//! Source: <https://onnx.ai/onnx/operators/onnx__TensorScatter.html>.

use super::elements::Reduction;
use crate::common::axes::{around, axis};
use crate::common::parameters::integers;
use crate::common::prelude::*;
use crate::common::types::INDICES;

/// `TensorScatter`.
pub static DEF: OpDef = OpDef {
    names: &[("", "TensorScatter")],
    opsets: 24..=LATEST,
    summary: "a cache with an update written into it",
    types: "any; write_indices int64",
    grade: Grade::Exact("ONNX"),
    build,
};

struct TensorScatter {
    axis: i64,
    circular: bool,
}

fn build(spec: &NodeSpec, attrs: &Attrs) -> Built {
    spec.expect_inputs(2..=3)?;
    let circular = match attrs.string("mode")?.as_deref() {
        None | Some("linear") => false,
        Some("circular") => true,
        Some(other) => return Err(Attrs::value("mode", other, "linear or circular")),
    };
    Ok(Box::new(TensorScatter { axis: attrs.int("axis")?.unwrap_or(-2), circular }))
}

impl Operator for TensorScatter {
    fn run(&self, mut inputs: Inputs, _: &mut dyn Context) -> Result<Outputs, OpError> {
        let cache = inputs.take(0, "past_cache")?;
        let update = inputs.tensor(1, "update")?;
        let axis = axis(self.axis, cache.rank())?;
        let mut expected = cache.shape().to_vec();
        expected[axis] = update.shape().get(axis).copied().unwrap_or(0);
        if axis == 0 || update.shape() != expected || expected[axis] > cache.shape()[axis] {
            let expected = format!("{:?}, or less along axis {axis}", cache.shape());
            return Err(wrong_shape("update", update.shape(), expected));
        }
        let (outer, length, inner) = around(cache.shape(), axis);
        let batch = cache.shape()[0];
        let starts = match inputs.optional(2)? {
            Some(starts) => integers(starts, "write_indices")?,
            None => vec![0; batch],
        };
        let new = expected[axis];
        let room = if self.circular { length } else { length - new + 1 };
        let inside = |&start: &i64| usize::try_from(start).is_ok_and(|start| start < room.max(1));
        if starts.len() != batch || !starts.iter().all(inside) {
            let expected = format!("{batch} places below {room}");
            return Err(wrong_value("write_indices", format!("{starts:?}"), expected));
        }
        let mut places = Vec::with_capacity(outer * new);
        for row in 0..outer {
            let start = starts[row / (outer / batch.max(1)).max(1)] as usize;
            places.extend((0..new).map(|i| (row * length + (start + i) % length) * inner));
        }
        one(Reduction::None.scatter(cache, &places, inner, update)?)
    }

    fn output_dtypes(&self, inputs: &[Option<DType>]) -> DTypes {
        INDICES.check(inputs, 2, "write_indices")?;
        Ok(vec![inputs.first().copied().flatten()])
    }
}

#[cfg(test)]
mod tests {
    use crate::common::testing::*;

    #[test]
    fn linear_or_circular() {
        let run = |case: Case, start| {
            case.try_run([
                floats(&[1, 3, 1], &[0.0; 3]),
                floats(&[1, 2, 1], &[1.0, 2.0]),
                ints(&[start]),
            ])
        };
        let y = run(node("TensorScatter"), 1).unwrap();
        assert_tensor(&y, &floats(&[1, 3, 1], &[0.0, 1.0, 2.0]));
        let y = run(node("TensorScatter").text("mode", "circular"), 2).unwrap();
        assert_tensor(&y, &floats(&[1, 3, 1], &[2.0, 0.0, 1.0]));
        assert!(run(node("TensorScatter"), 2).is_err());
    }
}
