//! `com.microsoft::DynamicQuantizeLSTM`: an LSTM with weights of 8 bits, whose inputs and states are quantized as they
//! come.
//!
//! The equations are those of `LSTM`; each product with W or R is
//! `f32(f32(Σ (q - zq)·(w - zw)) · f32(sq·sw))`, q the rows of X, or the states of a step, by the rule of
//! `DynamicQuantizeLinear`. Details: [`vairun_numeric::recurrent::DynamicLstm`].
//!
//! | | name            | type   | shape                                                         |
//! |-|-----------------|--------|---------------------------------------------------------------|
//! | 0 | `X`           | f32    | `[steps, batch, input]`; with layout 1 `[batch, steps, …]`    |
//! | 1 | `W`           | i8, u8 | `[directions, input, 4·hidden]`, gates in the order i o f c   |
//! | 2 | `R`           | i8, u8 | `[directions, hidden, 4·hidden]`                              |
//! | 3 | `B`           | f32    | `[directions, 8·hidden]`, optional                            |
//! | 4 | `sequence_lens` | i32  | `[batch]`, optional                                           |
//! | 5, 6 | `initial_h`, `initial_c` | f32 | `[directions, batch, hidden]`; with layout 1 `[batch, directions, …]`, optional |
//! | 7 | `P`           | f32    | `[directions, 3·hidden]`, i o f, optional                     |
//! | 8, 10 | `W_scale`, `R_scale` | f32 | `[directions]` or `[directions, 4·hidden]`              |
//! | 9, 11 | `W_zero_point`, `R_zero_point` | as `W`, `R` | as the scales, the same for all columns  |
//! | → | `Y`, `Y_h`, `Y_c` | f32 | as of `LSTM`                                                 |
//!
//! Attributes: those of `LSTM`.
//!
//! Source: `dynamic_quantize_lstm.cc` of onnxruntime 1.28. Vectors: `testdata/ops/qlinear`.

use vairun_numeric::contraction::Codes;
use vairun_numeric::recurrent::{CodedWeights, DynamicLstm, Sequence, Weights};
use vairun_tensor::{DType, Tensor};

use super::codes::{CODES, SCALE};
use super::kept::{Kept, Scaling};
use crate::attrs::Attrs;
use crate::common::types::other_type;
use crate::contraction::Matrix;
use crate::def::{Grade, OpDef};
use crate::error::{BuildError, OpError};
use crate::operator::{Context, Inputs, Operator, Outputs};
use crate::quant::parameters::{integers, wrong_shape};
use crate::recurrent::attributes::Attributes;
use crate::recurrent::walk::{Sizes, lengths, optional};
use crate::spec::NodeSpec;

/// `com.microsoft::DynamicQuantizeLSTM`.
pub static DEF: OpDef = OpDef {
    names: &[("com.microsoft", "DynamicQuantizeLSTM")],
    opsets: 1..=i64::MAX,
    summary: "long short-term memory with weights of 8 bits, inputs and states quantized as they come",
    types: "X, B, initial_h, initial_c, P, scales float32; W, R int8, uint8; sequence_lens int32",
    grade: Grade::Exact("onnxruntime 1.32 with one thread"),
    build,
};

struct DynamicQuantizeLstm {
    attributes: Attributes,
    input_forget: bool,
    /// W and R of each direction, packed.
    kept: Vec<[Kept; 2]>,
}

fn build(spec: &NodeSpec, attrs: &Attrs) -> Result<Box<dyn Operator>, BuildError> {
    spec.expect_inputs(12..=12)?;
    let attributes = Attributes::read(attrs, &["Sigmoid", "Tanh", "Tanh"])?;
    let input_forget = attrs.flag("input_forget")?.unwrap_or(false);
    let kept = || [Kept::new(spec, &[1, 9]), Kept::new(spec, &[2, 11])];
    let kept = attributes.reverse.iter().map(|_| kept()).collect();
    Ok(Box::new(DynamicQuantizeLstm { attributes, input_forget, kept }))
}

