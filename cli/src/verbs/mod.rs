//! One file for each verb.

pub(crate) mod bench;
pub(crate) mod check;
mod check_xmodel;
pub(crate) mod completions;
pub(crate) mod convert;
pub(crate) mod diff;
pub(crate) mod extract;
pub(crate) mod help;
pub(crate) mod inspect;
mod inspect_tensors;
mod inspect_xmodel;
pub(crate) mod man;
pub(crate) mod ops;
pub(crate) mod run;
