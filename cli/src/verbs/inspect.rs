use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::PathBuf;

use clap::Args;
use serde::Serialize;
use vairun::graph::{Dim, Graph, Node, ValueInfo};
use vairun::{Error, Model};

use crate::failure::{Done, Failure, Verdict};
use crate::numbers::file_bytes;
use crate::table;

/// Shows what is in a model, and whether every node is supported; or which tensors a file or folder holds.
///
/// Of a model: inputs, outputs, operators, parameters, quantizers. Exit code 3 where a node is not supported;
/// everything else is still shown. Of .npz, .npy, .safetensors, dumps and folders: names, types and shapes, with
/// --tensors the range of the values too.
#[derive(Args, Debug)]
pub(crate) struct InspectArgs {
    /// A model (.onnx, .xmodel), or tensors: .npz, .npy, .safetensors, a dump or another folder
    pub(super) model: PathBuf,
    /// List every node
    #[arg(long)]
    pub(super) nodes: bool,
    /// List every quantizer
    #[arg(long)]
    quant: bool,
    /// List the values whose names match
    #[arg(long, value_name = "GLOB")]
    pub(super) tensors: Option<String>,
    /// With the values of constants (.xmodel)
    #[arg(long, requires = "tensors")]
    pub(super) values: bool,
    /// As JSON
    #[arg(long)]
    pub(super) json: bool,
}

/// What there is to say of a model.
#[derive(Debug, Serialize)]
struct Inspection {
    file_bytes: u64,
    producer: String,
    ir_version: i64,
    opsets: BTreeMap<String, i64>,
    inputs: Vec<String>,
    outputs: Vec<String>,
    symbolic_dims: BTreeSet<String>,
    nodes: usize,
    operators: BTreeMap<String, usize>,
    parameters: usize,
    parameter_bytes: u64,
    quantizers: Vec<Quantizers>,
    /// Every reason why it does not run.
    unsupported: Option<String>,
}

/// Quantizers with the same parameters, scales apart.
#[derive(Debug, Serialize)]
struct Quantizers {
    operator: String,
    codes: String,
    rounding: String,
    per: String,
    scales: String,
    count: usize,
}

pub(crate) fn inspect(args: &InspectArgs) -> Done {
    let path = &args.model;
    let names =
        args.tensors.as_deref().map(globset::Glob::new).transpose().map_err(Failure::usage)?;
    if super::inspect_tensors::holds_tensors(path) {
        let names = names.map(|names| names.compile_matcher());
        return super::inspect_tensors::inspect(path, names.as_ref(), args.json);
    }
    if let Some(xmodel) = super::inspect_xmodel::sniffed(path)? {
        return super::inspect_xmodel::inspect(&xmodel, args);
    }
    let source = vairun_onnx::read(path)
        .map_err(|error| Failure::model(format!("{}: {error}", path.display())))?;
    let file_bytes = std::fs::metadata(path).map_or(0, |meta| meta.len());
    let model = Model::builder().from_graph(source.clone());
    let inspection = Inspection::of(&source, model.as_ref(), file_bytes);
    let mut text = if args.json {
        serde_json::to_string_pretty(&inspection).expect("JSON of plain values") + "\n"
    } else {
        inspection.to_text()
    };
    if args.nodes && !args.json {
        text += &nodes(&source.graph);
    }
    if let (Ok(model), true) = (&model, args.quant && !args.json) {
        text += &every_quantizer(model);
    }
    if let Some(names) = names.filter(|_| !args.json) {
        text += &tensors(&source.graph, &names.compile_matcher())?;
    }
    write!(anstream::stdout(), "{text}")?;
    match model {
        Ok(_) => Ok(Verdict::Pass),
        Err(error) => Err(error.into()),
    }
}

