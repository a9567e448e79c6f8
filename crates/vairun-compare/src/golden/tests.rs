//! Goldens as tools write them, opened again.

use std::fs;
use std::path::Path;

use vairun_tensor::files::{DumpWriter, Label, write_folder, write_npz};

use super::*;

pub(super) fn numbers(n: f32) -> Tensor {
    Tensor::new(&[1, 2], vec![n, -n]).unwrap()
}

/// Name and first number of each tensor, in order.
pub(super) fn content(golden: &dyn GoldenSource) -> Vec<(String, f32)> {
    let first = |i: usize| match golden.load(i).unwrap() {
        Content::Tensor(tensor) => tensor.as_slice::<f32>().unwrap()[0],
        other => panic!("{other:?}"),
    };
    let entries = golden.entries().iter().enumerate();
    entries.map(|(i, entry)| (entry.name.clone(), first(i))).collect()
}

fn named(list: &[(&str, f32)]) -> Vec<(String, f32)> {
    list.iter().map(|(name, n)| ((*name).to_owned(), *n)).collect()
}

/// The error that opening gives.
fn refusal(path: &Path) -> String {
    open(path).err().expect("an error").to_string()
}

#[test]
fn an_archive_lists_names_types_and_shapes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("g.npz");
    let tensors = [numbers(1.0), numbers(2.0)];
    write_npz(&path, ["/a/b", "x"].into_iter().zip(&tensors)).unwrap();
    let golden = open(&path).unwrap();
    assert_eq!(golden.description(), "g.npz (npz, 2 tensors)");
    assert_eq!(golden.entries()[0], Entry::new("/a/b", Some((DType::F32, &[1, 2]))));
    assert_eq!(content(&*golden), named(&[("/a/b", 1.0), ("x", 2.0)]));
}

#[test]
fn a_file_of_one_tensor_is_called_as_the_file() {
    let folder = tempfile::tempdir().unwrap();
    write_folder(folder.path(), [("y", &numbers(3.0))]).unwrap();
    let golden = open(&folder.path().join("y.npy")).unwrap();
    assert_eq!(content(&*golden), named(&[("y", 3.0)]));
    assert_eq!(golden.description(), "y.npy (one tensor, 1 tensor)");
}

#[test]
fn a_folder_of_arrays_is_called_as_its_files_folders_included() {
    let folder = tempfile::tempdir().unwrap();
    let below = folder.path().join("block/0");
    write_folder(&below, [("y", &numbers(1.0))]).unwrap();
    write_folder(folder.path(), [("x.1", &numbers(2.0))]).unwrap();
    let golden = open(folder.path()).unwrap();
    assert_eq!(content(&*golden), named(&[("block/0/y", 1.0), ("x.1", 2.0)]));
    assert_eq!(golden.entries()[1].shape, Some(vec![1, 2]));
}

#[test]
fn a_dump_has_the_names_of_its_manifest() {
    let folder = tempfile::tempdir().unwrap();
    let mut writer = DumpWriter::create(folder.path(), "m.onnx").unwrap();
    for (scope, name) in [("", "/a/b"), ("loop/body[0]/", "x")] {
        let label = Label { name: name.into(), scope: scope.into(), ..Label::default() };
        writer.write(label, &numbers(4.0)).unwrap();
    }
    writer.finish().unwrap();
    let golden = open(folder.path()).unwrap();
    assert_eq!(content(&*golden), named(&[("/a/b", 4.0), ("loop/body[0]/x", 4.0)]));
    assert!(golden.description().ends_with("(dump of m.onnx, 2 tensors)"));
}

fn write_pb(folder: &Path, file: &str, name: &str, n: f32) {
    fs::create_dir_all(folder).unwrap();
    fs::write(folder.join(file), vairun_onnx::write_tensor(name, &numbers(n))).unwrap();
}

#[test]
fn a_test_data_set_knows_the_places_of_its_tensors() {
    let folder = tempfile::tempdir().unwrap();
    let set = folder.path().join("test_data_set_0");
    write_pb(&set, "output_0.pb", "", 1.0);
    write_pb(&set, "output_10.pb", "z", 3.0);
    write_pb(&set, "output_2.pb", "y", 2.0);
    write_pb(&set, "input_0.pb", "x", 0.5);
    for path in [set.as_path(), folder.path()] {
        let golden = open(path).unwrap();
        let expected = [("x", 0.5), ("output_0", 1.0), ("y", 2.0), ("z", 3.0)];
        assert_eq!(content(&*golden), named(&expected));
        let places: Vec<_> = golden.entries().iter().map(|entry| entry.hint.place).collect();
        let expected = [Place::Input(0), Place::Output(0), Place::Output(2), Place::Output(10)];
        assert_eq!(places, expected.map(Some));
    }
}

