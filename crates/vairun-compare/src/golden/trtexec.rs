//! trtexec `--saveAllDebugTensors=numpy`: `{iteration:04}_{tensor}.npy`.
//!
//! Letters, digits and `._-,` stay, everything else in a name becomes `_`. Source: TensorRT 10.13, `genFilenameSafeString`.

use super::Entry;
use super::files::{Files, Form};
use super::folder::Found;

/// A folder in which every array's file begins with four digits; the first iteration counts.
pub(super) fn recognise(title: &str, files: &[Found]) -> Option<Files> {
    let arrays: Vec<_> = files
        .iter()
        .filter(|file| file.is_direct() && Form::of(&file.path) == Some(Form::Npy))
        .collect();
    let split: Option<Vec<_>> = arrays.iter().map(|file| numbered(file.stem())).collect();
    let split = split?;
    let first = split.iter().map(|(iteration, _)| *iteration).min()?;
    let several = split.iter().filter(|(iteration, _)| *iteration == first).count();
    // Files that are all numbered differently are in order, as a dump without its manifest: no iterations.
    if several == 1 && split.len() > 1 {
        return Some(ordered(title, &arrays, &split));
    }
    let mut golden = Files::new(title.to_owned(), "trtexec debug tensors");
    for (file, (iteration, name)) in arrays.iter().zip(&split) {
        if *iteration == first {
            golden.add(file.path.clone(), Entry { name: (*name).to_owned(), ..Entry::default() });
        }
    }
    Some(golden)
}

fn ordered(title: &str, arrays: &[&Found], split: &[(u32, &str)]) -> Files {
    let mut golden = Files::new(title.to_owned(), "numbered .npy files");
    for (file, (_, name)) in arrays.iter().zip(split) {
        golden.add(file.path.clone(), Entry { name: (*name).to_owned(), ..Entry::default() });
    }
    golden
}

/// `0003__conv_out` is iteration 3 of `_conv_out`.
fn numbered(stem: &str) -> Option<(u32, &str)> {
    let (number, name) = stem.split_at_checked(4)?;
    let name = name.strip_prefix('_').filter(|name| !name.is_empty())?;
    let digits = number.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| number.parse().ok()).flatten().map(|number| (number, name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn four_digits_and_a_line_are_an_iteration() {
        assert_eq!(numbered("0003__conv_out"), Some((3, "_conv_out")));
        assert_eq!(numbered("003_x"), None);
        assert_eq!(numbered("0003_"), None);
        assert_eq!(numbered("00é3_x"), None);
    }
}
