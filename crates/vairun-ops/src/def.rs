use crate::attrs::Attrs;
use crate::error::BuildError;
use crate::operator::Operator;
use crate::spec::NodeSpec;

/// Turns a node into an operator.
pub type Build = fn(&NodeSpec, &Attrs) -> Result<Box<dyn Operator>, BuildError>;

/// One operator: its names, what is known of it, and how a node becomes something that runs.
pub struct OpDef {
    /// `(domain, op_type)`, the current name first, then older names of the same operator.
    pub names: &'static [(&'static str, &'static str)],
    /// The first and the last opset version of its domain that it is right for. Domains other than ONNX's own have
    /// no versions worth reading: give `1..=i64::MAX`.
    pub opsets: std::ops::RangeInclusive<i64>,
    /// One line.
    pub summary: &'static str,
    /// The element types it takes, in words: `x float32; zero_point int8, uint8`.
    pub types: &'static str,
    /// How well its results are proven.
    pub grade: Grade,
    /// Reads the attributes. What it leaves unread is reported by the caller.
    pub build: Build,
}

/// How well the results of an operator are proven.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grade {
    /// Equal bit for bit to the named oracle on all vectors.
    Exact(&'static str),
    /// At most so many quantizer steps, or units in the last place, from the oracle; and why.
    Within(u32, &'static str),
    /// Computed; no oracle yet.
    Runs,
}

impl OpDef {
    /// Builds the operator for a node and refuses attributes that it does not read.
    ///
    /// # Errors
    /// What [`OpDef::build`] gives, and unread attributes.
    pub fn make(&self, spec: &NodeSpec) -> Result<Box<dyn Operator>, BuildError> {
        let attrs = Attrs::new(spec.attributes);
        let operator = (self.build)(spec, &attrs)?;
        attrs.finish()?;
        Ok(operator)
    }
}