impl Inspection {
    fn of(source: &vairun::graph::Model, model: Result<&Model, &Error>, file_bytes: u64) -> Self {
        let graph = &source.graph;
        let mut operators = BTreeMap::new();
        graph
            .all_nodes()
            .iter()
            .for_each(|node| *operators.entry(node.op.to_string()).or_default() += 1);
        let listed = |ids: &[_]| ids.iter().map(|&id| declared(graph.value(id))).collect();
        let symbols = graph
            .inputs
            .iter()
            .chain(&graph.outputs)
            .filter_map(|&id| graph.value(id).shape.as_ref());
        let constants = || graph.initializers.values();
        Self {
            file_bytes,
            producer: format!("{} {}", source.producer_name, source.producer_version)
                .trim()
                .to_owned(),
            ir_version: source.ir_version,
            opsets: source
                .opset_imports
                .iter()
                .map(|import| (named(&import.domain), import.version))
                .collect(),
            inputs: listed(&graph.inputs),
            outputs: listed(&graph.outputs),
            symbolic_dims: symbols.flatten().filter_map(symbol).collect(),
            nodes: graph.all_nodes().len(),
            operators,
            parameters: constants().map(|tensor| tensor.len()).sum(),
            parameter_bytes: constants()
                .map(|tensor| self::file_bytes(tensor.dtype(), tensor.len()))
                .sum(),
            quantizers: model.map_or_else(|_| Vec::new(), quantizers),
            unsupported: model.err().map(ToString::to_string),
        }
    }

    fn to_text(&self) -> String {
        let opsets: Vec<_> =
            self.opsets.iter().map(|(domain, version)| format!("{domain} {version}")).collect();
        let mut text = format!(
            "{} · ir_version {} · {} · opsets {}\n",
            if self.producer.is_empty() { "unknown producer" } else { &self.producer },
            self.ir_version,
            table::bytes(self.file_bytes),
            opsets.join(", ")
        );
        self.inputs.iter().for_each(|line| text += &format!("input   {line}\n"));
        self.outputs.iter().for_each(|line| text += &format!("output  {line}\n"));
        if !self.symbolic_dims.is_empty() {
            let dims: Vec<_> = self.symbolic_dims.iter().map(String::as_str).collect();
            text += &format!("symbols {} (set with --dim NAME=N)\n", dims.join(", "));
        }
        let (parameters, size) = (self.parameters, table::bytes(self.parameter_bytes));
        text += &format!("{} nodes, {parameters} parameters, {size}\n\n", self.nodes);
        text += &self.operator_table();
        if !self.quantizers.is_empty() {
            text += &format!("\n{}\n", self.quantizer_table());
        }
        if self.unsupported.is_none() {
            text += "\nevery node is supported\n";
        }
        text
    }

    fn operator_table(&self) -> String {
        let mut table = table::table(&["operator", "nodes"], &[1]);
        let mut rows: Vec<_> = self.operators.iter().collect();
        rows.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
        rows.iter().for_each(|(op, count)| {
            table.add_row([(*op).clone(), count.to_string()]);
        });
        format!("{table}\n")
    }

    fn quantizer_table(&self) -> String {
        let mut table =
            table::table(&["quantizer", "codes", "rounding", "per", "scales", "nodes"], &[5]);
        for q in &self.quantizers {
            let count = q.count.to_string();
            let texts = [&q.operator, &q.codes, &q.rounding, &q.per, &q.scales, &count];
            table.add_row(texts);
        }
        table.to_string()
    }
}

fn named(domain: &str) -> String {
    if domain.is_empty() { "ai.onnx".into() } else { domain.into() }
}

fn symbol(dim: &Dim) -> Option<String> {
    match dim {
        Dim::Symbol(name) => Some(name.clone()),
        _ => None,
    }
}

/// `x float32 [N, 3, 224, 224]`
fn declared(info: &ValueInfo) -> String {
    let kind = info.non_tensor.clone().or_else(|| info.dtype.map(|dtype| dtype.to_string()));
    let shape = info.shape.as_ref().map(|shape| {
        let dims: Vec<_> = shape.iter().map(Dim::to_string).collect();
        format!(" [{}]", dims.join(", "))
    });
    format!("{} {}{}", info.name, kind.unwrap_or_else(|| "?".into()), shape.unwrap_or_default())
}

