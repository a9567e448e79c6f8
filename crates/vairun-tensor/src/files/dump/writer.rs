use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::names::{escaped, hex};
use super::{Label, MANIFEST, Manifest, Record, SCHEMA, Stats, read_dump};
use crate::Tensor;
use crate::files::{FileError, FileErrorKind, NpzWriter, write_npy};

/// Writes a dump a tensor at a time; [`DumpWriter::finish`] makes it complete.
pub struct DumpWriter {
    path: PathBuf,
    target: Target,
    tensors: usize,
    bytes: u64,
}

enum Target {
    Folder(Manifest),
    /// With how often each name was written.
    Npz(Box<NpzWriter<BufWriter<File>>>, HashMap<String, usize>),
}

impl DumpWriter {
    /// Begins a dump of a run of `model` at `path`: an .npz file where the name ends so, else a folder.
    ///
    /// The files of an earlier dump in the folder are removed; other files in it are left alone.
    ///
    /// # Errors
    /// Where the folder or file cannot be made.
    pub fn create(path: &Path, model: &str) -> Result<Self, FileError> {
        let npz = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("npz"));
        let target = if npz {
            Target::Npz(Box::new(NpzWriter::create(path)?), HashMap::new())
        } else {
            fs::create_dir_all(path)
                .and_then(|()| remove_earlier(path))
                .map_err(|error| FileErrorKind::from(error).at(path))?;
            let manifest =
                Manifest { schema: SCHEMA.into(), model: model.into(), tensors: Vec::new() };
            Target::Folder(manifest)
        };
        Ok(Self { path: path.to_owned(), target, tensors: 0, bytes: 0 })
    }

    /// Adds a tensor. In an .npz file a name that comes again gets `~2`, `~3`, …; what lies in a body is called by
    /// scope and name.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn write(&mut self, label: Label, tensor: &Tensor) -> Result<(), FileError> {
        match &mut self.target {
            Target::Folder(manifest) => {
                let record = write_file(&self.path, manifest.tensors.len(), label, tensor)?;
                manifest.tensors.push(record);
            }
            Target::Npz(npz, written) => {
                let name = format!("{}{}", label.scope, label.name);
                let times = written.entry(name.clone()).or_default();
                *times += 1;
                let name = if *times == 1 { name } else { format!("{name}~{times}") };
                npz.add(&name, tensor)?;
            }
        }
        self.tensors += 1;
        self.bytes += tensor.byte_len() as u64;
        Ok(())
    }

    /// How many tensors have been written.
    pub fn tensors(&self) -> usize {
        self.tensors
    }

    /// Bytes of their elements.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Writes the manifest, or the directory of the archive.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn finish(self) -> Result<(), FileError> {
        match self.target {
            Target::Npz(npz, _) => npz.finish().map(drop),
            Target::Folder(manifest) => write_manifest(&self.path.join(MANIFEST), &manifest),
        }
    }
}

fn write_manifest(path: &Path, manifest: &Manifest) -> Result<(), FileError> {
    let write = || -> io::Result<()> {
        let mut writer = BufWriter::new(File::create(path)?);
        serde_json::to_writer_pretty(&mut writer, manifest)?;
        writer.write_all(b"\n")?;
        writer.flush()
    };
    write().map_err(|error| FileErrorKind::from(error).at(path))
}

fn write_file(
    folder: &Path,
    place: usize,
    label: Label,
    tensor: &Tensor,
) -> Result<Record, FileError> {
    let file = format!("{place:04}_{}.npy", escaped(&label.name));
    let path = folder.join(&file);
    let write = || -> io::Result<String> {
        let mut hashed = Hashed { inner: File::create(&path)?, hash: Sha256::new() };
        let mut writer = BufWriter::new(&mut hashed);
        write_npy(&mut writer, tensor)?;
        writer.flush()?;
        drop(writer);
        Ok(hex(&hashed.hash.finalize()))
    };
    let sha256 = write().map_err(|error| FileErrorKind::from(error).at(&path))?;
    let (dtype, shape) = (tensor.dtype().to_string(), tensor.shape().to_vec());
    Ok(Record { label, file, dtype, shape, stats: Stats::of(tensor), sha256 })
}

/// Hashes what is written.
struct Hashed<W> {
    inner: W,
    hash: Sha256,
}

impl<W: Write> Write for Hashed<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.hash.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// Removes the files that an earlier dump's manifest lists: none that it does not, and none outside of the folder.
fn remove_earlier(folder: &Path) -> io::Result<()> {
    let Ok(dump) = read_dump(folder) else { return Ok(()) };
    for record in &dump.manifest().tensors {
        match fs::remove_file(folder.join(&record.file)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    fs::remove_file(folder.join(MANIFEST))
}
