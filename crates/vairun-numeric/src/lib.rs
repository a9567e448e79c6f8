//! The arithmetic of quantized networks on slices: rounding, quantizers, block formats, narrow floats, integer kernels.
