//! vai_q_pytorch `export_onnx_model(dump_layers=True)`: `onnx_layer_output/<tensor>.bin`.
//!
//! Float32 in ONNX's layout whatever the type of the tensor, without a header. The name of the tensor is the path, `/`
//! makes folders: `/module_2/Relu_output_0` is `onnx_layer_output//module_2/Relu_output_0.bin`. Source: pytorch_nndct
//! 3.5.0.

use super::files::{Files, Form};
use super::folder::Found;
use super::{Elements, Entry, Hint, Order};

/// The folder's name.
const FOLDER: &str = "onnx_layer_output";

/// A folder of that name, or one that holds it; `None` otherwise.
pub(super) fn recognise(title: &str, files: &[Found]) -> Option<Files> {
    let prefix = format!("{FOLDER}/");
    let inside = files.iter().any(|file| file.name.starts_with(&prefix));
    if title != FOLDER && !inside {
        return None;
    }
    let mut golden = Files::new(title.to_owned(), "vai_q_pytorch layer dump");
    for file in files.iter().filter(|file| Form::of(&file.path) == Some(Form::Raw)) {
        let name = match file.stem().strip_prefix(&prefix) {
            Some(rest) => rest,
            None if inside => continue,
            None => file.stem(),
        };
        golden.add(file.path.clone(), entry(name));
    }
    (!golden.is_empty()).then_some(golden)
}

fn entry(name: &str) -> Entry {
    // The path does not tell a name that begins with `/` from one that does not.
    let aliases = vec![format!("/{name}")];
    let hint = Hint {
        elements: Some(Elements::Numbers),
        order: Some(Order::AsModel),
        aliases,
        ..Hint::default()
    };
    Entry { name: name.to_owned(), hint, ..Entry::default() }
}
