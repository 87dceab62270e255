//! What surrounds a block of sites: left and right environments, and one site of their growth.
//!
//! ```text
//!   ┌─ conj(B) ─┐            E[a b]: bra bond a, ket bond b
//!   E     O     R
//!   └─── B ─────┘            value = Σ E'[c d] R[c d]
//! ```

use crate::cancel::Cancel;
use crate::error::{Error, Result};
use crate::linalg::{adjoint_times, matrix, matrix_mut, times};
use crate::mps::{Mps, SiteTensor};
use crate::scalar::{C64, Scalar};

/// Which state a few-site value is read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Readout {
    /// Schmidt weights left of the support, identity right of it. Costs the support only, and
    /// truncations outside the value's light cone do not reach it: 1.5 to 3 times more accurate
    /// under truncation.
    Local,
    /// The one global state: variational, and consistent with samples of it.
    State,
}

/// Environments of every bond for one readout.
pub(crate) struct Environments<'a, T> {
    state: &'a Mps<T>,
    /// For the state readout only; the local one needs none.
    contracted: Option<Contracted<T>>,
}

/// Environments of the bond left of each site, from both sides. Each is scaled to a largest entry
/// of 1; every value is a ratio, so scales cancel.
struct Contracted<T> {
    left: Vec<Vec<T>>,
    right: Vec<Vec<T>>,
    /// What each was divided by on the way from its neighbour.
    left_scales: Vec<f64>,
    right_scales: Vec<f64>,
}

impl<'a, T: Scalar> Environments<'a, T> {
    pub(crate) fn new(state: &'a Mps<T>, readout: Readout, cancel: &Cancel) -> Result<Self> {
        let contracted = if readout == Readout::State {
            let n = state.n_sites();
            let mut product = Vec::new();
            let (mut left, mut left_scales) = (vec![vec![T::ONE]], vec![1.0]);
            for site in &state.sites[..n - 1] {
                cancel.check()?;
                let mut next = transfer(&left[left.len() - 1], site, site, &mut product);
                left_scales.push(scale_to_one(&mut next).exp());
                left.push(next);
            }
            let (mut right, mut right_scales) = (vec![vec![T::ONE]], vec![1.0]);
            for site in state.sites[1..].iter().rev() {
                cancel.check()?;
                let mut next = transfer_from_right(&right[right.len() - 1], site, &mut product);
                right_scales.push(scale_to_one(&mut next).exp());
                right.push(next);
            }
            right.push(Vec::new());
            right_scales.push(1.0);
            right.reverse();
            right_scales.reverse();
            Some(Contracted { left, right, left_scales, right_scales })
        } else {
            None
        };
        Ok(Self { state, contracted })
    }

    pub(crate) fn state(&self) -> &'a Mps<T> {
        self.state
    }

    /// Environment left of `site`.
    pub(crate) fn left(&self, site: usize) -> Vec<T> {
        if let Some(contracted) = &self.contracted {
            return contracted.left[site].clone();
        }
        let schmidt = &self.state.schmidt[site];
        let dim = schmidt.len();
        let mut diagonal = vec![T::ZERO; dim * dim];
        for (a, s) in schmidt.iter().enumerate() {
            diagonal[a * dim + a] = T::ONE.scale(s * s);
        }
        diagonal
    }

    /// Environment right of `site`; `None` is the identity.
    pub(crate) fn right(&self, site: usize) -> Option<&[T]> {
        self.contracted.as_ref().map(|contracted| contracted.right[site + 1].as_slice())
    }

    /// What the environments left of each site, and those right of the site before it, were divided by
    /// on the way from their neighbours; `None` where they are not contracted.
    pub(crate) fn scales(&self) -> Option<(&[f64], &[f64])> {
        let contracted = self.contracted.as_ref()?;
        Some((&contracted.left_scales, &contracted.right_scales))
    }

    /// `Σ_{c d} E[c d] R[c d]` at the bond right of `site`.
    pub(crate) fn close(&self, environment: &[T], site: usize) -> C64 {
        if let Some(right) = self.right(site) {
            return environment.iter().zip(right).map(|(e, r)| e.to_c64() * r.to_c64()).sum();
        }
        let dim = self.state.sites[site].right;
        environment.iter().step_by(dim + 1).map(|e| e.to_c64()).sum()
    }
}

/// `K[a (s d)] = Σ_b E[a b] · Y[b s d]`
pub(crate) fn half_transfer<T: Scalar>(environment: &[T], ket: &SiteTensor<T>, out: &mut Vec<T>) {
    onto_left(environment, &ket.entries, ket.left, out);
}

