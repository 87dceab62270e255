//! Perfect sampling (Ferris & Vidal 2012, arXiv:1201.3974): the sites are measured from left to
//! right, every outcome with its probability given those before it.
//!
//! All shots of a block go together: shots whose outcomes so far agree share one left vector, and
//! one matrix product moves all vectors to the next site. The second outcome is worked out only
//! for the vectors of which some shot takes it.

use rayon::prelude::*;

use crate::cancel::Cancel;
use crate::error::{Error, Result};
use crate::linalg::{matrix, matrix_mut, times};
use crate::mps::{Mps, Parallelism, SiteTensor};
use crate::pauli::Pauli;
use crate::rng::ShotKey;
use crate::scalar::{C64, Scalar};

/// Shots that share prefixes: a constant, so that no rounding depends on the number of threads.
const BLOCK: usize = 1024;
/// Outcome 1 is looked at for numbers this close below the probability of outcome 0, because the
/// two probabilities sum to 1 only up to rounding.
const SLACK: f64 = 1e-5;

/// The letter (X, Y or Z) that each shot measures on each site from the first to the last
/// measured one. Sites that nobody asks for in between are measured, too: in Z.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bases {
    /// Sites from the first to the last measured one.
    pub sites: usize,
    /// One per site, or shots × sites.
    pub letters: Vec<Pauli>,
}

impl Bases {
    /// Position of each letter among X, Y, Z, shot by shot.
    fn letter(&self, shot: usize, site: usize) -> Pauli {
        let row = if self.letters.len() == self.sites { 0 } else { shot * self.sites };
        self.letters[row + site]
    }

    fn letters_on(&self, site: usize) -> Vec<Pauli> {
        let mut letters: Vec<Pauli> =
            self.letters.iter().skip(site).step_by(self.sites.max(1)).copied().collect();
        letters.sort_unstable();
        letters.dedup();
        letters
    }
}

/// Draws shots from a canonical state: `shots` × `bases.sites` bits, 1 being eigenvalue −1.
///
/// A bit depends on the key, the number of its shot, and the letters up to its site; neither on
/// threads nor on sites further right. The state must be right-canonical (see
/// [`crate::mps::canonicalise`]). Cost O(shots · sites · χ²) and less where prefixes agree.
///
/// # Errors
/// [`Error::Interrupted`] soon after `cancel` is set; [`Error::Numerical`] if a vector has no norm.
pub fn sample<T: Scalar>(
    state: &Mps<T>,
    bases: &Bases,
    shots: usize,
    key: &ShotKey,
    parallelism: Parallelism,
    cancel: &Cancel,
) -> Result<Vec<u8>> {
    let rotated: Vec<Vec<Rotated<T>>> = (0..bases.sites)
        .map(|site| {
            let letters = bases.letters_on(site).into_iter();
            letters.map(|letter| Rotated::new(&state.sites[site], letter)).collect()
        })
        .collect();
    let starts: Vec<usize> = (0..shots).step_by(BLOCK).collect();
    let run = |&start: &usize| -> Result<Vec<u8>> {
        let block = start..(start + BLOCK).min(shots);
        Block { bases, rotated: &rotated, key, first: start }.draw(block.len(), cancel)
    };
    let blocks: Result<Vec<Vec<u8>>> = if parallelism == Parallelism::Pool {
        starts.par_iter().with_max_len(1).map(run).collect()
    } else {
        starts.iter().map(run).collect()
    };
    Ok(blocks?.concat())
}

/// The two outcomes of one site in one basis: `B_b[l, r] = Σ_p U[b, p] · B[l, p, r]`.
struct Rotated<T> {
    letter: Pauli,
    left: usize,
    right: usize,
    outcomes: [Vec<T>; 2],
}

