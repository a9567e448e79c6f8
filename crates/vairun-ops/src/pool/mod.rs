//! Windows over images: the largest element, the mean, a norm.

pub mod average_pool;
pub mod global_pool;
pub mod lp_pool;
pub mod max_pool;
pub mod max_unpool;
pub(crate) mod window;

pub use window::geometry;
