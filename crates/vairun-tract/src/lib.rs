//! tract as a provider of kernels, and vairun's operators for tract.
