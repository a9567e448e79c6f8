//! `Loop`: a body that runs while a condition holds, or so many times.
//!
//! | | name        | type                               | shape |
//! |-|-------------|------------------------------------|-------|
//! | 0 | `M`       | int64, optional: no limit          | one element |
//! | 1 | `cond`    | bool, optional: true               | one element |
//! | 2… | `v_initial` | any: tensors, sequences, optionals | any |
//! | →… | `v_final_and_scan_outputs` | the states after the last iteration, then what each iteration gave, stacked along a new first axis | |
//!
//! Attributes: `body` (graph, required): inputs (iteration, condition, states…), outputs (condition, states…, scan
//! outputs…). Without an iteration the states are the initial ones, and scan outputs are empty, of the type and shape
//! that the body declares.
//!
//! Source: <https://onnx.ai/onnx/operators/onnx__Loop.html>.

use vairun_tensor::{DType, Tensor, Value};

use super::Body;
use crate::attrs::Attrs;
use crate::common::LATEST;
use crate::common::parameters::{integers, one_element};
use crate::common::stack::stack;
use crate::common::types::{BOOL, INDICES};
use crate::def::{Grade, OpDef};
use crate::error::{BuildError, OpError};
use crate::operator::{Context, Inputs, Operator, Outputs};
use crate::spec::NodeSpec;

/// `Loop`.
pub static DEF: OpDef = OpDef {
    names: &[("", "Loop")],
    opsets: 1..=LATEST,
    summary: "a body that runs while a condition holds, or so many times",
    types: "M int64; cond bool; others any",
    grade: Grade::Exact("ONNX"),
    build,
};

struct Loop {
    body: Body,
    states: usize,
}

fn build(spec: &NodeSpec, attrs: &Attrs) -> Result<Box<dyn Operator>, BuildError> {
    spec.expect_inputs(1..=usize::MAX)?;
    let states = spec.inputs.len().saturating_sub(2);
    let body = Body::read(attrs, "body")?;
    body.expect_inputs(2 + states)?;
    let (got, least) = (body.outputs.len(), 1 + states.max(spec.outputs.len()));
    if got < least {
        return Err(BuildError::Malformed(format!(
            "the body has {got} outputs, expected {least} or more"
        )));
    }
    Ok(Box::new(Loop { body, states }))
}

impl Operator for Loop {
    fn run(&self, mut inputs: Inputs, context: &mut dyn Context) -> Result<Outputs, OpError> {
        let limit = inputs.optional(0)?.map(|limit| {
            let one = integers(limit, "M")?;
            one.first().copied().filter(|_| one.len() == 1).ok_or_else(|| one_element(limit, "M"))
        });
        let limit = limit.transpose()?.unwrap_or(i64::MAX);
        let mut condition = inputs.optional(1)?.map(truth).transpose()?.unwrap_or(true);
        let mut states = Vec::with_capacity(self.states);
        for i in 0..self.states {
            states.push(inputs.take_value(2 + i).ok_or(OpError::Missing("v_initial"))?);
        }
        let mut scans = vec![Vec::new(); self.body.outputs.len() - 1 - self.states];
        let mut iteration = 0;
        while condition && iteration < limit {
            let mut given: Vec<Value> =
                vec![Tensor::scalar(iteration).into(), Tensor::scalar(condition).into()];
            given.append(&mut states);
            let mut results = context.run_body("body", given)?.into_iter();
            condition = truth(results.next().ok_or(OpError::Missing("cond"))?.as_tensor()?)?;
            states.extend(results.by_ref().take(self.states));
            for (scan, value) in scans.iter_mut().zip(results) {
                scan.push(value.into_tensor()?);
            }
            iteration += 1;
        }
        let declared = &self.body.outputs[1 + self.states..];
        for (scan, declared) in scans.iter().zip(declared) {
            let stacked = if scan.is_empty() { declared.nothing(0)? } else { stack(scan, 0)? };
            states.push(stacked.into());
        }
        Ok(states)
    }

    fn output_dtypes(&self, inputs: &[Option<DType>]) -> Result<Vec<Option<DType>>, OpError> {
        INDICES.check(inputs, 0, "M")?;
        BOOL.check(inputs, 1, "cond")?;
        Ok(Vec::new())
    }
}

/// The only element of a condition.
fn truth(cond: &Tensor) -> Result<bool, OpError> {
    BOOL.check_tensor(cond, "cond")?;
    cond.as_scalar::<bool>().copied().ok_or_else(|| one_element(cond, "cond"))
}

#[cfg(test)]
mod tests {
    use vairun_tensor::{DType, Tensor, Value};

    use super::super::testing::*;
    use crate::common::testing::*;
    use crate::operator::{Inputs, Outputs};

    /// A sum that grows by the iteration; goes on while it is below 10. Each iteration gives the sum.
    fn run(limit: Option<i64>, cond: Option<bool>) -> Outputs {
        let node =
            node("Loop").outputs(2).with("body", body(3, &[DType::Bool, DType::F32, DType::F32]));
        let inputs: Vec<Option<Value>> = vec![
            limit.map(|limit| Tensor::scalar(limit).into()),
            cond.map(|cond| Tensor::scalar(cond).into()),
            Some(Tensor::scalar(0f32).into()),
        ];
        let operator = node.build(&inputs).unwrap();
        let mut bodies = Closure(|_: &str, given: Vec<Value>| {
            let i = *given[0].as_tensor().unwrap().as_scalar::<i64>().unwrap();
            let sum = *given[2].as_tensor().unwrap().as_scalar::<f32>().unwrap() + i as f32;
            let sum = |goes_on| -> Vec<Value> {
                vec![
                    Tensor::scalar::<bool>(goes_on).into(),
                    Tensor::scalar(sum).into(),
                    Tensor::scalar(sum).into(),
                ]
            };
            sum(i < 4)
        });
        operator.run(Inputs::new(inputs), &mut bodies).unwrap()
    }

    #[test]
    fn the_condition_ends_it() {
        let y = run(None, None);
        assert_tensor(y[0].as_tensor().unwrap(), &Tensor::scalar(10f32));
        let sums = floats(&[5], &[0.0, 1.0, 3.0, 6.0, 10.0]);
        assert_tensor(y[1].as_tensor().unwrap(), &sums);
    }

    #[test]
    fn the_limit_ends_it() {
        let y = run(Some(2), Some(true));
        assert_tensor(y[1].as_tensor().unwrap(), &floats(&[2], &[0.0, 1.0]));
    }

    #[test]
    fn without_an_iteration_the_states_stay_and_scans_are_empty() {
        for y in [run(Some(0), None), run(None, Some(false)), run(Some(-1), None)] {
            assert_tensor(y[0].as_tensor().unwrap(), &Tensor::scalar(0f32));
            assert_tensor(y[1].as_tensor().unwrap(), &floats(&[0], &[]));
        }
    }
}
