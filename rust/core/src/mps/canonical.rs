//! The canonicalising sweep: right-canonical tensors and true Schmidt values on every bond; with a
//! truncation in it, the best compression that goes bond by bond.

use crate::cancel::Cancel;
use crate::error::{Error, Result};
use crate::linalg::{
    Cut, Expected, Method, MethodCounts, ThinQr, Truncation, Workspace, matrix, matrix_mut,
    nearly_orthogonal_qr, times, truncate,
};
use crate::mps::{Mps, SiteTensor};
use crate::scalar::{C64, Double, Scalar};

/// Brings `state` into canonical form: QR from the left, then the right factors of an SVD from the
/// right. Drops nothing but rounding noise. The state comes out normalised; its squared norm goes
/// into the factor that [`crate::mps::log_norm_squared`] counts. Cost O(n χ³).
///
/// # Errors
/// [`Error::Numerical`] if the state is zero or a factorization failed; [`Error::Interrupted`] soon
/// after `cancel` is set. The state is then unusable.
pub fn canonicalise<T: Scalar>(state: &mut Mps<T>, cancel: &Cancel) -> Result<MethodCounts> {
    Ok(sweep(state, &keeping_all(T::NOISE_FLOOR), cancel)?.methods)
}

/// The truncation that drops nothing but singular values below `noise_floor` of the largest.
pub(crate) fn keeping_all(noise_floor: f64) -> Truncation {
    Truncation {
        limit: None,
        cutoff: 0.0,
        noise_floor,
        method: Method::Auto,
        expected: Expected::Nothing,
        keep_dropped: false,
    }
}

/// What a sweep did.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct SweepLog {
    /// Which factorizations served.
    pub methods: MethodCounts,
    /// Relative weight discarded at the bond right of each site but the last.
    pub discarded: Vec<f64>,
    /// Bonds that the limit cut.
    pub saturated: Vec<bool>,
}

impl SweepLog {
    pub(crate) fn new(n_sites: usize) -> Self {
        Self {
            methods: MethodCounts::default(),
            discarded: vec![0.0; n_sites - 1],
            saturated: vec![false; n_sites - 1],
        }
    }

    /// Whether anything was lost.
    pub(crate) fn lossy(&self) -> bool {
        self.discarded.iter().any(|weight| *weight > 0.0)
    }
}

/// Brings `state` into canonical form and truncates every bond by `policy`. What was lost is in the
/// norm that comes out of the tensors.
///
/// # Errors
/// Those of [`canonicalise`].
pub(crate) fn compress<T: Scalar>(
    state: &mut Mps<T>,
    policy: &Truncation,
    cancel: &Cancel,
) -> Result<SweepLog> {
    let mut log = sweep(state, policy, cancel)?;
    if log.lossy() {
        // A cut changes the Schmidt values of the bonds that the sweep had done before it.
        log.methods.add(sweep(state, &keeping_all(policy.noise_floor), cancel)?.methods);
    }
    Ok(log)
}

