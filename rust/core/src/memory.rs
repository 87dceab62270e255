//! The memory plan: how many circuits fit at once, refused before work if not even one does.

use std::sync::Arc;

use crate::circuit::Plan;
use crate::error::{Error, Result};
use crate::group::{Group, Precision, Settings};
use crate::scalar::{C32, C64};

/// What fits.
#[derive(Debug, Clone, Copy)]
pub(crate) struct MemoryPlan {
    /// Circuits that may be in work at once: all threads, or one.
    pub at_once: usize,
    /// Most tensor entries of one state.
    pub max_entries: usize,
}

impl MemoryPlan {
    /// # Errors
    /// [`Error::Resource`] naming what is too large and its bytes.
    pub(crate) fn new(
        groups: &[(Group, Arc<Plan>)],
        settings: &Settings,
        threads: usize,
    ) -> Result<Self> {
        let entry = match settings.precision {
            Precision::Single => size_of::<C32>(),
            Precision::Double => size_of::<C64>(),
        } as f64;
        let limit = settings.memory_limit as f64;
        let mut results = 0.0;
        let mut circuit = 0.0_f64;
        for (group, plan) in groups {
            let (kept, working, what) = request_bytes(group);
            if kept + working > limit {
                return Err(too_much(&what, kept + working, limit));
            }
            results += kept;
            // A bound made by max_bond_dim is taken at its word. Without a limit the bound is
            // 2^(n/2), which few circuits come near: there the size is watched during the run.
            let state = match settings.max_bond_dim {
                Some(_) => {
                    plan.peak_elements() * entry + 8.0 * 16.0 * plan.max_bond().powi(2) * 4.0
                }
                None => 0.0,
            };
            let bonds = format!("the states of {} wires", plan.n_sites());
            if state > limit {
                return Err(too_much(&bonds, state, limit));
            }
            circuit = circuit.max(state + working);
        }
        if results + circuit > limit {
            return Err(too_much("the results of the whole batch", results + circuit, limit));
        }
        let fit = if circuit > 0.0 { ((limit - results) / circuit).floor() } else { f64::MAX };
        let at_once = if fit >= threads as f64 { threads } else { 1 };
        let max_entries = ((limit - results) / at_once as f64 / entry) as usize;
        Ok(Self { at_once, max_entries })
    }
}

/// Bytes of a group's results and of the working memory of one row's readout, and what the largest
/// of them is.
fn request_bytes(group: &Group) -> (f64, f64, String) {
    let rows = group.rows as f64;
    let mut parts: Vec<(f64, f64, String)> = Vec::new();
    let numbers = |wires: usize, factor: f64| (wires as f64 * factor).exp2();
    let n = group.structure.n_wires();
    if group.requests.dense_state {
        let bytes = 16.0 * numbers(n, 1.0);
        parts.push((rows * bytes, 3.0 * bytes, format!("state() of {n} wires, 2^{n} numbers")));
    }
    for wires in group.requests.probabilities.iter().map(Vec::len) {
        let bytes = 8.0 * numbers(wires, 1.0);
        parts.push((rows * bytes, bytes, format!("probs on {wires} wires, 2^{wires} numbers")));
    }
    for wires in group.requests.densities.iter().map(Vec::len) {
        let bytes = 16.0 * numbers(wires, 2.0);
        parts.push((rows * bytes, bytes, format!("a density matrix of {wires} wires")));
    }
    let what = parts.iter().max_by(|a, b| a.0.total_cmp(&b.0)).map(|part| part.2.clone());
    let kept = parts.iter().map(|part| part.0).sum();
    let working = parts.iter().map(|part| part.1).fold(0.0, f64::max);
    (kept, working, what.unwrap_or_default())
}

fn too_much(what: &str, needed: f64, limit: f64) -> Error {
    Error::Resource(format!(
        "{what} may need {}, more than memory_limit ({}); ask for fewer wires or rows, lower \
         max_bond_dim, or raise memory_limit",
        bytes(needed),
        bytes(limit)
    ))
}

/// A size a person can read, with the exact bytes where a number of bytes still says something.
fn bytes(count: f64) -> String {
    const UNITS: [&str; 6] = ["bytes", "KiB", "MiB", "GiB", "TiB", "PiB"];
    let power = (count.max(1.0).log2() / 10.0).floor() as usize;
    match UNITS.get(power) {
        Some(&"bytes") => format!("{count:.0} bytes"),
        Some(unit) => {
            format!("{:.2} {unit} ({count:.0} bytes)", count / (10.0 * power as f64).exp2())
        }
        None => format!("2^{:.0} bytes", count.log2()),
    }
}

#[cfg(test)]
mod tests {
    use super::bytes;

    #[test]
    fn sizes_are_readable() {
        assert_eq!(bytes(12.0), "12 bytes");
        assert_eq!(bytes(1536.0), "1.50 KiB (1536 bytes)");
        assert_eq!(bytes(34.0_f64.exp2() * 8.0), "128.00 GiB (137438953472 bytes)");
        assert_eq!(bytes(100.0_f64.exp2()), "2^100 bytes");
    }
}
