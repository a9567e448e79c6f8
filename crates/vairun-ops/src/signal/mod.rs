//! Spectra and windows.

pub mod dft;
mod fourier;
pub mod mel_weight_matrix;
pub mod stft;
pub mod window;