/// The quantizers of the main graph, grouped.
fn quantizers(model: &Model) -> Vec<Quantizers> {
    let graph = &model.source().graph;
    let mut groups: BTreeMap<[String; 4], Vec<f32>> = BTreeMap::new();
    let mut counts: BTreeMap<[String; 4], usize> = BTreeMap::new();
    for node in graph.nodes.iter().filter(|node| is_quantizer(node)) {
        let key = [
            node.op.to_string(),
            codes(model, graph, node),
            rounding(model, graph, node),
            per(model, graph, node),
        ];
        groups.entry(key.clone()).or_default().extend(scales(model, graph, node));
        *counts.entry(key).or_default() += 1;
    }
    let group = |([operator, codes, rounding, per], scales): ([String; 4], Vec<f32>)| {
        let count = counts[&[operator.clone(), codes.clone(), rounding.clone(), per.clone()]];
        Quantizers { operator, codes, rounding, per, scales: range(&scales), count }
    };
    groups.into_iter().map(group).collect()
}

/// A line for each quantizer, in the order of the file.
fn every_quantizer(model: &Model) -> String {
    let graph = &model.source().graph;
    let header = ["node", "quantizer", "input", "codes", "rounding", "per", "scale"];
    let mut table = table::table(&header, &[]);
    for node in graph.nodes.iter().filter(|node| is_quantizer(node)) {
        let input = node.inputs.first().copied().flatten();
        table.add_row([
            node.name.clone(),
            node.op.to_string(),
            input.map_or_else(|| "-".to_owned(), |id| graph.name_of(id).to_owned()),
            codes(model, graph, node),
            rounding(model, graph, node),
            per(model, graph, node),
            range(&scales(model, graph, node)),
        ]);
    }
    format!("\n{}", table::lines(&table))
}

/// A node that makes codes, or codes and numbers at once.
fn is_quantizer(node: &Node) -> bool {
    let name = node.op.op_type.as_str();
    (name.ends_with("QuantizeLinear") && !name.starts_with("Dynamic"))
        || ["FixNeuron", "fix_neuron", "VaiQuantize", "QuantizeDequantize"]
            .iter()
            .any(|end| name.ends_with(end))
}

fn constant<'a>(
    model: &'a Model,
    graph: &Graph,
    node: &Node,
    input: usize,
) -> Option<&'a vairun::Tensor> {
    model.constant(graph.name_of((*node.inputs.get(input)?)?))
}

fn scale_input(node: &Node) -> usize {
    if node.op.domain == "vai" && node.op.op_type == "QuantizeLinear" { 3 } else { 1 }
}

fn scales(model: &Model, graph: &Graph, node: &Node) -> Vec<f32> {
    let scale = constant(model, graph, node, scale_input(node));
    scale.and_then(|scale| scale.as_slice::<f32>().ok()).unwrap_or_default().to_vec()
}

fn codes(model: &Model, graph: &Graph, node: &Node) -> String {
    let scalar = |input| constant(model, graph, node, input)?.as_scalar::<i32>().copied();
    match (node.op.domain.as_str(), node.op.op_type.as_str()) {
        ("vai", "QuantizeLinear") => match (scalar(1), scalar(2)) {
            (Some(low), Some(high)) => format!("{low}..={high}"),
            _ => "at run time".into(),
        },
        (_, name) if name.ends_with("QuantizeLinear") => constant(model, graph, node, 2)
            .map_or("uint8".into(), |zero_point| zero_point.dtype().to_string()),
        _ => string(node, &["bit_width", "element_dtype", "bfp_method"]),
    }
}

/// The attributes of these names, in words.
fn string(node: &Node, names: &[&str]) -> String {
    use vairun::graph::Attribute;
    let shown = |name: &&str| match node.attributes.get(*name)? {
        Attribute::Int(value) => Some(format!("{name} {value}")),
        Attribute::String(text) => Some(format!("{name} {}", String::from_utf8_lossy(text))),
        _ => None,
    };
    names.iter().filter_map(shown).collect::<Vec<_>>().join(", ")
}

