//! Random steps, and what they do to a dense vector.
#![allow(dead_code)] // each test file uses a part
#![allow(clippy::unwrap_used)] // in a test a panic is the report

use std::ops::Range;

use bondline::linalg::Method;
use bondline::mps::{Evolution, Mps, Parallelism, Scratches, Step, StepGate, evolve};
use bondline::{C64, Cancel, ChainOperator, Result, Scalar};

pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> f64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        f64::from((self.0 >> 33) as u32) / f64::from(1_u32 << 30) - 1.0
    }

    /// A random unitary: Gram-Schmidt on random columns.
    pub fn unitary<const ENTRIES: usize>(&mut self, dim: usize) -> [C64; ENTRIES] {
        let mut columns: Vec<Vec<C64>> = Vec::new();
        while columns.len() < dim {
            let mut column: Vec<C64> =
                (0..dim).map(|_| C64::new(self.next(), self.next())).collect();
            for other in &columns {
                let along: C64 = other.iter().zip(&column).map(|(o, c)| o.conj() * c).sum();
                column.iter_mut().zip(other).for_each(|(c, o)| *c -= o * along);
            }
            let norm = column.iter().map(C64::norm_sqr).sum::<f64>().sqrt();
            if norm > 0.1 {
                columns.push(column.into_iter().map(|c| c / norm).collect());
            }
        }
        std::array::from_fn(|index| columns[index % dim][index / dim])
    }
}

/// A brickwall of random gates with random one-site gates between.
pub fn brickwall(
    n: usize,
    depth: usize,
    limit: Option<usize>,
    seed: u64,
) -> (Vec<Step>, Vec<Range<usize>>) {
    let mut random = Random(seed);
    let (mut steps, mut levels) = (Vec::new(), Vec::new());
    for layer in 0..depth {
        let start = steps.len();
        for site in 0..n {
            let gate = StepGate::One(random.unitary::<4>(2));
            steps.push(Step { site, gate, limit });
        }
        levels.push(start..steps.len());
        let start = steps.len();
        for site in (layer % 2..n.saturating_sub(1)).step_by(2) {
            let gate = StepGate::Two(random.unitary::<16>(4), 4);
            steps.push(Step { site, gate, limit });
        }
        levels.push(start..steps.len());
    }
    (steps, levels)
}

/// Ladders one after the other with long steps and one-site steps among them, by levels: a level is one
/// more than the last on any of a step's sites.
pub fn ladders(n: usize, layers: usize, limit: usize) -> (Vec<Step>, Vec<Range<usize>>) {
    let mut random = Random(5);
    let mut by_level: Vec<Vec<Step>> = Vec::new();
    let mut next = vec![0; n];
    let mut add = |site: usize, gate: StepGate| {
        let sites = site..site + gate.width();
        let level = sites.clone().map(|site| next[site]).max().unwrap();
        next[sites].fill(level + 1);
        by_level.resize_with(by_level.len().max(level + 1), Vec::new);
        by_level[level].push(Step { site, gate, limit: Some(limit) });
    };
    for layer in 0..layers {
        for site in 0..n - 1 {
            add(site, StepGate::Two(random.unitary::<16>(4), 4));
        }
        for site in (layer..n).step_by(5) {
            add(site, StepGate::One(random.unitary::<4>(2)));
        }
    }
    let mut levels = Vec::new();
    let mut steps = Vec::new();
    for level in by_level {
        let start = steps.len();
        steps.extend(level);
        levels.push(start..steps.len());
    }
    (steps, levels)
}

pub fn evolution(cutoff: f64, sweep_threshold: Option<f64>) -> Evolution {
    Evolution { cutoff, method: Method::Auto, sweep_threshold, max_entries: usize::MAX }
}

pub fn run<T: Scalar>(
    n: usize,
    steps: &[Step],
    levels: &[Range<usize>],
    evolution: &Evolution,
) -> Result<(Mps<T>, bondline::mps::EvolutionLog)> {
    let mut state = Mps::zeros(n)?;
    let log = evolve(
        &mut state,
        steps,
        levels,
        evolution,
        Parallelism::Sequential,
        &Scratches::default(),
        &Cancel::default(),
    )?;
    Ok((state, log))
}

/// The same steps on 2^n amplitudes, site 0 most significant.
pub fn dense(n: usize, steps: &[Step]) -> Vec<C64> {
    let mut vector = vec![C64::ZERO; 1 << n];
    vector[0] = C64::ONE;
    for step in steps {
        match &step.gate {
            StepGate::One(u) => apply(&mut vector, n, &[step.site], u),
            StepGate::Two(u, _) => apply(&mut vector, n, &[step.site, step.site + 1], u),
            StepGate::Chain(operator) => {
                let sites: Vec<usize> = (step.site..step.site + operator.sites.len()).collect();
                apply(&mut vector, n, &sites, &matrix_of(operator));
            }
        }
    }
    vector
}

pub fn apply(vector: &mut [C64], n: usize, sites: &[usize], u: &[C64]) {
    let dim = 1 << sites.len();
    let old = vector.to_vec();
    let bit = |index: usize, site: usize| index >> (n - 1 - site) & 1;
    for (index, value) in vector.iter_mut().enumerate() {
        let row = sites.iter().fold(0, |row, &site| 2 * row + bit(index, site));
        *value = (0..dim)
            .map(|col| {
                let source = sites.iter().enumerate().fold(index, |source, (place, &site)| {
                    let wanted = col >> (sites.len() - 1 - place) & 1;
                    source & !(1 << (n - 1 - site)) | wanted << (n - 1 - site)
                });
                u[row * dim + col] * old[source]
            })
            .sum();
    }
}

pub fn inner(a: &[C64], b: &[C64]) -> C64 {
    a.iter().zip(b).map(|(x, y)| x.conj() * y).sum()
}

/// All entries of an operator, row-major, first site most significant.
pub fn matrix_of(operator: &ChainOperator) -> Vec<C64> {
    // partial[bond]: the matrix of the sites so far that ends on this bond index.
    let mut partial = vec![vec![C64::ONE]];
    let mut side = 1;
    for site in &operator.sites {
        let mut next = vec![vec![C64::ZERO; 4 * side * side]; site.right];
        for block in &site.blocks {
            for (at, x) in partial[block.left].iter().enumerate() {
                for (entry, y) in block.matrix.iter().enumerate() {
                    let row = 2 * (at / side) + entry / 2;
                    let column = 2 * (at % side) + entry % 2;
                    next[block.right][row * 2 * side + column] += x * y;
                }
            }
        }
        partial = next;
        side *= 2;
    }
    partial.swap_remove(0)
}
