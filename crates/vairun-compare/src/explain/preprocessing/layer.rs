//! The first layer of the model, given its input in another form.

use vairun_tensor::{Tensor, Value};

use super::super::case::Case;
use super::forms::others;
use crate::report::Explanation;

/// The nodes up to the tensor make the golden of the model's input in another form.
pub(in super::super) fn first_layer(case: &Case) -> Option<Explanation> {
    let part = case.part.as_ref()?;
    let place = super::place_of_input(case)?;
    let x = part.inputs[place].as_tensor().ok()?;
    let left = |tensor: Tensor| {
        let mut inputs = part.inputs.clone();
        inputs[place] = Value::from(tensor);
        let made = case.engine().evaluate(part.graph.clone(), inputs, None).ok()?;
        case.differing_of(&made.into_iter().next()?.into_tensor().ok()?)
    };
    others(x).into_iter().find_map(|(what, tensor)| {
        let left = left(tensor()?)?;
        case.explanation("input", left, None, || {
            format!("with the model's input {what}: {left} differences; the golden was made from an input that was prepared otherwise")
        })
    })
}
