//! A step under way: what it takes out of the state, how it is run, and what it puts back.

use crate::cancel::Cancel;
use crate::error::{Error, Result};
use crate::linalg::{Expected, MethodCounts, Truncation};
use crate::mps::chain::{apply_chain, working_entries};
use crate::mps::evolve::{Evolution, check_size};
use crate::mps::sketched_cut::LEAST_LOSS;
use crate::mps::tape::Record;
use crate::mps::two_site::{
    BondUpdate, ScratchPool, Scratches, StepUpdate, apply_one_site, apply_two_site,
};
use crate::mps::{Mps, SiteTensor, Step, StepGate, canonicalise};
use crate::scalar::{C64, Scalar};

/// Schmidt weights at the middle bond below this foretell weights that a Gram matrix cannot
/// resolve: measured on weakly entangling circuits, where nearly every Gram attempt was in vain.
const SMALL_WEIGHT: f64 = 1e-12;

/// What the steps so far tell of those to come.
pub(super) struct Course {
    /// Whether the tensor of each site is real.
    real: Vec<bool>,
    /// Relative weight that the last cut of each bond (right of each site but the last) discarded.
    lost_last: Vec<f64>,
}

impl Course {
    pub fn of<T: Scalar>(state: &Mps<T>) -> Self {
        Self {
            real: state.sites.iter().map(SiteTensor::is_real).collect(),
            lost_last: vec![0.0; state.n_sites() - 1],
        }
    }

    pub fn apply_one_site<T: Scalar>(&mut self, step: &Step, u: &[C64; 4], state: &mut Mps<T>) {
        apply_one_site(&mut state.sites[step.site], u);
        self.real[step.site] &= step.gate.is_real();
    }

    /// Whether a step is one of real numbers, which is noted of its sites: so it leaves them.
    fn leaves_real(&mut self, step: &Step) -> bool {
        let real = step.gate.is_real() && self.real[step.sites()].iter().all(|real| *real);
        self.real[step.sites()].fill(real);
        real
    }

    /// What the last cuts of a bond (right of `site`) and of its neighbours discarded at most: a step
    /// across that bond is expected to lose as much again. All of them come before it, as they share
    /// its sites.
    fn lost_around(&self, site: usize) -> f64 {
        let around = site.saturating_sub(1)..(site + 2).min(self.lost_last.len());
        self.lost_last[around].iter().fold(0.0, |most: f64, lost| most.max(*lost))
    }

    /// Whether both tensors beside the bond right of `site` are real; so they are when the centre has
    /// passed it.
    pub fn pass(&mut self, site: usize) -> bool {
        let real = self.real[site..site + 2].iter().all(|real| *real);
        self.real[site..site + 2].fill(real);
        real
    }

    /// Brings `state` into canonical form, which mixes all its tensors.
    pub fn sweep<T: Scalar>(
        &mut self,
        state: &mut Mps<T>,
        cancel: &Cancel,
    ) -> Result<MethodCounts> {
        if self.real.iter().all(|real| *real) {
            let mut real_state: Mps<T::RealPart> = state.cast();
            let methods = canonicalise(&mut real_state, cancel)?;
            *state = real_state.cast();
            return Ok(methods);
        }
        self.real.fill(false);
        canonicalise(state, cancel)
    }
}

/// What a step has done, but for the tensors and weights that it left.
pub(super) struct Done<T: Scalar> {
    pub index: usize,
    pub site: usize,
    pub methods: MethodCounts,
    pub log_norm_taken_out: f64,
    pub bonds: Vec<NewBond>,
    /// Entries of its tensors, before it and after.
    pub before: usize,
    pub after: usize,
    pub record: Option<Record<T>>,
}

/// A bond after a step, but for its weights.
pub(super) struct NewBond {
    pub dim: usize,
    pub discarded: f64,
    pub saturated: bool,
    pub gap: f64,
    pub shifted: bool,
}

/// How steps are run.
pub(super) struct StepRunner<'a, T: Scalar> {
    pub evolution: &'a Evolution,
    /// For the tape.
    pub keep_dropped: bool,
    pub scratches: &'a Scratches<T>,
    pub cancel: &'a Cancel,
}

/// A step on two sites or more, with what it acts on.
pub(super) struct Span<'a, T> {
    pub index: usize,
    pub step: &'a Step,
    tensors: Vec<SiteTensor<T>>,
    /// Schmidt values on the bond left of them.
    left_schmidt: Vec<f64>,
    /// What is expected of the cut of each bond between them.
    expected: Vec<Expected>,
    /// Whether tensors and gate have no imaginary parts.
    real: bool,
}

impl<'a, T: Scalar> Span<'a, T> {
    /// Takes out of `state` what the step acts on.
    pub fn take(index: usize, step: &'a Step, state: &mut Mps<T>, course: &mut Course) -> Self {
        let sites = step.sites();
        let inner = (sites.start..).zip(&state.schmidt[sites.start + 1..sites.end]);
        let expected = inner.map(|(site, schmidt)| {
            let smallest = schmidt.last().map_or(1.0, |s| s * s);
            match smallest < SMALL_WEIGHT {
                true => Expected::SmallWeights,
                false if course.lost_around(site) >= LEAST_LOSS => Expected::Losses,
                false => Expected::Nothing,
            }
        });
        Self {
            index,
            step,
            expected: expected.collect(),
            real: course.leaves_real(step),
            left_schmidt: std::mem::take(&mut state.schmidt[sites.start]),
            tensors: state.sites[sites].iter_mut().map(take).collect(),
        }
    }

