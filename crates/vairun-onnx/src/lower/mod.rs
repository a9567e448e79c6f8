//! From the messages of a file to the [`Model`]: names become values, functions are inlined, everything is checked.

mod attributes;
mod function;
mod scope;

use std::collections::HashMap;

use vairun_graph::{Graph, Model, Node, OpId, OpsetId, ValueId};
use vairun_tensor::Tensor;

use self::attributes::Bindings;
use self::function::Functions;
use self::scope::{FrameId, Scopes};
use crate::error::{Fault, OnnxError, Problems};
use crate::external::Folder;
use crate::proto::{GraphProto, ModelProto, NodeProto, OperatorSetIdProto, ValueInfoProto};
use crate::tensor::TensorReader;
use crate::types::declare;

/// Bodies in bodies and functions in functions; deeper ones would exhaust the stack.
const MAX_DEPTH: usize = 64;
/// The first version of the file format in which a model names the version of its operators.
const FIRST_IR_WITH_OPSETS: i64 = 3;

pub(crate) fn lower(proto: &ModelProto, folder: Folder) -> Result<Model, OnnxError> {
    let Some(graph) = &proto.graph else {
        return Err(Fault::malformed("no graph").at("model"));
    };
    let mut lowering = Lowering::new(proto, folder);
    let (opsets, opset_imports) = lowering.opsets(proto);
    lowering.root_opsets = opsets;
    let graph = lowering.graph(graph, None, "graph");
    if lowering.problems.is_empty() {
        for problem in graph.validate().err().into_iter().flatten() {
            lowering.problems.add("graph", Fault::malformed(problem.to_string()));
        }
    }
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    lowering.problems.into_result(Model {
        graph,
        opset_imports,
        ir_version: proto.ir_version.unwrap_or_default(),
        producer_name: text(&proto.producer_name),
        producer_version: text(&proto.producer_version),
        metadata: proto.metadata_props.iter().map(|e| (text(&e.key), text(&e.value))).collect(),
    })
}

/// ONNX's own domain has two names.
fn same_domain(domain: &str) -> &str {
    if domain == "ai.onnx" { "" } else { domain }
}

/// The opset version for each domain.
#[derive(Clone, Default)]
struct Opsets<'p>(HashMap<&'p str, i64>);

impl<'p> Opsets<'p> {
    fn get(&self, domain: &str) -> Option<i64> {
        self.0.get(same_domain(domain)).copied()
    }

    /// The version that was there before.
    fn insert(&mut self, import: &'p OperatorSetIdProto) -> Option<i64> {
        let domain = same_domain(import.domain.as_deref().unwrap_or_default());
        self.0.insert(domain, import.version.unwrap_or_default())
    }
}

/// Where nodes are being lowered.
struct Place<'a, 'p> {
    frame: FrameId,
    opsets: &'a Opsets<'p>,
    /// Inside of a function.
    bindings: Option<&'a Bindings<'p>>,
    /// Before the names of nodes and values that come out of a function.
    prefix: &'a str,
    /// For messages.
    path: &'a str,
    depth: usize,
}

struct Lowering<'p> {
    tensors: TensorReader,
    problems: Problems,
    scopes: Scopes<'p>,
    functions: Functions<'p>,
    root_opsets: Opsets<'p>,
    missing_opset_told: bool,
}

impl<'p> Lowering<'p> {
    fn new(proto: &'p ModelProto, folder: Folder) -> Self {
        let (functions, twice) = Functions::new(&proto.functions);
        let mut problems = Problems::default();
        for title in twice {
            problems.add("functions", Fault::malformed(format!("`{title}` is given twice")));
        }
        Self {
            tensors: TensorReader::new(folder),
            problems,
            scopes: Scopes::default(),
            functions,
            root_opsets: Opsets::default(),
            missing_opset_told: false,
        }
    }

