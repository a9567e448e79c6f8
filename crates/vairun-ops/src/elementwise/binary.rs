//! Two tensors combined element by element.

use vairun_tensor::{Element, Tensor};

use crate::attrs::Attrs;
use crate::common::axes::axis;
use crate::common::broadcast::{Runs, broadcast_shape, zip, zip_in_place};
use crate::common::number::Number;
use crate::common::sizes::result_len;
use crate::common::types::same_type;
use crate::error::{BuildError, OpError};
use crate::operator::Inputs;
use crate::spec::NodeSpec;

/// How the second operand is laid over the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Alignment {
    /// Multidirectional broadcasting, opset 7 and later.
    Broadcast,
    /// Equal shapes: before opset 7 without `broadcast`.
    Equal,
    /// Before opset 7 with `broadcast`: B's dimensions stand from this axis of A on; `None`: at the end.
    At(Option<i64>),
}

impl Alignment {
    /// Checks for two inputs and reads the attributes that old opsets broadcast with.
    pub(crate) fn read(spec: &NodeSpec, attrs: &Attrs) -> Result<Self, BuildError> {
        spec.expect_inputs(2..=2)?;
        if spec.op.opset >= 7 {
            return Ok(Self::Broadcast);
        }
        if spec.op.opset < 6 {
            attrs.get("consumed_inputs");
        }
        let axis = attrs.int("axis")?;
        let broadcast = attrs.flag("broadcast")?.unwrap_or(false);
        Ok(if broadcast { Self::At(axis) } else { Self::Equal })
    }

    /// Takes both operands from the inputs, the second in a shape that broadcasts to the first's.
    pub(crate) fn take(self, inputs: &mut Inputs) -> Result<(Tensor, Tensor), OpError> {
        let (a, b) = (inputs.take(0, "A")?, inputs.take(1, "B")?);
        match self {
            Self::Broadcast => Ok((a, b)),
            Self::Equal if a.shape() == b.shape() => Ok((a, b)),
            Self::Equal => Err(OpError::Shape {
                input: "B".into(),
                got: b.shape().to_vec(),
                expected: format!("{:?} as A", a.shape()),
            }),
            Self::At(start) => {
                let b = aligned(&a, &b, start)?;
                Ok((a, b))
            }
        }
    }
}

fn aligned(a: &Tensor, b: &Tensor, start: Option<i64>) -> Result<Tensor, OpError> {
    let first = match start {
        Some(start) if b.rank() > 0 => axis(start, a.rank())?,
        _ => a.rank().saturating_sub(b.rank()),
    };
    let mut shape = b.shape().to_vec();
    shape.resize(shape.len() + a.rank().saturating_sub(first + b.rank()), 1);
    let fits = broadcast_shape(&[a.shape(), &shape]).is_ok_and(|common| common == a.shape());
    if fits {
        return Ok(b.reshaped(&shape)?);
    }
    Err(OpError::Shape {
        input: "B".into(),
        got: b.shape().to_vec(),
        expected: format!("dimensions of {:?} from axis {first} on", a.shape()),
    })
}

/// `f(a, b)` for every pair, in place of one of them where it is free and has the shape of the result.
pub(crate) fn combine<T: Number>(
    a: Tensor,
    b: Tensor,
    f: impl Fn(T, T) -> T,
) -> Result<Tensor, OpError> {
    same_type(&a, &b, "B")?;
    let shape = broadcast_shape(&[a.shape(), b.shape()])?;
    result_len(a.dtype(), &shape)?;
    if T::IN_PLACE && a.shape() == shape && !a.is_shared() {
        return into(a, &b, |&x, &y| f(x, y));
    }
    if T::IN_PLACE && b.shape() == shape && !b.is_shared() {
        return into(b, &a, |&x, &y| f(y, x));
    }
    compare(&a, &b, |&x: &T, &y: &T| f(x, y))
}

fn into<T: Number>(
    mut into: Tensor,
    other: &Tensor,
    f: impl Fn(&T, &T) -> T,
) -> Result<Tensor, OpError> {
    let shape = into.shape().to_vec();
    let runs = Runs::new(&shape, [&shape, other.shape()]);
    zip_in_place(into.make_mut()?, other.as_slice()?, &runs, f);
    Ok(into)
}

/// A new tensor with `f(a, b)` for every pair.
pub(crate) fn compare<A: Element, B: Element, C: Element>(
    a: &Tensor,
    b: &Tensor,
    f: impl Fn(&A, &B) -> C,
) -> Result<Tensor, OpError> {
    let shape = broadcast_shape(&[a.shape(), b.shape()])?;
    let len = result_len(C::DTYPE, &shape)?;
    let runs = Runs::new(&shape, [a.shape(), b.shape()]);
    let out = zip((a.as_slice()?, b.as_slice()?), &runs, len, f);
    Ok(Tensor::new(&shape, out)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::common::testing::*;

    #[test]
    fn the_place_that_is_written_to_does_not_change_the_result() {
        let (full, row) = (|| count_up(&[2, 3]), || floats(&[3], &[10.0, 20.0, 30.0]));
        let want = floats(&[2, 3], &[-10.0, -19.0, -28.0, -7.0, -16.0, -25.0]);
        let subtract = |a: Tensor, b: Tensor| combine::<f32>(a, b, |x, y| x - y).unwrap();
        assert_tensor(&subtract(full(), row()), &want);
        let (held, other) = (full(), row());
        assert_tensor(&subtract(held.clone(), other.clone()), &want);
        assert_tensor(&held, &full());
        let negated = combine::<f32>(row(), full(), |x, y| y - x).unwrap();
        assert_tensor(&negated, &want);
    }

    #[test]
    fn before_opset_7_broadcasting_is_asked_for() {
        let old = || node("Add").opset(6);
        let (a, b) = (|| count_up(&[2, 2, 1]), || floats(&[2], &[10.0, 20.0]));
        assert!(old().try_run([a(), b()]).is_err());
        let y = old().int("broadcast", 1).int("axis", 0).run([a(), b()]);
        assert_tensor(&y, &floats(&[2, 2, 1], &[10.0, 11.0, 22.0, 23.0]));
        let y = old().int("broadcast", 1).int("axis", 1).run([a(), b()]);
        assert_tensor(&y, &floats(&[2, 2, 1], &[10.0, 21.0, 12.0, 23.0]));
        assert!(old().int("broadcast", 1).error([b(), a()]).contains("dimensions of [2]"));
    }
}
