//! Evolution: steps of one level at once, level by level, then a sweep where enough was discarded.

use std::ops::Range;

use rayon::prelude::*;

use crate::cancel::Cancel;
use crate::error::{Error, Result};
use crate::linalg::{Method, MethodCounts, Truncation};
use crate::mps::two_site::{Scratches, TwoSiteUpdate, apply_one_site, apply_two_site};
use crate::mps::{Mps, SiteTensor, canonicalise};
use crate::scalar::Scalar;

/// Schmidt weights at the middle bond below this foretell weights that a Gram matrix cannot
/// resolve: measured on weakly entangling circuits, where nearly every Gram attempt was in vain.
const SMALL_WEIGHT: f64 = 1e-12;
/// Below this many floating-point operations a level runs on one thread: handing out tasks would
/// cost more.
const WORTH_SHARING: f64 = 2e6;

/// A gate on one site or on two neighbouring ones (row-major, left site most significant).
#[derive(Debug, Clone, PartialEq)]
pub enum StepGate<T> {
    /// 2×2.
    One([T; 4]),
    /// 4×4 and a bound of its operator Schmidt rank.
    Two([T; 16], usize),
}

/// One step of the evolution.
#[derive(Debug, Clone, PartialEq)]
pub struct Step<T> {
    /// The site, or the left one of two.
    pub site: usize,
    /// What is applied.
    pub gate: StepGate<T>,
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
    /// Relative weight discarded at each step.
    pub discarded: Vec<f64>,
    /// Bonds (right of each site but the last) that a limit cut at some step.
    pub saturated: Vec<bool>,
    /// Largest bond at any time.
    pub largest_bond: usize,
    /// Most tensor entries between two levels.
    pub peak_entries: usize,
    /// Which factorizations served.
    pub methods: MethodCounts,
    /// Canonicalising sweeps.
    pub sweeps: usize,
}

/// Applies `steps` to `state`. `levels` are ranges of steps; within one, no two share a site.
///
/// # Errors
/// [`Error::Interrupted`] soon after `cancel` is set, [`Error::Resource`] past `max_entries`,
/// [`Error::Numerical`] if a factorization failed. The state is then unusable.
pub fn evolve<T: Scalar>(
    state: &mut Mps<T>,
    steps: &[Step<T>],
    levels: &[Range<usize>],
    evolution: &Evolution,
    parallelism: Parallelism,
    scratches: &Scratches<T>,
    cancel: &Cancel,
) -> Result<EvolutionLog> {
    let mut log = EvolutionLog {
        discarded: vec![0.0; steps.len()],
        saturated: vec![false; state.n_sites() - 1],
        largest_bond: state.bond_dims().into_iter().max().unwrap_or(1),
        peak_entries: state.n_entries(),
        methods: MethodCounts::default(),
        sweeps: 0,
    };
    let mut entries = state.n_entries();
    let mut since_sweep = 0.0;
    for level in levels {
        let mut pairs = Vec::new();
        for index in level.clone() {
            let step = &steps[index];
            match &step.gate {
                StepGate::One(u) => apply_one_site(&mut state.sites[step.site], u),
                StepGate::Two(gate, rank) => {
                    let left = take(&mut state.sites[step.site]);
                    let right = take(&mut state.sites[step.site + 1]);
                    entries -= left.entries.len() + right.entries.len();
                    pairs.push(Pair { index, step, gate, rank: *rank, left, right });
                }
            }
        }
        let run = |pair: &Pair<'_, T>| -> Result<TwoSiteUpdate<T>> {
            cancel.check()?;
            pair.run(&state.schmidt, evolution, scratches)
        };
        let shared = parallelism == Parallelism::Pool
            && pairs.len() > 1
            && pairs.iter().map(Pair::flops).sum::<f64>() > WORTH_SHARING;
        let updates: Vec<Result<TwoSiteUpdate<T>>> = if shared {
            pairs.par_iter().with_max_len(1).map(run).collect()
        } else {
            pairs.iter().map(run).collect()
        };
        for (pair, update) in pairs.iter().zip(updates) {
            let update = update?;
            let site = pair.step.site;
            entries += update.left.entries.len() + update.right.entries.len();
            log.discarded[pair.index] = update.discarded;
            log.saturated[site] |= update.saturated;
            log.largest_bond = log.largest_bond.max(update.schmidt.len());
            log.methods.add(update.methods);
            since_sweep += update.discarded;
            state.log_norm_taken_out += update.log_norm_taken_out;
            state.sites[site] = update.left;
            state.sites[site + 1] = update.right;
            state.schmidt[site + 1] = update.schmidt;
        }
        log.peak_entries = log.peak_entries.max(entries);
        check_size::<T>(entries, evolution)?;
        if evolution.sweep_threshold.is_some_and(|threshold| since_sweep > threshold) {
            log.methods.add(canonicalise(state, cancel)?);
            entries = state.n_entries();
            log.sweeps += 1;
            since_sweep = 0.0;
        }
    }
    Ok(log)
}

struct Pair<'a, T> {
    index: usize,
    step: &'a Step<T>,
    gate: &'a [T; 16],
    rank: usize,
    left: SiteTensor<T>,
    right: SiteTensor<T>,
}

impl<T: Scalar> Pair<'_, T> {
    /// Rough cost: the eigenproblem of a (2·right)² matrix and the products around it.
    fn flops(&self) -> f64 {
        let (rows, cols) = (2.0 * self.left.left as f64, 2.0 * self.right.right as f64);
        60.0 * rows * cols * rows.min(cols)
    }

    fn run(
        &self,
        schmidt: &[Vec<f64>],
        evolution: &Evolution,
        scratches: &Scratches<T>,
    ) -> Result<TwoSiteUpdate<T>> {
        check_size::<T>(4 * self.left.left * self.right.right, evolution)?;
        let site = self.step.site;
        let smallest = schmidt[site + 1].last().map_or(1.0, |s| s * s);
        let truncation = Truncation {
            limit: self.step.limit,
            cutoff: evolution.cutoff,
            noise_floor: T::NOISE_FLOOR,
            method: evolution.method,
            small_weights_expected: smallest < SMALL_WEIGHT,
        };
        let (left, right, s) = (&self.left, &self.right, &schmidt[site]);
        scratches.with(|scratch| {
            apply_two_site(left, right, s, self.gate, self.rank, &truncation, scratch)
        })
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
