use vairun_graph::{Node, ValueId};
use vairun_tensor::Tensor;

use super::coded::tensor_of;
use super::kinds::{BINARY, is_affine};
use super::line::Line;
use super::roles::{Role, Roles, Slot};

/// What each element of a value is a function of.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Origin {
    /// The slot of the code.
    pub(super) slot: ValueId,
    /// Through so many nodes.
    pub(super) nodes: usize,
    /// The dimension at whose indices the function is another one.
    pub(super) line: Option<Line>,
}

impl Origin {
    /// A slot of its own.
    pub(super) fn itself(slot: ValueId) -> Self {
        Self { slot, nodes: 0, line: None }
    }

    /// Through so many nodes more.
    pub(super) fn through(self, nodes: usize) -> Self {
        Self { nodes: self.nodes + nodes, ..self }
    }
}

/// Nodes that a function of one code goes through at most: planning stays linear.
pub(super) const LONGEST: usize = 64;

/// Functions of one code, perhaps other ones at each index of a dimension.
impl Roles<'_> {
    /// The codes that a value is a function of.
    pub(super) fn root(&self, id: ValueId) -> Option<Origin> {
        match self.role(id) {
            Role::Codes => Some(self.slots[&id].origin),
            Role::Reals(view) => {
                Some(self.slots[&view.slot].origin.through(usize::from(view.slot != id)))
            }
            Role::Function(origin) => Some(origin),
            Role::Plain | Role::Fixed => None,
        }
    }

    /// The code that an elementwise operator makes a function of: all inputs are functions of one and the same, numbers
    /// for all elements, or constants along one line.
    pub(super) fn function(&self, node: &Node) -> Option<Origin> {
        let (mut slot, mut nodes, mut line) = (None, 1, None);
        for &id in node.inputs.iter().flatten().filter(|&&id| !self.is_number(id)) {
            let along = match self.line(node, id) {
                Some(line) => Some(line),
                None => {
                    let origin =
                        self.root(id).filter(|o| slot.is_none_or(|slot| slot == o.slot))?;
                    (slot, nodes) = (Some(origin.slot), nodes + origin.nodes);
                    origin.line
                }
            };
            line = Line::joined(line, along)?;
        }
        let origin = Origin { slot: slot?, nodes, line };
        let small = line.is_none() || !self.slots[&origin.slot].storage.wide;
        (small && nodes <= LONGEST).then_some(origin)
    }

    /// The line of a constant among the inputs of a node; none where the sum of two coded tensors has a form of its own.
    fn line(&self, node: &Node, id: ValueId) -> Option<Line> {
        let constant = self.plan.constants.known(id)?;
        if is_affine(node) {
            return Line::of_channels(constant);
        }
        // Before opset 7 constants are laid along other dimensions.
        let line = Line::of(constant).filter(|_| node.op.opset >= 7)?;
        let coded = || node.inputs.iter().all(|id| id.is_some_and(|id| self.view(id).is_some()));
        let own = BINARY.contains(&node.op.op_type.as_str()) && coded();
        (!own).then_some(line)
    }

    /// Whether a value is one known number.
    fn is_number(&self, id: ValueId) -> bool {
        self.plan.constants.known(id).is_some_and(|tensor| tensor.len() == 1)
    }

    /// Every code of a slot as the value of its name, `[count]`: the argument of a function of one code. With a line,
    /// every code for each of its indices, and `rank` dimensions at least.
    pub(super) fn all_codes(slot: &Slot, line: Option<Line>, rank: usize) -> Option<Tensor> {
        let storage = slot.storage;
        let times = line.map_or(1, |line| line.length);
        let stored = (0..storage.count()).flat_map(|i| std::iter::repeat_n(storage.nth(i), times));
        let shape = match line {
            Some(line) => line.argument(storage.count(), rank),
            None => vec![storage.count()],
        };
        match slot.grid {
            Some(grid) => Tensor::new(&shape, stored.map(|code| grid.real(code)).collect()).ok(),
            None => tensor_of(storage, &shape, stored.map(|code| code - storage.offset)),
        }
    }
}
