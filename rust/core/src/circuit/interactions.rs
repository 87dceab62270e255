//! Which wires meet, as a graph.

use super::structure::Structure;

/// Which wires meet in a gate, each named by where it started: SWAPs only rename.
pub(super) struct InteractionGraph {
    /// Flat lists of neighbours, those with few neighbours first.
    neighbours: Vec<u32>,
    first: Vec<usize>,
}

impl InteractionGraph {
    pub(super) fn new(structure: &Structure) -> Self {
        let n_wires = structure.n_wires();
        let mut edges = edges(structure);
        edges.sort_unstable();
        edges.dedup();
        let mut first = vec![0; n_wires + 1];
        for &(wire, _) in &edges {
            first[wire as usize + 1] += 1;
        }
        for wire in 0..n_wires {
            first[wire + 1] += first[wire];
        }
        let neighbours = edges.into_iter().map(|(_, other)| other).collect();
        let mut graph = Self { neighbours, first };
        graph.sort_neighbours();
        graph
    }

    /// Whether wires meet more than half of the others in the mean: then no order has them near.
    pub(super) fn is_dense(&self) -> bool {
        2 * self.neighbours.len() > self.n_wires() * self.n_wires()
    }

    pub(super) fn n_wires(&self) -> usize {
        self.first.len() - 1
    }

    fn sort_neighbours(&mut self) {
        let degrees: Vec<usize> = self.first.windows(2).map(|pair| pair[1] - pair[0]).collect();
        for pair in self.first.windows(2) {
            self.neighbours[pair[0]..pair[1]]
                .sort_unstable_by_key(|&wire| (degrees[wire as usize], wire));
        }
    }

    pub(super) fn neighbours(&self, wire: u32) -> &[u32] {
        &self.neighbours[self.first[wire as usize]..self.first[wire as usize + 1]]
    }

    pub(super) fn degree(&self, wire: u32) -> usize {
        self.neighbours(wire).len()
    }
}

/// Every interaction in both directions, with repetitions.
fn edges(structure: &Structure) -> Vec<(u32, u32)> {
    let mut started_as: Vec<u32> = (0..structure.n_wires() as u32).collect();
    let mut edges = Vec::with_capacity(2 * structure.n_gates());
    for gate in structure.gates() {
        if let (true, &[a, b]) = (gate.only_renames(), gate.wires) {
            started_as.swap(a as usize, b as usize);
        }
        // A chain through a gate on many wires rather than all its pairs: what counts is the span.
        let mut previous = None;
        for wire in gate.interacting_wires() {
            let wire = started_as[wire as usize];
            if let Some(previous) = previous.replace(wire) {
                edges.extend([(previous, wire), (wire, previous)]);
            }
        }
    }
    edges
}
