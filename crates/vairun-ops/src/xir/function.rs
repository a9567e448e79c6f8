//! Functions of single real numbers: `sigmoid`, `tanh`, `exp`, `gelu`, `elu`, `celu`, `selu`, `mish`, `swish`.
//!
//! Evaluated in float64 and rounded once to float32. `alpha` of `elu` and `celu` is 1 where it is absent.

use vairun_numeric::transcendental;
use vairun_tensor::Tensor;

use super::codes::take_reals;
use super::grids::Grids;
use super::{Compute, def, node};
use crate::attrs::Attrs;
use crate::def::{Grade, OpDef};
use crate::error::{BuildError, OpError};
use crate::operator::{Inputs, Operator};
use crate::spec::NodeSpec;

/// Every function.
pub static DEF: OpDef = def(
    &[
        ("xir", "sigmoid"),
        ("xir", "tanh"),
        ("xir", "exp"),
        ("xir", "gelu"),
        ("xir", "elu"),
        ("xir", "celu"),
        ("xir", "selu"),
        ("xir", "mish"),
        ("xir", "swish"),
    ],
    "a function of real numbers",
    Grade::Within(1, "the vendor computes in float32; here the rounded real number"),
    build,
);

struct Function(Box<dyn Fn(f32) -> f32 + Send + Sync>);

/// The constants of `selu`, as in PyTorch.
const SELU: (f64, f64) = (1.673_263_242_354_377_2, 1.050_700_987_355_480_5);

fn build(spec: &NodeSpec, attrs: &Attrs) -> Result<Box<dyn Operator>, BuildError> {
    spec.expect_inputs(1..=1)?;
    let op = spec.op.op_type.as_str();
    let alpha = if matches!(op, "elu" | "celu") { attrs.float("alpha")? } else { None };
    let alpha = f64::from(alpha.unwrap_or(1.0));
    if alpha <= 0.0 || alpha.is_nan() {
        return Err(Attrs::value("alpha", alpha, "a positive number"));
    }
    node(spec, attrs, Function(function(op, alpha)))
}

fn function(op: &str, alpha: f64) -> Box<dyn Fn(f32) -> f32 + Send + Sync> {
    fn in_f64(
        f: impl Fn(f64) -> f64 + Send + Sync + 'static,
    ) -> Box<dyn Fn(f32) -> f32 + Send + Sync> {
        Box::new(move |x| f(f64::from(x)) as f32)
    }
    match op {
        "sigmoid" => Box::new(transcendental::sigmoid),
        "tanh" => Box::new(transcendental::tanh),
        "exp" => Box::new(transcendental::exp),
        "gelu" => in_f64(|x| x * 0.5 * (1.0 + libm::erf(x * std::f64::consts::FRAC_1_SQRT_2))),
        "elu" => in_f64(move |x| if x > 0.0 { x } else { alpha * libm::expm1(x) }),
        "celu" => in_f64(move |x| if x > 0.0 { x } else { alpha * libm::expm1(x / alpha) }),
        "selu" => in_f64(|x| SELU.1 * if x > 0.0 { x } else { SELU.0 * libm::expm1(x) }),
        "mish" => in_f64(|x| x * libm::tanh(libm::log1p(libm::exp(x.min(700.0))))),
        _ => in_f64(|x| x / (1.0 + libm::exp(-x))),
    }
}

impl Compute for Function {
    fn compute(&self, grids: &Grids, mut inputs: Inputs) -> Result<Tensor, OpError> {
        let (shape, mut x) = take_reals(&mut inputs, grids, 0)?;
        x.iter_mut().for_each(|x| *x = self.0(*x));
        Ok(Tensor::new(&shape, x)?)
    }
}

#[cfg(test)]
mod tests {
    use crate::xir::testing::*;

    #[test]
    fn values_from_tables() {
        for (op, want) in [
            ("sigmoid", 0.377_540_67),
            ("tanh", -0.462_117_16),
            ("exp", 0.606_530_67),
            ("gelu", -0.154_268_77),
            ("elu", -0.393_469_34),
            ("celu", -0.393_469_34),
            ("selu", -0.691_758_16),
            ("mish", -0.220_743_8),
            ("swish", -0.188_770_34),
        ] {
            let y = xir(op).codes_in(&[1]).run([tensor(&[1], &[-1i8])]);
            let y = y.as_slice::<f32>().unwrap()[0];
            assert!((y - want).abs() < 3e-7, "{op}: {y}, expected {want}");
        }
    }
}
