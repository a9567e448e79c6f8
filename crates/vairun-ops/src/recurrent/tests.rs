use vairun_tensor::{Tensor, Value};

use crate::common::testing::{Case, assert_tensor, floats, node};

/// A linear RNN that adds up what it has seen: W = R = 1 for each direction.
fn sum(directions: usize) -> Case {
    let linear = vairun_graph::Attribute::Strings(vec![b"Affine".to_vec(); directions]);
    node("RNN").with("activations", linear).int("hidden_size", 1).outputs(2)
}

fn ones(shape: &[usize]) -> Option<Value> {
    Some(floats(shape, &vec![1.0; shape.iter().product()]).into())
}

fn run(case: &Case, inputs: Vec<Option<Value>>) -> Vec<Tensor> {
    case.try_run_values(inputs)
        .unwrap()
        .into_iter()
        .map(|value| value.into_tensor().unwrap())
        .collect()
}

#[test]
fn two_directions_stand_side_by_side() {
    let x = Some(floats(&[3, 1, 1], &[1., 2., 3.]).into());
    let both = sum(2).text("direction", "bidirectional");
    let outputs = run(&both, vec![x, ones(&[2, 1, 1]), ones(&[2, 1, 1])]);
    assert_tensor(&outputs[0], &floats(&[3, 2, 1, 1], &[1., 6., 3., 5., 6., 3.]));
    assert_tensor(&outputs[1], &floats(&[2, 1, 1], &[6., 6.]));
}

#[test]
fn layout_1_holds_the_batch_first() {
    let x = Some(floats(&[2, 2, 1], &[1., 2., 10., 20.]).into());
    let both = sum(2).text("direction", "bidirectional").int("layout", 1);
    let initial = Some(floats(&[2, 2, 1], &[100., 200., 300., 400.]).into());
    let outputs = run(&both, vec![x, ones(&[2, 1, 1]), ones(&[2, 1, 1]), None, None, initial]);
    let y = [101., 203., 103., 202., 310., 430., 330., 420.];
    assert_tensor(&outputs[0], &floats(&[2, 2, 2, 1], &y));
    assert_tensor(&outputs[1], &floats(&[2, 2, 1], &[103., 203., 330., 430.]));
}

#[test]
fn a_short_sequence_leaves_zeros_behind() {
    let x = Some(floats(&[2, 2, 1], &[1., 10., 2., 20.]).into());
    let lengths = Some(Tensor::vector(vec![2i32, 1]).into());
    let outputs = run(&sum(1), vec![x, ones(&[1, 1, 1]), ones(&[1, 1, 1]), None, lengths]);
    assert_tensor(&outputs[0], &floats(&[2, 1, 2, 1], &[1., 10., 3., 0.]));
    assert_tensor(&outputs[1], &floats(&[1, 2, 1], &[3., 10.]));
}

#[test]
fn shapes_that_do_not_fit_are_told() {
    let inputs = vec![ones(&[1, 1, 2]), ones(&[1, 4, 2]), ones(&[1, 3, 1])];
    let error = node("LSTM").outputs(3).try_run_values(inputs).unwrap_err().to_string();
    assert_eq!(error, "R has shape [1, 3, 1], expected [1, 4·hidden, hidden]");
    let inputs = vec![ones(&[1, 1, 2]), ones(&[1, 4, 3]), ones(&[1, 4, 1])];
    let error = node("LSTM").outputs(3).try_run_values(inputs).unwrap_err().to_string();
    assert_eq!(error, "W has shape [1, 4, 3], expected [1, 4, 2]");
}

#[test]
fn an_unknown_activation_is_refused() {
    let names = vairun_graph::Attribute::Strings(vec![b"Cube".to_vec()]);
    let error = node("RNN")
        .with("activations", names)
        .build(&[None, None, None])
        .err()
        .unwrap()
        .to_string();
    assert!(error.starts_with("`activations` is Cube, expected Affine, "), "{error}");
}
