//! Which wire starts on which site.

use super::interactions::InteractionGraph;
use super::layout::Layout;
use super::search::Search;
use super::settings::{Ordering, PlanSettings};
use super::structure::{Loaded, Structure};
use crate::error::{Error, Result};

/// Another order must cost less than this share of the given one. The costs come from bounds of
/// the ranks, not from true bond dimensions, so a small gain on paper is none; and in the given
/// order the bonds of a report are those that the user thinks of.
const CLEARLY_CHEAPER: f64 = 0.9;

/// Steps towards the slowest mode of the interactions.
const SMOOTHINGS: usize = 100;

/// Lays the circuit out in the order that `settings` asks for.
pub(super) fn lay_out_in_order(structure: &Structure, settings: &PlanSettings) -> Result<Layout> {
    let given: Vec<u32> = (0..structure.n_wires() as u32).collect();
    let order = match &settings.ordering {
        Ordering::Explicit(order) => {
            check_permutation(order, structure.n_wires())?;
            order.clone()
        }
        Ordering::Given => given,
        Ordering::Auto => with_loaded_in_order(given, structure.loaded()),
    };
    check_loaded(&order, structure.loaded())?;
    let mut search = Search::new(structure, settings);
    search.try_order(&order, 1.0);
    // Without detours, every gate acts on neighbours already. Tensors allow no other order: it
    // would tear their chain apart.
    let found = |search: &Search| search.best.as_ref().is_some_and(|best| best.detours == 0);
    if settings.ordering == Ordering::Auto && !found(&search) && !structure.loaded().ordered {
        let graph = InteractionGraph::new(structure);
        if graph.is_dense() {
            // Of two equal meeting points the left one is taken: the other way round may cost half.
            let turned: Vec<u32> = order.iter().rev().copied().collect();
            search.try_order(&turned, CLEARLY_CHEAPER);
        } else {
            let near = reverse_cuthill_mckee(&graph);
            search.try_order(&near, CLEARLY_CHEAPER);
            search.try_order(&spectral(&graph, &near), CLEARLY_CHEAPER);
        }
    }
    search.best.ok_or_else(|| Error::Internal("a circuit found no layout".to_owned()))
}

/// `order` with the wires of a state given as tensors in the order of those tensors, on the sites
/// that they have.
fn with_loaded_in_order(mut order: Vec<u32>, loaded: &Loaded) -> Vec<u32> {
    if loaded.ordered {
        let sites = sites_of_loaded(&order, loaded);
        sites.iter().zip(&loaded.wires).for_each(|(&site, &wire)| order[site] = wire);
    }
    order
}

/// The sites of all loaded wires, ascending.
fn sites_of_loaded(order: &[u32], loaded: &Loaded) -> Vec<usize> {
    let mut is_loaded = vec![false; order.len()];
    loaded.wires.iter().for_each(|&wire| is_loaded[wire as usize] = true);
    (0..order.len()).filter(|&site| is_loaded[order[site] as usize]).collect()
}

/// Tensors are a chain: their wires must start in its order.
fn check_loaded(order: &[u32], loaded: &Loaded) -> Result<()> {
    const SHOWN: usize = 8;
    let found = || sites_of_loaded(order, loaded).into_iter().map(|site| order[site]);
    if !loaded.ordered || found().eq(loaded.wires.iter().copied()) {
        return Ok(());
    }
    let shown = |wires: Vec<u32>| {
        let more = if wires.len() > SHOWN { ", ..." } else { "" };
        let names: Vec<String> = wires.iter().take(SHOWN).map(u32::to_string).collect();
        format!("{}{more}", names.join(", "))
    };
    Err(Error::invalid(format!(
        "the tensors of the initial state run along wires {}, but the ordering puts these wires on \
         the chain as {}; use the ordering \"auto\", list the wires in the order of the tensors, or \
         give the state as a vector",
        shown(loaded.wires.clone()),
        shown(found().collect())
    )))
}

