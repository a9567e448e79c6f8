use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use crate::constant::{ConstantHome, Constants};
use crate::model::{FileKind, Xmodel};
use crate::proto::{OpNode, SubGraph};

/// What is in a file, without the values of constants (see [`Constants::values`]).
#[derive(Clone, Debug, Serialize)]
pub struct Listing {
    /// The graph's name.
    pub name: String,
    /// What kind of file it is.
    pub kind: FileKind,
    /// Bytes of the file.
    pub size: usize,
    /// MD5 of the file: compiled files name their source by it.
    pub md5: String,
    /// The framework that the network came from; files from PyTorch do not say.
    pub producer: String,
    /// The tools that wrote it, with their versions.
    pub tools: BTreeMap<String, String>,
    /// The files that it was made from.
    pub sources: Vec<Source>,
    /// The DPUs that it was compiled for.
    pub targets: Vec<Target>,
    /// Ops without arguments that the caller feeds.
    pub inputs: Vec<String>,
    /// Ops whose tensors are the result, in order; empty where the file does not say.
    pub return_ops: Vec<String>,
    /// How many ops there are of each type.
    pub op_types: BTreeMap<String, usize>,
    /// The tree of subgraphs.
    pub subgraphs: Option<SubgraphListing>,
    /// Every op, in the order of the file.
    pub ops: Vec<OpListing>,
    /// Op types that the writer defines in the file.
    pub op_defs: usize,
}

/// A file that a file was made from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Source {
    /// Its path on the machine that compiled.
    pub path: String,
    /// Its MD5.
    pub md5: String,
}

/// What a compiled file runs on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Target {
    /// `DPUCZDX8G_ISA1_B4096`
    pub name: String,
    /// The number that the hardware is checked against.
    pub fingerprint: Option<u64>,
}

/// A node of the tree of subgraphs.
#[derive(Clone, Debug, Serialize)]
pub struct SubgraphListing {
    /// Its name.
    pub name: String,
    /// `USER`, `CPU` or `DPU`.
    pub device: Option<String>,
    /// Ops in it and in its children.
    pub ops: usize,
    /// Bytes of DPU instructions, those of the preload code included.
    pub code_bytes: usize,
    /// Bytes of parameters.
    pub parameter_bytes: usize,
    /// Operations, as the compiler counts them.
    pub workload: Option<i64>,
    /// Its children.
    pub children: Vec<SubgraphListing>,
}

/// An op and its tensor.
#[derive(Clone, Debug, Serialize)]
pub struct OpListing {
    /// Its name.
    pub name: String,
    /// Its type.
    pub op_type: String,
    /// Where it runs.
    pub device: Option<String>,
    /// The ops that each argument reads.
    pub inputs: Vec<(String, Vec<String>)>,
    /// Its attributes as text; bytes by their number.
    pub attributes: BTreeMap<String, String>,
    /// What it makes.
    pub tensor: TensorListing,
    /// Where its values lie, if it is a constant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub constant: Option<ConstantHome>,
}

/// A tensor.
#[derive(Clone, Debug, Serialize)]
pub struct TensorListing {
    /// Its name.
    pub name: String,
    /// `FLOAT32`, `XINT8`, …
    pub element_type: String,
    /// The dimensions; -1 for an unknown one.
    pub shape: Vec<i64>,
    /// `real = code · 2^-fix_point`, for codes and for the result of a `fix` op.
    pub fix_point: Option<i64>,
    /// Bits of its codes.
    pub bit_width: Option<i64>,
    /// Whether its codes are signed.
    pub signed: Option<bool>,
    /// `DPU_ROUND`, `STD_ROUND`, `PY3_ROUND`.
    pub round_mode: Option<String>,
}

impl Listing {
    /// Lists a file of any kind.
    pub fn of(model: &Xmodel) -> Self {
        let graph = model.graph();
        let texts = |name: &str| graph.graph_attr.get(name).and_then(|value| value.as_string_map());
        let tools = ["libs_info", "tools_commit_id"].into_iter().filter_map(texts).flatten();
        let sources = texts("files_md5sum").into_iter().flatten();
        let constants = Constants::of(model);
        Self {
            name: graph.graph_name.clone(),
            kind: model.kind(),
            size: model.size(),
            md5: model.md5().to_owned(),
            producer: producer(model),
            tools: tools.map(|(name, id)| (name.clone(), id.clone())).collect(),
            sources: sources
                .map(|(path, md5)| Source { path: path.clone(), md5: md5.clone() })
                .collect(),
            targets: targets(model),
            inputs: inputs(model),
            return_ops: return_ops(model),
            op_types: graph.op_node.iter().fold(BTreeMap::new(), |mut counts, op| {
                *counts.entry(op.op_type.clone()).or_default() += 1;
                counts
            }),
            subgraphs: graph.subg_root.as_ref().map(SubgraphListing::of),
            ops: graph.op_node.iter().map(|op| OpListing::of(op, &constants)).collect(),
            op_defs: graph.op_defs.len(),
        }
    }

