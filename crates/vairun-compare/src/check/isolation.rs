//! Which nodes must run again when each is fed with the golden's tensors.
//!
//! A tensor that is computed from golden tensors which are what the model makes is what it was in the first run. So where
//! a few tensors differ, only the nodes behind these run.

use std::collections::{HashMap, HashSet};

use vairun_graph::{Graph, Node, ValueId};
use vairun_tensor::{DType, Dequantized, Tensor, Value};

use super::{Constants, MadeTensor, Pairing, substitute};
use crate::report::{Record, Role, Status};

/// What the golden has for a tensor that the first run has made.
pub(crate) struct Fed {
    /// Whether it is another tensor than the model's.
    pub(crate) differs: bool,
    /// The grid of the model's.
    pub(crate) grid: Option<Dequantized>,
}

/// The tensors of the first run that the golden can take the place of, by name.
pub(crate) type FedTensors = HashMap<String, Fed>;

/// What runs in the isolated run, and what the rest is replaced by.
pub(crate) struct Isolation<'a> {
    graph: &'a Graph,
    pairing: &'a dyn Pairing,
    records: HashMap<&'a str, &'a Record>,
    fed: &'a FedTensors,
    /// By the place of the node.
    runs: Vec<bool>,
    /// The places by the first value that a node makes.
    places: HashMap<ValueId, usize>,
    /// Values of the golden that nodes which run read.
    read: HashSet<ValueId>,
    /// The names of the tensors that are computed again.
    again: HashSet<&'a str>,
}

impl<'a> Isolation<'a> {
    /// `None` where everything must run: bodies whose tensors the golden has, random numbers.
    pub(crate) fn of(
        graph: &'a Graph,
        pairing: &'a dyn Pairing,
        records: &'a [Record],
        fed: &'a FedTensors,
    ) -> Option<Self> {
        let names = graph.by_name();
        let is_foreign = |record: &Record| !names.contains_key(record.name.as_str());
        if records.iter().any(is_foreign) || graph.nodes.iter().any(super::constants::is_random) {
            return None;
        }
        let mut by_name = HashMap::new();
        for record in records {
            by_name.entry(record.name.as_str()).or_insert(record);
        }
        let first = |(i, node): (usize, &Node)| Some((node.writes().next()?, i));
        let mut isolation = Self {
            graph,
            pairing,
            records: by_name,
            fed,
            runs: vec![false; graph.nodes.len()],
            places: graph.nodes.iter().enumerate().filter_map(first).collect(),
            read: HashSet::new(),
            again: HashSet::new(),
        };
        let constants = Constants::of(graph);
        for record in records.iter().filter(|record| is_made(record)) {
            let id = names[record.name.as_str()];
            if !constants.contains(id) {
                isolation.add(record, id, &constants);
            }
        }
        isolation.add_constants(&constants);
        Some(isolation)
    }

    /// Lets the nodes before a tensor run where they are fed with another tensor than the model's.
    fn add(&mut self, record: &'a Record, target: ValueId, constants: &Constants) {
        let graph = self.graph;
        let producers = graph.producers();
        let Some(last) = producers[target.index()] else { return };
        let (mut nodes, mut fed) = (HashSet::from([last]), HashSet::new());
        let mut open: Vec<ValueId> = graph.nodes[last].reads().collect();
        while let Some(id) = open.pop() {
            if constants.contains(id) {
                continue;
            }
            if self.fed.contains_key(graph.name_of(id)) {
                fed.insert(id);
            } else if let Some(node) = producers[id.index()].filter(|&node| nodes.insert(node)) {
                open.extend(graph.nodes[node].reads());
            }
        }
        if fed.iter().any(|id| self.fed[graph.name_of(*id)].differs) {
            self.again.insert(&record.name);
            nodes.into_iter().for_each(|node| self.runs[node] = true);
            self.read.extend(fed);
        }
    }

    /// The constants that nodes which run read must be there.
    fn add_constants(&mut self, constants: &Constants) {
        let mut needed: HashSet<ValueId> = HashSet::new();
        for (node, runs) in self.graph.nodes.iter().zip(&mut self.runs).rev() {
            *runs |= node.writes().any(|id| constants.contains(id) && needed.contains(&id));
            if *runs {
                needed.extend(node.reads());
            }
        }
    }

    /// Whether no tensor is computed again.
    pub(crate) fn is_empty(&self) -> bool {
        self.again.is_empty()
    }

    /// The records that keep what the first run has found, one for each tensor.
    pub(crate) fn kept(&self, records: &[Record]) -> Vec<Record> {
        let mut seen = HashSet::new();
        let keeps =
            |record: &&Record| is_made(record) && !self.again.contains(record.name.as_str());
        let mut kept: Vec<_> = records.iter().filter(keeps).collect();
        kept.retain(|record| seen.insert(record.name.as_str()));
        kept.into_iter().cloned().collect()
    }

    /// What stands for the outputs of a node that does not run.
    pub(crate) fn instead(&self, node: &Node) -> Option<Vec<Value>> {
        let place = self.places.get(&node.writes().next()?)?;
        if self.runs[*place] {
            return None;
        }
        let nothing = || Value::from(Tensor::vector(Vec::<f32>::new()));
        let value = |id: ValueId| self.golden(id).map_or_else(nothing, Value::from);
        Some(node.writes().map(value).collect())
    }

    fn golden(&self, id: ValueId) -> Option<Tensor> {
        let name = self.graph.name_of(id);
        let fed = self.fed.get(name).filter(|_| self.read.contains(&id))?;
        golden_value(self.pairing, self.records.get(name)?, fed.grid.clone())
    }
}

fn is_made(record: &Record) -> bool {
    !matches!(record.role, Role::Input | Role::Parameter) && record.status != Status::Missing
}

/// The golden of a record as consumers take it: in the type of the model's tensor, on that grid.
pub(crate) fn golden_value(
    pairing: &dyn Pairing,
    record: &Record,
    grid: Option<Dequantized>,
) -> Option<Tensor> {
    let zeros = zeros(record)?;
    let made = match grid {
        Some(grid) => zeros.with_dequantized(grid),
        None => zeros,
    };
    let want = golden(pairing, record, &made)?;
    if want.shape() != made.shape() {
        return None;
    }
    // All of the stand-in is zero: what is the same as it is zero too.
    Some(substitute(&made, &want).unwrap_or(made))
}

/// The golden of a record, read as it was before.
pub(crate) fn golden(pairing: &dyn Pairing, record: &Record, made: &Tensor) -> Option<Tensor> {
    let index = pairing.find(&record.name)?;
    let quantizer = record.quantizer.as_ref();
    let made = MadeTensor { name: &record.name, tensor: made, kind: record.kind, quantizer };
    Some(pairing.read_again(index, &made, &record.golden).ok()?.tensor)
}

/// A tensor of zeros in type and shape of a record.
fn zeros(record: &Record) -> Option<Tensor> {
    let dtype = DType::from_name(&record.dtype)?;
    let count: usize = record.shape.iter().product();
    let bytes = vec![0; count * dtype.carrier().bytes()?];
    Tensor::from_le_bytes(dtype, &record.shape, &bytes).ok()
}
