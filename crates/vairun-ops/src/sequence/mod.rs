//! Sequences and optionals.

pub mod at;
pub mod concat_from_sequence;
pub mod construct;
pub mod optional;
pub mod sequence_map;
pub mod split_to_sequence;

use vairun_tensor::{Value, ValueError};

use crate::error::OpError;
use crate::operator::Inputs;

/// Input `index`, which must be a sequence; an optional that holds one will do.
fn take_sequence(
    inputs: &mut Inputs,
    index: usize,
    name: &'static str,
) -> Result<Vec<Value>, OpError> {
    let value = match inputs.take_value(index).ok_or(OpError::Missing(name))? {
        Value::Optional(Some(inner)) => *inner,
        other => other,
    };
    match value {
        Value::Sequence(items) => Ok(items),
        other => Err(ValueError { expected: "sequence", got: other.kind() }.into()),
    }
}
