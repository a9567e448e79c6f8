use vairun_exec::{Observer, ObserverError};
use vairun_graph::Graph;

use super::check::PairCheck;
use super::facts::Watch;
use super::search::Pairing;
use super::sites::Skeleton;
use crate::check::Mismatches;
use crate::report::Report;

/// How two models are paired and judged.
#[derive(Clone, Copy, Debug, Default)]
pub struct PairOptions {
    /// Both are .xmodel files: sites are paired by name.
    pub same_format: bool,
    /// Nothing may differ, whatever the reason.
    pub strict: bool,
}

/// Runs a model here and an .xmodel there on the same input, and compares every site that they share.
///
/// `run_here` and `run_there` run the models with an observer; the latter is run twice: as it is, and fed with the
/// tensors of the other. `names` are theirs for the reader; `mismatches` is given both tensors of every pair that fails.
///
/// # Errors
/// What the runs and `mismatches` give.
pub fn check_pair<E>(
    (here, there): (&Graph, &Graph),
    run_here: impl FnOnce(&mut (dyn Observer + Send)) -> Result<(), E>,
    run_there: impl Fn(&mut (dyn Observer + Send)) -> Result<(), E>,
    (model, golden): (&str, &str),
    options: PairOptions,
    mismatches: Option<&mut dyn Mismatches>,
) -> Result<Report, E>
where
    E: From<ObserverError>,
{
    let sites = if options.same_format { Skeleton::of_xir(here) } else { Skeleton::of_onnx(here) };
    let sites_there = Skeleton::of_xir(there);
    let mut watch = Watch::new(here, &sites);
    run_here(&mut watch)?;
    let facts = watch.finish();
    let mut watch = Watch::new(there, &sites_there);
    run_there(&mut watch)?;
    let facts_there = watch.finish();
    let pairing = match options.same_format {
        true => Pairing::by_name((&sites, &facts), (&sites_there, &facts_there)),
        false => {
            let inputs = inputs(here, there);
            Pairing::find((&sites, &facts), (&sites_there, &facts_there), &inputs)
        }
    };
    let mut check =
        PairCheck::new((here, &sites, &facts), (there, &sites_there, &facts_there), &pairing);
    run_there(&mut check)?;
    Ok(check.finish((model, golden), options.strict, mismatches)?)
}

/// The places of the inputs of two graphs that belong together: by name, where every character but letters and digits is
/// written `_`; what is left in order.
pub fn inputs(here: &Graph, there: &Graph) -> Vec<(usize, usize)> {
    let name = |graph: &Graph, i: usize| sanitized(graph.name_of(graph.inputs[i]));
    let mut free: Vec<usize> = (0..there.inputs.len()).collect();
    // Initializers are inputs in old files.
    let fed: Vec<usize> = (0..here.inputs.len())
        .filter(|&i| !here.initializers.contains_key(&here.inputs[i]))
        .collect();
    let mut pairs = Vec::new();
    let mut open = Vec::new();
    for i in fed {
        match free.iter().position(|&j| name(there, j) == name(here, i)) {
            Some(place) => pairs.push((i, free.remove(place))),
            None => open.push(i),
        }
    }
    pairs.extend(open.into_iter().zip(free));
    pairs
}

fn sanitized(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect()
}
