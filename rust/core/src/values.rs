//! Values of one evolved row: requests in wires, read on sites.

use std::ops::Range;

use crate::cancel::Cancel;
use crate::circuit::{Plan, PlannedStep};
use crate::error::Result;
use crate::mps::{
    Bases, Exported, LightCones, Mps, Parallelism, Readout, Word, WordSum, dense_amplitudes,
    entanglement_spectrum, log_probabilities, probabilities, reduced_density_matrix, sample,
    spectrum_side, variance, word_expectations,
};
use crate::pauli::Pauli;
use crate::request::{Requests, Sampling, spectrum_is_local};
use crate::rng::{ShotKey, shot_of};
use crate::scalar::{C64, Scalar};

/// The requested values of one row, on sites.
#[derive(Clone, Copy)]
pub(crate) struct Values<'a> {
    pub plan: &'a Plan,
    pub requests: &'a Requests,
    pub readout: Readout,
    pub row: usize,
}

/// Values of few wires, in the order of the requests.
#[derive(Debug, Clone, Default)]
pub(crate) struct FewWire {
    pub words: Vec<f64>,
    pub variances: Vec<f64>,
    pub probabilities: Vec<Vec<f64>>,
    pub densities: Vec<Vec<C64>>,
}

/// Values of one pure state as a whole, and spectra.
#[derive(Debug, Clone, Default)]
pub(crate) struct Whole {
    pub spectra: Vec<Vec<f64>>,
    pub log_probabilities: Vec<f64>,
    pub dense_state: Option<Vec<C64>>,
    pub tensors: Option<Exported>,
}

impl Values<'_> {
    /// The values of few wires in `state`.
    pub fn few_wire<T: Scalar>(
        &self,
        state: &Mps<T>,
        parallelism: Parallelism,
        cancel: &Cancel,
    ) -> Result<FewWire> {
        Ok(FewWire {
            words: word_expectations(state, &self.words(), self.readout, parallelism, cancel)?,
            variances: self.variances(state, cancel)?,
            probabilities: self.probabilities(state, cancel)?,
            densities: self.densities(state, cancel)?,
        })
    }

    /// Mean of each sum of words whose variance is asked, from the means of the words.
    pub fn means(&self, words: &[f64]) -> Vec<f64> {
        let coefficients = self.requests.coefficients(self.row);
        let sums = self.requests.variances.iter().map(|terms| {
            let words_of_terms = &self.requests.variance_terms[terms.clone()];
            let terms = coefficients[terms.clone()].iter().zip(words_of_terms);
            terms.map(|(coefficient, &word)| coefficient * words[word]).sum()
        });
        sums.collect()
    }

    pub fn sites(&self, wires: &[usize]) -> Vec<usize> {
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
        let lists = self.requests.probabilities.iter();
        lists.map(|wires| probabilities(state, &self.sites(wires), self.readout, cancel)).collect()
    }

    pub fn densities<T: Scalar>(&self, state: &Mps<T>, cancel: &Cancel) -> Result<Vec<Vec<C64>>> {
        let lists = self.requests.densities.iter();
        let sites = lists.map(|wires| self.sites(wires));
        sites.map(|sites| reduced_density_matrix(state, &sites, self.readout, cancel)).collect()
    }

    /// The values of the state for few-wire values, of the global one, and of its canonical form; all
    /// but the tensors. `phase` is a factor of the state.
    pub fn whole<T: Scalar>(
        &self,
        (few, global, canonical): (&Mps<T>, &Mps<T>, &Mps<T>),
        phase: C64,
        parallelism: Parallelism,
        cancel: &Cancel,
    ) -> Result<Whole> {
        let dense_state = self.requests.dense_state.then(|| -> Result<Vec<C64>> {
            let mut amplitudes = dense_amplitudes(global, self.plan.wire_of_site(), cancel)?;
            amplitudes.iter_mut().for_each(|x| *x *= phase);
            Ok(amplitudes)
        });
        Ok(Whole {
            spectra: self.spectra(few, canonical, cancel)?,
            log_probabilities: self.log_probabilities(canonical, parallelism, cancel)?,
            dense_state: dense_state.transpose()?,
            tensors: None,
        })
    }

    /// Density matrices of the wires whose spectrum is asked, for a mixture.
    pub fn spectrum_densities<T: Scalar>(
        &self,
        state: &Mps<T>,
        cancel: &Cancel,
    ) -> Result<Vec<Vec<C64>>> {
        let lists = self.requests.spectra.iter();
        let sites = lists.map(|wires| self.sites(wires));
        sites.map(|sites| reduced_density_matrix(state, &sites, self.readout, cancel)).collect()
    }

    /// Spectra of few wires from `few`, all others from the canonical state.
    fn spectra<T: Scalar>(
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

    fn log_probabilities<T: Scalar>(
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
            self.shots(sampling, canonical, &shots, parallelism, cancel)
        });
        samplings.collect()
    }

    /// Bits of the given shots of a sampling, shots × wires.
    pub fn shots<T: Scalar>(
        &self,
        sampling: &Sampling,
        canonical: &Mps<T>,
        shots: &[u64],
        parallelism: Parallelism,
        cancel: &Cancel,
    ) -> Result<Vec<u8>> {
        let bases = self.bases(sampling, shots);
        let key = self.key(sampling);
        let drawn = sample(canonical, &bases, shots, &key, parallelism, cancel)?;
        Ok(self.columns(sampling, &drawn, bases.n_sites()))
    }

    /// Keys the random numbers of a sampling.
    pub fn key(&self, sampling: &Sampling) -> ShotKey {
        ShotKey::new(self.requests.seeds[self.row], sampling.stream)
    }

    /// The letters of the given shots of a sampling on sites, up to the last that is measured.
    fn bases(&self, sampling: &Sampling, shots: &[u64]) -> Bases {
        let sites = self.sites(&sampling.wires);
        let width = sites.iter().max().map_or(0, |last| last + 1);
        let same = sampling.letters.len() == sites.len();
        let rows = if same { &[0] } else { shots };
        let mut letters = vec![Pauli::I; rows.len() * width];
        for (row, &shot) in rows.iter().enumerate() {
            let own = &sampling.letters[shot_of(shot) * sites.len()..];
            for (site, letter) in sites.iter().zip(own) {
                letters[row * width + site] = *letter;
            }
        }
        if same { Bases::Same(letters) } else { Bases::PerShot { sites: width, letters } }
    }

    /// shots × wires of a sampling from shots × `width` sites.
    fn columns(&self, sampling: &Sampling, drawn: &[u8], width: usize) -> Vec<u8> {
        let sites = self.sites(&sampling.wires);
        let shots = drawn.chunks_exact(width.max(1));
        shots.flat_map(|shot| sites.iter().map(|&site| shot[site])).collect()
    }

    /// Weight that `steps`, the last before the values are read, discarded in the light cone of each
    /// value.
    pub fn cones(&self, steps: &[PlannedStep], discarded: &[f64]) -> Vec<f64> {
        let supports: Vec<Range<usize>> = steps.iter().map(PlannedStep::span).collect();
        let cones = LightCones { supports: &supports, discarded, n_sites: self.plan.n_sites() };
        let spans = self.requests.spans(self.plan.site_of_wire());
        let values: Vec<Vec<usize>> = spans.into_iter().map(Iterator::collect).collect();
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
