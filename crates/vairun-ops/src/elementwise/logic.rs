//! `And`, `Or`, `Xor` and `Not` of bool.
//!
//! Source: <https://onnx.ai/onnx/operators/>, the pages of the same names.

use vairun_tensor::DType;

use crate::common::types::BOOL;
use crate::common::{LATEST, one};
use crate::def::{Grade, OpDef};
use crate::elementwise::binary::{Alignment, compare};
use crate::elementwise::map::map;
use crate::error::OpError;
use crate::operator::{Context, Inputs, Operator, Outputs};

macro_rules! operators {
    ($($id:ident $name:ident $summary:literal $f:expr;)*) => {$(
        #[doc = concat!("`", stringify!($name), "`.")]
        pub static $id: OpDef = OpDef {
            names: &[("", stringify!($name))],
            opsets: 1..=LATEST,
            summary: $summary,
            types: "bool",
            grade: Grade::Exact("ONNX"),
            build: |spec, attrs| Ok(Box::new($name(Alignment::read(spec, attrs)?))),
        };

        struct $name(Alignment);

        impl Operator for $name {
            fn run(&self, mut inputs: Inputs, _: &mut dyn Context) -> Result<Outputs, OpError> {
                let (a, b) = self.0.take(&mut inputs)?;
                BOOL.check_tensor(&a, "A")?;
                BOOL.check_tensor(&b, "B")?;
                one(compare(&a, &b, $f)?)
            }

            fn output_dtypes(
                &self,
                inputs: &[Option<DType>],
            ) -> Result<Vec<Option<DType>>, OpError> {
                BOOL.check_same(inputs, 0)?;
                Ok(vec![Some(DType::Bool)])
            }
        }
    )*};
}

operators! {
    AND And "both" |a: &bool, b: &bool| a & b;
    OR Or "one of them, or both" |a: &bool, b: &bool| a | b;
    XOR Xor "exactly one of them" |a: &bool, b: &bool| a ^ b;
}

/// `Not`.
pub static NOT: OpDef = OpDef {
    names: &[("", "Not")],
    opsets: 1..=LATEST,
    summary: "true where x is false",
    types: "bool",
    grade: Grade::Exact("ONNX"),
    build: |spec, _| {
        spec.expect_inputs(1..=1)?;
        Ok(Box::new(Not))
    },
};

struct Not;

impl Operator for Not {
    fn run(&self, mut inputs: Inputs, _: &mut dyn Context) -> Result<Outputs, OpError> {
        let x = inputs.take(0, "X")?;
        BOOL.check_tensor(&x, "X")?;
        one(map::<bool>(x, |x| !x)?)
    }

    fn output_dtypes(&self, inputs: &[Option<DType>]) -> Result<Vec<Option<DType>>, OpError> {
        BOOL.check(inputs, 0, "X")?;
        Ok(vec![Some(DType::Bool)])
    }
}

#[cfg(test)]
mod tests {
    use crate::common::testing::*;

    #[test]
    fn truth_tables() {
        for (op, want) in [
            ("And", [false, false, false, true]),
            ("Or", [false, true, true, true]),
            ("Xor", [false, true, true, false]),
        ] {
            let y = node(op).run([tensor(&[2, 1], &[false, true]), tensor(&[2], &[false, true])]);
            assert_eq!(y.as_slice::<bool>().unwrap(), want, "{op}");
        }
        let y = node("Not").run([tensor(&[2], &[false, true])]);
        assert_tensor(&y, &tensor(&[2], &[true, false]));
    }

    #[test]
    fn numbers_are_refused() {
        assert_eq!(node("Not").error([ints(&[1])]), "X is int64, expected bool");
    }
}
