use std::collections::HashMap;

use vairun_graph::{Node, ValueId};
use vairun_numeric::kernel::{Grid, Operation};
use vairun_ops::{Dequantizer, Operator, Quantizer};
use vairun_tensor::Tensor;

use super::functions::Origin;
use super::kinds::{BINARY, is_function, is_move};
use super::line::Line;
use super::moves::Moving;
use super::resize;
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
    /// Each element a function of a code of one slot.
    Function(Origin),
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
    /// The slot that this one is a function of, the same one everywhere; itself where it is none.
    pub(super) origin: Origin,
    pub(super) source: Source,
    /// The nodes that the plain form runs, in order; the last one makes the value.
    pub(super) nodes: Vec<usize>,
    /// Where the codes stand for an order of the numbers: of what magnitude the numbers must be, as
    /// [`Quantizer::below`].
    pub(super) ordered: Option<f32>,
}

impl Slot {
    /// A slot `id` that is no function of another one.
    pub(super) fn new(
        id: ValueId,
        (storage, grid): (Storage, Option<Grid>),
        source: Source,
        nodes: Vec<usize>,
    ) -> Self {
        Self { storage, grid, origin: Origin::itself(id), source, nodes, ordered: None }
    }
}

/// How the codes of a slot are made.
#[derive(Clone, Debug)]
pub(super) enum Source {
    /// From numbers.
    Quantize { x: ValueId, quantizer: Quantizer },
    /// A function of one code, perhaps another one at each index of a dimension.
    Table { root: ValueId, line: Option<Line> },
    /// Codes that a node gives, or the caller.
    Given,
    /// A contraction with constant weights, then perhaps functions of each number, then a quantizer.
    Product { x: View, contraction: usize, quantizer: Quantizer },
    /// A matrix product of two coded tensors, its sums multiplied with `scale` where that is told, then perhaps functions
    /// of each number, then a quantizer.
    Pair { sides: [View; 2], scale: Option<f32>, quantizer: Quantizer },
    /// A sum, difference or product of two coded tensors, then perhaps a clamp, then a quantizer.
    Binary { sides: [View; 2], operation: Operation, quantizer: Quantizer },
    /// Coded tensors side by side, then perhaps functions of each number, then a quantizer; for each the results of all
    /// codes, where they are told.
    Concat { parts: Vec<View>, node: usize, results: Option<Vec<Tensor>> },
    /// The means of windows, then perhaps functions of each number, then a quantizer.
    Mean { x: View, node: usize, averaging: Averaging, quantizer: Quantizer },
    /// Images interpolated linearly, then perhaps functions of each number, then a quantizer.
    Resize { x: View, node: usize, quantizer: Quantizer },
    /// The codes of another slot, which mean the same.
    Same { from: ValueId },
    /// Codes in other places, or copies of them, by one move after the other.
    Move { from: ValueId, moves: Vec<Moving> },
    /// The largest code of each window.
    MaxPool { from: ValueId, node: usize },
    /// Images of codes interpolated linearly as integers.
    Interpolate { from: ValueId, node: usize },
}

/// What becomes of the sum of a window before it is quantized.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Averaging {
    /// The mean of the numbers.
    Numbers,
    /// The mean of the numbers by their exact sum.
    Exact,
    /// `f32(f32(mean / scale) + zero_point)`.
    Steps(Dequantizer),
    /// The sum of the codes less their zero points, times `f32(sx / f32(count · scale))`.
    Codes { scale: f32 },
}

impl Source {
    /// What it is, in a word.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Quantize { .. } => "quantize",
            Self::Table { .. } => "table",
            Self::Given => "codes",
            Self::Product { .. } => "product",
            Self::Pair { .. } => "pair",
            Self::Binary { .. } => "binary",
            Self::Concat { .. } => "concat",
            Self::Mean { .. } => "mean",
            Self::Resize { .. } | Self::Interpolate { .. } => "resize",
            Self::Same { .. } => "same",
            Self::Move { .. } => "move",
            Self::MaxPool { .. } => "max pool",
        }
    }
}

