//! `BitShift`: bits moved to the left or to the right.
//!
//! | | name | type     | shape     |
//! |-|------|----------|-----------|
//! | 0 | `X` | integers | broadcast |
//! | 1 | `Y` | as `X`   | broadcast |
//! | → | `Z` | as `X`   | the common shape |
//!
//! Attributes: `direction`, `LEFT` or `RIGHT`.
//!
//! Source: <https://onnx.ai/onnx/operators/onnx__BitShift.html>.

use vairun_tensor::DType;

use crate::attrs::Attrs;
use crate::common::dispatch::with_integer;
use crate::common::number::Number;
use crate::common::types::INTEGERS;
use crate::common::{LATEST, one};
use crate::def::{Grade, OpDef};
use crate::elementwise::binary::{Alignment, combine};
use crate::error::{BuildError, OpError};
use crate::operator::{Context, Inputs, Operator, Outputs};

/// `BitShift`. A distance of the width or more gives 0; signed integers (opset 28) shift their sign in to the right.
pub static DEF: OpDef = OpDef {
    names: &[("", "BitShift")],
    opsets: 11..=LATEST,
    summary: "bits moved to the left or to the right",
    types: "integers, all of one type",
    grade: Grade::Exact("ONNX 1.23"),
    build: |spec, attrs| {
        spec.expect_inputs(2..=2)?;
        let left = match attrs.string("direction")?.as_deref() {
            Some("LEFT") => true,
            Some("RIGHT") => false,
            Some(other) => return Err(Attrs::value("direction", other, "LEFT or RIGHT")),
            None => return Err(BuildError::MissingAttribute("direction".into())),
        };
        Ok(Box::new(BitShift { left }))
    },
};

struct BitShift {
    left: bool,
}

impl Operator for BitShift {
    fn run(&self, mut inputs: Inputs, _: &mut dyn Context) -> Result<Outputs, OpError> {
        let (x, distance) = Alignment::Broadcast.take(&mut inputs)?;
        one(with_integer!(x.dtype(), "X", T => match self.left {
            true => combine::<T>(x, distance, Shift::left),
            false => combine::<T>(x, distance, Shift::right),
        })?)
    }

    fn output_dtypes(&self, inputs: &[Option<DType>]) -> Result<Vec<Option<DType>>, OpError> {
        Ok(vec![INTEGERS.check_same(inputs, 0)?])
    }
}

/// Shifts by any distance.
trait Shift: Number {
    /// 0 from the width on.
    fn left(self, by: Self) -> Self;
    /// Only copies of the sign from the width on.
    fn right(self, by: Self) -> Self;
}

macro_rules! shift {
    ($($rust:ty),*) => {$(
        impl Shift for $rust {
            fn left(self, by: Self) -> Self {
                if (0..Self::BITS as Self).contains(&by) { self << by } else { 0 }
            }
            fn right(self, by: Self) -> Self {
                let sign = if self < Self::default() { !0 } else { 0 };
                if (0..Self::BITS as Self).contains(&by) { self >> by } else { sign }
            }
        }
    )*};
}

shift! { i8, i16, i32, i64, u8, u16, u32, u64 }

#[cfg(test)]
mod tests {
    use vairun_tensor::Tensor;

    use crate::common::testing::*;

    #[test]
    fn shifting_everything_out_leaves_nothing() {
        let shift = |direction: &str, x: Tensor, by: Tensor| {
            node("BitShift").text("direction", direction).run([x, by])
        };
        let (x, by) = (|| Tensor::vector(vec![16u8, 4, 1]), || Tensor::vector(vec![1u8, 8, 3]));
        assert_tensor(&shift("RIGHT", x(), by()), &Tensor::vector(vec![8u8, 0, 0]));
        assert_tensor(&shift("LEFT", x(), by()), &Tensor::vector(vec![32u8, 0, 8]));
        let negative =
            shift("RIGHT", Tensor::vector(vec![-16i8, -1]), Tensor::vector(vec![2i8, 9]));
        assert_tensor(&negative, &Tensor::vector(vec![-4i8, -1]));
    }
}
