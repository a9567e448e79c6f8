//! Operators on codes: onnxruntime's `QLinear…` family and ONNX's integer contractions.
//!
//! The codes are tensors of int8 or uint8, their scales and zero points further inputs. Sums are exact; each operator
//! requantizes as its kernel in onnxruntime does ([`vairun_numeric::qlinear`]).

mod binary;
mod codes;
mod kept;
mod layout;
mod lookup;
mod sums;

pub mod conv_integer;
pub mod dynamic_quantize_lstm;
pub mod dynamic_quantize_mat_mul;
pub mod gather_block_quantized;
pub mod mat_mul_integer;
pub mod mat_mul_integer_to_float;
pub mod mat_mul_n_bits;
pub mod q_attention;
pub mod q_gemm;
pub mod qlinear_add;
pub mod qlinear_average_pool;
pub mod qlinear_concat;
pub mod qlinear_conv;
pub mod qlinear_global_average_pool;
pub mod qlinear_leaky_relu;
pub mod qlinear_mat_mul;
pub mod qlinear_mul;
pub mod qlinear_reduce_mean;
pub mod qlinear_sigmoid;
pub mod qlinear_softmax;
pub mod qlinear_where;
