//! The memory plan: how many circuits fit at once, refused before work if not even one does.

use crate::circuit::{Cost, Plan};
use crate::error::{Error, Result};
use crate::group::{Group, LoadedState, Precision, Settings};
use crate::prepared::Prepared;
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
    pub(crate) fn new(groups: &[Prepared], settings: &Settings, threads: usize) -> Result<Self> {
        let entry = match settings.precision {
            Precision::Single => size_of::<C32>(),
            Precision::Double => size_of::<C64>(),
        } as f64;
        let limit = settings.memory_limit as f64;
        let mut results = 0.0;
        let mut bound = 0.0_f64;
        for prepared in groups {
            let (group, plans) = (&prepared.group, prepared.plans());
            let (mut kept, working, what) = request_bytes(group);
            let (mut elements, mut bond, mut chain) = (0.0_f64, 1.0_f64, 0.0_f64);
            for plan in plans {
                let cost = cost_of(group, plan, settings.max_bond_dim);
                elements = elements.max(cost.peak_elements);
                bond = bond.max(cost.max_bond);
                chain = chain.max(cost.chain_elements);
            }
            // The bound is only a number where nothing limits the bonds, see below.
            if group.requests.tensors && settings.max_bond_dim.is_some() {
                kept += group.rows as f64 * elements * size_of::<C64>() as f64;
            }
            if kept + working > limit {
                return Err(too_much(&what, kept + working, limit));
            }
            results += kept;
            // Old and new tensors of a level live side by side, and so do the two states where both
            // few-wire and global values are asked; and a step's buffers.
            let mut copies =
                if group.requests.has_local() && group.requests.wants_state() { 3.0 } else { 2.0 };
            if group.requests.tensors {
                // The tensors go out in double precision.
                copies += size_of::<C64>() as f64 / entry;
            }
            let buffers = 640.0 * bond.powi(2) + size_of::<C64>() as f64 * chain;
            let state = copies * elements * entry + buffers;
            bound = bound.max(state + working);
            // A bound made by max_bond_dim is taken at its word. Without a limit the bound is
            // 2^(n/2), which few circuits come near: there the size is watched during the run.
            if settings.max_bond_dim.is_some() && state > limit {
                let what = format!("the states of {} wires", group.structure.n_wires());
                return Err(too_much(&what, state, limit));
            }
        }
        let largest = if settings.max_bond_dim.is_some() { bound } else { 0.0 };
        if results + largest > limit {
            return Err(too_much("the results of the whole batch", results + largest, limit));
        }
        // Circuits share the memory only where the bound says that all of them fit: so the number
        // of threads never decides whether a run fits.
        let rows: usize = groups.iter().map(|prepared| prepared.group.rows).sum();
        let share = rows >= threads && results + bound * threads as f64 <= limit;
        let at_once = if share { threads } else { 1 };
        let max_entries = ((limit - results) / 2.0 / entry) as usize;
        Ok(Self { at_once, max_entries })
    }
}

/// What one row of `group` costs on `plan`.
fn cost_of(group: &Group, plan: &Plan, limit: Option<usize>) -> Cost {
    match &group.loaded {
        LoadedState::Tensors(tensors) => {
            let dims: Vec<usize> =
                std::iter::once(1).chain(tensors.iter().map(|tensor| tensor.right)).collect();
            plan.cost_from(&group.structure, &dims, limit)
        }
        _ => plan.cost(),
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
        // All wires go through the amplitudes.
        let working = if wires == n { 6.0 * bytes } else { bytes };
        parts.push((rows * bytes, working, format!("probs on {wires} wires, 2^{wires} numbers")));
    }
    for wires in group.requests.densities.iter().map(Vec::len) {
        let bytes = 16.0 * numbers(wires, 2.0);
        parts.push((rows * bytes, bytes, format!("a density matrix of {wires} wires")));
    }
    for sampling in &group.requests.samplings {
        let bytes = (sampling.shots * n) as f64;
        parts.push((rows * bytes, 2.0 * bytes, format!("{} shots of {n} wires", sampling.shots)));
    }
    // Loading holds the state in double precision next to itself, as it was given and as it becomes.
    let loaded = match &group.loaded {
        LoadedState::None => 0,
        LoadedState::Vectors(_) => 6 << group.structure.loaded().wires.len(),
        LoadedState::Tensors(tensors) => 3 * tensors.iter().map(|t| t.entries.len()).sum::<usize>(),
    };
    if loaded > 0 {
        let bytes = (loaded * size_of::<C64>()) as f64;
        parts.push((0.0, bytes, "the initial state".to_owned()));
    }
    let what =
        parts.iter().max_by(|a, b| (a.0 + a.1).total_cmp(&(b.0 + b.1))).map(|part| part.2.clone());
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
