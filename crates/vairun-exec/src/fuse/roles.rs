use std::collections::HashMap;

use vairun_graph::{Node, ValueId};
use vairun_numeric::kernel::Grid;
use vairun_ops::{Inputs, Operator, Quantizer};
use vairun_tensor::Tensor;

use super::storage::Storage;
use crate::plan::{Kernel, Plan, Step};

/// What a value of the graph is to the fused plan.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Role {
    /// Whatever its node makes.
    Plain,
    /// The same in every run.
    Fixed,
    /// The codes of the slot of its own name.
    Codes,
    /// The numbers of the codes of a slot.
    Reals(View),
    /// Each element a function of a code of one slot, through so many nodes.
    Function(ValueId, usize),
}

/// Codes and what they mean.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct View {
    pub(super) slot: ValueId,
    pub(super) grid: Grid,
}

/// A coded tensor that a run may hold, under the name of the value that it is first.
#[derive(Clone, Debug)]
pub(super) struct Slot {
    pub(super) storage: Storage,
    /// The grid, where the value of that name holds the numbers, not the codes.
    pub(super) grid: Option<Grid>,
    /// The slot that this one is a function of, and through so many nodes; itself where it is none.
    origin: (ValueId, usize),
    pub(super) source: Source,
    /// The nodes that the plain form runs, in order; the last one makes the value.
    pub(super) nodes: Vec<usize>,
}

/// How the codes of a slot are made.
#[derive(Clone, Debug)]
pub(super) enum Source {
    /// From numbers.
    Quantize { x: ValueId, quantizer: Quantizer },
    /// A function of one code.
    Table { root: ValueId },
    /// A contraction with constant weights, then perhaps functions of each number, then a quantizer.
    Product { x: View, contraction: usize, quantizer: Quantizer },
    /// A sum, difference or product of two coded tensors, then perhaps a clamp, then a quantizer.
    Binary { sides: [View; 2], node: usize, quantizer: Quantizer },
    /// Coded tensors side by side, then perhaps functions of each number, then a quantizer.
    Concat { parts: Vec<View>, node: usize },
    /// The means of windows, then perhaps functions of each number, then a quantizer.
    Mean { x: View, node: usize, quantizer: Quantizer },
    /// Codes in other places, or copies of them.
    Move { from: ValueId, node: usize },
    /// The largest code of each window.
    MaxPool { from: ValueId, node: usize },
}

impl Source {
    /// What it is, in a word.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Quantize { .. } => "quantize",
            Self::Table { .. } => "table",
            Self::Product { .. } => "product",
            Self::Binary { .. } => "binary",
            Self::Concat { .. } => "concat",
            Self::Mean { .. } => "mean",
            Self::Move { .. } => "move",
            Self::MaxPool { .. } => "max pool",
        }
    }
}

/// The roles of all values.
pub(super) struct Roles<'a> {
    plan: &'a Plan,
    pub(super) roles: Vec<Role>,
    pub(super) slots: HashMap<ValueId, Slot>,
    /// The node that makes each value.
    pub(super) producer: Vec<Option<usize>>,
    /// How often each value is read.
    uses: Vec<usize>,
}

/// Nodes that a function of one code goes through at most: planning stays linear.
const LONGEST: usize = 64;

/// Functions of each element for itself.
const ELEMENTWISE: &[&str] = &[
    "Abs",
    "Acos",
    "Acosh",
    "Add",
    "Asin",
    "Asinh",
    "Atan",
    "Atanh",
    "Ceil",
    "Celu",
    "Clip",
    "Cos",
    "Cosh",
    "Div",
    "Elu",
    "Erf",
    "Exp",
    "Floor",
    "Gelu",
    "HardSigmoid",
    "HardSwish",
    "LeakyRelu",
    "Log",
    "Max",
    "Mean",
    "Min",
    "Mish",
    "Mul",
    "Neg",
    "PRelu",
    "Pow",
    "Reciprocal",
    "Relu",
    "Round",
    "Selu",
    "Shrink",
    "Sigmoid",
    "Sign",
    "Sin",
    "Sinh",
    "Softplus",
    "Softsign",
    "Sqrt",
    "Sub",
    "Sum",
    "Swish",
    "Tan",
    "Tanh",
    "ThresholdedRelu",
];

