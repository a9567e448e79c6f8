//! The fused plan against the plain one on random small graphs: quantizers of every family, rounding methods, zero
//! points, widths, shapes, strides, groups, and chains of functions between them.

mod dynamic;
mod growing;
mod islands;
mod layers;
mod qlinear;
mod words;

use std::sync::Arc;

use vairun_graph::{Attribute, Graph};
use vairun_ops::{
    BuildError, Context, Inputs, NodeSpec, OpEntry, OpError, Operator, Outputs, OwnOps, Provider,
};
use vairun_tensor::{Tensor, Value};

use self::growing::{Family, Growing};
use crate::{Isa, Options, Plan};

/// The float forms of contractions, which only refuse: a graph that needs one is no case.
struct NoFloat;

impl Provider for NoFloat {
    fn build(&self, _: &NodeSpec) -> Option<Result<Box<dyn Operator>, BuildError>> {
        Some(Ok(Box::new(Self)))
    }

    fn entries(&self) -> Vec<OpEntry> {
        Vec::new()
    }

    fn is_standard(&self) -> bool {
        true
    }
}

impl Operator for NoFloat {
    fn run(&self, _: Inputs, _: &mut dyn Context) -> Result<Outputs, OpError> {
        Err(OpError::Kernel("no float form".into()))
    }
}

/// Graphs of one test; a failure names its seed.
const GRAPHS: u64 = 400;

/// A small generator: the tests are the same on every machine.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        let x = self.0 ^ (self.0 >> 33);
        x.wrapping_mul(0xff51afd7ed558ccd) >> 20
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }

    /// From -1 to 1.
    fn real(&mut self) -> f32 {
        (self.next() % 20001) as f32 / 10000.0 - 1.0
    }

    fn reals(&mut self, n: usize) -> Vec<f32> {
        (0..n).map(|_| self.real()).collect()
    }
}

/// A random graph and an input for it.
fn random(seed: u64) -> (Graph, Tensor) {
    let mut growing = Growing::new(seed);
    for _ in 0..2 + growing.random.below(6) {
        growing.grow();
    }
    let last: Vec<_> = growing.ready.iter().rev().take(2).map(|(id, ..)| *id).collect();
    growing.graph.outputs = last;
    let shape = growing.input.clone();
    let mut numbers = growing.random.reals(shape.iter().product());
    if growing.random.below(12) == 0 {
        let at = growing.random.below(numbers.len());
        let numbers_without_code = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 3e38];
        numbers[at] = growing.random.pick(&numbers_without_code);
    }
    let x = Tensor::new(&shape, numbers).unwrap();
    (growing.graph, x)
}

/// The graph with its weights as inputs that have defaults: nothing is packed, or computed beforehand.
fn unprepared(graph: &Graph) -> Graph {
    let mut graph = graph.clone();
    let tensors = graph.initializers.iter();
    let large: Vec<_> =
        tensors.filter(|(_, tensor)| tensor.rank() > 1).map(|(&id, _)| id).collect();
    graph.inputs.extend(large);
    graph
}

fn plan(graph: &Graph, options: Options) -> Plan {
    let providers: [Arc<dyn Provider>; 2] = [Arc::new(OwnOps), Arc::new(NoFloat)];
    Plan::new(Arc::new(graph.clone()), &providers, &options).unwrap()
}

/// The outputs; `None` where a contraction has no exact form.
fn run(plan: &Plan, x: &Tensor) -> Option<Vec<Value>> {
    let mut inputs = vec![None; plan.graph().inputs.len()];
    inputs[0] = Some(x.clone().into());
    match plan.run(inputs, None) {
        Ok(values) => Some(values),
        Err(error) if error.to_string().contains("no float form") => None,
        Err(error) => panic!("{error}"),
    }
}

/// Whether all plans give the same; and whether the graph has a fused plan that could hold its results.
fn check(seed: u64) -> Result<bool, String> {
    let (graph, x) = random(seed);
    let plain = plan(&unprepared(&graph), Options::default());
    let Some(want) = run(&plain, &x) else { return Ok(false) };
    let mut plans = vec![("unfused".to_owned(), plan(&graph, Options::default()))];
    for isa in Isa::available() {
        let options = Options { fused: true, isa, ..Options::default() };
        plans.push((isa.to_string(), plan(&graph, options)));
    }
    for (how, plan) in &plans {
        // The second run has its forms and buffers from the first.
        for count in 1..=2 {
            let got = run(plan, &x).ok_or_else(|| format!("{how}: not exact"))?;
            for ((got, want), id) in got.iter().zip(&want).zip(&graph.outputs) {
                let (got, want) = (got.as_tensor().unwrap(), want.as_tensor().unwrap());
                if !got.bits_eq(want) {
                    return Err(format!("{how}, run {count}: `{}` differs", graph.name_of(*id)));
                }
            }
        }
    }
    let inputs = || vec![Some(x.clone().into())];
    Ok(plans[1].1.profile(inputs(), &mut |_| {}).unwrap_or(false))
}

#[test]
fn random_graphs_have_the_same_bits_on_both_plans() {
    let only = std::env::var("VAIRUN_RANDOM_SEED").ok().and_then(|seed| seed.parse().ok());
    let seeds = only.map_or(0..GRAPHS, |seed: u64| seed..seed + 1);
    let results: Vec<_> = seeds.map(|seed| (seed, check(seed))).collect();
    let problems: Vec<_> = results
        .iter()
        .filter_map(|(seed, result)| Some(format!("seed {seed}: {}", result.as_ref().err()?)))
        .collect();
    assert!(problems.is_empty(), "{} graphs:\n{}", problems.len(), problems.join("\n"));
    let fused = results.iter().filter(|(_, result)| *result == Ok(true)).count();
    assert!(only.is_some() || fused * 2 > results.len(), "{fused} graphs were fused");
}

#[test]
fn padding_is_zero_where_no_code_of_the_type_is() {
    let mut growing = Growing::empty(0);
    let x = growing.graph.inputs[0];
    // Codes from 5 to 250, which are found as uint8; the one of 0 would be -5.
    let x = growing.pair(Family::Vai(0, 255, 3), x, 0.02, -5);
    let w = growing.weights(&[4, 3, 3, 3], 0);
    let pads = ("pads", Attribute::Ints(vec![1; 4]));
    let y = growing.node(("", "Conv"), &[x, w], &[pads]);
    growing.graph.outputs = vec![y];
    let numbers = (0..3 * 5 * 5).map(|i| 0.2 + (i * 37 % 75) as f32 / 15.0).collect();
    let x = Tensor::new(&[1, 3, 5, 5], numbers).unwrap();
    let want = run(&plan(&unprepared(&growing.graph), Options::default()), &x).unwrap();
    for fused in [false, true] {
        let options = Options { fused, ..Options::default() };
        let got = run(&plan(&growing.graph, options), &x).unwrap();
        assert!(got[0].as_tensor().unwrap().bits_eq(want[0].as_tensor().unwrap()), "{fused}");
    }
}