impl<T: Scalar> Rotated<T> {
    fn new(site: &SiteTensor<T>, letter: Pauli) -> Self {
        let h = std::f64::consts::FRAC_1_SQRT_2;
        let (one, i) = (C64::ONE * h, C64::I * h);
        // Rows: the bras of the eigenvectors to +1 and −1.
        let bras = match letter {
            Pauli::X => [[one, one], [one, -one]],
            Pauli::Y => [[one, -i], [one, i]],
            Pauli::Z | Pauli::I => [[C64::ONE, C64::ZERO], [C64::ZERO, C64::ONE]],
        };
        let l = site.left;
        let outcomes = bras.map(|[zero, one]| {
            let (zero, one) = (T::from_c64(zero), T::from_c64(one));
            let blocks = site.entries.chunks_exact(2 * l);
            blocks
                .flat_map(|block| {
                    let (a, b) = block.split_at(l);
                    a.iter().zip(b).map(move |(a, b)| zero * *a + one * *b)
                })
                .collect()
        });
        Self { letter, left: l, right: site.right, outcomes }
    }
}

struct Block<'a, T> {
    bases: &'a Bases,
    rotated: &'a [Vec<Rotated<T>>],
    key: &'a ShotKey,
    /// Number of the first shot.
    first: usize,
}

impl<T: Scalar> Block<'_, T> {
    fn draw(&self, shots: usize, cancel: &Cancel) -> Result<Vec<u8>> {
        let sites = self.bases.sites;
        let mut bits = vec![0_u8; shots * sites];
        // Distinct prefixes: one normalised left vector each, row by row in `vectors`.
        let mut vectors = Rows { count: 1, width: 1, entries: vec![T::ONE] };
        let mut prefix_of = vec![0_usize; shots];
        for site in 0..sites {
            cancel.check()?;
            let mut next = Rows::empty(self.rotated[site].first().map_or(1, |site| site.right));
            for tensor in &self.rotated[site] {
                let members: Vec<usize> = (0..shots)
                    .filter(|shot| self.bases.letter(self.first + shot, site) == tensor.letter)
                    .collect();
                let outcomes = self.measure(&vectors, tensor, &members, &prefix_of, site)?;
                outcomes.append_to(&mut next, &members, &mut prefix_of);
                for (&shot, &bit) in members.iter().zip(&outcomes.bits) {
                    bits[shot * sites + site] = bit;
                }
            }
            vectors = next.columns();
        }
        Ok(bits)
    }

    /// Measures one site in one basis for the shots `members`.
    fn measure(
        &self,
        vectors: &Rows<T>,
        tensor: &Rotated<T>,
        members: &[usize],
        prefix_of: &[usize],
        site: usize,
    ) -> Result<Outcomes<T>> {
        let prefixes = distinct(members.iter().map(|&shot| prefix_of[shot]), vectors.count);
        let zero = vectors.times(&prefixes.list, tensor, 0);
        let weights = zero.weights();
        let numbers: Vec<f64> = members
            .iter()
            .map(|&shot| self.key.uniform((self.first + shot) as u64, site as u64))
            .collect();
        // Prefixes of which some shot may take the second outcome.
        let near = |at: usize| {
            let place = prefixes.place[prefix_of[members[at]]];
            (numbers[at] >= weights[place] * (1.0 - SLACK)).then_some(place)
        };
        let candidates = distinct((0..members.len()).filter_map(near), prefixes.list.len());
        let both: Vec<usize> = candidates.list.iter().map(|&place| prefixes.list[place]).collect();
        let one = vectors.times(&both, tensor, 1);
        let other_weights = one.weights();
        let mut bits = vec![0_u8; members.len()];
        let mut rows = vec![0_usize; members.len()];
        for (at, &shot) in members.iter().enumerate() {
            let place = prefixes.place[prefix_of[shot]];
            let other = candidates.place[place];
            let second = if other == NONE { 0.0 } else { other_weights[other] };
            let total = weights[place] + second;
            if total <= 0.0 || !total.is_finite() {
                return Err(Error::Numerical(format!(
                    "the outcomes of site {site} have total probability {total}"
                )));
            }
            let takes_one = second > 0.0 && numbers[at] * total >= weights[place];
            bits[at] = u8::from(takes_one);
            rows[at] = if takes_one { other } else { place };
        }
        Ok(Outcomes { bits, rows, vectors: [zero, one], weights: [weights, other_weights] })
    }
}

