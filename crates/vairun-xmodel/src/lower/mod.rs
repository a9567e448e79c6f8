//! From the ops of a file to a graph that runs in exact integers.
//!
//! The tensors of a quantized file are float32 numbers on power-of-two grids. In the graph a tensor is its integers
//! (*codes*), and where its grid lies is known before the run and stands in the attributes of the nodes: the numbers are
//! `code · 2^-fix_point / divisor`. The result of a `fix` op has the codes of its bit width (`int8` for 8 bits). What lies
//! between two `fix` ops, sums and products, is exact in `int32`, or in `int64` where 32 bits could overflow. Real
//! numbers (float32) are what the caller feeds, what functions such as `softmax` make, and what the graph returns: a
//! `fix2float` at each output gives the numbers under the name with `_` appended, as in compiled files.
//!
//! The ops on integers of a compiled file become the same nodes: `conv2d-fix` is `conv2d`, its nonlinear function and
//! `fix`. Attributes of the nodes beside those of XIR: `input_fix_points`, `input_divisors` (absent: all 1),
//! `output_fix_point` (absent: real), `output_divisor`, and `output_type` (ONNX's number of the element type).

mod compiled;
mod elementwise;
mod grid;
mod movement;
mod pool;
mod quantize;
mod reader;
mod real;
mod resize;
mod scope;
mod source;
mod sums;
mod window;

use std::collections::{HashMap, HashSet};

use tracing::debug;
use vairun_graph::{Model, OpsetId};

use self::grid::Kind;
use self::reader::Reader;
use self::scope::{Draft, Lowered, Scope};
use crate::error::XmodelError;
use crate::model::{FileKind, Xmodel};
use crate::proto::{OpDef, OpNode};

/// The domain of the operators of XIR.
pub const DOMAIN: &str = "xir";

/// How a file is lowered.
#[derive(Clone, Debug, Default)]
pub struct LowerOptions {
    /// The rounding of every `fix` op of an activation; `None`: as the file says.
    pub round_mode: Option<RoundMode>,
    /// How inputs of four or five dimensions come.
    pub layout: Layout,
}

/// The rounding rules of XIR; all round to nearest and differ in ties.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RoundMode {
    /// Ties away from zero.
    Std,
    /// Ties toward +∞.
    Dpu,
    /// Ties to even, as ONNX's QuantizeLinear.
    Py3,
}

impl RoundMode {
    /// The name in the file.
    pub fn name(self) -> &'static str {
        match self {
            Self::Std => "STD_ROUND",
            Self::Dpu => "DPU_ROUND",
            Self::Py3 => "PY3_ROUND",
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        [Self::Std, Self::Dpu, Self::Py3].into_iter().find(|mode| mode.name() == name)
    }
}

/// Where the channels of an input are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Layout {
    /// Last, as in the file.
    #[default]
    Nhwc,
    /// Second, as in ONNX.
    Nchw,
}

/// How an op type is lowered.
type Lower = fn(&mut Scope, &OpNode, &Reader) -> Lowered;

