use vairun_graph::ValueId;

use super::roles::{Role, Roles, Source};

/// A node that moves the elements of its first input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Moving {
    pub(super) node: usize,
    /// What it makes.
    pub(super) output: ValueId,
    /// Whether a quantizer that keeps all codes, and a dequantizer, stand before it and behind the move before.
    pub(super) requantized: bool,
}

/// Moves that are one after the other at most.
const LONGEST: usize = 16;

/// What stands in front of a move and does nothing but move.
struct Before {
    from: ValueId,
    moves: Vec<Moving>,
    nodes: Vec<usize>,
    requantized: bool,
}

impl Roles<'_> {
    /// Node `i` moves the codes in `x`, or their numbers. Moves that nobody else looks at in between are one.
    pub(super) fn moved(&mut self, i: usize, x: ValueId) {
        if self.slot_of(x).is_none() {
            return;
        }
        let before = self.moves_before(x).filter(|_| self.is_known(i));
        let Before { from, moves, nodes, requantized } =
            before.unwrap_or(Before { from: x, moves: vec![], nodes: vec![], requantized: false });
        let (node, _) = self.node(i);
        for y in node.writes() {
            let moving = Moving { node: i, output: y, requantized };
            let moves = [&moves[..], &[moving]].concat();
            self.carry(x, y, Source::Move { from, moves }, [&nodes[..], &[i]].concat());
        }
    }

    /// The moves that make `x`, of which, and of what is in between, nobody else reads anything.
    fn moves_before(&self, x: ValueId) -> Option<Before> {
        let (mut at, mut between, mut requantized) = (x, vec![], false);
        while self.uses[at.index()] == 1 {
            let slot = self.slot_of(at)?;
            let producer = self.producer[at.index()]?;
            match &self.slots[&slot].source {
                // A dequantizer has made numbers of the codes.
                _ if slot != at => at = slot,
                Source::Same { .. } => {
                    at = (*self.node(producer).0.inputs.first()?)?;
                    requantized = true;
                }
                Source::Move { from, moves } => {
                    let known = moves.iter().all(|moving| self.is_known(moving.node));
                    let nodes = [&self.slots[&slot].nodes[..], &between].concat();
                    let before = Before { from: *from, moves: moves.clone(), nodes, requantized };
                    return (known && moves.len() < LONGEST).then_some(before);
                }
                _ => return None,
            }
            between.insert(0, producer);
        }
        None
    }

    /// Whether a move is the same in every run, and puts nothing between what it moves.
    fn is_known(&self, i: usize) -> bool {
        let (node, _) = self.node(i);
        let fixed = |&id: &ValueId| self.role(id) == Role::Fixed;
        !node.op.is_onnx("Pad") && node.inputs.iter().skip(1).flatten().all(fixed)
    }
}
