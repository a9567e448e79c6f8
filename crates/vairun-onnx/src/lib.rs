//! Reads and writes .onnx files.
