//! Files that hold tensors: npy, npz, raw binary and text, safetensors.
//!
//! Files may come from strangers: sizes are checked before memory is taken, and any bytes give a tensor or a
//! [`FileError`]. Files are written as streams, a tensor at a time.

mod dump;
mod error;
mod folder;
mod header;
mod npy;
mod npz;
mod raw;
mod safe;

pub use dump::{
    Dump, DumpWriter, Label, MANIFEST, Manifest, Quantization, Record, Stats, read_dump,
};
pub use error::{FileError, FileErrorKind};
pub use folder::write_folder;
pub use npy::{ArrayInfo, decode_npy, peek_npy, peek_npy_bytes, read_npy, write_npy};
pub use npz::{NpzReader, NpzWriter, read_npz, write_npz};
pub use raw::{read_raw, read_text};
pub use safe::{SafetensorsReader, read_safetensors};
