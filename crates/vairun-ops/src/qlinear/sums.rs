//! Exact integer sums of 8-bit codes less their zero points, as int32: the first step of every contraction here.

use vairun_numeric::contraction::{self, Codes, ConvGeometry, MatMulShape, Operand};
use vairun_tensor::{DType, Tensor};

use super::codes::CODES;
use super::kept::{Kept, Scaling};
use crate::common::types::other_type;
use crate::contraction::conv::output_shape;
use crate::contraction::matmul::{Shapes, Tasks};
use crate::contraction::{Matrix, WindowAttributes};
use crate::error::OpError;
use crate::quant::parameters::{integers, wrong_shape};

/// One side of a contraction.
pub(super) struct Side<'a> {
    pub(super) codes: &'a Tensor,
    /// One, or one for each index of the axis that the contraction names.
    pub(super) zero_points: Vec<i32>,
}

/// Which indices the parameters of an operand belong to.
#[derive(Clone, Copy)]
pub(super) enum Lines {
    /// All: one element.
    One,
    /// Output channels: `[count]`.
    Channels(usize),
    /// Rows of a matrix: `[count]` or `[…, count, 1]`.
    Rows(usize),
    /// Columns of a matrix: `[count]` or `[…, 1, count]`.
    Columns(usize),
}

impl Lines {
    /// That a parameter has one element, or one for each line.
    pub(super) fn check(self, tensor: &Tensor, name: &'static str) -> Result<(), OpError> {
        let ones = |dims: &[usize]| dims.iter().all(|&d| d == 1);
        let (fits, expected) = match (self, tensor.shape()) {
            (Self::One, _) => (false, "one element".into()),
            (Self::Channels(n), shape) => {
                (shape == [n], format!("[] or [{n}], one for each output channel"))
            }
            (Self::Rows(n), shape) => {
                let column = matches!(shape, [outer @ .., rows, 1] if *rows == n && ones(outer));
                (shape == [n] || column, format!("[] or [{n}], one for each row"))
            }
            (Self::Columns(n), shape) => {
                let row = matches!(shape, [outer @ .., columns] if *columns == n && ones(outer));
                (row, format!("[] or [{n}], one for each column"))
            }
        };
        if fits || tensor.len() == 1 {
            return Ok(());
        }
        Err(wrong_shape(name, tensor.shape(), expected))
    }
}

impl<'a> Side<'a> {
    /// `codes`, named `name`, with the zero points that an input gives; 0 where it is left out.
    pub(super) fn new(
        codes: &'a Tensor,
        name: &'static str,
        zero_points: Option<&Tensor>,
        zero_name: &'static str,
        lines: Lines,
    ) -> Result<Self, OpError> {
        CODES.check_tensor(codes, name)?;
        let Some(tensor) = zero_points else { return Ok(Self { codes, zero_points: vec![0] }) };
        if tensor.dtype() != codes.dtype() {
            return Err(other_type(zero_name, tensor.dtype(), codes.dtype()));
        }
        lines.check(tensor, zero_name)?;
        Ok(Self { codes, zero_points: integers(tensor, zero_name)? })
    }

    fn all(&self) -> Result<Codes<'a>, OpError> {
        Ok(match self.codes.dtype() {
            DType::I8 => Codes::I8(self.codes.as_slice()?),
            _ => Codes::U8(self.codes.as_slice()?),
        })
    }

    fn operand<'s>(&'s self) -> Result<Operand<'s>, OpError> {
        Ok(Operand { codes: self.all()?, zero_points: &self.zero_points })
    }
}

/// The sums of a convolution and their shape, `[n, m, …]`.
pub(super) fn conv(
    attributes: &WindowAttributes,
    kept: &Kept,
    x: &Side,
    w: &Side,
) -> Result<(Vec<usize>, Vec<i32>), OpError> {
    let (geometry, shape) = geometry(attributes, x, w)?;
    if let Some(sums) = kept.conv(&geometry, x, w) {
        return Ok((shape, sums));
    }
    let too_large = || OpError::TooLarge(x.codes.shape().to_vec());
    let sums = contraction::conv(&geometry, &x.operand()?, &w.operand()?).ok_or_else(too_large)?;
    Ok((shape, sums.into_wrapped_i32()))
}

/// A convolution as real numbers, by packed weights alone.
pub(super) fn scaled_conv(
    attributes: &WindowAttributes,
    kept: &Kept,
    (x, w): (&Side, &Side),
    (scale, bias): (&Tensor, Option<&Tensor>),
) -> Result<Option<Tensor>, OpError> {
    let (geometry, shape) = geometry(attributes, x, w)?;
    let Some(scaling) = Channels::of(&shape, 1).and_then(|c| c.scaling(scale, bias)) else {
        return Ok(None);
    };
    let y: Option<Vec<f32>> = kept.scaled_conv(&geometry, x, w, scaling.borrowed());
    Ok(y.map(|y| Tensor::new(&shape, y)).transpose()?)
}

/// The sizes of a convolution and the shape of its result.
fn geometry(
    attributes: &WindowAttributes,
    x: &Side,
    w: &Side,
) -> Result<(ConvGeometry, Vec<usize>), OpError> {
    let geometry = attributes.conv(x.codes.shape(), w.codes.shape())?;
    let Some(geometry) = geometry else {
        return Err(OpError::Value {
            input: "pads".into(),
            got: "negative".into(),
            expected: "0 or more at each side".into(),
        });
    };
    let too_large = || OpError::TooLarge(x.codes.shape().to_vec());
    let shape = output_shape(&geometry, false)?.ok_or_else(too_large)?;
    Ok((geometry, shape))
}

