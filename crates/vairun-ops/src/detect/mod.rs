//! What detectors and samplers of images need.

pub mod grid_sample;
pub mod non_max_suppression;
pub mod roi_align;