fn check_permutation(order: &[u32], n_wires: usize) -> Result<()> {
    let hint = "an ordering lists the wire on each site, every wire once";
    if order.len() != n_wires {
        return Err(Error::invalid(format!(
            "the ordering has {} entries for {n_wires} wires; {hint}",
            order.len()
        )));
    }
    let mut seen = vec![false; n_wires];
    for (site, &wire) in order.iter().enumerate() {
        match seen.get_mut(wire as usize) {
            None => {
                return Err(Error::invalid(format!(
                    "the ordering puts wire {wire} on site {site}, but the circuit has wires 0 to \
                     {}; {hint}",
                    n_wires - 1
                )));
            }
            Some(true) => {
                return Err(Error::invalid(format!(
                    "the ordering names wire {wire} twice; {hint}"
                )));
            }
            Some(seen) => *seen = true,
        }
    }
    Ok(())
}

/// Wires ordered so that interacting ones are near each other (`Cuthill-McKee` 1969, reversed):
/// breadth-first from an end of each component, neighbours of few neighbours first. A ring comes
/// out interleaved (0, n−1, 1, n−2, …): neighbours at distance 2 at most.
fn reverse_cuthill_mckee(graph: &InteractionGraph) -> Vec<u32> {
    let n_wires = graph.n_wires();
    let mut by_degree: Vec<u32> = (0..n_wires as u32).collect();
    by_degree.sort_unstable_by_key(|&wire| (graph.degree(wire), wire));
    let mut search = Bfs { visited_in: vec![0; n_wires], round: 0, order: Vec::new() };
    let mut placed = vec![false; n_wires];
    let mut order = Vec::with_capacity(n_wires);
    for wire in by_degree {
        if placed[wire as usize] {
            continue;
        }
        let start = far_end(graph, &mut search, wire);
        search.breadth_first(graph, start);
        for &wire in &search.order {
            placed[wire as usize] = true;
        }
        order.extend_from_slice(&search.order);
    }
    order.reverse();
    order
}

/// A wire at an end of the component of `wire`: walks to the far side until that gets no farther.
fn far_end(graph: &InteractionGraph, search: &mut Bfs, wire: u32) -> u32 {
    let mut start = wire;
    let (mut depth, mut farthest) = search.breadth_first(graph, start);
    loop {
        let (new_depth, new_farthest) = search.breadth_first(graph, farthest);
        if new_depth <= depth {
            return start;
        }
        start = farthest;
        (depth, farthest) = (new_depth, new_farthest);
    }
}

/// Wires along the slowest mode of the interactions (the Fiedler vector; Barnard, Pothen and Simon
/// 1995), from `start` as a first guess: where wires fall into groups, cuts between these come first.
///
/// Each step puts every wire to the mean of its own place and those of its neighbours, in the metric of
/// the degrees, and takes out what is the same everywhere. A few are enough for an order.
fn spectral(graph: &InteractionGraph, start: &[u32]) -> Vec<u32> {
    let n_wires = graph.n_wires();
    let degree = |wire: usize| graph.degree(wire as u32).max(1) as f64;
    let total: f64 = (0..n_wires).map(degree).sum();
    let mut place = vec![0.0; n_wires];
    for (site, &wire) in start.iter().enumerate() {
        place[wire as usize] = site as f64;
    }
    for _ in 0..SMOOTHINGS {
        let mean = (0..n_wires).map(|wire| degree(wire) * place[wire]).sum::<f64>() / total;
        place.iter_mut().for_each(|x| *x -= mean);
        let largest = place.iter().fold(f64::MIN_POSITIVE, |largest, x| largest.max(x.abs()));
        place = (0..n_wires)
            .map(|wire| {
                let around =
                    graph.neighbours(wire as u32).iter().map(|other| place[*other as usize]);
                (place[wire] + around.sum::<f64>() / degree(wire)) / (2.0 * largest)
            })
            .collect();
    }
    let mut order = start.to_vec();
    order.sort_by(|a, b| place[*a as usize].total_cmp(&place[*b as usize]));
    order
}