impl Operator for DynamicQuantizeLstm {
    fn run(&self, inputs: Inputs, _: &mut dyn Context) -> Result<Outputs, OpError> {
        let sizes = self.sizes(&inputs)?;
        let (directions, hidden) = (sizes.directions, sizes.hidden);
        let w = Coded::read(&inputs, [1, 8, 9], W, [directions, sizes.input, 4 * hidden])?;
        let r = Coded::read(&inputs, [2, 10, 11], R, [directions, hidden, 4 * hidden])?;
        let bias = optional(&inputs, 3, "B", &[directions, 8 * hidden])?;
        let peephole = optional(&inputs, 7, "P", &[directions, 3 * hidden])?;
        let lengths = lengths(&inputs, &sizes)?;
        let mut h = sizes.initial(optional(&inputs, 5, "initial_h", &sizes.state_shape())?);
        let mut c = sizes.initial(optional(&inputs, 6, "initial_c", &sizes.state_shape())?);
        let x = sizes.steps_first(inputs.tensor(0, "X")?.as_slice::<f32>()?.into());
        let sequence = Sequence {
            x: &x,
            steps: sizes.steps,
            batch: sizes.batch,
            input: sizes.input,
            lengths: lengths.as_deref(),
        };
        let mut y = vec![0.0; sizes.steps * directions * sizes.batch * hidden];
        let block = sizes.batch * hidden;
        for (d, &reverse) in self.attributes.reverse.iter().enumerate() {
            let [f, g, out] = self.attributes.activations[d][..] else {
                unreachable!("read as three")
            };
            let lstm = DynamicLstm {
                w: w.direction(d, &self.kept[d][0])?,
                r: r.direction(d, &self.kept[d][1])?,
                bias: bias.as_ref().map(|bias| &bias[d * 8 * hidden..][..8 * hidden]),
                peephole: peephole.as_ref().map(|p| &p[d * 3 * hidden..][..3 * hidden]),
                activations: [f, g, out],
                clip: self.attributes.clip,
                input_forget: self.input_forget,
                reverse,
            };
            let states = d * block..(d + 1) * block;
            let (h, c) = (&mut h[states.clone()], &mut c[states]);
            lstm.run(&sequence, h, c, |step, b, h| {
                let at = sizes.place(step, d, b);
                y[at..at + hidden].copy_from_slice(h);
            });
            // A sequence without steps leaves zeros behind, not its first states.
            for (b, _) in lengths.iter().flatten().enumerate().filter(|(_, length)| **length == 0) {
                h[b * hidden..][..hidden].fill(0.0);
                c[b * hidden..][..hidden].fill(0.0);
            }
        }
        let outputs = [
            (sizes.y_shape(), y),
            (sizes.state_shape(), sizes.last(h)),
            (sizes.state_shape(), sizes.last(c)),
        ];
        outputs.into_iter().map(|(shape, data)| Ok(Tensor::new(&shape, data)?.into())).collect()
    }

    fn output_dtypes(&self, inputs: &[Option<DType>]) -> Result<Vec<Option<DType>>, OpError> {
        let floats = [(0, "X"), (3, "B"), (5, "initial_h"), (6, "initial_c"), (7, "P")];
        for (index, name) in floats.into_iter().chain([(8, W.1), (10, R.1)]) {
            SCALE.check(inputs, index, name)?;
        }
        for (index, name) in [(1, W.0), (2, R.0), (9, W.2), (11, R.2)] {
            CODES.check(inputs, index, name)?;
        }
        Ok(vec![Some(DType::F32); 3])
    }
}

type Names = (&'static str, &'static str, &'static str);
const W: Names = ("W", "W_scale", "W_zero_point");
const R: Names = ("R", "R_scale", "R_zero_point");

impl DynamicQuantizeLstm {
    fn sizes(&self, inputs: &Inputs) -> Result<Sizes, OpError> {
        let (x, r) = (inputs.tensor(0, "X")?, inputs.tensor(2, "R")?);
        SCALE.check_tensor(x, "X")?;
        let directions = self.attributes.reverse.len();
        let &[first, second, input] = x.shape() else {
            return Err(wrong_shape("X", x.shape(), "three dimensions"));
        };
        let hidden = match *r.shape() {
            [count, hidden, columns] if count == directions && columns == 4 * hidden => hidden,
            _ => {
                let expected = format!("[{directions}, hidden, 4·hidden]");
                return Err(wrong_shape("R", r.shape(), expected));
            }
        };
        if let Some(size) = self.attributes.hidden_size.filter(|&size| size != hidden) {
            return Err(wrong_shape("R", r.shape(), format!("the hidden_size of {size}")));
        }
        let batch_first = self.attributes.batch_first;
        let (steps, batch) = if batch_first { (second, first) } else { (first, second) };
        Ok(Sizes { steps, batch, input, hidden, directions, batch_first })
    }
}

/// Weights of all directions.
struct Coded<'a> {
    codes: &'a Tensor,
    /// Codes of one direction.
    length: usize,
    /// One, or one for each column, for each direction.
    scales: &'a [f32],
    zero_points: Vec<i32>,
    directions: usize,
}