#[test]
fn several_goldens_are_one() {
    let folder = tempfile::tempdir().unwrap();
    let paths = ["a", "b"].map(|name| folder.path().join(format!("{name}.npy")));
    write_folder(folder.path(), [("a", &numbers(1.0)), ("b", &numbers(2.0))]).unwrap();
    let golden = open_all(&paths).unwrap();
    assert_eq!(content(&*golden), named(&[("a", 1.0), ("b", 2.0)]));
    assert_eq!(golden.description(), "a.npy (one tensor, 1 tensor) + b.npy (one tensor, 1 tensor)");
    assert!(open_all(&[]).is_err());
}

#[test]
fn what_is_no_golden_is_told_what_is() {
    let folder = tempfile::tempdir().unwrap();
    assert!(refusal(folder.path()).contains("it is empty"), "{}", refusal(folder.path()));
    fs::write(folder.path().join("notes.md"), "x").unwrap();
    assert!(refusal(folder.path()).contains("it holds `notes.md`"));
    assert!(refusal(&folder.path().join("notes.md")).contains("expected .npz, .npy"));
    assert!(refusal(&folder.path().join("absent.npz")).contains("absent.npz"));
}

#[test]
fn damaged_files_are_errors_when_read_and_never_panics() {
    let folder = tempfile::tempdir().unwrap();
    write_folder(folder.path(), [("y", &numbers(1.0))]).unwrap();
    let path = folder.path().join("y.npy");
    let bytes = fs::read(&path).unwrap();
    for length in [0, 5, 64, bytes.len() - 1] {
        fs::write(&path, &bytes[..length]).unwrap();
        let golden = open(&path).unwrap();
        assert!(golden.load(0).is_err(), "{length}");
    }
}

fn files(folder: &Path, names: &[&str]) {
    for name in names {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, [1u8, 2, 3, 4]).unwrap();
    }
}

/// Layout and names of a folder with such files.
fn layout(folder: &str, names: &[&str]) -> (String, Vec<String>) {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join(folder);
    files(&path, names);
    let golden = open(&path).unwrap();
    let names = golden.entries().iter().map(|entry| entry.name.clone()).collect();
    let description = golden.description();
    let (_, layout) = description.split_once(" (").unwrap();
    (layout.trim_end_matches(')').to_owned(), names)
}

#[test]
fn folders_are_told_apart_by_what_lies_in_them() {
    let cases: [(&str, &[&str], &str, &[&str]); 8] = [
        (
            "onnx_layer_output",
            &["module_2/Relu_output_0.bin", "319.bin"],
            "vai_q_pytorch layer dump, 2 tensors",
            &["319", "module_2/Relu_output_0"],
        ),
        (
            "quantize_result",
            &["onnx_layer_output/a/b.bin", "m.py"],
            "vai_q_pytorch layer dump, 1 tensor",
            &["a/b"],
        ),
        (
            "deploy_check_data_int",
            &["N/shape.txt", "N/N__a_fix.bin", "N/N__a.bin"],
            "vai_q_pytorch deploy check, 2 tensors",
            &["N__a", "N__a_fix"],
        ),
        (
            "dump",
            &["subgraph_a/input/0.x.bin", "subgraph_a/output/0.y_fix.bin"],
            "VART dump, 2 tensors",
            &["x", "y_fix"],
        ),
        (
            "dump_results",
            &[
                "dump_results_0/quant_a.bin",
                "dump_results_0/quant_a.txt",
                "dump_results_weights/w_float.bin",
            ],
            "dump_model results, 2 tensors",
            &["quant_a", "w_float"],
        ),
        ("out", &["0.y.bin", "1.y.bin"], "xdputil outputs, 1 tensor", &["y"]),
        ("g", &["Result_0/y.raw"], "SNPE results, 1 tensor", &["y"]),
        ("golden", &["conv1.bin", "sub/fc.txt"], "raw files, 2 tensors", &["conv1", "sub/fc"]),
    ];
    for (folder, names, title, expected) in cases {
        let (found, names) = layout(folder, names);
        assert_eq!(
            (found.as_str(), names.as_slice()),
            (title, expected.map_names().as_slice()),
            "{folder}"
        );
    }
}

