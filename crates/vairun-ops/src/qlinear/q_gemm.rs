//! `com.microsoft::QGemm`: `alpha · A' · B' + C` on codes.
//!
//! `Y = saturate(round_half_even(f32(acc) · f32(f32(f32(alpha·sa)·sb) / sy)) + zy)`, `acc = Σ (A' - za)·(B' - zb) + C` in
//! int32; without y_zero_point `Y = f32(acc) · f32(f32(alpha·sa)·sb)`.
//!
//! | | name                             | type        | shape                                   |
//! |-|----------------------------------|-------------|-----------------------------------------|
//! | 0 | `A`                            | i8, u8      | `[m, k]`; `[k, m]` with transA          |
//! | 1, 2 | `a_scale`, `a_zero_point`   | f32, as `A` | one element                             |
//! | 3 | `B`                            | i8, u8      | `[k, n]`; `[n, k]` with transB          |
//! | 4, 5 | `b_scale`, `b_zero_point`   | f32, as `B` | one element, or `[n]`                   |
//! | 6 | `C`                            | i32         | broadcasts to `[m, n]`; optional        |
//! | 7, 8 | `y_scale`, `y_zero_point`   | f32, i8 or u8 | one element, optional                 |
//! | → | `Y`                            | as `y_zero_point`, or f32 | `[m, n]`                  |
//!
//! Attributes: alpha (FLOAT, 1), transA, transB (INT, 0).
//!
//! Source: `quant_gemm.cc` of onnxruntime 1.28. Vectors: `testdata/ops/qlinear`.

use vairun_numeric::contraction::MatMulShape;
use vairun_numeric::kernel::{Isa, Output};
use vairun_numeric::linear::Affine;
use vairun_numeric::qlinear::{requantize, to_float};
use vairun_numeric::spread::Spread;
use vairun_tensor::{DType, Tensor};

use super::codes::{CODES, Names, SCALE, grid, part, range, rounding, scalar_scale, with_code};
use super::kept::Kept;
use super::sums::{Lines, Side, gemm};
use crate::attrs::Attrs;
use crate::coded::{CodeRule, OnCodes};
use crate::common::broadcast::{Runs, broadcast_shape, zip_in_place};
use crate::common::one;
use crate::common::sizes::result_len;
use crate::common::types::Types;
use crate::contraction::coded::CodedWeights;
use crate::contraction::{Matrix, Packed, PackedInput};
use crate::def::{Grade, OpDef};
use crate::error::{BuildError, OpError};
use crate::operator::{Context, Inputs, Operator, Outputs};
use crate::quant::parameters::{scales, wrong_shape};
use crate::spec::NodeSpec;

/// `com.microsoft::QGemm`.
pub static DEF: OpDef = OpDef {
    names: &[("com.microsoft", "QGemm")],
    opsets: 1..=i64::MAX,
    summary: "a matrix product of codes and a bias, from exact sums",
    types: "A, B int8, uint8; C int32; Y int8, uint8, float32; scales float32",
    grade: Grade::Exact("onnxruntime 1.28 and 1.32"),
    build,
};

const C: Types = Types::new("int32", |dtype| dtype == DType::I32);
const A: Names = Names("A", "a_scale", "a_zero_point");
const Y: Names = Names("Y", "y_scale", "y_zero_point");

struct QGemm {
    alpha: f32,
    a_transposed: bool,
    b_transposed: bool,
    /// Whether the result is real.
    real: bool,
    kept: Kept,
}

fn build(spec: &NodeSpec, attrs: &Attrs) -> Result<Box<dyn Operator>, BuildError> {
    spec.expect_inputs(6..=9)?;
    if spec.has_input(7) != spec.has_input(8) {
        let text =
            "y_scale and y_zero_point come together: both for codes, neither for real numbers";
        return Err(BuildError::Malformed(text.into()));
    }
    Ok(Box::new(QGemm {
        alpha: attrs.float("alpha")?.unwrap_or(1.0),
        a_transposed: attrs.flag("transA")?.unwrap_or(false),
        b_transposed: attrs.flag("transB")?.unwrap_or(false),
        real: !spec.has_input(8),
        kept: Kept::new(spec, &[3, 5]),
    }))
}

