//! `Softmax`, `LogSoftmax` and `Hardmax`: elements along an axis as shares of a whole.
//!
//! `Softmax: y = e^(x - max) / Σ e^(x - max)`; `LogSoftmax: y = x - max - log Σ e^(x - max)`; `Hardmax`: 1 for the first
//! of the largest elements, 0 elsewhere.
//!
//! | | name     | type                                | shape      |
//! |-|----------|-------------------------------------|------------|
//! | 0 | `input`  | float16, bfloat16, float32, float64 | any      |
//! | → | `output` | as `input`                        | as `input` |
//!
//! Attributes: `axis` (int, -1). Before opset 13 the default is 1, and all dimensions from `axis` on are taken together.
//!
//! Source: <https://onnx.ai/onnx/operators/>, the pages of the same names.

use vairun_numeric::normalize::sum;
use vairun_numeric::softmax::{below_largest, softmax, softmax_across};
use vairun_numeric::transcendental::exp_all;

use super::GRADE;
use super::rows::{map_along, map_rows};
use crate::common::axes::{around, axis};
use crate::common::dispatch::with_float;
use crate::common::number::Number;
use crate::common::prelude::*;
use crate::common::types::FLOATS;

macro_rules! operators {
    ($($id:ident $name:literal $f:ident $across:expr, $summary:literal;)*) => {$(
        #[doc = concat!("`", $name, "`.")]
        pub static $id: OpDef = OpDef {
            names: &[("", $name)],
            opsets: 1..=LATEST,
            summary: $summary,
            types: "float16, bfloat16, float32, float64",
            grade: GRADE,
            build: |spec, attrs| build($f, $across, spec, attrs),
        };
    )*};
}

operators! {
    SOFTMAX "Softmax" softmax Some(softmax_across), "exp(x) / sum of exp(x) along an axis";
    LOG_SOFTMAX "LogSoftmax" log_softmax None, "logarithm of Softmax";
    HARDMAX "Hardmax" hardmax None, "1 for the largest element along an axis";
}

/// A function of float32 along the middle dimension of `[outer, length, inner]`, which are told as length and inner.
type Across = fn(&[f32], usize, usize) -> Vec<f32>;

struct Softmax {
    f: fn(&mut [f64]),
    /// The same for many rows at once, where there is such a form.
    across: Option<Across>,
    axis: i64,
    /// All dimensions from the axis on are one.
    flattened: bool,
}

fn build(f: fn(&mut [f64]), across: Option<Across>, spec: &NodeSpec, attrs: &Attrs) -> Built {
    spec.expect_inputs(1..=1)?;
    let flattened = spec.op.opset < 13;
    let axis = attrs.int("axis")?.unwrap_or(if flattened { 1 } else { -1 });
    Ok(Box::new(Softmax { f, across, axis, flattened }))
}

impl Operator for Softmax {
    fn run(&self, inputs: Inputs, _: &mut dyn Context) -> Result<Outputs, OpError> {
        let x = inputs.tensor(0, "input")?;
        if let Some(y) = self.rows_at_once(x)? {
            return one(y);
        }
        with_float!(x.dtype(), "input", T => {
            one(Tensor::new(x.shape(), self.elements::<T>(x)?)?)
        })
    }

    fn output_dtypes(&self, inputs: &[Option<DType>]) -> DTypes {
        Ok(vec![FLOATS.check(inputs, 0, "input")?])
    }
}

/// Rows that are shorter are computed many at once.
const SHORT: usize = 64;

impl Softmax {
    /// The rows of float32 many at once, where they are short or their elements are apart.
    fn rows_at_once(&self, x: &Tensor) -> Result<Option<Tensor>, OpError> {
        let (Some(across), DType::F32, false) = (self.across, x.dtype(), x.rank() == 0) else {
            return Ok(None);
        };
        let (length, inner) = match self.flattened {
            true if self.axis == x.rank() as i64 => (1, 1),
            true => (x.shape()[axis(self.axis, x.rank())?..].iter().product(), 1),
            false => {
                let (_, length, inner) = around(x.shape(), axis(self.axis, x.rank())?);
                (length, inner)
            }
        };
        if inner == 1 && length >= SHORT {
            return Ok(None);
        }
        Ok(Some(Tensor::new(x.shape(), across(x.as_slice()?, length, inner))?))
    }

