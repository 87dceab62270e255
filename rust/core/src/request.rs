//! What to read from an evolved state, in terms of wires.

use std::ops::Range;

use crate::error::{Error, Result};
use crate::local_operator::LocalOperator;
use crate::mps::{MAX_SPECTRUM_SITES, Readout};
use crate::pauli::Pauli;

/// Longest list of mid-circuit measurements whose joint distribution is listed: 2^30 numbers take
/// 8 GiB.
const MOST_LISTED_MEASUREMENTS: usize = 30;

/// Shots to draw from the final state.
#[derive(Debug, Clone, PartialEq)]
pub struct Sampling {
    /// Wires of the columns of the result.
    pub wires: Vec<usize>,
    /// Measured letter (X, Y or Z) of each wire, or of each wire in each shot (shots × wires).
    pub letters: Vec<Pauli>,
    /// Number of shots.
    pub shots: usize,
    /// Keys the random numbers, together with the seed of the row.
    pub stream: u64,
}

/// Values to read from every row of a group.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Requests {
    /// Distinct words as `(wire, letter)` lists; the empty list is the identity.
    pub words: Vec<Vec<(usize, LocalOperator)>>,
    /// Sums of words whose variance is asked: ranges of `variance_terms`.
    pub variances: Vec<Range<usize>>,
    /// Index of the word of each term.
    pub variance_terms: Vec<usize>,
    /// Coefficient of each term: one row for all, or one for each row of the group.
    pub variance_coefficients: Vec<f64>,
    /// Wires of each distribution, the first most significant.
    pub probabilities: Vec<Vec<usize>>,
    /// Wires of each reduced density matrix, the first most significant.
    pub densities: Vec<Vec<usize>>,
    /// Sets of wires whose entanglement spectrum is asked.
    pub spectra: Vec<Vec<usize>>,
    /// Bitstrings over all wires whose probability is asked, strings × wires.
    pub bitstrings: Vec<u8>,
    /// Shots to draw.
    pub samplings: Vec<Sampling>,
    /// Mid-circuit measurements whose joint distribution is asked.
    pub outcomes: Vec<Vec<usize>>,
    /// Seed of each row; empty where nothing is drawn.
    pub seeds: Vec<[u64; 2]>,
    /// Whether the state itself is asked, as tensors in the order of the wires.
    pub tensors: bool,
    /// Whether all 2^n amplitudes are asked.
    pub dense_state: bool,
}

impl Requests {
    /// Whether some value is of few wires (read with the chosen readout).
    #[must_use]
    pub fn has_local(&self, n_wires: usize, readout: Readout) -> bool {
        !(self.words.is_empty()
            && self.variances.is_empty()
            && self.probabilities.is_empty()
            && self.densities.is_empty())
            || self.spectra.iter().any(|wires| spectrum_is_local(wires, n_wires, readout))
    }

    /// Whether some value is of the state as a whole (read from the swept state).
    #[must_use]
    pub fn has_global(&self, n_wires: usize, readout: Readout) -> bool {
        self.dense_state || self.has_canonical(n_wires, readout)
    }

    /// Whether some value is read from the canonical form of the swept state.
    #[must_use]
    pub fn has_canonical(&self, n_wires: usize, readout: Readout) -> bool {
        !(self.bitstrings.is_empty() && self.samplings.is_empty())
            || self.spectra.iter().any(|wires| !spectrum_is_local(wires, n_wires, readout))
    }

    /// Whether the tensors of the state are all that is asked.
    pub(crate) fn only_tensors(&self) -> bool {
        self.tensors
            && *self == Self { tensors: true, seeds: self.seeds.clone(), ..Self::default() }
    }

    /// Rough number of operations to read one row of `n_wires` wires at the smallest bonds.
    pub(crate) fn flops(&self, n_wires: usize) -> f64 {
        let outcomes = |wires: usize, factor: f64| (factor * wires as f64).exp2();
        let probabilities = self.probabilities.iter().map(|wires| outcomes(wires.len(), 1.0));
        let densities = self.densities.iter().map(|wires| outcomes(wires.len(), 2.0));
        let dense = if self.dense_state { outcomes(n_wires, 1.0) } else { 0.0 };
        let terms = (self.words.len() + 10 * self.variance_terms.len()) as f64;
        let spectra = self.spectra.iter().map(|wires| {
            outcomes(wires.len().min(n_wires - wires.len()).min(MAX_SPECTRUM_SITES), 3.0)
        });
        let shots = self.samplings.iter().map(|sampling| (sampling.shots * n_wires) as f64);
        let bits = shots.sum::<f64>() + self.bitstrings.len() as f64;
        1e3 * (terms + probabilities.sum::<f64>() + densities.sum::<f64>())
            + 1e2 * (dense + bits + spectra.sum::<f64>())
    }

