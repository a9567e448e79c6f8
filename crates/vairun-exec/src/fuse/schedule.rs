use std::collections::{BTreeMap, HashMap};

use vairun_graph::ValueId;

use super::roles::{Role, Roles, Source};
use super::scaled::Scaled;
use crate::plan::{Kernel, Plan};

/// One step of a fused run.
#[derive(Clone, Debug)]
pub(super) enum Act {
    /// A node of the plain plan.
    Node(usize),
    /// An integer product and what makes its sums numbers, ended by this node.
    Scaled(usize),
    /// The codes of a slot.
    Fill(ValueId),
    /// A value of the graph from the slot that it is codes, numbers or a function of.
    Give(ValueId),
}

/// A step and what nobody reads after it.
#[derive(Clone, Debug)]
pub(super) struct Scheduled {
    pub(super) act: Act,
    pub(super) drop_values: Vec<ValueId>,
    pub(super) drop_slots: Vec<ValueId>,
}

/// What somebody needs.
#[derive(Clone, Copy)]
enum Need {
    /// A value of the graph, before this node.
    Value(ValueId, usize),
    Slot(ValueId),
}

/// The steps that the outputs of the graph need, in order.
pub(super) fn schedule(
    plan: &Plan,
    roles: &Roles,
    scaled: &HashMap<usize, Scaled>,
) -> Vec<Scheduled> {
    let mut needs = Needs {
        plan,
        roles,
        scaled,
        acts: BTreeMap::new(),
        given: BTreeMap::new(),
        open: Vec::new(),
    };
    let end = plan.graph.nodes.len();
    plan.graph.outputs.iter().for_each(|&id| needs.open.push(Need::Value(id, end)));
    while let Some(need) = needs.open.pop() {
        match need {
            Need::Value(id, before) => needs.value(id, before),
            Need::Slot(id) => needs.slot(id),
        }
    }
    let given: Vec<_> =
        needs.given.iter().map(|(&id, &before)| ((before, 1, id), Act::Give(id))).collect();
    needs.acts.extend(given);
    let mut steps: Vec<_> = needs
        .acts
        .into_values()
        .map(|act| Scheduled { act, drop_values: Vec::new(), drop_slots: Vec::new() })
        .collect();
    plan_drops(plan, roles, scaled, &mut steps);
    steps
}

struct Needs<'a> {
    plan: &'a Plan,
    roles: &'a Roles<'a>,
    scaled: &'a HashMap<usize, Scaled>,
    /// By node, then what the caller gives as codes, what is given to nodes, and what runs, then by value.
    acts: BTreeMap<(usize, u8, ValueId), Act>,
    /// Values that are given, each before the first node that reads it.
    given: BTreeMap<ValueId, usize>,
    open: Vec<Need>,
}

impl Needs<'_> {
    fn value(&mut self, id: ValueId, before: usize) {
        match self.roles.role(id) {
            Role::Plain | Role::Fixed => self.node_of(id),
            role => {
                let first =
                    *self.given.entry(id).and_modify(|at| *at = before.min(*at)).or_insert(before);
                if first == before {
                    let slot = match role {
                        Role::Reals(view) => view.slot,
                        Role::Function(origin) => origin.slot,
                        _ => id,
                    };
                    self.open.push(Need::Slot(slot));
                }
            }
        }
    }

    fn node_of(&mut self, id: ValueId) {
        let Some(i) = self.roles.producer[id.index()] else { return };
        if matches!(self.plan.steps[i].kernel, Kernel::Known) {
            return;
        }
        // All nodes of a key differ: it is that of the node.
        let nodes = &self.plan.graph.nodes;
        let (act, reads): (_, Vec<_>) = match self.scaled.get(&i) {
            Some(scaled) => (Act::Scaled(i), scaled.reads(nodes).collect()),
            None => (Act::Node(i), nodes[i].reads().collect()),
        };
        if self.acts.insert((i, 2, ValueId(u32::MAX)), act).is_none() {
            self.open.extend(reads.into_iter().map(|id| Need::Value(id, i)));
        }
    }

    fn slot(&mut self, id: ValueId) {
        let slot = &self.roles.slots[&id];
        // Codes of the caller are there before the first node.
        let (last, rank) = slot.nodes.last().map_or((0, 0), |&last| (last, 2));
        if self.acts.insert((last, rank, id), Act::Fill(id)).is_some() {
            return;
        }
        self.open.extend(reads(self.roles, self.plan, id).map(|read| match read {
            Read::Value(value) => Need::Value(value, last),
            Read::Slot(slot) => Need::Slot(slot),
        }));
    }
}

