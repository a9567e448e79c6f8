use vairun_numeric::contraction::Codes;
use vairun_tensor::{Carrier, Tensor};

use crate::error::OpError;

/// The integers of a tensor.
pub(crate) fn codes(x: &Tensor) -> Result<Codes<'_>, OpError> {
    Ok(match x.dtype().carrier() {
        Carrier::I8 => Codes::I8(x.as_slice()?),
        Carrier::U8 if x.dtype().is_integer() => Codes::U8(x.as_slice()?),
        Carrier::I16 => Codes::I16(x.as_slice()?),
        Carrier::U16 => Codes::U16(x.as_slice()?),
        Carrier::I32 => Codes::I32(x.as_slice()?),
        _ => {
            let expected = "integers of at most 32 bits".to_owned();
            return Err(OpError::DType { input: "codes".into(), got: x.dtype(), expected });
        }
    })
}
