//! Evolution: step by step, or on several threads at once (`wavefront`), with a sweep where enough was
//! discarded.

use std::ops::Range;

use crate::cancel::Cancel;
use crate::error::{Error, Result};
use crate::linalg::{Method, MethodCounts};
use crate::mps::centre::evolve_around_centre;
use crate::mps::span::{Course, Done, NewBond, Span, StepRunner};
use crate::mps::tape::{Record, Tape};
use crate::mps::two_site::Scratches;
use crate::mps::wavefront::{WORTH_SHARING, run_ahead};
use crate::mps::{Mps, Step, StepGate};
use crate::scalar::Scalar;

/// How to evolve.
#[derive(Debug, Clone, Copy)]
pub struct Evolution {
    /// Largest relative weight discarded at a step below its limit; 0 switches that off.
    pub cutoff: f64,
    /// Factorization.
    pub method: Method,
    /// Once this much weight was discarded, go on around a centre (`centre`), and re-canonicalise at the
    /// end; `None` never.
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
    /// Whether one came last, so that the state is canonical.
    pub canonical: bool,
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
        canonical: false,
    };
    let runner = StepRunner { evolution, keep_dropped: tape.is_some(), scratches, cancel };
    // Between the levels the tape may keep the state, and a sweep may come.
    let at_once = match (parallelism, &tape, evolution.sweep_threshold) {
        (Parallelism::Pool, None, None) => levels.len().max(1),
        _ => 1,
    };
    let entries = state.n_entries();
    let mut course = Course::of(state);
    let mut ledger = Ledger { log, evolution, entries, since_sweep: 0.0, records: Vec::new() };
    let mut rest = levels;
    while !rest.is_empty() {
        let (levels, later) = rest.split_at(at_once.min(rest.len()));
        rest = later;
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
            if let (Some(first), Some(last)) = (rest.first(), rest.last()) {
                let steps = (steps, first.start..last.end);
                evolve_around_centre(state, &mut course, steps, &runner, &mut ledger)?;
            }
            ledger.log.methods.add(course.sweep(state, cancel)?);
            ledger.log.sweeps += 1;
            ledger.log.canonical = true;
            break;
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

    /// That the centre passed a bond, whose tensors had `before` entries and have `after`.
    pub fn note_pass(&mut self, fallbacks: usize, before: usize, after: usize) {
        self.log.methods.fallbacks += fallbacks;
        self.entries = self.entries - before + after;
    }

    /// # Errors
    /// [`Error::Resource`] if the state has grown too large.
    pub fn end_level(&mut self) -> Result<()> {
        self.log.peak_entries = self.log.peak_entries.max(self.entries);
        check_size::<T>(self.entries, self.evolution)
    }
}

pub(super) fn check_size<T>(entries: usize, evolution: &Evolution) -> Result<()> {
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
