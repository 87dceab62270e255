//! Truncation: the leading right singular vectors of a matrix, and what is lost by keeping no more.
//!
//! Only V, the kept singular values and the discarded weight are needed, never U. Two ways to them:
//!
//! * **Gram**: eigenvectors of `θᴴθ`. Twice as fast, but squares the condition number: singular
//!   values below 1e-8 of the largest are noise.
//! * **SVD**: where small weights decide the rank.
//!
//! (Two-site steps have a third, see [`super::sketch`].) `Method::Auto` takes the Gram result only if
//! it kept nothing it cannot resolve and dropped nothing but what `limit` cuts or what the rank bound
//! says is zero; else the SVD.

use faer::MatRef;

use super::{
    ThinQr, Workspace, adjoint, gram, leading_eigenpairs, matrix, matrix_mut,
    right_singular_vectors, thin_qr,
};
use crate::error::{Error, Result};
use crate::scalar::{C64, Double};

/// Relative weight (squared singular value) that a Gram matrix in double precision resolves.
const GRAM_RESOLUTION: f64 = 1e-14;
/// Relative weight down to which a Gram eigenvector is clear of the dropped ones by 1e-15 in weight.
const GRAM_CLEAR: f64 = 1e-8;
/// Relative weight down to which the directions of a Gram matrix are within 1e-6 of orthogonal ones.
const GRAM_ALIGNED: f64 = 1e-10;
/// The same where no direction is dropped and none is without weight, so that all a Gram matrix mixes is
/// the kept ones with each other, by ε over their weight: those are turned afterwards.
const GRAM_TURNED: f64 = 1e-13;
/// A QR factorization first pays when the matrix is at least this much wider than tall.
const QR_FIRST: f64 = 0.75;

/// Relative gap below which a cut made by the limit looks for a wider one.
const NARROW: f64 = 1e-2;
/// Share of the kept weights among which it looks: one in so many.
const WINDOW: usize = 20;
/// Relative gap below which two weights are one.
const DEGENERATE: f64 = 1e-10;
/// Dropped weights that sum to less than this share of the smallest kept one count as 0: in a derivative
/// they matter by the root of it.
const NOTHING_BESIDE: f64 = 1e-22;
/// Share of the largest weight below which a dropped direction is not told from those without any.
const NO_WEIGHT: f64 = 1e-24;

/// Share of the largest weight below which a kept direction is known to 1e-9 only.
const GRADED: f64 = 1e-14;
/// Share of the largest weight that the smallest kept direction has where the next is dropped as having
/// none: weights of weakly entangling circuits fall off more gently, and there what comes next comes to
/// life no faster than the root of that.
const ABRUPT: f64 = 1e-12;
/// Share of the largest weight below which a dropped direction may come to life as well as not: its
/// coupling to the kept ones is not known.
const LIFELESS: f64 = 1e-17;

/// How to find the leading right singular vectors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Method {
    /// A sketch where much is lost anyway, Gram where that is exact enough, SVD elsewhere.
    Auto,
    /// As `Auto`, without sketches: the kept directions are the leading ones and depend smoothly on
    /// θ, as derivatives demand.
    Exact,
    /// Always Gram: drops what it cannot resolve, weights below 1e-14.
    Gram,
    /// Always the checked SVD.
    Svd,
}

/// What the weights of a truncation are expected to be. A hint: it chooses the cheapest way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// Nothing is known.
    Nothing,
    /// The smallest lie below what a Gram matrix resolves: the SVD comes first.
    SmallWeights,
    /// The limit cuts more than a sketch in single precision blurs.
    Losses,
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
    /// What is known of the weights beforehand.
    pub expected: Expected,
    /// Whether the dropped directions are wanted, too, every weight resolved: a derivative needs them.
    pub keep_dropped: bool,
}

/// How many truncations each method served.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MethodCounts {
    /// Through the Gram matrix.
    pub gram: usize,
    /// Through the SVD.
    pub svd: usize,
    /// Through a sketch.
    pub sketch: usize,
    /// Factorizations that failed their check and were done again another way.
    pub fallbacks: usize,
}

impl MethodCounts {
    /// Adds the counts of `other`.
    pub fn add(&mut self, other: Self) {
        self.gram += other.gram;
        self.svd += other.svd;
        self.sketch += other.sketch;
        self.fallbacks += other.fallbacks;
    }
}

/// A truncated right factor.
#[derive(Debug, Clone)]
pub struct Cut<W = C64> {
    /// `Vᴴ`'s rows as columns: cols × rank, column-major, orthonormal.
    pub vectors: Vec<W>,
    /// Kept singular values over their norm, descending.
    pub schmidt: Vec<f64>,
    /// Relative weight discarded, in [0, 1].
    pub discarded: f64,
    /// The whole weight, |θ|².
    pub total_weight: f64,
    /// Whether `limit` made the cut.
    pub saturated: bool,
    /// `(m_k − m_d) / m_k` of the last kept and the first dropped weight where `limit` made the cut,
    /// else 1.
    pub gap: f64,
    /// Whether fewer were kept than `limit` allows, for the sake of the gap.
    pub shifted: bool,
    /// What was used.
    pub methods: MethodCounts,
    /// The dropped directions, if asked for.
    pub dropped: Option<Dropped<W>>,
}

