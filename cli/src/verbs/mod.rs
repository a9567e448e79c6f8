//! One file for each verb.

pub(crate) mod bench;
pub(crate) mod inspect;
pub(crate) mod ops;
pub(crate) mod run;
