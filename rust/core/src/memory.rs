//! The memory plan: how many circuits fit at once, refused before work if not even one does.

use std::collections::HashMap;

use crate::circuit::{Cost, Plan};
use crate::error::{Error, Result};
use crate::group::{Group, LoadedState, Precision, Settings};
use crate::histories::most_waiting;
use crate::local_operator::LocalOperator;
use crate::mps::{BATCH, MAX_SPECTRUM_SITES};
use crate::prepared::Prepared;
use crate::scalar::{C32, C64};

/// What fits.
#[derive(Debug, Clone, Copy)]
pub(crate) struct MemoryPlan {
    /// Circuits that may be in work at once: all threads, or one.
    pub at_once: usize,
    /// Most tensor entries of one state.
    pub max_entries: usize,
    /// Most tensor entries of all states of a circuit: of one in work and those that wait.
    pub max_held: usize,
    /// Bytes that are left for each circuit in work, to keep what its derivatives need.
    pub tape_bytes: usize,
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
        let mut held = 0.0_f64;
        for prepared in groups {
            let (group, plans) = (&prepared.group, prepared.plans());
            let parts = parts_of(group);
            let mut kept: f64 = parts.iter().map(|part| part.kept).sum();
            let working = parts.iter().map(|part| part.working).fold(0.0, f64::max);
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
            let size = |part: &Part| part.kept + part.working;
            let largest = parts.iter().max_by(|a, b| size(a).total_cmp(&size(b)));
            if let Some(part) = largest.filter(|_| kept + working > limit) {
                return Err(too_much(&part.what, kept + working, limit, part.way));
            }
            results += kept;
            // Old and new tensors of a level live side by side, and so do the two states where both
            // few-wire and global values are asked; a canonical copy; and a step's buffers.
            // Histories of mid-circuit outcomes share one state, but others wait meanwhile.
            let (n, requests) = (group.structure.n_wires(), &group.requests);
            let measured = !group.structure.measures().is_empty();
            let canonical = measured || requests.has_canonical(n, settings.readout);
            let both = !measured
                && requests.has_local(n, settings.readout)
                && (requests.has_global(n, settings.readout) || requests.tensors);
            let waiting = most_waiting(group) as f64;
            let copies = if both { 3.0 } else { 2.0 } + waiting;
            held = held.max((waiting + 1.0) * elements);
            // The tensors go out in double precision.
            let double =
                if canonical { 2.0 } else { 0.0 } + if requests.tensors { 1.0 } else { 0.0 };
            let tensors = copies * entry + double * size_of::<C64>() as f64;
            let main = &prepared.main.plan;
            let step = 640.0 * bond.powi(2) + size_of::<C64>() as f64 * chain;
            let buffers = step.max(reading_bytes(group, main, bond, entry, threads));
            // Each state that waits keeps two factors of the sites that it has measured.
            let factors = waiting * 2.0 * size_of::<C64>() as f64 * bond.powi(2);
            let state = tensors * elements + factors + buffers;
            bound = bound.max(state + working);
            // A bound made by max_bond_dim is taken at its word. Without a limit the bound is
            // 2^(n/2), which few circuits come near: there the size is watched during the run.
            if settings.max_bond_dim.is_some() && state > limit {
                let what = format!("the states of {n} wires and what is read from them");
                return Err(too_much(&what, state, limit, SMALLER));
            }
        }
        let largest = if settings.max_bond_dim.is_some() { bound } else { 0.0 };
        if results + largest > limit {
            let what = "the results of the whole batch";
            return Err(too_much(what, results + largest, limit, FEWER_ROWS));
        }
        // Circuits share the memory only where the bound says that all of them fit: so the number
        // of threads never decides whether a run fits.
        let rows: usize = groups.iter().map(|prepared| prepared.group.rows).sum();
        let share = rows >= threads && results + bound * threads as f64 <= limit;
        let at_once = if share { threads } else { 1 };
        let max_entries = ((limit - results) / 2.0 / entry) as usize;
        // What the plan has accepted is not refused later.
        let planned = if settings.max_bond_dim.is_some() { held.ceil() as usize } else { 0 };
        let left = limit - results - at_once as f64 * largest;
        let tape_bytes = (left.max(0.0) / 2.0 / at_once as f64) as usize;
        Ok(Self { at_once, max_entries, max_held: max_entries.max(planned), tape_bytes })
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

/// Something that is asked of every row of a group.
struct Part {
    /// Bytes of the results of all rows.
    kept: f64,
    /// Bytes while one row is read.
    working: f64,
    what: String,
    /// What to do where it does not fit.
    way: &'static str,
}

/// What to ask for instead of states too large.
const SMALLER: &str = "ask for fewer wires or rows, or lower max_bond_dim (None watches the state as \
                       it grows instead of counting the worst case)";
const FEWER_ROWS: &str = "call the circuit with fewer rows of parameters at a time";

/// What is asked of a group, and what it takes.
fn parts_of(group: &Group) -> Vec<Part> {
    let (rows, requests) = (group.rows as f64, &group.requests);
    let mut parts = Vec::new();
    let mut add = |kept: f64, working: f64, what: String, way| {
        parts.push(Part { kept: rows * kept, working, what, way });
    };
    let numbers = |wires: usize, factor: f64| (wires as f64 * factor).exp2();
    let n = group.structure.n_wires();
    if requests.dense_state {
        let bytes = 16.0 * numbers(n, 1.0);
        let way = "keep the state as a matrix product (mps_state), or measure some of the wires";
        add(bytes, 3.0 * bytes, format!("state() of {n} wires, 2^{n} numbers"), way);
    }
    for wires in requests.probabilities.iter().map(Vec::len) {
        let bytes = 8.0 * numbers(wires, 1.0);
        // All wires go through the amplitudes.
        let working = if wires == n { 6.0 * bytes } else { bytes };
        let way = "ask for fewer wires, for the probability of chosen bitstrings, or for samples";
        add(bytes, working, format!("probs on {wires} wires, 2^{wires} numbers"), way);
    }
    for wires in requests.densities.iter().map(Vec::len) {
        let bytes = 16.0 * numbers(wires, 2.0);
        let what = format!("a density matrix of {wires} wires");
        add(bytes, bytes, what, "ask for fewer wires, or for fewer such matrices at a time");
    }
    let measures = group.structure.measures().len();
    for list in &requests.outcomes {
        let (k, bytes) = (list.len(), 8.0 * numbers(list.len(), 1.0));
        let what = format!("the joint distribution of {k} mid-circuit measurements, 2^{k} numbers");
        add(bytes, bytes, what, "ask for fewer of them together, or for samples");
    }
    // Loading holds the state in double precision next to itself, as it was given and as it becomes.
    let loaded = match &group.loaded {
        LoadedState::None => 0,
        LoadedState::Vectors(_) => 6 << group.structure.loaded().wires.len(),
        LoadedState::Tensors(tensors) => 3 * tensors.iter().map(|t| t.entries.len()).sum::<usize>(),
    };
    if loaded > 0 {
        let bytes = (loaded * size_of::<C64>()) as f64;
        add(0.0, bytes, "the initial state".to_owned(), "give it smaller bonds or fewer wires");
    }
    for wires in requests.spectra.iter().map(Vec::len) {
        let side = wires.min(n - wires).min(MAX_SPECTRUM_SITES);
        // The matrix, its eigenvectors, and those of its tridiagonal form.
        let working = 64.0 * numbers(side, 2.0);
        let what = format!("an entanglement spectrum of {wires} wires");
        add(8.0 * numbers(side, 1.0), working, what, "ask for fewer wires");
    }
    let strings = (requests.bitstrings.len() / n) as f64;
    if strings > 0.0 {
        let what = format!("the probabilities of {strings} bitstrings");
        add(8.0 * strings, strings * (n + 32) as f64, what, "ask for fewer strings at a time");
    }
    for sampling in &requests.samplings {
        let (shots, wires) = (sampling.shots as f64, sampling.wires.len());
        // Bits of all sites and, where each shot has its own basis, letters of all sites.
        let letters = if sampling.letters.len() > wires { 2.0 } else { 1.0 };
        let what = match measures {
            0 => format!("{shots} shots of {wires} wires"),
            _ => format!("{shots} shots of {wires} wires and {measures} mid-circuit measurements"),
        };
        let working = shots * (8.0 + letters * n as f64);
        add(shots * (wires + measures) as f64, working, what, "draw fewer shots");
    }
    parts
}

/// Bytes that reading one row takes for environments and left vectors, which grow with the bonds.
fn reading_bytes(group: &Group, plan: &Plan, bond: f64, entry: f64, threads: usize) -> f64 {
    let requests = &group.requests;
    let shots = requests.samplings.iter().map(|sampling| sampling.shots).max().unwrap_or(0);
    let strings = requests.bitstrings.len() / plan.n_sites();
    let lines = shots.max(strings);
    let at_once = lines.min(BATCH * threads) as f64;
    // Old and new vectors, both outcomes, and the columns gathered for each.
    let vectors = 6.0 * at_once * bond * entry;
    let widths = requests.variances.iter().map(|terms| {
        let terms = requests.variance_terms[terms.clone()].iter();
        automaton_width(terms.map(|&word| requests.words[word].as_slice()), plan.site_of_wire())
    });
    // Of each pair of states the old environment, the product (twice as large) and the new one.
    let pairs = widths.map(|width| (width * (width + 1) / 2) as f64).fold(0.0, f64::max);
    let environments = 4.0 * pairs * bond.powi(2) * entry;
    vectors.max(environments)
}

/// Most states that the automaton of a sum of words has at one bond: *start*, *done*, and each
/// distinct rest of a word that began.
fn automaton_width<'a>(
    words: impl Iterator<Item = &'a [(usize, LocalOperator)]>,
    site_of_wire: &[usize],
) -> usize {
    // Each rest by its first factor and the number of the rest behind that: its own number and the
    // first site that a word going on with it has its letter before on.
    let mut rests: HashMap<(usize, LocalOperator, usize), (usize, usize)> = HashMap::new();
    for word in words {
        let mut factors: Vec<(usize, LocalOperator)> = word
            .iter()
            .filter(|(_, letter)| *letter != LocalOperator::IDENTITY)
            .map(|(wire, letter)| (site_of_wire[*wire], *letter))
            .collect();
        factors.sort_unstable();
        let mut behind = 0;
        for pair in factors.windows(2).rev() {
            let number = rests.len() + 1;
            let (site, letter) = pair[1];
            let rest = rests.entry((site, letter, behind)).or_insert((number, pair[0].0));
            rest.1 = rest.1.min(pair[0].0);
            behind = rest.0;
        }
    }
    // A rest is open at the bonds from the letter before it to its own first letter.
    let mut changes = vec![0_isize; site_of_wire.len() + 1];
    for ((site, ..), (_, begin)) in &rests {
        changes[*begin] += 1;
        changes[*site] -= 1;
    }
    let open = changes.iter().scan(0, |open, change| {
        *open += change;
        Some(*open)
    });
    2 + open.max().unwrap_or(0).unsigned_abs()
}

