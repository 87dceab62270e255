//! Truncation: the leading right singular vectors of a matrix, and what is lost by keeping no more.
//!
//! Only V, the kept singular values and the discarded weight are needed, never U. Two ways to them:
//!
//! * **Gram**: eigenvectors of `θᴴθ`. Twice as fast, but squares the condition number: singular
//!   values below 1e-8 of the largest are noise.
//! * **SVD**: where small weights decide the rank.
//!
//! `Method::Auto` takes the Gram result only if it kept nothing it cannot resolve and dropped
//! nothing but what `limit` cuts or what the rank bound says is zero; else the SVD.

use faer::MatRef;

use super::{
    ThinQr, Workspace, gram, leading_eigenpairs, matrix, matrix_mut, right_singular_vectors,
    thin_qr,
};
use crate::error::{Error, Result};
use crate::scalar::{C64, Scalar};

/// Relative weight (squared singular value) that a Gram matrix in double precision resolves.
const GRAM_RESOLUTION: f64 = 1e-14;
/// Relative weight down to which a Gram eigenvector is clear of the dropped ones by 1e-15 in weight.
const GRAM_CLEAR: f64 = 1e-8;
/// A QR factorization first pays when the matrix is at least this much wider than tall.
const QR_FIRST: f64 = 0.75;

/// How to find the leading right singular vectors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Method {
    /// Gram where it is exact enough, SVD elsewhere.
    Auto,
    /// Always Gram: drops what it cannot resolve, weights below 1e-14.
    Gram,
    /// Always the checked SVD.
    Svd,
}

/// The policy of one truncation.
#[derive(Debug, Clone, Copy)]
pub struct Truncation {
    /// Most singular values to keep; `None` for no limit.
    pub limit: Option<usize>,
    /// Largest relative weight (sum of squares) that may be discarded below `limit`; 0 keeps all.
    pub cutoff: f64,
    /// Singular values below this fraction of the largest are noise and always dropped.
    pub noise_floor: f64,
    /// How to factorize.
    pub method: Method,
    /// Whether the smallest weights are expected below what a Gram matrix resolves; then `Auto`
    /// goes to the SVD at once. A hint: it changes the cost, not what is kept.
    pub small_weights_expected: bool,
}

/// How many truncations each method served.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MethodCounts {
    /// Through the Gram matrix.
    pub gram: usize,
    /// Through the SVD.
    pub svd: usize,
    /// Factorizations that failed their check and were done again another way.
    pub fallbacks: usize,
}

impl MethodCounts {
    /// Adds the counts of `other`.
    pub fn add(&mut self, other: Self) {
        self.gram += other.gram;
        self.svd += other.svd;
        self.fallbacks += other.fallbacks;
    }
}

/// A truncated right factor.
#[derive(Debug, Clone)]
pub struct Cut {
    /// `Vᴴ`'s rows as columns: cols × rank, column-major, orthonormal.
    pub vectors: Vec<C64>,
    /// Kept singular values over their norm, descending.
    pub schmidt: Vec<f64>,
    /// Relative weight discarded, in [0, 1].
    pub discarded: f64,
    /// The whole weight, |θ|².
    pub total_weight: f64,
    /// Whether `limit` made the cut.
    pub saturated: bool,
    /// What was used.
    pub methods: MethodCounts,
}

impl Cut {
    /// Number of kept singular values.
    #[must_use]
    pub fn rank(&self) -> usize {
        self.schmidt.len()
    }
}

/// Truncates `theta` (rows × cols), whose rank is known to be at most `rank_bound`.
///
/// # Errors
/// [`Error::Numerical`] if `theta` is zero or not finite.
pub fn truncate(
    theta: MatRef<'_, C64>,
    rank_bound: usize,
    policy: &Truncation,
    workspace: &mut Workspace,
) -> Result<Cut> {
    let bound = rank_bound.min(theta.nrows()).min(theta.ncols()).max(1);
    let gram_first = match policy.method {
        Method::Auto => !policy.small_weights_expected,
        Method::Gram => true,
        Method::Svd => false,
    };
    let mut methods = MethodCounts::default();
    if gram_first {
        match by_gram(theta, bound, policy, workspace) {
            Attempted::Done(cut) => return Ok(cut),
            Attempted::Unresolved => {}
            Attempted::Failed => methods.fallbacks += 1,
        }
    }
    let factors = right_singular_vectors(theta, workspace).ok_or_else(|| {
        Error::Numerical(
            "no singular value decomposition passed its check: the state holds numbers that are \
             not finite; check the gates' matrices and parameters"
                .to_owned(),
        )
    })?;
    methods.svd = 1;
    methods.fallbacks += factors.fallbacks;
    let weights: Vec<f64> = factors.singular_values.iter().map(|s| s * s).collect();
    let choice = choose_rank(&weights, bound, policy, policy.noise_floor * policy.noise_floor)
        .ok_or_else(zero_state)?;
    let mut vectors = factors.vectors;
    vectors.truncate(theta.ncols() * choice.rank);
    Ok(choice.into_cut(vectors, &weights, 0.0, methods))
}

enum Attempted {
    Done(Cut),
    /// Sound, but the decision lies below what a Gram matrix resolves.
    Unresolved,
    Failed,
}

