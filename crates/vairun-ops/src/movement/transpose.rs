//! `Transpose`: the dimensions in another order.
//!
//! `transposed.shape[i] = data.shape[perm[i]]`. Attributes: `perm` (ints, the reverse order).
//!
//! Source: <https://onnx.ai/onnx/operators/onnx__Transpose.html>.

use vairun_tensor::{DType, Tensor};

use crate::attrs::Attrs;
use crate::common::axes::{axes, strides};
use crate::common::dispatch::with_element;
use crate::common::movement::{AxisAfter, carry, strided};
use crate::common::{LATEST, one};
use crate::def::{Grade, OpDef};
use crate::error::{BuildError, OpError};
use crate::operator::{Context, Inputs, Operator, Outputs};
use crate::spec::NodeSpec;

/// `Transpose`.
pub static DEF: OpDef = OpDef {
    names: &[("", "Transpose")],
    opsets: 1..=LATEST,
    summary: "the dimensions in another order",
    types: "any",
    grade: Grade::Exact("ONNX"),
    build,
};

struct Transpose {
    perm: Option<Vec<i64>>,
}

fn build(spec: &NodeSpec, attrs: &Attrs) -> Result<Box<dyn Operator>, BuildError> {
    spec.expect_inputs(1..=1)?;
    Ok(Box::new(Transpose { perm: attrs.ints("perm")?.map(<[i64]>::to_vec) }))
}

impl Operator for Transpose {
    fn run(&self, mut inputs: Inputs, _: &mut dyn Context) -> Result<Outputs, OpError> {
        let data = inputs.take(0, "data")?;
        let perm = self.permutation(data.rank())?;
        one(transpose(&data, &perm)?)
    }

    fn output_dtypes(&self, inputs: &[Option<DType>]) -> Result<Vec<Option<DType>>, OpError> {
        Ok(vec![inputs.first().copied().flatten()])
    }
}

impl Transpose {
    fn permutation(&self, rank: usize) -> Result<Vec<usize>, OpError> {
        let Some(perm) = &self.perm else { return Ok((0..rank).rev().collect()) };
        if perm.len() != rank {
            return Err(OpError::Value {
                input: "perm".into(),
                got: format!("{perm:?}"),
                expected: format!("{rank} axes"),
            });
        }
        axes(perm, rank)
    }
}

/// `data` with dimension `perm[i]` at place `i`.
pub(crate) fn transpose(data: &Tensor, perm: &[usize]) -> Result<Tensor, OpError> {
    let shape: Vec<_> = perm.iter().map(|&axis| data.shape()[axis]).collect();
    let axis_after = |axis| {
        let place = perm.iter().position(|&from| from == axis);
        place.map_or(AxisAfter::Lost, AxisAfter::At)
    };
    let transposed = if keeps_order(data.shape(), perm) {
        data.reshaped(&shape)?.without_dequantized()
    } else if let (DType::F32, Some((rows, columns))) = (data.dtype(), matrices(data.shape(), perm))
    {
        let mut out = vec![0f32; data.len()];
        vairun_numeric::kernel::transpose(data.as_slice()?, rows, columns, &mut out);
        Tensor::new(&shape, out)?
    } else {
        with_element!(data.dtype(), T => {
            let elements = permuted(data.as_slice::<T>()?, data.shape(), perm);
            Tensor::with_dtype(data.dtype(), &shape, elements)?
        })
    };
    Ok(carry(data, axis_after, transposed))
}

/// Whether only dimensions of 1 change places.
fn keeps_order(shape: &[usize], perm: &[usize]) -> bool {
    perm.iter().filter(|&&axis| shape[axis] != 1).is_sorted()
}

/// The rows and columns that change places, where nothing else does.
fn matrices(shape: &[usize], perm: &[usize]) -> Option<(usize, usize)> {
    let (shape, perm) = merged(shape, perm);
    match (&shape[..], &perm[..]) {
        (&[rows, columns], [1, 0]) | (&[_, rows, columns], [0, 2, 1]) => Some((rows, columns)),
        _ => None,
    }
}

/// Columns that are read together: a cache line of the widest element.
const TILE: usize = 16;

fn permuted<T: Clone>(from: &[T], shape: &[usize], perm: &[usize]) -> Vec<T> {
    let (shape, perm) = merged(shape, perm);
    let steps = strides(&shape);
    let shape: Vec<_> = perm.iter().map(|&axis| shape[axis]).collect();
    let steps: Vec<_> = perm.iter().map(|&axis| steps[axis]).collect();
    match (&shape[..], &steps[..]) {
        // Stacks of matrices: read and write whole cache lines.
        (&[rows, columns], &[1, pitch]) => stack(from, 1, 0, rows, columns, pitch),
        (&[count, rows, columns], &[stride, 1, pitch]) => {
            stack(from, count, stride, rows, columns, pitch)
        }
        _ => {
            let steps: Vec<_> = steps.iter().map(|&step| step as isize).collect();
            strided(from, 0, &shape, &steps, from.len())
        }
    }
}

