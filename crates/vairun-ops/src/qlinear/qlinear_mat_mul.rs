//! `QLinearMatMul`: numpy's matmul on codes.
//!
//! `y = saturate(round_half_even(f32(acc) · f32(f32(sa·sb) / sy)) + zy)`, `acc = Σ (a - za)·(b - zb)` in int32.
//!
//! | | name                             | type          | shape                                |
//! |-|----------------------------------|---------------|--------------------------------------|
//! | 0 | `a`                            | i8, u8        | as in `MatMul`                       |
//! | 1, 2 | `a_scale`, `a_zero_point`   | f32, as `a`   | one element, or one for each row     |
//! | 3 | `b`                            | i8, u8        | as in `MatMul`                       |
//! | 4, 5 | `b_scale`, `b_zero_point`   | f32, as `b`   | one element, or one for each column  |
//! | 6, 7 | `y_scale`, `y_zero_point`   | f32, i8 or u8 | one element                          |
//! | → | `y`                            | as `y_zero_point` | as in `MatMul`                   |
//!
//! Scales of float16 and bfloat16 (opset 21) are computed with in float32. Operands of float8 are refused, and so are
//! parameters that differ between the matrices of a batch.
//!
//! Source: ONNX, opsets 10 and 21; `quantize_linear_matmul.cc` of onnxruntime 1.28. Vectors: `testdata/ops/qlinear`.

use vairun_numeric::kernel::{Isa, Output};
use vairun_numeric::linear::{Affine, Code};
use vairun_numeric::qlinear::requantize;
use vairun_numeric::spread::Spread;
use vairun_tensor::{DType, Element, Tensor};

use super::codes::{CODES, Names, part, range, rounding, with_code};
use super::kept::Kept;
use super::sums::{Lines, Side, matmul};
use crate::attrs::Attrs;
use crate::coded::{CodeRule, CodedInput, OnCodes};
use crate::common::parameters::one_element;
use crate::common::types::Types;
use crate::common::{LATEST, one};
use crate::contraction::coded::CodedWeights;
use crate::contraction::matmul::Shapes;
use crate::contraction::{Packed, PackedInput};
use crate::def::{Grade, OpDef};
use crate::error::{BuildError, OpError};
use crate::operator::{Context, Inputs, Operator, Outputs};
use crate::quant::parameters::{integers, scales};
use crate::spec::NodeSpec;

/// `QLinearMatMul`.
pub static DEF: OpDef = OpDef {
    names: &[("", "QLinearMatMul")],
    opsets: 10..=LATEST,
    summary: "a matrix product of codes, from exact sums",
    types: "a, b, y int8, uint8; scales float32, float16, bfloat16",
    grade: Grade::Exact("onnxruntime 1.28 and 1.32"),
    build,
};

const SCALE: Types = Types::new("float32, float16 or bfloat16", |dtype| {
    matches!(dtype, DType::F32 | DType::F16 | DType::BF16)
});

const A: Names = Names("a", "a_scale", "a_zero_point");
const B: Names = Names("b", "b_scale", "b_zero_point");

struct QLinearMatMul(Kept);

fn build(spec: &NodeSpec, _: &Attrs) -> Result<Box<dyn Operator>, BuildError> {
    spec.expect_inputs(8..=8)?;
    Ok(Box::new(QLinearMatMul(Kept::new(spec, &[3, 5]))))
}

impl Operator for QLinearMatMul {
    fn run(&self, inputs: Inputs, _: &mut dyn Context) -> Result<Outputs, OpError> {
        let (a, b) = (inputs.tensor(0, "a")?, inputs.tensor(3, "b")?);
        let shapes = Shapes::new(a.shape(), b.shape())?;
        let (rows, columns) = (Lines::Rows(shapes.m), Lines::Columns(shapes.n));
        let a = Side::new(a, "a", inputs.optional(2)?, "a_zero_point", rows)?;
        let b = Side::new(b, "b", inputs.optional(5)?, "b_zero_point", columns)?;
        let a_scales = scales_of(&inputs, 1, "a_scale", rows)?;
        let b_scales = scales_of(&inputs, 4, "b_scale", columns)?;
        let [y_scale] = scales_of(&inputs, 6, "y_scale", Lines::One)?[..] else {
            return Err(one_element(inputs.tensor(6, "y_scale")?, "y_scale"));
        };
        let y = inputs.tensor(7, "y_zero_point")?;
        CODES.check_tensor(y, "y_zero_point")?;
        let [zero_point] = integers(y, "y_zero_point")?[..] else {
            return Err(one_element(y, "y_zero_point"));
        };
        let sums = matmul(&shapes, &self.0, &a, &b)?;
        let (low, high) = range(y.dtype());
        let row = |a: &f32| -> Vec<Affine> {
            let ratios = ratios(*a, &b_scales, y_scale).into_iter();
            ratios.map(|ratio| Affine::new(ratio, zero_point, low, high)).collect()
        };
        let rows: Vec<Vec<Affine>> = a_scales.iter().map(row).collect();
        with_code!(y.dtype(), "y_zero_point", C => {
            one(Tensor::new(&shapes.shape, codes::<C>(&sums, &rows, shapes.n))?)
        })
    }

    fn on_codes(&self, parameters: &Inputs) -> Option<OnCodes> {
        let a = part(parameters, 0, A)?;
        let y = parameters.optional(7).ok()??;
        let &[zero_point] = &integers(y, "y_zero_point").ok()?[..] else { return None };
        CODES.contains(y.dtype()).then_some(())?;
        let rule = CodeRule::Product { late: &[3, 4, 5, 6], pair: pair(parameters, a.grid.scale) };
        Some(OnCodes { parts: vec![a], quantizer: rounding(zero_point, y.dtype()), rule })
    }

