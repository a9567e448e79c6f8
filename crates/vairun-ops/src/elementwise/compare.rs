//! `Equal`, `Less`, `LessOrEqual`, `Greater`, `GreaterOrEqual`, and `IsNaN`, `IsInf`: numbers to bool.
//!
//! Every comparison with NaN is false.
//!
//! | | name | type                                     | shape     |
//! |-|------|------------------------------------------|-----------|
//! | 0 | `A` | numbers (Equal: bool and string as well) | broadcast |
//! | 1 | `B` | as `A`                                   | broadcast |
//! | → | `C` | bool                                     | the common shape |
//!
//! Source: <https://onnx.ai/onnx/operators/>, the pages of the same names.

use vairun_tensor::{DType, Tensor};

use crate::common::dispatch::{with_element, with_float, with_number};
use crate::common::number::Number;
use crate::common::types::{FLOATS, NUMBERS, Types, same_type};
use crate::common::{LATEST, one};
use crate::def::{Grade, OpDef};
use crate::elementwise::binary::{Alignment, compare};
use crate::error::OpError;
use crate::operator::{Context, Inputs, Operator, Outputs};

macro_rules! comparisons {
    ($($id:ident $name:ident $since:literal $summary:literal $types:ident $with:ident, $f:expr;)*) => {$(
        #[doc = concat!("`", stringify!($name), "`.")]
        pub static $id: OpDef = OpDef {
            names: &[("", stringify!($name))],
            opsets: $since..=LATEST,
            summary: $summary,
            types: "all of one type",
            grade: Grade::Exact("onnxruntime 1.32"),
            build: |spec, attrs| Ok(Box::new($name(Alignment::read(spec, attrs)?))),
        };

        struct $name(Alignment);

        impl Operator for $name {
            fn run(&self, mut inputs: Inputs, _: &mut dyn Context) -> Result<Outputs, OpError> {
                let (a, b) = self.0.take(&mut inputs)?;
                $types.check_tensor(&a, "A")?;
                same_type(&a, &b, "B")?;
                one($with(&a, &b, $f)?)
            }

            fn output_dtypes(
                &self,
                inputs: &[Option<DType>],
            ) -> Result<Vec<Option<DType>>, OpError> {
                $types.check_same(inputs, 0)?;
                Ok(vec![Some(DType::Bool)])
            }
        }
    )*};
}

const EQUAL_TYPES: Types = Types::new("bool, string or a number", |dtype| {
    NUMBERS.contains(dtype) || matches!(dtype, DType::Bool | DType::String)
});

comparisons! {
    EQUAL Equal 1 "A = B" EQUAL_TYPES equal, ();
    LESS Less 1 "A < B" NUMBERS order, Order { less: true, equal: false };
    LESS_OR_EQUAL LessOrEqual 12 "A ≤ B" NUMBERS order, Order { less: true, equal: true };
    GREATER Greater 1 "A > B" NUMBERS order, Order { less: false, equal: false };
    GREATER_OR_EQUAL GreaterOrEqual 12 "A ≥ B" NUMBERS order, Order { less: false, equal: true };
}

fn equal(a: &Tensor, b: &Tensor, (): ()) -> Result<Tensor, OpError> {
    with_element!(a.dtype(), T => compare(a, b, |x: &T, y: &T| x == y))
}

#[derive(Clone, Copy)]
struct Order {
    less: bool,
    equal: bool,
}

fn order(a: &Tensor, b: &Tensor, order: Order) -> Result<Tensor, OpError> {
    // a > b is b < a, NaN included.
    let (a, b) = if order.less { (a, b) } else { (b, a) };
    with_number!(a.dtype(), "A", T => match order.equal {
        false => compare(a, b, |x: &T, y: &T| x < y),
        true => compare(a, b, |x: &T, y: &T| x <= y),
    })
}

/// `IsNaN`.
pub static IS_NAN: OpDef = OpDef {
    names: &[("", "IsNaN")],
    opsets: 9..=LATEST,
    summary: "whether x is NaN",
    types: "float16, bfloat16, float32, float64",
    grade: Grade::Exact("onnxruntime 1.32"),
    build: |spec, _| {
        spec.expect_inputs(1..=1)?;
        Ok(Box::new(IsNaN))
    },
};