    /// Whether the file names `source` as one that it was made from.
    pub fn is_made_from(&self, source: &Self) -> bool {
        self.sources.iter().any(|made_from| made_from.md5 == source.md5)
    }
}

fn producer(model: &Xmodel) -> String {
    let origin = model.graph().graph_attr.get("origin").and_then(|origin| origin.as_str());
    match (origin, model.kind()) {
        (Some(origin), _) => origin.to_owned(),
        (None, FileKind::Rnn | FileKind::Legacy) => "unknown".into(),
        (None, _) => "pytorch".into(),
    }
}

fn targets(model: &Xmodel) -> Vec<Target> {
    let mut found: Vec<Target> = Vec::new();
    for subgraph in model.subgraphs() {
        let text = |name| subgraph.subg_attr.get(name).and_then(|value| value.as_str());
        let fingerprint =
            subgraph.subg_attr.get("dpu_fingerprint").and_then(|value| value.as_int());
        if let Some(name) = text("dpu_name").or_else(|| text("target")) {
            let fingerprint = fingerprint.and_then(|number| u64::try_from(number).ok());
            let target = Target { name: name.to_owned(), fingerprint };
            if !found.contains(&target) {
                found.push(target);
            }
        }
    }
    found
}

fn inputs(model: &Xmodel) -> Vec<String> {
    let ops = &model.graph().op_node;
    let fed = ops.iter().filter(|op| matches!(op.op_type.as_str(), "data" | "data-fix"));
    fed.map(|op| op.op_name.clone()).collect()
}

fn return_ops(model: &Xmodel) -> Vec<String> {
    let named = model.graph().graph_attr.get("return_ops").and_then(|ops| ops.as_strings());
    named.map_or_else(Vec::new, <[String]>::to_vec)
}

impl SubgraphListing {
    fn of(subgraph: &SubGraph) -> Self {
        // The depth is bounded: the decoder refuses messages that are nested more than 100 deep.
        let children: Vec<_> = subgraph.subg_child.iter().map(Self::of).collect();
        let bytes = |name: &str| subgraph.subg_attr.get(name).map_or(0, |value| value.byte_count());
        Self {
            name: subgraph.subgraph_name.clone(),
            device: subgraph.device().map(str::to_owned),
            ops: subgraph.op_name.len() + children.iter().map(|child| child.ops).sum::<usize>(),
            code_bytes: CODE.iter().map(|name| bytes(name)).sum(),
            parameter_bytes: PARAMETERS.iter().map(|name| bytes(name)).sum(),
            workload: subgraph.subg_attr.get("workload").and_then(|value| value.as_int()),
            children,
        }
    }
}

/// Attributes with instructions: of a DPU, and of the engine for recurrent networks.
const CODE: [&str; 6] =
    ["mc_code", "mc_code_preload", "ac_code", "init_bin_instr", "loop_bin_instr", "end_bin_instr"];

/// Attributes with parameters.
const PARAMETERS: [&str; 2] = ["reg_id_to_parameter_value", "weights"];

impl OpListing {
    fn of(op: &OpNode, constants: &Constants) -> Self {
        let is_constant = matches!(op.op_type.as_str(), "const" | "const-fix");
        let text = |name: &str| op.op_attr.get(name).and_then(|value| value.as_str());
        Self {
            name: op.op_name.clone(),
            op_type: op.op_type.clone(),
            device: text("device").map(str::to_owned),
            inputs: op.args.iter().map(|arg| (arg.arg_name.clone(), arg.arg_ops.clone())).collect(),
            attributes: op
                .op_attr
                .iter()
                .map(|(name, value)| (name.clone(), value.to_string()))
                .collect(),
            tensor: TensorListing::of(op),
            constant: is_constant.then(|| constants.home(op)),
        }
    }
}

impl TensorListing {
    fn of(op: &OpNode) -> Self {
        let dims = op.output_tensor.as_ref().map_or(&[][..], |tensor| &tensor.tensor_dim);
        // An unknown dimension is -1 in 32 bits.
        let shape = dims.iter().map(|&dim| i64::from(dim as i32)).collect();
        Self {
            name: op.tensor_name().to_owned(),
            element_type: op.element_type().map_or_else(|| "UNKNOWN".into(), |e| e.to_string()),
            shape,
            fix_point: op.quantizer_int("fix_point"),
            bit_width: op.quantizer_int("bit_width"),
            signed: op.quantizer_int("if_signed").map(|signed| signed != 0),
            round_mode: op.quantizer_str("round_mode").map(str::to_owned),
        }
    }
}

