//! Compares tensors: metrics, verdicts, diagnosis, golden layouts.
