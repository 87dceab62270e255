//! Shots follow the state: against exact distributions, and the same bits however they are drawn.
#![allow(clippy::unwrap_used, clippy::panic)] // in a test a panic is the report

mod states;

use bondline::mps::{Bases, Mps, Parallelism, SiteTensor, Word, sample, word_expectations};
use bondline::{C32, C64, Cancel, Error, Pauli, Readout, Result, Scalar, ShotKey, pool};

use states::{Random, apply, dense, ghz, random_state, single, w_state};

fn key() -> ShotKey {
    ShotKey::new([0x5EED, 42], 1)
}

/// Probabilities of the outcomes in a product basis.
fn distribution(state: &Mps<C64>, letters: &[Pauli]) -> Vec<f64> {
    let (h, i) = (C64::new(0.5_f64.sqrt(), 0.0), C64::new(0.0, 0.5_f64.sqrt()));
    let mut vector = dense(state);
    for (site, letter) in letters.iter().enumerate() {
        vector = match letter {
            Pauli::X => apply(&vector, letters.len(), site, [h, h, h, -h]),
            Pauli::Y => apply(&vector, letters.len(), site, [h, -i, h, i]),
            _ => vector,
        };
    }
    vector.iter().map(C64::norm_sqr).collect()
}

/// Fails where the counts are less likely than 1e-4 under `expected`.
fn assert_follows(bits: &[u8], width: usize, expected: &[f64]) {
    let shots = bits.len() / width;
    let mut counts = vec![0.0; expected.len()];
    for shot in bits.chunks_exact(width) {
        counts[shot.iter().fold(0, |index, bit| 2 * index + usize::from(*bit))] += 1.0;
    }
    let (mut chi_square, mut cells, mut rare) = (0.0, 0.0, (0.0, 0.0));
    let mut add = |count: f64, mean: f64| {
        chi_square += (count - mean).powi(2) / mean;
        cells += 1.0;
    };
    for (count, p) in counts.iter().zip(expected) {
        let mean = p * shots as f64;
        assert!(*count == 0.0 || *p > 1e-12, "an impossible outcome was drawn");
        if mean < 8.0 {
            rare = (rare.0 + count, rare.1 + mean);
        } else {
            add(*count, mean);
        }
    }
    if rare.1 > 8.0 {
        add(rare.0, rare.1);
    }
    // Wilson-Hilferty: the cube root of χ²/k is nearly normal; 3.72 sigma are 1e-4.
    let k: f64 = cells - 1.0;
    let spread = 2.0 / (9.0 * k);
    let sigma = ((chi_square / k).cbrt() - 1.0 + spread) / spread.sqrt();
    assert!(sigma < 3.72, "chi² {chi_square} of {k}, {sigma} sigma");
}

fn draw<T: Scalar>(state: &Mps<T>, bases: &Bases, shots: u64) -> Result<Vec<u8>> {
    let shots: Vec<u64> = (0..shots).collect();
    sample(state, bases, &shots, &key(), Parallelism::Sequential, &Cancel::default())
}

fn letters(n: usize, seed: u64) -> Vec<Pauli> {
    let mut random = Random(seed);
    (0..n).map(|_| [Pauli::X, Pauli::Y, Pauli::Z][((random.next() + 1.0) * 1.5) as usize]).collect()
}

#[test]
fn shots_follow_the_exact_distribution_in_every_basis() -> Result<()> {
    for (bonds, seed) in
        [(vec![2, 4, 8, 4, 2], 1), (vec![2, 3, 5, 5, 3, 2], 2), (vec![2, 4, 8, 16, 8, 4, 2], 3)]
    {
        let state = random_state(&bonds, seed)?;
        let n = bonds.len() + 1;
        for letters in [vec![Pauli::Z; n], vec![Pauli::Y; n], letters(n, 10), letters(n, 11)] {
            let expected = distribution(&state, &letters);
            let bases = Bases::Same(letters);
            assert_follows(&draw(&state, &bases, 20_000)?, n, &expected);
            assert_follows(&draw(&single(&state)?, &bases, 20_000)?, n, &expected);
        }
    }
    Ok(())
}

#[test]
fn shots_with_their_own_bases_follow_the_distribution_of_each() -> Result<()> {
    let state = random_state(&[2, 4, 6, 4, 2], 4)?;
    let (n, shots) = (6, 30_000);
    let kinds = [letters(n, 20), letters(n, 21), letters(n, 22)];
    let each = (0..shots).flat_map(|shot| kinds[shot % 3].clone()).collect();
    let bits = draw(&state, &Bases::PerShot { sites: n, letters: each }, shots as u64)?;
    for (kind, letters) in kinds.iter().enumerate() {
        let of_kind = bits.chunks_exact(n).skip(kind).step_by(3).flatten().copied();
        assert_follows(&of_kind.collect::<Vec<_>>(), n, &distribution(&state, letters));
    }
    Ok(())
}

