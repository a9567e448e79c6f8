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
