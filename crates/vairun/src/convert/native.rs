//! Quantizers that round as ONNX's do and only have another name.

use vairun_graph::{Attribute, Node};
use vairun_tensor::DType;

use super::write::Writer;

/// Renames a node of Quark's or onnxruntime's to QuantizeLinear or DequantizeLinear. `axis` is the default of its
/// operator, which differs between the domains.
pub(super) fn rename(
    writer: &mut Writer,
    node: &Node,
    quantizes: bool,
    axis: i64,
) -> Result<(), String> {
    let scale = writer.constant(node, 1).ok_or("its scale is not a constant")?;
    let zero_point = match node.inputs.get(2).copied().flatten() {
        Some(_) => Some(writer.constant(node, 2).ok_or("its zero point is not a constant")?),
        None => None,
    };
    let dtype = zero_point.map_or(DType::U8, |tensor| tensor.dtype());
    let zeros = |tensor: &vairun_tensor::Tensor| {
        tensor.as_slice::<i32>().is_ok_and(|zeros| zeros.iter().all(|zero| *zero == 0))
    };
    let is_zero = zero_point.is_none_or(zeros);
    exists(dtype, quantizes, is_zero, writer.opset)?;
    let mut attributes = Vec::new();
    if scale.len() > 1 {
        if writer.opset < 13 {
            return Err("a scale for each channel needs opset 13".to_owned());
        }
        let axis = match node.attributes.get("axis") {
            Some(Attribute::Int(axis)) => *axis,
            _ => axis,
        };
        attributes.push(("axis", axis));
    }
    let inputs: Vec<_> = node.inputs.iter().copied().flatten().collect();
    let output = node.writes().next().ok_or("it makes nothing")?;
    let op_type = if quantizes { "QuantizeLinear" } else { "DequantizeLinear" };
    writer.node(node.name.clone(), op_type, inputs, output, &attributes);
    writer.counts.native += 1;
    Ok(())
}

/// Whether ONNX's operators have codes of that type.
fn exists(dtype: DType, quantizes: bool, is_zero: bool, opset: i64) -> Result<(), String> {
    let since = since(dtype, quantizes).ok_or_else(|| format!("ONNX has no codes of {dtype}"))?;
    if dtype == DType::I32 && !is_zero {
        return Err("codes of int32 have no zero point in ONNX".to_owned());
    }
    if opset < since {
        return Err(format!("codes of {dtype} need opset {since}, the model has {opset}"));
    }
    Ok(())
}

/// The opset from which ONNX's operators have codes of that type.
pub(super) fn since(dtype: DType, quantizes: bool) -> Option<i64> {
    match dtype {
        DType::I8 | DType::U8 => Some(10),
        DType::I32 if !quantizes => Some(10),
        DType::I16 | DType::U16 | DType::I4 | DType::U4 => Some(21),
        _ => None,
    }
}
