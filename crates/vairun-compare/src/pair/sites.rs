use std::collections::{BTreeSet, HashMap, HashSet};

use vairun_graph::{Attribute, Graph, Node, ValueId};

/// A place where numbers become codes, or a parameter that is codes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Site {
    /// The value that holds the codes (XIR), or the numbers that a dequantizer made of them (ONNX).
    pub value: ValueId,
    /// The name for the reader: that of the tensor which is quantized.
    pub name: String,
    /// The node that makes the value; `None` for a parameter that is stored as codes.
    pub node: Option<usize>,
    /// What is quantized.
    pub source: Option<ValueId>,
    /// Whether it is the same in every run.
    pub parameter: bool,
    /// The sites and inputs that it depends on directly, in the order in which operands name them.
    pub leaves: Vec<Leaf>,
    /// What is computed between them, in words that both formats share.
    pub operations: BTreeSet<&'static str>,
}

/// What a site depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Leaf {
    /// A site by its number.
    Site(usize),
    /// An input of the graph by its place.
    Input(usize),
}

/// A graph reduced to its sites, in the order of its nodes.
#[derive(Clone, Debug, Default)]
pub struct Skeleton {
    /// Every site.
    pub sites: Vec<Site>,
    /// The site of each value that holds one's codes or numbers.
    by_value: HashMap<ValueId, usize>,
}

impl Skeleton {
    /// Of an ONNX graph: its pairs of quantizer and dequantizer, and its quantizers that do both at once.
    pub fn of_onnx(graph: &Graph) -> Self {
        let producers = graph.producers();
        let mut build = Build::new(graph, &producers);
        let mut by_codes: HashMap<ValueId, usize> = HashMap::new();
        for (i, node) in graph.nodes.iter().enumerate() {
            let (Some(input), Some(value)) =
                (node.inputs.first().copied().flatten(), node.writes().next())
            else {
                continue;
            };
            if !is_dequantizer(node) {
                continue;
            }
            // Exporters give each reader of the same codes its own dequantizer.
            if let Some(&known) = by_codes.get(&input).filter(|_| !does_both(node)) {
                build.skeleton.by_value.insert(value, known);
                continue;
            }
            by_codes.insert(input, build.skeleton.sites.len());
            let quantizer = producers[input.index()].map(|place| &graph.nodes[place]);
            let source = match (does_both(node), quantizer.filter(|node| is_quantizer(node))) {
                (true, _) => Some(input),
                (false, Some(quantizer)) => quantizer.inputs.first().copied().flatten(),
                (false, None) => None,
            };
            build.add(value, source, Some(i), source.unwrap_or(input));
        }
        build.skeleton
    }

    /// Of a lowered .xmodel: its `fix` nodes, and its constants that are codes.
    pub fn of_xir(graph: &Graph) -> Self {
        let producers = graph.producers();
        let mut build = Build::new(graph, &producers);
        let mut stored: Vec<ValueId> = graph
            .initializers
            .iter()
            .filter(|(_, tensor)| tensor.dtype().is_integer())
            .map(|(&id, _)| id)
            .collect();
        stored.sort_unstable();
        for (i, node) in graph.nodes.iter().enumerate() {
            // A parameter comes before the first node that reads it.
            for id in node.reads().filter(|id| stored.binary_search(id).is_ok()) {
                if !build.skeleton.by_value.contains_key(&id) && !is_factor(graph, id) {
                    build.add(id, None, None, id);
                }
            }
            if node.op.domain == "xir"
                && node.op.op_type == "fix"
                && let Some(value) = node.writes().next()
            {
                build.add(value, node.inputs.first().copied().flatten(), Some(i), value);
            }
        }
        build.skeleton
    }

    /// The site whose codes or numbers `value` holds.
    pub fn site_of(&self, value: ValueId) -> Option<usize> {
        self.by_value.get(&value).copied()
    }

    /// The sites that depend directly on each site.
    pub fn successors(&self) -> Vec<Vec<usize>> {
        let mut successors = vec![Vec::new(); self.sites.len()];
        for (i, site) in self.sites.iter().enumerate() {
            for leaf in &site.leaves {
                if let Leaf::Site(place) = leaf {
                    successors[*place].push(i);
                }
            }
        }
        successors
    }
}

struct Build<'a> {
    graph: &'a Graph,
    producers: &'a [Option<usize>],
    fixed: Vec<bool>,
    skeleton: Skeleton,
}

impl<'a> Build<'a> {
    fn new(graph: &'a Graph, producers: &'a [Option<usize>]) -> Self {
        let mut fixed = vec![false; graph.values.len()];
        graph.initializers.keys().for_each(|id| fixed[id.index()] = !graph.inputs.contains(id));
        for node in &graph.nodes {
            if node.reads().all(|id| fixed[id.index()]) {
                node.writes().for_each(|id| fixed[id.index()] = true);
            }
        }
        Self { graph, producers, fixed, skeleton: Skeleton::default() }
    }

    fn add(
        &mut self,
        value: ValueId,
        source: Option<ValueId>,
        node: Option<usize>,
        named: ValueId,
    ) {
        let parameter = self.fixed[value.index()];
        let (mut leaves, mut operations) = (Vec::new(), BTreeSet::new());
        if let Some(source) = source.filter(|_| !parameter) {
            self.walk(source, &mut leaves, &mut operations);
        }
        let name = self.graph.name_of(named).to_owned();
        self.skeleton.by_value.insert(value, self.skeleton.sites.len());
        self.skeleton.sites.push(Site { value, name, node, source, parameter, leaves, operations });
    }

