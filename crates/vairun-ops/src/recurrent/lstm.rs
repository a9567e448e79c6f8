//! `LSTM`: long short-term memory.
//!
//! ```text
//! i = f(X·Wi + H·Ri + Pi∘C + bi)    o = f(X·Wo + H·Ro + Po∘C' + bo)    f = f(X·Wf + H·Rf + Pf∘C + bf)
//! C' = f∘C + i∘g(X·Wc + H·Rc + bc)  H' = o∘h(C')
//! ```
//!
//! | | name            | type     | shape                                                        |
//! |-|-----------------|----------|--------------------------------------------------------------|
//! | 0 | `X`           | f16, f32 | `[steps, batch, input]`; with layout 1 `[batch, steps, …]`    |
//! | 1 | `W`           | as `X`   | `[directions, 4·hidden, input]`, gates in the order i o f c    |
//! | 2 | `R`           | as `X`   | `[directions, 4·hidden, hidden]`                              |
//! | 3 | `B`           | as `X`   | `[directions, 8·hidden]`, optional                            |
//! | 4 | `sequence_lens` | i32    | `[batch]`, optional                                           |
//! | 5, 6 | `initial_h`, `initial_c` | as `X` | `[directions, batch, hidden]`; with layout 1 `[batch, directions, …]`, optional |
//! | 7 | `P`           | as `X`   | `[directions, 3·hidden]`, i o f, optional                      |
//! | → | `Y`, `Y_h`, `Y_c` | as `X` | `[steps, directions, batch, hidden]`, and as the initial states |
//!
//! Attributes: activations (Sigmoid, Tanh, Tanh), activation_alpha, activation_beta, clip, direction (forward),
//! hidden_size, input_forget (0), layout (0). What lies beyond a sequence's length is 0 in Y.
//!
//! Source: <https://onnx.ai/onnx/operators/onnx__LSTM.html>.

use vairun_numeric::recurrent::Lstm as Cell;
use vairun_tensor::DType;

use super::attributes::Attributes;
use super::walk::{optional, run};
use crate::attrs::Attrs;
use crate::def::{Grade, OpDef};
use crate::error::{BuildError, OpError};
use crate::operator::{Context, Inputs, Operator, Outputs};
use crate::spec::NodeSpec;

/// `LSTM`.
pub static DEF: OpDef = OpDef {
    names: &[("", "LSTM")],
    opsets: 7..=super::LATEST,
    summary: "long short-term memory over a sequence",
    types: "X, W, R, B, initial_h, initial_c, P float16, float32; sequence_lens int32",
    grade: Grade::Runs,
    build,
};

struct Lstm {
    attributes: Attributes,
    input_forget: bool,
}

fn build(spec: &NodeSpec, attrs: &Attrs) -> Result<Box<dyn Operator>, BuildError> {
    spec.expect_inputs(3..=8)?;
    let attributes = Attributes::read(attrs, &["Sigmoid", "Tanh", "Tanh"])?;
    Ok(Box::new(Lstm { attributes, input_forget: attrs.flag("input_forget")?.unwrap_or(false) }))
}

impl Operator for Lstm {
    fn run(&self, inputs: Inputs, _: &mut dyn Context) -> Result<Outputs, OpError> {
        let (directions, hidden) = (self.attributes.reverse.len(), super::hidden(&inputs)?);
        let p = optional(&inputs, 7, "P", &[directions, 3 * hidden])?;
        let cell = |d: usize| -> Box<dyn vairun_numeric::recurrent::Cell + '_> {
            let [f, g, h] = self.attributes.activations[d][..] else {
                unreachable!("read as three")
            };
            let peephole = p.as_ref().map(|p| &p[d * 3 * hidden..][..3 * hidden]);
            Box::new(Cell {
                f,
                g,
                h,
                clip: self.attributes.clip,
                input_forget: self.input_forget,
                peephole,
            })
        };
        run(&self.attributes, &inputs, 4, true, cell)
    }

    fn output_dtypes(&self, inputs: &[Option<DType>]) -> Result<Vec<Option<DType>>, OpError> {
        super::output_dtypes(inputs, 3)
    }
}