    /// Wires of every value that has a light cone: words, variances, probabilities, densities,
    /// spectra, in this order.
    pub(crate) fn supports(&self) -> Vec<Vec<usize>> {
        let word = |index: usize| self.words[index].iter().map(|(wire, _)| *wire);
        let words = (0..self.words.len()).map(|index| word(index).collect());
        let variances = self.variances.iter().map(|terms| {
            let mut wires: Vec<usize> =
                self.variance_terms[terms.clone()].iter().flat_map(|&index| word(index)).collect();
            wires.sort_unstable();
            wires.dedup();
            wires
        });
        let lists = self.probabilities.iter().chain(&self.densities).chain(&self.spectra).cloned();
        words.chain(variances).chain(lists).collect()
    }

    /// The sites that each of these values is read from. A readout contracts every site from the first to
    /// the last, so those in a gap between the letters of a word are among them.
    pub(crate) fn spans(&self, site_of_wire: &[usize]) -> Vec<Range<usize>> {
        let span = |wires: &Vec<usize>| {
            let sites = || wires.iter().map(|&wire| site_of_wire[wire]);
            sites().min().zip(sites().max()).map_or(0..0, |(first, last)| first..last + 1)
        };
        self.supports().iter().map(span).collect()
    }

    /// # Errors
    /// [`Error::InvalidInput`] if a wire is out of range or repeated, an index or a length is off
    /// or a coefficient is not finite; [`Error::Unsupported`] for too long a list of measurements.
    pub(crate) fn check(&self, n_wires: usize, rows: usize, measures: usize) -> Result<()> {
        let words = self.words.iter().map(|word| word.iter().map(|(wire, _)| *wire).collect());
        let samplings = self.samplings.iter().map(|sampling| &sampling.wires);
        let lists = self.probabilities.iter().chain(&self.densities).chain(&self.spectra);
        let lists = lists.chain(samplings).cloned();
        for mut wires in words.chain(lists).collect::<Vec<Vec<usize>>>() {
            wires.sort_unstable();
            if wires.last().is_some_and(|wire| *wire >= n_wires) {
                return Err(Error::invalid(format!(
                    "expected measured wires below {n_wires}, got {wires:?}"
                )));
            }
            if wires.windows(2).any(|pair| pair[0] == pair[1]) {
                return Err(Error::invalid(format!("a measurement repeats a wire: {wires:?}")));
            }
        }
        let terms = self.variance_terms.len();
        let covered = self.variances.iter().all(|range| range.end <= terms);
        if !covered || self.variance_terms.iter().any(|&word| word >= self.words.len()) {
            return Err(Error::invalid("a variance names terms or words that do not exist"));
        }
        let coefficients = self.variance_coefficients.len();
        if coefficients != terms && coefficients != terms * rows {
            return Err(Error::invalid(format!(
                "expected {terms} variance coefficients for all rows or for each of {rows} rows, \
                 got {coefficients}"
            )));
        }
        for sampling in &self.samplings {
            let (columns, given) = (sampling.wires.len(), sampling.letters.len());
            if given != columns && given != columns * sampling.shots {
                return Err(Error::invalid(format!(
                    "expected {columns} letters, or as many for each of {} shots, got {given}",
                    sampling.shots
                )));
            }
            if sampling.letters.contains(&Pauli::I) {
                return Err(Error::invalid("a sampled wire is measured in X, Y or Z, got I"));
            }
        }
        if !self.samplings.is_empty() && self.seeds.len() != rows {
            return Err(Error::invalid(format!(
                "sampling needs one seed for each of {rows} rows, got {}",
                self.seeds.len()
            )));
        }
        if !self.bitstrings.len().is_multiple_of(n_wires)
            || self.bitstrings.iter().any(|bit| *bit > 1)
        {
            return Err(Error::invalid(format!(
                "bitstrings hold a 0 or 1 for each of {n_wires} wires"
            )));
        }
        if self.outcomes.iter().flatten().any(|&measurement| measurement >= measures) {
            return Err(Error::invalid(format!(
                "the circuit has {measures} mid-circuit measurements, and a request names another"
            )));
        }
        let longest = self.outcomes.iter().map(Vec::len).max().unwrap_or(0);
        if longest > MOST_LISTED_MEASUREMENTS {
            return Err(Error::Unsupported(format!(
                "the joint distribution of {longest} mid-circuit measurements has 2^{longest} \
                 numbers, and at most 2^{MOST_LISTED_MEASUREMENTS} are listed; ask for that of fewer \
                 measurements, or use shots"
            )));
        }
        if let Some(bad) = self.variance_coefficients.iter().find(|c| !c.is_finite()) {
            return Err(Error::invalid(format!("an observable's coefficient is {bad}")));
        }
        Ok(())
    }

    /// Coefficients of the variance terms in one row.
    pub(crate) fn coefficients(&self, row: usize) -> &[f64] {
        let terms = self.variance_terms.len();
        let start = if self.variance_coefficients.len() == terms { 0 } else { row * terms };
        &self.variance_coefficients[start..start + terms]
    }
}

/// Whether a spectrum is read like other few-wire values: that of few wires, at most half of all,
/// with the local readout. Others are of the canonical global state, in which the wires and their
/// complement have one spectrum.
pub(crate) fn spectrum_is_local(wires: &[usize], n_wires: usize, readout: Readout) -> bool {
    readout == Readout::Local && wires.len() <= MAX_SPECTRUM_SITES && 2 * wires.len() <= n_wires
}
