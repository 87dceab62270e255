//! What a circuit gives back.

use crate::mps::SiteTensor;
use crate::report::Report;
use crate::scalar::C64;

/// Values and report of one circuit.
#[derive(Debug, Clone)]
pub struct CircuitResult {
    /// ⟨W⟩ of each word.
    pub words: Vec<f64>,
    /// Variance of each sum.
    pub variances: Vec<f64>,
    /// Each distribution, 2^k entries.
    pub probabilities: Vec<Vec<f64>>,
    /// Each density matrix, row-major, 4^k entries.
    pub densities: Vec<Vec<C64>>,
    /// Each entanglement spectrum, descending.
    pub spectra: Vec<Vec<f64>>,
    /// Natural logarithm of the probability of each bitstring.
    pub log_probabilities: Vec<f64>,
    /// Each sampling.
    pub samples: Vec<SampleResult>,
    /// Each joint distribution of mid-circuit outcomes.
    pub outcomes: Vec<Vec<f64>>,
    /// The site tensors, normalised, in the order of the wires, if asked.
    pub tensors: Option<Vec<SiteTensor<C64>>>,
    /// The Schmidt values of the inner bonds, if the tensors are asked.
    pub schmidt_values: Option<Vec<Vec<f64>>>,
    /// All amplitudes, if asked.
    pub dense_state: Option<Vec<C64>>,
    /// What was discarded.
    pub report: Report,
}

/// Shots of one sampling.
#[derive(Debug, Clone, PartialEq)]
pub struct SampleResult {
    /// shots × wires, 0 or 1.
    pub bits: Vec<u8>,
    /// shots × mid-circuit measurements; 255 where postselection dropped the shot.
    pub outcomes: Vec<u8>,
}
