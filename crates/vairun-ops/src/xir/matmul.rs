//! `matmul`: matrix products of the last two dimensions, each perhaps transposed; `inner-product`: `input` as a matrix
//! times `weights [out, …]`. An optional bias for each column.

use vairun_numeric::contraction::{self, Codes, MatMulShape, Operand, Sums};
use vairun_tensor::{Carrier, DType, Tensor};

use super::codes::{as_i64, codes, no_codes, with_code};
use super::grids::Grids;
use super::{Compute, EXECUTOR, def, node};
use crate::attrs::Attrs;
use crate::common::broadcast::{broadcast_shape, expanded};
use crate::def::OpDef;
use crate::error::{BuildError, OpError};
use crate::operator::{Inputs, Operator};
use crate::spec::NodeSpec;

/// `matmul`, `inner-product`.
pub static DEF: OpDef =
    def(&[("xir", "matmul"), ("xir", "inner-product")], "products of matrices", EXECUTOR, build);

struct MatMul {
    transpose_a: bool,
    transpose_b: bool,
    /// `inner-product`: the dimension from which on the input is one row.
    axis: Option<i64>,
}

fn build(spec: &NodeSpec, attrs: &Attrs) -> Result<Box<dyn Operator>, BuildError> {
    spec.expect_inputs(2..=3)?;
    let matmul = match spec.op.op_type.as_str() {
        "inner-product" => {
            let axis =
                attrs.int("axis")?.ok_or_else(|| BuildError::MissingAttribute("axis".into()))?;
            MatMul { transpose_a: false, transpose_b: true, axis: Some(axis) }
        }
        _ => MatMul {
            transpose_a: attrs.flag("transpose_a")?.unwrap_or(false),
            transpose_b: attrs.flag("transpose_b")?.unwrap_or(false),
            axis: None,
        },
    };
    node(spec, attrs, matmul)
}

/// The matrices of two operands: how many, and of what shape.
struct Matrices {
    batch: Vec<usize>,
    shape: MatMulShape,
}

impl MatMul {
    /// Both operands as matrices, and the shape of the result where that is not the matrices'.
    fn operands(&self, a: &Tensor, b: &Tensor) -> Result<(Tensor, Tensor, Vec<usize>), OpError> {
        let Some(axis) = self.axis else { return Ok((a.clone(), b.clone(), Vec::new())) };
        let axis = crate::common::axes::axis(axis, a.rank())?;
        let rows: usize = a.shape()[..axis].iter().product();
        let outs = b.shape().first().copied().unwrap_or(0);
        if outs == 0 || rows == 0 {
            return Err(fits_not(a, b));
        }
        let (a2, b2) = (a.reshaped(&[rows, a.len() / rows])?, b.reshaped(&[outs, b.len() / outs])?);
        let shape = a.shape()[..axis].iter().copied().chain([outs]).collect();
        Ok((a2, b2, shape))
    }

    fn matrices(&self, a: &Tensor, b: &Tensor) -> Result<Matrices, OpError> {
        let ([a_batch @ .., a0, a1], [b_batch @ .., b0, b1]) = (a.shape(), b.shape()) else {
            return Err(fits_not(a, b));
        };
        let (m, k) = if self.transpose_a { (*a1, *a0) } else { (*a0, *a1) };
        let (inner, n) = if self.transpose_b { (*b1, *b0) } else { (*b0, *b1) };
        if k != inner {
            return Err(fits_not(a, b));
        }
        let (a_transposed, b_transposed) = (self.transpose_a, self.transpose_b);
        let shape = MatMulShape { m, k, n, a_transposed, b_transposed };
        Ok(Matrices { batch: broadcast_shape(&[a_batch, b_batch])?, shape })
    }
}

