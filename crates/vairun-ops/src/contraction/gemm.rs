use vairun_numeric::contraction::{MatMulShape, matmul};
use vairun_numeric::kernel::{Isa, Output};
use vairun_tensor::Tensor;

use super::finish::{Finish, finish};
use super::packed::{Matrix, Packed, PackedInput, Plan, Rule, Terms};
use super::side::Side;
use crate::attrs::Attrs;
use crate::error::{BuildError, OpError};
use crate::operator::Inputs;

/// `alpha · A' · B' + C`, alpha a power of two: it only moves the exponent of the scale.
#[derive(Clone, Copy, Debug)]
pub(super) struct Gemm {
    alpha: f32,
    /// Whether C is scaled by something else than 1.
    scales_c: bool,
    a_transposed: bool,
    b_transposed: bool,
}

impl Gemm {
    pub(super) fn read(attrs: &Attrs) -> Result<Option<Self>, BuildError> {
        let gemm = Self {
            alpha: attrs.float("alpha")?.unwrap_or(1.0),
            scales_c: attrs.float("beta")?.unwrap_or(1.0) != 1.0,
            a_transposed: attrs.int("transA")?.unwrap_or(0) != 0,
            b_transposed: attrs.int("transB")?.unwrap_or(0) != 0,
        };
        let mantissa = gemm.alpha.to_bits() & 0x007f_ffff;
        Ok((gemm.alpha.is_normal() && mantissa == 0).then_some(gemm))
    }

    pub(super) fn run(self, inputs: &Inputs) -> Result<Option<Tensor>, OpError> {
        let (a, b, c) = (inputs.tensor(0, "A")?, inputs.tensor(1, "B")?, inputs.optional(2)?);
        let (Some(a_side), Some(b_side)) = (Side::new(a), Side::new(b)) else { return Ok(None) };
        let columns = usize::from(!self.b_transposed);
        let along_sum = b_side.axis.is_some_and(|axis| axis != columns);
        if a_side.axis.is_some() || along_sum || (self.scales_c && c.is_some()) {
            return Ok(None);
        }
        let shape = self.shape(a.shape(), b.shape())?;
        let Some(scales) = a_side.product(&b_side, shape.n) else { return Ok(None) };
        let scales: Vec<f32> = scales.into_iter().map(|scale| scale * self.alpha).collect();
        if scales.iter().any(|scale| !scale.is_normal() && *scale != 0.0) {
            return Ok(None);
        }
        let per_column = c.filter(|c| is_per_column(c.shape(), shape.n));
        let Some(finishes) = Finish::all(&scales, per_column) else { return Ok(None) };
        let Some(sums) = matmul(shape, &a_side.operand(), &b_side.operand()) else {
            return Ok(None);
        };
        let mut out = finish(&sums, &finishes, 1);
        if let Some(c) = c.filter(|_| per_column.is_none()) {
            add(&mut out, shape, c)?;
        }
        Ok(Some(Tensor::new(&[shape.m, shape.n], out)?))
    }

    pub(super) fn pack(
        self,
        x: &PackedInput,
        w: &Tensor,
        bias: Option<&Tensor>,
        output: Output,
        isa: Isa,
    ) -> Result<Option<Packed>, OpError> {
        let shape = self.shape(&x.shape, w.shape())?;
        let absorbs = |c: &Tensor| !self.scales_c && is_per_column(c.shape(), shape.n);
        if self.a_transposed || !bias.is_none_or(absorbs) {
            return Ok(None);
        }
        let matrix = Matrix { m: shape.m, k: shape.k, n: shape.n, transposed: self.b_transposed };
        let Some(terms) = Terms::of(w, usize::from(!self.b_transposed)) else { return Ok(None) };
        let plan = Plan { x, rule: Rule::Numbers { bias, alpha: self.alpha }, output, isa };
        Ok(plan.matrix(&matrix, &terms, &[shape.m, shape.n]))
    }

    /// The shape of the result.
    pub(super) fn result(self, a: &[usize], b: &[usize]) -> Result<Vec<usize>, OpError> {
        self.shape(a, b).map(|shape| vec![shape.m, shape.n])
    }

    fn shape(self, a: &[usize], b: &[usize]) -> Result<MatMulShape, OpError> {
        let wrong =
            |expected: String| OpError::Shape { input: "A".into(), got: a.to_vec(), expected };
        let (&[a0, a1], &[b0, b1]) = (a, b) else {
            return Err(wrong(format!("two matrices; B has shape {b:?}")));
        };
        let (m, k) = if self.a_transposed { (a1, a0) } else { (a0, a1) };
        let (rows, n) = if self.b_transposed { (b1, b0) } else { (b0, b1) };
        if k != rows {
            return Err(wrong(format!("{rows} terms in each sum, for B {b:?}")));
        }
        let Self { a_transposed, b_transposed, .. } = self;
        Ok(MatMulShape { m, k, n, a_transposed, b_transposed })
    }
}

/// Whether C holds one element for each column, or one for all.
fn is_per_column(c: &[usize], n: usize) -> bool {
    let (last, outer) = c.split_last().map_or((1, &[][..]), |(&last, outer)| (last, outer));
    outer.iter().all(|&d| d == 1) && outer.len() < 2 && (last == 1 || last == n)
}

/// Adds C `[m, 1]` or `[m, n]` in f32.
fn add(out: &mut [f32], shape: MatMulShape, c: &Tensor) -> Result<(), OpError> {
    let MatMulShape { m, n, .. } = shape;
    let values = c.as_slice::<f32>()?;
    if c.shape() != [m, n] && c.shape() != [m, 1] {
        let expected = format!("one that broadcasts to [{m}, {n}]");
        return Err(OpError::Shape { input: "C".into(), got: c.shape().to_vec(), expected });
    }
    let width = c.shape()[1];
    for (row, out) in out.chunks_exact_mut(n.max(1)).enumerate() {
        let value = |j: usize| values[row * width + if width == 1 { 0 } else { j }];
        out.iter_mut().enumerate().for_each(|(j, out)| *out += value(j));
    }
    Ok(())
}
