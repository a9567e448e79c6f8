//! `leaky-relu`: `x`, below 0 `alpha · x`. Exact where alpha is a short binary number such as 26/256.

use vairun_tensor::Tensor;

use super::codes::map;
use super::grids::Grids;
use super::{Compute, def, node};
use crate::attrs::Attrs;
use crate::def::{Grade, OpDef};
use crate::error::{BuildError, OpError};
use crate::operator::{Inputs, Operator};
use crate::spec::NodeSpec;

/// `leaky-relu`.
pub static DEF: OpDef = def(&[("xir", "leaky-relu")], "x, below 0 alpha · x", Grade::Runs, build);

struct LeakyRelu {
    alpha: f32,
}

fn build(spec: &NodeSpec, attrs: &Attrs) -> Result<Box<dyn Operator>, BuildError> {
    spec.expect_inputs(1..=1)?;
    let alpha =
        attrs.float("alpha")?.ok_or_else(|| BuildError::MissingAttribute("alpha".into()))?;
    node(spec, attrs, LeakyRelu { alpha })
}

impl Compute for LeakyRelu {
    fn compute(&self, grids: &Grids, inputs: Inputs) -> Result<Tensor, OpError> {
        let alpha = self.alpha;
        let on_codes = |grids: &Grids| -> Result<Box<dyn Fn(i64) -> i64 + Sync>, OpError> {
            let above = grids.multiplier(0)?;
            // Exact: 24 bits times a multiplier with few; the lowering has given the output the digits of alpha.
            let below = f64::from(alpha) * above as f64;
            if below.fract() != 0.0 || below.abs() > i64::MAX as f64 / 2.0 {
                let expected = "a slope on the grid of the output".to_owned();
                return Err(OpError::Value {
                    input: "alpha".into(),
                    got: alpha.to_string(),
                    expected,
                });
            }
            let below = below as i64;
            Ok(Box::new(move |code| code * if code < 0 { below } else { above }))
        };
        map(grids, inputs, on_codes, |x| if x < 0.0 { x * alpha } else { x })
    }
}

#[cfg(test)]
mod tests {
    use vairun_tensor::DType;

    use crate::xir::testing::*;

    #[test]
    fn a_short_slope_is_exact() {
        let case =
            xir("leaky-relu").float("alpha", 26.0 / 256.0).codes_in(&[4]).codes_out(DType::I32, 11);
        let y = case.run([tensor(&[2], &[3i8, -3])]);
        assert_tensor(&y, &tensor(&[2], &[3 * 128, -3 * 13i32]));
    }

    #[test]
    fn a_long_slope_is_real() {
        let y =
            xir("leaky-relu").float("alpha", 0.1).codes_in(&[1]).run([tensor(&[2], &[3i8, -3])]);
        assert_tensor(&y, &floats(&[2], &[1.5, -0.15]));
    }
}
