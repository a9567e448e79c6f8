//! `relu6`, `hard-tanh`: between the integers `low` and `high`.

use vairun_tensor::Tensor;

use super::codes::map;
use super::grids::{Grids, code_of};
use super::{Compute, def, node};
use crate::attrs::Attrs;
use crate::def::{Grade, OpDef};
use crate::error::{BuildError, OpError};
use crate::operator::{Inputs, Operator};
use crate::spec::NodeSpec;

/// `relu6`, `hard-tanh`.
pub static DEF: OpDef =
    def(&[("xir", "relu6"), ("xir", "hard-tanh")], "between two integers", Grade::Runs, build);

struct Clip {
    low: i64,
    high: i64,
}

fn build(spec: &NodeSpec, attrs: &Attrs) -> Result<Box<dyn Operator>, BuildError> {
    spec.expect_inputs(1..=1)?;
    let bound =
        |name| attrs.int(name)?.ok_or_else(|| BuildError::MissingAttribute(name.to_string()));
    let (low, high) = (bound("low")?, bound("high")?);
    if low > high || low.unsigned_abs().max(high.unsigned_abs()) > 1 << 20 {
        return Err(Attrs::value("low", low, "at most `high`, both small"));
    }
    node(spec, attrs, Clip { low, high })
}

impl Compute for Clip {
    fn compute(&self, grids: &Grids, inputs: Inputs) -> Result<Tensor, OpError> {
        let Self { low, high } = *self;
        let on_codes = |grids: &Grids| -> Result<Box<dyn Fn(i64) -> i64 + Sync>, OpError> {
            let (multiplier, grid) = (grids.multiplier(0)?, grids.output()?);
            let (low, high) = (code_of(low, grid)?, code_of(high, grid)?);
            Ok(Box::new(move |code| (code * multiplier).clamp(low, high)))
        };
        map(grids, inputs, on_codes, |x| x.clamp(low as f32, high as f32))
    }
}

#[cfg(test)]
mod tests {
    use vairun_tensor::DType;

    use crate::xir::testing::*;

    #[test]
    fn the_bounds_are_integers_of_the_grid() {
        let case =
            xir("relu6").int("low", 0).int("high", 6).codes_in(&[2]).codes_out(DType::I32, 2);
        assert_tensor(&case.run([tensor(&[3], &[-3i32, 23, 25])]), &tensor(&[3], &[0i32, 23, 24]));
    }

    #[test]
    fn a_grid_that_is_too_coarse_is_refined() {
        // Steps of 4: 8 becomes 6.
        let case =
            xir("relu6").int("low", 0).int("high", 6).codes_in(&[-2]).codes_out(DType::I32, 0);
        assert_tensor(&case.run([tensor(&[2], &[1i32, 2])]), &tensor(&[2], &[4i32, 6]));
    }
}
