//! An operand with numbered dimensions, summed and multiplied.

use vairun_numeric::reduce::{Fold, rows};

use crate::common::axes::strides;
use crate::common::prelude::OpError;
use crate::common::sizes::result_len;
use crate::common::walk::offsets;
use vairun_tensor::DType;

/// Numbers over different dimensions, in row-major order. A dimension of 1 stands for any.
pub(super) struct Factor {
    numbers: Vec<f64>,
    labels: Vec<usize>,
    shape: Vec<usize>,
}

impl Factor {
    /// Of equal labels the diagonal is taken.
    pub(super) fn new(numbers: Vec<f64>, shape: &[usize], labels: &[usize]) -> Self {
        let whole = strides(shape);
        let (mut own, mut dims, mut steps): (Vec<usize>, Vec<usize>, Vec<usize>) =
            Default::default();
        for (i, &label) in labels.iter().enumerate() {
            let step = if shape[i] == 1 { 0 } else { whole[i] };
            match own.iter().position(|&known| known == label) {
                Some(at) => {
                    dims[at] = dims[at].max(shape[i]);
                    steps[at] += step;
                }
                None => {
                    own.push(label);
                    dims.push(shape[i]);
                    steps.push(step);
                }
            }
        }
        if own.len() == labels.len() {
            return Self { numbers, labels: own, shape: dims };
        }
        let diagonal = offsets(&dims, &steps).into_iter().map(|at| numbers[at]).collect();
        Self { numbers: diagonal, labels: own, shape: dims }
    }

    fn size(&self, label: usize) -> usize {
        self.labels.iter().position(|&own| own == label).map_or(1, |at| self.shape[at])
    }

    /// The numbers with dimensions in the order of `labels`, repeated where this one has 1 or none of `sizes`.
    fn ordered(&self, labels: &[usize], sizes: &[usize]) -> Vec<f64> {
        let whole = strides(&self.shape);
        let step = |&label: &usize| {
            let at = self.labels.iter().position(|&own| own == label);
            at.filter(|&at| self.shape[at] != 1).map_or(0, |at| whole[at])
        };
        let steps: Vec<_> = labels.iter().map(step).collect();
        let dims: Vec<_> = labels.iter().map(|&label| sizes[label]).collect();
        offsets(&dims, &steps).into_iter().map(|at| self.numbers[at]).collect()
    }

    /// Without the dimensions that nobody needs later.
    pub(super) fn summed(self, later: &dyn Fn(&usize) -> bool) -> Self {
        let (kept, gone): (Vec<usize>, Vec<usize>) =
            self.labels.iter().partition(|label| later(label));
        if gone.is_empty() {
            return self;
        }
        let order: Vec<_> = kept.iter().chain(&gone).copied().collect();
        let mut sizes = vec![1; order.iter().max().map_or(0, |most| most + 1)];
        self.labels.iter().zip(&self.shape).for_each(|(&label, &size)| sizes[label] = size);
        let length = gone.iter().map(|&label| self.size(label)).product();
        let numbers = self.ordered(&order, &sizes);
        let shape: Vec<_> = kept.iter().map(|&label| self.size(label)).collect();
        let numbers = match length {
            0 => vec![0.0; shape.iter().product()],
            length => rows(&numbers, length, adding(|x: f64| x)),
        };
        Self { numbers, labels: kept, shape }
    }

    /// The product, summed over what nobody needs later.
    pub(super) fn times(
        self,
        other: Self,
        later: &dyn Fn(&usize) -> bool,
        sizes: &[usize],
    ) -> Result<Self, OpError> {
        // What only one of them has, and nobody later, is summed first.
        let needed = |of: &Self, label: &usize| later(label) || of.labels.contains(label);
        let a = {
            let keep = |label: &usize| needed(&other, label);
            self.summed(&keep)
        };
        let b = {
            let keep = |label: &usize| needed(&a, label);
            other.summed(&keep)
        };
        let both = |label: &usize| a.labels.contains(label) && b.labels.contains(label);
        let of = |labels: &[usize], filter: &dyn Fn(&usize) -> bool| -> Vec<usize> {
            labels.iter().copied().filter(filter).collect()
        };
        let batch = of(&a.labels, &|label| both(label) && later(label));
        let inner = of(&a.labels, &|label| both(label) && !later(label));
        let (rows_of_a, rows_of_b) =
            (of(&a.labels, &|label| !both(label)), of(&b.labels, &|label| !both(label)));
        let count = |labels: &[usize]| labels.iter().map(|&label| sizes[label]).product::<usize>();
        let labels: Vec<_> = [&batch[..], &rows_of_a, &rows_of_b].concat();
        let shape: Vec<_> = labels.iter().map(|&label| sizes[label]).collect();
        let len = result_len(DType::F64, &shape)?;
        let length = count(&inner);
        for (batch, rows, own) in [(&batch, &rows_of_a, &a), (&batch, &rows_of_b, &b)] {
            let dims: Vec<_> = [&batch[..], rows, &inner].concat();
            let dims: Vec<_> = dims.iter().map(|&label| sizes[label]).collect();
            debug_assert!(own.labels.len() <= dims.len());
            result_len(DType::F64, &dims)?;
        }
        let (m, n) = (count(&rows_of_a), count(&rows_of_b));
        let left = a.ordered(&[&batch[..], &rows_of_a, &inner].concat(), sizes);
        let right = b.ordered(&[&batch[..], &rows_of_b, &inner].concat(), sizes);
        let mut numbers = Vec::with_capacity(len);
        if length == 0 {
            numbers.resize(len, 0.0);
        } else {
            for i in 0..count(&batch) {
                for row in left[i * m * length..].chunks_exact(length).take(m) {
                    let others = right[i * n * length..].chunks_exact(length).take(n);
                    numbers.extend(others.map(|other| dot(row, other)));
                }
            }
        }
        Ok(Self { numbers, labels, shape })
    }

    /// In the order of `output`, with every dimension at its size.
    pub(super) fn expanded(
        self,
        output: &[usize],
        sizes: &[usize],
    ) -> Result<(Vec<usize>, Vec<f64>), OpError> {
        let shape: Vec<_> = output.iter().map(|&label| sizes[label]).collect();
        result_len(DType::F64, &shape)?;
        Ok((shape, self.ordered(output, sizes)))
    }
}

fn adding<T>(
    map: impl Fn(T) -> f64,
) -> Fold<f64, impl Fn(f64, T) -> f64, impl Fn(f64, f64) -> f64> {
    Fold { identity: 0.0, step: move |sum, x| sum + map(x), join: |a, b| a + b }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut lanes = [0f64; 4];
    let (chunks, others) = (a.chunks_exact(4), b.chunks_exact(4));
    let rest: f64 = chunks.remainder().iter().zip(others.remainder()).map(|(a, b)| a * b).sum();
    for (a, b) in chunks.zip(others) {
        lanes.iter_mut().zip(a.iter().zip(b)).for_each(|(lane, (a, b))| *lane += a * b);
    }
    (lanes[0] + lanes[1]) + (lanes[2] + lanes[3]) + rest
}
