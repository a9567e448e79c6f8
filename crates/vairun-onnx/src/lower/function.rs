//! Local functions (`ModelProto.functions`), inlined where they are called.

use std::collections::HashMap;

use prost::Message;
use vairun_graph::{Attributes, Node, OpId, ValueId};

use super::attributes::Bindings;
use super::scope::FrameId;
use super::{Lowering, Opsets, Place, same_domain};
use crate::error::Fault;
use crate::proto::{FunctionProto, NodeProto, OperatorSetIdProto};

/// Nodes and bytes of function bodies that calls may make of one file: calls of calls grow exponentially.
const MAX_NODES: usize = 1 << 18;
const MAX_BYTES: usize = 128 << 20;

/// The local functions of a model.
#[derive(Default)]
pub(crate) struct Functions<'p> {
    by_id: HashMap<(&'p str, &'p str, &'p str), &'p FunctionProto>,
    /// Those that are being inlined.
    active: Vec<*const FunctionProto>,
    nodes: usize,
    bytes: usize,
}

impl<'p> Functions<'p> {
    /// Those of a file, and the ids that are given twice.
    pub(super) fn new(functions: &'p [FunctionProto]) -> (Self, Vec<String>) {
        let mut found = Self::default();
        let mut twice = Vec::new();
        for function in functions {
            if found
                .by_id
                .insert(id(&function.domain, &function.name, &function.overload), function)
                .is_some()
            {
                twice.push(title(function));
            }
        }
        (found, twice)
    }

    pub(super) fn of(&self, node: &'p NodeProto) -> Option<&'p FunctionProto> {
        self.by_id.get(&id(&node.domain, &node.op_type, &node.overload)).copied()
    }

    fn enter(&mut self, function: &'p FunctionProto) -> Result<(), Fault> {
        if self.active.contains(&std::ptr::from_ref(function)) {
            return Err(Fault::malformed(format!("function `{}` calls itself", title(function))));
        }
        self.nodes = self.nodes.saturating_add(function.node.len());
        self.bytes = self.bytes.saturating_add(function.encoded_len());
        if self.nodes > MAX_NODES || self.bytes > MAX_BYTES {
            return Err(Fault::unsupported(format!(
                "local functions that make more than {MAX_NODES} nodes or {MAX_BYTES} bytes"
            )));
        }
        self.active.push(function);
        Ok(())
    }
}

fn id<'a>(
    domain: &'a Option<String>,
    name: &'a Option<String>,
    overload: &'a Option<String>,
) -> (&'a str, &'a str, &'a str) {
    let text = |text: &'a Option<String>| text.as_deref().unwrap_or_default();
    (same_domain(text(domain)), text(name), text(overload))
}

fn title(function: &FunctionProto) -> String {
    let (domain, name, overload) = id(&function.domain, &function.name, &function.overload);
    let overload = if overload.is_empty() { String::new() } else { format!(":{overload}") };
    format!("{domain}::{name}{overload}")
}

impl<'p> Lowering<'p> {
    /// Puts the nodes of `function` in the place of the call.
    pub(super) fn inline(
        &mut self,
        function: &'p FunctionProto,
        call: &'p NodeProto,
        name: &str,
        place: &Place<'_, 'p>,
        path: &dyn Fn() -> String,
    ) {
        if let Err(fault) = self.functions.enter(function) {
            // What the call would have made is left without a producer: said once is enough.
            self.problems.add(path(), fault);
            return;
        }
        let bindings = self.bindings(function, call, place, path);
        let frame = self.scopes.push_frame(None);
        self.bind_inputs(function, call, place, frame, path);
        let copies = self.bind_outputs(function, call, place, frame, path);
        let opsets = place.opsets.with(&function.opset_import);
        let inner = Place {
            frame,
            opsets: &opsets,
            bindings: Some(&bindings),
            prefix: &format!("{name}/"),
            path: &format!("{} (function `{}`)", path(), title(function)),
            depth: place.depth + 1,
        };
        self.declare_results(&function.node, &inner);
        self.nodes(&function.node, &inner);
        for (formal, actual) in copies {
            self.copy(formal, actual, &inner);
        }
        self.hints(&function.value_info, frame);
        self.scopes.pop_frame();
        self.functions.active.pop();
    }