/// Operators that put elements into other places, or copies of them, and read the first input alone otherwise.
const MOVES: &[&str] = &[
    "DepthToSpace",
    "Expand",
    "Flatten",
    "Identity",
    "Reshape",
    "Resize",
    "Slice",
    "SpaceToDepth",
    "Split",
    "Squeeze",
    "Tile",
    "Transpose",
    "Unsqueeze",
    "Upsample",
];

pub(super) fn is_elementwise(node: &Node, step: &Step) -> bool {
    step.standard
        && node.op.domain.is_empty()
        && node.outputs.len() == 1
        && ELEMENTWISE.contains(&node.op.op_type.as_str())
}

fn is_move(node: &Node, step: &Step) -> bool {
    let text = |name: &str| match node.attributes.get(name) {
        Some(vairun_graph::Attribute::String(text)) => Some(text.as_slice()),
        _ => None,
    };
    let known = || match node.op.op_type.as_str() {
        // What lies outside of a cropped x is a number, which need not have a code.
        "Resize" | "Upsample" => {
            text("mode").is_none_or(|mode| mode == b"nearest")
                && text("coordinate_transformation_mode")
                    .is_none_or(|mode| mode != b"tf_crop_and_resize")
        }
        other => MOVES.contains(&other),
    };
    step.standard && node.op.domain.is_empty() && known()
}

impl<'a> Roles<'a> {
    pub(super) fn of(plan: &'a Plan) -> Self {
        let count = plan.graph.values.len();
        let mut roles = Self {
            plan,
            roles: vec![Role::Plain; count],
            slots: HashMap::new(),
            producer: vec![None; count],
            uses: vec![0; count],
        };
        roles.count_uses();
        for id in (0..count as u32).map(ValueId) {
            if plan.constants.is_fixed(id) {
                roles.roles[id.index()] = Role::Fixed;
            }
        }
        for i in 0..plan.graph.nodes.len() {
            roles.visit(i);
        }
        roles
    }

    fn count_uses(&mut self) {
        let graph = &self.plan.graph;
        for (i, node) in graph.nodes.iter().enumerate() {
            node.writes().for_each(|id| self.producer[id.index()] = Some(i));
            node.reads().for_each(|id| self.uses[id.index()] += 1);
        }
        graph.outputs.iter().for_each(|id| self.uses[id.index()] += 1);
    }

    pub(super) fn role(&self, id: ValueId) -> Role {
        self.roles[id.index()]
    }

    fn node(&self, i: usize) -> (&'a Node, &'a Step) {
        (&self.plan.graph.nodes[i], &self.plan.steps[i])
    }

    /// The slot whose codes a value is a function of.
    pub(super) fn root(&self, id: ValueId) -> Option<(ValueId, usize)> {
        match self.role(id) {
            Role::Codes => Some(self.slots[&id].origin),
            Role::Reals(view) => {
                let (root, nodes) = self.slots[&view.slot].origin;
                Some((root, nodes + usize::from(view.slot != id)))
            }
            Role::Function(root, nodes) => Some((root, nodes)),
            Role::Plain | Role::Fixed => None,
        }
    }

    fn visit(&mut self, i: usize) {
        let (node, step) = self.node(i);
        let Kernel::Each(operator) = &step.kernel else { return };
        let Some(&Some(x)) = node.inputs.first() else { return };
        let parameters = self.parameters(node);
        let single = node.outputs.len() == 1;
        if let Some(quantizer) = operator.quantizer(&parameters).filter(|_| single) {
            self.quantizer(i, x, quantizer, operator.as_ref());
        } else if let Some(dequantizer) = operator.dequantizer(&parameters).filter(|_| single) {
            if let (Role::Codes, Some(&Some(y))) = (self.role(x), node.outputs.first())
                && let Some(grid) = self.slots[&x].storage.grid(dequantizer)
            {
                self.roles[y.index()] = Role::Reals(View { slot: x, grid });
            }
        } else if is_elementwise(node, step) {
            self.elementwise(node);
        } else if is_move(node, step) {
            self.moved(i, x);
        } else if step.standard && node.op.is_onnx("MaxPool") && single {
            self.max_pool(i, x);
        }
    }

