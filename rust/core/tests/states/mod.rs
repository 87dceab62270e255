//! States and dense oracles that several tests share.
#![allow(dead_code, missing_docs)] // each test uses some of them
#![allow(clippy::unwrap_used)] // in a test a panic is the report

use bondline::mps::{Mps, SiteTensor, dense_amplitudes};
use bondline::{C32, C64, Cancel, Result, Scalar};

/// Numbers in [-1, 1) that are the same on every run.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> f64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        f64::from((self.0 >> 33) as u32) / f64::from(1_u32 << 30) - 1.0
    }
}

/// A random state with the given inner bonds.
pub fn random_state(bonds: &[usize], seed: u64) -> Result<Mps<C64>> {
    let mut random = Random(seed);
    let n = bonds.len() + 1;
    let bond = |i: usize| if i == 0 || i == n { 1 } else { bonds[i - 1] };
    let site = |i: usize| {
        let (left, right) = (bond(i), bond(i + 1));
        let mut entry = || C64::new(random.next(), random.next());
        SiteTensor { left, right, entries: (0..2 * left * right).map(|_| entry()).collect() }
    };
    Mps::from_tensors((0..n).map(site).collect())
}

pub fn single(state: &Mps<C64>) -> Result<Mps<C32>> {
    let narrow = |site: &SiteTensor<C64>| SiteTensor {
        left: site.left,
        right: site.right,
        entries: site.entries.iter().map(|x| C32::from_c64(*x)).collect(),
    };
    Mps::from_tensors(state.tensors().iter().map(narrow).collect())
}

/// `Σ_k α_k |k…k⟩` for k = 0, 1: a GHZ state.
pub fn ghz(n: usize) -> Result<Mps<C64>> {
    let site = |i: usize| {
        let (left, right) = (if i == 0 { 1 } else { 2 }, if i + 1 == n { 1 } else { 2 });
        let mut entries = vec![C64::ZERO; 2 * left * right];
        for k in 0..2 {
            let (l, r) = (if left == 1 { 0 } else { k }, if right == 1 { 0 } else { k });
            entries[l + left * (k + 2 * r)] = C64::ONE;
        }
        SiteTensor { left, right, entries }
    };
    Mps::from_tensors((0..n).map(site).collect())
}

/// The equal superposition of all strings with a single one. Bond: whether it has come.
pub fn w_state(n: usize) -> Result<Mps<C64>> {
    let site = |i: usize| {
        let (left, right) = (if i == 0 { 1 } else { 2 }, if i + 1 == n { 1 } else { 2 });
        let mut entries = vec![C64::ZERO; 2 * left * right];
        for (from, bit) in [(0, 0), (0, 1), (1, 0)] {
            let to = from + bit;
            let (inside, last) = (from < left, i + 1 == n);
            if inside && (!last || to == 1) {
                entries[from + left * (bit + 2 * if last { 0 } else { to })] = C64::ONE;
            }
        }
        SiteTensor { left, right, entries }
    };
    Mps::from_tensors((0..n).map(site).collect())
}

pub fn tilted(n: usize) -> Result<Mps<C64>> {
    let site =
        SiteTensor { left: 1, right: 1, entries: vec![C64::new(0.6, 0.0), C64::new(0.0, 0.8)] };
    Mps::from_tensors(vec![site; n])
}

pub fn dense<T: Scalar>(state: &Mps<T>) -> Vec<C64> {
    let order: Vec<usize> = (0..state.n_sites()).collect();
    dense_amplitudes(state, &order, &Cancel::default()).unwrap()
}

pub fn apply(vector: &[C64], n: usize, site: usize, o: [C64; 4]) -> Vec<C64> {
    let mask = 1 << (n - 1 - site);
    let image = |index: usize| {
        let row = usize::from(index & mask != 0);
        o[2 * row] * vector[index & !mask] + o[2 * row + 1] * vector[index | mask]
    };
    (0..vector.len()).map(image).collect()
}
