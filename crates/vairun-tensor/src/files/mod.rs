//! Files that hold tensors: npy, npz, raw binary and text, safetensors.
