//! Large tensors stay in the file of the model.

use std::fs;

use prost::Message;

use super::{graph, model, node};
use crate::proto::TensorProto;
use crate::{read, read_bytes};

/// Codes of `w`, which `count` of them make.
fn with_weights(count: usize) -> (Vec<u8>, Vec<u8>) {
    let codes: Vec<u8> = (0..count).map(|i| (i * 7 % 256) as u8).collect();
    let mut graph = graph(&["x"], vec![node("Add", &["x", "w"], &["y"])], &["y"]);
    graph.initializer = vec![TensorProto {
        name: Some("w".into()),
        data_type: Some(2),
        dims: vec![count as i64],
        raw_data: Some(codes.clone().into()),
        ..TensorProto::default()
    }];
    (model(graph).encode_to_vec(), codes)
}

fn only_tensor(model: vairun_graph::Model) -> vairun_tensor::Tensor {
    model.graph.initializers.into_values().next().unwrap()
}

#[test]
fn large_raw_tensors_stay_in_the_file_and_may_be_given_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.onnx");
    for (count, stays) in [(100, false), (100_000, true)] {
        let (bytes, codes) = with_weights(count);
        fs::write(&path, &bytes).unwrap();
        let tensor = only_tensor(read(&path).unwrap());
        assert_eq!(tensor.is_shared(), stays, "elements in a file are nobody's own");
        assert_eq!(tensor.as_slice::<u8>().unwrap(), codes);
        tensor.release();
        assert_eq!(tensor.as_slice::<u8>().unwrap(), codes, "read again");
        assert!(!only_tensor(read_bytes(&bytes, None).unwrap()).is_shared());
    }
}

#[test]
fn a_file_that_changes_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.onnx");
    fs::write(&path, with_weights(100_000).0).unwrap();
    let tensor = only_tensor(read(&path).unwrap());
    tensor.check_file().unwrap();
    fs::write(&path, with_weights(200_000).0).unwrap();
    let error = tensor.check_file().unwrap_err().to_string();
    assert!(error.ends_with("model.onnx: changed while it was open; open it again"), "{error}");
}
