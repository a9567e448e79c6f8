use std::borrow::Cow;

use vairun_numeric::recurrent::{Cell, Direction, Sequence};
use vairun_tensor::{DType, Tensor, f16};

use super::attributes::Attributes;
use crate::error::OpError;
use crate::operator::{Inputs, Outputs};

/// The sizes of a recurrence.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sizes {
    pub(crate) steps: usize,
    pub(crate) batch: usize,
    pub(crate) input: usize,
    pub(crate) hidden: usize,
    pub(crate) directions: usize,
    pub(crate) batch_first: bool,
}

/// Runs the cells over the sequence X: `Y`, `Y_h`, and `Y_c` where the cells have a state `c`, whose first value is
/// input 6. `cell(direction)` makes the cell of a direction; it has `gates` blocks of rows.
pub(super) fn run<'c>(
    attributes: &Attributes,
    inputs: &Inputs,
    gates: usize,
    has_c: bool,
    cell: impl Fn(usize) -> Box<dyn Cell + 'c>,
) -> Result<Outputs, OpError> {
    let x = inputs.tensor(0, "X")?;
    let dtype = x.dtype();
    let sizes = sizes(attributes, inputs, gates)?;
    let weights = |i, name, shape: &[usize]| expect(inputs.tensor(i, name)?, name, shape);
    let rows = gates * sizes.hidden;
    let w = weights(1, "W", &[sizes.directions, rows, sizes.input])?;
    let r = weights(2, "R", &[sizes.directions, rows, sizes.hidden])?;
    let bias = optional(inputs, 3, "B", &[sizes.directions, 2 * rows])?;
    let lengths = lengths(inputs, &sizes)?;
    let mut h = sizes.initial(optional(inputs, 5, "initial_h", &sizes.state_shape())?);
    let given_c =
        if has_c { optional(inputs, 6, "initial_c", &sizes.state_shape())? } else { None };
    let mut c = sizes.initial(given_c);
    let x = sizes.steps_first(floats(x)?);
    let sequence = Sequence {
        x: &x,
        steps: sizes.steps,
        batch: sizes.batch,
        input: sizes.input,
        lengths: lengths.as_deref(),
    };
    let mut y = vec![0.0; sizes.steps * sizes.directions * sizes.batch * sizes.hidden];
    let block = sizes.batch * sizes.hidden;
    for (d, &reverse) in attributes.reverse.iter().enumerate() {
        let part = |all: &'_ [f32]| all.len() / sizes.directions;
        let direction = Direction {
            w: &w[d * part(&w)..][..part(&w)],
            r: &r[d * part(&r)..][..part(&r)],
            bias: bias.as_ref().map(|bias| &bias[d * 2 * rows..][..2 * rows]),
            reverse,
        };
        let states = d * block..(d + 1) * block;
        direction.run(
            &sequence,
            &*cell(d),
            &mut h[states.clone()],
            &mut c[states],
            |step, b, h| {
                let at = sizes.place(step, d, b);
                y[at..at + sizes.hidden].copy_from_slice(h);
            },
        );
    }
    let mut outputs = vec![(sizes.y_shape(), y), (sizes.state_shape(), sizes.last(h))];
    if has_c {
        outputs.push((sizes.state_shape(), sizes.last(c)));
    }
    outputs.into_iter().map(|(shape, data)| Ok(narrowed(dtype, &shape, data)?.into())).collect()
}

fn sizes(attributes: &Attributes, inputs: &Inputs, gates: usize) -> Result<Sizes, OpError> {
    let (x, r) = (inputs.tensor(0, "X")?, inputs.tensor(2, "R")?);
    let &[first, second, input] = x.shape() else { return Err(shape("X", x, "three dimensions")) };
    let &[directions, rows, hidden] = r.shape() else {
        return Err(shape("R", r, "three dimensions"));
    };
    if directions != attributes.reverse.len() || rows != gates * hidden {
        let count = attributes.reverse.len();
        return Err(shape("R", r, &format!("[{count}, {gates}·hidden, hidden]")));
    }
    if let Some(size) = attributes.hidden_size.filter(|&size| size != hidden) {
        return Err(shape("R", r, &format!("the hidden_size of {size}")));
    }
    let (steps, batch) = if attributes.batch_first { (second, first) } else { (first, second) };
    Ok(Sizes { steps, batch, input, hidden, directions, batch_first: attributes.batch_first })
}