/// `K[a x] = Σ_b E[a b] · Y[b x]`, Y with `left` rows. Schmidt weights, which most values begin with,
/// are diagonal, and need no product.
pub(crate) fn onto_left<T: Scalar>(environment: &[T], y: &[T], left: usize, out: &mut Vec<T>) {
    let (rows, columns) = (environment.len() / left, y.len() / left);
    if rows == left && is_diagonal(environment, left) {
        let diagonal: Vec<T> = environment.iter().step_by(left + 1).copied().collect();
        out.clear();
        for column in y.chunks_exact(left) {
            out.extend(column.iter().zip(&diagonal).map(|(y, e)| *e * *y));
        }
        return;
    }
    out.resize(rows * columns, T::ZERO);
    times(
        matrix_mut(out, rows, columns),
        matrix(environment, rows, left),
        matrix(y, left, columns),
    );
}

fn is_diagonal<T: Scalar>(environment: &[T], dim: usize) -> bool {
    let columns = environment.chunks_exact(dim).enumerate();
    columns
        .flat_map(|(b, column)| column.iter().enumerate().map(move |(a, x)| (a, b, x)))
        .all(|(a, b, x)| a == b || *x == T::ZERO)
}

/// `E'[c d] = Σ_{a s} conj(X[a s c]) · K[a s d]`
pub(crate) fn finish_transfer<T: Scalar>(bra: &SiteTensor<T>, k: &[T], ket_right: usize) -> Vec<T> {
    let mut next = vec![T::ZERO; bra.right * ket_right];
    adjoint_times(
        matrix_mut(&mut next, bra.right, ket_right),
        matrix(&bra.entries, 2 * bra.left, bra.right),
        matrix(k, 2 * bra.left, ket_right),
    );
    next
}

/// `E'[c d] = Σ_{a b s} conj(X[a s c]) · E[a b] · Y[b s d]`: one site of ⟨X|Y⟩.
pub(crate) fn transfer<T: Scalar>(
    environment: &[T],
    bra: &SiteTensor<T>,
    ket: &SiteTensor<T>,
    product: &mut Vec<T>,
) -> Vec<T> {
    half_transfer(environment, ket, product);
    finish_transfer(bra, product, ket.right)
}

/// `R'[a b] = Σ_{s c d} conj(B[a s c]) · B[b s d] · R[c d]`
pub(crate) fn transfer_from_right<T: Scalar>(
    environment: &[T],
    site: &SiteTensor<T>,
    product: &mut Vec<T>,
) -> Vec<T> {
    let (l, r) = (site.left, site.right);
    product.resize(2 * l * r, T::ZERO);
    // K[(b s) c] = Σ_d B[(b s) d] · R[c d]
    times(
        matrix_mut(product, 2 * l, r),
        matrix(&site.entries, 2 * l, r),
        matrix(environment, r, r).transpose(),
    );
    // R'[a b] = Σ_{s c} conj(B[a (s c)]) · K[b (s c)]: the transpose of K Bᴴ.
    let mut transposed = vec![T::ZERO; l * l];
    crate::linalg::times_adjoint(
        matrix_mut(&mut transposed, l, l),
        matrix(product, l, 2 * r),
        matrix(&site.entries, l, 2 * r),
    );
    let mut next = vec![T::ZERO; l * l];
    for a in 0..l {
        for b in 0..l {
            next[a + b * l] = transposed[b + a * l];
        }
    }
    next
}

/// Divides by the largest modulus and returns its logarithm; a zero environment stays zero.
pub(crate) fn scale_to_one<T: Scalar>(environment: &mut [T]) -> f64 {
    let largest = environment.iter().fold(0.0_f64, |m, x| m.max(x.norm_sqr())).sqrt();
    if largest > 0.0 {
        for x in environment.iter_mut() {
            *x = x.scale(1.0 / largest);
        }
    }
    largest.ln()
}

/// Entries below 2^-`SMALL_EXPONENT` are brought back to about 1 by [`rescale`]: far from where
/// single precision loses digits, and rarely.
const SMALL_EXPONENT: i32 = 20;

/// Multiplies a small environment by a power of two, which changes no digit, and returns the
/// exponent taken out: the environment was `returned · 2^exponent`.
pub(crate) fn rescale<T: Scalar>(environment: &mut [T]) -> i32 {
    let largest = environment.iter().fold(0.0_f64, |m, x| m.max(x.norm_sqr())).sqrt();
    if largest == 0.0 || largest >= 2.0_f64.powi(-SMALL_EXPONENT) {
        return 0;
    }
    // At most 2^100 at once, which single precision holds; the next site takes out the rest.
    let exponent = (largest.log2().floor() as i32).max(-100);
    let factor = 2.0_f64.powi(-exponent);
    for x in environment.iter_mut() {
        *x = x.scale(factor);
    }
    exponent
}

/// A norm to divide by.
///
/// # Errors
/// [`Error::Numerical`] if it is not a number above zero.
pub(crate) fn checked_norm(norm: f64) -> Result<f64> {
    if norm > 0.0 && norm.is_finite() {
        return Ok(norm);
    }
    Err(Error::Numerical(format!(
        "expected a state of finite norm above zero, got norm {norm}; nothing can be read from a \
         state of norm zero"
    )))
}
