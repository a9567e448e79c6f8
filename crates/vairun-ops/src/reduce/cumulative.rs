//! `CumSum` and `CumProd`: sums and products of all elements up to each.
//!
//! | | name | type    | shape |
//! |-|------|---------|-------|
//! | 0 | `x`    | numbers | rank 1 or more |
//! | 1 | `axis` | int32, int64 | one element |
//! | → | `y`    | as `x` | as `x` |
//!
//! Attributes: `exclusive` (int, 0): without the element itself; `reverse` (int, 0): from the end. Each step rounds.
//!
//! Source: <https://onnx.ai/onnx/operators/onnx__CumSum.html>, <https://onnx.ai/onnx/operators/onnx__CumProd.html>.

use crate::common::axes::{around, axis};
use crate::common::dispatch::with_number;
use crate::common::number::Number;
use crate::common::parameters::{integers, one_element};
use crate::common::prelude::*;
use crate::common::types::{INDICES, NUMBERS};

macro_rules! operators {
    ($($id:ident $name:literal $since:literal $product:literal $summary:literal;)*) => {$(
        #[doc = concat!("`", $name, "`.")]
        pub static $id: OpDef = OpDef {
            names: &[("", $name)],
            opsets: $since..=LATEST,
            summary: $summary,
            types: "x numbers; axis int32, int64",
            grade: Grade::Exact("ONNX"),
            build: |spec, attrs| build($product, spec, attrs),
        };
    )*};
}

operators! {
    SUM "CumSum" 11 false "sums of all elements up to each";
    PROD "CumProd" 26 true "products of all elements up to each";
}

struct Cumulative {
    product: bool,
    exclusive: bool,
    reverse: bool,
}

fn build(product: bool, spec: &NodeSpec, attrs: &Attrs) -> Built {
    spec.expect_inputs(2..=2)?;
    let exclusive = attrs.flag("exclusive")?.unwrap_or(false);
    Ok(Box::new(Cumulative {
        product,
        exclusive,
        reverse: attrs.flag("reverse")?.unwrap_or(false),
    }))
}

impl Operator for Cumulative {
    fn run(&self, inputs: Inputs, _: &mut dyn Context) -> Result<Outputs, OpError> {
        let x = inputs.tensor(0, "x")?;
        let along = inputs.tensor(1, "axis")?;
        let axis = match integers(along, "axis")?[..] {
            [value] => axis(value, x.rank())?,
            _ => return Err(one_element(along, "axis")),
        };
        let (_, length, inner) = around(x.shape(), axis);
        with_number!(x.dtype(), "x", T => {
            one(Tensor::new(x.shape(), self.run_along::<T>(x.as_slice()?, length, inner))?)
        })
    }

    fn output_dtypes(&self, inputs: &[Option<DType>]) -> DTypes {
        INDICES.check(inputs, 1, "axis")?;
        Ok(vec![NUMBERS.check(inputs, 0, "x")?])
    }
}

impl Cumulative {
    fn run_along<T: Number>(&self, x: &[T], length: usize, inner: usize) -> Vec<T> {
        let first = T::from_f64(if self.product { 1.0 } else { 0.0 });
        let mut y = x.to_vec();
        for block in y.chunks_exact_mut((length * inner).max(1)) {
            let mut so_far = vec![first; inner];
            for step in 0..length {
                let row = if self.reverse { length - 1 - step } else { step };
                let row = &mut block[row * inner..(row + 1) * inner];
                for (so_far, x) in so_far.iter_mut().zip(row) {
                    let next = if self.product { so_far.mul(*x) } else { so_far.add(*x) };
                    *x = if self.exclusive { *so_far } else { next };
                    *so_far = next;
                }
            }
        }
        y
    }
}

#[cfg(test)]
mod tests {
    use vairun_tensor::Tensor;

    use crate::common::testing::*;

    fn run(case: Case) -> Vec<f32> {
        let y = case.run([floats(&[3], &[1.0, 2.0, 3.0]), Tensor::scalar(-1i32)]);
        y.as_slice::<f32>().unwrap().to_vec()
    }

    #[test]
    fn all_four_directions() {
        assert_eq!(run(node("CumSum")), [1.0, 3.0, 6.0]);
        assert_eq!(run(node("CumSum").int("exclusive", 1)), [0.0, 1.0, 3.0]);
        assert_eq!(run(node("CumSum").int("reverse", 1)), [6.0, 5.0, 3.0]);
        let both = node("CumProd").int("reverse", 1).int("exclusive", 1);
        assert_eq!(run(both), [6.0, 3.0, 1.0]);
    }

    #[test]
    fn along_an_outer_axis() {
        let y = node("CumSum").run([count_up(&[2, 2]), ints(&[0])]);
        assert_tensor(&y, &floats(&[2, 2], &[0.0, 1.0, 2.0, 4.0]));
    }
}
