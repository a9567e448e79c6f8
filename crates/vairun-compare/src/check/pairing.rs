use std::collections::HashMap;

use vairun_graph::Graph;
use vairun_tensor::Tensor;

use crate::golden::{Content, Entry, GoldenError, GoldenSource, Place};
use crate::quantizer::{Kind, Quantizer};
use crate::report::Reading;

/// Which golden tensor stands for which tensor of a model, and how it is read.
pub trait Pairing: Sync {
    /// The golden.
    fn golden(&self) -> &dyn GoldenSource;

    /// The entry of the golden that stands for the tensor of that name.
    fn find(&self, name: &str) -> Option<usize>;

    /// Further entries that stand for the same tensor, as a dump with numbers and codes has them.
    fn others(&self, name: &str) -> Vec<usize> {
        let _ = name;
        Vec::new()
    }

    /// The entry whose elements can be given to an input of the model.
    fn find_input(&self, name: &str) -> Option<usize> {
        self.find(name)
    }

    /// The elements of an entry in the layout of its counterpart `made`, which is called `name`.
    ///
    /// # Errors
    /// A golden that cannot be read.
    fn read(
        &self,
        index: usize,
        name: &str,
        made: &Tensor,
        kind: Kind,
        quantizer: Option<&Quantizer>,
    ) -> Result<Found, GoldenError>;

    /// Names of the model that an entry without a counterpart may mean, the closest first.
    fn closest(&self, index: usize) -> Vec<String> {
        let _ = index;
        Vec::new()
    }
}

/// A golden tensor as its counterpart in the model has it.
#[derive(Clone, Debug)]
pub struct Found {
    /// The elements.
    pub tensor: Tensor,
    /// How they were read.
    pub reading: Reading,
}

/// Pairs tensors of the same name, and inputs and outputs that the golden numbers.
pub struct Names<'a> {
    golden: &'a dyn GoldenSource,
    by_name: HashMap<&'a str, usize>,
}

impl<'a> Names<'a> {
    /// Of the entries of `golden` and the values of `graph`.
    pub fn new(golden: &'a dyn GoldenSource, graph: &'a Graph) -> Self {
        let known = graph.by_name();
        let name = |entry: &'a Entry| match entry.hint.place {
            _ if known.contains_key(entry.name.as_str()) => Some(entry.name.as_str()),
            Some(Place::Input(i)) => graph.inputs.get(i).map(|&id| graph.name_of(id)),
            Some(Place::Output(i)) => graph.outputs.get(i).map(|&id| graph.name_of(id)),
            None => Some(entry.name.as_str()),
        };
        let entries = golden.entries().iter().enumerate();
        Self { golden, by_name: entries.filter_map(|(i, entry)| Some((name(entry)?, i))).collect() }
    }
}

impl Pairing for Names<'_> {
    fn golden(&self) -> &dyn GoldenSource {
        self.golden
    }

    fn find(&self, name: &str) -> Option<usize> {
        self.by_name.get(name).copied()
    }

    fn read(
        &self,
        index: usize,
        name: &str,
        _: &Tensor,
        _: Kind,
        _: Option<&Quantizer>,
    ) -> Result<Found, GoldenError> {
        let reading = Reading {
            name: self.golden.entries()[index].name.clone(),
            read_as: String::new(),
            matched_by: "same name".to_owned(),
        };
        match self.golden.load(index)? {
            Content::Tensor(tensor) => Ok(Found { tensor, reading }),
            Content::Raw(_) | Content::Numbers(_) => Err(GoldenError::Format {
                path: self.golden.description(),
                message: format!("`{name}` has no type and no shape"),
            }),
        }
    }
}