    /// The known inputs of a node but the first.
    fn parameters(&self, node: &Node) -> Inputs {
        let known = |&id: &Option<ValueId>| Some(self.plan.constants.known(id?)?.clone().into());
        let first = std::iter::once(None);
        Inputs::new(first.chain(node.inputs.iter().skip(1).map(known)).collect())
    }

    /// A function of a code, where all inputs are functions of one and the same, or numbers for all elements.
    fn elementwise(&mut self, node: &Node) {
        let Some(&Some(y)) = node.outputs.first() else { return };
        let mut root = None;
        let mut nodes = 1;
        for &id in node.inputs.iter().flatten() {
            if self.is_number(id) {
                continue;
            }
            match (self.root(id), root) {
                (Some((slot, count)), None) => (root, nodes) = (Some(slot), nodes + count),
                (Some((slot, count)), Some(other)) if slot == other => nodes += count,
                _ => return,
            }
        }
        if let Some(root) = root.filter(|_| nodes <= LONGEST) {
            self.roles[y.index()] = Role::Function(root, nodes);
        }
    }

    /// Whether a value is one known number.
    fn is_number(&self, id: ValueId) -> bool {
        self.plan.constants.known(id).is_some_and(|tensor| tensor.len() == 1)
    }

    fn quantizer(&mut self, i: usize, x: ValueId, quantizer: Quantizer, operator: &dyn Operator) {
        let (node, _) = self.node(i);
        let Some(&Some(y)) = node.outputs.first() else { return };
        let Some(storage) = Storage::of(&quantizer) else { return };
        if self.role(x) == Role::Fixed {
            return;
        }
        // One that gives the numbers back at once.
        let dequantizer = operator.dequantizer(&self.parameters(node));
        let grid = dequantizer.map(|dequantizer| storage.grid(dequantizer));
        let Some(grid) = grid.map_or(Some(None), |grid| grid.map(Some)) else { return };
        let (source, origin, nodes) = self.source(i, x, quantizer);
        let origin = origin.unwrap_or((y, 0));
        self.slots.insert(y, Slot { storage, grid, origin, source, nodes });
        self.roles[y.index()] = match grid {
            Some(grid) => Role::Reals(View { slot: y, grid }),
            None => Role::Codes,
        };
    }

    /// How the codes of quantizer `i` of `x` are made best, what slot they are a function of, and by which nodes.
    fn source(
        &self,
        i: usize,
        x: ValueId,
        quantizer: Quantizer,
    ) -> (Source, Option<(ValueId, usize)>, Vec<usize>) {
        if let Some((root, nodes)) = self.root(x).filter(|&(_, nodes)| nodes < LONGEST) {
            let origin = Some((root, nodes + 1));
            return (Source::Table { root }, origin, self.region(root, i));
        }
        let (head, mut nodes) = self.chain(x);
        nodes.push(i);
        if let Some((source, head)) =
            head.and_then(|head| Some((self.head(head, quantizer)?, head)))
        {
            nodes.insert(0, head);
            return (source, None, nodes);
        }
        (Source::Quantize { x, quantizer }, None, vec![i])
    }

    /// The nodes from slot `root` to node `last`, in order.
    fn region(&self, root: ValueId, last: usize) -> Vec<usize> {
        let mut nodes = vec![last];
        let mut next = 0;
        while let Some(&i) = nodes.get(next) {
            next += 1;
            for &id in self.plan.graph.nodes[i].inputs.iter().flatten() {
                let producer = self.producer[id.index()];
                let inside = id != root && self.root(id).is_some();
                if let Some(producer) = producer.filter(|i| inside && !nodes.contains(i)) {
                    nodes.push(producer);
                }
            }
        }
        nodes.sort_unstable();
        nodes
    }