fn too_much(what: &str, needed: f64, limit: f64, way: &str) -> Error {
    Error::Resource(format!(
        "{what} may need {}, more than memory_limit ({}); {way}, or raise memory_limit",
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
    use super::{automaton_width, bytes};
    use crate::local_operator::LocalOperator;
    use crate::pauli::Pauli;

    #[test]
    fn the_automaton_is_as_wide_as_its_open_words() {
        let z = LocalOperator::Pauli(Pauli::Z);
        let order: Vec<usize> = (0..6).collect();
        let width = |words: &[Vec<(usize, LocalOperator)>]| {
            automaton_width(words.iter().map(Vec::as_slice), &order)
        };
        let chain: Vec<_> = (0..5).map(|i| vec![(i, z), (i + 1, z)]).collect();
        assert_eq!(width(&chain), 3);
        assert_eq!(width(&[vec![(3, z)], vec![]]), 2);
        // Words that end alike share a state: one for each end that is still to come.
        let pairs: Vec<_> =
            (0..6).flat_map(|j| (0..j).map(move |i| vec![(j, z), (i, z)])).collect();
        assert_eq!(width(&pairs), 2 + 5);
        assert_eq!(width(&[vec![(0, z), (2, z), (5, z)], vec![(1, z), (5, z)]]), 2 + 2);
    }

    #[test]
    fn sizes_are_readable() {
        assert_eq!(bytes(12.0), "12 bytes");
        assert_eq!(bytes(1536.0), "1.50 KiB (1536 bytes)");
        assert_eq!(bytes(34.0_f64.exp2() * 8.0), "128.00 GiB (137438953472 bytes)");
        assert_eq!(bytes(100.0_f64.exp2()), "2^100 bytes");
    }
}
