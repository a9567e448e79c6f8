//! A model with its right tensors, and goldens made of them.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Result;
use vairun::graph::{Graph, Node};
use vairun::tensor::files::write_npz;
use vairun::{Exec, Inputs, Model, NodeEvent, Observer, ObserverError, Tensor, Value};

use super::codes::{Site, differs};
use crate::material::{numbers, read_npz};

/// Tensors by name.
pub(super) type Tensors = BTreeMap<String, Tensor>;

/// A model with its right tensors.
pub(super) struct Subject {
    pub(super) model: Model,
    pub(super) inputs: Tensors,
    pub(super) right: Tensors,
}

/// A fault and the golden that has it.
pub(super) struct Fault {
    /// The cause that must be named.
    pub(super) cause: &'static str,
    /// The tensor that must be named.
    pub(super) target: String,
    /// What was done.
    pub(super) what: String,
    pub(super) golden: Tensors,
}

/// Sees every tensor, and puts another in the place of one.
#[derive(Default)]
struct Seen {
    tensors: Tensors,
    replace: Option<(String, Tensor)>,
}

impl Observer for Seen {
    fn node(&mut self, event: &NodeEvent) -> Result<(), ObserverError> {
        for (name, value) in event.outputs {
            let tensor = match &self.replace {
                Some((target, fault)) if target == name => fault.clone(),
                _ => value.as_tensor()?.clone(),
            };
            self.tensors.insert((*name).to_owned(), tensor);
        }
        Ok(())
    }

    fn substitute(&mut self, name: &str, value: &Value) -> Option<Value> {
        let (_, fault) = self.replace.as_ref().filter(|(target, _)| target == name)?;
        let made = value.as_tensor().ok()?;
        let fault = fault.clone();
        Some(match made.dequantized() {
            Some(grid) => fault.on_grid_of(made, grid.axis).into(),
            None => fault.into(),
        })
    }
}

fn run(model: &Model, inputs: &Tensors, replace: Option<(String, Tensor)>) -> Result<Tensors> {
    let mut seen = Seen { replace, ..Seen::default() };
    let given: Inputs =
        inputs.iter().map(|(name, tensor)| (name.clone(), tensor.clone())).collect();
    model.observe(given, &mut seen)?;
    seen.tensors.extend(inputs.iter().map(|(name, tensor)| (name.clone(), tensor.clone())));
    Ok(seen.tensors)
}

impl Subject {
    pub(super) fn open(model: &Path, inputs: &Path) -> Result<Self> {
        let model = Model::builder().exec(Exec::Unfused).open(model)?;
        let inputs = read_npz(inputs)?;
        let right = run(&model, &inputs, None)?;
        Ok(Self { model, inputs, right })
    }

    pub(super) fn graph(&self) -> &Graph {
        &self.model.source().graph
    }

