use vairun_numeric::float::{Binary, Unary};

/// The function of numbers that an elementwise operator computes in float32, as a vector kernel computes it.
///
/// It is told by [`crate::Operator::arithmetic`], so that functions can follow one another while their numbers are at
/// hand.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Arithmetic {
    /// Of the first input.
    Unary(Unary),
    /// Of the first two inputs.
    Binary(Binary),
}

#[cfg(test)]
mod tests {
    use vairun_numeric::float::{Other, binary, unary};
    use vairun_tensor::{Tensor, Value};

    use super::*;
    use crate::common::testing::*;
    use crate::operator::Inputs;

    fn numbers() -> Vec<f32> {
        vec![-3.0, -0.5, -0.0, 0.25, 1.5, 40.0]
    }

    /// What the kernel makes of [`numbers`], and what the operator makes of them beside these parameters.
    fn both(case: &Case, parameters: &[Option<f32>]) -> (Vec<f32>, Vec<f32>) {
        let value = |x: Option<f32>| x.map(|x| Value::from(Tensor::scalar(x)));
        let others: Vec<_> = parameters.iter().map(|&x| value(x)).collect();
        let with = |x| std::iter::once(x).chain(others.iter().cloned()).collect::<Vec<_>>();
        let x = Value::from(Tensor::vector(numbers()));
        let operator = case.build(&with(Some(x.clone()))).unwrap();
        let mut got = numbers();
        match operator.arithmetic(&Inputs::new(with(None))).expect("a kernel") {
            Arithmetic::Unary(f) => unary(f, &mut got),
            Arithmetic::Binary(f) => {
                let y = parameters[0].expect("an operand");
                binary(f, &mut got, Other::One(y), false);
            }
        }
        let y = case.try_run_values(with(Some(x))).unwrap();
        (got, y[0].as_tensor().unwrap().as_slice().unwrap().to_vec())
    }

    #[test]
    fn operators_tell_the_kernel_that_they_use() {
        let (low, high) = (Some(-1.0), Some(2.0));
        let cases: &[(&str, &[Option<f32>])] = &[
            ("Abs", &[]),
            ("Add", &[high]),
            ("Clip", &[]),
            ("Clip", &[low]),
            ("Clip", &[None, high]),
            ("Clip", &[low, high]),
            ("Div", &[high]),
            ("Elu", &[]),
            ("Gelu", &[]),
            ("HardSigmoid", &[]),
            ("HardSwish", &[]),
            ("LeakyRelu", &[]),
            ("Max", &[high]),
            ("Min", &[high]),
            ("Mul", &[high]),
            ("Neg", &[]),
            ("PRelu", &[high]),
            ("Pow", &[Some(2.0)]),
            ("Relu", &[]),
            ("Sigmoid", &[]),
            ("Sub", &[high]),
            ("Sum", &[high]),
        ];
        for (name, parameters) in cases {
            let (got, expected) = both(&node(name).opset(22), parameters);
            let same = got.iter().zip(&expected).all(|(a, b)| a.to_bits() == b.to_bits());
            assert!(same, "{name} {parameters:?}: {got:?}, the operator gives {expected:?}");
        }
        let (got, expected) = both(&node("Clip").opset(6).float("min", 0.5), &[]);
        assert_eq!(got, expected);
    }

    #[test]
    fn others_have_none() {
        let of = |name: &str, count: usize| {
            let inputs = vec![Some(Value::from(Tensor::vector(numbers()))); count];
            let operator = node(name).opset(22).build(&inputs).unwrap();
            let known = (0..count).map(|i| (i > 0).then(|| Tensor::scalar(3f32).into()));
            operator.arithmetic(&Inputs::new(known.collect()))
        };
        for (name, count) in [("Sign", 1), ("Mean", 2), ("Sum", 3), ("Pow", 2), ("Softsign", 1)] {
            assert_eq!(of(name, count), None, "{name} of {count}");
        }
    }
}
