//! `Unique`: the different elements, or slices along an axis.
//!
//! | | name | type | shape |
//! |-|------|------|-------|
//! | 0 | `X` | any | any |
//! | → 0 | `Y` | as `X` | `[n]`, or `X` with `axis` of n |
//! | → 1 | `indices` | int64 | `[n]`: where each stands first |
//! | → 2 | `inverse_indices` | int64 | for each element (slice) of `X`, its index in `Y` |
//! | → 3 | `counts` | int64 | `[n]` |
//!
//! Attributes: `sorted` (int, 1): in ascending order, else in the order of first appearance; `axis` (int; without it
//! the input is flattened). NaN are equal and come last.
//!
//! Source: <https://onnx.ai/onnx/operators/onnx__Unique.html>.

use std::cmp::Ordering;

use vairun_tensor::Element;

use crate::common::axes::{around, axis};
use crate::common::dispatch::with_element;
use crate::common::prelude::*;
use crate::movement::gather::gather;

/// `Unique`.
pub static DEF: OpDef = OpDef {
    names: &[("", "Unique")],
    opsets: 11..=LATEST,
    summary: "the different elements, or slices along an axis",
    types: "any",
    grade: Grade::Exact("ONNX"),
    build,
};

struct Unique {
    axis: Option<i64>,
    sorted: bool,
}

fn build(spec: &NodeSpec, attrs: &Attrs) -> Built {
    spec.expect_inputs(1..=1)?;
    let sorted = attrs.flag("sorted")?.unwrap_or(true);
    Ok(Box::new(Unique { axis: attrs.int("axis")?, sorted }))
}

impl Operator for Unique {
    fn run(&self, inputs: Inputs, _: &mut dyn Context) -> Result<Outputs, OpError> {
        let x = inputs.tensor(0, "X")?;
        let (x, axis) = match self.axis {
            Some(value) => (x.clone(), axis(value, x.rank())?),
            None => (x.reshaped(&[x.len()])?, 0),
        };
        let groups = with_element!(x.dtype(), T => {
            self.groups(x.as_slice::<T>()?, around(x.shape(), axis))
        });
        let firsts: Vec<usize> = groups.iter().map(|group| group[0]).collect();
        let mut shape = x.shape().to_vec();
        let mut inverse = vec![0i64; shape[axis]];
        shape[axis] = firsts.len();
        for (i, group) in (0i64..).zip(&groups) {
            group.iter().for_each(|&member| inverse[member] = i);
        }
        let numbers = |numbers: Vec<usize>| {
            Tensor::vector(numbers.into_iter().map(|n| n as i64).collect()).into()
        };
        Ok(vec![
            gather(&x, axis, &firsts, &shape)?.into(),
            numbers(firsts),
            Tensor::vector(inverse).into(),
            numbers(groups.iter().map(Vec::len).collect()),
        ])
    }

    fn output_dtypes(&self, inputs: &[Option<DType>]) -> DTypes {
        let int64 = Some(DType::I64);
        Ok(vec![inputs.first().copied().flatten(), int64, int64, int64])
    }
}

impl Unique {
    /// The indices of equal slices, each group in ascending order.
    fn groups<T: Element + PartialOrd>(
        &self,
        x: &[T],
        (outer, length, inner): (usize, usize, usize),
    ) -> Vec<Vec<usize>> {
        let compare = |a: usize, b: usize| {
            let row = |i: usize, o: usize| &x[(o * length + i) * inner..][..inner];
            let rows = (0..outer).map(|o| order(row(a, o), row(b, o)));
            rows.fold(Ordering::Equal, Ordering::then)
        };
        let mut sorted: Vec<usize> = (0..length).collect();
        sorted.sort_by(|&a, &b| compare(a, b).then(a.cmp(&b)));
        let mut groups: Vec<Vec<usize>> = Vec::new();
        for i in sorted {
            match groups.last_mut() {
                Some(group) if compare(group[0], i).is_eq() => group.push(i),
                _ => groups.push(vec![i]),
            }
        }
        if !self.sorted {
            groups.sort_by_key(|group| group[0]);
        }
        groups
    }
}

/// Lexicographic, NaN equal and last.
#[allow(clippy::eq_op)]
fn order<T: PartialOrd>(a: &[T], b: &[T]) -> Ordering {
    let one = |(a, b): (&T, &T)| a.partial_cmp(b).unwrap_or_else(|| (a != a).cmp(&(b != b)));
    a.iter().zip(b).map(one).find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
}

#[cfg(test)]
mod tests {
    use vairun_tensor::Tensor;

    use crate::common::testing::*;

    fn unique(case: Case, x: Tensor) -> Vec<Tensor> {
        let y = case.outputs(4).try_run_values(vec![Some(x.into())]).unwrap();
        y.into_iter().map(|y| y.into_tensor().unwrap()).collect()
    }

    #[test]
    fn sorted_or_in_order_of_appearance() {
        let x = || floats(&[2, 2], &[2.0, 1.0, 1.0, 3.0]);
        let y = unique(node("Unique"), x());
        assert_tensor(&y[0], &floats(&[3], &[1.0, 2.0, 3.0]));
        assert_tensor(&y[1], &ints(&[1, 0, 3]));
        assert_tensor(&y[2], &ints(&[1, 0, 0, 2]));
        assert_tensor(&y[3], &ints(&[2, 1, 1]));
        let y = unique(node("Unique").int("sorted", 0), x());
        assert_tensor(&y[0], &floats(&[3], &[2.0, 1.0, 3.0]));
    }

    #[test]
    fn slices_along_an_axis() {
        let x = floats(&[3, 2], &[1.0, 0.0, 1.0, 0.0, 0.0, 5.0]);
        let y = unique(node("Unique").int("axis", 0), x);
        assert_tensor(&y[0], &floats(&[2, 2], &[0.0, 5.0, 1.0, 0.0]));
        assert_tensor(&y[2], &ints(&[1, 1, 0]));
    }

    #[test]
    fn nan_is_one_element() {
        let y = unique(node("Unique"), floats(&[3], &[f32::NAN, 1.0, f32::NAN]));
        assert_tensor(&y[3], &ints(&[1, 2]));
    }
}