/// The same permutation with dimensions that stay neighbours made one, and without dimensions of 1.
fn merged(shape: &[usize], perm: &[usize]) -> (Vec<usize>, Vec<usize>) {
    // Groups of input axes in the order of the result.
    let mut groups: Vec<Vec<usize>> = Vec::new();
    for &axis in perm.iter().filter(|&&axis| shape[axis] != 1) {
        match groups.last_mut() {
            Some(group) if follows(shape, group[group.len() - 1], axis) => group.push(axis),
            _ => groups.push(vec![axis]),
        }
    }
    let mut order: Vec<_> = groups.iter().map(|group| group[0]).collect();
    order.sort_unstable();
    let place = |axis| order.iter().position(|&first| first == axis).expect("every group is in it");
    let perm: Vec<_> = groups.iter().map(|group| place(group[0])).collect();
    let mut sizes = vec![1; groups.len()];
    for group in &groups {
        sizes[place(group[0])] = group.iter().map(|&axis| shape[axis]).product();
    }
    (sizes, perm)
}

/// Whether `next` comes right after `axis` but for dimensions of 1.
fn follows(shape: &[usize], axis: usize, next: usize) -> bool {
    axis < next && shape[axis + 1..next].iter().all(|&dim| dim == 1)
}

/// `out[n][r][c] = from[n·stride + r + c·pitch]`.
fn stack<T: Clone>(
    from: &[T],
    count: usize,
    stride: usize,
    rows: usize,
    columns: usize,
    pitch: usize,
) -> Vec<T> {
    // A full copy first: every place is written again, and no element needs a default.
    let mut out = from.to_vec();
    for n in 0..count {
        let from = &from[n * stride..];
        let out = &mut out[n * rows * columns..][..rows * columns];
        for start in (0..rows).step_by(TILE) {
            let end = rows.min(start + TILE);
            for c in 0..columns {
                let column = &from[c * pitch + start..c * pitch + end];
                for (r, value) in (start..end).zip(column) {
                    out[r * columns + c] = value.clone();
                }
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::common::testing::*;

    fn slow(from: &[f32], shape: &[usize], perm: &[usize]) -> Vec<f32> {
        let out_shape: Vec<_> = perm.iter().map(|&axis| shape[axis]).collect();
        let (steps, out_steps) = (strides(shape), strides(&out_shape));
        let value = |i: usize| {
            let place = |k: usize| i / out_steps[k] % out_shape[k] * steps[perm[k]];
            from[(0..perm.len()).map(place).sum::<usize>()]
        };
        (0..from.len()).map(value).collect()
    }

    #[test]
    fn every_permutation_of_four_dimensions() {
        let shape = [3, 2, 1, 35];
        let data = count_up(&shape);
        for code in 0..256usize {
            let perm: Vec<usize> = (0..4).map(|i| code >> (2 * i) & 3).collect();
            if (0..4).any(|axis| !perm.contains(&axis)) {
                continue;
            }
            let got = transpose(&data, &perm).unwrap();
            let want = slow(data.as_slice().unwrap(), &shape, &perm);
            assert_eq!(got.as_slice::<f32>().unwrap(), want, "{perm:?}");
        }
    }

    #[test]
    fn the_reverse_order_by_default() {
        let y = node("Transpose").run([count_up(&[2, 3])]);
        assert_tensor(&y, &floats(&[3, 2], &[0.0, 3.0, 1.0, 4.0, 2.0, 5.0]));
    }

    #[test]
    fn empty_tensors_have_a_new_shape() {
        let y = node("Transpose").ints("perm", &[2, 0, 1]).run([count_up(&[2, 0, 3])]);
        assert_eq!(y.shape(), [3, 2, 0]);
    }

    #[test]
    fn a_permutation_names_every_axis_once() {
        let error = |perm: &[i64]| node("Transpose").ints("perm", perm).error([count_up(&[2, 3])]);
        assert_eq!(error(&[0]), "perm is [0], expected 2 axes");
        assert!(error(&[0, 0]).contains("each axis once"));
    }

    #[test]
    fn narrow_types_keep_their_name() {
        let x = Tensor::with_dtype(DType::I4, &[1, 2], vec![-8i8, 7]).unwrap();
        assert_eq!(node("Transpose").run([x]).dtype(), DType::I4);
    }
}