fn rounding(model: &Model, graph: &Graph, node: &Node) -> String {
    let code = match (node.op.domain.as_str(), node.op.op_type.as_str()) {
        ("vai", "QuantizeLinear") => constant(model, graph, node, 5)
            .and_then(|method| method.as_scalar::<i8>().copied())
            .map(i64::from),
        ("vai", _) => {
            constant(model, graph, node, 3).and_then(|method| method.as_scalar::<i64>().copied())
        }
        (_, name) if name.ends_with("QuantizeLinear") => return "half to even".into(),
        _ => return string(node, &["rounding_mode"]),
    };
    match code {
        Some(2) => "2 half up".into(),
        Some(3) => "3 half away from zero".into(),
        Some(4) => "4 floor".into(),
        Some(5) => "5 half up below 0, to even above".into(),
        Some(6) => "6 half toward zero".into(),
        Some(7) => "7 ceil".into(),
        Some(8) => "8 half to even".into(),
        Some(other) => format!("{other} unknown"),
        None => "at run time".into(),
    }
}

fn per(model: &Model, graph: &Graph, node: &Node) -> String {
    match constant(model, graph, node, scale_input(node)) {
        Some(scale) if scale.len() > 1 && scale.rank() == 1 => "channel".into(),
        Some(scale) if scale.len() > 1 => "block".into(),
        _ => "tensor".into(),
    }
}

/// `2^-7 … 2^-2`, or `0.0123 … 0.5 (not powers of two)`.
fn range(scales: &[f32]) -> String {
    let Some(&first) = scales.first() else { return String::new() };
    let (low, high) =
        scales.iter().fold((first, first), |(low, high), &s| (low.min(s), high.max(s)));
    let power_of_two = |s: f32| s.is_normal() && s > 0.0 && s.to_bits() << 9 == 0;
    let shown =
        |s: f32| if power_of_two(s) { format!("2^{}", s.log2()) } else { format!("{s:.6}") };
    let note = if scales.iter().all(|&s| power_of_two(s)) { "" } else { " (not powers of two)" };
    if low == high {
        format!("{}{note}", shown(low))
    } else {
        format!("{} … {}{note}", shown(low), shown(high))
    }
}

fn nodes(graph: &Graph) -> String {
    let mut table = table::table(&["node", "operator", "inputs", "outputs"], &[]);
    let names = |ids: &[Option<_>]| {
        let name = |id: &Option<_>| id.map_or("-".to_owned(), |id| graph.name_of(id).to_owned());
        ids.iter().map(name).collect::<Vec<_>>().join(", ")
    };
    for node in &graph.nodes {
        table.add_row([
            node.name.clone(),
            node.op.to_string(),
            names(&node.inputs),
            names(&node.outputs),
        ]);
    }
    format!("\n{table}\n")
}

fn tensors(graph: &Graph, names: &globset::GlobMatcher) -> Result<String, Failure> {
    let mut lines = String::new();
    for (id, info) in (0..).map(vairun::graph::ValueId).zip(&graph.values) {
        if names.is_match(&info.name) {
            let constant =
                graph.initializers.get(&id).map(|tensor| format!(" = constant {tensor:?}"));
            lines += &format!("{}{}\n", declared(info), constant.unwrap_or_default());
        }
    }
    if lines.is_empty() {
        return Err(Failure::usage(format!("no value matches `{}`", names.glob())));
    }
    Ok(format!("\n{lines}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scales_that_are_powers_of_two_are_shown_as_such() {
        assert_eq!(range(&[0.25, 0.0078125]), "2^-7 … 2^-2");
        assert_eq!(range(&[0.5]), "2^-1");
        assert_eq!(range(&[0.1, 0.5]), "0.100000 … 2^-1 (not powers of two)");
    }
}
