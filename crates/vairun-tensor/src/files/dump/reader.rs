use std::fs;
use std::path::{Path, PathBuf};

use super::{MANIFEST, Manifest, Record, SCHEMA};
use crate::files::{FileError, FileErrorKind, read_npy};
use crate::{DType, Tensor};

/// A dump in a folder; its tensors are read when they are asked for.
#[derive(Clone, Debug)]
pub struct Dump {
    folder: PathBuf,
    manifest: Manifest,
}

/// Opens the dump in `folder`.
///
/// # Errors
/// Where `manifest.json` cannot be read, is not that of a dump, or names files outside of the folder.
pub fn read_dump(folder: &Path) -> Result<Dump, FileError> {
    let path = folder.join(MANIFEST);
    let text = fs::read_to_string(&path).map_err(|error| FileErrorKind::from(error).at(&path))?;
    let malformed = |what: String| FileErrorKind::Malformed(what).at(&path);
    let manifest: Manifest =
        serde_json::from_str(&text).map_err(|error| malformed(error.to_string()))?;
    if manifest.schema != SCHEMA {
        return Err(malformed(format!("schema `{}`, expected `{SCHEMA}`", manifest.schema)));
    }
    match manifest.tensors.iter().find(|record| !is_plain(&record.file)) {
        Some(record) => Err(malformed(format!("`{}` is no name of a file", record.file))),
        None => Ok(Dump { folder: folder.to_owned(), manifest }),
    }
}

/// Whether it names a file of the folder itself, as [`DumpWriter`](super::DumpWriter) writes them.
fn is_plain(file: &str) -> bool {
    let safe = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '~');
    file.ends_with(".npy") && !file.starts_with('.') && file.chars().all(safe)
}

impl Dump {
    /// What the manifest says.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The elements of a tensor.
    ///
    /// # Errors
    /// Where the file cannot be read, or is not what the manifest says.
    pub fn read(&self, record: &Record) -> Result<Tensor, FileError> {
        let path = self.folder.join(&record.file);
        let tensor = read_npy(&path)?;
        let fits = DType::from_name(&record.dtype) == Some(tensor.dtype());
        if fits && record.shape == tensor.shape() {
            return Ok(tensor);
        }
        let what = format!("{tensor:?}, expected {} {:?}", record.dtype, record.shape);
        Err(FileErrorKind::Malformed(what).at(&path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::dump::{DumpWriter, Label, Quantization, Stats};
    use crate::files::read_npz;

    fn label(name: &str) -> Label {
        Label { name: name.into(), node: "n".into(), op: "Relu".into(), ..Label::default() }
    }

    fn numbers(n: f32) -> Tensor {
        Tensor::new(&[1, 2], vec![n, -n]).unwrap()
    }

    /// Names that collide after escaping, or on file systems that ignore case.
    const NAMES: [&str; 6] = ["/a/b::c", "_a_b__c", "a_b", "A_B", "../x", ""];

    #[test]
    fn a_dump_reads_back_in_order_with_everything() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out");
        let mut writer = DumpWriter::create(&path, "m.onnx").unwrap();
        let quantization =
            Some(Quantization { scale: vec![0.125], zero_point: vec![-3], axis: None });
        for (i, name) in NAMES.iter().enumerate() {
            let label = Label { quantization: quantization.clone(), ..label(name) };
            writer.write(label, &numbers(i as f32)).unwrap();
        }
        assert_eq!((writer.tensors(), writer.bytes()), (6, 48));
        writer.finish().unwrap();
        let dump = read_dump(&path).unwrap();
        let records = &dump.manifest().tensors;
        assert_eq!(records.iter().map(|r| r.label.name.as_str()).collect::<Vec<_>>(), NAMES);
        for (i, record) in records.iter().enumerate() {
            assert!(dump.read(record).unwrap().bits_eq(&numbers(i as f32)), "{record:?}");
            assert_eq!(record.label.quantization, quantization);
        }
        assert_eq!(records[3].stats, Stats { min: Some(-3.0), max: Some(3.0), nan: 0 });
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing beside the folder");
    }

    #[test]
    fn the_fingerprint_is_that_of_the_file() {
        use sha2::{Digest, Sha256};
        let folder = tempfile::tempdir().unwrap();
        let mut writer = DumpWriter::create(folder.path(), "m").unwrap();
        writer.write(label("x"), &numbers(1.0)).unwrap();
        writer.finish().unwrap();
        let dump = read_dump(folder.path()).unwrap();
        let record = &dump.manifest().tensors[0];
        assert_eq!(record.file, "0000_x.npy");
        let digest = Sha256::digest(fs::read(folder.path().join(&record.file)).unwrap());
        assert_eq!(record.sha256, super::super::names::hex(&digest));
    }

    #[test]
    fn an_archive_holds_the_names_themselves() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.npz");
        let mut writer = DumpWriter::create(&path, "m").unwrap();
        for name in ["/a/b::c", "x", "x"] {
            writer.write(label(name), &numbers(1.0)).unwrap();
        }
        let inner = Label { scope: "loop/body[0]/".into(), ..label("x") };
        writer.write(inner, &numbers(1.0)).unwrap();
        writer.finish().unwrap();
        let names: Vec<_> = read_npz(&path).unwrap().into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["/a/b::c", "x", "x~2", "loop/body[0]/x"]);
    }

    #[test]
    fn a_second_dump_replaces_the_first_and_leaves_other_files() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("notes.txt"), "mine").unwrap();
        for names in [&["a", "b"][..], &["c"]] {
            let mut writer = DumpWriter::create(folder.path(), "m").unwrap();
            names.iter().for_each(|name| writer.write(label(name), &numbers(0.0)).unwrap());
            writer.finish().unwrap();
        }
        let entry = |entry: std::io::Result<fs::DirEntry>| entry.unwrap().file_name();
        let mut files: Vec<_> = fs::read_dir(folder.path()).unwrap().map(entry).collect();
        files.sort();
        assert_eq!(files, ["0000_c.npy", "manifest.json", "notes.txt"]);
    }

    #[test]
    fn a_manifest_that_leads_out_of_the_folder_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let mut writer = DumpWriter::create(folder.path(), "m").unwrap();
        writer.write(label("x"), &numbers(0.0)).unwrap();
        writer.finish().unwrap();
        let path = folder.path().join(MANIFEST);
        let text = fs::read_to_string(&path).unwrap();
        for file in ["../0000_x.npy", "/etc/x.npy", ".npy", "a\\\\b.npy"] {
            fs::write(&path, text.replace("0000_x.npy", file)).unwrap();
            let error = read_dump(folder.path()).unwrap_err().to_string();
            assert!(error.contains("is no name of a file"), "{error}");
        }
    }

    #[test]
    fn a_file_that_is_not_what_the_manifest_says_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let mut writer = DumpWriter::create(folder.path(), "m").unwrap();
        writer.write(label("x"), &numbers(0.0)).unwrap();
        writer.finish().unwrap();
        let mut other = Vec::new();
        crate::files::write_npy(&mut other, &Tensor::vector(vec![1i8])).unwrap();
        fs::write(folder.path().join("0000_x.npy"), other).unwrap();
        let dump = read_dump(folder.path()).unwrap();
        let error = dump.read(&dump.manifest().tensors[0]).unwrap_err().to_string();
        assert!(error.ends_with("int8 [1], expected float32 [1, 2]"), "{error}");
    }
}
