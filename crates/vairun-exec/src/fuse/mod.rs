//! The fused plan: chains between quantizers on stored codes, with the bits of the plain plan.
//!
//! [`roles`] finds out what each value of the graph is: plain, the codes in a *slot*, their numbers, or a function of a
//! single code. A slot is a coded tensor that the run holds ([`coded`]); its [`roles::Source`] says how it is made, and
//! [`schedule`] keeps what somebody needs. Each source has a fast form, which is prepared when it first meets a shape,
//! and a plain form: its nodes, evaluated one after the other on numbers. Where the fast form cannot prove that it gives
//! the bits of the plain one, the plain one runs; where a result has no code (NaN), the run starts again on the plain
//! plan ([`run::Stop::Again`]).
//!
//! Before all that [`ahead`] puts quantizers in front of the movement of numbers that they follow.

mod ahead;
mod binary;
mod buffers;
mod coded;
mod concat;
mod fixed;
mod forms;
mod formula;
mod functions;
mod kinds;
mod line;
mod mean;
mod movement;
mod moves;
mod numbers;
mod pair;
mod pool;
mod product;
mod requantized;
mod resize;
mod roles;
mod run;
mod scaled;
mod schedule;
mod sources;
mod storage;
mod table;
mod tail;

pub(crate) use run::{Fused, Stop};
