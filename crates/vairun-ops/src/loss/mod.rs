//! `NegativeLogLikelihoodLoss` and `SoftmaxCrossEntropyLoss`.

pub mod negative_log_likelihood;
