//! Real models, which lie beside the repository.

use std::path::{Path, PathBuf};

use crate::{read, read_bytes, write};

/// Every model of the corpus; none where it is absent.
pub(super) fn corpus() -> Vec<PathBuf> {
    let default = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared");
    let shared = std::env::var_os("VAIRUN_SHARED").map_or(default, PathBuf::from);
    let Ok(entries) = shared.join("corpus").read_dir() else {
        println!("skipped: no models at {}", shared.display());
        return Vec::new();
    };
    let model =
        |entry: std::io::Result<std::fs::DirEntry>| entry.unwrap().path().join("model.onnx");
    let mut paths: Vec<_> = entries.map(model).filter(|path| path.is_file()).collect();
    paths.sort_by_key(|path| path.metadata().unwrap().len());
    paths
}

#[test]
fn every_model_is_read_and_its_inputs_are_typed() {
    for path in corpus() {
        let model = read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert!(!model.graph.nodes.is_empty(), "{}", path.display());
        for &input in &model.graph.inputs {
            let info = model.graph.value(input);
            assert!(info.dtype.is_some() && info.shape.is_some(), "{}: {info:?}", path.display());
        }
    }
}

#[test]
fn a_written_model_reads_back_as_the_same_graph() {
    for path in corpus() {
        let model = read(&path).unwrap();
        let again = read_bytes(&write(&model).unwrap(), None).unwrap();
        assert_eq!(model.graph.to_string(), again.graph.to_string(), "{}", path.display());
        assert_eq!(model.metadata, again.metadata);
        for (id, tensor) in &model.graph.initializers {
            let name = model.graph.name_of(*id);
            let again =
                again.graph.initializers.iter().find(|(id, _)| again.graph.name_of(**id) == name);
            assert!(
                again.is_some_and(|(_, again)| again.bits_eq(tensor)),
                "{} `{name}`",
                path.display()
            );
        }
    }
}