    fn pack_codes(
        &self,
        x: &PackedInput,
        parameters: &Inputs,
        output: Output,
        isa: Isa,
    ) -> Result<Option<Packed>, OpError> {
        let b = parameters.tensor(3, "b")?;
        let columns = Lines::Columns(b.shape().last().copied().unwrap_or(0));
        let b = Side::new(b, "b", parameters.optional(5)?, "b_zero_point", columns)?;
        let &[a_scale] = &scales_of(parameters, 1, A.1, Lines::One)?[..] else { return Ok(None) };
        let &[y_scale] = &scales_of(parameters, 6, "y_scale", Lines::One)?[..] else {
            return Ok(None);
        };
        let scales = ratios(a_scale, &scales_of(parameters, 4, "b_scale", columns)?, y_scale);
        let zero_points = &b.zero_points;
        let weights = CodedWeights { codes: b.codes, zero_points, scales: &scales, bias: None };
        weights.matmul(x, output, isa)
    }

    fn output_dtypes(&self, inputs: &[Option<DType>]) -> Result<Vec<Option<DType>>, OpError> {
        for (index, name) in [(0, "a"), (2, "a_zero_point"), (3, "b"), (5, "b_zero_point")] {
            CODES.check(inputs, index, name)?;
        }
        for (index, name) in [(1, "a_scale"), (4, "b_scale"), (6, "y_scale")] {
            SCALE.check(inputs, index, name)?;
        }
        Ok(vec![CODES.check(inputs, 7, "y_zero_point")?])
    }
}

/// b as codes of the run, and `f32(f32(sa · sb) / sy)`; `None` where its parameters run along its columns.
fn pair(parameters: &Inputs, a_scale: f32) -> Option<(CodedInput, f32)> {
    let b = part(parameters, 3, B)?;
    let &[y_scale] = &scales_of(parameters, 6, "y_scale", Lines::One).ok()?[..] else {
        return None;
    };
    let &[ratio] = &ratios(a_scale, &[b.grid.scale], y_scale)[..] else { return None };
    Some((b, ratio))
}

/// `f32(f32(sa · sb) / sy)` for each scale of b.
fn ratios(a: f32, b: &[f32], y: f32) -> Vec<f32> {
    b.iter().map(|b| a * b / y).collect()
}

fn scales_of(
    inputs: &Inputs,
    index: usize,
    name: &'static str,
    lines: Lines,
) -> Result<Vec<f32>, OpError> {
    let tensor = inputs.tensor(index, name)?;
    SCALE.check_tensor(tensor, name)?;
    lines.check(tensor, name)?;
    Ok(scales(tensor, name)?.into_owned())
}

/// The codes of rows of `n` sums; what each row is requantized with comes in a cycle.
fn codes<C: Code + Element>(sums: &[i32], rows: &[Vec<Affine>], n: usize) -> Vec<C> {
    let spread = |row: &[Affine]| match row.len() {
        1 => Spread::Tensor,
        _ => Spread::Axis { length: n, inner: 1 },
    };
    if let [row] = rows {
        return requantize(sums, row, spread(row));
    }
    let pairs = sums.chunks_exact(n.max(1)).zip(rows.iter().cycle());
    pairs.flat_map(|(sums, row)| requantize::<C>(sums, row, spread(row))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::common::testing::{assert_tensor, node, tensor};

    fn inputs(a_scale: Tensor, b_scale: Tensor) -> [Tensor; 8] {
        let zero = |tensor: &Tensor| Tensor::new(tensor.shape(), vec![1u8; tensor.len()]).unwrap();
        [
            tensor(&[2, 2], &[1u8, 2, 3, 4]),
            a_scale.clone(),
            zero(&a_scale),
            tensor(&[2, 2], &[2u8, 1, 1, 3]),
            b_scale.clone(),
            zero(&b_scale),
            Tensor::scalar(1f32),
            Tensor::scalar(-3i8),
        ]
    }

    #[test]
    fn scales_run_along_rows_and_columns() {
        let one = || Tensor::scalar(1f32);
        let y = node("QLinearMatMul").run(inputs(one(), one()));
        assert_tensor(&y, &tensor(&[2, 2], &[-3i8, -1, -1, 3]));
        let y = node("QLinearMatMul").run(inputs(one(), tensor(&[2], &[2f32, 10.0])));
        assert_tensor(&y, &tensor(&[2, 2], &[-3i8, 17, 1, 57]));
        let y = node("QLinearMatMul").run(inputs(tensor(&[2, 1], &[2f32, 10.0]), one()));
        assert_tensor(&y, &tensor(&[2, 2], &[-3i8, 1, 17, 57]));
    }

    #[test]
    fn batches_share_the_parameters_of_their_rows() {
        let mut inputs = inputs(tensor(&[1, 2, 1], &[2f32, 10.0]), Tensor::scalar(1f32));
        inputs[0] = tensor(&[2, 2, 2], &[1u8, 2, 3, 4, 1, 2, 3, 4]);
        let y = node("QLinearMatMul").run(inputs);
        assert_tensor(&y, &tensor(&[2, 2, 2], &[-3i8, 1, 17, 57, -3, 1, 17, 57]));
    }

    #[test]
    fn float8_is_refused_before_the_run() {
        let mut inputs = inputs(Tensor::scalar(1f32), Tensor::scalar(1f32));
        inputs[0] = Tensor::with_dtype(DType::F8E4M3FN, &[1, 2], vec![0u8, 0]).unwrap();
        let error = node("QLinearMatMul").error(inputs);
        assert_eq!(error, "a is float8e4m3fn, expected int8 or uint8");
    }
}