/// What filling a slot reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Read {
    Value(ValueId),
    Slot(ValueId),
}

/// What filling slot `id` reads, constants excepted.
fn reads<'a>(roles: &'a Roles, plan: &'a Plan, id: ValueId) -> Box<dyn Iterator<Item = Read> + 'a> {
    let slot_of = |id: ValueId| Read::Slot(roles.slot_of(id).expect("a value in a slot"));
    match &roles.slots[&id].source {
        Source::Quantize { x, .. } => Box::new(std::iter::once(Read::Value(*x))),
        Source::Given if plan.constants.known(id).is_some() => Box::new(std::iter::empty()),
        Source::Given if roles.slots[&id].nodes.is_empty() => {
            Box::new(std::iter::once(Read::Value(id)))
        }
        Source::Given => {
            let leaves = plan.leaves(&roles.slots[&id].nodes).into_iter();
            Box::new(leaves.map(|leaf| match roles.role(leaf) {
                Role::Plain | Role::Fixed => Read::Value(leaf),
                Role::Codes => Read::Slot(leaf),
                Role::Reals(view) => Read::Slot(view.slot),
                Role::Function(origin) => Read::Slot(origin.slot),
            }))
        }
        Source::Table { root, .. } => Box::new(std::iter::once(Read::Slot(*root))),
        Source::Product { x, .. } | Source::Mean { x, .. } | Source::Resize { x, .. } => {
            Box::new(std::iter::once(Read::Slot(x.slot)))
        }
        Source::Binary { sides, .. } | Source::Pair { sides, .. } => {
            Box::new(sides.iter().map(|view| Read::Slot(view.slot)))
        }
        Source::Concat { parts, .. } => Box::new(parts.iter().map(|view| Read::Slot(view.slot))),
        Source::MaxPool { from, .. } | Source::Interpolate { from, .. } => {
            Box::new(std::iter::once(slot_of(*from)))
        }
        Source::Same { from } => Box::new(std::iter::once(Read::Slot(*from))),
        Source::Move { from, moves } => {
            let inputs = moves.iter().map(|moving| &plan.graph.nodes[moving.node].inputs);
            let others = inputs.flat_map(|inputs| inputs.iter().skip(1).flatten());
            let moving = others.filter(|&&id| roles.role(id) != Role::Fixed);
            Box::new(std::iter::once(slot_of(*from)).chain(moving.map(|&id| Read::Value(id))))
        }
    }
}

fn plan_drops(
    plan: &Plan,
    roles: &Roles,
    scaled: &HashMap<usize, Scaled>,
    steps: &mut [Scheduled],
) {
    let mut last_value: BTreeMap<ValueId, usize> = BTreeMap::new();
    let mut last_slot: BTreeMap<ValueId, usize> = BTreeMap::new();
    for (at, step) in steps.iter().enumerate() {
        match step.act {
            Act::Node(i) => {
                let node = &plan.graph.nodes[i];
                node.reads().chain(node.writes()).for_each(|id| {
                    last_value.insert(id, at);
                });
            }
            Act::Scaled(i) => {
                let scaled = &scaled[&i];
                let reads = scaled.reads(&plan.graph.nodes);
                reads.chain([scaled.value()]).for_each(|id| {
                    last_value.insert(id, at);
                });
            }
            Act::Fill(id) => {
                last_slot.insert(id, at);
                for read in reads(roles, plan, id) {
                    match read {
                        Read::Value(id) => last_value.insert(id, at),
                        Read::Slot(id) => last_slot.insert(id, at),
                    };
                }
            }
            Act::Give(id) => {
                last_value.insert(id, at);
                let slot = match roles.role(id) {
                    Role::Reals(view) => view.slot,
                    Role::Function(origin) => origin.slot,
                    _ => id,
                };
                last_slot.insert(slot, at);
            }
        }
    }
    plan.graph.outputs.iter().for_each(|id| {
        last_value.remove(id);
    });
    last_value.into_iter().for_each(|(id, at)| steps[at].drop_values.push(id));
    last_slot.into_iter().for_each(|(id, at)| steps[at].drop_slots.push(id));
}