/// QR from the left, then truncated right factors from the right: at every cut both sides are
/// orthonormal, so that its discarded weight is exact.
pub(crate) fn sweep<T: Scalar>(
    state: &mut Mps<T>,
    policy: &Truncation,
    cancel: &Cancel,
) -> Result<SweepLog> {
    let n = state.n_sites();
    let mut workspace = Workspace::default();
    let mut log = SweepLog::new(n);
    // Left to right. carry (k × left): what the tensors so far leave over.
    let mut carry = vec![T::Double::ONE];
    let mut rows = 1;
    let mut log_norm = 0.0;
    let mut left_canonical: Vec<(usize, usize, Vec<T::Double>)> = Vec::with_capacity(n);
    for (i, site) in state.sites.iter().enumerate() {
        cancel.check()?;
        // M[k, (p r)] = Σ_l carry[k, l] · B[l, p, r]
        let entries: Vec<T::Double> = site.entries.iter().map(|x| x.to_double()).collect();
        let mut m = vec![T::Double::ZERO; rows * 2 * site.right];
        times(
            matrix_mut(&mut m, rows, 2 * site.right),
            matrix(&carry, rows, site.left),
            matrix(&entries, site.left, 2 * site.right),
        );
        log_norm += normalise(&mut m)?;
        if i + 1 == n {
            left_canonical.push((rows, site.right, m));
            break;
        }
        // M[(k p), r] = Q[(k p), j] · carry'[j, r]
        let ThinQr { q, r, fallbacks } =
            nearly_orthogonal_qr(&m, 2 * rows, site.right, &mut workspace)?;
        log.methods.fallbacks += fallbacks;
        let kept = (2 * rows).min(site.right);
        left_canonical.push((rows, kept, q));
        (carry, rows) = (r, kept);
    }
    // Right to left. M[l, (p r)] = U S V; V is the new tensor, and M Vᴴ = U S moves on.
    let mut moved: Option<(usize, Vec<T::Double>)> = None;
    for (i, (left, right, q)) in left_canonical.into_iter().enumerate().rev() {
        cancel.check()?;
        let (r, m) = match moved.take() {
            None => (right, q),
            Some((kept, us)) => {
                // M[(l p), k] = Σ_r Q[(l p), r] · US[r, k]
                let mut m = vec![T::Double::ZERO; 2 * left * kept];
                times(
                    matrix_mut(&mut m, 2 * left, kept),
                    matrix(&q, 2 * left, right),
                    matrix(&us, right, kept),
                );
                (kept, m)
            }
        };
        let theta = matrix(&m, left, 2 * r);
        let cut = truncate(theta, left.min(2 * r), policy, &mut workspace)?;
        log.methods.add(cut.methods);
        if i > 0 {
            log.discarded[i - 1] = cut.discarded;
            log.saturated[i - 1] = cut.saturated;
        }
        let kept = cut.rank();
        let mut us = vec![T::Double::ZERO; left * kept];
        times(matrix_mut(&mut us, left, kept), theta, matrix(&cut.vectors, 2 * r, kept));
        state.sites[i] = right_tensor(&cut, r);
        if i == 0 {
            // Left of the first site only a number remains: the norm and a phase.
            log_norm += us[0].modulus().ln();
            multiply_by(&mut state.sites[0], us[0].to_c64() / us[0].modulus());
        }
        state.schmidt[i] = cut.schmidt;
        moved = Some((kept, us));
    }
    state.log_norm_taken_out += 2.0 * log_norm;
    Ok(log)
}

/// The right-canonical tensor B[k, p, r] = V[k, (p r)] of a cut.
pub(super) fn right_tensor<T: Scalar>(cut: &Cut<T::Double>, right: usize) -> SiteTensor<T> {
    let left = cut.rank();
    let mut entries = vec![T::ZERO; left * 2 * right];
    for (k, vector) in cut.vectors.chunks_exact(2 * right).enumerate() {
        for (column, v) in vector.iter().enumerate() {
            entries[k + column * left] = T::from_double(v.conj());
        }
    }
    SiteTensor { left, right, entries }
}

/// Multiplies the state that `site` belongs to by a number.
pub(crate) fn multiply_by<T: Scalar>(site: &mut SiteTensor<T>, factor: C64) {
    let factor = T::from_c64(factor);
    site.entries.iter_mut().for_each(|x| *x *= factor);
}

/// Divides by the Frobenius norm and returns its logarithm.
fn normalise<W: Double>(m: &mut [W]) -> Result<f64> {
    let norm = m.iter().map(|x| x.norm_sqr()).sum::<f64>().sqrt();
    if norm == 0.0 || !norm.is_finite() {
        return Err(Error::Numerical(format!(
            "expected a state of finite norm above zero, got norm {norm}; a state of norm zero \
             cannot be normalised"
        )));
    }
    m.iter_mut().for_each(|x| *x = x.scale(1.0 / norm));
    Ok(norm.ln())
}
