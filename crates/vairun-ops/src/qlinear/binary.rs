//! What `QLinearAdd` and `QLinearMul` share.

use vairun_numeric::linear::{Code, Grid};
use vairun_numeric::qlinear::Binary;
use vairun_tensor::{DType, Element, Tensor};

use super::codes::{Coded, Names, check, check_grid, grid, part, range, rounding, with_code};
use crate::coded::{CodeRule, CodedInput, OnCodes};
use crate::common::broadcast::{Runs, broadcast_shape};
use crate::common::one;
use crate::common::sizes::result_len;
use crate::common::types::same_type;
use crate::error::OpError;
use crate::operator::{Inputs, Outputs};
use crate::quantizer::Dequantizer;

const A: Names = Names("A", "A_scale", "A_zero_point");
const B: Names = Names("B", "B_scale", "B_zero_point");
const C: Names = Names("C", "C_scale", "C_zero_point");

/// Which of the two.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    Add,
    Mul,
}

impl Kind {
    fn of<C: Code>(self, a: Grid, b: Grid, y: Grid, range: (i32, i32)) -> Binary<C> {
        match self {
            Self::Add => Binary::add(a, b, y, range),
            Self::Mul => Binary::mul(a, b, y, range),
        }
    }
}

/// Codes for every pair of codes, broadcast.
pub(super) fn run(kind: Kind, inputs: &Inputs) -> Result<Outputs, OpError> {
    let (a, b) = (Coded::read(inputs, 0, A)?, Coded::read(inputs, 3, B)?);
    let dtype = a.codes.dtype();
    same_type(a.codes, b.codes, "B")?;
    let y = grid(inputs, 6, C, dtype)?;
    with_code!(dtype, "A", T => one(combine(&kind.of::<T>(a.grid, b.grid, y, range(dtype)), a.codes, b.codes)?))
}

fn combine<T: Code + Element>(
    binary: &Binary<T>,
    a: &Tensor,
    b: &Tensor,
) -> Result<Tensor, OpError> {
    let shape = broadcast_shape(&[a.shape(), b.shape()])?;
    let mut y = Vec::with_capacity(result_len(a.dtype(), &shape)?);
    let runs = Runs::new(&shape, [a.shape(), b.shape()]);
    let (a, b) = (a.as_slice::<T>()?, b.as_slice::<T>()?);
    let part = |step| if step == 1 { runs.len } else { 1 };
    runs.for_each(|[i, j]| {
        binary.extend(&a[i..i + part(runs.step[0])], &b[j..j + part(runs.step[1])], &mut y);
    });
    Ok(Tensor::new(&shape, y)?)
}

/// The operation on the numbers of two codes.
pub(super) fn on_codes(kind: Kind, parameters: &Inputs) -> Option<OnCodes> {
    let parts = [part(parameters, 0, A)?, part(parameters, 3, B)?];
    let dtype = parts[0].dtype;
    if parts[1].dtype != dtype {
        return None;
    }
    let y = grid(parameters, 6, C, dtype).ok()?;
    if let Some(x) = moving(parameters, parts) {
        let rule = CodeRule::Each;
        let quantizer = rounding(y.zero_point, dtype);
        return Some(OnCodes { parts: vec![x], quantizer, rule });
    }
    let [a, b] =
        parts.map(|part| Grid { scale: part.grid.scale, zero_point: part.grid.zero_point });
    let (operation, zero_points) = kind.of::<u8>(a, b, y, range(dtype)).operation();
    let counted =
        |(part, zero_point)| CodedInput { grid: Dequantizer { scale: 1.0, zero_point }, ..part };
    let parts = parts.into_iter().zip(zero_points).map(counted).collect();
    // The operation adds the zero point of the result.
    Some(OnCodes { parts, quantizer: rounding(0, dtype), rule: CodeRule::Binary(operation) })
}

/// The side of the run where the other one is a single known code: a function of each code for itself.
fn moving(parameters: &Inputs, [a, b]: [CodedInput; 2]) -> Option<CodedInput> {
    let single = |part: CodedInput| {
        let codes = parameters.optional(part.index).ok().flatten();
        codes.is_some_and(|codes| codes.len() == 1 && codes.dtype() == part.dtype)
    };
    match (single(a), single(b)) {
        (false, true) => Some(a),
        (true, false) => Some(b),
        _ => None,
    }
}

/// The type of the result: that of all codes.
pub(super) fn output_dtypes(inputs: &[Option<DType>]) -> Result<Vec<Option<DType>>, OpError> {
    let a = check(inputs, 0, A)?;
    let b = check(inputs, 3, B)?;
    if let (Some(a), Some(b)) = (a, b)
        && a != b
    {
        return Err(crate::common::types::other_type("B", b, a));
    }
    Ok(vec![check_grid(inputs, 6, C, a.or(b))?])
}

#[cfg(test)]
mod tests {
    use vairun_tensor::Value;

    use super::*;

    #[test]
    fn beside_a_single_known_code_it_is_a_function_of_each_code() {
        let number = |x: f32| Some(Value::from(Tensor::scalar(x)));
        let code = |x: &[u8]| Some(Value::from(Tensor::vector(x.to_vec())));
        let sum = |a, b| {
            let zero = || code(&[7]);
            let inputs = vec![a, number(0.5), zero(), b, number(0.25), zero(), number(0.5), zero()];
            let OnCodes { parts, rule, .. } = on_codes(Kind::Add, &Inputs::new(inputs)).unwrap();
            let each = matches!(rule, CodeRule::Each);
            (each, parts.iter().map(|part| part.index).collect::<Vec<_>>())
        };
        assert_eq!(sum(None, code(&[3])), (true, vec![0]));
        assert_eq!(sum(code(&[3]), None), (true, vec![3]));
        assert_eq!(sum(None, code(&[3, 4])), (false, vec![0, 3]));
        assert_eq!(sum(None, None), (false, vec![0, 3]));
    }
}