/// The op types that are lowered to operators of vairun; every other one is taken for a custom op.
static FAMILIES: &[(&[&str], Lower)] = &[
    (&["data", "data-fix"], source::data),
    (&["const", "const-fix"], source::constant),
    (&["fix", "float2fix"], quantize::fix),
    (&["fix2float"], quantize::fix2float),
    (&["conv1d", "conv2d", "conv3d", "depthwise-conv2d", "depthwise-conv3d"], sums::conv),
    (
        &[
            "transposed-conv2d",
            "transposed-conv3d",
            "transposed-depthwise-conv2d",
            "transposed-depthwise-conv3d",
        ],
        sums::conv,
    ),
    (&["matmul"], sums::matmul),
    (&["inner-product"], sums::inner_product),
    (&["scale"], sums::scale),
    (&["add", "sub", "min", "max"], elementwise::aligned),
    (&["mul"], elementwise::product),
    (&["div"], elementwise::quotient),
    (&["relu", "neg"], elementwise::same_grid),
    (&["relu6", "hard-tanh"], elementwise::clip),
    (&["leaky-relu"], elementwise::leaky_relu),
    (&["prelu"], elementwise::prelu),
    (&["hard-sigmoid"], elementwise::hard_sigmoid),
    (&["hard-swish"], elementwise::hard_swish),
    (&["maxpool1d", "maxpool2d", "avgpool2d"], pool::pool),
    (&["reduction_max", "reduction_mean", "reduction_sum"], pool::reduction),
    (&["concat"], movement::concat),
    (&["stack"], movement::stack),
    (&["reshape", "flatten", "squeeze"], movement::reshape),
    (&["identity", "placeholder", "upload", "download"], movement::identity),
    (&["transpose"], movement::transpose),
    (&["strided_slice"], movement::strided_slice),
    (&["pad"], movement::pad),
    (&["pixel-shuffle", "reorg", "gstiling"], movement::blocks),
    (&["PPScatterV2"], movement::pp_scatter),
    (&["resize"], resize::resize),
    (&["softmax"], real::softmax),
    (&["sigmoid", "tanh", "gelu", "elu", "celu", "selu", "mish", "swish", "exp"], real::function),
    (&["reshape-fix"], movement::reshape),
    (&["pixel-shuffle-fix", "reorg-fix", "tile-fix"], compiled::blocks),
    (&["strided_slice-fix", "reduction_max-fix", "pad-fix"], compiled::moved),
    (
        &[
            "conv2d-fix",
            "conv3d-fix",
            "depthwise-conv2d-fix",
            "depthwise-conv3d-fix",
            "transposed-conv2d-fix",
            "transposed-conv3d-fix",
            "transposed-depthwise-conv2d-fix",
            "transposed-depthwise-conv3d-fix",
        ],
        compiled::conv,
    ),
    (&["eltwise-fix", "depthwise-fix"], compiled::eltwise),
    (&["concat-fix"], compiled::concat),
    (&["pool-fix"], compiled::pool),
    (&["hard-sigmoid-fix"], compiled::hard_sigmoid),
    (&["upsample-fix", "downsample-fix"], compiled::resize),
];

impl Xmodel {
    /// The graph of a quantized or compiled file; see the module for what its values are.
    ///
    /// Only ops that a result depends on are in it. An op type that vairun does not know is taken for a custom op: its node
    /// reads and makes real numbers, and the plan refuses it unless somebody has registered it.
    ///
    /// # Errors
    /// [`XmodelError::Unsupported`] for files that can only be listed; [`XmodelError::Op`] for an op that
    /// contradicts its definition or goes beyond what is exact in 64 bits.
    pub fn lower(&self, options: &LowerOptions) -> Result<Model, XmodelError> {
        let kind = self.kind();
        if matches!(kind, FileKind::Legacy | FileKind::Rnn) {
            let text = format!("this file ({kind}) can be listed, not run");
            return Err(XmodelError::Unsupported(text));
        }
        let families: HashMap<&str, Lower> =
            FAMILIES.iter().flat_map(|(types, lower)| types.iter().map(|&t| (t, *lower))).collect();
        let definitions: HashMap<&str, &OpDef> =
            self.graph().op_defs.iter().map(|def| (def.name.as_str(), def)).collect();
        let outputs = self.output_ops()?;
        let live = self.live(&outputs);
        let mut scope = Scope::new(self, options);
        for op in self.graph().op_node.iter().filter(|op| live.contains(op.op_name.as_str())) {
            let reader = Reader::new(op);
            let lower = families.get(op.op_type.as_str()).copied().unwrap_or(real::custom);
            lower(&mut scope, op, &reader)
                .and_then(|edge| quantize::check(op, edge))
                .and_then(|edge| scope.set(op, edge))
                .and_then(|()| reader.finish(definitions.get(op.op_type.as_str()).copied()))
                .map_err(|problem| at(op, problem))?;
        }
        for op in outputs {
            output(&mut scope, op).map_err(|problem| at(op, problem))?;
        }
        let graph = scope.graph;
        graph.validate().map_err(XmodelError::Graph)?;
        debug!(ops = self.graph().op_node.len(), nodes = graph.nodes.len(), "lowered");
        Ok(Model {
            graph,
            opset_imports: vec![OpsetId { domain: DOMAIN.into(), version: 1 }],
            producer_name: "xir".into(),
            ..Model::default()
        })
    }