#[test]
fn a_shot_depends_on_nothing_but_its_number_and_letters() -> Result<()> {
    let state = random_state(&[2, 4, 8, 12, 12, 8, 4, 2], 5)?;
    let (n, shots) = (9, 2_500_usize);
    let same = letters(n, 30);
    let all = draw(&state, &Bases::Same(same.clone()), shots as u64)?;
    // Its own letters, where they are the same for all
    let each = Bases::PerShot { sites: n, letters: same.repeat(shots) };
    assert_eq!(draw(&state, &each, shots as u64)?, all);
    // Sites to its right
    let some = draw(&state, &Bases::Same(same[..4].to_vec()), shots as u64)?;
    assert!(some.chunks_exact(4).zip(all.chunks_exact(n)).all(|(x, y)| *x == y[..4]));
    // An unmeasured site is read in Z
    let (mut with_gap, mut with_z) = (same.clone(), same.clone());
    (with_gap[2], with_z[2]) = (Pauli::I, Pauli::Z);
    let gap = draw(&state, &Bases::Same(with_gap), 500)?;
    assert_eq!(gap, draw(&state, &Bases::Same(with_z), 500)?);
    // Which other shots are drawn, and in which order
    let numbers: Vec<u64> = (0..shots as u64).rev().step_by(7).collect();
    let bases = Bases::Same(same);
    let (mode, cancel) = (Parallelism::Sequential, Cancel::default());
    let few = sample(&state, &bases, &numbers, &key(), mode, &cancel)?;
    for (number, bits) in numbers.iter().zip(few.chunks_exact(n)) {
        assert_eq!(bits, &all[*number as usize * n..][..n]);
    }
    // Threads
    let numbers: Vec<u64> = (0..shots as u64).collect();
    for threads in [1, 2, 8] {
        let found = pool(threads)?.install(|| {
            sample(&state, &bases, &numbers, &key(), Parallelism::Pool, &Cancel::default())
        })?;
        assert!(found == all, "{threads} threads gave other bits");
    }
    // But on the key
    for other in [ShotKey::new([0x5EED, 42], 2), ShotKey::new([0x5EED, 43], 1)] {
        let found = sample(&state, &bases, &numbers, &other, mode, &cancel)?;
        assert_ne!(found, all);
    }
    Ok(())
}

#[test]
fn ghz_shots_are_two_strings_half_and_half() -> Result<()> {
    let (n, shots) = (60, 4_000);
    let bits = draw(&ghz(n)?, &Bases::Same(vec![Pauli::Z; n]), shots)?;
    assert!(bits.chunks_exact(n).all(|shot| shot.iter().all(|bit| *bit == shot[0])));
    let ones: u32 = bits.iter().step_by(n).map(|bit| u32::from(*bit)).sum();
    // 4 sigma of a fair coin
    assert!((f64::from(ones) - 2_000.0).abs() < 4.0 * 1_000.0_f64.sqrt(), "{ones}");
    // In X the parity is even.
    let bits = draw(&ghz(n)?, &Bases::Same(vec![Pauli::X; n]), 500)?;
    assert!(bits.chunks_exact(n).all(|shot| shot.iter().sum::<u8>() % 2 == 0));
    Ok(())
}

#[test]
fn w_shots_have_a_single_one_anywhere() -> Result<()> {
    let n = 40;
    let bits = draw(&w_state(n)?, &Bases::Same(vec![Pauli::Z; n]), 8_000)?;
    let mut places = vec![0.0_f64; n];
    for shot in bits.chunks_exact(n) {
        assert_eq!(shot.iter().sum::<u8>(), 1);
        places[shot.iter().position(|bit| *bit == 1).unwrap()] += 1.0;
    }
    let chi_square: f64 = places.iter().map(|count| (count - 200.0).powi(2) / 200.0).sum();
    assert!(chi_square < 80.0, "{chi_square} of 39 degrees of freedom");
    Ok(())
}

