//! `GRU`: gated recurrent units.
//!
//! ```text
//! z = f(X·Wz + H·Rz + bz)    r = f(X·Wr + H·Rr + br)    n = g(X·Wh + (r∘H)·Rh + bh)    H' = (1 - z)∘n + z∘H
//! ```
//!
//! With linear_before_reset `n = g(X·Wh + r∘(H·Rh + Rbh) + Wbh)`.
//!
//! | | name            | type     | shape                                                        |
//! |-|-----------------|----------|--------------------------------------------------------------|
//! | 0 | `X`           | f16, f32 | `[steps, batch, input]`; with layout 1 `[batch, steps, …]`    |
//! | 1 | `W`           | as `X`   | `[directions, 3·hidden, input]`, gates in the order z r h      |
//! | 2 | `R`           | as `X`   | `[directions, 3·hidden, hidden]`                              |
//! | 3 | `B`           | as `X`   | `[directions, 6·hidden]`, optional                            |
//! | 4 | `sequence_lens` | i32    | `[batch]`, optional                                           |
//! | 5 | `initial_h`   | as `X`   | `[directions, batch, hidden]`; with layout 1 `[batch, directions, …]`, optional |
//! | → | `Y`, `Y_h`    | as `X`   | `[steps, directions, batch, hidden]`, and as initial_h         |
//!
//! Attributes: activations (Sigmoid, Tanh), activation_alpha, activation_beta, clip, direction (forward), hidden_size,
//! layout (0), linear_before_reset (0). What lies beyond a sequence's length is 0 in Y.
//!
//! Source: <https://onnx.ai/onnx/operators/onnx__GRU.html>.

use vairun_numeric::recurrent::Gru as Cell;
use vairun_tensor::DType;

use super::attributes::Attributes;
use super::walk::run;
use crate::attrs::Attrs;
use crate::def::{Grade, OpDef};
use crate::error::{BuildError, OpError};
use crate::operator::{Context, Inputs, Operator, Outputs};
use crate::spec::NodeSpec;

/// `GRU`.
pub static DEF: OpDef = OpDef {
    names: &[("", "GRU")],
    opsets: 7..=super::LATEST,
    summary: "gated recurrent units over a sequence",
    types: "X, W, R, B, initial_h float16, float32; sequence_lens int32",
    grade: Grade::Runs,
    build,
};

struct Gru {
    attributes: Attributes,
    linear_before_reset: bool,
}

fn build(spec: &NodeSpec, attrs: &Attrs) -> Result<Box<dyn Operator>, BuildError> {
    spec.expect_inputs(3..=6)?;
    let attributes = Attributes::read(attrs, &["Sigmoid", "Tanh"])?;
    let linear_before_reset = attrs.flag("linear_before_reset")?.unwrap_or(false);
    Ok(Box::new(Gru { attributes, linear_before_reset }))
}

impl Operator for Gru {
    fn run(&self, inputs: Inputs, _: &mut dyn Context) -> Result<Outputs, OpError> {
        let cell = |d: usize| -> Box<dyn vairun_numeric::recurrent::Cell> {
            let [f, g] = self.attributes.activations[d][..] else { unreachable!("read as two") };
            Box::new(Cell {
                f,
                g,
                clip: self.attributes.clip,
                linear_before_reset: self.linear_before_reset,
            })
        };
        run(&self.attributes, &inputs, 3, false, cell)
    }

    fn output_dtypes(&self, inputs: &[Option<DType>]) -> Result<Vec<Option<DType>>, OpError> {
        super::output_dtypes(inputs, 2)
    }
}