struct IsNaN;

impl Operator for IsNaN {
    fn run(&self, inputs: Inputs, _: &mut dyn Context) -> Result<Outputs, OpError> {
        let x = inputs.tensor(0, "X")?;
        one(with_float!(x.dtype(), "X", T => test::<T>(x, Number::is_nan))?)
    }

    fn output_dtypes(&self, inputs: &[Option<DType>]) -> Result<Vec<Option<DType>>, OpError> {
        FLOATS.check(inputs, 0, "X")?;
        Ok(vec![Some(DType::Bool)])
    }
}

/// `IsInf`.
pub static IS_INF: OpDef = OpDef {
    names: &[("", "IsInf")],
    opsets: 10..=LATEST,
    summary: "whether x is infinite",
    types: "float16, bfloat16, float32, float64",
    grade: Grade::Exact("onnxruntime 1.32"),
    build: |spec, attrs| {
        spec.expect_inputs(1..=1)?;
        let negative = attrs.flag("detect_negative")?.unwrap_or(true);
        let positive = attrs.flag("detect_positive")?.unwrap_or(true);
        Ok(Box::new(IsInf { negative, positive }))
    },
};

struct IsInf {
    negative: bool,
    positive: bool,
}

impl Operator for IsInf {
    fn run(&self, inputs: Inputs, _: &mut dyn Context) -> Result<Outputs, OpError> {
        let x = inputs.tensor(0, "X")?;
        let wanted =
            |x: f64| x == f64::INFINITY && self.positive || x == f64::NEG_INFINITY && self.negative;
        one(with_float!(x.dtype(), "X", T => test::<T>(x, |x| wanted(x.to_f64())))?)
    }

    fn output_dtypes(&self, inputs: &[Option<DType>]) -> Result<Vec<Option<DType>>, OpError> {
        FLOATS.check(inputs, 0, "X")?;
        Ok(vec![Some(DType::Bool)])
    }
}

fn test<T: Number>(x: &Tensor, f: impl Fn(T) -> bool) -> Result<Tensor, OpError> {
    let found: Vec<_> = x.as_slice::<T>()?.iter().map(|&x| f(x)).collect();
    Ok(Tensor::new(x.shape(), found)?)
}

#[cfg(test)]
mod tests {
    use vairun_tensor::Tensor;

    use crate::common::testing::*;

    fn compared(op_type: &str) -> Vec<bool> {
        let a = floats(&[4], &[1.0, 2.0, f32::NAN, 0.0]);
        let b = floats(&[4], &[2.0, 2.0, f32::NAN, -0.0]);
        node(op_type).run([a, b]).as_slice::<bool>().unwrap().to_vec()
    }

    #[test]
    fn nan_compares_false_and_zeros_are_equal() {
        assert_eq!(compared("Equal"), [false, true, false, true]);
        assert_eq!(compared("Less"), [true, false, false, false]);
        assert_eq!(compared("LessOrEqual"), [true, true, false, true]);
        assert_eq!(compared("Greater"), [false, false, false, false]);
        assert_eq!(compared("GreaterOrEqual"), [false, true, false, true]);
    }

    #[test]
    fn strings_and_bools_can_be_equal_but_not_less() {
        let text = |s: &str| Tensor::scalar(s.to_owned());
        assert_tensor(&node("Equal").run([text("a"), text("a")]), &Tensor::scalar(true));
        assert!(node("Less").try_run([text("a"), text("b")]).is_err());
        assert_tensor(
            &node("Equal").run([Tensor::scalar(true), Tensor::scalar(false)]),
            &Tensor::scalar(false),
        );
    }

    #[test]
    fn infinities_are_told_apart() {
        let x = || floats(&[3], &[f32::INFINITY, f32::NEG_INFINITY, f32::NAN]);
        assert_tensor(&node("IsInf").run([x()]), &tensor(&[3], &[true, true, false]));
        let y = node("IsInf").int("detect_positive", 0).run([x()]);
        assert_tensor(&y, &tensor(&[3], &[false, true, false]));
        assert_tensor(&node("IsNaN").run([x()]), &tensor(&[3], &[false, false, true]));
    }
}
