//! `Scan`: a body that runs once for each slice of its inputs.
//!
//! | | name   | type | shape |
//! |-|--------|------|-------|
//! | 0… | `initial_state_and_scan_inputs` | any | the states, then `num_scan_inputs` tensors of one length along their axes |
//! | →… | `final_state_and_scan_outputs` | any | the states after the last slice, then what each slice gave, stacked along a new axis |
//!
//! Attributes: `body` (graph, required): inputs (states…, slices…), outputs (states…, scan outputs…);
//! `num_scan_inputs` (int, required); `scan_input_axes`, `scan_output_axes` (ints, 0s); `scan_input_directions`,
//! `scan_output_directions` (ints, 0s): 1 goes backwards.
//!
//! In opset 8 everything has a batch as its first dimension, slices run along the second, the first input is the number
//! of slices for each of the batch (int64, optional), `directions` are those of the inputs, and scan outputs
//! are filled up with zeros.
//!
//! Source: <https://onnx.ai/onnx/operators/onnx__Scan.html>.

use vairun_tensor::{Tensor, Value};

use super::Body;
use crate::attrs::Attrs;
use crate::common::LATEST;
use crate::common::axes::axis;
use crate::common::dispatch::with_element;
use crate::common::parameters::integers;
use crate::common::sizes::result_len;
use crate::common::stack::{slice, stack};
use crate::def::{Grade, OpDef};
use crate::error::{BuildError, OpError};
use crate::operator::{Context, Inputs, Operator, Outputs};
use crate::spec::NodeSpec;

/// `Scan`.
pub static DEF: OpDef = OpDef {
    names: &[("", "Scan")],
    opsets: 8..=LATEST,
    summary: "a body that runs once for each slice of its inputs",
    types: "any",
    grade: Grade::Exact("ONNX"),
    build,
};

/// An axis to walk along.
#[derive(Clone, Copy, Debug)]
struct Walk {
    axis: i64,
    backwards: bool,
}

struct Scan {
    body: Body,
    states: usize,
    inputs: Vec<Walk>,
    outputs: Vec<Walk>,
    /// Opset 8.
    batched: bool,
}

fn build(spec: &NodeSpec, attrs: &Attrs) -> Result<Box<dyn Operator>, BuildError> {
    let batched = spec.op.opset < 9;
    let missing = || BuildError::MissingAttribute("num_scan_inputs".into());
    let count = attrs.int("num_scan_inputs")?.ok_or_else(missing)?;
    let given = spec.inputs.len() - usize::from(batched && !spec.inputs.is_empty());
    let count = usize::try_from(count).ok().filter(|&n| n >= 1 && n <= given).ok_or_else(|| {
        Attrs::value("num_scan_inputs", count, &format!("1 to {given}, the number of inputs"))
    })?;
    let states = given - count;
    let body = Body::read(attrs, "body")?;
    body.expect_inputs(given)?;
    if body.outputs.len() < states.max(spec.outputs.len()) {
        let (got, least) = (body.outputs.len(), states.max(spec.outputs.len()));
        return Err(BuildError::Malformed(format!(
            "the body has {got} outputs, expected {least} or more"
        )));
    }
    let scans = body.outputs.len() - states;
    let (inputs, outputs) = if batched {
        (walks(attrs, count, None, "directions")?, vec![Walk { axis: 0, backwards: false }; scans])
    } else {
        (
            walks(attrs, count, Some("scan_input_axes"), "scan_input_directions")?,
            walks(attrs, scans, Some("scan_output_axes"), "scan_output_directions")?,
        )
    };
    Ok(Box::new(Scan { body, states, inputs, outputs, batched }))
}

fn walks(
    attrs: &Attrs,
    count: usize,
    axes: Option<&'static str>,
    directions: &'static str,
) -> Result<Vec<Walk>, BuildError> {
    let list = |name: &'static str| {
        let values = attrs.ints(name)?.map_or_else(|| vec![0; count], <[i64]>::to_vec);
        if values.len() == count {
            return Ok(values);
        }
        Err(Attrs::value(name, format!("{values:?}"), &format!("{count} numbers")))
    };
    let axes = axes.map_or_else(|| Ok(vec![0; count]), list)?;
    let directions = list(directions)?;
    if directions.iter().any(|direction| !(0..=1).contains(direction)) {
        return Err(Attrs::value("directions", format!("{directions:?}"), "0 or 1 each"));
    }
    let walk = |(axis, direction)| Walk { axis, backwards: direction == 1 };
    Ok(axes.into_iter().zip(directions).map(walk).collect())
}

