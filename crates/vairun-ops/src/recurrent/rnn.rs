//! `RNN`: the plain recurrence.
//!
//! `H' = f(X·W + H·R + Wb + Rb)`
//!
//! | | name            | type     | shape                                                        |
//! |-|-----------------|----------|--------------------------------------------------------------|
//! | 0 | `X`           | f16, f32 | `[steps, batch, input]`; with layout 1 `[batch, steps, …]`    |
//! | 1 | `W`           | as `X`   | `[directions, hidden, input]`                                 |
//! | 2 | `R`           | as `X`   | `[directions, hidden, hidden]`                                |
//! | 3 | `B`           | as `X`   | `[directions, 2·hidden]`, optional                            |
//! | 4 | `sequence_lens` | i32    | `[batch]`, optional                                           |
//! | 5 | `initial_h`   | as `X`   | `[directions, batch, hidden]`; with layout 1 `[batch, directions, …]`, optional |
//! | → | `Y`, `Y_h`    | as `X`   | `[steps, directions, batch, hidden]`, and as initial_h         |
//!
//! Attributes: activations (Tanh), activation_alpha, activation_beta, clip, direction (forward), hidden_size, layout (0).
//! What lies beyond a sequence's length is 0 in Y.
//!
//! Source: <https://onnx.ai/onnx/operators/onnx__RNN.html>.

use vairun_numeric::recurrent::Rnn as Cell;
use vairun_tensor::DType;

use super::attributes::Attributes;
use super::walk::run;
use crate::attrs::Attrs;
use crate::def::{Grade, OpDef};
use crate::error::{BuildError, OpError};
use crate::operator::{Context, Inputs, Operator, Outputs};
use crate::spec::NodeSpec;

/// `RNN`.
pub static DEF: OpDef = OpDef {
    names: &[("", "RNN")],
    opsets: 7..=super::LATEST,
    summary: "a plain recurrence over a sequence",
    types: "X, W, R, B, initial_h float16, float32; sequence_lens int32",
    grade: Grade::Runs,
    build,
};

struct Rnn(Attributes);

fn build(spec: &NodeSpec, attrs: &Attrs) -> Result<Box<dyn Operator>, BuildError> {
    spec.expect_inputs(3..=6)?;
    Ok(Box::new(Rnn(Attributes::read(attrs, &["Tanh"])?)))
}

impl Operator for Rnn {
    fn run(&self, inputs: Inputs, _: &mut dyn Context) -> Result<Outputs, OpError> {
        let cell = |d: usize| -> Box<dyn vairun_numeric::recurrent::Cell> {
            Box::new(Cell { f: self.0.activations[d][0], clip: self.0.clip })
        };
        run(&self.0, &inputs, 1, false, cell)
    }

    fn output_dtypes(&self, inputs: &[Option<DType>]) -> Result<Vec<Option<DType>>, OpError> {
        super::output_dtypes(inputs, 2)
    }
}
