//! A self-contained interpreter for quantized ONNX models.