impl Operator for Scan {
    fn run(&self, mut inputs: Inputs, context: &mut dyn Context) -> Result<Outputs, OpError> {
        let mut take = |i| inputs.take_value(i);
        if !self.batched {
            let given = (0..self.body.inputs)
                .map(|i| take(i).ok_or(OpError::Missing("initial_state_and_scan_inputs")))
                .collect::<Result<Vec<_>, _>>()?;
            return self.scan(given, usize::MAX, context);
        }
        let lengths = take(0).map(Value::into_tensor).transpose()?;
        let lengths = lengths.map(|lengths| integers(&lengths, "sequence_lens")).transpose()?;
        let given = (1..=self.body.inputs)
            .map(|i| {
                take(i)
                    .ok_or(OpError::Missing("initial_state_and_scan_inputs"))?
                    .into_tensor()
                    .map_err(OpError::from)
            })
            .collect::<Result<Vec<_>, _>>()?;
        self.scan_batch(&given, lengths.as_deref(), context)
    }
}

impl Scan {
    /// States, then scan inputs; at most `limit` slices.
    fn scan(
        &self,
        mut states: Vec<Value>,
        limit: usize,
        context: &mut dyn Context,
    ) -> Result<Outputs, OpError> {
        let scanned = states.split_off(self.states);
        let scanned = scanned.into_iter().map(Value::into_tensor).collect::<Result<Vec<_>, _>>()?;
        let (axes, length) = self.along(&scanned)?;
        let length = length.min(limit);
        let mut scans = vec![Vec::with_capacity(length); self.outputs.len()];
        for i in 0..length {
            for ((x, walk), &axis) in scanned.iter().zip(&self.inputs).zip(&axes) {
                let place = if walk.backwards { length - 1 - i } else { i };
                states.push(slice(x, axis, place)?.into());
            }
            let mut results = context.run_body("body", std::mem::take(&mut states))?.into_iter();
            states.extend(results.by_ref().take(self.states));
            for (scan, value) in scans.iter_mut().zip(results) {
                scan.push(value.into_tensor()?);
            }
        }
        for (i, (mut scan, walk)) in scans.into_iter().zip(&self.outputs).enumerate() {
            let stacked = match scan.first() {
                None => self.body.outputs[self.states + i].nothing(walk.axis)?,
                Some(first) => {
                    let axis = axis(walk.axis, first.rank() + 1)?;
                    if walk.backwards {
                        scan.reverse();
                    }
                    stack(&scan, axis)?
                }
            };
            states.push(stacked.into());
        }
        Ok(states)
    }

    /// The axis of each scan input and their common length.
    fn along(&self, scanned: &[Tensor]) -> Result<(Vec<usize>, usize), OpError> {
        let mut axes = Vec::with_capacity(scanned.len());
        let mut length = None;
        for (x, walk) in scanned.iter().zip(&self.inputs) {
            let axis = axis(walk.axis, x.rank())?;
            let own = x.shape()[axis];
            if *length.get_or_insert(own) != own {
                return Err(OpError::Shape {
                    input: "scan input".into(),
                    got: x.shape().to_vec(),
                    expected: format!("{} along axis {axis}, as the first", length.unwrap_or(0)),
                });
            }
            axes.push(axis);
        }
        Ok((axes, length.unwrap_or(0)))
    }

