//! Operators that move elements without changing them.

mod elements;
mod nd;

pub mod center_crop_pad;
pub mod col2im;
pub mod compress;
pub mod concat;
pub mod depth_to_space;
pub mod expand;
pub mod gather;
pub mod gather_elements;
pub mod gather_nd;
pub mod pad;
pub mod reverse_sequence;
pub mod scatter_elements;
pub mod scatter_nd;
pub mod slice;
pub mod split;
pub mod tensor_scatter;
pub mod tile;
pub mod transpose;
pub mod trilu;
pub mod where_;
