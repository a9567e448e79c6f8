//! `vai::QuantizeLinear`

use crate::attrs::Attrs;

use crate::def::{Grade, OpDef};
use crate::error::BuildError;
use crate::operator::Operator;
use crate::spec::NodeSpec;

/// `vai::QuantizeLinear`.
pub static DEF: OpDef = OpDef {
    names: &[("vai", "QuantizeLinear")],
    opsets: 1..=i64::MAX,
    summary: "real numbers to integers in float32, with the rounding method as an input",
    types: "x float32",
    grade: Grade::Runs,
    build,
};

fn build(_spec: &NodeSpec, _attrs: &Attrs) -> Result<Box<dyn Operator>, BuildError> {
    Err(BuildError::Unsupported("under construction".into()))
}