    fn scan_batch(
        &self,
        given: &[Tensor],
        lengths: Option<&[i64]>,
        context: &mut dyn Context,
    ) -> Result<Outputs, OpError> {
        let batch = given.first().and_then(|x| x.shape().first()).copied().unwrap_or(0);
        let fits = |x: &Tensor| x.shape().first() == Some(&batch);
        if let Some(x) = given.iter().find(|x| !fits(x)) {
            return Err(OpError::Shape {
                input: "initial_state_and_scan_inputs".into(),
                got: x.shape().to_vec(),
                expected: format!("a batch of {batch} first"),
            });
        }
        let mut results: Vec<Vec<Tensor>> = vec![Vec::new(); self.body.outputs.len()];
        for item in 0..batch {
            let own = given.iter().map(|x| Ok(slice(x, 0, item)?.into()));
            let limit = match lengths {
                None => usize::MAX,
                Some(lengths) => lengths
                    .get(item)
                    .and_then(|&length| usize::try_from(length).ok())
                    .ok_or_else(|| OpError::Value {
                        input: "sequence_lens".into(),
                        got: format!("{lengths:?}"),
                        expected: format!("{batch} lengths"),
                    })?,
            };
            let own = own.collect::<Result<Vec<Value>, OpError>>()?;
            for (all, value) in results.iter_mut().zip(self.scan(own, limit, context)?) {
                all.push(value.into_tensor()?);
            }
        }
        let stacked = |(i, all): (usize, Vec<Tensor>)| match all.is_empty() {
            true => Ok(self.body.outputs[i].nothing(0)?.into()),
            false => Ok(stack(&filled_up(all, i >= self.states)?, 0)?.into()),
        };
        results.into_iter().enumerate().map(stacked).collect()
    }
}

/// Scan outputs of several lengths, filled up with zeros to the longest.
fn filled_up(all: Vec<Tensor>, is_scan: bool) -> Result<Vec<Tensor>, OpError> {
    let first = |x: &Tensor| x.shape().first().copied().unwrap_or(0);
    let longest = all.iter().map(first).max().unwrap_or(0);
    if !is_scan || all.iter().all(|x| first(x) == longest) {
        return Ok(all);
    }
    let fill = |x: Tensor| {
        let mut shape = x.shape().to_vec();
        shape[0] = longest;
        let len = result_len(x.dtype(), &shape)?;
        with_element!(x.dtype(), T => {
            let mut data = x.as_slice::<T>()?.to_vec();
            data.resize(len, T::default());
            Ok(Tensor::with_dtype(x.dtype(), &shape, data)?)
        })
    };
    all.into_iter().map(fill).collect()
}

#[cfg(test)]
mod tests {
    use vairun_tensor::{DType, Tensor, Value};

    use super::super::testing::*;
    use crate::common::testing::*;
    use crate::operator::{Inputs, Outputs};

    /// A sum of slices that each iteration gives too.
    fn run(case: Case, inputs: Vec<Option<Value>>) -> Outputs {
        let case = case
            .outputs(2)
            .int("num_scan_inputs", 1)
            .with("body", body(2, &[DType::F32, DType::F32]));
        let mut bodies = Closure(|_: &str, given: Vec<Value>| {
            let number = |i: usize| *given[i].as_tensor().unwrap().as_scalar::<f32>().unwrap();
            let sum = Value::from(Tensor::scalar(number(0) + number(1)));
            vec![sum.clone(), sum]
        });
        case.build(&inputs).unwrap().run(Inputs::new(inputs), &mut bodies).unwrap()
    }

    fn sums(case: Case) -> Vec<f32> {
        let inputs = [Tensor::scalar(0f32), floats(&[3], &[1.0, 2.0, 3.0])];
        let y = run(case, inputs.map(|x| Some(x.into())).to_vec());
        y[1].as_tensor().unwrap().as_slice::<f32>().unwrap().to_vec()
    }

    #[test]
    fn slices_run_in_either_direction() {
        assert_eq!(sums(node("Scan")), [1.0, 3.0, 6.0]);
        assert_eq!(sums(node("Scan").ints("scan_input_directions", &[1])), [3.0, 5.0, 6.0]);
        assert_eq!(sums(node("Scan").ints("scan_output_directions", &[1])), [6.0, 3.0, 1.0]);
    }

    #[test]
    fn opset_8_has_a_batch_with_lengths() {
        let inputs = vec![
            Some(ints(&[2, 1]).into()),
            Some(floats(&[2], &[0.0, 10.0]).into()),
            Some(floats(&[2, 2], &[1.0, 2.0, 3.0, 4.0]).into()),
        ];
        let y = run(node("Scan").opset(8), inputs);
        assert_tensor(y[0].as_tensor().unwrap(), &floats(&[2], &[3.0, 13.0]));
        assert_tensor(y[1].as_tensor().unwrap(), &floats(&[2, 2], &[1.0, 3.0, 13.0, 0.0]));
    }

    #[test]
    fn more_scan_inputs_than_inputs_are_refused() {
        let case = node("Scan").int("num_scan_inputs", 2).with("body", body(1, &[DType::F32]));
        assert!(case.build(&[Some(count_up(&[1]).into())]).is_err());
    }
}
