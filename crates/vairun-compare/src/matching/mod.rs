//! Which golden tensor stands for which tensor of a model, and how it is read.
//!
//! Names decide, from the surest to the least: what the user says ([`NameMap`]); the same name; the place among inputs
//! and outputs; the module that the exporter's files tell; the name as some tool has escaped it; the escaped name
//! without what tools put before and behind it; and, for what is left once a run has shown what the tensors look like,
//! scale, shape and order ([`Matcher::match_structure`]). Where a step finds several, nothing is guessed: the entry
//! stays unmatched, with the candidates. Values never decide which tensor is meant.

mod closest;
mod index;
mod layout;
mod map;
mod modules;
mod names;
mod read;
mod structure;

use std::collections::HashMap;

use vairun_graph::Graph;

use crate::check::{Found, MadeTensor, Pairing};
use crate::golden::{Elements, Entry, GoldenError, GoldenSource, Hint, Place};
use crate::report::Reading;
use index::Index;
use modules::Modules;

pub use map::{NameMap, NameMapError};
pub use structure::{Outline, outlines};

/// A golden whose tensors are matched with those of a graph.
pub struct Matcher<'a> {
    golden: &'a dyn GoldenSource,
    index: Index<'a>,
    /// For each entry the tensor it stands for, and why.
    matches: Vec<Result<Match, Vec<String>>>,
    /// The entries that stand for a tensor, the surest first.
    by_name: HashMap<String, Vec<usize>>,
    /// For entries without a counterpart the tensors that look the same.
    alike: HashMap<usize, Vec<String>>,
}

/// Nothing is less sure than structure.
const LAST_RANK: usize = 100;

/// The counterpart of an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Match {
    name: String,
    /// Why, as the report says it.
    how: &'static str,
    /// Less is surer.
    rank: usize,
}

impl<'a> Matcher<'a> {
    /// Matches the entries of `golden` with the tensors of the main graph. `map` overrides names.
    pub fn new(graph: &'a Graph, golden: &'a dyn GoldenSource, map: &NameMap) -> Self {
        let index = Index::new(graph);
        let modules = Modules::new(graph, golden.entries());
        let search = Search { graph, index: &index, modules: &modules, map };
        let matches: Vec<_> = golden.entries().iter().map(|entry| search.find(entry)).collect();
        let mut matcher =
            Self { golden, index, matches, by_name: HashMap::new(), alike: HashMap::new() };
        matcher.sort_by_name();
        matcher
    }

    fn sort_by_name(&mut self) {
        let mut by_name: HashMap<String, Vec<usize>> = HashMap::new();
        for (i, found) in self.matches.iter().enumerate() {
            if let Ok(found) = found {
                by_name.entry(found.name.clone()).or_default().push(i);
            }
        }
        let entries = self.golden.entries();
        let rank = |i: &usize| {
            let codes = entries[*i].hint.elements == Some(Elements::Codes);
            (self.matches[*i].as_ref().map_or(usize::MAX, |found| found.rank), !codes)
        };
        by_name.values_mut().for_each(|entries| entries.sort_by_key(rank));
        self.by_name = by_name;
    }

    /// Whether entries are left that their structure may tell: they have a shape and no counterpart.
    pub fn needs_structure(&self) -> bool {
        let entries = self.golden.entries().iter().zip(&self.matches);
        entries.into_iter().any(|(entry, found)| found.is_err() && entry.shape.is_some())
    }

    /// Pairs what has no counterpart by name with what looks the same: elements, shape and scale, in order.
    pub fn match_structure(&mut self, outlines: &[Outline]) {
        let free = |outline: &&Outline| {
            let name = outline.name();
            !self.by_name.contains_key(name) && !self.index.is_constant(name)
        };
        let outlines: Vec<&Outline> = outlines.iter().filter(free).collect();
        // What a step could not choose from is left to the user.
        let undecided = |found: &Result<Match, Vec<String>>| matches!(found, Err(several) if several.is_empty());
        let open: Vec<usize> =
            (0..self.matches.len()).filter(|&i| undecided(&self.matches[i])).collect();
        let found = structure::pair(self.golden.entries(), &open, &outlines, LAST_RANK);
        for (index, counterpart) in found.matches {
            self.matches[index] = Ok(counterpart);
        }
        self.alike = found.alike;
        self.sort_by_name();
    }

    /// Every entry that stands for the tensor of that name, the surest first: a dump may hold numbers and codes.
    pub fn find_all(&self, name: &str) -> &[usize] {
        self.by_name.get(name).map_or(&[], Vec::as_slice)
    }

    /// The tensor that an entry stands for.
    pub fn counterpart(&self, index: usize) -> Option<&str> {
        self.matches[index].as_ref().ok().map(|found| found.name.as_str())
    }

    /// The elements of an entry for a tensor, in the layout of `earlier` where they were read before.
    fn read_as(
        &self,
        index: usize,
        made: &MadeTensor,
        earlier: Option<&Reading>,
    ) -> Result<Found, GoldenError> {
        let entry = &self.golden.entries()[index];
        let content = self.golden.load(index)?;
        let &MadeTensor { name, tensor: made, kind, quantizer } = made;
        let constant = self.index.is_constant(name);
        let told = earlier.map(|reading| reading.read_as.as_str());
        let target = read::Target { made, kind, quantizer, constant, told };
        let (tensor, read_as) = read::read(entry, content, &target);
        let matched_by = self.matches[index].as_ref().map_or("", |found| found.how).to_owned();
        Ok(Found { tensor, reading: Reading { name: entry.name.clone(), read_as, matched_by } })
    }
}

