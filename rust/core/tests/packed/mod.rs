//! Random states as plain lists, packed for the engine, with oracles of their own.
#![allow(dead_code, missing_docs)] // each test uses some of them
#![allow(clippy::unwrap_used)] // in a test a panic is the report

use std::sync::Arc;

use bondline::{
    C32, C64, Cancel, EncodedState, EncodedStates, Entries, Result, Scalar, log_overlaps,
};

/// Numbers in [-1, 1) that are the same on every run.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> f64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        f64::from((self.0 >> 33) as u32) / f64::from(1_u32 << 30) - 1.0
    }
}

/// Tensors (left, 2, right) of one state, the right bond fastest, and its inner bonds.
#[derive(Clone)]
pub struct Plain {
    pub bonds: Vec<usize>,
    pub entries: Vec<C64>,
}

impl Plain {
    /// Normalised and random.
    pub fn random(bonds: &[usize], real: bool, random: &mut Random) -> Self {
        let mut plain = Self { bonds: bonds.to_vec(), entries: Vec::new() };
        for (left, right) in plain.dims() {
            // So that the norm of a long chain stays within what a number holds.
            let scale = (1.5 / left as f64).sqrt();
            for _ in 0..2 * left * right {
                let im = if real { 0.0 } else { random.next() };
                plain.entries.push(C64::new(random.next(), im) * scale);
            }
        }
        plain.normalised()
    }

    /// `cos θ |0⟩ + e^{iφ} sin θ |1⟩` on each wire.
    pub fn product(angles: &[(f64, f64)]) -> Self {
        let site = |&(theta, phi): &(f64, f64)| {
            [C64::new(theta.cos(), 0.0), C64::from_polar(theta.sin(), phi)]
        };
        Self { bonds: vec![1; angles.len() - 1], entries: angles.iter().flat_map(site).collect() }
    }

    pub fn normalised(mut self) -> Self {
        let sites = self.dims().len() as f64;
        let factor = (-0.5 * self.log_overlap(&self) / sites).exp().sqrt();
        self.entries.iter_mut().for_each(|x| *x *= factor);
        self
    }

    pub fn dims(&self) -> Vec<(usize, usize)> {
        let left = std::iter::once(1).chain(self.bonds.iter().copied());
        left.zip(self.bonds.iter().copied().chain([1])).collect()
    }

    pub fn sites(&self) -> Vec<&[C64]> {
        let mut rest = self.entries.as_slice();
        let dims = self.dims().into_iter();
        dims.map(|(left, right)| rest.split_off(..2 * left * right).unwrap()).collect()
    }

    /// ln |⟨self|ket⟩|², one product at a time, the environment divided by its norm at each site.
    pub fn log_overlap(&self, ket: &Self) -> f64 {
        let (mut environment, mut log) = (vec![C64::ONE], 0.0);
        let sites = self.sites().into_iter().zip(ket.sites());
        for (((al, ar), (bl, br)), (a, b)) in self.dims().into_iter().zip(ket.dims()).zip(sites) {
            let mut next = vec![C64::ZERO; ar * br];
            for (l, m, s) in
                (0..al).flat_map(|l| (0..bl).flat_map(move |m| (0..2).map(move |s| (l, m, s))))
            {
                for r in 0..ar {
                    let left = a[(2 * l + s) * ar + r].conj() * environment[l * bl + m];
                    for q in 0..br {
                        next[r * br + q] += left * b[(2 * m + s) * br + q];
                    }
                }
            }
            let norm = next.iter().map(C64::norm_sqr).sum::<f64>().sqrt();
            next.iter_mut().for_each(|x| *x /= norm);
            log += 2.0 * norm.ln();
            environment = next;
        }
        log + environment[0].norm_sqr().ln()
    }

    /// All amplitudes, the first wire most significant.
    pub fn dense(&self) -> Vec<C64> {
        let mut rows = vec![vec![C64::ONE]];
        for ((left, right), site) in self.dims().into_iter().zip(self.sites()) {
            let next = |row: &Vec<C64>, s: usize| -> Vec<C64> {
                let entry = |l: usize, r: usize| row[l] * site[(2 * l + s) * right + r];
                (0..right).map(|r| (0..left).map(|l| entry(l, r)).sum()).collect()
            };
            rows = rows.iter().flat_map(|row| [next(row, 0), next(row, 1)]).collect();
        }
        rows.into_iter().map(|row| row[0]).collect()
    }

    pub fn encoded(&self, single: bool) -> Result<Arc<EncodedState>> {
        let entries = if single {
            Entries::Single(self.entries.iter().map(|x| C32::from_c64(*x)).collect())
        } else {
            Entries::Double(self.entries.clone().into())
        };
        let bonds = self.bonds.iter().map(|bond| *bond as u32).collect();
        EncodedState::new(bonds, entries).map(Arc::new)
    }
}

pub fn plain(state: &EncodedState) -> Plain {
    let bonds = state.bonds.iter().map(|bond| *bond as usize).collect();
    let entries = match &state.entries {
        Entries::Single(entries) => entries.iter().map(|x| x.to_c64()).collect(),
        Entries::Double(entries) => entries.to_vec(),
    };
    Plain { bonds, entries }
}

pub fn set(states: &[Plain], single: bool) -> Result<EncodedStates> {
    let wires = states[0].bonds.len() + 1;
    let states = states.iter().map(|state| state.encoded(single)).collect::<Result<_>>()?;
    EncodedStates::new(states, wires, single)
}

pub fn overlaps(bra: &EncodedStates, ket: Option<&EncodedStates>) -> Result<Vec<f64>> {
    log_overlaps(bra, ket, Some(1), &Cancel::default())
}

pub fn bits(values: &[f64]) -> Vec<u64> {
    values.iter().map(|value| value.to_bits()).collect()
}

pub fn dense_overlap(bra: &[C64], ket: &[C64]) -> f64 {
    bra.iter().zip(ket).map(|(a, b)| a.conj() * b).sum::<C64>().norm_sqr()
}

pub fn assert_dense(found: &[f64], bra: &[Plain], ket: &[Plain], tolerance: f64) {
    let (bra, ket): (Vec<_>, Vec<_>) =
        (bra.iter().map(Plain::dense).collect(), ket.iter().map(Plain::dense).collect());
    assert_eq!(found.len(), bra.len() * ket.len());
    for (index, found) in found.iter().enumerate() {
        let (i, j) = (index / ket.len(), index % ket.len());
        let exact = dense_overlap(&bra[i], &ket[j]);
        assert!((found.exp() - exact).abs() < tolerance, "{i} {j}: {} {exact}", found.exp());
        // The logarithm as well, as far as the sum that makes it is not nearly zero.
        let lost = tolerance / exact.sqrt();
        assert!((found - exact.ln()).abs() < 2.0 * lost, "{i} {j}: {found} {}", exact.ln());
    }
}

/// Different bonds from 1 to `largest` at each site of each state.
pub fn strays(n: usize, count: usize, largest: usize, random: &mut Random) -> Vec<Plain> {
    let state = |index: usize| {
        let mut bond = || 1 + (random.next().abs() * largest as f64) as usize;
        let bonds: Vec<usize> = (1..n).map(|_| bond()).collect();
        Plain::random(&bonds, index % 3 == 1, random)
    };
    (0..count).map(state).collect()
}

pub fn alike(n: usize, count: usize, bond: usize, real: bool, random: &mut Random) -> Vec<Plain> {
    (0..count).map(|_| Plain::random(&vec![bond; n - 1], real, random)).collect()
}
