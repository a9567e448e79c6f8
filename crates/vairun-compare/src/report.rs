use serde::{Deserialize, Serialize};

use crate::around::Around;
use crate::metrics::Metrics;
use crate::pair::Differences;
use crate::quantizer::{Kind, Quantizer};
use crate::rule::Verdict;

/// The name and version of the JSON form of a [`Report`].
pub const SCHEMA: &str = "vairun.check/1";

/// What a check found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// [`SCHEMA`].
    pub schema: String,
    /// The version of vairun.
    pub vairun: String,
    /// The model, as the caller names it.
    pub model: String,
    /// The goldens and how they were read.
    pub golden: Vec<String>,
    /// The options for rules, as they were given.
    pub rules: Vec<String>,
    /// How the model was compared.
    pub mode: Mode,
    /// What else the reader must know: where inputs came from, what was not examined.
    #[serde(default)]
    pub notes: Vec<String>,
    /// The counts.
    pub summary: Summary,
    /// One for each golden tensor that has its counterpart in the model, in execution order.
    pub records: Vec<Record>,
    /// Golden tensors without one.
    pub unmatched: Vec<Unmatched>,
    /// Outputs of the model that the golden does not have.
    pub unchecked_outputs: Vec<String>,
    /// The graph around the first tensor that fails.
    #[serde(default)]
    pub around: Option<Around>,
}

/// The counts of a report.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Whether the check passes: something was compared, and all of it passes.
    pub pass: bool,
    /// Tensors that were compared, inputs excepted.
    pub compared: usize,
    /// Those that pass.
    pub passed: usize,
    /// Inputs of the model that differ from the golden's.
    pub inputs_differ: usize,
    /// Tensors that fail by themselves.
    pub guilty: usize,
    /// Tensors that only inherit a difference.
    pub inherited: usize,
    /// The first tensor in execution order that fails by itself; where that is not known, the first that fails.
    pub first: Option<String>,
    /// Why the check fails although no tensor does; empty otherwise.
    pub problem: Option<String>,
}

/// What was found of one tensor.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// The name in the model.
    pub name: String,
    /// The node that makes it; empty for an input.
    pub node: String,
    /// The operator of that node, with its domain; empty for an input.
    pub op: String,
    /// Its place in execution order.
    pub order: usize,
    /// What it is to the model.
    pub role: Role,
    /// Type and shape.
    pub dtype: String,
    /// The dimensions.
    pub shape: Vec<usize>,
    /// What its elements are.
    pub kind: Kind,
    /// Its quantizer.
    pub quantizer: Option<Quantizer>,
    /// Where the golden comes from.
    pub golden: Reading,
    /// How the model's own run compares.
    pub cumulative: Option<Comparison>,
    /// How the node compares when it is fed the golden's tensors.
    pub isolated: Option<Comparison>,
    /// What follows.
    pub status: Status,
    /// Why codes differ, where that was looked into.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub differences: Option<Differences>,
    /// Why it fails, where that was examined.
    #[serde(default)]
    pub diagnosis: Option<Diagnosis>,
}

/// What was found out about a tensor that fails by itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diagnosis {
    /// The tensors that the golden has (or inputs of the model) from which this one was computed again.
    pub from: Vec<String>,
    /// The nodes between them and the tensor, constants excepted.
    pub nodes: Vec<String>,
    /// The explanations that hold, the best first. Empty: none of those that were tried does.
    pub explanations: Vec<Explanation>,
}

/// One explanation that holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explanation {
    /// Which one, as a word that stays the same: `rounding`, `constant_offset`, …
    pub cause: String,
    /// What is the case, with its numbers.
    pub text: String,
    /// Elements that differ, and those that still do when the explanation is applied.
    pub differing: u64,
    /// See `differing`.
    pub left: u64,
    /// Options of `vairun check` that prove it or let it pass.
    pub proof: Option<String>,
}

/// How a model is compared with a golden.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// As the model runs, and where something differs each node fed with the golden's tensors as well.
    #[default]
    Both,
    /// As the model runs.
    Cumulative,
    /// Each node fed with the golden's tensors.
    Isolated,
}

/// How a golden tensor was read and why it stands for this one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reading {
    /// Its name in the golden.
    pub name: String,
    /// How its elements were read: `int8 codes, NHWC → NCHW`; empty where it is a tensor of the same type and shape.
    pub read_as: String,
    /// Why it was matched: `same name`, `escaped name`, …
    pub matched_by: String,
}

/// One comparison.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// The verdict and the rule behind it.
    pub verdict: Verdict,
    /// The measures; `None` where the tensors cannot be compared: the verdict says why.
    pub metrics: Option<Metrics>,
}

/// What a tensor is to its model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// An input.
    Input,
    /// Neither.
    Inner,
    /// A constant that stands in the file.
    Parameter,
    /// An output.
    Output,
}

/// What follows from the comparisons of a tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// It passes.
    Pass,
    /// It fails by itself.
    Guilty,
    /// It fails because its inputs do.
    Inherited,
    /// It fails; why is not known.
    Fail,
    /// The model has it, but the run did not make it.
    Missing,
}

/// A golden tensor without a counterpart in the model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unmatched {
    /// Its name in the golden.
    pub name: String,
    /// The names in the model that are closest.
    pub closest: Vec<String>,
}

impl Comparison {
    /// Whether it passes.
    pub fn pass(&self) -> bool {
        self.verdict.pass
    }
}

impl Record {
    /// The comparison that speaks for the tensor: the cumulative one, where there is one and it says the same as the
    /// status.
    pub fn comparison(&self) -> Option<&Comparison> {
        let hides = |cumulative: &&Comparison| self.status == Status::Guilty && cumulative.pass();
        let cumulative = self.cumulative.as_ref();
        cumulative.filter(|c| !hides(c)).or(self.isolated.as_ref()).or(cumulative)
    }

    /// Whether the tensor passes.
    pub fn pass(&self) -> bool {
        self.status == Status::Pass
    }
}

impl Report {
    /// Whether the check passes.
    pub fn passed(&self) -> bool {
        self.summary.pass
    }

    /// Counts the records anew. Nothing compared is a failure.
    pub fn summarize(&mut self) {
        let results = || self.records.iter().filter(|record| record.role != Role::Input);
        let count = |status: Status| results().filter(|record| record.status == status).count();
        let compared = results().count();
        let passed = count(Status::Pass);
        let inputs_differ = self
            .records
            .iter()
            .filter(|record| record.role == Role::Input && !record.pass())
            .count();
        let problem = (compared == 0).then(|| match self.records.is_empty() {
            true => "no golden tensor matches a tensor of the model".to_owned(),
            false => "the golden has only inputs of the model: no result was compared".to_owned(),
        });
        self.summary = Summary {
            pass: compared > 0 && passed == compared && inputs_differ == 0,
            compared,
            passed,
            inputs_differ,
            guilty: count(Status::Guilty),
            inherited: count(Status::Inherited),
            first: self.first_failing().map(|record| record.name.clone()),
            problem,
        };
    }

    /// The first tensor in execution order that fails by itself; where none does, the first that fails.
    pub fn first_failing(&self) -> Option<&Record> {
        let guilty = self.records.iter().find(|record| record.status == Status::Guilty);
        guilty.or_else(|| self.records.iter().find(|record| !record.pass()))
    }
}