impl Operator for QGemm {
    fn run(&self, inputs: Inputs, _: &mut dyn Context) -> Result<Outputs, OpError> {
        let shape = self.shape(inputs.tensor(0, "A")?.shape(), inputs.tensor(3, "B")?.shape())?;
        let (m, n) = (shape.m, shape.n);
        let mut sums = self.sums(&inputs, shape)?;
        if let Some(c) = inputs.optional(6)? {
            add(&mut sums, &[m, n], c)?;
        }
        let scales = self.scales(&inputs, n)?;
        let spread = match scales.len() {
            1 => Spread::Tensor,
            _ => Spread::Axis { length: n, inner: 1 },
        };
        if self.real {
            return one(Tensor::new(&[m, n], to_float(&sums, &scales, None, spread))?);
        }
        let dtype = inputs.tensor(8, Y.2)?.dtype();
        CODES.check_tensor(inputs.tensor(8, Y.2)?, Y.2)?;
        let y = grid(&inputs, 7, Y, dtype)?;
        let (low, high) = range(dtype);
        let affine = |scale: &f32| Affine::new(scale / y.scale, y.zero_point, low, high);
        let affines: Vec<Affine> = scales.iter().map(affine).collect();
        with_code!(dtype, "y_zero_point", T => {
            one(Tensor::new(&[m, n], requantize::<T>(&sums, &affines, spread))?)
        })
    }

    fn on_codes(&self, parameters: &Inputs) -> Option<OnCodes> {
        let a = part(parameters, 0, A).filter(|_| !self.a_transposed && !self.real)?;
        let dtype = parameters.optional(8).ok()??.dtype();
        let y = grid(parameters, 7, Y, dtype).ok().filter(|_| CODES.contains(dtype))?;
        let rule = CodeRule::Product { late: &[3, 4, 5, 6], pair: None };
        Some(OnCodes { parts: vec![a], quantizer: rounding(y.zero_point, dtype), rule })
    }

    fn pack_codes(
        &self,
        x: &PackedInput,
        parameters: &Inputs,
        output: Output,
        isa: Isa,
    ) -> Result<Option<Packed>, OpError> {
        let b = parameters.tensor(3, "B")?;
        let MatMulShape { m, k, n, .. } = self.shape(&x.shape, b.shape())?;
        let b = Side::new(b, "B", parameters.optional(5)?, "b_zero_point", Lines::Columns(n))?;
        let y = grid(parameters, 7, Y, parameters.tensor(8, Y.2)?.dtype())?;
        let scales: Vec<f32> =
            self.scales(parameters, n)?.iter().map(|scale| scale / y.scale).collect();
        let Some(bias) = per_column(parameters.optional(6)?, n)? else { return Ok(None) };
        let (zero_points, bias) = (&b.zero_points, bias.as_deref());
        let weights = CodedWeights { codes: b.codes, zero_points, scales: &scales, bias };
        let matrix = Matrix { m, k, n, transposed: self.b_transposed };
        Ok(weights.matrix(x, &matrix, &[m, n], output, isa))
    }

    fn output_dtypes(&self, inputs: &[Option<DType>]) -> Result<Vec<Option<DType>>, OpError> {
        for (index, name) in [(0, "A"), (2, "a_zero_point"), (3, "B"), (5, "b_zero_point")] {
            CODES.check(inputs, index, name)?;
        }
        for (index, name) in [(1, "a_scale"), (4, "b_scale"), (7, "y_scale")] {
            SCALE.check(inputs, index, name)?;
        }
        C.check(inputs, 6, "C")?;
        let codes = CODES.check(inputs, 8, "y_zero_point")?;
        Ok(vec![if self.real { Some(DType::F32) } else { codes }])
    }
}

impl QGemm {
    fn shape(&self, a: &[usize], b: &[usize]) -> Result<MatMulShape, OpError> {
        let wrong = |expected: String| wrong_shape("A", a, expected);
        let (&[a0, a1], &[b0, b1]) = (a, b) else {
            return Err(wrong(format!("two matrices; B has shape {b:?}")));
        };
        let (m, k) = if self.a_transposed { (a1, a0) } else { (a0, a1) };
        let (rows, n) = if self.b_transposed { (b1, b0) } else { (b0, b1) };
        if k != rows {
            return Err(wrong(format!("{rows} terms in each sum, for B {b:?}")));
        }
        result_len(DType::I32, &[m, n])?;
        let Self { a_transposed, b_transposed, .. } = *self;
        Ok(MatMulShape { m, k, n, a_transposed, b_transposed })
    }

