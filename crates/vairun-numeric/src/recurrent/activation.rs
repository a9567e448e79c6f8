use crate::float::{self, Unary};
use crate::transcendental::{exp, sigmoid, tanh};

/// What a gate does to its sum.
///
/// Source of the formulas: <https://onnx.ai/onnx/operators/onnx__LSTM.html>, "Activation functions".
#[derive(Clone, Copy, Debug, PartialEq)]
#[allow(missing_docs)] // the formulas are the documentation
pub enum Activation {
    /// `max(0, x)`
    Relu,
    /// `tanh(x)`
    Tanh,
    /// `1 / (1 + exp(-x))`
    Sigmoid,
    /// `alpha·x + beta`
    Affine { alpha: f32, beta: f32 },
    /// `x` from 0 on, `alpha·x` below
    LeakyRelu { alpha: f32 },
    /// `x` from alpha on, 0 below
    ThresholdedRelu { alpha: f32 },
    /// `alpha·tanh(beta·x)`
    ScaledTanh { alpha: f32, beta: f32 },
    /// `min(max(alpha·x + beta, 0), 1)`
    HardSigmoid { alpha: f32, beta: f32 },
    /// `x` from 0 on, `alpha·(exp(x) - 1)` below
    Elu { alpha: f32 },
    /// `x / (1 + |x|)`
    Softsign,
    /// `log(1 + exp(x))`
    Softplus,
}

impl Activation {
    /// The activation of that name, in any case; it takes its parameters, where it has them, from the fronts of the
    /// lists, and its defaults where the lists are empty. `None` for an unknown name.
    pub fn named(name: &str, alphas: &mut &[f32], betas: &mut &[f32]) -> Option<Self> {
        let mut alpha = |default| take(alphas, default);
        let mut beta = |default| take(betas, default);
        Some(match name.to_ascii_lowercase().as_str() {
            "relu" => Self::Relu,
            "tanh" => Self::Tanh,
            "sigmoid" => Self::Sigmoid,
            "affine" => Self::Affine { alpha: alpha(1.0), beta: beta(0.0) },
            "leakyrelu" => Self::LeakyRelu { alpha: alpha(0.01) },
            "thresholdedrelu" => Self::ThresholdedRelu { alpha: alpha(1.0) },
            "scaledtanh" => Self::ScaledTanh { alpha: alpha(1.0), beta: beta(1.0) },
            "hardsigmoid" => Self::HardSigmoid { alpha: alpha(0.2), beta: beta(0.5) },
            "elu" => Self::Elu { alpha: alpha(1.0) },
            "softsign" => Self::Softsign,
            "softplus" => Self::Softplus,
            _ => return None,
        })
    }

    /// Puts its values in the place of their arguments.
    pub fn apply(self, x: &mut [f32]) {
        match self {
            Self::Sigmoid => float::unary(Unary::Sigmoid, x),
            Self::Tanh => float::unary(Unary::Tanh, x),
            other => x.iter_mut().for_each(|x| *x = other.at(*x)),
        }
    }

    /// Its value at `x`; NaN stays NaN except in Relu, as in ONNX's reference.
    #[inline(always)]
    pub fn at(self, x: f32) -> f32 {
        match self {
            Self::Relu => x.max(0.0),
            Self::Tanh => tanh(x),
            Self::Sigmoid => sigmoid(x),
            Self::Affine { alpha, beta } => alpha * x + beta,
            Self::LeakyRelu { alpha } if x < 0.0 => alpha * x,
            Self::ThresholdedRelu { alpha } if x < alpha => 0.0,
            Self::Elu { alpha } if x < 0.0 => alpha * (exp(x) - 1.0),
            Self::LeakyRelu { .. } | Self::ThresholdedRelu { .. } | Self::Elu { .. } => x,
            Self::ScaledTanh { alpha, beta } => alpha * tanh(beta * x),
            Self::HardSigmoid { alpha, beta } => (alpha * x + beta).clamp(0.0, 1.0),
            Self::Softsign => x / (1.0 + x.abs()),
            Self::Softplus => {
                let x = f64::from(x);
                (x.max(0.0) + libm::log1p(libm::exp(-x.abs()))) as f32
            }
        }
    }
}

fn take(list: &mut &[f32], default: f32) -> f32 {
    match list {
        [] => default,
        [first, rest @ ..] => {
            *list = rest;
            *first
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_go_to_those_that_have_them_in_order() {
        let (mut alphas, mut betas) = ([0.5, 3.0].as_slice(), [].as_slice());
        let mut next = |name| Activation::named(name, &mut alphas, &mut betas).unwrap();
        assert_eq!(next("Tanh"), Activation::Tanh);
        assert_eq!(next("LeakyRelu"), Activation::LeakyRelu { alpha: 0.5 });
        assert_eq!(next("HARDSIGMOID"), Activation::HardSigmoid { alpha: 3.0, beta: 0.5 });
        assert_eq!(next("elu"), Activation::Elu { alpha: 1.0 });
    }

    #[test]
    fn many_values_are_those_at_each() {
        let x: Vec<f32> = (-60..60).map(|i| i as f32 / 7.0).chain([f32::NAN, -0.0]).collect();
        for name in ["sigmoid", "tanh", "elu", "softsign", "hardsigmoid"] {
            let f = Activation::named(name, &mut [].as_slice(), &mut [].as_slice()).unwrap();
            let mut all = x.clone();
            f.apply(&mut all);
            let bits = |x: f32| if x.is_nan() { u32::MAX } else { x.to_bits() };
            assert!(all.iter().zip(&x).all(|(&y, &x)| bits(y) == bits(f.at(x))), "{name}");
        }
    }

    #[test]
    fn values_at_a_few_points() {
        let at = |name, x| {
            Activation::named(name, &mut [].as_slice(), &mut [].as_slice()).unwrap().at(x)
        };
        assert_eq!(at("sigmoid", 0.0), 0.5);
        assert_eq!((at("sigmoid", 200.0), at("sigmoid", -200.0)), (1.0, 0.0));
        assert_eq!((at("softplus", 200.0), at("softplus", -200.0)), (200.0, 0.0));
        assert_eq!((at("hardsigmoid", 9.0), at("hardsigmoid", 0.0)), (1.0, 0.5));
        assert_eq!(
            (at("relu", -1.0), at("thresholdedrelu", 0.5), at("softsign", 1.0)),
            (0.0, 0.0, 0.5)
        );
    }
}