/// The output channels of a result.
struct Channels {
    count: usize,
    /// Dimensions of the result, and those after the channels.
    rank: usize,
    after: usize,
}

/// The scales and biases of channels.
struct Scales {
    scales: Vec<f32>,
    bias: Option<Vec<f32>>,
}

impl Channels {
    fn of(shape: &[usize], axis: usize) -> Option<Self> {
        let count = *shape.get(axis)?;
        Some(Self { count, rank: shape.len(), after: shape.len() - axis - 1 })
    }

    /// A parameter that broadcasts along the channels, or as one number.
    fn parameter(&self, tensor: &Tensor) -> Option<Vec<f32>> {
        let numbers = tensor.as_slice::<f32>().ok()?;
        let fits = |(i, &d): (usize, &usize)| d == 1 || (i == self.after && d == self.count);
        let usable =
            tensor.rank() <= self.rank && tensor.shape().iter().rev().enumerate().all(fits);
        match numbers {
            _ if !usable => None,
            &[one] => Some(vec![one; self.count]),
            each => Some(each.to_vec()),
        }
    }

    fn scaling(&self, scale: &Tensor, bias: Option<&Tensor>) -> Option<Scales> {
        let bias = match bias {
            Some(bias) => Some(self.parameter(bias)?),
            None => None,
        };
        Some(Scales { scales: self.parameter(scale)?, bias })
    }
}

impl Scales {
    fn borrowed(&self) -> Scaling<'_> {
        Scaling { scales: &self.scales, bias: self.bias.as_deref() }
    }
}

/// numpy's `matmul` as real numbers, by packed weights alone.
pub(super) fn scaled_matmul(
    shapes: &Shapes,
    kept: &Kept,
    (a, b): (&Side, &Side),
    (scale, bias): (&Tensor, Option<&Tensor>),
) -> Result<Option<Tensor>, OpError> {
    // A product with a vector has no columns.
    let columns = b.codes.rank() > 1;
    let axis = shapes.shape.len().checked_sub(1).filter(|_| columns);
    let scaling = axis.and_then(|axis| Channels::of(&shapes.shape, axis)?.scaling(scale, bias));
    let Some(scaling) = scaling else { return Ok(None) };
    let y = scaled_tall(shapes, kept, a, b, scaling.borrowed());
    Ok(y.map(|y| Tensor::new(&shapes.shape, y)).transpose()?)
}

/// A product with one matrix as real numbers, by packed weights alone.
pub(super) fn scaled_tall(
    shapes: &Shapes,
    kept: &Kept,
    a: &Side,
    b: &Side,
    scaling: Scaling,
) -> Option<Vec<f32>> {
    let m = shapes.tall(b.codes.rank())?;
    let matrix = Matrix { m, k: shapes.k, n: shapes.n, transposed: false };
    kept.scaled_matrix(&matrix, a, b, scaling)
}

/// The sums of numpy's `matmul`, in the order of its result.
pub(super) fn matmul(
    shapes: &Shapes,
    kept: &Kept,
    a: &Side,
    b: &Side,
) -> Result<Vec<i32>, OpError> {
    if let Some(m) = shapes.tall(b.codes.rank()) {
        let matrix = Matrix { m, k: shapes.k, n: shapes.n, transposed: false };
        if let Some(sums) = kept.matrix(&matrix, a, b) {
            return Ok(sums);
        }
    }
    let Tasks { m, starts } = shapes.tasks();
    let (k, n) = (shapes.k, shapes.n);
    let shape = MatMulShape { m, k, n, a_transposed: false, b_transposed: false };
    // Batches that make one tall matrix repeat the zero points of their rows.
    let zero_points = match a.zero_points.len() {
        1 => a.zero_points.clone(),
        rows => a.zero_points.repeat(m / rows.max(1)),
    };
    let mut out = Vec::with_capacity(starts.len() * m * n);
    for (a_start, b_start) in starts {
        let a = Operand { codes: part(a.all()?, a_start, m * k), zero_points: &zero_points };
        let b = Operand { codes: part(b.all()?, b_start, k * n), zero_points: &b.zero_points };
        out.extend(product(shape, &a, &b)?);
    }
    Ok(out)
}

/// The sums of one matrix product, either operand transposed.
pub(super) fn gemm(
    shape: MatMulShape,
    kept: &Kept,
    a: &Side,
    b: &Side,
) -> Result<Vec<i32>, OpError> {
    let MatMulShape { m, k, n, a_transposed, b_transposed } = shape;
    if !a_transposed {
        let matrix = Matrix { m, k, n, transposed: b_transposed };
        if let Some(sums) = kept.matrix(&matrix, a, b) {
            return Ok(sums);
        }
    }
    product(shape, &a.operand()?, &b.operand()?)
}

fn product(shape: MatMulShape, a: &Operand, b: &Operand) -> Result<Vec<i32>, OpError> {
    let sums = contraction::matmul(shape, a, b);
    let sums = sums.ok_or_else(|| OpError::TooLarge(vec![shape.m, shape.k, shape.n]))?;
    Ok(sums.into_wrapped_i32())
}

fn part(codes: Codes<'_>, start: usize, length: usize) -> Codes<'_> {
    match codes {
        Codes::I8(codes) => Codes::I8(&codes[start..][..length]),
        Codes::U8(codes) => Codes::U8(&codes[start..][..length]),
        other => other,
    }
}
