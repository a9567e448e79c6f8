//! The network of `testdata/digits`: the whole way from file to outputs, without any material from elsewhere.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::Result;
use vairun::{Exec, Inputs, Model, NodeEvent, Observer, ObserverError, Tensor};

use crate::material::{read_npz, repository};

fn digits(file: &str) -> PathBuf {
    repository().join("testdata/digits").join(file)
}

fn inputs() -> Result<Inputs> {
    Ok(read_npz(&digits("inputs.npz"))?.into_iter().collect())
}

#[derive(Default)]
struct Everything(BTreeMap<String, Tensor>);

impl Observer for Everything {
    fn node(&mut self, event: &NodeEvent) -> Result<(), ObserverError> {
        for (name, value) in event.outputs {
            self.0.insert((*name).to_owned(), value.as_tensor()?.clone());
        }
        Ok(())
    }
}

fn assert_equal(got: &Tensor, want: &Tensor, name: &str) {
    assert!(got.bits_eq(want), "`{name}`: {got:?} differs from {want:?}");
}

#[test]
fn every_tensor_of_the_quantized_models_is_exact() -> Result<()> {
    for kind in ["vai", "qdq"] {
        let model = Model::open(digits(&format!("digits_{kind}.onnx")))?;
        let mut seen = Everything::default();
        model.observe(inputs()?, &mut seen)?;
        let layers = read_npz(&digits(&format!("digits_{kind}.layers.npz")))?;
        assert!(layers.len() > 40, "{} layers", layers.len());
        for (name, want) in layers {
            assert_equal(&seen.0[&name], &want, &name);
        }
    }
    Ok(())
}

#[test]
fn watching_changes_no_bit_and_fusing_neither() -> Result<()> {
    for kind in ["vai", "qdq", "float"] {
        let path = digits(&format!("digits_{kind}.onnx"));
        let plain = Model::builder().exec(Exec::Unfused).open(&path)?.run(inputs()?)?;
        let watched = Model::open(&path)?.observe(inputs()?, &mut Everything::default())?;
        let fused = Model::open(&path)?.run(inputs()?)?;
        for (name, want) in plain.iter() {
            assert_equal(watched.get(name).unwrap().as_tensor()?, want.as_tensor()?, name);
            assert_equal(fused.get(name).unwrap().as_tensor()?, want.as_tensor()?, name);
        }
    }
    Ok(())
}

#[test]
fn outputs_are_those_of_the_generator() -> Result<()> {
    for (kind, output) in [("vai", "143"), ("qdq", "143")] {
        let out = Model::open(digits(&format!("digits_{kind}.onnx")))?.run(inputs()?)?;
        let want = read_npz(&digits(&format!("digits_{kind}.outputs.npz")))?;
        assert_equal(&out[output], &want[output], output);
    }
    // Sums of floats depend on their order: the generator's are exact, ours are float32.
    let out =
        Model::open(digits("digits_float.onnx"))?.run(inputs()?)?["logits"].to_array::<f32>()?;
    let want = read_npz(&digits("digits_float.outputs.npz"))?["logits"].to_array::<f32>()?;
    let worst = (&out - &want).mapv(f32::abs).into_iter().fold(0.0, f32::max);
    assert!(worst < 1e-5 * want.mapv(f32::abs).into_iter().fold(0.0, f32::max), "{worst}");
    Ok(())
}

#[test]
fn exact_and_float_contractions_agree_where_floats_are_exact() -> Result<()> {
    // Every sum of this network stays below 2^24 steps, so float32 is exact too, in any order.
    let exact = Model::open(digits("digits_vai.onnx"))?.run(inputs()?)?;
    let float =
        Model::builder().exec(Exec::Float).open(digits("digits_vai.onnx"))?.run(inputs()?)?;
    assert_equal(&float["143"], &exact["143"], "143");
    Ok(())
}

#[test]
fn any_number_of_threads_gives_the_same_bits() -> Result<()> {
    let one = Model::builder().threads(1).open(digits("digits_qdq.onnx"))?.run(inputs()?)?;
    for threads in [2, 4] {
        let more =
            Model::builder().threads(threads).open(digits("digits_qdq.onnx"))?.run(inputs()?)?;
        assert_equal(&more["143"], &one["143"], "143");
    }
    Ok(())
}