/// Breadth-first search with its buffers.
struct Bfs {
    /// Round in which each wire was seen last: no clearing between searches.
    visited_in: Vec<u32>,
    round: u32,
    /// Wires in the order of the last search.
    order: Vec<u32>,
}

impl Bfs {
    /// Visits the component of `start`; returns the depth of its last level and, in that level, a
    /// wire of the fewest neighbours (the lowest of them).
    fn breadth_first(&mut self, graph: &InteractionGraph, start: u32) -> (u32, u32) {
        self.round += 1;
        self.visited_in[start as usize] = self.round;
        self.order.clear();
        self.order.push(start);
        let (mut level, mut depth) = (0..1, 0);
        loop {
            for at in level.clone() {
                for &wire in graph.neighbours(self.order[at]) {
                    if self.visited_in[wire as usize] != self.round {
                        self.visited_in[wire as usize] = self.round;
                        self.order.push(wire);
                    }
                }
            }
            let next = level.end..self.order.len();
            if next.is_empty() {
                let last_level = self.order[level].iter().copied();
                let farthest = last_level.min_by_key(|&wire| (graph.degree(wire), wire));
                return (depth, farthest.unwrap_or(start));
            }
            level = next;
            depth += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{CircuitArrays, GATES, Structure};
    use super::{InteractionGraph, check_permutation, reverse_cuthill_mckee};
    use crate::error::Result;

    /// CZ gates on `pairs`.
    fn circuit(n_wires: usize, pairs: &[[u32; 2]]) -> Result<Structure> {
        let cz = GATES.iter().position(|spec| spec.name == "CZ").unwrap_or_default();
        let gates = vec![cz as u16; pairs.len()];
        Structure::new(CircuitArrays {
            n_wires,
            gates,
            wire_counts: vec![2; pairs.len()],
            wires: pairs.concat(),
            ..CircuitArrays::default()
        })
    }

    #[test]
    fn rings_come_out_interleaved() -> Result<()> {
        for n in [3_u32, 4, 9, 24] {
            // Neighbours on the ring are 5 apart by name.
            let pairs: Vec<[u32; 2]> = (0..n).map(|i| [i * 5 % n, (i + 1) * 5 % n]).collect();
            let order =
                reverse_cuthill_mckee(&InteractionGraph::new(&circuit(n as usize, &pairs)?));
            check_permutation(&order, n as usize)?;
            for [a, b] in pairs {
                let site = |wire| order.iter().position(|&other| other == wire).unwrap_or_default();
                assert!(site(a).abs_diff(site(b)) <= 2, "{order:?}");
            }
        }
        Ok(())
    }

    #[test]
    fn swaps_only_rename() -> Result<()> {
        let id = |name| GATES.iter().position(|spec| spec.name == name).unwrap_or_default() as u16;
        let gates = vec![id("CZ"), id("SWAP"), id("CZ")];
        let structure = Structure::new(CircuitArrays {
            n_wires: 9,
            gates,
            wire_counts: vec![2; 3],
            wires: vec![0, 5, 5, 2, 2, 7],
            ..CircuitArrays::default()
        })?;
        let order = reverse_cuthill_mckee(&InteractionGraph::new(&structure));
        let site = |wire| order.iter().position(|&other| other == wire).unwrap_or_default();
        assert_eq!([site(0), site(7)].map(|end| end.abs_diff(site(5))), [1, 1], "{order:?}");
        Ok(())
    }

    #[test]
    fn components_and_untouched_wires_are_all_placed() -> Result<()> {
        let order = reverse_cuthill_mckee(&InteractionGraph::new(&circuit(
            9,
            &[[0, 7], [7, 3], [2, 5], [5, 2]],
        )?));
        check_permutation(&order, 9)?;
        let site = |wire| order.iter().position(|&other| other == wire).unwrap_or_default();
        assert_eq!(site(0).abs_diff(site(3)), 2);
        assert_eq!(site(2).abs_diff(site(5)), 1);
        check_permutation(&reverse_cuthill_mckee(&InteractionGraph::new(&circuit(1, &[])?)), 1)
    }
}
