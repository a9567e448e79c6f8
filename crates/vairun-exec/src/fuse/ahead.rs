use std::sync::Arc;

use vairun_graph::{Attribute, Graph, Node, ValueId};
use vairun_ops::Quantizer;
use vairun_tensor::DType;

use super::kinds::{is_move, keeps_all};
use super::roles::{Role, Roles, Source};
use crate::plan::{Plan, Step};

/// A plan in which quantizers stand in front of the movement of numbers that they follow in the graph.
///
/// A quantizer with one grid makes of each number what it makes of it anywhere else: `Q(move(x)) = move(Q(x))`. And it
/// keeps their order: `Q(max(x)) = max(Q(x))`. What is in front of the movement may then end in codes, and codes move
/// faster. The nodes change places and exchange what they read and make; nothing else is a new value.
pub(super) struct Ahead {
    pub(super) plan: Plan,
    /// The codes that each of these quantizers makes; below which magnitude numbers must stay where the largest code is
    /// taken for that of the largest number.
    pub(super) ordered: Vec<(ValueId, Option<f32>)>,
}

/// A quantizer, and nodes in front of it that commute with it.
struct Chain {
    /// The numbers in front of all of them.
    x: ValueId,
    /// In order, the quantizer last.
    nodes: Vec<usize>,
    ordered: Option<f32>,
}

impl Ahead {
    /// Of a graph with these roles; `None` where no quantizer has anything to gain.
    pub(super) fn of(roles: &Roles) -> Option<Self> {
        let quantizers =
            roles.slots.values().filter_map(|slot| match (&slot.source, &slot.nodes[..]) {
                (Source::Quantize { x, quantizer }, &[node]) => Some((node, *x, *quantizer)),
                _ => None,
            });
        let chains: Vec<_> = quantizers.filter_map(|found| Chain::of(roles, found)).collect();
        if chains.is_empty() {
            return None;
        }
        let mut graph: Graph = (*roles.plan.graph).clone();
        let mut steps = roles.plan.steps.clone();
        let put = |chain: &Chain| chain.put(&mut graph, &mut steps);
        let ordered = chains.iter().map(put).collect::<Option<_>>()?;
        Some(Self { plan: roles.plan.rewired(graph, steps), ordered })
    }
}

impl Chain {
    /// In front of quantizer `last` of `x`.
    fn of(roles: &Roles, (last, x, quantizer): (usize, ValueId, Quantizer)) -> Option<Self> {
        let mut chain = Self { x, nodes: vec![last], ordered: None };
        while let Some((before, node)) = moved(roles, chain.x, &quantizer) {
            chain.x = before;
            chain.nodes.insert(0, node);
        }
        let codes = match roles.role(chain.x) {
            Role::Function(_) => true,
            Role::Plain => {
                let (source, ..) = roles.source(last, chain.x, quantizer);
                !matches!(source, Source::Quantize { .. })
            }
            _ => return None,
        };
        if !codes {
            // Nobody gains but the movement itself, as long as no number is quantized in vain.
            let (_, moves) = chain.nodes.split_last()?;
            let keeps = |i: &&usize| keeps_all(roles.node(**i).0);
            let from = moves.len() - moves.iter().rev().take_while(keeps).count();
            chain.nodes.drain(..from);
            chain.x = (*roles.node(chain.nodes[0]).0.inputs.first()?)?;
        }
        let pools = |&i: &usize| roles.node(i).0.op.is_onnx("MaxPool");
        chain.ordered = chain.nodes.iter().any(pools).then_some(quantizer.below);
        (chain.nodes.len() > 1).then_some(chain)
    }

    /// Puts the quantizer first, into the places of the chain: the codes that it makes now.
    fn put(&self, graph: &mut Graph, steps: &mut [Arc<Step>]) -> Option<(ValueId, Option<f32>)> {
        let output = |graph: &Graph, i: usize| graph.nodes[i].outputs.first().copied().flatten();
        let made: Option<Vec<_>> = self.nodes.iter().map(|&i| output(graph, i)).collect();
        let made = made?;
        for pair in self.nodes.windows(2).rev() {
            graph.nodes.swap(pair[0], pair[1]);
            steps.swap(pair[0], pair[1]);
        }
        let mut read = self.x;
        for (&i, &made) in self.nodes.iter().zip(&made) {
            let node: &mut Node = &mut graph.nodes[i];
            *node.inputs.first_mut()? = Some(read);
            *node.outputs.first_mut()? = Some(made);
            read = made;
        }
        Some((*made.first()?, self.ordered))
    }
}

/// The node that makes `x` for a quantizer alone and commutes with it, and what it moves.
fn moved(roles: &Roles, x: ValueId, quantizer: &Quantizer) -> Option<(ValueId, usize)> {
    if roles.uses[x.index()] != 1 || roles.role(x) != Role::Plain {
        return None;
    }
    let i = roles.producer[x.index()]?;
    let (node, step) = roles.node(i);
    let before = (*node.inputs.first()?)?;
    let commutes = (is_move(node, step) && !node.op.is_onnx("Pad"))
        || (step.standard && node.op.is_onnx("MaxPool") && keeps_order(quantizer) && fills(node));
    let moves = node.outputs.len() == 1 && node.inputs.iter().skip(1).all(|&id| id != Some(before));
    (commutes && moves).then_some((before, i))
}

/// Whether a larger number never has a smaller code, and a pool of codes is one that the operator computes too.
fn keeps_order(quantizer: &Quantizer) -> bool {
    let whole = match quantizer.dtype {
        DType::U8 => (0, 255) == (quantizer.low, quantizer.high),
        DType::I8 => (-128, 127) == (quantizer.low, quantizer.high),
        dtype => dtype == DType::F32,
    };
    whole && quantizer.scale > 0.0 && quantizer.scale.is_normal()
}

/// Whether each window of a pool is known to see an element of its input: what another one gives is no code.
fn fills(node: &Node) -> bool {
    let ints = |name: &str| match node.attributes.get(name) {
        Some(Attribute::Ints(ints)) => Some(ints.as_slice()),
        _ => None,
    };
    let kernel = ints("kernel_shape").unwrap_or_default();
    let pads = ints("pads").unwrap_or_default();
    let narrow = pads.iter().zip(kernel.iter().cycle()).all(|(pad, kernel)| pad < kernel);
    let dense = ints("dilations").is_none_or(|dilations| dilations.iter().all(|&d| d == 1));
    let floor = match node.attributes.get("ceil_mode") {
        None | Some(Attribute::Int(0)) => true,
        Some(_) => false,
    };
    !kernel.is_empty() && narrow && dense && floor
}