impl<'a> Coded<'a> {
    fn read(
        inputs: &'a Inputs,
        [codes, scale, zero_point]: [usize; 3],
        names: Names,
        shape: [usize; 3],
    ) -> Result<Self, OpError> {
        let codes = inputs.tensor(codes, names.0)?;
        let (scale, zeros) = (inputs.tensor(scale, names.1)?, inputs.tensor(zero_point, names.2)?);
        CODES.check_tensor(codes, names.0)?;
        SCALE.check_tensor(scale, names.1)?;
        if codes.shape() != shape {
            return Err(wrong_shape(names.0, codes.shape(), format!("{shape:?}")));
        }
        if zeros.dtype() != codes.dtype() {
            return Err(other_type(names.2, zeros.dtype(), codes.dtype()));
        }
        let [directions, rows, columns] = shape;
        for (tensor, name) in [(scale, names.1), (zeros, names.2)] {
            if tensor.shape() != [directions] && tensor.shape() != [directions, columns] {
                let expected = format!("[{directions}] or [{directions}, {columns}]");
                return Err(wrong_shape(name, tensor.shape(), expected));
            }
        }
        let zero_points = integers(zeros, names.2)?;
        let each = zero_points.len() / directions;
        if zero_points.chunks(each).any(|points| points.iter().any(|&z| z != points[0])) {
            return Err(OpError::Value {
                input: names.2.into(),
                got: format!("{zero_points:?}"),
                expected: "one number for all columns of a direction".into(),
            });
        }
        Ok(Self {
            codes,
            length: rows * columns,
            scales: scale.as_slice()?,
            zero_points: zero_points.into_iter().step_by(each).collect(),
            directions,
        })
    }

    fn direction(&self, d: usize, kept: &'a Kept) -> Result<Direction<'a>, OpError> {
        let range = d * self.length..(d + 1) * self.length;
        let codes = match self.codes.dtype() {
            DType::I8 => Codes::I8(&self.codes.as_slice()?[range]),
            _ => Codes::U8(&self.codes.as_slice()?[range]),
        };
        let each = self.scales.len() / self.directions;
        let scales = &self.scales[d * each..][..each];
        let plain = CodedWeights { codes, zero_point: self.zero_points[d], scales };
        Ok(Direction { plain, kept })
    }
}

/// Weights of one direction: packed, or as they are where the kernels cannot take them.
struct Direction<'a> {
    plain: CodedWeights<'a>,
    kept: &'a Kept,
}

impl Weights for Direction<'_> {
    fn times(&self, codes: &[u8], rows: usize, scale: f32, zero_point: u8) -> Vec<f32> {
        let terms = codes.len() / rows.max(1);
        let columns = self.plain.codes.len() / terms.max(1);
        let matrix = Matrix { m: rows, k: terms, n: columns, transposed: false };
        let scales: Vec<f32> = self.plain.scales.iter().map(|w| scale * w).collect();
        let weights = || match self.plain.codes {
            Codes::I8(codes) => Tensor::new(&[terms, columns], codes.to_vec()).ok(),
            Codes::U8(codes) => Tensor::new(&[terms, columns], codes.to_vec()).ok(),
            _ => None,
        };
        let weights = || Some((weights()?, vec![self.plain.zero_point]));
        let scaling = Scaling { scales: &scales, bias: None };
        let packed = self.kept.rows(&matrix, (codes, zero_point), weights, scaling);
        packed.unwrap_or_else(|| self.plain.times(codes, rows, scale, zero_point))
    }
}

#[cfg(test)]
mod tests {
    use vairun_tensor::Value;

    use super::*;
    use crate::common::testing::{Case, assert_tensor, floats, node_in, tensor};
    use crate::operator::NoBodies;

