//! `--save-mismatch`: both sides of what fails, as two dumps.

use std::path::Path;

use vairun::tensor::files::{DumpWriter, Label};
use vairun::{ObserverError, Tensor};
use vairun_compare::{Mismatches, Record};

use crate::failure::Failure;

/// Writes what the model makes into DIR/got and the golden into DIR/golden.
pub(crate) struct SaveMismatches {
    got: DumpWriter,
    golden: DumpWriter,
}

impl SaveMismatches {
    pub(crate) fn create(folder: &Path, title: &str) -> Result<Self, Failure> {
        std::fs::create_dir_all(folder)
            .map_err(|error| Failure::usage(format!("{}: {error}", folder.display())))?;
        let writer = |part: &str| DumpWriter::create(&folder.join(part), title);
        Ok(Self { got: writer("got")?, golden: writer("golden")? })
    }

    pub(crate) fn finish(self) -> Result<(), Failure> {
        self.got.finish()?;
        Ok(self.golden.finish()?)
    }
}

impl Mismatches for SaveMismatches {
    fn add(&mut self, record: &Record, got: &Tensor, want: &Tensor) -> Result<(), ObserverError> {
        let (domain, op) = record.op.rsplit_once("::").unwrap_or(("", &record.op));
        let label = Label {
            name: record.name.clone(),
            node: record.node.clone(),
            op: op.to_owned(),
            domain: domain.to_owned(),
            ..Label::default()
        };
        self.got.write(label.clone(), got)?;
        Ok(self.golden.write(label, want)?)
    }
}
