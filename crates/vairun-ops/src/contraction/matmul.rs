use vairun_numeric::contraction::{MatMulShape, matmul};
use vairun_numeric::kernel::{Codes, Isa, Output, Pairs, Width, Written};
use vairun_tensor::Tensor;

use super::finish::{Finish, finish};
use super::side::Side;
use crate::error::OpError;
use crate::operator::Inputs;

/// numpy's `matmul`: batches broadcast, a vector is a row on the left and a column on the right.
pub(super) fn run(inputs: &Inputs) -> Result<Option<Tensor>, OpError> {
    let (a, b) = (inputs.tensor(0, "A")?, inputs.tensor(1, "B")?);
    let (Some(a_side), Some(b_side)) = (Side::new(a), Side::new(b)) else { return Ok(None) };
    let along_sum = b_side.axis.is_some_and(|axis| axis + 1 != b.rank() || b.rank() == 1);
    if a_side.axis.is_some() || along_sum {
        return Ok(None);
    }
    let shapes = Shapes::new(a.shape(), b.shape())?;
    let Shapes { k, n, .. } = shapes;
    let Some(scales) = a_side.product(&b_side, n) else { return Ok(None) };
    let Some(finishes) = Finish::all(&scales, None) else { return Ok(None) };
    let Tasks { m, starts } = shapes.tasks();
    if let (&[scale, ..], None) = (&scales[..], b_side.axis) {
        let (zeros, output, width) = ([0, 0], Output::Real, Width::Words);
        let sizes = Pairs { m, k, n, zeros, scale, output, width, isa: Isa::best() };
        if let Some(y) = in_pairs(sizes, &starts, [&a_side, &b_side]) {
            return Ok(Some(Tensor::new(&shapes.shape, y)?));
        }
    }
    let product = MatMulShape { m, k, n, a_transposed: false, b_transposed: false };
    let mut out = Vec::with_capacity(starts.len() * m * n);
    for (a_start, b_start) in starts {
        let (a, b) = (a_side.part(a_start, m * k), b_side.part(b_start, k * n));
        let Some(sums) = matmul(product, &a, &b) else { return Ok(None) };
        out.extend(finish(&sums, &finishes, 1));
    }
    Ok(Some(Tensor::new(&shapes.shape, out)?))
}

/// The numbers of the products by the kernel for them, which takes one scale for all columns and codes of 8 bits.
fn in_pairs(sizes: Pairs, starts: &[(usize, usize)], sides: [&Side; 2]) -> Option<Vec<f32>> {
    let [a, b] = sides.map(Side::stored);
    let ((a, a_zero), (b, b_zero)) = (a?, b?);
    let reach = |zero: i32| i64::from(zero).abs().max((255 - i64::from(zero)).abs());
    let width = Width::of(sizes.k, [reach(a_zero), reach(b_zero)])?;
    let mut y = vec![0f32; starts.len() * sizes.m * sizes.n];
    let sizes = Pairs { zeros: [a_zero, b_zero], width, ..sizes };
    sizes.run(starts, Codes::U8(&a), Codes::U8(&b), Written::F32(&mut y));
    Some(y)
}

/// The sizes of numpy's `matmul`.
#[derive(Clone, Debug)]
pub struct Shapes {
    /// The batches of each operand and of the result, of one rank.
    pub(crate) a: Vec<usize>,
    pub(crate) b: Vec<usize>,
    pub(crate) out: Vec<usize>,
    /// Rows of a.
    pub m: usize,
    /// Terms of a sum.
    pub k: usize,
    /// Columns of b.
    pub n: usize,
    /// The shape of the result.
    pub shape: Vec<usize>,
}

impl Shapes {
    /// Of operands of these shapes.
    ///
    /// # Errors
    /// Shapes that do not fit each other, or a result that is too large.
    pub fn new(a: &[usize], b: &[usize]) -> Result<Self, OpError> {
        let wrong = || OpError::Shape {
            input: "A".into(),
            got: a.to_vec(),
            expected: format!("one that multiplies with B {b:?}"),
        };
        let (a_batch, m, k) = match a {
            [] => return Err(wrong()),
            &[k] => (&[][..], None, k),
            [batch @ .., m, k] => (batch, Some(*m), *k),
        };
        let (b_batch, rows, n) = match b {
            [] => return Err(wrong()),
            &[rows] => (&[][..], rows, None),
            [batch @ .., rows, n] => (batch, *rows, Some(*n)),
        };
        let rank = a_batch.len().max(b_batch.len());
        let padded = |batch: &[usize]| [&vec![1; rank - batch.len()][..], batch].concat();
        let (a_batch, b_batch) = (padded(a_batch), padded(b_batch));
        let out: Option<Vec<usize>> =
            a_batch.iter().zip(&b_batch).map(|pair| broadcast(*pair.0, *pair.1)).collect();
        let out = out.filter(|_| rows == k).ok_or_else(wrong)?;
        let shape: Vec<usize> = out.iter().copied().chain(m).chain(n).collect();
        let count = shape.iter().try_fold(1usize, |count, &d| count.checked_mul(d));
        if count.is_none_or(|count| count > isize::MAX as usize / 16) {
            return Err(OpError::TooLarge(shape));
        }
        Ok(Self { a: a_batch, b: b_batch, out, m: m.unwrap_or(1), k, n: n.unwrap_or(1), shape })
    }
}

/// The matrix products that make a result, in its order.
#[derive(Clone, Debug)]
pub struct Tasks {
    /// Rows of each.
    pub m: usize,
    /// Where the matrices of both operands start, in elements.
    pub starts: Vec<(usize, usize)>,
}

impl Shapes {
    /// The rows of a, all its batches one after the other, where one matrix of `rank` dimensions is on the right of all.
    pub(crate) fn tall(&self, rank: usize) -> Option<usize> {
        let one = rank >= 2 && self.b.iter().all(|&d| d == 1) && self.out == self.a;
        one.then(|| self.m * self.a.iter().product::<usize>())
    }

    /// A matrix on the right that is the same for all batches of a meets them as one tall matrix.
    pub fn tasks(&self) -> Tasks {
        let Self { a, b, out, m, k, n, .. } = self;
        let batches: usize = out.iter().product();
        if batches == 0 {
            return Tasks { m: *m, starts: Vec::new() };
        }
        if b.iter().all(|&d| d == 1) && a == out {
            return Tasks { m: batches * m, starts: vec![(0, 0)] };
        }
        let start = |task| (place(task, out, a) * m * k, place(task, out, b) * k * n);
        Tasks { m: *m, starts: (0..batches).map(start).collect() }
    }
}

fn broadcast(a: usize, b: usize) -> Option<usize> {
    match (a, b) {
        (a, b) if a == b => Some(a),
        (1, b) => Some(b),
        (a, 1) => Some(a),
        _ => None,
    }
}

/// The matrix of an operand with batches `own` that belongs to matrix `at` of the result.
pub(crate) fn place(mut at: usize, batch: &[usize], own: &[usize]) -> usize {
    let (mut place, mut step) = (0, 1);
    for (&length, &own) in batch.iter().zip(own).rev() {
        place += step * (at % length).min(own - 1);
        step *= own;
        at /= length;
    }
    place
}
