//! Tensors in files beside the model.

use std::fs;
use std::path::Path;

use prost::Message;

use super::{graph, model, node};
use crate::proto::{EXTERNAL, StringStringEntryProto, TensorProto};
use crate::{read, read_bytes};

fn with_external(entries: &[(&str, &str)], data_type: i32) -> Vec<u8> {
    let entry = |&(key, value): &(&str, &str)| StringStringEntryProto {
        key: Some(key.into()),
        value: Some(value.into()),
    };
    let mut graph = graph(&["x"], vec![node("Add", &["x", "w"], &["y"])], &["y"]);
    graph.initializer = vec![TensorProto {
        name: Some("w".into()),
        data_type: Some(data_type),
        dims: vec![2],
        data_location: Some(EXTERNAL),
        external_data: entries.iter().map(entry).collect(),
        ..TensorProto::default()
    }];
    model(graph).encode_to_vec()
}

/// The elements of `w`, or the error.
fn weights(folder: &Path, entries: &[(&str, &str)]) -> Result<Vec<f32>, String> {
    let path = folder.join("model.onnx");
    fs::write(&path, with_external(entries, 1)).unwrap();
    let model = read(&path).map_err(|error| error.to_string())?;
    let tensor = model.graph.initializers.into_values().next().unwrap();
    Ok(tensor.as_slice::<f32>().unwrap().to_vec())
}

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let numbers = [1f32, 2., 3., 4.];
    let bytes: Vec<u8> = numbers.iter().flat_map(|x| x.to_le_bytes()).collect();
    fs::create_dir(folder.path().join("inner")).unwrap();
    fs::write(folder.path().join("inner/w.bin"), bytes).unwrap();
    folder
}

#[test]
fn a_part_of_a_file_is_read() {
    let folder = folder();
    let place = [("location", "./inner/w.bin"), ("offset", "4"), ("length", "8")];
    assert_eq!(weights(folder.path(), &place).unwrap(), [2., 3.]);
    let to_the_end = [("location", "inner/w.bin"), ("offset", "8")];
    assert_eq!(weights(folder.path(), &to_the_end).unwrap(), [3., 4.]);
}

#[test]
fn a_part_beyond_the_file_is_malformed() {
    let folder = folder();
    let error = |offset, length| {
        let place = [("location", "inner/w.bin"), ("offset", offset), ("length", length)];
        weights(folder.path(), &place).unwrap_err()
    };
    assert_eq!(
        error("12", "8"),
        "malformed: graph.initializer[0] `w`: external data `inner/w.bin`: 8 bytes at offset 12, the file has 16"
    );
    assert!(error("18446744073709551615", "8").contains("the file has 16"));
    assert!(error("0", "4").contains("external data has 4 bytes, expected 8"));
    assert!(error("-1", "8").contains("expected a number of bytes"));
}

#[test]
fn no_path_leads_out_of_the_folder() {
    let outer = folder();
    let inner = outer.path().join("inner");
    fs::write(outer.path().join("secret"), [0; 8]).unwrap();
    let absolute = outer.path().join("secret");
    for location in ["../secret", absolute.to_str().unwrap(), "a/../../secret", "..\\secret"] {
        let error = weights(&inner, &[("location", location)]).unwrap_err();
        assert!(error.contains("leads out of the model's folder"), "{location}: {error}");
    }
}

#[cfg(unix)]
#[test]
fn no_link_leads_out_of_the_folder() {
    let outer = folder();
    let inner = outer.path().join("inner");
    fs::write(outer.path().join("secret"), [0; 8]).unwrap();
    std::os::unix::fs::symlink("../secret", inner.join("link")).unwrap();
    let error = weights(&inner, &[("location", "link")]).unwrap_err();
    assert!(error.contains("leads out of the model's folder"), "{error}");
    std::os::unix::fs::symlink("w.bin", inner.join("within")).unwrap();
    assert!(weights(&inner, &[("location", "within"), ("length", "8")]).is_ok());
}

#[test]
fn narrow_types_are_unpacked() {
    let folder = folder();
    fs::write(folder.path().join("w.bin"), [0x8f]).unwrap();
    let bytes = with_external(&[("location", "w.bin")], 22);
    let model = read_bytes(&bytes, Some(folder.path())).unwrap();
    let tensor = model.graph.initializers.into_values().next().unwrap();
    assert_eq!(tensor.as_slice::<i8>().unwrap(), [-1, -8]);
}

#[test]
fn bytes_without_a_folder_have_no_external_data() {
    let error = read_bytes(&with_external(&[("location", "w.bin")], 1), None).unwrap_err();
    assert!(error.to_string().starts_with("unsupported: "), "{error}");
}

#[test]
fn a_missing_file_and_a_missing_location_are_told() {
    let folder = folder();
    let missing = weights(folder.path(), &[("location", "gone.bin")]).unwrap_err();
    assert!(missing.contains("`gone.bin`: No such file"), "{missing}");
    let no_location = weights(folder.path(), &[]).unwrap_err();
    assert!(no_location.contains("external_data has no `location`"), "{no_location}");
    let a_folder = weights(folder.path(), &[("location", "inner")]).unwrap_err();
    assert!(a_folder.contains("not a regular file"), "{a_folder}");
}
