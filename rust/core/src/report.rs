//! What a run discarded, where, and how: the figures a reader needs to judge a result.

use crate::linalg::MethodCounts;
use crate::mps::EvolutionLog;

/// Figures of one circuit.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// ln ⟨ψ|ψ⟩ of the state that is never renormalised (the least of them where values come from
    /// two): the norm estimates the fidelity, too high where truncation errors add up coherently
    /// (smooth circuits). After postselections that of what they kept, as a share of that and of all
    /// that was lost.
    pub log_norm: f64,
    /// ln F / ln norm at half the bond dimension, F the overlap with this state: above 1 where
    /// errors add up coherently. NaN where it was not measured.
    pub coherence: f64,
    /// Histories of mid-circuit outcomes that were followed; 1 without such measurements.
    pub branches: usize,
    /// Probability of the histories that were not followed since each was too unlikely, as a share
    /// of those that were.
    pub dropped_branches: f64,
    /// Largest size of a state of the circuit, in bytes.
    pub peak_bytes: u64,
    /// Relative weight discarded at the bond right of each site, summed over the steps there;
    /// relative to what postselections kept.
    pub discarded: Vec<f64>,
    /// Bond dimensions at the end.
    pub bonds: Vec<usize>,
    /// Largest bond at any time.
    pub largest_bond: usize,
    /// Bonds that `max_bond_dim` cut at some step.
    pub saturated: Vec<bool>,
    /// Least relative gap `(m_k − m_d) / m_k` of the last kept and the first dropped Schmidt weight at a
    /// cut that `max_bond_dim` made; 1 if it made none.
    pub smallest_gap: f64,
    /// Cuts that kept fewer than `max_bond_dim`, since the weights there nearly coincided.
    pub shifted_cuts: usize,
    /// Weight discarded inside the light cone of each few-wire value, in the order words,
    /// variances, probabilities, densities, spectra.
    pub cones: Vec<f64>,
    /// Which factorizations served.
    pub methods: MethodCounts,
    /// Canonicalising sweeps.
    pub sweeps: usize,
    /// Wall time of the circuit, readout included.
    pub seconds: f64,
}

impl Report {
    /// The report of a circuit before any of it is known but the bonds that were cut.
    pub(crate) fn starting(saturated: Vec<bool>) -> Self {
        Self {
            log_norm: 0.0,
            coherence: f64::NAN,
            branches: 1,
            dropped_branches: 0.0,
            peak_bytes: 0,
            discarded: Vec::new(),
            bonds: Vec::new(),
            largest_bond: 1,
            saturated,
            smallest_gap: 1.0,
            shifted_cuts: 0,
            cones: Vec::new(),
            methods: MethodCounts::default(),
            sweeps: 0,
            seconds: 0.0,
        }
    }

    /// Adds the report of another run for other values of the circuit. The norm is the least of those
    /// behind the values.
    pub(crate) fn add_report(&mut self, other: &Self) {
        self.log_norm = self.log_norm.min(other.log_norm);
        self.peak_bytes = self.peak_bytes.max(other.peak_bytes);
        self.largest_bond = self.largest_bond.max(other.largest_bond);
        self.methods.add(other.methods);
        self.sweeps += other.sweeps;
        self.note_cuts(other.smallest_gap, other.shifted_cuts);
    }

    fn note_cuts(&mut self, smallest_gap: f64, shifted: usize) {
        self.smallest_gap = self.smallest_gap.min(smallest_gap);
        self.shifted_cuts += shifted;
    }

    /// Notes tensors of `T` with so many entries, and their largest bond.
    pub(crate) fn note_size<T>(&mut self, entries: usize, largest_bond: usize) {
        self.peak_bytes = self.peak_bytes.max((entries * size_of::<T>()) as u64);
        self.largest_bond = self.largest_bond.max(largest_bond);
    }

    /// Adds one evolution of the circuit, its tensors made of `T`.
    pub(crate) fn add_run<T>(&mut self, log: &EvolutionLog) {
        self.note_size::<T>(log.peak_entries, log.largest_bond);
        self.methods.add(log.methods);
        self.sweeps += log.sweeps;
        self.note_cuts(log.smallest_gap, log.shifted_cuts);
    }
}
