//! Whether truncation errors add up coherently, found by a run at half the bond dimension.
//!
//! The norm N of the truncated state estimates its fidelity as if errors added like random numbers.
//! In smooth circuits (Trotter steps) they add like amplitudes, and the fidelity is a power of the
//! norm, N^c. The overlap of the states at χ/2 and at χ tells the power. If the state at χ were exact,
//! and if the errors of both were unrelated, it were
//!
//! ```text
//! O = |⟨ψ(χ/2)|ψ(χ)⟩|²                      both states normalised
//! O = F(χ/2)          →   c₁ = ln O / ln N(χ/2)
//! O = F(χ/2) / F(χ)   →   c₂ = ln O / (ln N(χ/2) − ln N(χ))
//! ```
//!
//! c₁ promises too much where the state at χ has lost something itself, c₂ too little where it has lost
//! nearly all. Decision 9 has the measurements behind the weight between them. A run at χ/2 costs
//! about an eighth.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use crate::cancel::Cancel;
use crate::error::Result;
use crate::group::Precision;
use crate::linalg::Method;
use crate::mps::{Mps, log_norm_squared, overlap};
use crate::scalar::Scalar;

/// Below this discarded weight the norm is as good as the truth.
pub(crate) const WORTH_MEASURING: f64 = 1e-8;
/// Runs of a structure that share a measurement: a training drifts.
const RUNS_PER_MEASUREMENT: u32 = 50;

/// Share of c₂ in the exponent of a state whose fidelity c₁ puts at F: F^0.75.
const TRUST: f64 = 0.75;
/// Below this excess of c₁ over 1 errors count as unrelated: random circuits give 0.9 to 1.1, and
/// there the norm is right.
const NOTICEABLE: f64 = 0.1;

/// The coherence that `half`, the state at half the bond dimension, tells of `full`; NaN where the
/// half lost nothing either.
pub(crate) fn coherence<T: Scalar>(half: &Mps<T>, full: &Mps<T>, cancel: &Cancel) -> Result<f64> {
    let [half_norm, full_norm] = [log_norm_squared(half, cancel)?, log_norm_squared(full, cancel)?];
    let log_overlap = 2.0 * overlap(half, full)?.log_modulus - half_norm - full_norm;
    Ok(if half_norm < -WORTH_MEASURING {
        exponent(log_overlap, half_norm, full_norm)
    } else {
        f64::NAN
    })
}

/// The power of the norm that is the fidelity, from ln O, ln N(χ/2) and ln N(χ).
fn exponent(log_overlap: f64, half_norm: f64, full_norm: f64) -> f64 {
    let exact = log_overlap / half_norm;
    let excess = exact - 1.0;
    if excess <= 0.0 || half_norm >= full_norm {
        return exact;
    }
    let unrelated = log_overlap / (half_norm - full_norm);
    let squared = excess.powi(2);
    let share = (TRUST * exact * full_norm).exp() * squared / (squared + NOTICEABLE.powi(2));
    exact + share * (unrelated - exact)
}

/// What a coherence depends on besides the plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct CoherenceKey {
    /// Bits of the cutoff.
    pub cutoff: u64,
    pub precision: Precision,
    pub method: Method,
    /// Whether the norm reported is that of the swept state.
    pub swept: bool,
}

/// Coherences measured for one plan.
///
/// Best effort, as the cache of plans: where another thread holds it, it is measured again.
#[derive(Debug, Default)]
pub(crate) struct CoherenceMemory(Mutex<HashMap<CoherenceKey, Measured>>);

#[derive(Debug)]
struct Measured {
    value: f64,
    runs: u32,
}

impl CoherenceMemory {
    /// The coherence for one more run, or `None` if it is to be measured (again).
    pub(crate) fn recall(&self, key: &CoherenceKey) -> Option<f64> {
        let mut memory = self.0.try_lock().ok()?;
        let measured = memory.get_mut(key)?;
        measured.runs += 1;
        (measured.runs < RUNS_PER_MEASUREMENT).then_some(measured.value)
    }

    pub(crate) fn store(&self, key: CoherenceKey, value: f64) {
        if let Ok(mut memory) = self.0.try_lock() {
            memory.insert(key, Measured { value, runs: 0 });
        }
    }
}

/// The coherence of one group, while its rows run.
#[derive(Debug)]
pub(crate) struct CoherenceWatch<S> {
    key: CoherenceKey,
    /// Nothing where no measurement is due.
    rows: Option<FirstLossy<S>>,
    value: OnceLock<f64>,
}

impl<S> CoherenceWatch<S> {
    /// `measurable`: whether there is half of a bond dimension.
    pub(crate) fn new(memory: &CoherenceMemory, key: CoherenceKey, measurable: bool) -> Self {
        let known = memory.recall(&key);
        let rows = (measurable && known.is_none()).then(FirstLossy::default);
        Self { key, rows, value: known.map_or_else(OnceLock::new, OnceLock::from) }
    }