    /// As [`take`](Self::take), of a state whose centre is among the sites of the step.
    pub fn take_around_centre(
        index: usize,
        step: &'a Step,
        state: &mut Mps<T>,
        course: &mut Course,
    ) -> Self {
        let mut span = Self::take(index, step, state, course);
        // The weights are in the centre.
        span.left_schmidt = vec![1.0; span.tensors.first().map_or(1, |tensor| tensor.left)];
        span
    }

    /// The same seen from the other end, where the step is `step`.
    pub fn mirrored<'b>(&self, step: &'b Step) -> Span<'b, T> {
        let tensors: Vec<_> = self.tensors.iter().rev().map(SiteTensor::mirrored).collect();
        Span {
            index: self.index,
            step,
            left_schmidt: vec![1.0; tensors.first().map_or(1, |tensor| tensor.left)],
            tensors,
            expected: self.expected.iter().rev().copied().collect(),
            real: self.real,
        }
    }

    /// Puts what the step has made in its place; with what a derivative needs, if it was kept.
    pub fn put_back(
        self,
        update: StepUpdate<T>,
        keep: bool,
        state: &mut Mps<T>,
        course: &mut Course,
    ) -> Done<T> {
        let Self { index, step, tensors, left_schmidt, .. } = self;
        let site = step.site;
        let entries = |tensors: &[SiteTensor<T>]| tensors.iter().map(|t| t.entries.len()).sum();
        let (before, after) = (entries(&tensors), entries(&update.sites));
        for (place, tensor) in state.sites[site..].iter_mut().zip(update.sites) {
            *place = tensor;
        }
        let places = state.schmidt[site + 1..].iter_mut();
        let bonds = places.zip(update.bonds).zip(&mut course.lost_last[site..]);
        let bonds = bonds.map(|((place, bond), lost)| {
            let BondUpdate { schmidt, discarded, saturated, gap, shifted } = bond;
            *lost = discarded;
            *place = schmidt;
            NewBond { dim: place.len(), discarded, saturated, gap, shifted }
        });
        let bonds = bonds.collect();
        state.schmidt[site].clone_from(&left_schmidt);
        let record = keep.then_some(Record {
            step: index,
            tensors,
            left_schmidt,
            cuts: update.cuts,
            left_scale: update.left_scale,
        });
        let StepUpdate { methods, log_norm_taken_out, .. } = update;
        Done { index, site, methods, log_norm_taken_out, bonds, before, after, record }
    }
}

impl<T: Scalar> StepRunner<'_, T> {
    /// # Errors
    /// See [`crate::mps::evolve()`].
    pub fn run(&self, span: &Span<'_, T>) -> Result<StepUpdate<T>> {
        self.cancel.check()?;
        if span.real && T::COMPLEX {
            let tensors: Vec<SiteTensor<T::RealPart>> =
                span.tensors.iter().map(SiteTensor::cast).collect();
            Ok(self.apply(span, &tensors, &self.scratches.real)?.cast())
        } else {
            self.apply(span, &span.tensors, &self.scratches.own)
        }
    }

    /// Applies the step to `tensors`, which are those of the span in the numbers to compute with.
    fn apply<U: Scalar>(
        &self,
        span: &Span<'_, T>,
        tensors: &[SiteTensor<U>],
        scratches: &ScratchPool<U>,
    ) -> Result<StepUpdate<U>> {
        let Self { evolution, keep_dropped, cancel, .. } = *self;
        let Span { step, left_schmidt: s, .. } = span;
        let truncation = |bond: usize| Truncation {
            limit: step.limit,
            cutoff: evolution.cutoff,
            noise_floor: U::NOISE_FLOOR,
            method: evolution.method,
            expected: span.expected[bond],
            keep_dropped,
        };
        match (&step.gate, tensors) {
            (StepGate::Two(gate, rank), [left, right]) => {
                check_size::<U>(4 * left.left * right.right, evolution)?;
                let truncation = truncation(0);
                scratches.with(|scratch| {
                    apply_two_site(left, right, s, gate, *rank, &truncation, scratch)
                })
            }
            (StepGate::Chain(operator), tensors) => {
                let mut bonds: Vec<usize> = tensors.iter().map(|tensor| tensor.left).collect();
                bonds.extend(tensors.last().map(|tensor| tensor.right));
                // Everything in a chain step is in double precision.
                let working = working_entries(&bonds, operator);
                check_size::<U>(
                    working.saturating_mul(size_of::<U::Double>() / size_of::<U>()),
                    evolution,
                )?;
                // Each site of the chain adds its own rounding: at cutoff 0 bonds would fill with it.
                let noise_floor = U::NOISE_FLOOR * (tensors.len() as f64).sqrt();
                let truncations: Vec<_> = (0..tensors.len() - 1)
                    .map(|bond| Truncation { noise_floor, ..truncation(bond) })
                    .collect();
                scratches.with(|scratch| {
                    apply_chain(tensors, s, operator, &truncations, &mut scratch.workspace, cancel)
                })
            }
            _ => Err(Error::Internal("a step holds the tensors of another".to_owned())),
        }
    }
}

fn take<T>(site: &mut SiteTensor<T>) -> SiteTensor<T> {
    let empty = SiteTensor { left: site.left, right: site.right, entries: Vec::new() };
    std::mem::replace(site, empty)
}