    /// The ops whose tensors are the result, in order: those that the file names, else those that nobody reads and that
    /// depend on an input.
    fn output_ops(&self) -> Result<Vec<&OpNode>, XmodelError> {
        let ops = &self.graph().op_node;
        if let Some(names) = self.graph().graph_attr.get("return_ops").and_then(|v| v.as_strings())
            && !names.is_empty()
        {
            return names.iter().map(|name| self.return_op(name)).collect();
        }
        let mut read = HashSet::new();
        let mut fed = HashSet::new();
        for op in ops {
            let reads = || op.args.iter().flat_map(|arg| &arg.arg_ops).map(String::as_str);
            read.extend(reads());
            if op.op_type.starts_with("data") || reads().any(|name| fed.contains(name)) {
                fed.insert(op.op_name.as_str());
            }
        }
        let is_output = |op: &&OpNode| {
            let name = op.op_name.as_str();
            fed.contains(name) && !read.contains(name)
        };
        let outputs: Vec<_> = ops.iter().filter(is_output).collect();
        match outputs.is_empty() {
            true => Err(XmodelError::Unsupported("the graph has no output".into())),
            false => Ok(outputs),
        }
    }

    /// An op that the file names as a result. A compiled file names the ops of the quantized one: theirs are the tensors
    /// of that name, or the `fix2float` behind them.
    fn return_op(&self, name: &str) -> Result<&OpNode, XmodelError> {
        let ops = &self.graph().op_node;
        let by_op = ops.iter().find(|op| op.op_name == name);
        let by_tensor = || ops.iter().find(|op| op.tensor_name() == name);
        by_op.or_else(by_tensor).ok_or_else(|| {
            XmodelError::Malformed(format!("`return_ops` names `{name}`, which is no op"))
        })
    }

    /// The names of the ops that `outputs` depend on, and of the inputs.
    fn live<'a>(&'a self, outputs: &[&'a OpNode]) -> HashSet<&'a str> {
        let by_name: HashMap<&str, &OpNode> =
            self.graph().op_node.iter().map(|op| (op.op_name.as_str(), op)).collect();
        let is_input = |op: &&OpNode| op.op_type.starts_with("data");
        let mut open: Vec<&OpNode> =
            outputs.iter().copied().chain(self.graph().op_node.iter().filter(is_input)).collect();
        let mut live = HashSet::new();
        while let Some(op) = open.pop() {
            if live.insert(op.op_name.as_str()) {
                // What `shape` and `size` say stands in the shape of the tensor.
                let args = op.args.iter().filter(|arg| !matches!(&*arg.arg_name, "shape" | "size"));
                let reads = args.flat_map(|arg| &arg.arg_ops);
                open.extend(reads.filter_map(|name| by_name.get(name.as_str()).copied()));
            }
        }
        live
    }
}

/// Makes the result of `op` a result of the graph, as real numbers.
fn output(scope: &mut Scope, op: &OpNode) -> Result<(), String> {
    let edge = scope.edge(&op.op_name)?;
    let real = match edge.kind {
        Kind::Real => edge,
        Kind::Codes(_) => {
            let name = scope.free_name(format!("{}_", op.tensor_name()));
            let shape = edge.shape.clone();
            let draft = Draft::new(op, vec![edge]).with_type("fix2float").with_name(name.clone());
            scope.push(draft, &name, shape, Kind::Real)?
        }
    };
    scope.graph.outputs.push(real.id);
    Ok(())
}

fn at(op: &OpNode, problem: String) -> XmodelError {
    XmodelError::Op { op: op.op_name.clone(), op_type: op.op_type.clone(), problem }
}