/// The roles of all values.
pub(super) struct Roles<'a> {
    pub(super) plan: &'a Plan,
    pub(super) roles: Vec<Role>,
    pub(super) slots: HashMap<ValueId, Slot>,
    /// The node that makes each value.
    pub(super) producer: Vec<Option<usize>>,
    /// How often each value is read.
    pub(super) uses: Vec<usize>,
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

    /// The order of the codes in these slots must be that of the numbers, each of a magnitude below what is told;
    /// `false` where one of them is no slot.
    pub(super) fn set_ordered(&mut self, ordered: &[(ValueId, Option<f32>)]) -> bool {
        ordered.iter().all(|&(id, below)| match self.slots.get_mut(&id) {
            Some(slot) => {
                slot.ordered = below;
                true
            }
            None => false,
        })
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

    pub(super) fn node(&self, i: usize) -> (&'a Node, &'a Step) {
        (&self.plan.graph.nodes[i], &self.plan.steps[i])
    }

    fn visit(&mut self, i: usize) {
        let (node, step) = self.node(i);
        let Kernel::Each(operator) = &step.kernel else { return };
        let Some(&Some(x)) = node.inputs.first() else { return };
        let parameters = self.plan.parameters(node);
        let single = node.outputs.len() == 1;
        if let Some(quantizer) = operator.quantizer(&parameters).filter(|_| single) {
            self.quantizer(i, x, quantizer, operator.as_ref());
        } else if let Some(dequantizer) = operator.dequantizer(&parameters).filter(|_| single) {
            if self.role(x) == Role::Plain && self.producer[x.index()].is_none() {
                self.given(x);
            }
            if let (Role::Codes, Some(&Some(y))) = (self.role(x), node.outputs.first())
                && let Some(grid) = self.slots[&x].storage.grid(dequantizer)
            {
                self.roles[y.index()] = Role::Reals(View { slot: x, grid });
            }
        } else if is_function(node, step) {
            if BINARY.contains(&node.op.op_type.as_str()) {
                node.inputs.iter().flatten().for_each(|&id| self.given_numbers(id));
            }
            if let (Some(origin), Some(&Some(y))) = (self.function(node), node.outputs.first()) {
                self.roles[y.index()] = Role::Function(origin);
            }
        } else if is_move(node, step) {
            self.moved(i, x);
        } else if step.standard && node.op.is_onnx("MaxPool") && single {
            self.max_pool(i, x);
        } else if step.standard && node.op.is_onnx("Resize") && single {
            self.interpolated(i, x, operator.as_ref());
        } else if single {
            self.on_codes(i, operator.as_ref());
        }
    }

    pub(super) fn view(&self, id: ValueId) -> Option<View> {
        match self.role(id) {
            Role::Reals(view) => Some(view),
            Role::Fixed => {
                let grid = self.slots.get(&id)?.grid?;
                Some(View { slot: id, grid })
            }
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

    /// Whether all inputs but the first are known before a run.
    pub(super) fn knows_others(&self, node: &Node) -> bool {
        let known = |&id: &ValueId| self.plan.constants.known(id).is_some();
        node.inputs.iter().skip(1).flatten().all(known)
    }

    fn max_pool(&mut self, i: usize, x: ValueId) {
        let (node, _) = self.node(i);
        if let (Some(_), Some(&Some(y))) = (self.slot_of(x), node.outputs.first()) {
            self.carry(x, y, Source::MaxPool { from: x, node: i }, vec![i]);
        }
    }

    /// Linear interpolation of codes as integers; of numbers that are quantized again, see [`Source::Resize`].
    fn interpolated(&mut self, i: usize, x: ValueId, operator: &dyn Operator) {
        let (node, _) = self.node(i);
        match (self.role(x), node.outputs.first()) {
            (Role::Codes, Some(&Some(y)))
                if self.knows_others(node) && resize::is_of(self.slots[&x].storage) =>
            {
                self.carry(x, y, Source::Interpolate { from: x, node: i }, vec![i]);
            }
            _ => self.on_codes(i, operator),
        }
    }

    /// A slot `y` for codes of the kind of those in `x`.
    pub(super) fn carry(&mut self, x: ValueId, y: ValueId, source: Source, nodes: Vec<usize>) {
        let Some(slot) = self.slot_of(x) else { return };
        let storage = self.slots[&slot].storage;
        let grid = self.view(x).map(|view| view.grid);
        self.slots.insert(y, Slot::new(y, (storage, grid), source, nodes));
        self.roles[y.index()] = match grid {
            Some(grid) => Role::Reals(View { slot: y, grid }),
            None => Role::Codes,
        };
    }
}