/// `sequence_lens`
pub(crate) fn lengths(inputs: &Inputs, sizes: &Sizes) -> Result<Option<Vec<usize>>, OpError> {
    let Some(tensor) = inputs.optional(4)? else { return Ok(None) };
    if tensor.shape() != [sizes.batch] {
        return Err(shape("sequence_lens", tensor, &format!("[{}]", sizes.batch)));
    }
    let length = |&length: &i32| {
        let known = usize::try_from(length).ok().filter(|&length| length <= sizes.steps);
        known.ok_or_else(|| OpError::Value {
            input: "sequence_lens".into(),
            got: length.to_string(),
            expected: format!("0 to {}", sizes.steps),
        })
    };
    tensor.as_slice::<i32>()?.iter().map(length).collect::<Result<_, _>>().map(Some)
}

/// The elements of an input that may be left out.
pub(crate) fn optional<'a>(
    inputs: &'a Inputs,
    index: usize,
    name: &str,
    shape: &[usize],
) -> Result<Option<Cow<'a, [f32]>>, OpError> {
    inputs.optional(index)?.map(|tensor| expect(tensor, name, shape)).transpose()
}

/// The elements of a tensor that must have this shape.
fn expect<'a>(
    tensor: &'a Tensor,
    name: &str,
    expected: &[usize],
) -> Result<Cow<'a, [f32]>, OpError> {
    if tensor.shape() != expected {
        return Err(shape(name, tensor, &format!("{expected:?}")));
    }
    floats(tensor)
}

fn shape(input: &str, got: &Tensor, expected: &str) -> OpError {
    OpError::Shape { input: input.into(), got: got.shape().to_vec(), expected: expected.into() }
}

fn floats(tensor: &Tensor) -> Result<Cow<'_, [f32]>, OpError> {
    match tensor.dtype() {
        DType::F16 => Ok(tensor.as_slice::<f16>()?.iter().map(|x| x.to_f32()).collect()),
        _ => Ok(tensor.as_slice::<f32>()?.into()),
    }
}

fn narrowed(dtype: DType, shape: &[usize], data: Vec<f32>) -> Result<Tensor, OpError> {
    Ok(match dtype {
        DType::F16 => Tensor::new(shape, data.into_iter().map(f16::from_f32).collect())?,
        _ => Tensor::new(shape, data)?,
    })
}

impl Sizes {
    pub(crate) fn state_shape(&self) -> Vec<usize> {
        let (first, second) = if self.batch_first {
            (self.batch, self.directions)
        } else {
            (self.directions, self.batch)
        };
        vec![first, second, self.hidden]
    }

    pub(crate) fn y_shape(&self) -> Vec<usize> {
        match self.batch_first {
            true => vec![self.batch, self.steps, self.directions, self.hidden],
            false => vec![self.steps, self.directions, self.batch, self.hidden],
        }
    }

    /// Where Y holds the state of a step.
    pub(crate) fn place(&self, step: usize, direction: usize, batch: usize) -> usize {
        self.hidden
            * match self.batch_first {
                true => (batch * self.steps + step) * self.directions + direction,
                false => (step * self.directions + direction) * self.batch + batch,
            }
    }

    /// `[steps, batch, input]` from the layout of X.
    pub(crate) fn steps_first<'x>(&self, x: Cow<'x, [f32]>) -> Cow<'x, [f32]> {
        match self.batch_first {
            true => swapped(&x, self.batch, self.steps, self.input).into(),
            false => x,
        }
    }

    /// The states before the first step, `[directions, batch, hidden]`, from the layout of the input; zeros if not given.
    pub(crate) fn initial(&self, state: Option<Cow<[f32]>>) -> Vec<f32> {
        match state {
            None => vec![0.0; self.batch * self.directions * self.hidden],
            Some(state) if self.batch_first => {
                swapped(&state, self.batch, self.directions, self.hidden)
            }
            Some(state) => state.into_owned(),
        }
    }

    /// The states after the last step in the layout of the output.
    pub(crate) fn last(&self, state: Vec<f32>) -> Vec<f32> {
        if self.batch_first {
            swapped(&state, self.directions, self.batch, self.hidden)
        } else {
            state
        }
    }
}

/// `[b, a, n]` from `[a, b, n]`.
fn swapped(x: &[f32], a: usize, b: usize, n: usize) -> Vec<f32> {
    (0..b)
        .flat_map(|j| (0..a).flat_map(move |i| x[(i * b + j) * n..][..n].iter().copied()))
        .collect()
}
