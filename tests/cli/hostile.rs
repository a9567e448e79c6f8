use std::fs;

use super::{Scene, digits};

/// A damaged model either runs or is refused, and never ends the process in another way.
#[track_caller]
fn survives(scene: &Scene, bytes: &[u8], what: &str) {
    scene.write("damaged.onnx", bytes);
    let ended = scene.run("run -q damaged.onnx");
    let ends_well = matches!(ended.code, Some(0 | 2 | 3 | 4));
    assert!(ends_well && !ended.stderr.contains("panicked"), "{what}: {ended:?}");
}

#[test]
fn a_truncated_model_is_refused() {
    let scene = Scene::new();
    let bytes = fs::read(digits("digits_vai.onnx")).unwrap();
    for length in (0..bytes.len()).step_by(bytes.len() / 40) {
        scene.write("cut.onnx", &bytes[..length]);
        scene.run("run -q cut.onnx").fails(3);
    }
}

#[test]
fn flipped_bits_do_not_end_the_process() {
    let scene = Scene::new();
    for model in ["digits_vai.onnx", "digits_qdq.onnx"] {
        let bytes = fs::read(digits(model)).unwrap();
        for step in 0..40 {
            // Steps of a prime spread over the file and over the bits of a byte.
            let bit = (step * 7919 * 8 + step) % (bytes.len() * 8);
            let mut damaged = bytes.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            survives(&scene, &damaged, &format!("{model} bit {bit}"));
        }
    }
}

#[test]
fn names_of_tensors_do_not_lead_out_of_the_dump() {
    let scene = Scene::new();
    let mut model = vairun_onnx::read(digits("digits_float.onnx").as_ref()).unwrap();
    for (i, value) in model.graph.values.iter_mut().enumerate() {
        value.name = format!("../../escaped/{i}:{}", value.name);
    }
    scene.write("m.onnx", &vairun_onnx::write(&model).unwrap());
    scene.run("run -q m.onnx --dump-layers inner/dump -o inner/out").succeeds();
    let entries = |path: &str| fs::read_dir(scene.path(path)).unwrap().count();
    assert_eq!((entries("."), entries("inner")), (2, 2), "m.onnx and inner; dump and out");
}
