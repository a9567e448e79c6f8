use std::fs;

use vairun::Tensor;
use vairun::tensor::files::{read_npy, read_npz, write_npy, write_npz};

use super::{Scene, digits, named};

const INPUT: &str = "Digits::input_0";

fn images() -> Tensor {
    read_npz(digits("inputs.npz").as_ref()).unwrap().remove(0).1
}

fn npy(tensor: &Tensor) -> Vec<u8> {
    let mut bytes = Vec::new();
    write_npy(&mut bytes, tensor).unwrap();
    bytes
}

/// The folder with the same images in every form that is read.
fn every_form() -> (Scene, Vec<String>) {
    let scene = Scene::new();
    let images = images();
    scene.write("x.npy", &npy(&images));
    scene.write("x.pb", &vairun_onnx::write_tensor(INPUT, &images));
    scene.write("x.bin", images.as_bytes().unwrap());
    let numbers: Vec<String> =
        images.as_slice::<f32>().unwrap().iter().map(f32::to_string).collect();
    scene.write("x.txt", numbers.join("\n").as_bytes());
    write_npz(&scene.path("other.npz"), [("anything", &images)]).unwrap();
    write_npz(&scene.path("arr.npz"), [("arr_0", &images)]).unwrap();
    fs::create_dir(scene.path("test_data_set_0")).unwrap();
    scene.write("test_data_set_0/input_0.pb", &vairun_onnx::write_tensor("x", &images));
    fs::create_dir(scene.path("folder")).unwrap();
    scene.write("folder/whatever.npy", &npy(&images));
    let files = [
        "x.npy",
        "x.pb",
        "x.bin",
        "x.txt",
        "other.npz",
        "arr.npz",
        "test_data_set_0",
        ".",
        "folder",
    ];
    let mut all: Vec<String> = files.iter().map(|file| (*file).to_owned()).collect();
    all.push(digits("inputs.npz"));
    all.push(named(INPUT, &scene.path("x.npy")));
    (scene, all)
}

#[test]
fn every_form_gives_the_same_output() {
    let (scene, forms) = every_form();
    // A folder of several files is no input by itself.
    for form in forms.iter().filter(|form| *form != ".") {
        let model = digits("digits_vai.onnx");
        let args = ["run", "-q", &model, "-i", form, "-o", "out.npy"];
        super::Ended::from(scene.command(args).output().unwrap()).succeeds();
        let got = read_npy(&scene.path("out.npy")).unwrap();
        let want = read_npz(digits("digits_vai.outputs.npz").as_ref()).unwrap().remove(0).1;
        assert!(got.bits_eq(&want), "{form}");
    }
}

#[test]
fn a_dump_is_an_input_too() {
    let scene = Scene::new();
    scene.run("run -q {digits}/digits_vai.onnx --dump-layers dump --seed 3 -o a.npy").succeeds();
    scene.run("run -q {digits}/digits_vai.onnx -i dump -o b.npy").succeeds();
    let read = |name: &str| read_npy(&scene.path(name)).unwrap();
    assert!(read("a.npy").bits_eq(&read("b.npy")));
}

#[test]
fn what_does_not_fit_is_4_and_says_what_would() {
    let scene = Scene::new();
    let images = images();
    scene.write("flat.npy", &npy(&images.reshaped(&[16, 64]).unwrap()));
    scene.write("int.npy", &npy(&Tensor::new(&[1, 1, 8, 8], vec![0i64; 64]).unwrap()));
    write_npz(&scene.path("two.npz"), [("a", &images), ("b", &images)]).unwrap();
    scene.write("x.bin", &[0; 7]);
    scene.write("x.jpeg", b"\xff\xd8");
    let error =
        |file: &str| scene.run(&format!("run {{digits}}/digits_vai.onnx -i {file}")).fails(4);
    let shape = error("flat.npy");
    assert!(shape.contains("`Digits::input_0` has shape [16, 64], expected [Digits::"), "{shape}");
    let dtype = error("int.npy");
    assert!(dtype.contains("`Digits::input_0` is int64, expected float32"), "{dtype}");
    let names = error("two.npz");
    assert!(
        names.contains("it has `a`, `b`, the model has the input `Digits::input_0`"),
        "{names}"
    );
    assert!(error("missing.npy").contains("missing.npy: No such file"));
    assert!(error("x.bin").contains("7 bytes do not hold the shape"));
    assert!(error("x.jpeg").contains("not a kind of file that is read"));
    assert!(error("other=x.bin").contains("no input named `other`"));
}

#[test]
fn a_shape_is_given_or_follows_from_the_file() {
    let scene = Scene::new();
    scene.write("x.raw", &[0; 2 * 64 * 4]);
    let follows = scene.run("run {digits}/digits_float.onnx -i x.raw").succeeds();
    assert!(follows.contains("float32 [2, 1, 8, 8]"), "{follows}");
    let given = scene.run("run {digits}/digits_float.onnx -i x.raw --shape 2x1x8x8").succeeds();
    assert_eq!(given, follows);
    let wrong = scene.run("run {digits}/digits_float.onnx -i x.raw --shape 1,1,8,8").fails(4);
    assert!(wrong.contains("512 bytes do not hold the shape [1, 1, 8, 8] of float32"), "{wrong}");
}
