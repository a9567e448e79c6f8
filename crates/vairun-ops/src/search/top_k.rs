//! `TopK`: the k largest or smallest elements along an axis, and where they stand.
//!
//! | | name | type    | shape |
//! |-|------|---------|-------|
//! | 0 | `X` | numbers | rank 1 or more |
//! | 1 | `K` | int64   | one element; an attribute before opset 10 |
//! | → 0 | `Values`  | as `X` | `X` with `axis` of k |
//! | → 1 | `Indices` | int64  | as `Values` |
//!
//! Attributes: `axis` (int, -1); `largest` (int, 1), `sorted` (int, 1), both of opset 11. Of equal elements the one with
//! the lower index comes first. NaN counts as larger than every number. Unsorted results are sorted too.
//!
//! Source: <https://onnx.ai/onnx/operators/onnx__TopK.html>.

use std::cmp::Ordering;

use crate::common::axes::{around, axis};
use crate::common::dispatch::with_number;
use crate::common::number::Number;
use crate::common::parameters::{Ints, one_element};
use crate::common::prelude::*;
use crate::common::sizes::{dim, result_len};
use crate::common::types::{INDICES, NUMBERS};

/// `TopK`.
pub static DEF: OpDef = OpDef {
    names: &[("", "TopK")],
    opsets: 1..=LATEST,
    summary: "the k largest or smallest elements along an axis",
    types: "X numbers; K int64",
    grade: Grade::Exact("ONNX"),
    build,
};

struct TopK {
    axis: i64,
    k: Ints,
    largest: bool,
}

fn build(spec: &NodeSpec, attrs: &Attrs) -> Built {
    let axis = attrs.int("axis")?.unwrap_or(-1);
    if spec.op.opset < 10 {
        spec.expect_inputs(1..=1)?;
        let k = attrs.int("k")?.ok_or_else(|| BuildError::MissingAttribute("k".into()))?;
        return Ok(Box::new(TopK { axis, k: Ints::Attribute(Some(vec![k])), largest: true }));
    }
    spec.expect_inputs(2..=2)?;
    let largest = spec.op.opset < 11 || attrs.flag("largest")?.unwrap_or(true);
    if spec.op.opset >= 11 {
        attrs.flag("sorted")?;
    }
    Ok(Box::new(TopK { axis, k: Ints::Input(1), largest }))
}

impl Operator for TopK {
    fn run(&self, inputs: Inputs, _: &mut dyn Context) -> Result<Outputs, OpError> {
        let x = inputs.tensor(0, "X")?;
        let axis = axis(self.axis, x.rank())?;
        let (_, length, inner) = around(x.shape(), axis);
        let k = match self.k.read(&inputs, "K")?.as_deref() {
            Some(&[k]) => dim(k, "K")?,
            _ => return Err(one_element(inputs.tensor(1, "K")?, "K")),
        };
        if k > length {
            return Err(wrong_value("K", k, format!("at most {length}, the length of the axis")));
        }
        let mut shape = x.shape().to_vec();
        shape[axis] = k;
        let len = result_len(DType::I64, &shape)?;
        with_number!(x.dtype(), "X", T => {
            let elements = x.as_slice::<T>()?;
            let places = self.places(elements, (length, inner), k, len);
            let values = places.iter().map(|&(at, _)| elements[at]).collect();
            let indices = places.iter().map(|&(_, index)| index as i64).collect();
            Ok(vec![Tensor::new(&shape, values)?.into(), Tensor::new(&shape, indices)?.into()])
        })
    }

    fn output_dtypes(&self, inputs: &[Option<DType>]) -> DTypes {
        INDICES.check(inputs, 1, "K")?;
        Ok(vec![NUMBERS.check(inputs, 0, "X")?, Some(DType::I64)])
    }
}

impl TopK {
    /// For each element of the result where it stands in `x`, and its index along the axis.
    fn places<T: Number>(
        &self,
        x: &[T],
        (length, inner): (usize, usize),
        k: usize,
        len: usize,
    ) -> Vec<(usize, usize)> {
        let mut found = vec![(0, 0); len];
        if len == 0 {
            return found;
        }
        let mut order: Vec<usize> = Vec::with_capacity(length);
        for (outer, into) in found.chunks_exact_mut(k * inner).enumerate() {
            for column in 0..inner {
                let at = |i: usize| (outer * length + i) * inner + column;
                let compare =
                    |&a: &usize, &b: &usize| self.order(x[at(a)], x[at(b)]).then(a.cmp(&b));
                order.clear();
                order.extend(0..length);
                if k < length {
                    order.select_nth_unstable_by(k, compare);
                }
                let best = &mut order[..k];
                best.sort_unstable_by(compare);
                for (rank, &i) in best.iter().enumerate() {
                    into[rank * inner + column] = (at(i), i);
                }
            }
        }
        found
    }

    fn order<T: Number>(&self, a: T, b: T) -> Ordering {
        let ascending = a.partial_cmp(&b).unwrap_or_else(|| a.is_nan().cmp(&b.is_nan()));
        if self.largest { ascending.reverse() } else { ascending }
    }
}

#[cfg(test)]
mod tests {
    use vairun_tensor::Tensor;

    use crate::common::testing::*;

    fn top(case: Case, x: Tensor, k: i64) -> (Tensor, Tensor) {
        let inputs = vec![Some(x.into()), Some(ints(&[k]).into())];
        let mut y = case.outputs(2).try_run_values(inputs).unwrap();
        let indices = y.remove(1).into_tensor().unwrap();
        (y.remove(0).into_tensor().unwrap(), indices)
    }

    #[test]
    fn equal_elements_keep_their_order() {
        let x = || floats(&[1, 4], &[1.0, 3.0, 3.0, 2.0]);
        let (values, indices) = top(node("TopK"), x(), 3);
        assert_tensor(&values, &floats(&[1, 3], &[3.0, 3.0, 2.0]));
        assert_tensor(&indices, &tensor(&[1, 3], &[1i64, 2, 3]));
        let (values, _) = top(node("TopK").int("largest", 0), x(), 2);
        assert_tensor(&values, &floats(&[1, 2], &[1.0, 2.0]));
    }

    #[test]
    fn along_an_outer_axis() {
        let (values, indices) = top(node("TopK").int("axis", 0), count_up(&[3, 2]), 1);
        assert_tensor(&values, &floats(&[1, 2], &[4.0, 5.0]));
        assert_tensor(&indices, &tensor(&[1, 2], &[2i64, 2]));
    }

    #[test]
    fn nan_is_largest() {
        let (_, indices) = top(node("TopK"), floats(&[3], &[1.0, f32::NAN, f32::INFINITY]), 2);
        assert_tensor(&indices, &ints(&[1, 2]));
    }

    #[test]
    fn k_is_at_most_the_length() {
        let error = node("TopK").error([count_up(&[2]), ints(&[3])]);
        assert_eq!(error, "K is 3, expected at most 2, the length of the axis");
    }
}
