//! Evolution: step by step, or on several threads at once (`wavefront`), with a sweep where enough was
//! discarded.

use std::ops::Range;

use crate::cancel::Cancel;
use crate::error::{Error, Result};
use crate::linalg::{Expected, Method, MethodCounts, Truncation};
use crate::mps::chain::{apply_chain, working_entries};
use crate::mps::tape::{Record, Tape};
use crate::mps::two_site::{
    BondUpdate, ScratchPool, Scratches, StepUpdate, apply_one_site, apply_two_site,
};
use crate::mps::wavefront::{WORTH_SHARING, run_ahead};
use crate::mps::{Mps, SiteTensor, canonicalise};
use crate::operator::ChainOperator;
use crate::scalar::{C64, Scalar};

/// Schmidt weights at the middle bond below this foretell weights that a Gram matrix cannot
/// resolve: measured on weakly entangling circuits, where nearly every Gram attempt was in vain.
const SMALL_WEIGHT: f64 = 1e-12;
/// A bond whose last cut, or a neighbour's, discarded this relative weight is expected to lose as much
/// again: then a sketch in single precision, whose blur is 5e-10 a step, is exact enough.
const MUCH: f64 = 1e-7;

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

impl Step {
    /// Its sites.
    pub(super) fn sites(&self) -> Range<usize> {
        self.site..self.site + self.gate.width()
    }

    /// Rough cost among `tensors`, those of all sites: for each bond the eigenproblem of a (2·right)²
    /// matrix and the products around it.
    pub(super) fn flops<T>(&self, tensors: &[SiteTensor<T>]) -> f64 {
        let pairs = tensors[self.sites()].windows(2).map(|pair| {
            let (rows, cols) = (2.0 * pair[0].left as f64, 2.0 * pair[1].right as f64);
            60.0 * rows * cols * rows.min(cols)
        });
        pairs.sum()
    }
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

/// Whether steps may run on several threads of the current pool. The bits of the
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

    fn add_bond(&mut self, step: usize, place: usize, bond: &NewBond) {
        self.discarded[step] += bond.discarded;
        self.discarded_on_bond[place] += bond.discarded;
        self.saturated[place] |= bond.saturated;
        self.smallest_gap = self.smallest_gap.min(bond.gap);
        self.shifted_cuts += usize::from(bond.shifted);
        self.largest_bond = self.largest_bond.max(bond.dim);
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
    evolve_on_tape(state, (steps, levels), evolution, parallelism, scratches, None, cancel)
}

/// [`evolve`], and what a derivative needs of it on `tape`; there nothing may be swept.
pub(crate) fn evolve_on_tape<T: Scalar>(
    state: &mut Mps<T>,
    (steps, levels): (&[Step], &[Range<usize>]),
    evolution: &Evolution,
    parallelism: Parallelism,
    scratches: &Scratches<T>,
    mut tape: Option<&mut Tape<T>>,
    cancel: &Cancel,
) -> Result<EvolutionLog> {
    let log = EvolutionLog {
        discarded: vec![0.0; steps.len()],
        discarded_on_bond: vec![0.0; state.n_sites() - 1],
        saturated: vec![false; state.n_sites() - 1],
        smallest_gap: 1.0,
        shifted_cuts: 0,
        largest_bond: state.bond_dims().into_iter().max().unwrap_or(1),
        peak_entries: state.n_entries(),
        methods: MethodCounts::default(),
        sweeps: 0,
    };
    let runner = StepRunner { evolution, keep_dropped: tape.is_some(), scratches, cancel };
    // Between the levels the tape may keep the state, and a sweep may come.
    let at_once = match (parallelism, &tape, evolution.sweep_threshold) {
        (Parallelism::Pool, None, None) => levels.len().max(1),
        _ => 1,
    };
    let entries = state.n_entries();
    let mut course = Course {
        real: state.sites.iter().map(SiteTensor::is_real).collect(),
        lost_last: vec![0.0; state.n_sites() - 1],
    };
    let mut ledger = Ledger { log, evolution, entries, since_sweep: 0.0, records: Vec::new() };
    for levels in levels.chunks(at_once) {
        if let Some(tape) = &mut tape {
            tape.begin_level(state);
        }
        let shared = parallelism == Parallelism::Pool
            && (levels.len() > 1 || is_worth_sharing(&steps[levels[0].clone()], state));
        if shared {
            run_ahead(state, &mut course, (steps, levels), &runner, &mut ledger)?;
        } else {
            run_in_order(state, &mut course, (steps, levels), &runner, &mut ledger)?;
        }
        if let Some(tape) = &mut tape {
            ledger.records.drain(..).for_each(|record| tape.push(record));
        }
        if evolution.sweep_threshold.is_some_and(|threshold| ledger.since_sweep > threshold) {
            ledger.log.methods.add(course.sweep(state, cancel)?);
            ledger.entries = state.n_entries();
            ledger.log.sweeps += 1;
            ledger.since_sweep = 0.0;
        }
    }
    Ok(ledger.log)
}

fn is_worth_sharing<T: Scalar>(level: &[Step], state: &Mps<T>) -> bool {
    level.iter().map(|step| step.flops(&state.sites)).sum::<f64>() > WORTH_SHARING
}

fn run_in_order<T: Scalar>(
    state: &mut Mps<T>,
    course: &mut Course,
    (steps, levels): (&[Step], &[Range<usize>]),
    runner: &StepRunner<'_, T>,
    ledger: &mut Ledger<'_, T>,
) -> Result<()> {
    for level in levels {
        for index in level.clone() {
            let step = &steps[index];
            if let StepGate::One(u) = &step.gate {
                course.apply_one_site(step, u, state);
                continue;
            }
            let span = Span::take(index, step, state, course);
            let update = runner.run(&span)?;
            let done = span.put_back(update, runner.keep_dropped, state, course);
            ledger.note(done, state);
        }
        ledger.end_level()?;
    }
    Ok(())
}

/// What the steps so far tell of those to come.
pub(super) struct Course {
    /// Whether the tensor of each site is real.
    real: Vec<bool>,
    /// Relative weight that the last cut of each bond (right of each site but the last) discarded.
    lost_last: Vec<f64>,
}

impl Course {
    pub fn apply_one_site<T: Scalar>(&mut self, step: &Step, u: &[C64; 4], state: &mut Mps<T>) {
        apply_one_site(&mut state.sites[step.site], u);
        self.real[step.site] &= step.gate.is_real();
    }

