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

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::cancel::Cancel;
use crate::error::Result;
use crate::group::Precision;
use crate::linalg::Method;
use crate::mps::{Mps, log_norm_squared, overlap};
use crate::scalar::Scalar;

/// Below this discarded weight the norm is as good as the truth: an error that matters to nobody, or
/// in single precision what rounding does to the norm.
pub(crate) fn worth_measuring<T: Scalar>() -> f64 {
    if T::ROUNDS { 1e-5 } else { 1e-8 }
}

/// The logarithm that stands for an overlap of zero.
const ORTHOGONAL: f64 = -1e6;
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
    Ok(if half_norm < -worth_measuring::<T>() {
        exponent(log_overlap, half_norm, full_norm)
    } else {
        f64::NAN
    })
}

/// The power of the norm that is the fidelity, from ln O, ln N(χ/2) and ln N(χ).
fn exponent(log_overlap: f64, half_norm: f64, full_norm: f64) -> f64 {
    // Orthogonal states tell of a fidelity of zero, not of nothing.
    let exact = log_overlap.max(ORTHOGONAL) / half_norm;
    let excess = exact - 1.0;
    if excess <= 0.0 || half_norm >= full_norm {
        return exact;
    }
    let unrelated = log_overlap.max(ORTHOGONAL) / (half_norm - full_norm);
    let squared = excess.powi(2);
    let share = (TRUST * exact * full_norm).exp() * squared / (squared + NOTICEABLE.powi(2));
    exact + share * (unrelated - exact)
}

/// What a coherence depends on besides the plan and how much was lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct CoherenceKey {
    /// Bits of the cutoff.
    pub cutoff: u64,
    pub precision: Precision,
    pub method: Method,
    /// Whether the norm reported is that of the swept state.
    pub swept: bool,
}

/// Runs that lost about the same, within a factor of √2, share a measurement: one structure may be
/// smooth at some parameters and random at others, and then it loses more.
type Band = i32;

fn band(lost: f64) -> Band {
    (2.0 * lost.log2()).floor() as Band
}

/// Coherences measured for one plan.
///
/// Best effort, as the cache of plans: where another thread holds it, it is measured again.
#[derive(Debug, Default)]
pub(crate) struct CoherenceMemory(Mutex<HashMap<(CoherenceKey, Band), Measured>>);

#[derive(Debug)]
struct Measured {
    value: f64,
    runs: u32,
}

impl CoherenceMemory {
    /// The coherence for one more run, or `None` if it is to be measured (again).
    fn recall(&self, key: CoherenceKey, band: Band) -> Option<f64> {
        let mut memory = self.0.try_lock().ok()?;
        let measured = memory.get_mut(&(key, band))?;
        measured.runs += 1;
        (measured.runs < RUNS_PER_MEASUREMENT).then_some(measured.value)
    }

    fn store(&self, key: CoherenceKey, band: Band, value: f64) {
        if let Ok(mut memory) = self.0.try_lock() {
            memory.insert((key, band), Measured { value, runs: 0 });
        }
    }
}

/// The coherences of one group, while its rows run: of each band the first row is measured, whatever
/// order the rows finish in.
#[derive(Debug)]
pub(crate) struct CoherenceWatch<'a> {
    memory: &'a CoherenceMemory,
    key: CoherenceKey,
    measurable: bool,
    rows: Mutex<Rows>,
}

#[derive(Debug, Default)]
struct Rows {
    /// All rows before it have finished.
    next: usize,
    finished_ahead: HashSet<usize>,
    /// Of the rows that lost something.
    bands: HashMap<usize, Band>,
    coherences: BTreeMap<Band, Coherence>,
}

#[derive(Debug, Clone, Copy)]
enum Coherence {
    Remembered(f64),
    Measured(f64),
    /// To be measured on this row, unless an earlier one comes.
    Wanted(usize),
}

impl<'a> CoherenceWatch<'a> {
    /// `measurable`: whether there is half of a bond dimension.
    pub(crate) fn new(memory: &'a CoherenceMemory, key: CoherenceKey, measurable: bool) -> Self {
        Self { memory, key, measurable, rows: Mutex::default() }
    }

