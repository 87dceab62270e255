//! What is differentiated: outputs that are linear in the requested values of a group.

use crate::error::{Error, Result};
use crate::group::Group;
use crate::scalar::C64;

/// Weights of outputs over the requested values of a group.
///
/// Output k is `Σ words[k, w] ⟨W_w⟩ + Σ variances[k, v] Var_v + Σ probabilities_j[k] · p_j + Σ tr(densities_j[k]
/// ρ_j)`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Outputs {
    /// Number of outputs.
    pub count: usize,
    /// Rows of weights: 1 for all rows of the group, or as many as it has.
    pub rows: usize,
    /// rows × outputs × words.
    pub words: Vec<f64>,
    /// rows × outputs × sums.
    pub variances: Vec<f64>,
    /// Of each distribution: rows × outputs × 2^wires.
    pub probabilities: Vec<Vec<f64>>,
    /// Of each density matrix: rows × outputs × 4^wires, Hermitian, row-major.
    pub densities: Vec<Vec<C64>>,
    /// Which parameters of the group's gates the outputs are differentiated by.
    pub differentiated: Vec<bool>,
}

impl Outputs {
    /// # Errors
    /// [`Error::InvalidInput`] if a list has another length than the requests of `group` want, or the
    /// group asks for what has no derivative here.
    pub(crate) fn check(&self, group: &Group) -> Result<()> {
        let requests = &group.requests;
        if !group.structure.measures().is_empty() {
            return Err(Error::Unsupported(
                "a circuit with mid-circuit measurements is not differentiated by the engine; use \
                 the parameter-shift rule"
                    .to_owned(),
            ));
        }
        let few = requests.spectra.is_empty()
            && requests.bitstrings.is_empty()
            && requests.samplings.is_empty()
            && requests.outcomes.is_empty()
            && !requests.tensors
            && !requests.dense_state;
        if !few {
            return Err(Error::Unsupported(
                "only expectation values, variances, probabilities and density matrices of few wires \
                 are differentiated by the engine"
                    .to_owned(),
            ));
        }
        if self.rows != 1 && self.rows != group.rows {
            return Err(Error::invalid(format!(
                "expected weights for all rows at once or for each of {}, got {}",
                group.rows, self.rows
            )));
        }
        let size = |what: &str, given: usize, width: usize| {
            let expected = self.rows * self.count * width;
            if given == expected {
                return Ok(());
            }
            Err(Error::invalid(format!(
                "expected {expected} weights of {} outputs over {what}, got {given}",
                self.count
            )))
        };
        size("the words", self.words.len(), requests.words.len())?;
        size("the variances", self.variances.len(), requests.variances.len())?;
        let lists = self.probabilities.len() == requests.probabilities.len()
            && self.densities.len() == requests.densities.len();
        if !lists {
            return Err(Error::invalid(format!(
                "expected weights for {} distributions and {} density matrices, got {} and {}",
                requests.probabilities.len(),
                requests.densities.len(),
                self.probabilities.len(),
                self.densities.len()
            )));
        }
        for (given, wires) in self.probabilities.iter().zip(&requests.probabilities) {
            size("a distribution", given.len(), 1 << wires.len())?;
        }
        for (given, wires) in self.densities.iter().zip(&requests.densities) {
            size("a density matrix", given.len(), 1 << (2 * wires.len()))?;
        }
        let parameters = group.structure.n_parameters();
        if self.differentiated.len() != parameters {
            return Err(Error::invalid(format!(
                "the gates have {parameters} parameters, but it is said of {} whether they are \
                 differentiated",
                self.differentiated.len()
            )));
        }
        let finite = self.words.iter().chain(&self.variances).all(|x| x.is_finite())
            && self.probabilities.iter().flatten().all(|x| x.is_finite())
            && self.densities.iter().flatten().all(|x| x.is_finite());
        if finite { Ok(()) } else { Err(Error::invalid("a weight of an output is not finite")) }
    }

    /// The weights of output `output` in `row`.
    pub(super) fn weights(&self, row: usize, output: usize) -> Weights<'_> {
        let at = (if self.rows == 1 { 0 } else { row }) * self.count + output;
        let of = self.rows * self.count;
        Weights {
            words: share(&self.words, at, of),
            variances: share(&self.variances, at, of),
            probabilities: self.probabilities.iter().map(|list| share(list, at, of)).collect(),
            densities: self.densities.iter().map(|list| share(list, at, of)).collect(),
        }
    }
}

/// Part `at` of `of` equal ones.
fn share<T>(list: &[T], at: usize, of: usize) -> &[T] {
    let width = list.len() / of;
    &list[at * width..(at + 1) * width]
}

/// The weights of one output.
pub(super) struct Weights<'a> {
    pub words: &'a [f64],
    pub variances: &'a [f64],
    pub probabilities: Vec<&'a [f64]>,
    pub densities: Vec<&'a [C64]>,
}