    /// The functions of each number that lead to `x` and nowhere else, in order, and the node before them.
    fn chain(&self, mut x: ValueId) -> (Option<usize>, Vec<usize>) {
        let mut nodes = Vec::new();
        loop {
            let single = self.uses[x.index()] == 1 && self.role(x) == Role::Plain;
            let Some(i) = self.producer[x.index()].filter(|_| single) else {
                return (None, nodes);
            };
            let (node, step) = self.node(i);
            let mut moving =
                node.inputs.iter().flatten().filter(|&&id| self.role(id) != Role::Fixed);
            match (moving.next(), moving.next()) {
                (Some(&before), None)
                    if is_elementwise(node, step) && self.role(before) == Role::Plain =>
                {
                    nodes.insert(0, i);
                    x = before;
                }
                _ => return (Some(i), nodes),
            }
            if nodes.len() > LONGEST {
                return (None, nodes);
            }
        }
    }

    /// The coded source that a node is before a quantizer.
    fn head(&self, i: usize, quantizer: Quantizer) -> Option<Source> {
        let (node, step) = self.node(i);
        let Kernel::Each(operator) = &step.kernel else { return None };
        if operator.contraction().is_some() {
            let (x, others) = node.inputs.split_first()?;
            let fixed = others.iter().flatten().all(|&id| self.role(id) == Role::Fixed);
            let x = self.view((*x)?).filter(|_| fixed)?;
            return Some(Source::Product { x, contraction: i, quantizer });
        }
        if !step.standard || !node.op.domain.is_empty() || node.outputs.len() != 1 {
            return None;
        }
        let views = || node.inputs.iter().map(|&id| self.view(id?)).collect::<Option<Vec<_>>>();
        match node.op.op_type.as_str() {
            "Add" | "Sub" | "Mul" => {
                let sides = views()?.try_into().ok()?;
                Some(Source::Binary { sides, node: i, quantizer })
            }
            "Concat" => Some(Source::Concat { parts: views()?, node: i }),
            "GlobalAveragePool" | "AveragePool" => {
                let x = *views()?.first()?;
                Some(Source::Mean { x, node: i, quantizer })
            }
            _ => None,
        }
    }

    fn view(&self, id: ValueId) -> Option<View> {
        match self.role(id) {
            Role::Reals(view) => Some(view),
            _ => None,
        }
    }

    /// The slot of the codes or numbers in a value.
    pub(super) fn slot_of(&self, id: ValueId) -> Option<ValueId> {
        match self.role(id) {
            Role::Codes => Some(id),
            Role::Reals(view) => Some(view.slot),
            _ => None,
        }
    }

    fn moved(&mut self, i: usize, x: ValueId) {
        let (node, _) = self.node(i);
        if self.slot_of(x).is_none() {
            return;
        }
        for y in node.writes() {
            self.carry(i, x, y, Source::Move { from: x, node: i });
        }
    }

    fn max_pool(&mut self, i: usize, x: ValueId) {
        let (node, _) = self.node(i);
        if let (Role::Reals(_), Some(&Some(y))) = (self.role(x), node.outputs.first()) {
            self.carry(i, x, y, Source::MaxPool { from: x, node: i });
        }
    }

    /// A slot `y` for codes of the kind of those in `x`.
    fn carry(&mut self, i: usize, x: ValueId, y: ValueId, source: Source) {
        let Some(slot) = self.slot_of(x) else { return };
        let storage = self.slots[&slot].storage;
        let grid = self.view(x).map(|view| view.grid);
        let slot = Slot { storage, grid, origin: (y, 0), source, nodes: vec![i] };
        self.slots.insert(y, slot);
        self.roles[y.index()] = match grid {
            Some(grid) => Role::Reals(View { slot: y, grid }),
            None => Role::Codes,
        };
    }

    /// Every code of a slot as the value of its name, `[count]`: the argument of a function of one code.
    pub(super) fn all_codes(slot: &Slot) -> Option<Tensor> {
        let storage = slot.storage;
        let stored = (0..storage.count()).map(|i| storage.nth(i));
        let shape = [storage.count()];
        match slot.grid {
            Some(grid) => Tensor::new(&shape, stored.map(|code| grid.real(code)).collect()).ok(),
            None => {
                super::coded::tensor_of(storage, &shape, stored.map(|code| code - storage.offset))
            }
        }
    }
}
