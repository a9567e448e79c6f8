//! Recurrent cells over sequences, in float32: LSTM, GRU and the plain RNN.
//!
//! Sums run in one order on every machine. Weights are row-major, `[gates · hidden, input]` and `[gates · hidden,
//! hidden]`; the gates stand in ONNX's order: `i o f c` of an LSTM, `z r h` of a GRU.

mod activation;
mod cell;
mod dense;
mod direction;
mod dynamic;

pub use activation::Activation;
pub use cell::{Cell, Gru, Lstm, Rnn};
pub use direction::{Direction, Sequence};
pub use dynamic::{CodedWeights, DynamicLstm, Weights};
