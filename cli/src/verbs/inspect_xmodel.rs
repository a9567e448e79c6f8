//! `inspect` for .xmodel files.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;

use globset::GlobMatcher;
use serde::Serialize;
use vairun::xmodel::{Constants, FileKind, Layout, Listing, LowerOptions, OpListing, Xmodel};
use vairun::{Model, Tensor};

use super::inspect::InspectArgs;
use crate::failure::{Done, Failure, Verdict};
use crate::numbers::numbers;

/// Values that a line shows.
const SHOWN: usize = 12;

/// What there is to say of a file.
#[derive(Serialize)]
struct Inspection<'a> {
    #[serde(flatten)]
    listing: &'a Listing,
    /// Op types that the file does not compute with XIR's own ops.
    custom_ops: BTreeSet<&'a str>,
    /// Whether it can be run, and everything that keeps it from running.
    unsupported: Option<String>,
    /// Values of constants, where they are asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    values: Vec<Values>,
}

#[derive(Serialize)]
struct Values {
    op: String,
    values: Option<Vec<f64>>,
}

/// The file at `path` where it begins as an .xmodel does; what cannot be read is for the reader of ONNX to explain.
pub(super) fn sniffed(path: &Path) -> Result<Option<Xmodel>, Failure> {
    if !begins_as_xmodel(path) {
        return Ok(None);
    }
    let model = Xmodel::open(path);
    model.map(Some).map_err(|error| Failure::model(format!("{}: {error}", path.display())))
}

/// Whether the file at `path` begins as an .xmodel does.
pub(super) fn begins_as_xmodel(path: &Path) -> bool {
    let mut first = Vec::new();
    let read = File::open(path).and_then(|file| file.take(8).read_to_end(&mut first));
    read.is_ok() && Xmodel::sniff(&first)
}

pub(super) fn inspect(model: &Xmodel, args: &InspectArgs) -> Done {
    let listing = Listing::of(model);
    let names = args.tensors.as_deref().map(globset::Glob::new).transpose();
    let names = names.map_err(Failure::usage)?.map(|glob| glob.compile_matcher());
    let chosen: Vec<&OpListing> = match &names {
        Some(names) => listing.ops.iter().filter(|op| is_named(op, names)).collect(),
        None => Vec::new(),
    };
    if let Some(names) = names.as_ref().filter(|_| chosen.is_empty()) {
        return Err(Failure::usage(format!("no op or tensor matches `{}`", names.glob())));
    }
    let constants = Constants::of(model);
    let values =
        |op: &&OpListing| Values { op: op.name.clone(), values: values(model, &constants, op) };
    let shown = if args.values { chosen.iter().map(values).collect() } else { Vec::new() };
    let inspection = Inspection {
        listing: &listing,
        custom_ops: custom_ops(model),
        unsupported: unsupported(model),
        values: shown,
    };
    let text = match args.json {
        true => serde_json::to_string_pretty(&inspection).expect("JSON of plain values") + "\n",
        false => inspection.to_text(args.nodes, &chosen),
    };
    write!(anstream::stdout(), "{text}")?;
    match inspection.unsupported {
        // A listing is what files for the hardware are looked at for; the text says why they do not run.
        Some(_) if is_compiled(model) => Ok(Verdict::Pass),
        Some(problem) => Err(Failure::model(problem)),
        None => Ok(Verdict::Pass),
    }
}

/// Whether the file is made to run on hardware, perhaps nowhere else.
fn is_compiled(model: &Xmodel) -> bool {
    matches!(model.kind(), FileKind::Compiled | FileKind::Legacy | FileKind::Rnn)
}

fn is_named(op: &OpListing, names: &GlobMatcher) -> bool {
    names.is_match(&op.name) || names.is_match(&op.tensor.name)
}

/// Op types without a definition of XIR: those that `shape` and `data_type` alone describe.
fn custom_ops(model: &Xmodel) -> BTreeSet<&str> {
    let definitions = &model.graph().op_defs;
    let is_custom = |op_type: &str| {
        let definition = definitions.iter().find(|def| def.name == op_type);
        definition.is_some_and(|def| {
            let has = |name: &str| def.attrs.iter().any(|attr| attr.name == name);
            has("shape")
                && has("data_type")
                && !matches!(op_type, "data" | "const" | "data-fix" | "const-fix")
        })
    };
    let types = model.graph().op_node.iter().map(|op| op.op_type.as_str());
    types.filter(|op_type| is_custom(op_type)).collect()
}

/// Why the file cannot be run.
fn unsupported(model: &Xmodel) -> Option<String> {
    let lowered = match model.lower(&LowerOptions { layout: Layout::Nhwc, round_mode: None }) {
        Ok(lowered) => lowered,
        Err(error) => return Some(error.to_string()),
    };
    Model::builder().from_graph(lowered).err().map(|error| error.to_string())
}

fn values(model: &Xmodel, constants: &Constants, op: &OpListing) -> Option<Vec<f64>> {
    let op = model.graph().op_node.iter().find(|node| node.op_name == op.name)?;
    let is_constant = matches!(op.op_type.as_str(), "const" | "const-fix");
    let tensor: Option<Tensor> = is_constant.then(|| constants.values(op).ok()).flatten();
    Some(numbers(&tensor?)?.to_vec())
}

impl Inspection<'_> {
    fn to_text(&self, nodes: bool, chosen: &[&OpListing]) -> String {
        let mut text = self.listing.to_string();
        if !self.custom_ops.is_empty() {
            let names: Vec<_> = self.custom_ops.iter().copied().collect();
            text += &format!("custom ops  {}\n", names.join(", "));
        }
        let listed: Vec<&OpListing> =
            if nodes { self.listing.ops.iter().collect() } else { chosen.to_vec() };
        if !listed.is_empty() {
            text.push('\n');
        }
        for op in listed {
            text += &format!("{op}\n");
            if let Some(values) = self.values.iter().find(|values| values.op == op.name) {
                text += &values.to_text();
            }
        }
        match (&self.unsupported, self.listing.kind) {
            (None, _) => text += "\nevery op is supported\n",
            // The error says it.
            (Some(_), FileKind::Quantized | FileKind::Float) => {}
            (Some(problem), _) => text += &format!("\ncannot be run: {problem}\n"),
        }
        text
    }
}

impl Values {
    fn to_text(&self) -> String {
        let Some(values) = &self.values else { return String::new() };
        let shown: Vec<String> = values.iter().take(SHOWN).map(f64::to_string).collect();
        let rest = if values.len() > SHOWN {
            format!(", … {} more", values.len() - SHOWN)
        } else {
            String::new()
        };
        format!("  = {}{rest}\n", shown.join(", "))
    }
}