fn by_gram(
    theta: MatRef<'_, C64>,
    bound: usize,
    policy: &Truncation,
    workspace: &mut Workspace,
) -> Attempted {
    let (rows, cols) = theta.shape();
    // θᴴ = Q R (cols × rows): the right vectors of θ are Q times those of Rᴴ, of size rows only.
    let basis = if (rows as f64) < QR_FIRST * cols as f64 {
        let adjoint: Vec<C64> =
            (0..rows).flat_map(|i| (0..cols).map(move |j| theta[(i, j)].conj())).collect();
        match thin_qr(&adjoint, cols, rows, workspace) {
            Ok(factors) => Some(factors),
            Err(_) => return Attempted::Failed,
        }
    } else {
        None
    };
    let n = if basis.is_some() { rows } else { cols };
    let mut m = vec![C64::ZERO; n * n];
    match &basis {
        // M = (Rᴴ)ᴴ Rᴴ = R Rᴴ
        Some(ThinQr { r, .. }) => {
            let lower: Vec<C64> =
                (0..rows).flat_map(|i| (0..rows).map(move |j| r[j * rows + i].conj())).collect();
            gram(matrix_mut(&mut m, n, n), matrix(&lower, n, n));
        }
        None => gram(matrix_mut(&mut m, n, n), theta),
    }
    let wanted = policy.limit.map_or(bound, |limit| bound.min(limit)).max(1);
    let Some((weights, mut vectors)) = leading_eigenpairs(&mut m, n, wanted, workspace) else {
        return Attempted::Failed;
    };
    let noise = policy.noise_floor * policy.noise_floor;
    // Eigenvalues carry an absolute error of about n·ε: weights below it are no weights.
    let floor = match policy.method {
        Method::Gram => noise.max(GRAM_RESOLUTION),
        _ => noise.max(n as f64 * f64::EPSILON),
    };
    let Some(choice) = choose_rank(&weights, bound, policy, floor) else {
        return Attempted::Unresolved;
    };
    if policy.method == Method::Auto {
        // Noise floor and cutoff decide the rank only where they lie above the resolution.
        let coarse = noise.max(policy.cutoff) >= GRAM_RESOLUTION;
        let structural = choice.saturated || choice.rank == bound || coarse;
        let smallest = weights[choice.rank - 1] / weights[0];
        let dropped: f64 = weights[choice.rank..].iter().filter(|w| **w > floor * weights[0]).sum();
        // A kept direction of weight w mixes with the dropped ones by about ε/w: a lost weight of
        // ε²/w. It must be nothing (no direction is dropped), small, or small beside the cut's own.
        let mixing = 1e4 * f64::EPSILON * f64::EPSILON / smallest;
        let harmless = choice.rank == n
            || smallest >= GRAM_CLEAR
            || dropped >= mixing * weights[0]
            || (coarse && smallest > GRAM_RESOLUTION);
        if !(structural && smallest > GRAM_RESOLUTION && harmless) {
            return Attempted::Unresolved;
        }
    }
    vectors.truncate(n * choice.rank);
    let mut methods = MethodCounts { gram: 1, ..MethodCounts::default() };
    if let Some(ThinQr { q, fallbacks, .. }) = basis {
        methods.fallbacks += fallbacks;
        let mut lifted = vec![C64::ZERO; cols * choice.rank];
        super::times(
            matrix_mut(&mut lifted, cols, choice.rank),
            matrix(&q, cols, n),
            matrix(&vectors, n, choice.rank),
        );
        vectors = lifted;
    }
    Attempted::Done(choice.into_cut(vectors, &weights, floor, methods))
}

struct Choice {
    rank: usize,
    saturated: bool,
}

impl Choice {
    /// Dropped weights below `floor` of the largest are rounding errors, and not counted.
    fn into_cut(
        self,
        vectors: Vec<C64>,
        weights: &[f64],
        floor: f64,
        methods: MethodCounts,
    ) -> Cut {
        let (kept, dropped) = weights.split_at(self.rank);
        let smallest = floor * weights[0];
        let positive = |part: &[f64]| part.iter().filter(|w| **w > smallest).sum::<f64>();
        let (kept_weight, dropped_weight) = (positive(kept), positive(dropped));
        Cut {
            vectors,
            schmidt: kept.iter().map(|w| (w.max(0.0) / kept_weight).sqrt()).collect(),
            discarded: dropped_weight / (kept_weight + dropped_weight),
            total_weight: kept_weight + dropped_weight,
            saturated: self.saturated,
            methods,
        }
    }
}

/// The smallest rank that the policy allows, or `None` if there is no weight at all.
fn choose_rank(weights: &[f64], bound: usize, policy: &Truncation, noise: f64) -> Option<Choice> {
    let largest = weights.first().copied().filter(|w| *w > 0.0 && w.is_finite())?;
    let total: f64 = weights.iter().map(|w| w.max(0.0)).sum();
    let mut rank = weights.iter().take(bound).take_while(|w| **w > noise * largest).count().max(1);
    let mut tail: f64 = weights[rank..].iter().map(|w| w.max(0.0)).sum();
    while rank > 1 && tail + weights[rank - 1] <= policy.cutoff * total {
        rank -= 1;
        tail += weights[rank];
    }
    let limit = policy.limit.unwrap_or(usize::MAX).max(1);
    Some(Choice { rank: rank.min(limit), saturated: rank > limit })
}

fn zero_state() -> Error {
    Error::Numerical(
        "the state has norm zero at a truncation: a gate or projection removed all of it"
            .to_owned(),
    )
}