    fn inputs(w_zero: Tensor) -> Vec<Option<Value>> {
        let some = |tensor: Tensor| Some(Value::from(tensor));
        let bias = floats(&[1, 8], &[1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
        let mut inputs = vec![None; 12];
        inputs[0] = some(floats(&[3, 1, 1], &[1.0, 2.0, 255.0]));
        inputs[1] = some(tensor(&[1, 1, 4], &[0i8, 0, 0, 1]));
        inputs[2] = some(tensor(&[1, 1, 4], &[0i8; 4]));
        inputs[3] = some(bias);
        inputs[8] = some(floats(&[1], &[1.0]));
        inputs[9] = some(w_zero);
        inputs[10] = some(floats(&[1, 4], &[1.0; 4]));
        inputs[11] = some(tensor(&[1], &[0i8]));
        inputs
    }

    #[test]
    fn packed_weights_give_what_plain_ones_do() {
        let case = node_in(DEF.names[0]).text("direction", "bidirectional").outputs(3);
        let number = |i: usize| (i * 7919 % 1013) as f32 / 500.0 - 1.0;
        let code = |i: usize| (i * 31 % 255) as i8;
        let codes = |shape: &[usize]| {
            tensor(shape, &(0..shape.iter().product()).map(code).collect::<Vec<_>>())
        };
        let reals = |shape: &[usize]| {
            floats(shape, &(0..shape.iter().product()).map(number).collect::<Vec<_>>())
        };
        let some = |tensor: Tensor| Some(Value::from(tensor));
        let mut kept = None;
        // Steps vary: other rows on the same weights.
        for (steps, batch) in [(3, 2), (5, 2), (1, 1), (4, 3)] {
            let mut inputs = vec![None; 12];
            inputs[0] = some(reals(&[steps, batch, 9]));
            inputs[1] = some(codes(&[2, 9, 4 * 7]));
            inputs[2] = some(codes(&[2, 7, 4 * 7]));
            inputs[3] = some(reals(&[2, 8 * 7]));
            inputs[7] = some(reals(&[2, 3 * 7]));
            inputs[8] = some(floats(&[2], &[0.01, 0.02]));
            inputs[9] = some(tensor(&[2], &[0i8, 3]));
            inputs[10] = some(floats(&[2], &[0.015, 0.01]));
            inputs[11] = some(tensor(&[2], &[-5i8, 0]));
            let plain = case.try_run_values(inputs.clone()).unwrap();
            let build = || case.build_fixed(&inputs, &[1, 2, 9, 11]).unwrap();
            let operator = kept.get_or_insert_with(build);
            let packed = operator.run(Inputs::new(inputs), &mut NoBodies).unwrap();
            for (plain, packed) in plain.iter().zip(&packed) {
                assert_tensor(packed.as_tensor().unwrap(), plain.as_tensor().unwrap());
            }
        }
    }

    fn linear() -> Case {
        let affine = vairun_graph::Attribute::Strings(vec![b"Affine".to_vec(); 3]);
        let ones = vairun_graph::Attribute::Floats(vec![1.0; 3]);
        node_in(DEF.names[0]).with("activations", affine).with("activation_alpha", ones).outputs(3)
    }

    #[test]
    fn the_cell_adds_up_what_it_has_seen() {
        let outputs = linear().try_run_values(inputs(tensor(&[1], &[0i8]))).unwrap();
        let [y, h, c] = [0, 1, 2].map(|i| outputs[i].as_tensor().unwrap().clone());
        assert_tensor(&y, &floats(&[3, 1, 1, 1], &[1.0, 3.0, 258.0]));
        assert_tensor(&h, &floats(&[1, 1, 1], &[258.0]));
        assert_tensor(&c, &floats(&[1, 1, 1], &[258.0]));
    }

    #[test]
    fn parameters_that_do_not_fit_are_named() {
        let error = linear().try_run_values(inputs(tensor(&[4], &[0i8; 4]))).unwrap_err();
        assert_eq!(error.to_string(), "W_zero_point has shape [4], expected [1] or [1, 4]");
        let error = linear().try_run_values(inputs(tensor(&[1, 4], &[0i8, 1, 0, 0]))).unwrap_err();
        assert!(error.to_string().ends_with("expected one number for all columns of a direction"));
    }
}
