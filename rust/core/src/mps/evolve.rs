//! Evolution: steps of one level at once, level by level, then a sweep where enough was discarded.

use std::ops::Range;

use rayon::prelude::*;

use crate::cancel::Cancel;
use crate::error::{Error, Result};
use crate::linalg::{Expected, Method, MethodCounts, Truncation};
use crate::mps::chain::{apply_chain, working_entries};
use crate::mps::tape::{Record, Tape};
use crate::mps::two_site::{
    BondUpdate, ScratchPool, Scratches, StepUpdate, apply_one_site, apply_two_site,
};
use crate::mps::{Mps, SiteTensor, canonicalise};
use crate::operator::ChainOperator;
use crate::scalar::{C64, Scalar};

/// Schmidt weights at the middle bond below this foretell weights that a Gram matrix cannot
/// resolve: measured on weakly entangling circuits, where nearly every Gram attempt was in vain.
const SMALL_WEIGHT: f64 = 1e-12;
/// A bond whose last cut, or a neighbour's, discarded this relative weight is expected to lose as much
/// again: then a sketch in single precision, whose blur is 5e-10 a step, is exact enough.
const MUCH: f64 = 1e-7;
/// Below this many floating-point operations a level runs on one thread: handing out tasks would
/// cost more.
pub(crate) const WORTH_SHARING: f64 = 2e6;

/// What a step applies.
#[derive(Debug, Clone, PartialEq)]
pub enum StepGate {
    /// On one site: 2×2, row-major.
    One([C64; 4]),
    /// On two neighbouring sites: 4×4, row-major, left site most significant, and a bound of its
    /// operator Schmidt rank.
    Two([C64; 16], usize),
    /// On as many neighbouring sites as it has tensors.
    Chain(ChainOperator),
}

impl StepGate {
    /// Whether it is free of imaginary parts, so that a real state stays real.
    fn is_real(&self) -> bool {
        let real = |entries: &[C64]| entries.iter().all(|x| x.im == 0.0);
        match self {
            Self::One(u) => real(u),
            Self::Two(g, _) => real(g),
            Self::Chain(operator) => {
                let mut blocks = operator.sites.iter().flat_map(|site| &site.blocks);
                blocks.all(|block| real(&block.matrix))
            }
        }
    }

    /// How many sites it acts on.
    #[must_use]
    pub fn width(&self) -> usize {
        match self {
            Self::One(_) => 1,
            Self::Two(..) => 2,
            Self::Chain(operator) => operator.sites.len(),
        }
    }
}

/// One step of the evolution.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// The site, or the leftmost one.
    pub site: usize,
    /// What is applied.
    pub gate: StepGate,
    /// Largest bond kept; `None` for no limit.
    pub limit: Option<usize>,
}

/// How to evolve.
#[derive(Debug, Clone, Copy)]
pub struct Evolution {
    /// Largest relative weight discarded at a step below its limit; 0 switches that off.
    pub cutoff: f64,
    /// Factorization.
    pub method: Method,
    /// Re-canonicalise whenever this much weight was discarded since the last sweep; `None` never.
    pub sweep_threshold: Option<f64>,
    /// Most tensor entries that the state may hold.
    pub max_entries: usize,
}

/// Whether the steps of a level may run on several threads of the current pool. The bits of the
/// result do not depend on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parallelism {
    /// One after the other.
    Sequential,
    /// Over the threads of the pool that the caller runs in.
    Pool,
}

/// What an evolution did.
#[derive(Debug, Clone, PartialEq)]
pub struct EvolutionLog {
    /// Relative weight discarded at each step; of a step with several bonds their sum.
    pub discarded: Vec<f64>,
    /// The same, summed over the steps, on each bond (right of each site but the last).
    pub discarded_on_bond: Vec<f64>,
    /// Bonds (right of each site but the last) that a limit cut at some step.
    pub saturated: Vec<bool>,
    /// Least relative gap between the last kept and the first dropped weight of a cut that a limit
    /// made; 1 if none did.
    pub smallest_gap: f64,
    /// Cuts that kept fewer than their limit, for the sake of the gap.
    pub shifted_cuts: usize,
    /// Largest bond at any time.
    pub largest_bond: usize,
    /// Most tensor entries between two levels.
    pub peak_entries: usize,
    /// Which factorizations served.
    pub methods: MethodCounts,
    /// Canonicalising sweeps.
    pub sweeps: usize,
}

