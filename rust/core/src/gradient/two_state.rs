//! Derivatives of one row with second states.

use crate::error::Result;
use crate::gradient::reader::Reader;
use crate::gradient::taped::Taped;
use crate::linalg::{Expected, Method, Truncation, Workspace};
use crate::mps::adjoint::{SecondState, times_sum};
use crate::mps::{Evolution, Mps, Word, canonicalise, log_norm_squared};
use crate::program::Shared;
use crate::row::Row;
use crate::scalar::{C64, Scalar};

/// Relative weight that a second state may lose at a step: its errors count to first order.
const CUTOFF: f64 = 1e-26;
/// What is added to an observable, as a share of its weights: so that its product with a state is never
/// zero. The norm of a state that loses nothing has no derivative.
const OFFSET: f64 = 1e-6;
/// A variance below this share of the squared weights is none.
const NO_VARIANCE: f64 = 1e-28;
/// And so is one below this share of the square of what was added: that is its rounding.
const ROUNDING: f64 = 1e-9;

/// The derivatives of the given outputs by second states, whose bonds may be `wider` times as large as those
/// of the row: a sum of local terms times a state has twice its bonds and a little more.
///
/// # Errors
/// Those of [`SecondState::pull_back`].
pub(super) fn gradients(
    row: &Row<'_, C64>,
    taped: &Taped<'_>,
    last: &Mps<C64>,
    reader: &Reader<'_>,
    (outputs, parameters): (&[usize], usize),
    wider: usize,
) -> Result<Vec<Vec<f64>>> {
    let shared = row.shared;
    let limit = shared.settings.max_bond_dim.map(|limit| wider * limit);
    let evolution = Evolution {
        cutoff: CUTOFF,
        method: Method::Auto,
        sweep_threshold: None,
        max_entries: shared.max_entries,
    };
    let second = SecondState {
        evolution: &evolution,
        limit,
        scratches: &shared.scratches,
        parallelism: shared.parallelism,
        cancel: shared.cancel,
    };
    // Normalised and canonical, as the product with an operator wants it.
    let mut ket = last.clone();
    let norm = log_norm_squared(last, shared.cancel)?;
    if row.prepared.main.plan.n_sites() > 1 {
        canonicalise(&mut ket, shared.cancel)?;
    }
    ket.log_norm_taken_out = 0.0;
    let mut found = Vec::with_capacity(outputs.len());
    for &output in outputs {
        let mut states = Vec::new();
        let product = Product { limit, ket: &ket, shared };
        states.extend(product.of_words(reader, output)?);
        for (weight, mean, terms) in reader.variance_terms(output) {
            states.extend(product.of_variance(weight, mean, &terms)?);
        }
        let mut gradient = vec![0.0; parameters];
        for mut state in states {
            // λ = Oψ/⟨ψ|ψ⟩, and ψ has the norm that the steps left it with.
            state.log_norm_taken_out -= norm;
            let mut seconds = [state];
            let mut gradients = [std::mem::take(&mut gradient)];
            taped.each_stretch(last, &mut |program, records, psi| {
                second.pull_back(program, records, psi, &mut seconds, &mut gradients)
            })?;
            [gradient] = gradients;
        }
        found.push(gradient);
    }
    Ok(found)
}

/// Products with the normalised state.
struct Product<'a> {
    limit: Option<usize>,
    ket: &'a Mps<C64>,
    shared: &'a Shared<'a, C64>,
}

impl Product<'_> {
    /// `(O − ⟨O⟩ + offset)ψ` for the words of an output.
    fn of_words(&self, reader: &Reader<'_>, output: usize) -> Result<Option<Mps<C64>>> {
        let terms = reader.terms(output);
        let mean: f64 = terms.iter().map(|(weight, _, value)| weight * value).sum();
        let size: f64 = terms.iter().map(|(weight, ..)| weight.abs()).sum();
        if size == 0.0 {
            return Ok(None);
        }
        let words: Vec<(f64, &Word)> =
            terms.iter().map(|(weight, word, _)| (*weight, word)).collect();
        self.times(self.ket, &words, OFFSET * size - mean).map(Some)
    }

    /// `weight (H − mean)² ψ`
    fn of_variance(
        &self,
        weight: f64,
        mean: f64,
        terms: &[(f64, &Word)],
    ) -> Result<Option<Mps<C64>>> {
        let size: f64 = terms.iter().map(|(c, _)| c * c).sum();
        let offset = OFFSET * size.sqrt();
        // Never zero, for the factorizations; what is left without the offset decides.
        let once = self.times(self.ket, terms, offset - mean)?;
        let variance = log_norm_squared(&once, self.shared.cancel)?.exp() - offset * offset;
        if variance <= NO_VARIANCE * size + ROUNDING * offset * offset {
            return Ok(None);
        }
        let mut once = self.times(self.ket, terms, -mean)?;
        canonicalise(&mut once, self.shared.cancel)?;
        let mut twice = self.times(&once, terms, -mean)?;
        scale(&mut twice, weight);
        Ok(Some(twice))
    }

    fn times(&self, state: &Mps<C64>, terms: &[(f64, &Word)], constant: f64) -> Result<Mps<C64>> {
        let truncation = Truncation {
            limit: self.limit,
            cutoff: CUTOFF,
            noise_floor: C64::NOISE_FLOOR,
            method: Method::Auto,
            expected: Expected::Nothing,
            keep_dropped: false,
        };
        let mut workspace = Workspace::default();
        times_sum(state, terms, constant, &truncation, &mut workspace, self.shared.cancel)
    }
}

/// Multiplies by a real number.
fn scale(state: &mut Mps<C64>, factor: f64) {
    if let Some(first) = state.sites.first_mut() {
        first.entries.iter_mut().for_each(|x| *x *= factor);
    }
}