    fn sums(&self, inputs: &Inputs, shape: MatMulShape) -> Result<Vec<i32>, OpError> {
        let (a, b) = (inputs.tensor(0, "A")?, inputs.tensor(3, "B")?);
        let lines = Lines::Columns(shape.n);
        let a = Side::new(a, "A", inputs.optional(2)?, "a_zero_point", Lines::One)?;
        let b = Side::new(b, "B", inputs.optional(5)?, "b_zero_point", lines)?;
        gemm(shape, &self.kept, &a, &b)
    }

    /// `alpha·sa·sb`, one or one for each column.
    fn scales(&self, inputs: &Inputs, n: usize) -> Result<Vec<f32>, OpError> {
        let a = scalar_scale(inputs.tensor(1, "a_scale")?, "a_scale")?;
        let b = inputs.tensor(4, "b_scale")?;
        SCALE.check_tensor(b, "b_scale")?;
        Lines::Columns(n).check(b, "b_scale")?;
        Ok(scales(b, "b_scale")?.iter().map(|b| self.alpha * a * b).collect())
    }
}

/// C as one number for each of `n` columns, where there is one; the outer `None` where it differs between rows.
fn per_column(c: Option<&Tensor>, n: usize) -> Result<Option<Option<Vec<i32>>>, OpError> {
    let Some(tensor) = c else { return Ok(Some(None)) };
    C.check_tensor(tensor, "C")?;
    let c = tensor.as_slice::<i32>()?;
    Ok(match *tensor.shape() {
        [] | [1] | [1, 1] => Some(Some(vec![c[0]; n])),
        [columns] | [1, columns] if columns == n => Some(Some(c.to_vec())),
        _ => None,
    })
}

/// Adds C to sums of that shape, wrapping.
fn add(sums: &mut [i32], shape: &[usize; 2], c: &Tensor) -> Result<(), OpError> {
    C.check_tensor(c, "C")?;
    if broadcast_shape(&[shape, c.shape()])? != shape {
        return Err(wrong_shape("C", c.shape(), format!("one that broadcasts to {shape:?}")));
    }
    let runs = Runs::new(shape, [shape, c.shape()]);
    zip_in_place(sums, c.as_slice::<i32>()?, &runs, |sum, c| sum.wrapping_add(*c));
    Ok(())
}

#[cfg(test)]
mod tests {
    use vairun_tensor::Value;

    use super::*;
    use crate::common::testing::{assert_tensor, floats, node_in, tensor};

    fn inputs(c: Tensor) -> Vec<Option<Value>> {
        let inputs = [
            tensor(&[1, 2], &[1u8, 3]),
            Tensor::scalar(0.5f32),
            Tensor::scalar(1u8),
            tensor(&[2, 2], &[2i8, 1, 1, 3]),
            floats(&[2], &[1.0, 4.0]),
            tensor(&[2], &[0i8, 1]),
            c,
        ];
        inputs.into_iter().map(|tensor| Some(tensor.into())).collect()
    }

    #[test]
    fn without_a_grid_the_result_is_real() {
        let y = node_in(DEF.names[0]).float("alpha", 2.0);
        let y = y.try_run_values(inputs(tensor(&[1], &[10i32]))).unwrap();
        assert_tensor(y[0].as_tensor().unwrap(), &floats(&[1, 2], &[12.0, 56.0]));
    }

    #[test]
    fn with_a_grid_it_is_codes_of_the_type_of_the_zero_point() {
        let mut inputs = inputs(tensor(&[2], &[10i32, 0]));
        inputs.extend([Some(Tensor::scalar(1f32).into()), Some(Tensor::scalar(-1i8).into())]);
        let y = node_in(DEF.names[0]).int("transB", 1).try_run_values(inputs).unwrap();
        assert_tensor(y[0].as_tensor().unwrap(), &tensor(&[1, 2], &[5i8, 7]));
    }

    #[test]
    fn half_a_grid_is_refused_before_the_run() {
        let mut inputs = inputs(tensor(&[1], &[0i32]));
        inputs.push(Some(Tensor::scalar(1f32).into()));
        assert!(node_in(DEF.names[0]).build(&inputs).is_err());
    }
}
