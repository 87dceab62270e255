//! Cotangents while they grow, and what is left of and right of the supports of all values.
//!
//! ```text
//!   ┌─ conj(B) ─┐
//!   E     O     H          value = Σ E[a b] conj(B[a s c]) O[s t] B[b t d] H[d c] = tr(E H')
//!   └─── B ─────┘          g[a s c] = Σ E[a b] T[(b s) c]     T[(b s) c] = Σ O[s t] B[b t d] H[d c]
//!                          H'[b a] = Σ T[(b s) c] conj(B[a s c])
//! ```

use crate::cancel::Cancel;
use crate::error::Result;
use crate::linalg::{matrix, matrix_mut, times};
use crate::mps::SiteTensor;
use crate::mps::adjoint::Cotangent;
use crate::mps::adjoint::letter_sums::LetterSums;
use crate::mps::environment::{Environments, half_transfer, onto_left};
use crate::mps::one_letter::{adjoint_times_hermitian, times_adjoint_hermitian};
use crate::scalar::Double;

/// Cotangents while they grow.
pub(super) struct Sums<'a, 'e, T> {
    environments: &'a Environments<'e, T>,
    cotangent: Cotangent<T>,
    /// H of the environment left of each site, by the values that begin there.
    roots: Vec<Option<Vec<T>>>,
    /// Of the environment right of each site, by those that end there; for the state readout only.
    ends: Vec<Option<Vec<T>>>,
    half: Vec<T>,
}

impl<'a, 'e, T: Double> Sums<'a, 'e, T> {
    pub fn new(environments: &'a Environments<'e, T>) -> Self {
        let n = environments.state().n_sites();
        Self {
            environments,
            cotangent: Cotangent::zero(n),
            roots: vec![None; n],
            ends: vec![None; n],
            half: Vec::new(),
        }
    }

    pub fn environments(&self) -> &'a Environments<'e, T> {
        self.environments
    }

    /// `g[a s c] += factor · Σ_b E[a b] T[(b s) c]`
    pub fn add_site(&mut self, at: usize, environment: &[T], behind: &[T], factor: f64) {
        let left = self.environments.state().sites[at].left;
        onto_left(environment, behind, left, &mut self.half);
        self.cotangent.add_tensor(at, &self.half, factor);
    }

    /// Notes H of what begins at `first`.
    pub fn add_root(&mut self, first: usize, root: &[T]) {
        super::add(&mut self.roots[first], root, 1.0);
    }

    /// What ends at `at`: the sum of its last letters, each with E before the site.
    pub fn add_ending(&mut self, at: usize, letters: &LetterSums<T>) {
        let site = &self.environments.state().sites[at];
        let onto = letters.onto_left(site);
        let Some(right) = self.environments.right(at) else {
            self.cotangent.add_tensor(at, &onto, 1.0);
            return;
        };
        self.cotangent.add_tensor(at, &onto_right(&onto, site, right), 1.0);
        let end = closed_with(site, &onto);
        self.add_end(at, &end, 1.0);
    }

    /// Adds `factor` times E behind `at` of what ends there.
    pub fn add_end(&mut self, at: usize, end: &[T], factor: f64) {
        super::add(&mut self.ends[at], end, factor);
    }

    /// What is left of and right of all supports.
    pub fn finish(mut self, cancel: &Cancel) -> Result<Cotangent<T>> {
        let state = self.environments.state();
        let Some((left_scales, right_scales)) = self.environments.scales() else {
            for first in 0..state.n_sites() {
                if let Some(root) = self.roots[first].take() {
                    let dim = state.sites[first].left;
                    self.cotangent.add_weights(first, &hermitian_part(&root, dim), 1.0);
                }
            }
            return Ok(self.cotangent);
        };
        // From the right: H of the environment left of each site.
        let mut h: Option<Vec<T>> = None;
        for at in (0..state.n_sites()).rev() {
            cancel.check()?;
            let site = &state.sites[at];
            if let Some(own) = h.take() {
                let (l, r) = (site.left, site.right);
                // T[(b s) c] = Σ_d B[(b s) d] H[d c]
                let mut behind = vec![T::ZERO; site.entries.len()];
                times(
                    matrix_mut(&mut behind, 2 * l, r),
                    matrix(&site.entries, 2 * l, r),
                    matrix(&own, r, r),
                );
                let scale = 1.0 / left_scales[at + 1];
                behind.iter_mut().for_each(|x| *x = x.scale(scale));
                self.add_site(at, &self.environments.left(at), &behind, 1.0);
                h = Some(root_of(site, &behind));
            }
            if let Some(root) = self.roots[at].take() {
                super::add(&mut h, &root, 1.0);
            }
        }
        // From the left: E in the place of the environment right of each site.
        let mut e: Option<Vec<T>> = None;
        for (at, (site, right_scale)) in state.sites.iter().zip(right_scales).enumerate() {
            cancel.check()?;
            if let (Some(mut before), Some(right)) = (e.take(), self.environments.right(at)) {
                before.iter_mut().for_each(|x| *x = x.scale(1.0 / right_scale));
                half_transfer(&before, site, &mut self.half);
                self.cotangent.add_tensor(at, &onto_right(&self.half, site, right), 1.0);
                e = Some(closed_with(site, &self.half));
            }
            if let Some(end) = self.ends[at].take() {
                super::add(&mut e, &end, 1.0);
            }
        }
        Ok(self.cotangent)
    }
}

/// `H'[b a] = Σ_{s c} T[b (s c)] · conj(B[a (s c)])`, which is Hermitian.
pub(super) fn root_of<T: Double>(site: &SiteTensor<T>, behind: &[T]) -> Vec<T> {
    let (l, r) = (site.left, site.right);
    let mut root = vec![T::ZERO; l * l];
    times_adjoint_hermitian(&mut root, matrix(behind, l, 2 * r), matrix(&site.entries, l, 2 * r));
    root
}

/// `E'[c d] = Σ_{a s} conj(B[(a s) c]) · K[(a s) d]`, which is Hermitian.
fn closed_with<T: Double>(site: &SiteTensor<T>, k: &[T]) -> Vec<T> {
    let (l, r) = (site.left, site.right);
    let mut end = vec![T::ZERO; r * r];
    adjoint_times_hermitian(&mut end, matrix(&site.entries, 2 * l, r), matrix(k, 2 * l, r));
    end
}

/// `Σ_d K[(a s) d] · R[c d]`
fn onto_right<T: Double>(k: &[T], site: &SiteTensor<T>, right: &[T]) -> Vec<T> {
    let (l, r) = (site.left, site.right);
    let mut out = vec![T::ZERO; k.len()];
    times(matrix_mut(&mut out, 2 * l, r), matrix(k, 2 * l, r), matrix(right, r, r).transpose());
    out
}

fn hermitian_part<T: Double>(h: &[T], dim: usize) -> Vec<T> {
    let mut part = Vec::with_capacity(dim * dim);
    for (b, column) in h.chunks_exact(dim).enumerate() {
        let row = h[b..].iter().step_by(dim);
        part.extend(column.iter().zip(row).map(|(x, y)| (*x + y.conj()).scale(0.5)));
    }
    part
}