impl EvolutionLog {
    /// Whether something was discarded, so that the state is no longer canonical.
    #[must_use]
    pub fn is_lossy(&self) -> bool {
        self.discarded.iter().any(|weight| *weight > 0.0)
    }

    fn new<T: Scalar>(state: &Mps<T>, n_steps: usize) -> Self {
        Self {
            discarded: vec![0.0; n_steps],
            discarded_on_bond: vec![0.0; state.n_sites() - 1],
            saturated: vec![false; state.n_sites() - 1],
            smallest_gap: 1.0,
            shifted_cuts: 0,
            largest_bond: state.bond_dims().into_iter().max().unwrap_or(1),
            peak_entries: state.n_entries(),
            methods: MethodCounts::default(),
            sweeps: 0,
        }
    }

    fn add_bond(&mut self, step: usize, place: usize, bond: &BondUpdate) {
        self.discarded[step] += bond.discarded;
        self.discarded_on_bond[place] += bond.discarded;
        self.saturated[place] |= bond.saturated;
        self.smallest_gap = self.smallest_gap.min(bond.gap);
        self.shifted_cuts += usize::from(bond.shifted);
        self.largest_bond = self.largest_bond.max(bond.schmidt.len());
    }
}

/// Applies `steps` to `state`. `levels` are ranges of steps; within one, no two share a site.
///
/// Where tensors and gate are real, so is the arithmetic: half the work or less.
///
/// # Errors
/// [`Error::Interrupted`] soon after `cancel` is set, [`Error::Resource`] past `max_entries`,
/// [`Error::Numerical`] if a factorization failed. The state is then unusable.
pub fn evolve<T: Scalar>(
    state: &mut Mps<T>,
    steps: &[Step],
    levels: &[Range<usize>],
    evolution: &Evolution,
    parallelism: Parallelism,
    scratches: &Scratches<T>,
    cancel: &Cancel,
) -> Result<EvolutionLog> {
    run(state, (steps, levels), evolution, parallelism, scratches, None, cancel)
}

/// [`evolve`], and what a derivative needs of it on `tape`; there nothing may be swept.
pub(crate) fn evolve_on_tape<T: Scalar>(
    state: &mut Mps<T>,
    (steps, levels): (&[Step], &[Range<usize>]),
    evolution: &Evolution,
    parallelism: Parallelism,
    scratches: &Scratches<T>,
    tape: &mut Tape<T>,
    cancel: &Cancel,
) -> Result<EvolutionLog> {
    run(state, (steps, levels), evolution, parallelism, scratches, Some(tape), cancel)
}

/// What the steps so far tell of those to come.
struct Course {
    /// Whether the tensor of each site is real.
    real: Vec<bool>,
    /// Relative weight that the last cut of each bond (right of each site but the last) discarded.
    lost_last: Vec<f64>,
}

