//! The sites out of canonical form, and the factors of what lies on either side of a site.
//!
//! Sites that were projected, or whatever a truncation has touched, are out of canonical form: the
//! *loose* sites, a range, empty right after a sweep. Left of it the Schmidt weights hold, right of it
//! the identity. A measurement needs what lies between as one matrix on either side, a factor up to
//! an isometry:
//!
//! ```text
//!       ┌── loose sites ──┐
//!   s ─ B ─ B ─ B ─ … ─ B ─         s·B…B = Q·R     QR, site by site from the left
//!               │                     B…B·1 = Lᴴ·Q'   the same from the right
//!             site                        θ = R·B·Lᴴ
//! ```
//!
//! Factors carry amplitudes, as in [`crate::mps::chain`]: their rounding errors are squared where a
//! probability is read, whereas an environment carries probabilities, in which what should cancel
//! leaves an error of its own size. They stay valid while no site that they cover is projected, so
//! that measurements in a row, from either end, move them on by a site each.

use std::ops::Range;

use crate::cancel::Cancel;
use crate::error::Result;
use crate::linalg::{ThinQr, Workspace, matrix, matrix_mut, thin_qr, times, times_adjoint};
use crate::mps::{Mps, SiteTensor};
use crate::scalar::{C64, Scalar};

/// What all sites on one side of a bond come to, up to an isometry and a number.
#[derive(Debug, Clone)]
pub(super) struct Factor {
    bond: usize,
    /// rows × (dimension of the bond), column-major.
    pub rows: usize,
    pub entries: Vec<C64>,
}

/// The loose sites of a state.
#[derive(Debug, Clone, Default)]
pub struct Loose {
    sites: Range<usize>,
    /// Covers the loose sites left of its bond; none: the Schmidt weights left of all of them.
    left: Option<Factor>,
    /// Covers the loose sites right of its bond; none: the identity right of all of them.
    right: Option<Factor>,
    /// Sites that went into a factor since the last sweep.
    contracted: usize,
}

impl Loose {
    /// All sites of a state from which something was discarded.
    #[must_use]
    pub fn all(n_sites: usize) -> Self {
        Self { sites: 0..n_sites, ..Self::default() }
    }

    /// Whether the state is canonical.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.sites.is_empty()
    }

    /// Sites contracted since the last sweep for want of canonical form.
    #[must_use]
    pub fn contracted(&self) -> usize {
        self.contracted
    }

    /// Takes the factors to either side of `site`.
    pub(super) fn turn_to<T: Scalar>(
        &mut self,
        state: &Mps<T>,
        site: usize,
        cancel: &Cancel,
    ) -> Result<()> {
        let mut workspace = Workspace::default();
        let before = self.left.take().filter(|factor| factor.bond <= site);
        self.left = if site <= self.sites.start || self.is_empty() {
            None
        } else {
            let mut factor = before.unwrap_or_else(|| weights(state, self.sites.start));
            self.contracted += site - factor.bond;
            for next in factor.bond..site {
                cancel.check()?;
                factor = factor.past(&state.sites[next], Side::Right, &mut workspace)?;
            }
            Some(factor)
        };
        let before = self.right.take().filter(|factor| factor.bond > site);
        self.right = if site + 1 >= self.sites.end || self.is_empty() {
            None
        } else {
            let end = self.sites.end;
            let mut factor = before.unwrap_or_else(|| identity(end, state.sites[end - 1].right));
            self.contracted += factor.bond - site - 1;
            for next in (site + 1..factor.bond).rev() {
                cancel.check()?;
                factor = factor.past(&state.sites[next], Side::Left, &mut workspace)?;
            }
            Some(factor)
        };
        Ok(())
    }

    /// `θ[(k p), m]` of `site`, to which the factors were [turned](Self::turn_to), and its number of
    /// rows k.
    pub(super) fn theta<T: Scalar>(&self, state: &Mps<T>, site: usize) -> (Vec<C64>, usize) {
        let tensor = &state.sites[site];
        // M[k, (p r)] = Σ_l R[k, l] · B[l, (p r)]
        let (m, k) = match &self.left {
            Some(factor) => (factor.onto_left(tensor), factor.rows),
            None => (weighted(tensor, &state.schmidt[site]), tensor.left),
        };
        let Some(factor) = &self.right else { return (m, k) };
        // θ[(k p), m] = Σ_r M[(k p), r] · conj(L[m, r])
        let mut theta = vec![C64::ZERO; 2 * k * factor.rows];
        times_adjoint(
            matrix_mut(&mut theta, 2 * k, factor.rows),
            matrix(&m, 2 * k, tensor.right),
            matrix(&factor.entries, factor.rows, tensor.right),
        );
        (theta, k)
    }

    /// Counts `site` in, to which the factors were turned and which is projected.
    pub(super) fn add(&mut self, site: usize) {
        // The factors end at the site from either side, and neither covers it. What is left of the
        // first loose site has its Schmidt weights, so it needs none.
        self.sites = if self.is_empty() {
            site..site + 1
        } else {
            self.sites.start.min(site)..self.sites.end.max(site + 1)
        };
    }
}

