//! `--dump-layers`: every tensor of a run, written while it runs.

use std::path::{Path, PathBuf};

use clap::Args;
use globset::{Glob, GlobMatcher};
use vairun::tensor::files::{DumpWriter, Label, Quantization};
use vairun::{Model, NodeEvent, Observer, ObserverError, Value};
use vairun_compare::Quantizers;

use crate::failure::Failure;
use crate::outputs::tensors;
use crate::progress::Progress;

#[derive(Args, Clone, Debug)]
pub(crate) struct DumpArgs {
    /// Write every tensor: a folder of .npy files with manifest.json, or one .npz
    #[arg(long, value_name = "DIR|FILE.npz", help_heading = "Dump")]
    pub(crate) dump_layers: Option<PathBuf>,
    /// Dump what matches alone: the name of a tensor or node, or `op:Conv` (repeatable)
    #[arg(long, value_name = "GLOB", requires = "dump_layers", help_heading = "Dump")]
    pub(crate) only: Vec<String>,
    /// Do not dump what matches (repeatable)
    #[arg(long, value_name = "GLOB", requires = "dump_layers", help_heading = "Dump")]
    pub(crate) skip: Vec<String>,
}

/// An observer that writes what passes the filter.
pub(crate) struct Dump<'a> {
    writer: DumpWriter,
    quantizers: Quantizers,
    only: Vec<Pattern>,
    skip: Vec<Pattern>,
    progress: &'a Progress,
}

/// A pattern of `--only` or `--skip`.
struct Pattern {
    text: String,
    glob: GlobMatcher,
    /// Whether it is meant for the operator.
    is_op: bool,
    used: bool,
}

impl Pattern {
    fn new(option: &str, text: &str) -> Result<Self, Failure> {
        let (is_op, glob) = match text.strip_prefix("op:") {
            Some(op) => (true, op),
            None => (false, text),
        };
        let glob = Glob::new(glob)
            .map_err(|error| Failure::usage(format!("`{option} {text}`: {error}")))?
            .compile_matcher();
        Ok(Self { text: format!("{option} {text}"), glob, is_op, used: false })
    }

    /// Remembers whether it ever matched: a pattern that never does is a mistake.
    fn matches(&mut self, label: &Label) -> bool {
        let matches = if self.is_op {
            let full = format!("{}::{}", label.domain, label.op);
            self.glob.is_match(&label.op) || self.glob.is_match(full)
        } else {
            self.glob.is_match(&label.name)
                || (!label.node.is_empty() && self.glob.is_match(&label.node))
        };
        self.used |= matches;
        matches
    }
}

impl<'a> Dump<'a> {
    /// Begins a dump of a run of the model, which is called `title`, at `path`.
    pub(crate) fn create(
        args: &DumpArgs,
        path: &Path,
        model: &Model,
        title: &str,
        progress: &'a Progress,
    ) -> Result<Self, Failure> {
        let patterns = |option: &str, texts: &[String]| {
            texts.iter().map(|text| Pattern::new(option, text)).collect::<Result<Vec<_>, _>>()
        };
        let (only, skip) = (patterns("--only", &args.only)?, patterns("--skip", &args.skip)?);
        let writer = DumpWriter::create(path, title)?;
        let quantizers = Quantizers::of(&model.source().graph);
        Ok(Self { writer, quantizers, only, skip, progress })
    }

    /// Completes the dump, also that of a run that failed. Gives the number of tensors and their bytes.
    pub(crate) fn finish(self) -> Result<(usize, u64), Failure> {
        let written = (self.writer.tensors(), self.writer.bytes());
        self.writer.finish()?;
        let unused = self.only.iter().chain(&self.skip).find(|pattern| !pattern.used);
        match unused {
            None => Ok(written),
            Some(pattern) => Err(Failure::usage(format!("`{}` matched no tensor", pattern.text))),
        }
    }

    fn is_wanted(&mut self, label: &Label) -> bool {
        // Every pattern is asked, so that each knows whether it was of use.
        let any = |patterns: &mut [Pattern]| {
            patterns.iter_mut().fold(false, |found, pattern| pattern.matches(label) | found)
        };
        let (skipped, chosen) = (any(&mut self.skip), any(&mut self.only));
        !skipped && (chosen || self.only.is_empty())
    }

    fn write(&mut self, label: &Label, value: &Value) -> Result<(), ObserverError> {
        if let Ok(tensor) = value.as_tensor() {
            self.quantizers.learn(&label.name, tensor);
        }
        if !self.is_wanted(label) {
            return Ok(());
        }
        for (name, tensor) in tensors(&label.name, value) {
            let (_, quantizer) = self.quantizers.describe(&label.name, tensor);
            let quantization = quantizer.map(|quantizer| Quantization {
                scale: quantizer.scale,
                zero_point: quantizer.zero_point,
                axis: quantizer.axis,
            });
            self.writer.write(Label { name, quantization, ..label.clone() }, tensor)?;
        }
        Ok(())
    }
}

impl Observer for Dump<'_> {
    fn input(&mut self, name: &str, value: &Value) -> Result<(), ObserverError> {
        self.write(&Label { name: name.to_owned(), ..Label::default() }, value)
    }

    fn node(&mut self, event: &NodeEvent) -> Result<(), ObserverError> {
        let op = &event.node.op;
        for (name, value) in event.outputs {
            let label = Label {
                name: (*name).to_owned(),
                scope: event.scope.to_owned(),
                node: event.node.name.clone(),
                op: op.op_type.clone(),
                domain: op.domain.clone(),
                quantization: None,
            };
            self.write(&label, value)?;
        }
        self.progress.advance();
        Ok(())
    }
}
