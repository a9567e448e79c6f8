//! `vairun inspect` for tensors: .npz, .npy, .safetensors, .pb, dumps and other folders of reference tensors.

use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;

use globset::GlobMatcher;
use serde::Serialize;
use vairun_compare::golden::open;
use vairun_compare::{Content, Entry, GoldenSource};

use crate::failure::{Done, Failure, Verdict};
use crate::numbers::numbers;
use crate::table;

/// What there is to say of a file or folder of tensors.
#[derive(Debug, Serialize)]
struct Listing {
    read_as: String,
    bytes: u64,
    tensors: Vec<Row>,
}

/// One tensor.
#[derive(Debug, Serialize)]
struct Row {
    name: String,
    dtype: Option<String>,
    shape: Option<Vec<usize>>,
    bytes: Option<u64>,
    file: Option<String>,
    /// What its elements say, where they were asked for.
    values: Option<Values>,
}

#[derive(Debug, Serialize)]
struct Values {
    min: f64,
    max: f64,
    mean: f64,
    nan: usize,
}

/// Whether a path holds tensors rather than a model, by what it is.
pub(super) fn holds_tensors(path: &Path) -> bool {
    if path.is_dir() {
        return true;
    }
    let mut start = [0; 6];
    let read = File::open(path).and_then(|mut file| file.read(&mut start)).unwrap_or(0);
    let extension = path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
    let by_name = ["npz", "npy", "safetensors", "pb"].contains(&extension.as_str());
    by_name || start[..read].starts_with(b"PK\x03\x04") || start == *b"\x93NUMPY"
}

/// Lists the tensors; `names` picks some, and has their values looked at.
pub(super) fn inspect(path: &Path, names: Option<&GlobMatcher>, json: bool) -> Done {
    let source = open(path).map_err(Failure::input)?;
    let picked = |entry: &Entry| names.is_none_or(|names| names.is_match(&entry.name));
    let entries = source.entries().iter().enumerate().filter(|(_, entry)| picked(entry));
    let rows = entries.map(|(i, entry)| Row::of(source.as_ref(), i, entry, names.is_some()));
    let listing = Listing {
        read_as: source.description(),
        bytes: source.entries().iter().filter_map(bytes).sum(),
        tensors: rows.collect::<Result<_, _>>()?,
    };
    if let Some(names) = names.filter(|_| listing.tensors.is_empty()) {
        return Err(Failure::usage(format!("no tensor matches `{}`", names.glob())));
    }
    let text = match json {
        true => serde_json::to_string_pretty(&listing).expect("JSON of plain values") + "\n",
        false => listing.to_text(),
    };
    write!(anstream::stdout(), "{text}")?;
    Ok(Verdict::Pass)
}

/// Bytes of the elements: as the golden says, else by type and shape.
fn bytes(entry: &Entry) -> Option<u64> {
    let count = || entry.shape.as_ref()?.iter().try_fold(1u64, |n, &dim| n.checked_mul(dim as u64));
    let by_shape =
        || count()?.checked_mul(entry.dtype?.bits()? as u64).map(|bits| bits.div_ceil(8));
    entry.bytes.or_else(by_shape)
}

impl Row {
    fn of(
        source: &dyn GoldenSource,
        index: usize,
        entry: &Entry,
        look: bool,
    ) -> Result<Self, Failure> {
        let content = look.then(|| source.load(index)).transpose().map_err(Failure::input)?;
        Ok(Self {
            name: entry.name.clone(),
            dtype: entry.dtype.map(|dtype| dtype.to_string()),
            shape: entry.shape.clone(),
            bytes: bytes(entry),
            file: entry.file.clone(),
            values: content.and_then(|content| Values::of(&content)),
        })
    }

    fn cells(&self) -> [String; 4] {
        let or_dash = |text: Option<String>| text.unwrap_or_else(|| "–".to_owned());
        [
            self.name.clone(),
            or_dash(self.dtype.clone()),
            or_dash(self.shape.as_ref().map(|shape| format!("{shape:?}"))),
            or_dash(self.bytes.map(table::bytes)),
        ]
    }
}

impl Values {
    /// `None` where there are no numbers.
    fn of(content: &Content) -> Option<Self> {
        let all = match content {
            Content::Tensor(tensor) => numbers(tensor)?,
            Content::Numbers(list) => list.clone(),
            Content::Raw(_) => return None,
        };
        let real = || all.iter().copied().filter(|x| !x.is_nan());
        let count = real().count();
        (count > 0).then(|| Self {
            min: real().fold(f64::INFINITY, f64::min),
            max: real().fold(f64::NEG_INFINITY, f64::max),
            mean: real().sum::<f64>() / count as f64,
            nan: all.len() - count,
        })
    }
}

impl Listing {
    fn to_text(&self) -> String {
        let looked = self.tensors.iter().any(|row| row.values.is_some());
        let header = ["tensor", "type", "shape", "size", "min", "max", "mean", "NaN"];
        let columns = if looked { 8 } else { 4 };
        let mut table = table::table(&header[..columns], &[3, 4, 5, 6, 7]);
        for row in &self.tensors {
            let mut cells = row.cells().to_vec();
            if let Some(values) = &row.values {
                cells.extend([values.min, values.max, values.mean].map(|x| format!("{x:.6}")));
                cells.push(values.nan.to_string());
            }
            table.add_row(cells);
        }
        format!("{} · {}\n\n{}", self.read_as, table::bytes(self.bytes), table::lines(&table))
    }
}