/// Where a factor moves to.
#[derive(Clone, Copy)]
enum Side {
    Left,
    Right,
}

impl Factor {
    /// The factor that covers `site`, too, its neighbour.
    fn past<T: Scalar>(
        self,
        site: &SiteTensor<T>,
        side: Side,
        workspace: &mut Workspace,
    ) -> Result<Self> {
        let (bond, columns, m) = match side {
            // M[(k p), r] = Σ_l R[k, l] · B[l, p, r]
            Side::Right => (self.bond + 1, site.right, self.onto_left(site)),
            Side::Left => (self.bond - 1, site.left, self.onto_right(site)),
        };
        // One half of a projected site is zero, and needs no factorization.
        let m = without_empty_half(m, self.rows);
        let rows = m.len() / columns;
        let mut entries = if rows > columns {
            let ThinQr { r, .. } = thin_qr(&m, rows, columns, workspace)?;
            r
        } else {
            m
        };
        scale_to_norm_one(&mut entries);
        Ok(Self { bond, rows: rows.min(columns), entries })
    }

    /// `M[k, (p r)] = Σ_l R[k, l] · B[l, (p r)]`
    fn onto_left<T: Scalar>(&self, site: &SiteTensor<T>) -> Vec<C64> {
        let b: Vec<C64> = site.entries.iter().map(|x| x.to_c64()).collect();
        let mut m = vec![C64::ZERO; self.rows * 2 * site.right];
        times(
            matrix_mut(&mut m, self.rows, 2 * site.right),
            matrix(&self.entries, self.rows, site.left),
            matrix(&b, site.left, 2 * site.right),
        );
        m
    }

    /// `M[(m p), l] = Σ_r L[m, r] · conj(B[l, p, r])`
    fn onto_right<T: Scalar>(&self, site: &SiteTensor<T>) -> Vec<C64> {
        let (l, r) = (site.left, site.right);
        let b: Vec<C64> = site.entries.iter().map(|x| x.to_c64()).collect();
        // N[m, (l p)] = Σ_r L[m, r] · conj(B[(l p), r])
        let mut n = vec![C64::ZERO; self.rows * 2 * l];
        times_adjoint(
            matrix_mut(&mut n, self.rows, 2 * l),
            matrix(&self.entries, self.rows, r),
            matrix(&b, 2 * l, r),
        );
        let mut m = vec![C64::ZERO; n.len()];
        for (at, column) in n.chunks_exact(self.rows).enumerate() {
            let (a, p) = (at % l, at / l);
            m[(2 * a + p) * self.rows..][..self.rows].copy_from_slice(column);
        }
        m
    }
}

/// `diag(s)` at the bond left of `site`.
fn weights<T: Scalar>(state: &Mps<T>, site: usize) -> Factor {
    let s = &state.schmidt[site];
    let mut factor = identity(site, s.len());
    let diagonal = factor.entries.iter_mut().step_by(s.len() + 1);
    diagonal.zip(s).for_each(|(x, s)| *x = C64::new(*s, 0.0));
    factor
}

fn identity(bond: usize, side: usize) -> Factor {
    let mut entries = vec![C64::ZERO; side * side];
    entries.iter_mut().step_by(side + 1).for_each(|x| *x = C64::ONE);
    Factor { bond, rows: side, entries }
}

/// `M[l, (p r)] = s[l] · B[l, (p r)]`
fn weighted<T: Scalar>(site: &SiteTensor<T>, schmidt: &[f64]) -> Vec<C64> {
    let columns = site.entries.chunks_exact(site.left);
    columns.flat_map(|column| column.iter().zip(schmidt).map(|(b, s)| b.to_c64() * *s)).collect()
}

/// `M[(k p), …]` without the p for which it is zero, if there is one.
fn without_empty_half(m: Vec<C64>, rows: usize) -> Vec<C64> {
    let half = |p: usize| m.chunks_exact(rows).skip(p).step_by(2);
    let Some(empty) = (0..2).find(|&p| half(p).flatten().all(|x| *x == C64::ZERO)) else {
        return m;
    };
    half(1 - empty).flatten().copied().collect()
}

/// Its size says nothing: probabilities are ratios.
fn scale_to_norm_one(entries: &mut [C64]) {
    let norm = entries.iter().map(C64::norm_sqr).sum::<f64>().sqrt();
    if norm > 0.0 {
        entries.iter_mut().for_each(|x| *x /= norm);
    }
}