impl fmt::Display for TensorListing {
    /// `XINT8 [1, 13, 13, 16] fix_point 6, DPU_ROUND`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?}", self.element_type, self.shape)?;
        if let Some(fix_point) = self.fix_point {
            write!(f, " fix_point {fix_point}")?;
        }
        if let Some(bits) = self.bit_width {
            let unsigned = if self.signed == Some(false) { " unsigned" } else { "" };
            write!(f, ", {bits} bits{unsigned}")?;
        }
        self.round_mode.as_ref().map_or(Ok(()), |mode| write!(f, ", {mode}"))
    }
}

impl fmt::Display for OpListing {
    /// `conv2d-fix conv1(input: data, weights: w) → conv1_fix XINT8 [1, 4, 4, 8] fix_point 5, 8 bits, DPU_ROUND`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let used = self.inputs.iter().filter(|(_, ops)| !ops.is_empty());
        let inputs: Vec<_> = used.map(|(arg, ops)| format!("{arg}: {}", ops.join(", "))).collect();
        write!(f, "{} {}({})", self.op_type, self.name, inputs.join("; "))?;
        if self.tensor.name != self.name {
            write!(f, " → {}", self.tensor.name)?;
        }
        write!(f, " {}", self.tensor)?;
        match &self.constant {
            Some(ConstantHome::Parameters { register, address, .. }) => {
                write!(f, ", values in {register} at {address}")
            }
            Some(ConstantHome::Permuted { target }) => write!(f, ", values permuted for {target}"),
            Some(ConstantHome::Absent) => write!(f, ", without values"),
            Some(ConstantHome::Op) | None => Ok(()),
        }
    }
}

impl fmt::Display for Listing {
    /// One screen: what the file is, where it comes from, what is in it. Ops are counted, not listed.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "xmodel `{}`: {}, {}, {} bytes",
            self.name,
            self.kind,
            ops(self.ops.len()),
            self.size
        )?;
        writeln!(f, "  md5       {}", self.md5)?;
        writeln!(f, "  producer  {}", self.producer)?;
        for (name, id) in &self.tools {
            writeln!(f, "  tool      {name} {id}")?;
        }
        for Source { path, md5 } in &self.sources {
            writeln!(f, "  made from {path} (md5 {md5})")?;
        }
        for Target { name, fingerprint } in &self.targets {
            let number = fingerprint.map_or_else(String::new, |n| format!(" (fingerprint {n:#x})"));
            writeln!(f, "  target    {name}{number}")?;
        }
        for name in &self.inputs {
            writeln!(f, "  input     {name} {}", self.tensor_of(name))?;
        }
        for name in &self.return_ops {
            writeln!(f, "  output    {name} {}", self.tensor_of(name))?;
        }
        let counts: Vec<_> = self.op_types.iter().map(|(op, n)| format!("{op} ×{n}")).collect();
        writeln!(f, "  ops       {}", counts.join(", "))?;
        self.subgraphs.as_ref().map_or(Ok(()), |root| write_subgraph(f, root, 1))
    }
}

impl Listing {
    fn tensor_of(&self, op: &str) -> String {
        let found = self.ops.iter().find(|listed| listed.name == op);
        found.map_or_else(|| "(no such op)".into(), |listed| listed.tensor.to_string())
    }
}

fn ops(count: usize) -> String {
    format!("{count} op{}", if count == 1 { "" } else { "s" })
}

fn write_subgraph(
    f: &mut fmt::Formatter<'_>,
    subgraph: &SubgraphListing,
    depth: usize,
) -> fmt::Result {
    let device = subgraph.device.as_deref().map_or_else(String::new, |device| format!("{device} "));
    write!(f, "{:1$}{device}{2}: {3}", "", 2 * depth, subgraph.name, ops(subgraph.ops))?;
    if subgraph.code_bytes > 0 {
        write!(f, ", code {} bytes", subgraph.code_bytes)?;
    }
    if subgraph.parameter_bytes > 0 {
        write!(f, ", parameters {} bytes", subgraph.parameter_bytes)?;
    }
    writeln!(f)?;
    // The layers inside a DPU subgraph are in the JSON; on the screen they would hide the rest.
    let layers = subgraph.device.as_deref() == Some("DPU");
    if layers {
        return Ok(());
    }
    subgraph.children.iter().try_for_each(|child| write_subgraph(f, child, depth + 1))
}
