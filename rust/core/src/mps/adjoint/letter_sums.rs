//! Sums over letters at one site, each letter times a Hermitian matrix of its own.
//!
//! ```text
//! M[s t] = Σ_O O[s t] M_O       of three parts: M[0 0] = zero, M[1 1] = one, M[0 1] = flip = M[1 0]ᴴ
//! ```
//!
//! So letters that part at a site, and words that end there, share the products with its tensor.

use faer::{MatMut, MatRef};

use crate::linalg::{add_adjoint_times, add_times, add_times_adjoint, matrix, matrix_mut};
use crate::local_operator::LocalOperator;
use crate::mps::SiteTensor;
use crate::scalar::{C64, Double};

/// The parts of a sum; `None` is zero.
pub(super) struct LetterSums<T> {
    zero: Option<Vec<T>>,
    one: Option<Vec<T>>,
    flip: Option<Vec<T>>,
}

impl<T: Double> LetterSums<T> {
    pub const fn new() -> Self {
        Self { zero: None, one: None, flip: None }
    }

    /// Adds `factor` times a letter with its matrix.
    pub fn add(&mut self, letter: LocalOperator, matrix: &[T], factor: f64) {
        let [zero, flip, _, one] = letter.matrix();
        let parts = [(&mut self.zero, zero), (&mut self.one, one), (&mut self.flip, flip)];
        for (sum, entry) in parts {
            if entry.im != 0.0 {
                let entry = T::from_c64(entry);
                let turned: Vec<T> = matrix.iter().map(|x| entry * *x).collect();
                super::add(sum, &turned, factor);
            } else if entry != C64::ZERO {
                super::add(sum, matrix, factor * entry.re);
            }
        }
    }

    /// `out[(b s) c] = Σ_{t d} B[b t d] · M[s t][d c]`
    pub fn onto_right(&self, site: &SiteTensor<T>) -> Vec<T> {
        self.each_part(site, site.right, add_times, add_times_adjoint)
    }

    /// `out[(a s) c] = Σ_{t b} M[s t][a b] · B[b t c]`
    pub fn onto_left(&self, site: &SiteTensor<T>) -> Vec<T> {
        self.each_part(
            site,
            site.left,
            |out, b, m| add_times(out, m, b),
            |out, b, m| add_adjoint_times(out, m, b),
        )
    }

    /// Adds to the rows s of a tensor what the rows t of B give, `by` M[s t] or by its adjoint.
    fn each_part(
        &self,
        site: &SiteTensor<T>,
        side: usize,
        by: Product<T>,
        by_adjoint: Product<T>,
    ) -> Vec<T> {
        let (l, r) = (site.left, site.right);
        let mut out = vec![T::ZERO; site.entries.len()];
        let mut add = |product: Product<T>, s: usize, t: usize, m: &[T]| {
            let place = matrix_mut(&mut out, 2 * l, r).subrows_mut(s * l, l);
            let b = matrix(&site.entries, 2 * l, r).subrows(t * l, l);
            product(place, b, matrix(m, side, side));
        };
        if let Some(zero) = &self.zero {
            add(by, 0, 0, zero);
        }
        if let Some(one) = &self.one {
            add(by, 1, 1, one);
        }
        if let Some(flip) = &self.flip {
            add(by, 0, 1, flip);
            add(by_adjoint, 1, 0, flip);
        }
        out
    }
}

/// Adds the product of part of a tensor and of a matrix to its first argument.
type Product<T> = fn(MatMut<'_, T>, MatRef<'_, T>, MatRef<'_, T>);
