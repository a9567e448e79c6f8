//! Names of goldens against a graph: `x → Q → DQ → Conv(w → Q → DQ) → Relu → Q → DQ → y`.

use vairun_graph::{Attributes, Node, OpId};
use vairun_tensor::Tensor;

use super::*;
use crate::golden::{Content, Entry, Part, Role};

/// Entries without elements.
struct Listed(Vec<Entry>);

impl GoldenSource for Listed {
    fn description(&self) -> String {
        "listed".to_owned()
    }

    fn entries(&self) -> &[Entry] {
        &self.0
    }

    fn load(&self, _: usize) -> Result<Content, GoldenError> {
        Ok(Content::Raw(Vec::new()))
    }
}

const OPS: [(&str, &str, &[&str], &str); 7] = [
    ("QuantizeLinear", "/module_0/QuantizeLinear", &["N::input_0"], "/module_0/Q_output_0"),
    (
        "DequantizeLinear",
        "/module_0/DequantizeLinear",
        &["/module_0/Q_output_0"],
        "/module_0/D_output_0",
    ),
    ("QuantizeLinear", "/module_1/QuantizeLinear", &["module_1.weight"], "/module_1/Q_output_0"),
    (
        "DequantizeLinear",
        "/module_1/DequantizeLinear",
        &["/module_1/Q_output_0"],
        "/module_1/D_output_0",
    ),
    (
        "Conv",
        "/module_1/Conv",
        &["/module_0/D_output_0", "/module_1/D_output_0"],
        "/module_1/Conv_output_0",
    ),
    (
        "QuantizeLinear",
        "/module_1/QuantizeLinear_1",
        &["/module_1/Conv_output_0"],
        "/module_1/Q_1_output_0",
    ),
    ("DequantizeLinear", "/module_1/DequantizeLinear_1", &["/module_1/Q_1_output_0"], "y"),
];

fn graph() -> Graph {
    let mut graph = Graph::default();
    let x = graph.add_value("N::input_0");
    let w = graph.add_value("module_1.weight");
    graph.inputs = vec![x];
    graph.initializers.insert(w, Tensor::scalar(1f32));
    for (op, name, reads, makes) in OPS {
        let inputs = reads.iter().map(|name| graph.by_name().get(name).copied()).collect();
        let made = graph.add_value(makes);
        graph.nodes.push(Node {
            name: name.into(),
            op: OpId::new("", op, 13),
            inputs,
            outputs: vec![Some(made)],
            attributes: Attributes::new(),
        });
    }
    graph.outputs = vec![graph.by_name()["y"]];
    graph
}

fn counterpart(entry: Entry) -> Result<(String, &'static str), Vec<String>> {
    let (graph, golden) = (graph(), Listed(vec![entry]));
    let matcher = Matcher::new(&graph, &golden, &NameMap::default());
    match &matcher.matches[0] {
        Ok(found) => Ok((found.name.clone(), found.how)),
        Err(candidates) => Err(candidates.clone()),
    }
}

fn named(name: &str) -> Entry {
    Entry { name: name.into(), ..Entry::default() }
}

fn of_part(number: usize, module: Option<&str>, role: Role, elements: Elements) -> Entry {
    let module = module.map(str::to_owned);
    let hint = Hint {
        part: Some(Part { number, module, role }),
        elements: Some(elements),
        ..Hint::default()
    };
    Entry { hint, ..named("N__anything") }
}

fn name(entry: Entry) -> String {
    counterpart(entry).unwrap().0
}

#[test]
fn the_same_name_is_surest_then_the_escaped_one() {
    assert_eq!(counterpart(named("y")).unwrap(), ("y".into(), "same name"));
    let escaped = counterpart(named("_module_1_Conv_output_0")).unwrap();
    assert_eq!(escaped, ("/module_1/Conv_output_0".into(), "escaped name"));
    assert_eq!(name(named("N__input_0")), "N::input_0");
    assert_eq!(name(named("_module_1_Conv")), "/module_1/Conv_output_0");
}

#[test]
fn codes_are_looked_for_behind_the_quantizer() {
    assert_eq!(name(named("_module_1_Conv_fix")), "/module_1/Q_1_output_0");
    assert_eq!(name(named("y_fix")), "/module_1/Q_1_output_0");
    assert_eq!(name(named("_module_1_Conv_float")), "/module_1/Conv_output_0");
}

#[test]
fn modules_know_their_tensors() {
    use Elements::{Codes, Numbers};
    let weight = || Role::Parameter("weight".into());
    for (role, elements, expected) in [
        (Role::Output, Codes, "/module_1/Q_1_output_0"),
        (Role::Output, Numbers, "y"),
        (weight(), Codes, "/module_1/Q_output_0"),
        (weight(), Numbers, "/module_1/D_output_0"),
    ] {
        let entry = of_part(1, Some("1"), role.clone(), elements);
        assert_eq!(name(entry), expected, "{role:?}");
        let by_order = counterpart(of_part(1, None, role.clone(), elements)).unwrap();
        assert_eq!(by_order, (expected.into(), "order of the nodes in shape.txt"), "{role:?}");
    }
    assert_eq!(name(of_part(0, Some("0"), Role::Input(0), Codes)), "/module_0/Q_output_0");
    // Three nodes in the dump are no two modules: order tells nothing.
    assert!(counterpart(of_part(2, None, Role::Output, Codes)).is_err());
}

#[test]
fn outputs_are_found_by_their_number() {
    let hint = Hint { place: Some(Place::Output(0)), ..Hint::default() };
    let entry = Entry { hint, ..named("result") };
    assert_eq!(name(entry), "y");
}

#[test]
fn what_is_ambiguous_is_not_guessed() {
    let mut graph = graph();
    graph.add_value("a/b");
    graph.add_value("a.b");
    let golden = Listed(vec![named("a_b")]);
    let matcher = Matcher::new(&graph, &golden, &NameMap::default());
    assert_eq!(matcher.counterpart(0), None);
    assert_eq!(matcher.closest(0), ["a.b", "a/b"]);
}

#[test]
fn strangers_are_offered_the_closest_names() {
    let (graph, golden) = (graph(), Listed(vec![named("_module_1_Cnv_output_0x")]));
    let matcher = Matcher::new(&graph, &golden, &NameMap::default());
    assert_eq!(matcher.closest(0)[0], "/module_1/Conv_output_0");
}

#[test]
fn codes_come_before_numbers_of_the_same_tensor() {
    let numbers = Hint { elements: Some(Elements::Numbers), ..Hint::default() };
    let codes = Hint { elements: Some(Elements::Codes), ..Hint::default() };
    let hinted = |name: &str, hint: &Hint| Entry { hint: hint.clone(), ..named(name) };
    let graph = graph();
    let name = "/module_1/Q_1_output_0";
    let golden = Listed(vec![hinted(name, &numbers), hinted(name, &codes)]);
    let matcher = Matcher::new(&graph, &golden, &NameMap::default());
    assert_eq!(matcher.find_all(name), [1, 0]);
    assert_eq!(matcher.find(name), Some(1));
}
