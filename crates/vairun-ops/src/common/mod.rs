//! What many operators need: sizes, axes, parameters, types, broadcasting, moving elements.

pub(crate) mod axes;
pub(crate) mod broadcast;
pub(crate) mod codes;
pub(crate) mod dispatch;
pub(crate) mod movement;
pub(crate) mod number;
pub(crate) mod once;
pub(crate) mod parameters;
pub(crate) mod prelude;
pub(crate) mod sizes;
pub(crate) mod stack;
pub(crate) mod types;
pub(crate) mod walk;

/// The newest version of ONNX's own opset that the operators were compared with.
pub(crate) const LATEST: i64 = 28;

/// The value of a one-output operator.
pub(crate) fn one(tensor: vairun_tensor::Tensor) -> Result<crate::Outputs, crate::OpError> {
    Ok(vec![tensor.into()])
}

#[cfg(test)]
pub(crate) mod testing;
