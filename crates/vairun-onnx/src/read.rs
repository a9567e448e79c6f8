//! Bytes to a [`Model`].

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use prost::Message;
use prost::bytes::Bytes;
use vairun_graph::Model;
use vairun_tensor::MappedFile;

use crate::error::OnnxError;
use crate::external::Folder;
use crate::lower::lower;
use crate::proto::ModelProto;
use crate::wire;

/// Reads the model at `path`; external data is looked for in its folder.
///
/// # Errors
/// [`OnnxError::Io`], and those of [`read_bytes`].
pub fn read(path: &Path) -> Result<Model, OnnxError> {
    let (bytes, file) = open(path)?;
    decode_model(bytes, Folder::of(file, path.parent().or(Some(Path::new("")))))
}

/// Reads a model from the bytes of an .onnx file; external data is looked for in `folder`.
///
/// # Errors
/// [`OnnxError::Protobuf`] where the bytes are no message, [`OnnxError::Malformed`] where they break ONNX's rules,
/// [`OnnxError::Unsupported`] where they hold what vairun does not read; all such problems at once.
pub fn read_bytes(bytes: &[u8], folder: Option<&Path>) -> Result<Model, OnnxError> {
    decode_model(Bytes::copy_from_slice(bytes), Folder::new(folder))
}

/// Reads a model from a stream to its end; external data is looked for in `folder`.
///
/// # Errors
/// [`OnnxError::Io`], and those of [`read_bytes`].
pub fn read_reader(mut reader: impl Read, folder: Option<&Path>) -> Result<Model, OnnxError> {
    let mut bytes = Vec::new();
    reader
        .read_to_end(&mut bytes)
        .map_err(|source| OnnxError::Io { path: "<stream>".into(), source })?;
    decode_model(bytes.into(), Folder::new(folder))
}

fn decode_model(bytes: Bytes, folder: Folder) -> Result<Model, OnnxError> {
    let proto: ModelProto = decode("ModelProto", bytes)?;
    lower(&proto, folder)
}

/// A message of the kind `M`, which is called `message` in onnx.proto.
pub(crate) fn decode<M: Message + Default>(
    message: &'static str,
    bytes: Bytes,
) -> Result<M, OnnxError> {
    let whole = bytes.clone();
    M::decode(bytes).map_err(|error| OnnxError::Protobuf {
        message,
        bytes: whole.len(),
        detail: wire::explain(&whole, &error),
    })
}

/// The bytes of a file without reading it into memory.
pub(crate) fn map(path: &Path) -> Result<Bytes, OnnxError> {
    Ok(open(path)?.0)
}

/// The same, with the file where it can be mapped.
fn open(path: &Path) -> Result<(Bytes, Option<MappedFile>), OnnxError> {
    struct Owner(MappedFile);
    impl AsRef<[u8]> for Owner {
        fn as_ref(&self) -> &[u8] {
            self.0.bytes()
        }
    }
    let io = |source| OnnxError::Io { path: path.to_owned(), source };
    let metadata = path.metadata().map_err(io)?;
    if metadata.is_dir() {
        return Err(io(io::Error::other("a folder, expected a file")));
    }
    if metadata.is_file() {
        let file = MappedFile::open(path).map_err(io)?;
        return Ok((Bytes::from_owner(Owner(file.clone())), Some(file)));
    }
    // Pipes cannot be mapped.
    let mut bytes = Vec::new();
    File::open(path).and_then(|mut file| file.read_to_end(&mut bytes)).map_err(io)?;
    Ok((bytes.into(), None))
}