impl Compute for MatMul {
    fn compute(&self, grids: &Grids, inputs: Inputs) -> Result<Tensor, OpError> {
        let (a, b) = (inputs.tensor(0, "input")?, inputs.tensor(1, "weights")?);
        let (a, b, declared) = self.operands(a, b)?;
        let Matrices { batch, shape } = self.matrices(&a, &b)?;
        let (numerator, divisor) = grids.product_ratio(0..2)?;
        let bias = match inputs.optional(2)? {
            Some(bias) => as_i64(bias, grids.multiplier(2)?)?,
            None => vec![0; shape.n],
        };
        if bias.len() != shape.n || divisor != 1 {
            let expected = format!("one for each of {} columns", shape.n);
            return Err(OpError::Shape { input: "bias".into(), got: vec![bias.len()], expected });
        }
        let whole = |tensor: &Tensor| [&batch[..], &tensor.shape()[tensor.rank() - 2..]].concat();
        let (a, b) = (expanded(&a, &whole(&a))?, expanded(&b, &whole(&b))?);
        let mut y = Vec::new();
        for i in 0..batch.iter().product() {
            let range = |n: usize| i * n..(i + 1) * n;
            let (left, right) =
                (part(&a, range(shape.m * shape.k))?, part(&b, range(shape.k * shape.n))?);
            let sums = product(shape, left, right)?;
            let add = |(i, sum): (usize, i64)| sum * numerator + bias[i % shape.n];
            y.extend(sums.to_i64().into_iter().enumerate().map(add));
        }
        let out = match declared.is_empty() {
            true => [&batch[..], &[shape.m, shape.n]].concat(),
            false => declared,
        };
        narrowed(grids, &out, y)
    }
}

fn product(shape: MatMulShape, a: Codes, b: Codes) -> Result<Sums, OpError> {
    let operand = |codes| Operand { codes, zero_points: &[0] };
    contraction::matmul(shape, &operand(a), &operand(b)).ok_or_else(|| OpError::Value {
        input: "input".into(),
        got: "sums of more than 64 bits".into(),
        expected: "smaller codes".into(),
    })
}

/// Some of the codes of a tensor.
fn part(tensor: &Tensor, range: std::ops::Range<usize>) -> Result<Codes<'_>, OpError> {
    Ok(match tensor.dtype().carrier() {
        Carrier::I8 => Codes::I8(&tensor.as_slice()?[range]),
        Carrier::U8 => Codes::U8(&tensor.as_slice()?[range]),
        Carrier::I16 => Codes::I16(&tensor.as_slice()?[range]),
        Carrier::U16 => Codes::U16(&tensor.as_slice()?[range]),
        Carrier::I32 => Codes::I32(&tensor.as_slice()?[range]),
        _ => return Err(no_codes(tensor.dtype())),
    })
}

/// Codes in the type of the output, which holds them.
pub(super) fn narrowed(grids: &Grids, shape: &[usize], y: Vec<i64>) -> Result<Tensor, OpError> {
    if grids.dtype() == DType::I64 {
        return Ok(Tensor::new(shape, y)?);
    }
    with_code!(grids.dtype(), S => {
        codes::<S>(grids.dtype(), shape, y.into_iter().map(vairun_numeric::fixed::Code::narrow).collect())
    })
}

fn fits_not(a: &Tensor, b: &Tensor) -> OpError {
    let expected = format!("a matrix that {:?} can be multiplied with", a.shape());
    OpError::Shape { input: "weights".into(), got: b.shape().to_vec(), expected }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::xir::testing::*;

    #[test]
    fn a_linear_layer_has_its_weights_transposed() {
        let case =
            xir("matmul").int("transpose_b", 1).codes_in(&[1, 2, 4]).codes_out(DType::I32, 4);
        let (a, b) = (tensor(&[1, 2], &[3i8, -1]), tensor(&[2, 2], &[1i8, 2, 3, 4]));
        let y = case.run([a, b, tensor(&[2], &[5i8, -5])]);
        assert_tensor(&y, &tensor(&[1, 2], &[2 + 5i32, 10 - 5]));
    }

    #[test]
    fn batches_broadcast() {
        let case = xir("matmul").codes_in(&[0, 0]).codes_out(DType::I32, 0);
        let y = case.run([tensor(&[2, 1, 1], &[3i8, 5]), tensor(&[1, 2], &[1i8, 2])]);
        assert_tensor(&y, &tensor(&[2, 1, 2], &[3i32, 6, 5, 10]));
    }

    #[test]
    fn an_inner_product_flattens() {
        let case = xir("inner-product").int("axis", 1).codes_in(&[0, 0]).codes_out(DType::I32, 0);
        let y = case.run([tensor(&[1, 2, 2], &[1i8, 2, 3, 4]), tensor(&[1, 4], &[1i8, 1, 1, 10])]);
        assert_tensor(&y, &tensor(&[1, 1], &[46i32]));
    }
}