    fn rows(&self) -> MutexGuard<'_, Rows> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says that `row` has finished, and what it lost, if anything; returns whether it is to be
    /// measured while its state is at hand.
    pub(crate) fn finish(&self, row: usize, lost: Option<f64>) -> bool {
        let mut rows = self.rows();
        let Rows { next, finished_ahead, bands, coherences } = &mut *rows;
        finished_ahead.insert(row);
        while finished_ahead.remove(next) {
            *next += 1;
        }
        let Some(lost) = lost.filter(|_| self.measurable) else { return false };
        let band = band(lost);
        bands.insert(row, band);
        let coherence = coherences.entry(band).or_insert_with(|| {
            let known = self.memory.recall(self.key, band);
            known.map_or(Coherence::Wanted(row), Coherence::Remembered)
        });
        match coherence {
            Coherence::Wanted(first) => {
                *first = row.min(*first);
                *first == row && *next > row
            }
            _ => false,
        }
    }

    /// The measurement on `row`.
    pub(crate) fn set(&self, row: usize, value: f64) {
        let mut rows = self.rows();
        if let Some(&band) = rows.bands.get(&row) {
            rows.coherences.insert(band, Coherence::Measured(value));
        }
    }

    /// Rows that turned out to be the first of their bands when their states were gone.
    pub(crate) fn wanted(&self) -> Vec<usize> {
        let rows = self.rows();
        let wanted = rows.coherences.values().filter_map(|coherence| match coherence {
            Coherence::Wanted(row) => Some(*row),
            _ => None,
        });
        wanted.collect()
    }

    /// Of one row; NaN where nothing was measured.
    pub(crate) fn value(&self, row: usize) -> f64 {
        let rows = self.rows();
        let coherence = rows.bands.get(&row).and_then(|band| rows.coherences.get(band));
        match coherence {
            Some(Coherence::Remembered(value) | Coherence::Measured(value)) => *value,
            _ => f64::NAN,
        }
    }

    /// Keeps fresh measurements for later runs.
    pub(crate) fn remember(&self) {
        for (band, coherence) in &self.rows().coherences {
            if let Coherence::Measured(value) = coherence {
                self.memory.store(self.key, *band, *value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: CoherenceKey = CoherenceKey {
        cutoff: 0,
        precision: Precision::Double,
        method: Method::Auto,
        swept: false,
    };

    #[test]
    fn the_first_row_of_each_band_is_measured_in_any_order() {
        let lost = [None, Some(0.9), Some(0.012), Some(0.9), Some(0.013)];
        let orders = [[0, 1, 2, 3, 4], [4, 3, 2, 1, 0], [3, 0, 4, 2, 1], [2, 1, 4, 0, 3]];
        for order in orders {
            let memory = CoherenceMemory::default();
            let watch = CoherenceWatch::new(&memory, KEY, true);
            let value = |row: usize| 1.0 + row as f64;
            for row in order {
                if watch.finish(row, lost[row]) {
                    watch.set(row, value(row));
                }
            }
            for row in watch.wanted() {
                watch.set(row, value(row));
            }
            let found: Vec<f64> = (0..5).map(|row| watch.value(row)).collect();
            assert!(found[0].is_nan());
            assert_eq!(found[1..], [2.0, 3.0, 2.0, 3.0], "{order:?}");
        }
    }

    #[test]
    fn in_order_no_state_is_evolved_again() {
        let memory = CoherenceMemory::default();
        let watch = CoherenceWatch::new(&memory, KEY, true);
        for (row, lost) in [0.5, 0.4, 1e-5, 0.5, 0.1].into_iter().enumerate() {
            if watch.finish(row, Some(lost)) {
                watch.set(row, 2.0);
            }
        }
        assert!(watch.wanted().is_empty());
        let nothing = CoherenceWatch::new(&memory, KEY, false);
        assert!(!nothing.finish(0, Some(0.5)) && nothing.wanted().is_empty());
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
    fn a_measurement_serves_fifty_runs_that_lost_as_much() {
        let memory = CoherenceMemory::default();
        let run = |lost: f64, key: CoherenceKey| {
            let watch = CoherenceWatch::new(&memory, key, true);
            let fresh = watch.finish(0, Some(lost));
            if fresh {
                watch.set(0, 1.0 + lost);
            }
            watch.remember();
            (fresh, watch.value(0))
        };
        assert_eq!(run(0.01, KEY), (true, 1.01));
        for _ in 1..RUNS_PER_MEASUREMENT {
            assert_eq!(run(0.0101, KEY), (false, 1.01));
        }
        assert_eq!(run(0.0101, KEY), (true, 1.0101));
        assert_eq!(run(0.5, KEY), (true, 1.5));
        assert_eq!(run(0.01, CoherenceKey { swept: true, ..KEY }), (true, 1.01));
    }
}