    fn elements<T: Number>(&self, x: &Tensor) -> Result<Vec<T>, OpError> {
        let elements = x.as_slice::<T>()?;
        if self.flattened {
            // The rank itself is allowed: rows of one element.
            let rank = x.rank();
            let axis = if self.axis == rank as i64 { rank } else { axis(self.axis, rank)? };
            let length = x.shape()[axis..].iter().product();
            return Ok(map_rows(elements, length, |_, row| (self.f)(row)));
        }
        if x.rank() == 0 && matches!(self.axis, -1 | 0) {
            return Ok(map_rows(elements, 1, |_, row| (self.f)(row)));
        }
        Ok(map_along(elements, x.shape(), axis(self.axis, x.rank())?, self.f))
    }
}

fn log_softmax(row: &mut [f64]) {
    below_largest(row);
    let mut exponentials = row.to_vec();
    exp_all(&mut exponentials);
    let total = libm::log(sum(&exponentials, |x| x));
    row.iter_mut().for_each(|x| *x -= total);
}

/// The logarithm of softmax along an axis, for the losses.
pub(crate) fn log_softmax_along(x: &[f64], shape: &[usize], axis: usize) -> Vec<f64> {
    map_along(x, shape, axis, log_softmax)
}

fn hardmax(row: &mut [f64]) {
    let largest = row.iter().copied().fold(f64::NEG_INFINITY, Number::larger);
    let place = row.iter().position(|&x| x == largest || x.is_nan());
    row.fill(0.0);
    if let Some(place) = place {
        row[place] = 1.0;
    }
}

#[cfg(test)]
mod tests {
    use vairun_tensor::{Tensor, f16};

    use crate::common::testing::*;

    #[test]
    fn the_real_result_rounded_once() {
        let want: Vec<f32> = {
            let e: Vec<f64> = [-1.0, 0.0, 1.0].map(f64::exp).to_vec();
            e.iter().map(|x| (x / e.iter().sum::<f64>()) as f32).collect()
        };
        let y = node("Softmax").run([floats(&[1, 3], &[-1.0, 0.0, 1.0])]);
        assert_tensor(&y, &floats(&[1, 3], &want));
        let y = node("Softmax").int("axis", 0).run([floats(&[3, 1], &[-1.0, 0.0, 1.0])]);
        assert_tensor(&y, &floats(&[3, 1], &want));
    }

    #[test]
    fn large_numbers_and_infinities() {
        let of = |op: &str, x: &[f32]| node(op).run([floats(&[x.len()], x)]);
        assert_tensor(&of("Softmax", &[1e4, 1e4]), &floats(&[2], &[0.5, 0.5]));
        assert_tensor(&of("Softmax", &[f32::NEG_INFINITY, 0.0]), &floats(&[2], &[0.0, 1.0]));
        let y = of("LogSoftmax", &[1000.0, 0.0]);
        assert_tensor(&y, &floats(&[2], &[0.0, -1000.0]));
        assert_tensor(&of("Hardmax", &[1.0, 3.0, 3.0]), &floats(&[3], &[0.0, 1.0, 0.0]));
    }

    #[test]
    fn before_opset_13_the_rest_is_one_row() {
        let x = || floats(&[1, 2, 2], &[0.0; 4]);
        let y = node("Softmax").opset(11).run([x()]);
        assert_tensor(&y, &floats(&[1, 2, 2], &[0.25; 4]));
        assert_tensor(&node("Softmax").run([x()]), &floats(&[1, 2, 2], &[0.5; 4]));
    }

    #[test]
    fn many_rows_in_several_threads() {
        let x = count_up(&[300, 256]);
        let first = node("Softmax").run([count_up(&[1, 256])]);
        let y = node("Softmax").run([x]);
        let row = &y.as_slice::<f32>().unwrap()[299 * 256..];
        assert_eq!(row, first.as_slice::<f32>().unwrap());
    }

    #[test]
    fn halves_too() {
        let y = node("Softmax").run([Tensor::vector(vec![f16::ONE; 4])]);
        assert_tensor(&y, &Tensor::vector(vec![f16::from_f32(0.25); 4]));
    }
}
