//! Files of one value.

use std::fs;

use vairun_graph::ValueInfo;
use vairun_tensor::{DType, Tensor, Value};

use crate::{read_data_set, read_tensor, read_value, write_tensor, write_value};

/// A tensor of each type with elements that differ in their bits.
fn each_type() -> Vec<Tensor> {
    let tensor = |dtype: DType| match dtype.carrier().bytes() {
        Some(width) => {
            let narrow = dtype.bits().is_some_and(|bits| bits < 8) || dtype == DType::Bool;
            let bytes: Vec<u8> =
                (0..3 * width).map(|i| if narrow { i as u8 % 2 } else { 0x3c + i as u8 }).collect();
            Tensor::from_le_bytes(dtype, &[3, 1], &bytes).unwrap()
        }
        None => Tensor::vector(vec!["a".to_owned(), String::new(), "ü".to_owned()]),
    };
    DType::ALL.into_iter().map(tensor).collect()
}

#[test]
fn a_tensor_of_each_type_reads_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.pb");
    for tensor in each_type() {
        fs::write(&path, write_tensor("/a/b", &tensor)).unwrap();
        let (name, again) = read_tensor(&path).unwrap();
        assert_eq!(name, "/a/b");
        assert!(again.bits_eq(&tensor), "{tensor:?} {again:?}");
    }
}

#[test]
fn negative_narrow_values_read_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.pb");
    let tensor = Tensor::with_dtype(DType::I4, &[3], vec![-8i8, -1, 7]).unwrap();
    fs::write(&path, write_tensor("", &tensor)).unwrap();
    assert_eq!(read_tensor(&path).unwrap().1.as_slice::<i8>().unwrap(), [-8, -1, 7]);
}

#[test]
fn sequences_and_optionals_read_back_by_what_the_model_declares() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("v.pb");
    let tensor = || Value::Tensor(Tensor::vector(vec![1i64, 2]));
    let sequence = || Value::Sequence(vec![tensor(), tensor()]);
    for (value, declared) in [
        (sequence(), "seq(tensor(int64))"),
        (Value::Sequence(vec![]), "seq(tensor(int64))"),
        (Value::Optional(None), "optional(tensor(int64))"),
        (Value::Optional(Some(Box::new(sequence()))), "optional(seq(tensor(int64)))"),
    ] {
        fs::write(&path, write_value("v", &value).unwrap()).unwrap();
        let (name, again) = read_value(&path, Some(declared)).unwrap();
        assert_eq!((name.as_str(), format!("{again:?}")), ("v", format!("{value:?}")));
    }
}

/// The names and values of a data set of the inputs `first` and `second`, whose files are called `names`.
fn data_set(names: &[&str]) -> Vec<(String, i64)> {
    let folder = tempfile::tempdir().unwrap();
    for (i, name) in names.iter().enumerate() {
        let bytes = write_tensor(name, &Tensor::scalar(i as i64));
        fs::write(folder.path().join(format!("input_{i}.pb")), bytes).unwrap();
    }
    fs::write(folder.path().join("output_0.pb"), write_tensor("y", &Tensor::scalar(0i64))).unwrap();
    let info =
        |name: &str| ValueInfo { name: name.into(), dtype: None, shape: None, non_tensor: None };
    let values = read_data_set(folder.path(), "input", &["first", "second"].map(info)).unwrap();
    let number = |value: Value| *value.as_tensor().unwrap().as_scalar::<i64>().unwrap();
    values.into_iter().map(|(name, value)| (name, number(value))).collect()
}

#[test]
fn a_data_set_is_named_by_its_files_where_the_model_knows_the_names() {
    assert_eq!(data_set(&["second", "first"]), [("second".into(), 0), ("first".into(), 1)]);
    assert_eq!(data_set(&["x", "x"]), [("first".into(), 0), ("second".into(), 1)]);
    assert_eq!(data_set(&["second", "other"]), [("first".into(), 0), ("second".into(), 1)]);
}

#[test]
fn the_files_of_a_data_set_are_ordered_by_number() {
    let values = data_set(&[""; 12]);
    assert_eq!(values[10], (String::new(), 10));
    assert_eq!(values.len(), 12);
}

#[test]
fn other_bytes_are_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.pb");
    fs::write(&path, b"\x93NUMPY").unwrap();
    let error = read_tensor(&path).unwrap_err().to_string();
    assert!(error.starts_with("not a readable ONNX TensorProto: "), "{error}");
}
