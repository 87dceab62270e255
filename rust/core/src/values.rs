//! Values of one evolved row: requests in wires, read on sites.

use std::ops::Range;

use crate::cancel::Cancel;
use crate::circuit::{Plan, Width};
use crate::error::Result;
use crate::mps::{
    Bases, EvolutionLog, LightCones, Mps, Parallelism, Readout, Word, WordSum,
    entanglement_spectrum, log_probabilities, probabilities, reduced_density_matrix, sample,
    spectrum_side, variance,
};
use crate::pauli::Pauli;
use crate::request::{Requests, Sampling, spectrum_is_local};
use crate::rng::ShotKey;
use crate::scalar::{C64, Scalar};

/// The requested values of one row, on sites.
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

    pub fn words(&self) -> Vec<Word> {
        let site = |wire: usize| self.plan.site_of_wire()[wire];
        let words = self.requests.words.iter();
        words
            .map(|word| {
                let factors: Vec<_> = word.iter().map(|(wire, p)| (site(*wire), *p)).collect();
                Word::new(&factors)
            })
            .collect()
    }

    pub fn variances<T: Scalar>(&self, state: &Mps<T>, cancel: &Cancel) -> Result<Vec<f64>> {
        let words = self.words();
        let coefficients = self.requests.coefficients(self.row);
        let variances = self.requests.variances.iter().map(|terms| {
            let terms = terms.clone();
            let pairs = self.requests.variance_terms[terms.clone()].iter();
            let sum = WordSum {
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

    /// Spectra of few wires from `few`, all others from the canonical state.
    pub fn spectra<T: Scalar>(
        &self,
        few: &Mps<T>,
        canonical: &Mps<T>,
        cancel: &Cancel,
    ) -> Result<Vec<Vec<f64>>> {
        let n = self.plan.n_sites();
        let spectra = self.requests.spectra.iter().map(|wires| {
            let local = spectrum_is_local(wires, n, self.readout);
            let state = if local { few } else { canonical };
            entanglement_spectrum(state, &spectrum_side(&self.sites(wires), n)?, cancel)
        });
        spectra.collect()
    }

    pub fn log_probabilities<T: Scalar>(
        &self,
        canonical: &Mps<T>,
        parallelism: Parallelism,
        cancel: &Cancel,
    ) -> Result<Vec<f64>> {
        let wire_of_site = self.plan.wire_of_site();
        let strings = self.requests.bitstrings.chunks_exact(wire_of_site.len());
        let on_sites: Vec<u8> =
            strings.flat_map(|string| wire_of_site.iter().map(|&wire| string[wire])).collect();
        log_probabilities(canonical, &on_sites, parallelism, cancel)
    }

    /// Bits of each sampling, shots × wires.
    pub fn samples<T: Scalar>(
        &self,
        canonical: &Mps<T>,
        parallelism: Parallelism,
        cancel: &Cancel,
    ) -> Result<Vec<Vec<u8>>> {
        let samplings = self.requests.samplings.iter().map(|sampling| {
            let shots: Vec<u64> = (0..sampling.shots as u64).collect();
            let key = ShotKey { seed: self.requests.seeds[self.row], stream: sampling.stream };
            let bases = self.bases(sampling);
            let drawn = sample(canonical, &bases, &shots, &key, parallelism, cancel)?;
            Ok(self.columns(sampling, &drawn, bases.n_sites()))
        });
        samplings.collect()
    }

    /// The letters of a sampling on sites, up to the last that is measured.
    pub fn bases(&self, sampling: &Sampling) -> Bases {
        let sites = self.sites(&sampling.wires);
        let width = sites.iter().max().map_or(0, |last| last + 1);
        let rows = if sampling.letters.len() == sites.len() { 1 } else { sampling.shots };
        let mut letters = vec![Pauli::I; rows * width];
        for row in 0..rows {
            for (site, letter) in sites.iter().zip(&sampling.letters[row * sites.len()..]) {
                letters[row * width + site] = *letter;
            }
        }
        if sampling.letters.len() == sites.len() {
            Bases::Same(letters)
        } else {
            Bases::PerShot { sites: width, letters }
        }
    }

    /// shots × wires of a sampling from shots × `width` sites.
    pub fn columns(&self, sampling: &Sampling, drawn: &[u8], width: usize) -> Vec<u8> {
        let sites = self.sites(&sampling.wires);
        let shots = drawn.chunks_exact(width.max(1));
        shots.flat_map(|shot| sites.iter().map(|&site| shot[site])).collect()
    }

    pub fn cones(&self, log: &EvolutionLog) -> Vec<f64> {
        let supports: Vec<Range<usize>> = self
            .plan
            .steps()
            .iter()
            .map(|step| step.site..step.site + if step.width == Width::Two { 2 } else { 1 })
            .collect();
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

/// # Errors
/// [`crate::Error::Unsupported`] if a spectrum is asked that cannot be read on the plan's chain.
pub(crate) fn check_spectra(plan: &Plan, requests: &Requests) -> Result<()> {
    requests.spectra.iter().try_for_each(|wires| {
        let sites: Vec<usize> = wires.iter().map(|&wire| plan.site_of_wire()[wire]).collect();
        spectrum_side(&sites, plan.n_sites()).map(|_| ())
    })
}