    fn opsets(&mut self, proto: &'p ModelProto) -> (Opsets<'p>, Vec<OpsetId>) {
        let mut opsets = Opsets::default();
        let mut imports = Vec::new();
        for import in &proto.opset_import {
            let domain = same_domain(import.domain.as_deref().unwrap_or_default()).to_owned();
            let version = import.version.unwrap_or_default();
            match opsets.insert(import) {
                Some(before) if before != version => {
                    let twice = format!("`{domain}` in versions {before} and {version}");
                    self.problems.add("opset_import", Fault::malformed(twice));
                }
                Some(_) => {}
                None => imports.push(OpsetId { domain, version }),
            }
        }
        if proto.ir_version.unwrap_or_default() < FIRST_IR_WITH_OPSETS {
            opsets.0.entry("").or_insert(1);
        }
        (opsets, imports)
    }

    /// A graph; `outer` is where the node stands whose body it is.
    fn graph(&mut self, proto: &'p GraphProto, outer: Option<&Place<'_, 'p>>, path: &str) -> Graph {
        self.scopes.open_graph(proto.name.as_deref().unwrap_or_default());
        let root_opsets = self.root_opsets.clone();
        let frame = self.scopes.push_frame(outer.map(|place| place.frame));
        let place = Place {
            frame,
            opsets: outer.map_or(&root_opsets, |place| place.opsets),
            bindings: outer.and_then(|place| place.bindings),
            prefix: outer.map_or("", |place| place.prefix),
            path,
            depth: outer.map_or(0, |place| place.depth + 1),
        };
        self.inputs(proto, &place);
        self.initializers(proto, &place);
        self.declare_results(&proto.node, &place);
        self.nodes(&proto.node, &place);
        self.outputs(proto, &place);
        for declared in [&proto.value_info, &proto.input, &proto.output] {
            self.hints(declared, frame);
        }
        if let Err(cycle) = self.scopes.graph().sort() {
            self.problems.add(path, Fault::malformed(cycle.to_string()));
        }
        self.scopes.pop_frame();
        self.scopes.close_graph()
    }

    fn inputs(&mut self, proto: &'p GraphProto, place: &Place<'_, 'p>) {
        for (i, input) in proto.input.iter().enumerate() {
            let name = input.name.as_deref().unwrap_or_default();
            let fault = match name {
                "" => "no name".to_owned(),
                _ if self.scopes.own(place.frame, name).is_some() => {
                    format!("`{name}` is given twice")
                }
                _ => {
                    let id = self.scopes.declare(place.frame, name, place.prefix);
                    self.scopes.graph().inputs.push(id);
                    continue;
                }
            };
            self.problems.add(format!("{}.input[{i}]", place.path), Fault::malformed(fault));
        }
    }

    fn initializers(&mut self, proto: &'p GraphProto, place: &Place<'_, 'p>) {
        for (i, tensor) in proto.initializer.iter().enumerate() {
            let read = self.tensors.tensor(tensor);
            let path = || format!("{}.initializer[{i}]", place.path);
            self.initializer(tensor.name.as_deref(), read, place, &path);
        }
        for (i, sparse) in proto.sparse_initializer.iter().enumerate() {
            let read = self.tensors.sparse(sparse);
            let name = sparse.values.as_ref().and_then(|values| values.name.as_deref());
            let path = || format!("{}.sparse_initializer[{i}]", place.path);
            self.initializer(name, read, place, &path);
        }
    }

    fn initializer(
        &mut self,
        name: Option<&'p str>,
        read: Result<Tensor, Fault>,
        place: &Place<'_, 'p>,
        path: &dyn Fn() -> String,
    ) {
        let Some(name) = name.filter(|name| !name.is_empty()) else {
            self.problems.add(path(), Fault::malformed("no name"));
            return;
        };
        let path = || format!("{} `{name}`", path());
        let id = match self.scopes.own(place.frame, name) {
            Some(Some(input)) => input,
            _ => self.scopes.declare(place.frame, name, place.prefix),
        };
        match read {
            Err(fault) => self.problems.add(path(), fault),
            Ok(tensor) => {
                if self.scopes.graph().initializers.insert(id, tensor).is_some() {
                    self.problems.add(path(), Fault::malformed("given twice"));
                }
            }
        }
    }

    /// Adds the values that the nodes make, so that the order of the nodes does not matter.
    fn declare_results(&mut self, nodes: &'p [NodeProto], place: &Place<'_, 'p>) {
        for name in nodes.iter().flat_map(|node| &node.output).filter(|name| !name.is_empty()) {
            if self.scopes.own(place.frame, name).is_none() {
                self.scopes.declare(place.frame, name, place.prefix);
            }
        }
    }

