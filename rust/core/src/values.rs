//! Few-wire values of one evolved row: requests in wires, read on sites.

use std::ops::Range;

use crate::cancel::Cancel;
use crate::circuit::{Plan, PlannedStep};
use crate::error::Result;
use crate::mps::{
    EvolutionLog, LightCones, Mps, PauliSum, PauliWord, Readout, probabilities,
    reduced_density_matrix, variance,
};
use crate::request::Requests;
use crate::scalar::{C64, Scalar};

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