    /// The name of an input of a node.
    pub(super) fn input<'a>(&'a self, node: &Node, place: usize) -> Option<&'a str> {
        node.inputs.get(place).copied().flatten().map(|id| self.graph().name_of(id))
    }

    /// The name of what a node makes first.
    pub(super) fn output<'a>(&'a self, node: &Node) -> Option<&'a str> {
        node.outputs.first().copied().flatten().map(|id| self.graph().name_of(id))
    }

    /// The golden without a fault.
    pub(super) fn flawless(&self) -> Fault {
        let golden = self.right.clone();
        Fault { cause: "", target: String::new(), what: String::new(), golden }
    }

    /// The model goes on with what the faulty node made.
    pub(super) fn lasting(
        &self,
        cause: &'static str,
        target: &str,
        tensor: Tensor,
    ) -> Result<Fault> {
        let golden = run(&self.model, &self.inputs, Some((target.to_owned(), tensor)))?;
        Ok(Fault { cause, target: target.to_owned(), what: "computed".into(), golden })
    }

    /// The golden holds one tensor otherwise; all others are right.
    pub(super) fn stored(&self, cause: &'static str, target: &str, tensor: Tensor) -> Fault {
        let mut golden = self.right.clone();
        golden.insert(target.to_owned(), tensor);
        Fault { cause, target: target.to_owned(), what: "stored".into(), golden }
    }

    /// The whole model with another form of its graph; the fault is in `target`. `None` where it has no effect.
    pub(super) fn changed(
        &self,
        cause: &'static str,
        target: &str,
        graph: Graph,
    ) -> Result<Option<Fault>> {
        let source = vairun::graph::Model { graph, ..self.model.source().clone() };
        let model = Model::builder().exec(Exec::Unfused).from_graph(source)?;
        let mut golden = run(&model, &self.inputs, None)?;
        // What the change has added or left out is no tensor of the model.
        golden.retain(|name, _| self.right.contains_key(name));
        match golden.get(target) {
            Some(tensor) if differs(tensor, &self.right[target])? => {
                let what = "in the model".to_owned();
                Ok(Some(Fault { cause, target: target.to_owned(), what, golden }))
            }
            _ => Ok(None),
        }
    }

    /// The whole model with other inputs.
    pub(super) fn with_inputs(&self, cause: &'static str, inputs: &Tensors) -> Result<Fault> {
        let target = inputs.keys().next().cloned().unwrap_or_default();
        let golden = run(&self.model, inputs, None)?;
        Ok(Fault { cause, target, what: "another input".into(), golden })
    }

    /// Quantizers of activations with one scale, from the middle of the model on.
    pub(super) fn sites(&self) -> Result<Vec<Site>> {
        let nodes = &self.graph().nodes;
        let moved =
            |node: &&Node| self.input(node, 0).is_some_and(|x| self.model.constant(x).is_none());
        let sites = nodes.iter().filter(moved).filter_map(|node| self.site(node));
        let mut sites: Vec<Site> = sites.collect();
        anyhow::ensure!(!sites.is_empty(), "a quantizer");
        let middle = sites.len() / 2;
        sites.rotate_left(middle);
        Ok(sites)
    }

    fn site(&self, node: &Node) -> Option<Site> {
        let vai = node.op.domain == "vai";
        if node.op.op_type != "QuantizeLinear" || !(vai || node.op.domain.is_empty()) {
            return None;
        }
        let number =
            |place| Some(*numbers(self.model.constant(self.input(node, place)?)?).ok()?.first()?);
        let scale = self.model.constant(self.input(node, if vai { 3 } else { 1 })?)?;
        let (x, y) = (self.input(node, 0)?.to_owned(), self.output(node)?.to_owned());
        if scale.len() != 1 || !self.right.contains_key(&x) {
            return None;
        }
        let range = self.right.get(&y)?.dtype().integer_range();
        let ends = range.map(|(low, high)| (low as f64, high as f64));
        let (low, high) = if vai { (number(1)?, number(2)?) } else { ends? };
        Some(Site {
            zero_point: number(if vai { 4 } else { 2 }).unwrap_or(0.0),
            scale: *scale.as_scalar::<f32>()?,
            low,
            high,
            zero_point_first: vai,
            method: if vai { number(5)? as i64 } else { 8 },
            x,
            y,
        })
    }

    /// Whether a sparse golden keeps a tensor: inputs, outputs and codes of activations, as boards write them.
    pub(super) fn is_sparse(&self, name: &str) -> bool {
        let graph = self.graph();
        let is_output = graph.outputs.iter().any(|&id| graph.name_of(id) == name);
        let quantized = graph.nodes.iter().any(|node| {
            node.op.op_type == "QuantizeLinear"
                && node.writes().any(|id| graph.name_of(id) == name)
                && self.input(node, 0).is_some_and(|x| self.model.constant(x).is_none())
        });
        is_output || quantized || self.inputs.contains_key(name)
    }
}

impl Fault {
    /// Writes the tensors of the golden that are kept.
    pub(super) fn write(&self, path: &Path, kept: impl Fn(&str) -> bool) -> Result<()> {
        let tensors = self.golden.iter().filter(|(name, _)| kept(name));
        Ok(write_npz(path, tensors.map(|(name, tensor)| (name.as_str(), tensor)))?)
    }
}