    /// Goes back from a value to the sites and inputs that it is computed from.
    fn walk(&self, from: ValueId, leaves: &mut Vec<Leaf>, operations: &mut BTreeSet<&'static str>) {
        let (mut open, mut seen) = (vec![from], HashSet::new());
        while let Some(value) = open.pop() {
            if !seen.insert(value) {
                continue;
            }
            let input = self.graph.inputs.iter().position(|&id| id == value);
            if let Some(&site) = self.skeleton.by_value.get(&value) {
                leaves.push(Leaf::Site(site));
            } else if let Some(input) = input {
                leaves.push(Leaf::Input(input));
            } else if let Some(place) =
                self.producers[value.index()].filter(|_| !self.fixed[value.index()])
            {
                let node = &self.graph.nodes[place];
                if matches!(node.op.op_type.as_str(), "Shape" | "Size") {
                    continue;
                }
                operations.extend(operation(node));
                // The last that is pushed is the first that is visited: operands in their order.
                open.extend(node.inputs.iter().rev().flatten());
            } else if let Some(site) = self.parameter_behind(value) {
                leaves.push(Leaf::Site(site));
            }
        }
    }

    /// The parameter that a fixed value is computed from by nodes that move elements.
    fn parameter_behind(&self, mut value: ValueId) -> Option<usize> {
        loop {
            if let Some(&site) = self.skeleton.by_value.get(&value) {
                return Some(site);
            }
            let node = &self.graph.nodes[self.producers[value.index()]?];
            value = node.inputs.first().copied().flatten().filter(|_| operation(node).is_none())?;
        }
    }
}

fn is_quantizer(node: &Node) -> bool {
    let name = node.op.op_type.as_str();
    name.ends_with("QuantizeLinear") || name == "VaiQuantize"
}

/// Whether a node makes numbers on a grid.
fn is_dequantizer(node: &Node) -> bool {
    let name = node.op.op_type.as_str();
    name.ends_with("DequantizeLinear") || name == "VaiDeQuantize" || does_both(node)
}

fn does_both(node: &Node) -> bool {
    matches!(node.op.op_type.as_str(), "fix_neuron" | "FixNeuron")
}

/// Whether a constant of integers is a factor that the exporter puts behind a mean: no quantizer made it. Files with
/// `fix` ops have their parameters behind one; what is left are such factors.
fn is_factor(graph: &Graph, id: ValueId) -> bool {
    let fixed = |node: &Node| {
        node.op.op_type == "fix" && node.reads().all(|id| graph.initializers.contains_key(&id))
    };
    let quantized_file = graph.nodes.iter().any(fixed);
    quantized_file || graph.initializers.get(&id).is_some_and(|tensor| tensor.len() == 1)
}

/// Operators of both formats in words that they share; `None` for what only moves or passes elements.
fn operation(node: &Node) -> Option<&'static str> {
    let name = node.op.op_type.as_str();
    Some(match name {
        "Conv" => "conv",
        "ConvTranspose" => "transposed conv",
        "Gemm" | "MatMul" | "matmul" | "inner-product" => "matmul",
        "Add" | "Sum" | "add" => "add",
        "Sub" | "sub" => "sub",
        // `x²` is a product with itself there.
        "Mul" | "Pow" | "mul" => "mul",
        "Div" | "div" => "div",
        "Concat" | "concat" => "concat",
        "MaxPool" | "GlobalMaxPool" | "ReduceMax" | "maxpool2d" | "maxpool1d" | "reduction_max" => {
            "max"
        }
        "AveragePool" | "GlobalAveragePool" | "ReduceMean" | "avgpool2d" | "reduction_mean"
        | "pool-fix" => "mean",
        "ReduceSum" | "reduction_sum" => "sum",
        "Relu" | "Clip" | "relu" | "relu6" => "relu",
        "LeakyRelu" | "leaky-relu" => "leaky relu",
        "PRelu" | "prelu" => "prelu",
        "HardSigmoid" | "HardSwish" | "hard-sigmoid" | "hard-sigmoid-fix" | "hard-swish" => "hard",
        "Resize" | "Upsample" | "resize" => "resize",
        "Softmax" | "softmax" => "softmax",
        "Sigmoid" | "sigmoid" => "sigmoid",
        "Tanh" | "tanh" => "tanh",
        "Pad" | "pad" => "pad",
        "Slice" | "strided_slice" => "slice",
        "DepthToSpace" | "SpaceToDepth" | "pixel-shuffle" | "gstiling" | "reorg" => "blocks",
        "Min" | "min" => "min",
        "Max" => "larger",
        _ if name.starts_with("transposed") => "transposed conv",
        _ if name.starts_with("conv") || name.starts_with("depthwise") => "conv",
        _ => return None,
    })
}

/// An integer attribute.
pub(super) fn int(node: &Node, name: &str) -> Option<i64> {
    match node.attributes.get(name)? {
        Attribute::Int(value) => Some(*value),
        _ => None,
    }
}

/// The integer that an attribute has for input `place`.
pub(super) fn int_of(node: &Node, name: &str, place: usize) -> Option<i64> {
    match node.attributes.get(name)? {
        Attribute::Ints(values) => values.get(place).copied(),
        _ => None,
    }
}