trait Names {
    fn map_names(&self) -> Vec<String>;
}

impl Names for &[&str] {
    fn map_names(&self) -> Vec<String> {
        self.iter().map(|name| (*name).to_owned()).collect()
    }
}

#[test]
fn samples_of_a_batch_are_one_tensor() {
    let root = tempfile::tempdir().unwrap();
    files(root.path(), &["10.y.bin", "2.y.bin", "0.y.bin"]);
    fs::write(root.path().join("2.y.bin"), [9u8]).unwrap();
    let golden = open(root.path()).unwrap();
    assert_eq!((golden.entries()[0].hint.samples, golden.entries()[0].bytes), (3, Some(9)));
    let Content::Raw(bytes) = golden.load(0).unwrap() else { panic!("raw") };
    assert_eq!(bytes, [1, 2, 3, 4, 9, 1, 2, 3, 4]);
}

#[test]
fn trtexec_s_first_iteration_counts() {
    let folder = tempfile::tempdir().unwrap();
    let tensors = [numbers(1.0), numbers(2.0), numbers(3.0), numbers(4.0)];
    let names = ["0000__a", "0000_b", "0001__a", "0001_b"];
    write_folder(folder.path(), names.into_iter().zip(&tensors)).unwrap();
    let golden = open(folder.path()).unwrap();
    assert_eq!(content(&*golden), named(&[("_a", 1.0), ("b", 2.0)]));
    assert!(golden.description().contains("trtexec"));
}

#[test]
fn onnxruntime_s_dumps_are_called_as_their_files() {
    let folder = tempfile::tempdir().unwrap();
    write_pb(folder.path(), "conv_Y.tensorproto", "", 1.0);
    let golden = open(folder.path()).unwrap();
    assert_eq!(content(&*golden), named(&[("conv_Y", 1.0)]));
}

/// What Polygraphy 0.53 writes, shortened.
fn polygraphy(outputs: bool) -> String {
    let array = |n: f32| {
        let mut npy = Vec::new();
        vairun_tensor::files::write_npy(&mut npy, &numbers(n)).unwrap();
        format!("{{\"array\": \"{}\", \"polygraphy_class\": \"ndarray\"}}", encode(&npy))
    };
    if !outputs {
        return format!("[{{\"x\": {}}}, {{\"x\": {}}}]", array(1.0), array(9.0));
    }
    let lazy = |n| format!("{{\"values\": {}, \"polygraphy_class\": \"LazyArray\"}}", array(n));
    let iteration = |n| {
        format!(
            "{{\"outputs\": {{\"/a/b\": {}, \"y\": {}}}, \"runtime\": 0.1}}",
            lazy(n),
            lazy(n + 1.0)
        )
    };
    format!(
        "{{\"lst\": [[\"ort\", [{}, {}]]], \"polygraphy_class\": \"RunResults\"}}",
        iteration(1.0),
        iteration(7.0)
    )
}

fn encode(bytes: &[u8]) -> String {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let group = chunk.iter().fold(0u32, |group, &byte| group << 8 | u32::from(byte))
            << (8 * (3 - chunk.len()));
        for place in 0..4 {
            let letter = LETTERS[(group >> (18 - 6 * place) & 63) as usize];
            text.push(if place > chunk.len() { '=' } else { letter as char });
        }
    }
    text
}

#[test]
fn polygraphy_s_files_give_their_first_iteration() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("g.json");
    for (outputs, expected) in [(true, &[("/a/b", 1.0), ("y", 2.0)][..]), (false, &[("x", 1.0)])] {
        fs::write(&path, polygraphy(outputs)).unwrap();
        let golden = open(&path).unwrap();
        assert_eq!(content(&*golden), named(expected));
        assert_eq!(golden.entries()[0].shape, Some(vec![1, 2]));
    }
}

#[test]
fn damaged_json_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("g.json");
    let whole = polygraphy(true);
    for length in (0..whole.len()).step_by(7) {
        fs::write(&path, &whole[..length]).unwrap();
        assert!(open(&path).is_err(), "{length}");
    }
    fs::write(&path, "[".repeat(100_000)).unwrap();
    assert!(open(&path).is_err());
    fs::write(&path, whole.replace("k05VTVBZ", "########")).unwrap();
    let golden = open(&path).unwrap();
    assert!(golden.load(0).unwrap_err().to_string().ends_with("`/a/b`: no base64"));
}
