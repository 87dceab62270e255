//! Shots follow the state: against exact distributions, and the same bits however they are drawn.

use bondline::mps::{Bases, Mps, Parallelism, Readout, SiteTensor, probabilities, sample};
use bondline::{C32, C64, Cancel, Pauli, Result, Scalar, ShotKey, pool};

/// A random state of `n` sites with bonds up to `chi`.
fn random_state<T: Scalar>(n: usize, chi: usize, seed: u64) -> Result<Mps<T>> {
    let key = ShotKey::new([seed, 1], 0);
    let dim = |bond: usize| chi.min(1 << bond.min(n - bond).min(20));
    let sites = (0..n)
        .map(|site| {
            let (left, right) = (dim(site), dim(site + 1));
            let entries = (0..2 * left * right)
                .map(|at| {
                    let [re, im] =
                        [0, 1].map(|part| key.uniform((2 * at + part) as u64, site as u64));
                    T::from_c64(C64::new(re - 0.5, im - 0.5))
                })
                .collect();
            SiteTensor { left, right, entries }
        })
        .collect();
    Mps::from_tensors(sites)
}

/// (|0…0⟩ + |1…1⟩)/√2 in two bonds.
fn ghz(n: usize) -> Result<Mps<C64>> {
    let (one, zero) = (C64::ONE, C64::ZERO);
    let sites = (0..n)
        .map(|site| {
            let (left, right) = (if site == 0 { 1 } else { 2 }, if site + 1 == n { 1 } else { 2 });
            let entries = (0..2 * left * right)
                .map(|at| {
                    let (l, p, r) = (at % left, at / left % 2, at / left / 2);
                    let agrees = (left == 1 || l == p) && (right == 1 || r == p);
                    if agrees { one } else { zero }
                })
                .collect();
            SiteTensor { left, right, entries }
        })
        .collect();
    Mps::from_tensors(sites)
}

fn uniform(letters: &[Pauli]) -> Bases {
    Bases { sites: letters.len(), letters: letters.to_vec() }
}

fn draw<T: Scalar>(state: &Mps<T>, bases: &Bases, shots: usize) -> Result<Vec<u8>> {
    let key = ShotKey::new([42, 7], 3);
    sample(state, bases, shots, &key, Parallelism::Sequential, &Cancel::default())
}

/// Pearson's statistic of `bits` against `expected`, per degree of freedom.
fn chi_square(bits: &[u8], sites: usize, expected: &[f64]) -> f64 {
    let mut counts = vec![0.0; expected.len()];
    for shot in bits.chunks_exact(sites) {
        counts[shot.iter().fold(0, |index, bit| 2 * index + usize::from(*bit))] += 1.0;
    }
    let shots = (bits.len() / sites) as f64;
    let terms =
        counts.iter().zip(expected).map(|(count, p)| (count - shots * p).powi(2) / (shots * p));
    terms.sum::<f64>() / (expected.len() - 1) as f64
}

fn z_distribution_is_followed<T: Scalar>(seed: u64) -> Result<()> {
    let n = 6;
    let state: Mps<T> = random_state(n, 8, seed)?;
    let sites: Vec<usize> = (0..n).collect();
    let expected = probabilities(&state, &sites, Readout::State, &Cancel::default())?;
    let bits = draw(&state, &uniform(&[Pauli::Z; 6]), 40_000)?;
    // 63 degrees of freedom: above 1.7 with probability 4e-4.
    let found = chi_square(&bits, n, &expected);
    assert!(found < 1.7, "{found}");
    Ok(())
}

#[test]
fn outcomes_follow_the_exact_distribution() -> Result<()> {
    (0..3).try_for_each(z_distribution_is_followed::<C64>)?;
    (3..5).try_for_each(z_distribution_is_followed::<C32>)
}

