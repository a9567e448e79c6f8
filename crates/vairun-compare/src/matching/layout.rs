//! The orders in which tools write the elements of a tensor.

use vairun_tensor::{Carrier, Element, Tensor, bf16, f16};

use crate::measure::lanes;

/// How a file's elements stand to those of the model's tensor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Layout {
    /// As the report says it; empty for that of the model.
    pub(super) title: &'static str,
    /// The model's dimension that each dimension of the file is.
    axes: Vec<usize>,
    /// Whether height and width run backwards.
    flipped: bool,
}

/// The model's own order, then the others that a tensor of that rank may have; those of weights for constants alone.
pub(super) fn candidates(rank: usize, constant: bool) -> Vec<Layout> {
    let layout = |title, axes: &[usize], flipped| Layout { title, axes: axes.to_vec(), flipped };
    let mut list = vec![layout("", &(0..rank).collect::<Vec<_>>(), false)];
    if rank == 2 && constant {
        list.push(layout("transposed", &[1, 0], false));
    }
    if rank >= 3 {
        let axes: Vec<_> = [0].into_iter().chain(2..rank).chain([1]).collect();
        list.push(layout(if constant { "OHWI → OIHW" } else { "NHWC → NCHW" }, &axes, false));
    }
    if rank == 4 && constant {
        list.push(layout("HWIO → OIHW", &[2, 3, 1, 0], false));
        list.push(layout("IHWO → OIHW", &[1, 2, 3, 0], false));
        list.push(layout("HWOI → OIHW", &[2, 3, 0, 1], false));
        list.push(layout("OHWI → OIHW, flipped in H and W", &[0, 2, 3, 1], true));
        list.push(layout("IHWO → OIHW, flipped in H and W", &[1, 2, 3, 0], true));
    }
    list
}

impl Layout {
    /// The dimensions of the file for a tensor of `shape` in the model.
    pub(super) fn file_shape(&self, shape: &[usize]) -> Vec<usize> {
        self.axes.iter().map(|&axis| shape[axis]).collect()
    }

    fn is_plain(&self) -> bool {
        !self.flipped && self.axes.iter().enumerate().all(|(i, &axis)| i == axis)
    }

    /// The tensor of `shape` from elements in the file's order.
    pub(super) fn apply(&self, flat: &Tensor, shape: &[usize]) -> Option<Tensor> {
        if self.is_plain() {
            return flat.reshaped(shape).ok();
        }
        let order = self.order(shape);
        match flat.dtype().carrier() {
            Carrier::Bool => pick::<bool>(flat, shape, &order),
            Carrier::I8 => pick::<i8>(flat, shape, &order),
            Carrier::I16 => pick::<i16>(flat, shape, &order),
            Carrier::I32 => pick::<i32>(flat, shape, &order),
            Carrier::I64 => pick::<i64>(flat, shape, &order),
            Carrier::U8 => pick::<u8>(flat, shape, &order),
            Carrier::U16 => pick::<u16>(flat, shape, &order),
            Carrier::U32 => pick::<u32>(flat, shape, &order),
            Carrier::U64 => pick::<u64>(flat, shape, &order),
            Carrier::F16 => pick::<f16>(flat, shape, &order),
            Carrier::BF16 => pick::<bf16>(flat, shape, &order),
            Carrier::F32 => pick::<f32>(flat, shape, &order),
            Carrier::F64 => pick::<f64>(flat, shape, &order),
            Carrier::String => pick::<String>(flat, shape, &order),
        }
    }

    /// For each element of the model's tensor its place in the file.
    fn order(&self, shape: &[usize]) -> Vec<usize> {
        let mut strides = vec![0usize; shape.len()];
        let mut step = 1;
        for &axis in self.axes.iter().rev() {
            strides[axis] = step;
            step *= shape[axis];
        }
        let count: usize = shape.iter().product();
        let mut index = vec![0usize; shape.len()];
        let mut order = Vec::with_capacity(count);
        for _ in 0..count {
            order.push(self.place(&index, shape, &strides));
            for axis in (0..shape.len()).rev() {
                index[axis] += 1;
                if index[axis] < shape[axis] {
                    break;
                }
                index[axis] = 0;
            }
        }
        order
    }

    fn place(&self, index: &[usize], shape: &[usize], strides: &[usize]) -> usize {
        let at = |axis: usize| match self.flipped && axis >= 2 {
            true => shape[axis] - 1 - index[axis],
            false => index[axis],
        };
        strides.iter().enumerate().map(|(axis, stride)| at(axis) * stride).sum()
    }
}

fn pick<T: Element>(flat: &Tensor, shape: &[usize], order: &[usize]) -> Option<Tensor> {
    let data = flat.as_slice::<T>().ok()?;
    let picked = order.iter().map(|&place| data.get(place).cloned()).collect::<Option<Vec<T>>>()?;
    Tensor::with_dtype(flat.dtype(), shape, picked).ok()
}

/// How many elements of two tensors of the same shape are equal as numbers.
pub(super) fn agreement(a: &Tensor, b: &Tensor) -> usize {
    let (Some(a), Some(b)) = (lanes::to_f64(a), lanes::to_f64(b)) else { return 0 };
    a.iter().zip(&b).filter(|(a, b)| a == b || (a.is_nan() && b.is_nan())).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codes(n: usize) -> Tensor {
        Tensor::vector((0..n as i8).collect())
    }

    #[test]
    fn channels_come_from_the_end() {
        let layouts = candidates(4, false);
        let shape = [1, 2, 1, 3];
        assert_eq!(layouts[1].file_shape(&shape), [1, 1, 3, 2]);
        let tensor = layouts[1].apply(&codes(6), &shape).unwrap();
        assert_eq!(tensor.as_slice::<i8>().unwrap(), [0, 2, 4, 1, 3, 5]);
        assert_eq!(layouts[0].apply(&codes(6), &shape).unwrap().shape(), shape);
    }

    #[test]
    fn flipped_weights_run_backwards_in_height_and_width() {
        let flipped = candidates(4, true).into_iter().find(|layout| layout.flipped).unwrap();
        let tensor = flipped.apply(&codes(4), &[1, 1, 2, 2]).unwrap();
        assert_eq!(tensor.as_slice::<i8>().unwrap(), [3, 2, 1, 0]);
    }

    #[test]
    fn every_layout_is_a_rearrangement() {
        for rank in 0..6 {
            let shape: Vec<_> = (2..2 + rank).collect();
            let count: usize = shape.iter().product();
            for constant in [false, true] {
                for layout in candidates(rank, constant) {
                    let mut order = layout.order(&shape);
                    order.sort_unstable();
                    assert_eq!(order, (0..count).collect::<Vec<_>>(), "{layout:?}");
                }
            }
        }
    }
}
