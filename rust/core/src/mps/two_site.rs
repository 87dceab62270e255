//! Two-site step: apply a 4×4 gate across one bond and truncate it.
//!
//! The state is right-canonical with Schmidt values on the bonds (Hastings 2009), so a step needs
//! no inverse and reads or writes nothing but its two tensors, the bond between them and the
//! weights to its left: steps on disjoint pairs may run at once.

use std::sync::{Mutex, PoisonError};

use crate::error::Result;
use crate::linalg::{
    Cut, Dropped, MethodCounts, SketchBuffers, Truncation, Workspace, adjoint, matrix, matrix_mut,
    times, truncate,
};
use crate::mps::SiteTensor;
use crate::mps::align::{align, is_graded};
use crate::mps::rotate::rotate_and_weight;
use crate::mps::sketched_cut::{Sketched, sketched_cut};
use crate::scalar::{C64, Double, Scalar};

/// Squared norm below which a power of two is taken out of the left tensor.
pub(crate) const SMALL_NORM: f64 = 1e-6;

/// Buffers of a step, reused from step to step.
pub struct Scratch<T: Scalar> {
    /// `C`, the merged and rotated pair: (2·left) × (2·right).
    merged: Vec<T>,
    /// `θ = diag(s)·C` in double precision.
    pub(super) weighted: Vec<T::Double>,
    /// `Vᴴ` rounded to the state's precision.
    pub(super) right: Vec<T>,
    pub(super) buffers: SketchBuffers<<T::Double as Scalar>::Single>,
    pub(crate) workspace: Workspace,
}

impl<T: Scalar> Default for Scratch<T> {
    fn default() -> Self {
        Self {
            merged: Vec::new(),
            weighted: Vec::new(),
            right: Vec::new(),
            buffers: SketchBuffers::default(),
            workspace: Workspace::default(),
        }
    }
}

/// Scratch buffers shared by the threads of a run: for states of its type, and for as long as they
/// are real.
pub struct Scratches<T: Scalar> {
    pub(crate) own: ScratchPool<T>,
    pub(crate) real: ScratchPool<T::RealPart>,
}

impl<T: Scalar> Default for Scratches<T> {
    fn default() -> Self {
        Self { own: ScratchPool::default(), real: ScratchPool::default() }
    }
}

/// Scratch buffers: a step borrows one and gives it back.
///
/// Not thread-local: a thread that waits for other steps may be given one of them to run.
pub(crate) struct ScratchPool<T: Scalar>(Mutex<Vec<Scratch<T>>>);

impl<T: Scalar> Default for ScratchPool<T> {
    fn default() -> Self {
        Self(Mutex::new(Vec::new()))
    }
}

impl<T: Scalar> ScratchPool<T> {
    pub(crate) fn with<R>(&self, work: impl FnOnce(&mut Scratch<T>) -> R) -> R {
        let free = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut scratch = free().pop().unwrap_or_default();
        let result = work(&mut scratch);
        free().push(scratch);
        result
    }
}

/// What one step leaves behind.
pub(crate) struct StepUpdate<T: Scalar> {
    /// The tensors of the step's sites, from left to right.
    pub sites: Vec<SiteTensor<T>>,
    /// The bonds between them, from left to right.
    pub bonds: Vec<BondUpdate>,
    /// Logarithm of the squared norm taken out of the tensors; 0 but for rare steps.
    pub log_norm_taken_out: f64,
    pub methods: MethodCounts,
    /// Power of two that the leftmost tensor was multiplied by.
    pub left_scale: f64,
    /// What a derivative needs of each cut, from left to right; empty if it was not asked for.
    pub cuts: Vec<CutRecord<T::Double>>,
}

impl<U: Scalar> StepUpdate<U> {
    /// What the step leaves behind that is the mirror image of the one that left this; without what a
    /// derivative needs.
    pub fn mirrored(mut self) -> Self {
        self.bonds.reverse();
        Self { sites: self.sites.iter().rev().map(SiteTensor::mirrored).collect(), ..self }
    }

    /// The same in numbers of another type.
    pub fn cast<T: Scalar>(self) -> StepUpdate<T> {
        let cuts = self.cuts.iter().map(CutRecord::cast);
        StepUpdate {
            sites: self.sites.iter().map(SiteTensor::cast).collect(),
            bonds: self.bonds,
            log_norm_taken_out: self.log_norm_taken_out,
            methods: self.methods,
            left_scale: self.left_scale,
            cuts: cuts.collect(),
        }
    }
}