#[test]
fn other_bases_give_their_expectations() -> Result<()> {
    let state: Mps<C64> = random_state(5, 4, 9)?;
    for letters in
        [[Pauli::X; 5], [Pauli::Y; 5], [Pauli::X, Pauli::Z, Pauli::Y, Pauli::Y, Pauli::X]]
    {
        let bits = draw(&state, &uniform(&letters), 40_000)?;
        for site in 0..5 {
            let word = bondline::mps::PauliWord::new(&[(site, letters[site])]);
            let exact = bondline::mps::pauli_expectations(
                &state,
                &[word],
                Readout::State,
                Parallelism::Sequential,
                &Cancel::default(),
            )?[0];
            let ones = bits.iter().skip(site).step_by(5).map(|bit| f64::from(*bit)).sum::<f64>();
            let mean = 1.0 - 2.0 * ones / 40_000.0;
            assert!((mean - exact).abs() < 4.0 / 200.0, "{letters:?} {site}: {mean} {exact}");
        }
    }
    Ok(())
}

#[test]
fn ghz_gives_two_strings_in_equal_halves() -> Result<()> {
    let n = 60;
    let bits = draw(&ghz(n)?, &uniform(&vec![Pauli::Z; n]), 10_000)?;
    let mut ones = 0;
    for shot in bits.chunks_exact(n) {
        assert!(shot.iter().all(|bit| *bit == shot[0]));
        ones += usize::from(shot[0]);
    }
    assert!(ones.abs_diff(5_000) < 200, "{ones}");
    Ok(())
}

#[test]
fn single_precision_never_takes_an_impossible_outcome() -> Result<()> {
    let n = 1_000;
    let zeros = Mps::<C32>::zeros(n)?;
    assert!(draw(&zeros, &uniform(&vec![Pauli::Z; n]), 3_000)?.iter().all(|bit| *bit == 0));
    Ok(())
}

#[test]
fn the_bits_depend_on_neither_threads_nor_company() -> Result<()> {
    let state: Mps<C64> = random_state(20, 12, 5)?;
    let bases = uniform(&[Pauli::Z; 20]);
    let key = ShotKey::new([42, 7], 3);
    let alone = draw(&state, &bases, 5_000)?;
    for threads in [1, 2, 8] {
        let pooled = pool(threads)?.install(|| {
            sample(&state, &bases, 5_000, &key, Parallelism::Pool, &Cancel::default())
        })?;
        assert_eq!(alone, pooled);
    }
    // Sites further right, and letters there, change nothing on the left.
    let mut letters = vec![Pauli::Z; 12];
    letters[11] = Pauli::X;
    let shorter = draw(&state, &uniform(&letters), 5_000)?;
    for (long, short) in alone.chunks_exact(20).zip(shorter.chunks_exact(12)) {
        assert_eq!(long[..11], short[..11]);
    }
    // Letters given for every shot are the same letters.
    let per_shot = Bases { sites: 20, letters: vec![Pauli::Z; 20 * 5_000] };
    assert_eq!(alone, draw(&state, &per_shot, 5_000)?);
    Ok(())
}

#[test]
fn every_shot_may_have_its_own_bases() -> Result<()> {
    let state: Mps<C64> = random_state(4, 4, 11)?;
    let all = [Pauli::X, Pauli::Y, Pauli::Z];
    let shots = 60_000;
    let letters =
        (0..shots).flat_map(|shot| [0, 1, 2, 3].map(|site| all[(shot / 3_usize.pow(site)) % 3]));
    let bases = Bases { sites: 4, letters: letters.collect() };
    let bits = draw(&state, &bases, shots)?;
    for pair in [[Pauli::X, Pauli::Y], [Pauli::Z, Pauli::X]] {
        let word = bondline::mps::PauliWord::new(&[(1, pair[0]), (3, pair[1])]);
        let exact = bondline::mps::pauli_expectations(
            &state,
            &[word],
            Readout::State,
            Parallelism::Sequential,
            &Cancel::default(),
        )?[0];
        let (mut sum, mut count) = (0.0, 0.0);
        for (own, shot) in bases.letters.chunks_exact(4).zip(bits.chunks_exact(4)) {
            if [own[1], own[3]] == pair {
                sum += f64::from(1 - 2 * i32::from(shot[1] ^ shot[3]));
                count += 1.0;
            }
        }
        assert!((sum / count - exact).abs() < 5.0 / f64::sqrt(count), "{pair:?}");
    }
    Ok(())
}
