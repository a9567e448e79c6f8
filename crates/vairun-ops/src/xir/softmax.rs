//! `softmax` along `axis`, in float64 and rounded once to float32.

use vairun_tensor::Tensor;

use super::codes::take_reals;
use super::grids::Grids;
use super::{Compute, def, node};
use crate::attrs::Attrs;
use crate::common::axes::{around, axis};
use crate::def::{Grade, OpDef};
use crate::error::{BuildError, OpError};
use crate::operator::{Inputs, Operator};
use crate::spec::NodeSpec;

/// `softmax`.
pub static DEF: OpDef = def(
    &[("xir", "softmax")],
    "exponentials divided by their sum",
    Grade::Within(1, "the vendor computes in float32; here the rounded real number"),
    build,
);

struct Softmax {
    axis: i64,
}

fn build(spec: &NodeSpec, attrs: &Attrs) -> Result<Box<dyn Operator>, BuildError> {
    spec.expect_inputs(1..=1)?;
    let axis = attrs.int("axis")?.ok_or_else(|| BuildError::MissingAttribute("axis".into()))?;
    node(spec, attrs, Softmax { axis })
}

impl Compute for Softmax {
    fn compute(&self, grids: &Grids, mut inputs: Inputs) -> Result<Tensor, OpError> {
        let (shape, mut x) = take_reals(&mut inputs, grids, 0)?;
        let (outer, length, inner) = around(&shape, axis(self.axis, shape.len())?);
        let mut row = vec![0.0; length];
        for (i, j) in (0..outer).flat_map(|i| (0..inner).map(move |j| (i, j))) {
            let place = |k: usize| (i * length + k) * inner + j;
            let largest = (0..length).fold(f32::NEG_INFINITY, |most, k| most.max(x[place(k)]));
            for (k, e) in row.iter_mut().enumerate() {
                *e = libm::exp(f64::from(x[place(k)]) - f64::from(largest));
            }
            let sum: f64 = row.iter().sum();
            row.iter().enumerate().for_each(|(k, e)| x[place(k)] = (e / sum) as f32);
        }
        Ok(Tensor::new(&shape, x)?)
    }
}

#[cfg(test)]
mod tests {
    use crate::xir::testing::*;

    #[test]
    fn rows_sum_to_one_along_the_axis() {
        let y =
            xir("softmax").int("axis", 0).codes_in(&[0]).run([tensor(&[2, 2], &[0i8, 0, 0, 100])]);
        assert_tensor(&y, &floats(&[2, 2], &[0.5, 3.78e-44, 0.5, 1.0]));
    }
}