#[test]
fn shots_of_eigenstates_are_certain() -> Result<()> {
    let (h, i) = (0.5_f64.sqrt(), C64::new(0.0, 0.5_f64.sqrt()));
    let eigenstates = [
        (Pauli::Z, [C64::ONE, C64::ZERO], 0),
        (Pauli::Z, [C64::ZERO, C64::ONE], 1),
        (Pauli::X, [h.into(), h.into()], 0),
        (Pauli::X, [h.into(), (-h).into()], 1),
        (Pauli::Y, [h.into(), i], 0),
        (Pauli::Y, [h.into(), -i], 1),
    ];
    let n = 300;
    let of = |site: usize| eigenstates[site * 5 % 6];
    let tensor = |site| SiteTensor { left: 1, right: 1, entries: of(site).1.to_vec() };
    let state = Mps::from_tensors((0..n).map(tensor).collect())?;
    let bases = Bases::Same((0..n).map(|site| of(site).0).collect());
    let expected: Vec<u8> = (0..n).map(|site| of(site).2).collect();
    for bits in [draw(&state, &bases, 200)?, draw(&single(&state)?, &bases, 200)?] {
        assert!(bits.chunks_exact(n).all(|shot| shot == expected));
    }
    Ok(())
}

#[test]
fn what_cannot_be_drawn_is_refused() -> Result<()> {
    let state = ghz(3)?;
    let refused = |bases: Bases| draw(&state, &bases, 2).err();
    assert!(matches!(refused(Bases::Same(vec![Pauli::Z; 4])), Some(Error::InvalidInput { .. })));
    let short = Bases::PerShot { sites: 3, letters: vec![Pauli::Z; 3] };
    assert!(matches!(refused(short), Some(Error::InvalidInput { .. })));
    assert!(draw(&state, &Bases::Same(vec![]), 2)?.is_empty());
    let (cancel, bases) = (Cancel::default(), Bases::Same(vec![Pauli::Z; 3]));
    cancel.set();
    let stopped = sample(&state, &bases, &[0], &key(), Parallelism::Sequential, &cancel);
    assert_eq!(stopped.err(), Some(Error::Interrupted));
    Ok(())
}

fn mean(state: &Mps<C64>, letters: &[(usize, Pauli)]) -> Result<f64> {
    let (mode, cancel) = (Parallelism::Sequential, Cancel::default());
    Ok(word_expectations(state, &[Word::new(letters)], Readout::State, mode, &cancel)?[0])
}

#[test]
fn shots_in_other_bases_give_their_expectations() -> Result<()> {
    let (n, shots) = (5, 40_000);
    let state = random_state(&[2, 4, 4, 2], 9)?;
    for letters in
        [[Pauli::X; 5], [Pauli::Y; 5], [Pauli::X, Pauli::Z, Pauli::Y, Pauli::Y, Pauli::X]]
    {
        let bits = draw(&state, &Bases::Same(letters.to_vec()), shots)?;
        for (site, letter) in letters.iter().enumerate() {
            let ones = bits.iter().skip(site).step_by(n).map(|bit| f64::from(*bit)).sum::<f64>();
            let (found, exact) =
                (1.0 - 2.0 * ones / shots as f64, mean(&state, &[(site, *letter)])?);
            assert!((found - exact).abs() < 4.0 / 200.0, "{letters:?} {site}: {found} {exact}");
        }
    }
    Ok(())
}

#[test]
fn correlations_of_shots_with_their_own_bases_are_those_of_the_state() -> Result<()> {
    let state = random_state(&[2, 4, 2], 11)?;
    let all = [Pauli::X, Pauli::Y, Pauli::Z];
    let shots = 60_000_usize;
    let letters: Vec<Pauli> = (0..shots)
        .flat_map(|shot| [0, 1, 2, 3].map(|site| all[(shot / 3_usize.pow(site)) % 3]))
        .collect();
    let bases = Bases::PerShot { sites: 4, letters: letters.clone() };
    let bits = draw(&state, &bases, shots as u64)?;
    for pair in [[Pauli::X, Pauli::Y], [Pauli::Z, Pauli::X]] {
        let exact = mean(&state, &[(1, pair[0]), (3, pair[1])])?;
        let (mut sum, mut count) = (0.0, 0.0);
        for (own, shot) in letters.chunks_exact(4).zip(bits.chunks_exact(4)) {
            if [own[1], own[3]] == pair {
                sum += f64::from(1 - 2 * i32::from(shot[1] ^ shot[3]));
                count += 1.0;
            }
        }
        assert!((sum / count - exact).abs() < 5.0 / f64::sqrt(count), "{pair:?}");
    }
    Ok(())
}

#[test]
fn single_precision_never_takes_an_impossible_outcome() -> Result<()> {
    let n = 1_000;
    let zeros = Mps::<C32>::zeros(n)?;
    let bits = draw(&zeros, &Bases::Same(vec![Pauli::Z; n]), 3_000)?;
    assert!(bits.iter().all(|bit| *bit == 0));
    Ok(())
}