    fn nodes(&mut self, nodes: &'p [NodeProto], place: &Place<'_, 'p>) {
        if place.depth > MAX_DEPTH {
            let fault = format!("bodies and functions are nested deeper than {MAX_DEPTH}");
            self.problems.add(place.path, Fault::unsupported(fault));
            return;
        }
        nodes.iter().enumerate().for_each(|(i, node)| self.node(i, node, place));
    }

    fn node(&mut self, i: usize, proto: &'p NodeProto, place: &Place<'_, 'p>) {
        let outputs = self.results(i, proto, place);
        let name = self.node_name(proto, &outputs, place);
        let path = || format!("{}.node[{i}] `{name}`", place.path);
        let op_type = proto.op_type.as_deref().unwrap_or_default();
        if op_type.is_empty() {
            self.problems.add(path(), Fault::malformed("no op_type"));
            return;
        }
        if let Some(function) = self.functions.of(proto) {
            self.inline(function, proto, &name, place, &path);
            return;
        }
        let mut inputs: Vec<Option<ValueId>> = proto
            .input
            .iter()
            .map(|name| (!name.is_empty()).then(|| self.scopes.lookup(place.frame, name)).flatten())
            .collect();
        inputs.truncate(inputs.iter().rposition(Option::is_some).map_or(0, |last| last + 1));
        let domain = proto.domain.as_deref().unwrap_or_default();
        let op = OpId::new(domain, op_type, self.opset(domain, place));
        let attributes = self.attributes(proto, place, &path);
        self.scopes.graph().nodes.push(Node { name, op, inputs, outputs, attributes });
    }

    fn results(
        &mut self,
        i: usize,
        proto: &'p NodeProto,
        place: &Place<'_, 'p>,
    ) -> Vec<Option<ValueId>> {
        let own = |name: &String| self.scopes.own(place.frame, name).flatten();
        let outputs: Vec<_> = proto.output.iter().map(own).collect();
        for (name, id) in proto.output.iter().zip(&outputs) {
            if id.is_none() && !name.is_empty() {
                let fault = Fault::malformed(format!("makes `{name}`, an input of the function"));
                self.problems.add(format!("{}.node[{i}]", place.path), fault);
            }
        }
        outputs
    }

    fn node_name(
        &mut self,
        proto: &NodeProto,
        outputs: &[Option<ValueId>],
        place: &Place<'_, 'p>,
    ) -> String {
        match (proto.name.as_deref().unwrap_or_default(), outputs.iter().flatten().next()) {
            ("", Some(&output)) => self.scopes.graph().name_of(output).to_owned(),
            (name, _) => format!("{}{name}", place.prefix),
        }
    }

    fn opset(&mut self, domain: &str, place: &Place<'_, 'p>) -> i64 {
        match place.opsets.get(domain) {
            Some(version) => version,
            None if !same_domain(domain).is_empty() => 1,
            None => {
                if !self.missing_opset_told {
                    self.problems.add("opset_import", Fault::malformed("no version for ai.onnx"));
                }
                self.missing_opset_told = true;
                1
            }
        }
    }

    fn outputs(&mut self, proto: &'p GraphProto, place: &Place<'_, 'p>) {
        for (i, output) in proto.output.iter().enumerate() {
            let name = output.name.as_deref().unwrap_or_default();
            let id = (!name.is_empty()).then(|| self.scopes.lookup(place.frame, name)).flatten();
            match id {
                Some(id) => self.scopes.graph().outputs.push(id),
                None => {
                    let path = format!("{}.output[{i}]", place.path);
                    self.problems
                        .add(path, Fault::malformed("no name, or none that means a value"));
                }
            }
        }
    }

    /// Writes down what the file declares of values; declarations of names that do not exist are common and harmless.
    fn hints(&mut self, declared: &'p [ValueInfoProto], frame: FrameId) {
        for proto in declared {
            let id = self.scopes.own(frame, proto.name.as_deref().unwrap_or_default()).flatten();
            if let (Some(id), Some(r#type)) = (id, &proto.r#type) {
                declare(&mut self.scopes.graph().values[id.index()], r#type);
            }
        }
    }
}
