//! What detectors and samplers of images need.

pub mod affine_grid;
pub mod grid_sample;
pub mod non_max_suppression;
pub mod roi_align;