    fn bindings(
        &mut self,
        function: &'p FunctionProto,
        call: &'p NodeProto,
        place: &Place<'_, 'p>,
        path: &dyn Fn() -> String,
    ) -> Bindings<'p> {
        let given = self.attributes(call, place, path);
        let mut bindings = Bindings { depth: self.scopes.depth(), ..Bindings::default() };
        for default in &function.attribute_proto {
            match self.attribute(default, place, path) {
                Ok(Some(value)) => {
                    bindings.by_name.insert(default.name.as_deref().unwrap_or_default(), value);
                }
                Ok(None) => {}
                Err(fault) => self.problems.add(path(), fault.within("attribute_proto")),
            }
        }
        for (name, value) in given {
            let defaults = function.attribute_proto.iter().filter_map(|proto| proto.name.as_ref());
            match function.attribute.iter().chain(defaults).find(|declared| **declared == name) {
                Some(declared) => {
                    bindings.by_name.insert(declared, value);
                }
                None => self.problems.add(
                    path(),
                    Fault::malformed(format!(
                        "attribute `{name}`, which function `{}` does not have",
                        title(function)
                    )),
                ),
            }
        }
        bindings
    }

    fn bind_inputs(
        &mut self,
        function: &'p FunctionProto,
        call: &'p NodeProto,
        place: &Place<'_, 'p>,
        frame: FrameId,
        path: &dyn Fn() -> String,
    ) {
        self.expect_at_most(function, "inputs", call.input.len(), function.input.len(), path);
        for (i, formal) in function.input.iter().enumerate() {
            let actual = call.input.get(i).filter(|name| !name.is_empty());
            let id = actual.and_then(|name| self.scopes.lookup(place.frame, name));
            self.scopes.bind(frame, formal, id);
        }
    }

    /// Lets the function's nodes write the call's outputs; returns those that need a copy, because an output of the
    /// function is an input of it, or stands in its list twice.
    fn bind_outputs(
        &mut self,
        function: &'p FunctionProto,
        call: &'p NodeProto,
        place: &Place<'_, 'p>,
        frame: FrameId,
        path: &dyn Fn() -> String,
    ) -> Vec<(&'p str, ValueId)> {
        self.expect_at_most(function, "outputs", call.output.len(), function.output.len(), path);
        let mut copies = Vec::new();
        for (formal, actual) in function.output.iter().zip(&call.output) {
            let Some(id) = self.scopes.own(place.frame, actual).flatten() else { continue };
            match self.scopes.own(frame, formal) {
                Some(_) => copies.push((formal.as_str(), id)),
                None => self.scopes.bind(frame, formal, Some(id)),
            }
        }
        copies
    }

    fn expect_at_most(
        &mut self,
        function: &FunctionProto,
        what: &str,
        got: usize,
        most: usize,
        path: &dyn Fn() -> String,
    ) {
        if got > most {
            let title = title(function);
            let fault = Fault::malformed(format!("{got} {what}, function `{title}` has {most}"));
            self.problems.add(path(), fault);
        }
    }

    fn copy(&mut self, formal: &'p str, actual: ValueId, place: &Place<'_, 'p>) {
        let Some(source) = self.scopes.lookup(place.frame, formal) else { return };
        let graph = self.scopes.graph();
        let node = Node {
            name: graph.name_of(actual).to_owned(),
            op: OpId::new("", "Identity", place.opsets.get("").unwrap_or(1)),
            inputs: vec![Some(source)],
            outputs: vec![Some(actual)],
            attributes: Attributes::new(),
        };
        graph.nodes.push(node);
    }
}

impl<'p> Opsets<'p> {
    /// These versions where `imports` says nothing, else those.
    fn with(&self, imports: &'p [OperatorSetIdProto]) -> Self {
        let mut merged = self.clone();
        for import in imports {
            merged.insert(import);
        }
        merged
    }
}
