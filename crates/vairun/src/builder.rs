use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use vairun_exec::{Contractions, Isa, Options};
use vairun_ops::{BuildError, NodeSpec, OpEntry, Operator, OwnOps, Provider};
use vairun_tract::TractOps;
use vairun_xmodel::{Layout, LowerOptions, RoundMode, Xmodel};

use crate::custom::Custom;
use crate::error::Error;
use crate::model::Model;

/// How a model is run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Exec {
    /// Chains between quantizers in integers, with the bits of [`Exec::Unfused`]; runs that are observed are unfused.
    #[default]
    Fused,
    /// Every node for itself.
    Unfused,
    /// Every node for itself, and contractions of dequantized operands in float32: the literal reading of the file,
    /// as onnxruntime computes it with its optimizations disabled. The only choice that changes numbers.
    Float,
}

/// Settings of a model before it is loaded; [`Model::builder`] starts.
#[derive(Clone, Default)]
pub struct Builder {
    pub(crate) exec: Exec,
    pub(crate) threads: Option<usize>,
    pub(crate) dims: BTreeMap<String, usize>,
    pub(crate) permissive: bool,
    pub(crate) isa: Option<Isa>,
    xmodel: LowerOptions,
    providers: Vec<Arc<dyn Provider>>,
}

impl Builder {
    /// How nodes are evaluated; [`Exec::Fused`] if not set.
    #[must_use]
    pub fn exec(self, exec: Exec) -> Self {
        Self { exec, ..self }
    }

    /// How many threads a run uses; if not set, one for each core. The results have the same bits for any number.
    #[must_use]
    pub fn threads(self, threads: usize) -> Self {
        Self { threads: Some(threads.max(1)), ..self }
    }

    /// The instruction set of the integer kernels; if not set, the fastest that this CPU has. The results have the same
    /// bits for all of them.
    #[must_use]
    pub fn isa(self, isa: Isa) -> Self {
        Self { isa: Some(isa), ..self }
    }

    /// The value of a symbolic dimension: an input that contradicts it is refused.
    #[must_use]
    pub fn dim(mut self, symbol: impl Into<String>, value: usize) -> Self {
        self.dims.insert(symbol.into(), value);
        self
    }

    /// Computes what no specification defines as the reference runtime does, instead of refusing it: an unknown
    /// rounding method of `vai::QuantizeLinear` gives 0.
    #[must_use]
    pub fn permissive(self, permissive: bool) -> Self {
        Self { permissive, ..self }
    }

    /// Where the channels of images stand that are fed to an .xmodel; last if not set, as in the file.
    #[must_use]
    pub fn layout(mut self, layout: Layout) -> Self {
        self.xmodel.layout = layout;
        self
    }

    /// Rounds the activations of an .xmodel by this rule instead of the file's: [`RoundMode::Py3`] is ONNX's.
    #[must_use]
    pub fn xmodel_round(mut self, mode: RoundMode) -> Self {
        self.xmodel.round_mode = Some(mode);
        self
    }

    /// Adds an operator, or replaces one.
    #[must_use]
    pub fn operator(
        self,
        domain: &str,
        op_type: &str,
        build: impl Fn(&NodeSpec) -> Result<Box<dyn Operator>, BuildError> + Send + Sync + 'static,
    ) -> Self {
        let domain = if domain == "ai.onnx" { "" } else { domain };
        let (domain, op_type) = (domain.to_owned(), op_type.to_owned());
        self.provider(Arc::new(Custom { domain, op_type, build: Arc::new(build) }))
    }

    /// Adds a provider of operators, asked before vairun's own.
    #[must_use]
    pub fn provider(mut self, provider: Arc<dyn Provider>) -> Self {
        self.providers.push(provider);
        self
    }

    /// Every operator that a model built with these settings can use.
    pub fn operators(&self) -> Vec<OpEntry> {
        self.all_providers().iter().flat_map(|provider| provider.entries()).collect()
    }

    pub(crate) fn all_providers(&self) -> Vec<Arc<dyn Provider>> {
        let built_in: [Arc<dyn Provider>; 2] = [Arc::new(OwnOps), Arc::new(TractOps)];
        self.providers.iter().cloned().chain(built_in).collect()
    }

    pub(crate) fn options(&self) -> Options {
        let contractions =
            if self.exec == Exec::Float { Contractions::Float } else { Contractions::Exact };
        let isa = self.isa.unwrap_or_else(Isa::best);
        let fused = self.exec == Exec::Fused;
        Options { contractions, permissive: self.permissive, fused, isa }
    }

    /// Loads the model at `path`, .onnx or .xmodel by its first bytes. External data is read from its folder and
    /// nowhere else.
    ///
    /// Large weights stay in the file until they are packed, in the first run, and are read from there again where a run is
    /// observed: the file must not be written to while the model is open (put another one in its place instead). A run that
    /// meets a file with another length or time of change ends with an error.
    ///
    /// # Errors
    /// [`Error::Read`], [`Error::Unsupported`] with every node that cannot be evaluated, [`Error::Setting`].
    pub fn open(&self, path: impl AsRef<Path>) -> Result<Model, Error> {
        let path = path.as_ref();
        let span = tracing::info_span!("load", path = %path.display());
        let model = span.in_scope(|| self.read(path));
        Model::new(model.map_err(|source| Error::Read { path: Some(path.into()), source })?, self)
    }

    fn read(&self, path: &Path) -> Result<vairun_graph::Model, BoxedError> {
        if is_xmodel(path) {
            return Ok(Xmodel::open(path)?.lower(&self.xmodel)?);
        }
        Ok(vairun_onnx::read(path)?)
    }

    /// Loads a model from memory; it cannot have external data.
    ///
    /// # Errors
    /// As [`Builder::open`].
    pub fn from_bytes(&self, bytes: &[u8]) -> Result<Model, Error> {
        let read = || -> Result<_, BoxedError> {
            if Xmodel::sniff(bytes) {
                return Ok(Xmodel::from_bytes(bytes)?.lower(&self.xmodel)?);
            }
            Ok(vairun_onnx::read_bytes(bytes, None)?)
        };
        Model::new(read().map_err(|source| Error::Read { path: None, source })?, self)
    }

    /// Loads a model from a reader, to its end; it cannot have external data.
    ///
    /// # Errors
    /// As [`Builder::open`].
    pub fn from_reader(&self, mut reader: impl Read) -> Result<Model, Error> {
        let mut bytes = Vec::new();
        reader
            .read_to_end(&mut bytes)
            .map_err(|source| Error::Read { path: None, source: source.into() })?;
        self.from_bytes(&bytes)
    }

    /// Makes a model from a graph that is already in memory.
    ///
    /// # Errors
    /// [`Error::Unsupported`], [`Error::Setting`].
    pub fn from_graph(&self, model: vairun_graph::Model) -> Result<Model, Error> {
        Model::new(model, self)
    }
}

type BoxedError = Box<dyn std::error::Error + Send + Sync>;

/// Whether the file at `path` begins as an .xmodel does; what cannot be read is for the reader of ONNX to explain.
fn is_xmodel(path: &Path) -> bool {
    let mut first = Vec::new();
    let read = std::fs::File::open(path).and_then(|file| file.take(8).read_to_end(&mut first));
    read.is_ok() && Xmodel::sniff(&first)
}