/// What one step leaves on one bond.
pub(crate) struct BondUpdate {
    pub schmidt: Vec<f64>,
    pub discarded: f64,
    pub saturated: bool,
    pub gap: f64,
    pub shifted: bool,
}

impl BondUpdate {
    /// That of a cut, which keeps its vectors.
    pub fn take<W>(cut: &mut Cut<W>) -> Self {
        Self {
            schmidt: std::mem::take(&mut cut.schmidt),
            discarded: cut.discarded,
            saturated: cut.saturated,
            gap: cut.gap,
            shifted: cut.shifted,
        }
    }
}

/// What the derivative of a cut needs besides the kept vectors, which are the tensor right of it.
pub(crate) struct CutRecord<W = C64> {
    /// Squared singular values of the kept directions.
    pub kept: Vec<f64>,
    pub dropped: Dropped<W>,
    /// Power of two that what goes on to the left was multiplied by.
    pub scale: f64,
}

impl<W: Double> CutRecord<W> {
    /// The same in numbers of another type.
    pub fn cast<V: Double>(&self) -> CutRecord<V> {
        let Dropped { vectors, weights, corner, graded } = &self.dropped;
        CutRecord {
            kept: self.kept.clone(),
            scale: self.scale,
            dropped: Dropped {
                vectors: vectors.iter().map(|x| V::from_c64(x.to_c64())).collect(),
                weights: weights.clone(),
                corner: *corner,
                graded: *graded,
            },
        }
    }

    /// That of a cut whose dropped directions were asked for.
    pub fn take(cut: &mut Cut<W>, scale: f64) -> Option<Self> {
        let kept = cut.kept_weights();
        cut.dropped.take().map(|dropped| Self { kept, dropped, scale })
    }
}

/// Applies `gate` (row-major, left site most significant) to neighbouring tensors and truncates.
///
/// ```text
///  s_i ─ B_i ─ B_{i+1} ─            ─ B'_i ─ s'_{i+1} ─ B'_{i+1} ─
///         └─ gate ─┘          →
/// ```
/// `rank` bounds the gate's operator Schmidt rank. Cost O(χ³).
pub(crate) fn apply_two_site<T: Scalar>(
    left: &SiteTensor<T>,
    right: &SiteTensor<T>,
    left_schmidt: &[f64],
    gate: &[C64; 16],
    rank: usize,
    truncation: &Truncation,
    scratch: &mut Scratch<T>,
) -> Result<StepUpdate<T>> {
    let (l, middle, r) = (left.left, left.right, right.right);
    let (rows, cols) = (2 * l, 2 * r);
    scratch.merged.resize(rows * cols, T::ZERO);
    scratch.weighted.resize(rows * cols, T::Double::ZERO);
    // C[(l p), (q r)] = Σ_m B_i[l p m] · B_{i+1}[m q r]
    times(
        matrix_mut(&mut scratch.merged, rows, cols),
        matrix(&left.entries, rows, middle),
        matrix(&right.entries, middle, cols),
    );
    // C[(l p), (q r)] ← Σ_{p' q'} G[p q, p' q'] · C[(l p'), (q' r)];  θ = s_l · C: the weights make
    // the cut optimal for the whole state, not for this pair.
    rotate_and_weight(&mut scratch.merged, &mut scratch.weighted, gate, left_schmidt);

    let bound = rank.saturating_mul(middle);
    let sketched = sketched_cut(left_schmidt, (rows, cols), bound, truncation, scratch);
    let (mut cut, mut new_left) = match sketched {
        Sketched::Taken(cut, left) => (cut, left),
        Sketched::Not { tried } => {
            let theta = matrix(&scratch.weighted, rows, cols);
            let mut cut = truncate(theta, bound, truncation, &mut scratch.workspace)?;
            cut.methods.fallbacks += usize::from(tried);
            let left = scratch.project(&cut.vectors, (rows, cols));
            (cut, left)
        }
    };
    let kept = cut.rank();
    if truncation.keep_dropped && is_graded(&cut.schmidt) {
        let mut exact: Vec<T::Double> = new_left.iter().map(|x| x.to_double()).collect();
        let weigh = |left: &[T::Double]| -> Vec<T::Double> {
            left.iter().enumerate().map(|(at, x)| x.scale(left_schmidt[at % l])).collect()
        };
        let weights = align(&mut exact, &mut cut.vectors, kept, weigh);
        cut.set_weights(&weights);
        new_left = exact.into_iter().map(T::from_double).collect();
        scratch.right.clear();
        scratch.right.extend(cut.vectors.iter().map(|v| T::from_double(*v)));
    }
    let cuts = CutRecord::take(&mut cut, 1.0).into_iter().collect();
    let (mut log_norm_taken_out, mut left_scale) = (0.0, 1.0);
    if T::ROUNDS {
        let right = cut.vectors.chunks_exact(cols).zip(&cut.schmidt);
        let right: f64 = right.map(|(vector, s)| s * s * rounded_norm::<T>(vector)).sum();
        let left = weighted_norm(&new_left, left_schmidt);
        log_norm_taken_out += (cut.total_weight * (1.0 - cut.discarded) / (left * right)).ln();
    }
    // What truncations take off the norm gathers in the leftmost tensors, without end in a deep
    // circuit. A power of two is taken out before it could underflow: exact, no bit changes.
    if cut.total_weight < SMALL_NORM {
        let exponent = (cut.total_weight.log2() / 2.0).round();
        left_scale = (-exponent).exp2();
        new_left.iter_mut().for_each(|x| *x = x.scale(left_scale));
        log_norm_taken_out += 2.0 * exponent * std::f64::consts::LN_2;
    }
    // B'_{i+1}[k, (q r)] = V[k, (q r)]
    let new_right = adjoint(&scratch.right, cols);
    Ok(StepUpdate {
        sites: vec![
            SiteTensor { left: l, right: kept, entries: new_left },
            SiteTensor { left: kept, right: r, entries: new_right },
        ],
        methods: cut.methods,
        bonds: vec![BondUpdate::take(&mut cut)],
        log_norm_taken_out,
        left_scale,
        cuts,
    })
}