/// What the steps of the search look at.
struct Search<'a> {
    graph: &'a Graph,
    index: &'a Index<'a>,
    modules: &'a Modules,
    map: &'a NameMap,
}

impl Search<'_> {
    /// The counterpart of an entry; else the candidates that a step could not choose from.
    fn find(&self, entry: &Entry) -> Result<Match, Vec<String>> {
        let found = |name: String, how, rank| Ok(Match { name, how, rank });
        if let Some(name) = self.map.get(&entry.name) {
            return if self.index.contains(name) {
                found(name.to_owned(), "--map", 0)
            } else {
                Err(vec![format!("{name} (of --map, which the model does not have)")])
            };
        }
        if let Some(name) = self.fixed(entry) {
            return found(name, "same name, behind its fix", 1);
        }
        let exact = |name: &&String| self.index.contains(name);
        if let Some(name) = [&entry.name].into_iter().chain(&entry.hint.aliases).find(exact) {
            return found(name.clone(), "same name", 1);
        }
        if let Some(name) = self.by_place(&entry.hint) {
            return found(name, "number of the input or output", 2);
        }
        if let Some(part) = &entry.hint.part
            && let Some(name) = self.modules.tensor(self.index, part, entry.hint.elements)
        {
            return found(name, self.modules.how(part), 3);
        }
        self.by_escaped_name(entry)
    }

    /// The codes of the op of an .xmodel that has the entry's name: a dump of the quantizer has the numbers behind `fix`
    /// under the name of the op before it.
    fn fixed(&self, entry: &Entry) -> Option<String> {
        let numbers = entry.hint.elements == Some(Elements::Numbers);
        let name = Some(format!("{}_fix", entry.name)).filter(|_| numbers)?;
        let id = self.index.id(&name)?;
        let op = &self.graph.nodes[self.index.producers[id.index()]?].op;
        (op.domain == "xir" && op.op_type == "fix").then_some(name)
    }

    fn by_place(&self, hint: &Hint) -> Option<String> {
        let id = match hint.place? {
            Place::Input(number) => self.graph.inputs.get(number),
            Place::Output(number) => self.graph.outputs.get(number),
        };
        id.map(|&id| self.graph.name_of(id).to_owned())
    }

    fn by_escaped_name(&self, entry: &Entry) -> Result<Match, Vec<String>> {
        for (step, variant) in names::variants(&entry.name).into_iter().enumerate() {
            let how = if step == 0 { "escaped name" } else { "escaped name, shortened" };
            let elements = entry.hint.elements.or(variant.elements);
            let mut names = self.index.escaped(&variant.name);
            names.extend(self.index.escaped_short(&variant.name));
            let mut names: Vec<String> =
                names.iter().map(|name| self.index.with_elements(name, elements)).collect();
            names.sort();
            names.dedup();
            match names.len() {
                0 => {}
                1 => return Ok(Match { name: names.remove(0), how, rank: 4 + step }),
                _ => return Err(names),
            }
        }
        Err(Vec::new())
    }
}

impl Pairing for Matcher<'_> {
    fn golden(&self) -> &dyn GoldenSource {
        self.golden
    }

    /// The surest, where several entries stand for the tensor.
    fn find(&self, name: &str) -> Option<usize> {
        self.find_all(name).first().copied()
    }

    fn others(&self, name: &str) -> Vec<usize> {
        self.find_all(name).iter().skip(1).copied().collect()
    }

    /// The entry that stands for the input, else numbers that are called so and stand behind its quantizer, which makes
    /// the same codes of them.
    fn find_input(&self, name: &str) -> Option<usize> {
        let called_so = |index: &usize| {
            let entry = &self.golden.entries()[*index];
            let numbers = entry.hint.elements == Some(Elements::Numbers);
            numbers && names::escape(&entry.name) == names::escape(name)
        };
        self.find(name).or_else(|| (0..self.matches.len()).find(called_so))
    }

    /// What cannot be brought into type, layout and scale of its counterpart is given as it is, so that the comparison
    /// fails and says why.
    fn read(&self, index: usize, made: &MadeTensor) -> Result<Found, GoldenError> {
        self.read_as(index, made, None)
    }

    fn read_again(
        &self,
        index: usize,
        made: &MadeTensor,
        earlier: &Reading,
    ) -> Result<Found, GoldenError> {
        self.read_as(index, made, Some(earlier))
    }

    fn closest(&self, index: usize) -> Vec<String> {
        let entry = &self.golden.entries()[index];
        match &self.matches[index] {
            Ok(_) => Vec::new(),
            Err(several) if !several.is_empty() => several.clone(),
            Err(_) => {
                let called_so = closest::closest(&entry.name, self.index.names());
                let alike = self.alike.get(&index).filter(|_| called_so.is_empty());
                alike.map_or(called_so, |alike| alike.iter().take(closest::MOST).cloned().collect())
            }
        }
    }
}

#[cfg(test)]
mod tests;