/// Directions that a truncation dropped.
#[derive(Debug, Clone)]
pub struct Dropped<W = C64> {
    /// As [`Cut::vectors`], cols × dropped: those whose weights are not nothing beside the smallest
    /// kept weight. All other directions count as dropped with weight 0.
    pub vectors: Vec<W>,
    /// Their squared singular values, descending.
    pub weights: Vec<f64>,
    /// Whether directions that the rank bound allows were dropped although none that is kept is as weak:
    /// there the truncated state has a corner as a function of what θ depends on.
    pub corner: bool,
    /// Whether a direction was kept that is so weak that a derivative sees its rounding errors, or
    /// dropped that is weaker and may come to life.
    pub graded: bool,
}

impl<W> Cut<W> {
    /// Takes better values for the weights of the kept directions; their order stays.
    pub(crate) fn set_weights(&mut self, weights: &[f64]) {
        let total: f64 = weights.iter().sum();
        self.schmidt = weights.iter().map(|m| (m / total).sqrt()).collect();
    }

    /// Squared singular values of the kept directions.
    #[must_use]
    pub fn kept_weights(&self) -> Vec<f64> {
        let kept = self.total_weight * (1.0 - self.discarded);
        self.schmidt.iter().map(|s| s * s * kept).collect()
    }

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
pub fn truncate<W: Double>(
    theta: MatRef<'_, W>,
    rank_bound: usize,
    policy: &Truncation,
    workspace: &mut Workspace,
) -> Result<Cut<W>> {
    let bound = rank_bound.min(theta.nrows()).min(theta.ncols()).max(1);
    // Small weights do not matter where the limit cuts far above them.
    let halved = policy.limit.is_some_and(|limit| bound >= 2 * limit) && !policy.keep_dropped;
    let gram_first = match policy.method {
        Method::Auto | Method::Exact => policy.expected != Expected::SmallWeights || halved,
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
    let cols = theta.ncols();
    let dropped = policy.keep_dropped.then(|| choice.dropped(&vectors, &weights, bound, cols));
    vectors.truncate(cols * choice.rank);
    Ok(choice.into_cut(vectors, &weights, 0.0, methods, dropped))
}

enum Attempted<W> {
    Done(Cut<W>),
    /// Sound, but the decision lies below what a Gram matrix resolves.
    Unresolved,
    Failed,
}

fn by_gram<W: Double>(
    theta: MatRef<'_, W>,
    bound: usize,
    policy: &Truncation,
    workspace: &mut Workspace,
) -> Attempted<W> {
    let (rows, cols) = theta.shape();
    // θᴴ = Q R (cols × rows): the right vectors of θ are Q times those of Rᴴ, of size rows only.
    let basis = if (rows as f64) < QR_FIRST * cols as f64 {
        let adjoint: Vec<W> =
            (0..rows).flat_map(|i| (0..cols).map(move |j| theta[(i, j)].conj())).collect();
        match thin_qr(&adjoint, cols, rows, workspace) {
            Ok(factors) => Some(factors),
            Err(_) => return Attempted::Failed,
        }
    } else {
        None
    };
    let n = if basis.is_some() { rows } else { cols };
    let mut m = vec![W::ZERO; n * n];
    match &basis {
        // M = (Rᴴ)ᴴ Rᴴ = R Rᴴ
        Some(ThinQr { r, .. }) => {
            gram(matrix_mut(&mut m, n, n), matrix(&adjoint(r, n), n, n));
        }
        None => gram(matrix_mut(&mut m, n, n), theta),
    }
    let limit = policy.limit.filter(|_| !policy.keep_dropped);
    let wanted = limit.map_or(bound, |limit| bound.min(limit)).max(1);
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
    if policy.method != Method::Gram {
        // Noise floor and cutoff decide the rank only where they lie above the resolution; whether a
        // dropped weight is small or nothing, only the SVD can tell.
        let coarse = noise.max(policy.cutoff) >= GRAM_RESOLUTION && !policy.keep_dropped;
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
        let least = match policy.keep_dropped {
            true if choice.rank == n => GRAM_TURNED,
            true => GRAM_ALIGNED,
            false => GRAM_RESOLUTION,
        };
        if !(structural && smallest > least && harmless) {
            return Attempted::Unresolved;
        }
    }
    let mut dropped = policy.keep_dropped.then(|| choice.dropped(&vectors, &weights, bound, n));
    vectors.truncate(n * choice.rank);
    let mut methods = MethodCounts { gram: 1, ..MethodCounts::default() };
    if let Some(ThinQr { q, fallbacks, .. }) = basis {
        methods.fallbacks += fallbacks;
        let lift = |vectors: &mut Vec<W>| {
            let count = vectors.len() / n;
            let mut lifted = vec![W::ZERO; cols * count];
            super::times(
                matrix_mut(&mut lifted, cols, count),
                matrix(&q, cols, n),
                matrix(vectors, n, count),
            );
            *vectors = lifted;
        };
        lift(&mut vectors);
        dropped.iter_mut().for_each(|dropped| lift(&mut dropped.vectors));
    }
    Attempted::Done(choice.into_cut(vectors, &weights, floor, methods, dropped))
}

struct Choice {
    rank: usize,
    saturated: bool,
    gap: f64,
    shifted: bool,
}

impl Choice {
    /// The directions behind the kept ones among `vectors`, each of `n` entries.
    fn dropped<W: Copy>(
        &self,
        vectors: &[W],
        weights: &[f64],
        bound: usize,
        n: usize,
    ) -> Dropped<W> {
        let smallest = weights[self.rank - 1];
        let behind = &weights[self.rank..bound.max(self.rank)];
        let total: f64 = behind.iter().map(|w| w.max(0.0)).sum();
        let count = if total > NOTHING_BESIDE * smallest {
            // A Gram matrix does not tell the weakest apart, and its noise may be negative: they are
            // kept with weight 0, since what couples to them counts by the root of theirs.
            behind.iter().take_while(|w| w.abs() > NO_WEIGHT * weights[0]).count()
        } else {
            0
        };
        let next = behind.first().map_or(f64::INFINITY, |w| w.max(0.0));
        let relative = smallest / weights[0];
        let lifeless = !self.saturated && next < LIFELESS * weights[0];
        let corner = lifeless && relative >= ABRUPT && next < NO_WEIGHT * weights[0];
        Dropped {
            vectors: vectors[self.rank * n..(self.rank + count) * n].to_vec(),
            weights: behind[..count].iter().map(|w| w.max(0.0)).collect(),
            corner,
            graded: relative < GRADED || (lifeless && !corner),
        }
    }

    /// Dropped weights below `floor` of the largest are rounding errors, and not counted.
    fn into_cut<W>(
        self,
        vectors: Vec<W>,
        weights: &[f64],
        floor: f64,
        methods: MethodCounts,
        dropped: Option<Dropped<W>>,
    ) -> Cut<W> {
        let (kept, behind) = weights.split_at(self.rank);
        let smallest = floor * weights[0];
        let positive = |part: &[f64]| part.iter().filter(|w| **w > smallest).sum::<f64>();
        let (kept_weight, dropped_weight) = (positive(kept), positive(behind));
        Cut {
            vectors,
            schmidt: kept.iter().map(|w| (w.max(0.0) / kept_weight).sqrt()).collect(),
            discarded: dropped_weight / (kept_weight + dropped_weight),
            total_weight: kept_weight + dropped_weight,
            saturated: self.saturated,
            gap: self.gap,
            shifted: self.shifted,
            methods,
            dropped,
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
    if rank <= limit {
        return Some(Choice { rank, saturated: false, gap: 1.0, shifted: false });
    }
    let kept = clear_cut(weights, limit, noise * largest);
    Some(Choice { rank: kept, saturated: true, gap: gap_at(weights, kept), shifted: kept < limit })
}

/// Relative gap of the weights on either side of a cut that keeps `kept`.
fn gap_at(weights: &[f64], kept: usize) -> f64 {
    1.0 - weights[kept].max(0.0) / weights[kept - 1]
}

/// Where to cut weights of which `limit` may be kept: there, or where fewer are kept if the cut would
/// run between weights that nearly coincide.
///
/// Which of two equal weights is kept is an accident of rounding, and a derivative grows like the
/// inverse gap. So a narrow cut moves to the widest gap among the last twentieth of the kept weights,
/// and one that rounding alone decides to the nearest gap, however far. `noise` is the weight of
/// rounding errors. If all weights coincide the cut stays.
fn clear_cut(weights: &[f64], limit: usize, noise: f64) -> usize {
    if gap_at(weights, limit) >= NARROW {
        return limit;
    }
    let gap = |kept: &usize| gap_at(weights, *kept);
    let widest = (limit - limit / WINDOW..=limit).max_by(|a, b| gap(a).total_cmp(&gap(b)));
    let found = widest.unwrap_or(limit);
    let clear = |kept: usize| {
        let difference = weights[kept - 1] - weights[kept];
        difference > (DEGENERATE * weights[kept - 1]).max(noise)
    };
    (1..=found).rev().find(|kept| clear(*kept)).unwrap_or(limit)
}

fn zero_state() -> Error {
    Error::Numerical(
        "the state has norm zero at a truncation: a gate or projection removed all of it"
            .to_owned(),
    )
}

#[cfg(test)]
mod tests;