impl<T: Scalar> Scratch<T> {
    /// `B'_i[(l p), k] = Σ_{q r} C[(l p), (q r)] · conj(V[k, (q r)])`, and `Vᴴ` rounded in `right`.
    pub(super) fn project(
        &mut self,
        vectors: &[T::Double],
        (rows, cols): (usize, usize),
    ) -> Vec<T> {
        let kept = vectors.len() / cols;
        self.right.clear();
        self.right.extend(vectors.iter().map(|v| T::from_double(*v)));
        let mut left = vec![T::ZERO; rows * kept];
        times(
            matrix_mut(&mut left, rows, kept),
            matrix(&self.merged, rows, cols),
            matrix(&self.right, cols, kept),
        );
        left
    }
}

/// Squared norm of numbers after rounding.
///
/// Rounded tensors are no isometries, and equal gates on equal states miss by the same amount every
/// time: at 1,000 sites a hundred long gates took 4e-3 off a norm that tells of truncations. What
/// rounding does to the norm goes into the logarithm that is taken out.
pub(crate) fn rounded_norm<T: Scalar>(exact: &[T::Double]) -> f64 {
    exact.iter().map(|x| T::from_double(*x).norm_sqr()).sum()
}

/// `Σ_{l x} s_l² |B[l x]|²`, l running fastest.
pub(crate) fn weighted_norm<T: Scalar>(entries: &[T], schmidt: &[f64]) -> f64 {
    let columns = entries.chunks_exact(schmidt.len());
    columns.flat_map(|column| column.iter().zip(schmidt)).map(|(x, s)| s * s * x.norm_sqr()).sum()
}

/// Applies a 2×2 (row-major) to one site tensor; a unitary leaves the form intact.
pub(crate) fn apply_one_site<T: Scalar>(site: &mut SiteTensor<T>, u: &[C64; 4]) {
    let (l, u) = (site.left, u.map(T::Double::from_c64));
    for block in site.entries.chunks_exact_mut(2 * l) {
        let (zero, one) = block.split_at_mut(l);
        for (a, b) in zero.iter_mut().zip(one) {
            let (x, y) = (a.to_double(), b.to_double());
            *a = T::from_double(u[0] * x + u[1] * y);
            *b = T::from_double(u[2] * x + u[3] * y);
        }
    }
}
