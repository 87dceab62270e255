//! Few-wire values of one evolved row: requests in wires, read on sites.

use std::ops::Range;

use crate::cancel::Cancel;
use crate::circuit::{Plan, PlannedStep};
use crate::error::Result;
use crate::mps::{
    Bases, EvolutionLog, LightCones, Mps, Parallelism, PauliSum, PauliWord, Readout, canonicalise,
    probabilities, reduced_density_matrix, sample, variance,
};
use crate::pauli::Pauli;
use crate::request::{Requests, Sampling};
use crate::rng::ShotKey;
use crate::scalar::{C64, Scalar};

/// Shots of one sampling.
#[derive(Debug, Clone, PartialEq)]
pub struct SampleResult {
    /// shots × wires, 0 or 1.
    pub bits: Vec<u8>,
    /// shots × mid-circuit measurements; 255 where postselection dropped the shot.
    pub outcomes: Vec<u8>,
}

/// The requested few-wire values of one row, on sites.
pub(crate) struct Values<'a> {
    pub plan: &'a Plan,
    pub requests: &'a Requests,
    pub readout: Readout,
    pub row: usize,
}

impl Values<'_> {
    fn sites(&self, wires: &[usize]) -> Vec<usize> {
        wires.iter().map(|&wire| self.plan.site_of_wire()[wire]).collect()
    }

    pub fn words(&self) -> Vec<PauliWord> {
        let site = |wire: usize| self.plan.site_of_wire()[wire];
        let words = self.requests.words.iter();
        words
            .map(|word| {
                let factors: Vec<_> = word.iter().map(|(wire, p)| (site(*wire), *p)).collect();
                PauliWord::new(&factors)
            })
            .collect()
    }

    pub fn variances<T: Scalar>(&self, state: &Mps<T>, cancel: &Cancel) -> Result<Vec<f64>> {
        let words = self.words();
        let coefficients = self.requests.coefficients(self.row);
        let variances = self.requests.variances.iter().map(|terms| {
            let terms = terms.clone();
            let pairs = self.requests.variance_terms[terms.clone()].iter();
            let sum = PauliSum {
                terms: coefficients[terms].iter().copied().zip(pairs.map(|&w| &words[w])).collect(),
            };
            Ok(variance(state, &sum, self.readout, cancel)?.max(0.0))
        });
        variances.collect()
    }

    pub fn probabilities<T: Scalar>(
        &self,
        state: &Mps<T>,
        cancel: &Cancel,
    ) -> Result<Vec<Vec<f64>>> {
        let lists = self
            .requests
            .probabilities
            .iter()
            .map(|wires| probabilities(state, &self.sites(wires), self.readout, cancel));
        lists.collect()
    }

    pub fn densities<T: Scalar>(&self, state: &Mps<T>, cancel: &Cancel) -> Result<Vec<Vec<C64>>> {
        let lists =
            self.requests.densities.iter().map(|wires| {
                reduced_density_matrix(state, &self.sites(wires), self.readout, cancel)
            });
        lists.collect()
    }

    /// Shots, from the canonical form of the global state, which may have it already.
    pub fn samples<T: Scalar>(
        &self,
        state: &Mps<T>,
        canonical: bool,
        parallelism: Parallelism,
        cancel: &Cancel,
    ) -> Result<Vec<SampleResult>> {
        if self.requests.samplings.is_empty() {
            return Ok(Vec::new());
        }
        // Conditional probabilities need the sites to the right to be exactly canonical.
        let swept;
        let state = if canonical {
            state
        } else {
            let mut copy = state.clone();
            canonicalise(&mut copy, cancel)?;
            swept = copy;
            &swept
        };
        let samplings = self.requests.samplings.iter();
        samplings
            .map(|sampling| {
                let sites = self.sites(&sampling.wires);
                let bases = bases(sampling, &sites);
                let key = ShotKey::new(self.requests.seeds[self.row], sampling.stream);
                let drawn = sample(state, &bases, sampling.shots, &key, parallelism, cancel)?;
                let shots = (0..sampling.shots).map(|shot| shot * bases.sites);
                let bits = shots.flat_map(|start| sites.iter().map(move |site| start + site));
                let bits = bits.map(|at| drawn[at]).collect();
                Ok(SampleResult { bits, outcomes: Vec::new() })
            })
            .collect()
    }

    pub fn cones(&self, log: &EvolutionLog) -> Vec<f64> {
        let supports: Vec<Range<usize>> = self.plan.steps().iter().map(PlannedStep::span).collect();
        let cones = LightCones {
            supports: &supports,
            discarded: &log.discarded,
            n_sites: self.plan.n_sites(),
        };
        // A readout contracts every site from the first to the last, so a truncation in a gap
        // between the letters of a word reaches its value, too.
        let span = |wires: &Vec<usize>| -> Vec<usize> {
            let sites = self.sites(wires);
            match (sites.iter().min(), sites.iter().max()) {
                (Some(&first), Some(&last)) => (first..=last).collect(),
                _ => Vec::new(),
            }
        };
        let values: Vec<Vec<usize>> = self.requests.supports().iter().map(span).collect();
        cones.discarded_weight(values.iter().map(Vec::as_slice))
    }
}

/// The letters of a sampling on the sites up to the last measured one.
fn bases(sampling: &Sampling, measured: &[usize]) -> Bases {
    let sites = measured.iter().max().map_or(0, |last| last + 1);
    let columns = measured.len().max(1);
    let rows = sampling.letters.len() / columns;
    let mut letters = vec![Pauli::Z; rows.max(1) * sites];
    for (row, own) in sampling.letters.chunks_exact(columns).enumerate() {
        for (&site, &letter) in measured.iter().zip(own) {
            letters[row * sites + site] = letter;
        }
    }
    Bases { sites, letters }
}