    /// Whether a row that lost something should say so.
    pub(crate) fn is_open(&self) -> bool {
        self.rows.is_some() && self.value.get().is_none()
    }

    /// Says that `row` has finished, with `state` if it lost something; returns the row to measure.
    pub(crate) fn finish(&self, row: usize, state: Option<S>) -> Option<(usize, S)> {
        self.rows.as_ref().and_then(|rows| rows.finish(row, state))
    }

    /// The measurement.
    pub(crate) fn set(&self, value: f64) {
        // There is one: `finish` returns a row once.
        self.value.get_or_init(|| value);
    }

    /// NaN where nothing was measured.
    pub(crate) fn value(&self) -> f64 {
        self.value.get().copied().unwrap_or(f64::NAN)
    }

    /// Keeps a fresh measurement for later runs.
    pub(crate) fn remember(&self, memory: &CoherenceMemory) {
        if let (Some(_), Some(value)) = (&self.rows, self.value.get()) {
            memory.store(self.key, *value);
        }
    }
}

/// Finds the first of many rows that lost something, whatever order they finish in, and holds what
/// came with it until no earlier one can come.
#[derive(Debug)]
struct FirstLossy<S>(Mutex<Rows<S>>);

#[derive(Debug)]
struct Rows<S> {
    /// All rows before it have finished.
    next: usize,
    finished_ahead: HashSet<usize>,
    held: Option<(usize, S)>,
    found: bool,
}

impl<S> Default for FirstLossy<S> {
    fn default() -> Self {
        let rows = Rows { next: 0, finished_ahead: HashSet::new(), held: None, found: false };
        Self(Mutex::new(rows))
    }
}

impl<S> FirstLossy<S> {
    fn rows(&self) -> MutexGuard<'_, Rows<S>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says that `row` has finished, with `state` if it lost something; returns the first row that
    /// did, once, as soon as it is known.
    fn finish(&self, row: usize, state: Option<S>) -> Option<(usize, S)> {
        let mut rows = self.rows();
        rows.finished_ahead.insert(row);
        while rows.finished_ahead.contains(&rows.next) {
            let next = rows.next;
            rows.finished_ahead.remove(&next);
            rows.next += 1;
        }
        let earlier = rows.held.as_ref().is_none_or(|(held, _)| row < *held);
        if let Some(state) = state.filter(|_| earlier && !rows.found) {
            rows.held = Some((row, state));
        }
        let next = rows.next;
        let first = rows.held.take_if(|(held, _)| *held < next);
        rows.found |= first.is_some();
        first
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_lossy_row_is_found_in_any_order() {
        let orders = [[0, 1, 2, 3, 4], [4, 3, 2, 1, 0], [3, 0, 4, 2, 1], [2, 1, 4, 0, 3]];
        for order in orders {
            let watch = FirstLossy::default();
            let lossy = |row: usize| [2, 3].contains(&row).then_some(10 * row);
            let found: Vec<_> =
                order.iter().filter_map(|&row| watch.finish(row, lossy(row))).collect();
            assert_eq!(found, [(2, 20)], "{order:?}");
        }
        let none = FirstLossy::<()>::default();
        assert!((0..5).all(|row| none.finish(row, None).is_none()));
    }

    #[test]
    fn the_exponent_lies_between_its_two_readings() {
        let is = |found: f64, expected: f64| assert!((found - expected).abs() < 1e-12, "{found}");
        // The state at the full bond is exact: both readings agree.
        is(exponent(-0.6, -0.2, 0.0), 3.0);
        // It has lost something: between them, nearer to the second the less it has lost.
        let (some, much) = (exponent(-1.05, -0.35, -0.09), exponent(-9.0, -3.0, -2.5));
        assert!(some > 3.5 && some < 1.05 / 0.26, "{some}");
        assert!(much > 3.0 && much < 3.1, "{much}");
        // Unrelated errors, or a norm that says nothing.
        is(exponent(-1.0, -1.0, -0.5), 1.0);
        is(exponent(-0.6, -0.2, -0.3), 3.0);
    }

    #[test]
    fn a_measurement_serves_fifty_runs() {
        let memory = CoherenceMemory::default();
        let (precision, method) = (Precision::Double, Method::Auto);
        let key = CoherenceKey { cutoff: 0, precision, method, swept: false };
        assert_eq!(memory.recall(&key), None);
        memory.store(key, 1.5);
        for _ in 1..RUNS_PER_MEASUREMENT {
            assert_eq!(memory.recall(&key), Some(1.5));
            assert_eq!(memory.recall(&CoherenceKey { swept: true, ..key }), None);
        }
        assert_eq!(memory.recall(&key), None);
    }
}
