//! `BitCast`: the same bits under another type of the same width.
//!
//! | | name     | type                 | shape      |
//! |-|----------|----------------------|------------|
//! | 0 | `input`  | any but string     | any        |
//! | → | `output` | `to`               | as `input` |
//!
//! Attributes: `to` (int, required: `TensorProto.DataType`).
//!
//! Source: <https://onnx.ai/onnx/operators/onnx__BitCast.html>.

use vairun_tensor::{Carrier, DType, Tensor};

use crate::attrs::Attrs;
use crate::common::{LATEST, one};
use crate::def::{Grade, OpDef};
use crate::error::{BuildError, OpError};
use crate::operator::{Context, Inputs, Operator, Outputs};
use crate::spec::NodeSpec;

/// `BitCast`.
pub static DEF: OpDef = OpDef {
    names: &[("", "BitCast")],
    opsets: 26..=LATEST,
    summary: "the same bits under another type of the same width",
    types: "any but string",
    grade: Grade::Exact("ONNX"),
    build,
};

struct BitCast {
    to: DType,
}

fn build(spec: &NodeSpec, attrs: &Attrs) -> Result<Box<dyn Operator>, BuildError> {
    spec.expect_inputs(1..=1)?;
    let to = attrs.dtype("to")?.ok_or_else(|| BuildError::MissingAttribute("to".into()))?;
    if to == DType::String {
        return Err(Attrs::value("to", to, "a type of fixed width"));
    }
    Ok(Box::new(BitCast { to }))
}

impl Operator for BitCast {
    fn run(&self, inputs: Inputs, _: &mut dyn Context) -> Result<Outputs, OpError> {
        let x = inputs.tensor(0, "input")?;
        self.expect_width(x.dtype())?;
        let bits = bits(x)?;
        if self.to == DType::Bool {
            return one(Tensor::new(x.shape(), bits.iter().map(|&byte| byte != 0).collect())?);
        }
        one(Tensor::from_le_bytes(self.to, x.shape(), &sign_carried(self.to, bits))?)
    }

    fn output_dtypes(&self, inputs: &[Option<DType>]) -> Result<Vec<Option<DType>>, OpError> {
        if let Some(from) = inputs.first().copied().flatten() {
            self.expect_width(from)?;
        }
        Ok(vec![Some(self.to)])
    }
}

impl BitCast {
    fn expect_width(&self, from: DType) -> Result<(), OpError> {
        if from.bits().is_some() && from.bits() == self.to.bits() {
            return Ok(());
        }
        let expected = format!("a type of {} bits as {}", self.to.bits().unwrap_or(0), self.to);
        Err(OpError::DType { input: "input".into(), got: from, expected })
    }
}

/// The bits of the elements; those above a narrow type's are 0.
fn bits(x: &Tensor) -> Result<Vec<u8>, OpError> {
    if x.dtype().carrier() == Carrier::Bool {
        return Ok(x.as_slice::<bool>()?.iter().map(|&x| x.into()).collect());
    }
    let mask = match x.dtype().bits() {
        Some(bits) if bits < 8 => (1u8 << bits) - 1,
        _ => 0xff,
    };
    Ok(x.as_bytes().unwrap_or_default().iter().map(|byte| byte & mask).collect())
}

/// Signed integers of fewer than 8 bits as their carrier, an int8, holds them.
fn sign_carried(to: DType, mut bits: Vec<u8>) -> Vec<u8> {
    let unused = match to {
        DType::I4 => 4,
        DType::I2 => 6,
        _ => return bits,
    };
    bits.iter_mut().for_each(|byte| *byte = (((*byte << unused) as i8) >> unused) as u8);
    bits
}

#[cfg(test)]
mod tests {
    use vairun_tensor::{DType, Tensor};

    use crate::common::testing::*;

    #[test]
    fn the_bits_of_a_float() {
        let y = node("BitCast").int("to", 6).run([floats(&[2], &[1.0, -0.0])]);
        assert_tensor(&y, &Tensor::vector(vec![0x3f80_0000i32, i32::MIN]));
    }

    #[test]
    fn four_bits_keep_their_sign() {
        let x = Tensor::with_dtype(DType::U4, &[2], vec![15u8, 7]).unwrap();
        let y = node("BitCast").int("to", 22).run([x]);
        assert_eq!(y.as_slice::<i8>().unwrap(), [-1, 7]);
    }

    #[test]
    fn another_width_is_refused() {
        let error = node("BitCast").int("to", 7).error([count_up(&[1])]);
        assert_eq!(error, "input is float32, expected a type of 64 bits as int64");
    }
}
