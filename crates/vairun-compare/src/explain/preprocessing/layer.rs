//! The first layer of the model, given its input in another form.

use super::super::case::Case;
use super::forms::others;
use crate::report::Explanation;

/// The nodes up to the tensor make the golden of the model's input in another form.
pub(in super::super) fn first_layer(case: &Case) -> Option<Explanation> {
    let part = case.part.as_ref().filter(|_| case.has_shape())?;
    let place = super::place_of_input(case)?;
    let x = part.inputs[place].as_tensor().ok()?;
    let ready = case.engine().prepare(part.graph.clone(), &part.inputs, None).ok()?;
    case.first_of(&others(x), |(what, tensor)| {
        let left = case.left_of_input(&*ready, place, &tensor()?)?;
        case.explanation("input", left, None, || {
            format!("with the model's input {what}: {left} differences; the golden was made from an input that was prepared otherwise")
        })
    })
}