/// What the shots of one basis measured on a site.
struct Outcomes<T> {
    bits: Vec<u8>,
    /// Row of `vectors[bit]` that each shot goes on with.
    rows: Vec<usize>,
    vectors: [Rows<T>; 2],
    weights: [Vec<f64>; 2],
}

impl<T: Scalar> Outcomes<T> {
    /// Appends the vectors that shots go on with, normalised, and points the shots to them.
    fn append_to(&self, next: &mut Rows<T>, members: &[usize], prefix_of: &mut [usize]) {
        for bit in [0_u8, 1] {
            let (vectors, weights) =
                (&self.vectors[usize::from(bit)], &self.weights[usize::from(bit)]);
            let taken = self.rows.iter().zip(&self.bits).filter(|(_, own)| **own == bit);
            let used = distinct(taken.map(|(row, _)| *row), vectors.count);
            let offset = next.count;
            for &row in &used.list {
                let scale = 1.0 / weights[row].sqrt();
                next.push((0..vectors.width).map(|column| vectors.at(row, column).scale(scale)));
            }
            for (at, &shot) in members.iter().enumerate() {
                if self.bits[at] == bit {
                    prefix_of[shot] = offset + used.place[self.rows[at]];
                }
            }
        }
    }
}

const NONE: usize = usize::MAX;

/// Distinct numbers below `bound` in ascending order, and the place of each in that list.
struct Distinct {
    list: Vec<usize>,
    place: Vec<usize>,
}

fn distinct(numbers: impl Iterator<Item = usize>, bound: usize) -> Distinct {
    let mut place = vec![NONE; bound];
    for number in numbers {
        place[number] = 0;
    }
    let list: Vec<usize> = (0..bound).filter(|&number| place[number] != NONE).collect();
    for (at, &number) in list.iter().enumerate() {
        place[number] = at;
    }
    Distinct { list, place }
}

/// Vectors as the rows of a matrix; column-major, but for one that still grows by rows.
struct Rows<T> {
    count: usize,
    width: usize,
    entries: Vec<T>,
}

impl<T: Scalar> Rows<T> {
    fn empty(width: usize) -> Self {
        Self { count: 0, width, entries: Vec::new() }
    }

    fn at(&self, row: usize, column: usize) -> T {
        self.entries[row + self.count * column]
    }

    /// Only for a matrix that grows: its rows lie one after the other.
    fn push(&mut self, row: impl Iterator<Item = T>) {
        self.entries.extend(row);
        self.count += 1;
    }

    /// From row after row to column-major.
    fn columns(self) -> Self {
        let Self { count, width, entries } = self;
        let mut columns = Vec::with_capacity(entries.len());
        for column in 0..width {
            columns.extend((0..count).map(|row| entries[row * width + column]));
        }
        Self { count, width, entries: columns }
    }

    /// The chosen rows, moved on with one outcome of a site.
    fn times(&self, chosen: &[usize], tensor: &Rotated<T>, outcome: usize) -> Self {
        let gathered: Vec<T>;
        let rows = if chosen.len() == self.count {
            &self.entries
        } else {
            gathered = (0..self.width)
                .flat_map(|column| chosen.iter().map(move |&row| self.at(row, column)))
                .collect();
            &gathered
        };
        // out[a, r] = Σ_l rows[a, l] · B_b[l, r]
        let (l, r) = (tensor.left, tensor.right);
        let mut entries = vec![T::ZERO; chosen.len() * r];
        times(
            matrix_mut(&mut entries, chosen.len(), r),
            matrix(rows, chosen.len(), l),
            matrix(&tensor.outcomes[outcome], l, r),
        );
        Self { count: chosen.len(), width: r, entries }
    }

    /// Squared norm of each row.
    fn weights(&self) -> Vec<f64> {
        let mut weights = vec![0.0; self.count];
        for column in self.entries.chunks_exact(self.count.max(1)) {
            for (weight, entry) in weights.iter_mut().zip(column) {
                *weight += entry.norm_sqr();
            }
        }
        weights
    }
}