    /// Whether a step is one of real numbers, and so leaves its sites.
    fn is_real(&mut self, step: &Step) -> bool {
        let real = step.gate.is_real() && self.real[step.sites()].iter().all(|real| *real);
        self.real[step.sites()].fill(real);
        real
    }

    /// What the last cuts of a bond (right of `site`) and of its neighbours discarded at most. All of
    /// them come before a step across that bond, as they share its sites.
    fn lost_around(&self, site: usize) -> f64 {
        let around = site.saturating_sub(1)..(site + 2).min(self.lost_last.len());
        self.lost_last[around].iter().fold(0.0, |most: f64, lost| most.max(*lost))
    }

    fn sweep<T: Scalar>(&mut self, state: &mut Mps<T>, cancel: &Cancel) -> Result<MethodCounts> {
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

/// What is noted of an evolution, in the order of the steps.
pub(super) struct Ledger<'a, T: Scalar> {
    log: EvolutionLog,
    evolution: &'a Evolution,
    entries: usize,
    since_sweep: f64,
    /// For the tape.
    records: Vec<Record<T>>,
}

impl<T: Scalar> Ledger<'_, T> {
    pub fn note(&mut self, done: Done<T>, state: &mut Mps<T>) {
        let log = &mut self.log;
        log.methods.add(done.methods);
        state.log_norm_taken_out += done.log_norm_taken_out;
        self.entries = self.entries - done.before + done.after;
        for (at, bond) in done.bonds.iter().enumerate() {
            log.add_bond(done.index, done.site + at, bond);
        }
        self.since_sweep += log.discarded[done.index];
        self.records.extend(done.record);
    }

    /// # Errors
    /// [`Error::Resource`] if the state has grown too large.
    pub fn end_level(&mut self) -> Result<()> {
        self.log.peak_entries = self.log.peak_entries.max(self.entries);
        check_size::<T>(self.entries, self.evolution)
    }
}

/// What a step has done, but for the tensors and weights that it left.
pub(super) struct Done<T: Scalar> {
    index: usize,
    site: usize,
    methods: MethodCounts,
    log_norm_taken_out: f64,
    bonds: Vec<NewBond>,
    /// Entries of its tensors, before it and after.
    before: usize,
    after: usize,
    record: Option<Record<T>>,
}

/// A bond after a step, but for its weights.
struct NewBond {
    dim: usize,
    discarded: f64,
    saturated: bool,
    gap: f64,
    shifted: bool,
}

/// How steps are run.
pub(super) struct StepRunner<'a, T: Scalar> {
    evolution: &'a Evolution,
    /// For the tape.
    pub keep_dropped: bool,
    scratches: &'a Scratches<T>,
    cancel: &'a Cancel,
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
                false if course.lost_around(site) >= MUCH => Expected::Losses,
                false => Expected::Nothing,
            }
        });
        Self {
            index,
            step,
            expected: expected.collect(),
            real: course.is_real(step),
            left_schmidt: std::mem::take(&mut state.schmidt[sites.start]),
            tensors: state.sites[sites].iter_mut().map(take).collect(),
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
    /// See [`evolve`].
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
