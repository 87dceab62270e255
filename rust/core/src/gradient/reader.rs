//! Cotangents of outputs at the final state of one row.

use crate::cancel::Cancel;
use crate::error::Result;
use crate::gradient::densities::{Term, density_terms, projector_terms};
use crate::gradient::outputs::{Outputs, Weights};
use crate::mps::adjoint::{Cotangent, VarianceCotangent, variance_cotangent, word_cotangent};
use crate::mps::{Mps, Word, WordSum};
use crate::scalar::C64;
use crate::values::{FewWire, Values};

/// A final state, what was read from it, and what is wanted of it.
pub(super) struct Reader<'a> {
    state: &'a Mps<C64>,
    values: Values<'a>,
    found: &'a FewWire,
    words: Vec<Word>,
    /// Derivatives of the variances that some output weighs.
    variances: Vec<Option<VarianceCotangent>>,
    outputs: &'a Outputs,
    cancel: &'a Cancel,
}

/// A variance: its weight, its mean and the terms of its sum.
type Weighed<'a> = (f64, f64, Vec<(f64, &'a Word)>);

impl<'a> Reader<'a> {
    pub fn new(
        state: &'a Mps<C64>,
        values: Values<'a>,
        found: &'a FewWire,
        outputs: &'a Outputs,
        cancel: &'a Cancel,
    ) -> Result<Self> {
        let words = values.words();
        let requests = values.requests;
        let coefficients = requests.coefficients(values.row);
        let weighed = |index: usize| {
            let mut weights =
                (0..outputs.count).map(|k| outputs.weights(values.row, k).variances[index]);
            weights.any(|weight| weight != 0.0)
        };
        let variances = requests.variances.iter().enumerate().map(|(index, terms)| {
            if !weighed(index) {
                return Ok(None);
            }
            let terms = terms.clone();
            let of_terms = requests.variance_terms[terms.clone()].iter().map(|&word| &words[word]);
            let sum =
                WordSum { terms: coefficients[terms].iter().copied().zip(of_terms).collect() };
            variance_cotangent(state, &sum, values.readout, cancel).map(Some)
        });
        let variances = variances.collect::<Result<_>>()?;
        Ok(Self { state, values, found, words, variances, outputs, cancel })
    }

    /// The terms of an output that are linear in the state's density: words with their weights and
    /// values.
    pub fn terms(&self, output: usize) -> Vec<Term> {
        let weights = self.outputs.weights(self.values.row, output);
        let own = weights.words.iter().zip(&self.words).zip(&self.found.words);
        let own = own.filter(|((weight, _), _)| **weight != 0.0);
        own.map(|((weight, word), value)| (*weight, word.clone(), *value))
            .chain(self.spread_terms(&weights))
            .collect()
    }

    /// The variances that an output has, each as its weight, its mean and the terms of its sum.
    pub fn variance_terms(&self, output: usize) -> Vec<Weighed<'_>> {
        let weights = self.outputs.weights(self.values.row, output);
        let requests = self.values.requests;
        let coefficients = requests.coefficients(self.values.row);
        let sums = requests.variances.iter().zip(weights.variances);
        sums.filter(|(_, weight)| **weight != 0.0)
            .map(|(terms, weight)| {
                let words = &requests.variance_terms[terms.clone()];
                let pairs = coefficients[terms.clone()].iter().zip(words);
                let mean = pairs.clone().map(|(c, &word)| c * self.found.words[word]).sum();
                (*weight, mean, pairs.map(|(c, &word)| (*c, &self.words[word])).collect())
            })
            .collect()
    }

    /// The cotangent of output `output`.
    pub fn cotangent(&self, output: usize) -> Result<Cotangent> {
        let weights = self.outputs.weights(self.values.row, output);
        let terms = self.terms(output);
        let terms: Vec<(f64, &Word, f64)> =
            terms.iter().map(|(weight, word, value)| (*weight, word, *value)).collect();
        let mut sum = word_cotangent(self.state, &terms, self.values.readout, self.cancel)?;
        for (weight, variance) in weights.variances.iter().zip(&self.variances) {
            if let Some(variance) = variance.as_ref().filter(|_| *weight != 0.0) {
                sum.add(&variance.cotangent, *weight);
            }
        }
        Ok(sum)
    }

    /// The derivatives of an output by the coefficients of the variances' terms.
    pub fn by_coefficients(&self, output: usize) -> Vec<f64> {
        let weights = self.outputs.weights(self.values.row, output);
        let requests = self.values.requests;
        let mut found = vec![0.0; requests.variance_terms.len()];
        let sums = requests.variances.iter().zip(weights.variances).zip(&self.variances);
        for ((terms, weight), variance) in sums {
            if let Some(variance) = variance {
                let own = found[terms.clone()].iter_mut().zip(&variance.coefficients);
                own.for_each(|(sum, x)| *sum += weight * x);
            }
        }
        found
    }

    fn spread_terms(&self, weights: &Weights<'_>) -> Vec<Term> {
        let requests = self.values.requests;
        let mut terms = Vec::new();
        let lists = weights.probabilities.iter().zip(&requests.probabilities);
        for ((weights, wires), found) in lists.zip(&self.found.probabilities) {
            terms.extend(projector_terms(&self.values.sites(wires), weights, found));
        }
        let lists = weights.densities.iter().zip(&requests.densities);
        for ((weights, wires), found) in lists.zip(&self.found.densities) {
            terms.extend(density_terms(&self.values.sites(wires), weights, found));
        }
        terms
    }
}
