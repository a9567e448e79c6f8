//! ONNX's test data sets: `input_0.pb`, …, `output_0.pb`, ….

use std::path::Path;

use super::files::Files;
use super::folder::Found;
use super::{Entry, Hint, Place};

/// The data set in a folder that holds `files`; `None` where there is none.
pub(super) fn recognise(title: &str, files: &[Found]) -> Option<Files> {
    let mut set: Vec<(Place, &Found)> = files
        .iter()
        .filter(|file| file.is_direct())
        .filter_map(|file| Some((place(&file.name)?, file)))
        .collect();
    // By number: `output_10` after `output_2`.
    set.sort_by_key(|(place, _)| match *place {
        Place::Input(number) => (0, number),
        Place::Output(number) => (1, number),
    });
    let mut golden = Files::new(title.to_owned(), "ONNX test data");
    for (place, file) in set {
        let entry = Entry {
            name: name_in(&file.path).unwrap_or_else(|| file.stem().to_owned()),
            hint: Hint { place: Some(place), ..Hint::default() },
            ..Entry::default()
        };
        golden.add(file.path.clone(), entry);
    }
    (!golden.is_empty()).then_some(golden)
}

/// The name that the file itself gives its tensor.
fn name_in(path: &Path) -> Option<String> {
    let (name, _) = vairun_onnx::peek_tensor(path).ok()?;
    (!name.is_empty()).then_some(name)
}

/// What a file name says: `output_2.pb` is the third output.
fn place(file: &str) -> Option<Place> {
    let stem = file.strip_suffix(".pb")?;
    let (kind, number) = stem.split_once('_')?;
    let number = number.parse().ok()?;
    match kind {
        "input" => Some(Place::Input(number)),
        "output" => Some(Place::Output(number)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_numbered_inputs_and_outputs() {
        assert_eq!(place("input_0.pb"), Some(Place::Input(0)));
        assert_eq!(place("output_12.pb"), Some(Place::Output(12)));
        assert_eq!(place("output_x.pb"), None);
        assert_eq!(place("model.pb"), None);
        assert_eq!(place("input_0.npy"), None);
    }
}