fn run<T: Scalar>(
    state: &mut Mps<T>,
    (steps, levels): (&[Step], &[Range<usize>]),
    evolution: &Evolution,
    parallelism: Parallelism,
    scratches: &Scratches<T>,
    mut tape: Option<&mut Tape<T>>,
    cancel: &Cancel,
) -> Result<EvolutionLog> {
    let mut log = EvolutionLog::new(state, steps.len());
    let mut course = Course {
        real: state.sites.iter().map(SiteTensor::is_real).collect(),
        lost_last: vec![0.0; state.n_sites() - 1],
    };
    let mut entries = state.n_entries();
    let mut since_sweep = 0.0;
    let taped = tape.is_some();
    for level in levels {
        if let Some(tape) = &mut tape {
            tape.begin_level(state);
        }
        let mut spans = Vec::new();
        for index in level.clone() {
            let step = &steps[index];
            if let StepGate::One(u) = &step.gate {
                apply_one_site(&mut state.sites[step.site], u);
                course.real[step.site] &= step.gate.is_real();
                continue;
            }
            let sites = step.site..step.site + step.gate.width();
            let real = step.gate.is_real() && course.real[sites.clone()].iter().all(|x| *x);
            course.real[sites.clone()].fill(real);
            let tensors: Vec<_> = state.sites[sites].iter_mut().map(take).collect();
            entries -= tensors.iter().map(|tensor| tensor.entries.len()).sum::<usize>();
            spans.push(Span { index, step, tensors, real });
        }
        let run = |span: &Span<'_, T>| -> Result<StepUpdate<T>> {
            cancel.check()?;
            span.run(&state.schmidt, &course.lost_last, evolution, taped, scratches, cancel)
        };
        let shared = parallelism == Parallelism::Pool
            && spans.len() > 1
            && spans.iter().map(Span::flops).sum::<f64>() > WORTH_SHARING;
        let updates: Vec<Result<StepUpdate<T>>> = if shared {
            spans.par_iter().with_max_len(1).map(run).collect()
        } else {
            spans.iter().map(run).collect()
        };
        for (span, update) in spans.into_iter().zip(updates) {
            let update = update?;
            let site = span.step.site;
            log.methods.add(update.methods);
            state.log_norm_taken_out += update.log_norm_taken_out;
            for (place, tensor) in state.sites[site..].iter_mut().zip(update.sites) {
                entries += tensor.entries.len();
                *place = tensor;
            }
            for (at, bond) in update.bonds.into_iter().enumerate() {
                log.add_bond(span.index, site + at, &bond);
                course.lost_last[site + at] = bond.discarded;
                state.schmidt[site + at + 1] = bond.schmidt;
            }
            since_sweep += log.discarded[span.index];
            if let Some(tape) = &mut tape {
                tape.push(Record {
                    step: span.index,
                    tensors: span.tensors,
                    left_schmidt: state.schmidt[site].clone(),
                    cuts: update.cuts,
                    left_scale: update.left_scale,
                });
            }
        }
        log.peak_entries = log.peak_entries.max(entries);
        check_size::<T>(entries, evolution)?;
        if evolution.sweep_threshold.is_some_and(|threshold| since_sweep > threshold) {
            if course.real.iter().all(|real| *real) {
                let mut real_state: Mps<T::RealPart> = state.cast();
                log.methods.add(canonicalise(&mut real_state, cancel)?);
                *state = real_state.cast();
            } else {
                log.methods.add(canonicalise(state, cancel)?);
                course.real.fill(false);
            }
            entries = state.n_entries();
            log.sweeps += 1;
            since_sweep = 0.0;
        }
    }
    Ok(log)
}

/// A step on two sites or more, with the tensors it acts on.
struct Span<'a, T> {
    index: usize,
    step: &'a Step,
    tensors: Vec<SiteTensor<T>>,
    /// Whether tensors and gate have no imaginary parts.
    real: bool,
}

impl<T: Scalar> Span<'_, T> {
    /// Rough cost: for each bond the eigenproblem of a (2·right)² matrix and the products around
    /// it.
    fn flops(&self) -> f64 {
        let pairs = self.tensors.windows(2).map(|pair| {
            let (rows, cols) = (2.0 * pair[0].left as f64, 2.0 * pair[1].right as f64);
            60.0 * rows * cols * rows.min(cols)
        });
        pairs.sum()
    }

    fn run(
        &self,
        schmidt: &[Vec<f64>],
        lost_last: &[f64],
        evolution: &Evolution,
        keep_dropped: bool,
        scratches: &Scratches<T>,
        cancel: &Cancel,
    ) -> Result<StepUpdate<T>> {
        let apply = Apply { step: self.step, schmidt, lost_last, evolution, keep_dropped, cancel };
        if self.real && T::COMPLEX {
            let tensors: Vec<SiteTensor<T::RealPart>> =
                self.tensors.iter().map(SiteTensor::cast).collect();
            Ok(apply.to(&tensors, &scratches.real)?.cast())
        } else {
            apply.to(&self.tensors, &scratches.own)
        }
    }
}

