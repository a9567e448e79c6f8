//! Random numbers. Each node has a sequence of its own, from its attribute `seed`, or from its name where it has none: the
//! same numbers in every run and on every machine.

pub mod dropout;
pub mod fill;
mod mersenne_twister;

use crate::attrs::Attrs;
use crate::error::BuildError;
use crate::spec::NodeSpec;

/// The seed of a node.
fn seed(spec: &NodeSpec, attrs: &Attrs) -> Result<u32, BuildError> {
    let from_name = || {
        spec.name
            .bytes()
            .fold(0x811c_9dc5u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
    };
    let given = match attrs.get("seed") {
        Some(vairun_graph::Attribute::Int(seed)) => Some(*seed),
        Some(vairun_graph::Attribute::Float(seed)) => Some(*seed as i64),
        Some(other) => {
            let (name, got) = ("seed".into(), other.kind());
            return Err(BuildError::AttributeKind { name, expected: "FLOAT or INT", got });
        }
        None => None,
    };
    Ok(given.map_or_else(from_name, |seed| seed as u32))
}
