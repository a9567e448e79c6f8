use vairun_graph::ValueId;
use vairun_numeric::kernel::{Grid, Operation};
use vairun_ops::{CodeRule, CodedInput, Dequantizer, Inputs, OnCodes, Operator, Quantizer};
use vairun_tensor::DType;

use super::functions::{LONGEST, Origin};
use super::kinds::is_elementwise;
use super::roles::{Averaging, Role, Roles, Slot, Source, View};
use super::storage::Storage;
use crate::plan::Kernel;

/// A source, what it is a function of, the same one everywhere, and its nodes.
type Made = (Source, Option<Origin>, Vec<usize>);

/// How the codes of a slot are made best: found from its quantizer backwards, or told by an operator on codes.
impl Roles<'_> {
    pub(super) fn quantizer(
        &mut self,
        i: usize,
        x: ValueId,
        quantizer: Quantizer,
        operator: &dyn Operator,
    ) {
        let (node, _) = self.node(i);
        let Some(&Some(y)) = node.outputs.first() else { return };
        let Some(storage) = Storage::of(&quantizer) else { return };
        if self.role(x) == Role::Fixed {
            return;
        }
        // One that gives the numbers back at once.
        let dequantizer = operator.dequantizer(&self.plan.parameters(node));
        let grid = dequantizer.map(|dequantizer| storage.grid(dequantizer));
        let Some(grid) = grid.map_or(Some(None), |grid| grid.map(Some)) else { return };
        let (source, origin, nodes) = self.source(i, x, quantizer);
        let slot = Slot::new(y, (storage, grid), source, nodes);
        let origin = origin.unwrap_or(slot.origin);
        self.slots.insert(y, Slot { origin, ..slot });
        self.roles[y.index()] = match grid {
            Some(grid) => Role::Reals(View { slot: y, grid }),
            None => Role::Codes,
        };
    }

    /// How the codes of quantizer `i` of `x` are made best, what slot they are a function of, and by which nodes.
    pub(super) fn source(&self, i: usize, x: ValueId, quantizer: Quantizer) -> Made {
        if let Some(from) = self.same(x, &quantizer) {
            let origin = self.slots[&from].origin;
            let further = origin.nodes < LONGEST && origin.line.is_none();
            return (
                Source::Same { from },
                further.then(|| origin.through(2)),
                self.region(from, i),
            );
        }
        if let Some(origin) = self.root(x).filter(|origin| origin.nodes < LONGEST) {
            let Origin { slot: root, line, .. } = origin;
            let all = Some(origin.through(1)).filter(|_| line.is_none());
            return (Source::Table { root, line }, all, self.region(root, i));
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

    /// The slot whose numbers `x` holds, where the quantizer gives back its codes, each of them.
    fn same(&self, x: ValueId, quantizer: &Quantizer) -> Option<ValueId> {
        let View { slot, grid } = match self.role(x) {
            Role::Reals(view) => view,
            _ => return None,
        };
        let storage = self.slots[&slot].storage;
        let narrow = storage.narrow(quantizer)?;
        let alike = Storage::of(quantizer) == Some(storage) && quantizer.scale == grid.scale;
        (alike && storage.keeps(grid, narrow)).then_some(slot)
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
            if let (true, &[Some(a), Some(b)]) = (node.op.is_onnx("MatMul"), &node.inputs[..])
                && let (Some(a), Some(b)) = (self.view(a), self.view(b))
            {
                return Some(Source::Pair { sides: [a, b], scale: None, quantizer });
            }
            let (x, others) = node.inputs.split_first()?;
            let fixed = others.iter().flatten().all(|&id| self.role(id) == Role::Fixed);
            let x = self.view((*x)?).filter(|_| fixed)?;
            return Some(Source::Product { x, contraction: i, quantizer });
        }
        if !step.standard || !node.op.domain.is_empty() || node.outputs.len() != 1 {
            return None;
        }
        let views = || node.inputs.iter().map(|&id| self.view(id?)).collect::<Option<Vec<_>>>();
        let binary = |operation| {
            let sides = views()?.try_into().ok()?;
            Some(Source::Binary { sides, operation, quantizer })
        };
        match node.op.op_type.as_str() {
            "Add" => binary(Operation::Add),
            "Sub" => binary(Operation::Subtract),
            "Mul" => binary(Operation::Multiply),
            "Concat" => Some(Source::Concat { parts: views()?, node: i, results: None }),
            "GlobalAveragePool" | "AveragePool" => {
                let x = *views()?.first()?;
                Some(Source::Mean { x, node: i, averaging: Averaging::Numbers, quantizer })
            }
            "ReduceMean" => {
                let (x, axes) = node.inputs.split_first()?;
                let fixed = axes.iter().flatten().all(|&id| self.role(id) == Role::Fixed);
                let x = self.view((*x)?).filter(|_| fixed)?;
                Some(Source::Mean { x, node: i, averaging: Averaging::Exact, quantizer })
            }
            "Resize" => {
                let x = (*node.inputs.first()?).filter(|_| self.knows_others(node))?;
                let x = self.view(x)?;
                Some(Source::Resize { x, node: i, quantizer })
            }
            _ => None,
        }
    }

    /// The slot of an operator that makes codes of codes.
    pub(super) fn on_codes(&mut self, i: usize, operator: &dyn Operator) {
        let (node, _) = self.node(i);
        let Some(&Some(y)) = node.outputs.first() else { return };
        let known = |id: &Option<ValueId>| Some(self.plan.constants.known((*id)?)?.clone().into());
        let parameters = Inputs::new(node.inputs.iter().map(known).collect());
        let Some(OnCodes { mut parts, quantizer, mut rule }) = operator.on_codes(&parameters)
        else {
            return;
        };
        let fixed = |at: usize| {
            let id = node.inputs.get(at).copied().flatten();
            id.is_some_and(|id| self.role(id) == Role::Fixed)
        };
        let late = match &mut rule {
            CodeRule::Product { pair: Some((b, _)), .. } if !fixed(b.index) => {
                parts.push(*b);
                &[]
            }
            CodeRule::Product { late, pair } => {
                *pair = None;
                *late
            }
            _ => &[],
        };
        // What is left out and what is not known look the same to the operator.
        let told = |(at, id): (usize, &Option<ValueId>)| {
            let Some(id) = *id else { return true };
            let read = parts.iter().any(|part| part.index == at);
            let late = late.contains(&at) && self.role(id) == Role::Fixed;
            read || late || self.plan.constants.known(id).is_some()
        };
        if !node.inputs.iter().enumerate().all(told) {
            return;
        }
        let views = parts.iter().map(|part| self.coded_input(i, part)).collect::<Option<Vec<_>>>();
        let (Some(views), Some(storage)) = (views, Storage::of(&quantizer)) else { return };
        let Some((source, origin, nodes)) = self.source_on_codes(i, views, quantizer, rule) else {
            return;
        };
        let slot = Slot::new(y, (storage, None), source, nodes);
        let origin = origin.unwrap_or(slot.origin);
        self.slots.insert(y, Slot { origin, ..slot });
        self.roles[y.index()] = Role::Codes;
    }

    /// The slot of an input of codes, and what they mean to the operator.
    fn coded_input(&mut self, i: usize, part: &CodedInput) -> Option<View> {
        let id = (*self.node(i).0.inputs.get(part.index)?)?;
        match self.role(id) {
            Role::Plain | Role::Fixed => self.given(id),
            _ => {}
        }
        let codes = matches!(self.role(id), Role::Codes | Role::Fixed);
        let slot = self.slots.get(&id).filter(|slot| codes && slot.grid.is_none())?;
        let grid = slot.storage.grid(part.grid).filter(|_| slot.storage.dtype == part.dtype)?;
        Some(View { slot: id, grid })
    }

    fn source_on_codes(
        &self,
        i: usize,
        views: Vec<View>,
        quantizer: Quantizer,
        rule: CodeRule,
    ) -> Option<Made> {
        let x = *views.first()?;
        let source = match rule {
            CodeRule::Each => {
                return Some(match self.slots[&x.slot].origin {
                    origin if origin.nodes < LONGEST => {
                        let source = Source::Table { root: origin.slot, line: None };
                        (source, Some(origin.through(1)), self.region(origin.slot, i))
                    }
                    _ => (Source::Table { root: x.slot, line: None }, None, vec![i]),
                });
            }
            CodeRule::Product { pair: Some((_, scale)), .. } => {
                let sides = views.try_into().ok()?;
                Source::Pair { sides, scale: Some(scale), quantizer }
            }
            CodeRule::Product { .. } => Source::Product { x, contraction: i, quantizer },
            CodeRule::Binary(operation) => {
                Source::Binary { sides: views.try_into().ok()?, operation, quantizer }
            }
            CodeRule::Concat { results, .. } => {
                Source::Concat { parts: views, node: i, results: Some(results) }
            }
            CodeRule::Average(y) => {
                Source::Mean { x, node: i, averaging: Averaging::Steps(y), quantizer }
            }
            CodeRule::GlobalAverage { scale } => {
                Source::Mean { x, node: i, averaging: Averaging::Codes { scale }, quantizer }
            }
        };
        Some((source, None, vec![i]))
    }

    /// Makes a known tensor of dequantized numbers a slot, so that it may be a side of a sum or product.
    pub(super) fn given_numbers(&mut self, id: ValueId) {
        let Some(tensor) = self.plan.constants.known(id).filter(|tensor| tensor.len() > 1) else {
            return;
        };
        let Some(origin) = tensor.dequantized().filter(|origin| origin.axis.is_none()) else {
            return;
        };
        let (scale, zero) = (origin.scale.as_scalar::<f32>(), origin.zero_point.as_scalar::<i32>());
        let storage = tensor.codes().and_then(|codes| whole(codes.dtype()));
        if let (Some(storage), Some(&scale), Some(&zero_point)) = (storage, scale, zero)
            && let Some(grid) = storage.grid(Dequantizer { scale, zero_point })
        {
            self.constant(id, storage, Some(grid));
        }
    }

    fn constant(&mut self, id: ValueId, storage: Storage, grid: Option<Grid>) {
        self.slots.insert(id, Slot::new(id, (storage, grid), Source::Given, Vec::new()));
    }

    /// Makes a plain value of codes a slot: one that the caller gives, or the single result of a node.
    pub(super) fn given(&mut self, id: ValueId) {
        let Some(dtype) = self.plan.constants.dtype(id) else { return };
        let Some(storage) = whole(dtype) else { return };
        if self.role(id) == Role::Fixed {
            // The role stays: whoever reads the tensor has it.
            if self.plan.constants.known(id).is_some_and(|tensor| tensor.dtype() == dtype) {
                self.constant(id, storage, None);
            }
            return;
        }
        let nodes: Vec<usize> = self.producer[id.index()].into_iter().collect();
        let single = |&i: &usize| {
            let (node, step) = self.node(i);
            let each = matches!(step.kernel, Kernel::Each(_)) && step.bodies.is_empty();
            each && node.outputs.len() == 1
        };
        if !nodes.iter().all(single) {
            return;
        }
        self.slots.insert(id, Slot::new(id, (storage, None), Source::Given, nodes));
        self.roles[id.index()] = Role::Codes;
    }
}

/// For all codes of a type.
fn whole(dtype: DType) -> Option<Storage> {
    let (low, high) = match dtype {
        DType::U8 => (0, 255),
        DType::I8 => (-128, 127),
        DType::U16 => (0, 65535),
        DType::I16 => (-32768, 32767),
        _ => return None,
    };
    Storage::new(low, high, dtype)
}