/// One step on two sites or more, and what it needs besides the tensors.
struct Apply<'a> {
    step: &'a Step,
    schmidt: &'a [Vec<f64>],
    lost_last: &'a [f64],
    evolution: &'a Evolution,
    keep_dropped: bool,
    cancel: &'a Cancel,
}

impl Apply<'_> {
    fn to<T: Scalar>(
        &self,
        tensors: &[SiteTensor<T>],
        scratches: &ScratchPool<T>,
    ) -> Result<StepUpdate<T>> {
        let Self { schmidt, lost_last, evolution, keep_dropped, cancel, .. } = *self;
        let site = self.step.site;
        let truncation = |bond: usize| {
            let smallest = schmidt[bond].last().map_or(1.0, |s| s * s);
            Truncation {
                limit: self.step.limit,
                cutoff: evolution.cutoff,
                noise_floor: T::NOISE_FLOOR,
                method: evolution.method,
                expected: if smallest < SMALL_WEIGHT {
                    Expected::SmallWeights
                } else if around(lost_last, bond - 1).any(|lost| *lost >= MUCH) {
                    Expected::Losses
                } else {
                    Expected::Nothing
                },
                keep_dropped,
            }
        };
        let s = &schmidt[site];
        match (&self.step.gate, tensors) {
            (StepGate::Two(gate, rank), [left, right]) => {
                check_size::<T>(4 * left.left * right.right, evolution)?;
                let truncation = truncation(site + 1);
                scratches.with(|scratch| {
                    apply_two_site(left, right, s, gate, *rank, &truncation, scratch)
                })
            }
            (StepGate::Chain(operator), tensors) => {
                let mut bonds: Vec<usize> = tensors.iter().map(|tensor| tensor.left).collect();
                bonds.extend(tensors.last().map(|tensor| tensor.right));
                // Everything in a chain step is in double precision.
                let working = working_entries(&bonds, operator);
                check_size::<T>(
                    working.saturating_mul(size_of::<T::Double>() / size_of::<T>()),
                    evolution,
                )?;
                // Each site of the chain adds its own rounding: at cutoff 0 bonds would fill with it.
                let noise_floor = T::NOISE_FLOOR * (tensors.len() as f64).sqrt();
                let truncations: Vec<_> = (1..tensors.len())
                    .map(|i| Truncation { noise_floor, ..truncation(site + i) })
                    .collect();
                scratches.with(|scratch| {
                    apply_chain(tensors, s, operator, &truncations, &mut scratch.workspace, cancel)
                })
            }
            _ => Err(Error::Internal("a step holds the tensors of another".to_owned())),
        }
    }
}

/// What the last cuts of a bond and of its neighbours discarded: all of them lie in the past of a step
/// across that bond, as they share its sites.
fn around(lost_last: &[f64], bond: usize) -> impl Iterator<Item = &f64> {
    lost_last[bond.saturating_sub(1)..(bond + 2).min(lost_last.len())].iter()
}

fn take<T>(site: &mut SiteTensor<T>) -> SiteTensor<T> {
    let empty = SiteTensor { left: site.left, right: site.right, entries: Vec::new() };
    std::mem::replace(site, empty)
}

fn check_size<T>(entries: usize, evolution: &Evolution) -> Result<()> {
    if entries <= evolution.max_entries {
        return Ok(());
    }
    let bytes = |count: usize| count as f64 * size_of::<T>() as f64 / f64::from(1 << 30);
    Err(Error::Resource(format!(
        "the state grew to {:.3} GiB, more than the {:.3} GiB that memory_limit leaves for it; set \
         max_bond_dim, raise cutoff, or raise memory_limit",
        bytes(entries),
        bytes(evolution.max_entries)
    )))
}
