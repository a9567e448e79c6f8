//! vairun's operators inside tract, for programs that run models with tract itself.
//!
//! tract looks operators up by their bare name and ignores the domain: `vai::QuantizeLinear` would run as ONNX's
//! QuantizeLinear, silently. [`load`] therefore names every operator of a foreign domain `domain::Op` before tract reads
//! the model, and [`register`] gives tract those that vairun has. ONNX's own QuantizeLinear, DequantizeLinear and
//! DynamicQuantizeLinear are replaced: tract multiplies by the reciprocal of the scale and wraps on overflow.

mod hir;
mod qualify;
mod spec;
mod typed;

use std::path::Path;

use tract_onnx::Onnx;
use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::prelude::{Framework, InferenceModel, TractError, TractResult};
use tract_onnx::tract_hir::infer::InferenceOp;
use tract_onnx::tract_hir::ops::expandable::expand;
use vairun_ops::{OwnOps, Provider};

pub use qualify::qualify;

/// ONNX's own operators that are replaced by vairun's.
const REPLACED: [&str; 3] = ["QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear"];

/// Gives tract every operator of vairun that stands in a domain of its own, as `domain::Op`, and replaces ONNX's
/// quantizers.
pub fn register(onnx: &mut Onnx) {
    for entry in OwnOps.entries() {
        if !entry.domain.is_empty() {
            onnx.op_register.0.insert(format!("{}::{}", entry.domain, entry.op_type), own);
        } else if REPLACED.contains(&entry.op_type.as_str()) {
            onnx.op_register.0.insert(entry.op_type, own);
        }
    }
}

/// The model at `path` for a tract that knows vairun's operators (see [`register`]).
///
/// # Errors
/// Those of tract. Values whose types tract lacks (4-bit integers, bfloat16, float8) are among them.
pub fn load(onnx: &Onnx, path: impl AsRef<Path>) -> TractResult<InferenceModel> {
    let path = path.as_ref();
    let mut proto = onnx.proto_model_for_path(path)?;
    qualify(&mut proto);
    let folder = path.parent().and_then(Path::to_str);
    let parsed = onnx.parse(&proto, folder)?;
    if parsed.unresolved_inputs.is_empty() {
        return Ok(parsed.model);
    }
    Err(TractError::msg(format!("nobody makes the values {:?}", parsed.unresolved_inputs)))
}

/// What tract calls for a node that is vairun's.
fn own(
    context: &ParsingContext,
    node: &NodeProto,
) -> TractResult<(Box<dyn InferenceOp>, Vec<String>)> {
    Ok((expand(hir::Own(spec::Node::read(context, node)?)), vec![]))
}
