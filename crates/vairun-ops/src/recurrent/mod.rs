//! LSTM, GRU and RNN: the same walk over a sequence with different cells.

pub(crate) mod attributes;
pub mod gru;
pub mod lstm;
pub mod rnn;
#[cfg(test)]
mod tests;
pub(crate) mod walk;

use vairun_tensor::DType;

use crate::common::LATEST;
use crate::error::OpError;
use crate::operator::Inputs;

/// The size of the state, as R says.
fn hidden(inputs: &Inputs) -> Result<usize, OpError> {
    Ok(inputs.tensor(2, "R")?.shape().last().copied().unwrap_or(0))
}

fn output_dtypes(inputs: &[Option<DType>], count: usize) -> Result<Vec<Option<DType>>, OpError> {
    let x = inputs.first().copied().flatten();
    match x {
        Some(got) if !matches!(got, DType::F16 | DType::F32) => {
            Err(OpError::DType { input: "X".into(), got, expected: "float16 or float32".into() })
        }
        known => Ok(vec![known; count]),
    }
}
