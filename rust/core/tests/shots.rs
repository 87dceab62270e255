//! Shots, bitstrings, projectors and spectra against the dense vector, at sizes where both can be
//! had, and against closed forms beyond.
#![allow(clippy::unwrap_used, clippy::panic)] // in a test a panic is the report

use bondline::linalg::{Workspace, leading_eigenpairs};
use bondline::mps::{
    Bases, Mps, Parallelism, SiteTensor, Word, WordSum, dense_amplitudes, entanglement_spectrum,
    log_probabilities, sample, spectrum_side, variance, word_expectations,
};
use bondline::{
    C32, C64, Cancel, Error, LocalOperator, Pauli, Readout, Result, Scalar, ShotKey, pool,
};

const KEY: ShotKey = ShotKey { seed: [0x5EED, 42], stream: 1 };
const READOUTS: [Readout; 2] = [Readout::Local, Readout::State];

struct Random(u64);

impl Random {
    fn next(&mut self) -> f64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        f64::from((self.0 >> 33) as u32) / f64::from(1_u32 << 30) - 1.0
    }
}

/// A random state with the given inner bonds.
fn random_state(bonds: &[usize], seed: u64) -> Result<Mps<C64>> {
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

fn single(state: &Mps<C64>) -> Result<Mps<C32>> {
    let narrow = |site: &SiteTensor<C64>| SiteTensor {
        left: site.left,
        right: site.right,
        entries: site.entries.iter().map(|x| C32::from_c64(*x)).collect(),
    };
    Mps::from_tensors(state.tensors().iter().map(narrow).collect())
}

/// `Σ_k α_k |k…k⟩` for k = 0, 1: a GHZ state.
fn ghz(n: usize) -> Result<Mps<C64>> {
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
fn w_state(n: usize) -> Result<Mps<C64>> {
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

fn tilted(n: usize) -> Result<Mps<C64>> {
    let site =
        SiteTensor { left: 1, right: 1, entries: vec![C64::new(0.6, 0.0), C64::new(0.0, 0.8)] };
    Mps::from_tensors(vec![site; n])
}

fn dense<T: Scalar>(state: &Mps<T>) -> Vec<C64> {
    dense_amplitudes(state, &(0..state.n_sites()).collect::<Vec<_>>())
}

fn apply(vector: &[C64], n: usize, site: usize, o: [C64; 4]) -> Vec<C64> {
    let mask = 1 << (n - 1 - site);
    let image = |index: usize| {
        let row = usize::from(index & mask != 0);
        o[2 * row] * vector[index & !mask] + o[2 * row + 1] * vector[index | mask]
    };
    (0..vector.len()).map(image).collect()
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
    sample(state, bases, &shots, &KEY, Parallelism::Sequential, &Cancel::default())
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
    let few = sample(&state, &bases, &numbers, &KEY, mode, &cancel)?;
    for (number, bits) in numbers.iter().zip(few.chunks_exact(n)) {
        assert_eq!(bits, &all[*number as usize * n..][..n]);
    }
    // Threads
    let numbers: Vec<u64> = (0..shots as u64).collect();
    for threads in [1, 2, 8] {
        let found = pool(threads)?.install(|| {
            sample(&state, &bases, &numbers, &KEY, Parallelism::Pool, &Cancel::default())
        })?;
        assert!(found == all, "{threads} threads gave other bits");
    }
    // But on the key
    for other in [ShotKey { stream: 2, ..KEY }, ShotKey { seed: [0x5EED, 43], ..KEY }] {
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
    let stopped = sample(&state, &bases, &[0], &KEY, Parallelism::Sequential, &cancel);
    assert_eq!(stopped.err(), Some(Error::Interrupted));
    Ok(())
}

#[test]
fn probabilities_of_all_bitstrings_are_those_of_the_dense_vector() -> Result<()> {
    let n = 9;
    let state = random_state(&[2, 4, 8, 9, 9, 8, 4, 2], 6)?;
    let strings: Vec<u8> = (0..1_usize << n)
        .rev()
        .flat_map(|index| (0..n).map(move |site| (index >> (n - 1 - site) & 1) as u8))
        .collect();
    let found = log_probabilities(&state, &strings, Parallelism::Sequential, &Cancel::default())?;
    let total: f64 = found.iter().map(|log| log.exp()).sum();
    assert!((total - 1.0).abs() < 1e-12, "{total}");
    for (log, amplitude) in found.iter().zip(dense(&state).iter().rev()) {
        assert!((log.exp() - amplitude.norm_sqr()).abs() < 1e-13);
        assert!((log - amplitude.norm_sqr().ln()).abs() < 1e-10);
    }
    // More strings than a batch, on threads: the same numbers in the order asked.
    let many = strings.repeat(5);
    let parallel = pool(4)?
        .install(|| log_probabilities(&state, &many, Parallelism::Pool, &Cancel::default()))?;
    for (place, log) in parallel.iter().enumerate() {
        assert!((log - found[place % found.len()]).abs() < 1e-12);
    }
    Ok(())
}

#[test]
fn logarithms_reach_where_numbers_end() -> Result<()> {
    let n = 1_000;
    let (mode, cancel) = (Parallelism::Sequential, Cancel::default());
    let ones = |places: &[usize]| -> Vec<u8> {
        (0..n).map(|site| u8::from(places.contains(&site))).collect()
    };
    // p = .36^997 .64^3, about 1e-442
    let string = ones(&[3, 500, 999]);
    let exact = 997.0 * 0.36_f64.ln() + 3.0 * 0.64_f64.ln();
    for found in [
        log_probabilities(&tilted(n)?, &string, mode, &cancel)?[0] - exact,
        (log_probabilities(&single(&tilted(n)?)?, &string, mode, &cancel)?[0] - exact) * 1e-6,
    ] {
        assert!(found.abs() < 1e-9, "{found}");
    }
    let strings = [ones(&[]), ones(&(0..n).collect::<Vec<_>>()), ones(&[n / 2])].concat();
    let found = log_probabilities(&ghz(n)?, &strings, mode, &cancel)?;
    assert!((found[0] + 2.0_f64.ln()).abs() < 1e-10 && (found[1] + 2.0_f64.ln()).abs() < 1e-10);
    assert!(found[2] == f64::NEG_INFINITY, "{}", found[2]);
    let found = log_probabilities(&w_state(n)?, &ones(&[123]), mode, &cancel)?;
    assert!((found[0] + 1_000.0_f64.ln()).abs() < 1e-9, "{}", found[0]);
    // The uniform distribution: every string has p = 2^-1000.
    let plus = SiteTensor { left: 1, right: 1, entries: vec![C64::new(1.0, 0.0); 2] };
    let found = log_probabilities(&Mps::from_tensors(vec![plus; n])?, &strings, mode, &cancel)?;
    assert!(found.iter().all(|log| (log + 1_000.0 * 2.0_f64.ln()).abs() < 1e-9));
    assert!(log_probabilities(&ghz(3)?, &[0, 1], mode, &cancel).is_err());
    assert!(log_probabilities(&ghz(3)?, &[0, 1, 2], mode, &cancel).is_err());
    Ok(())
}

fn operator_words(n: usize) -> Vec<Vec<(usize, LocalOperator)>> {
    use LocalOperator::{Pauli as P, ProjectOne, ProjectZero};
    let mut words = vec![vec![], vec![(2, P(Pauli::Y)), (0, P(Pauli::Z))]];
    for site in 0..n {
        words.push(vec![(site, ProjectZero)]);
        words.push(vec![(site, ProjectOne)]);
        words.push(vec![((site + 2) % n, P(Pauli::X)), (site, ProjectOne)]);
        words.push(vec![((site + 3) % n, ProjectZero), (site, ProjectOne)]);
    }
    let alternating = |site| if site % 2 == 0 { ProjectZero } else { ProjectOne };
    words.push((0..n).map(|site| (site, alternating(site))).collect());
    words.push((0..n).map(|site| (site, alternating(site + 1))).rev().collect());
    words
}

#[test]
fn projectors_in_words_and_variances_are_those_of_the_dense_vector() -> Result<()> {
    let n = 7;
    let state = random_state(&[2, 4, 6, 6, 4, 2], 7)?;
    let vector = dense(&state);
    let factors = operator_words(n);
    let words: Vec<Word> = factors.iter().map(|word| Word::new(word)).collect();
    let image = |word: &Vec<(usize, LocalOperator)>| {
        let start = vector.clone();
        word.iter().fold(start, |image, (site, o)| apply(&image, n, *site, o.matrix()))
    };
    let inner = |a: &[C64], b: &[C64]| a.iter().zip(b).map(|(x, y)| x.conj() * y).sum::<C64>().re;
    let cancel = Cancel::default();
    for readout in READOUTS {
        let found = word_expectations(&state, &words, readout, Parallelism::Sequential, &cancel)?;
        for (word, value) in factors.iter().zip(&found) {
            assert!((value - inner(&vector, &image(word))).abs() < 1e-12, "{word:?}");
        }
        for chosen in [0..words.len(), 2..3, 5..6, words.len() - 2..words.len()] {
            let coefficient = |index: usize| 0.7 - 0.1 * index as f64;
            let terms = chosen.clone().map(|index| (coefficient(index), &words[index]));
            let sum = WordSum { terms: terms.collect() };
            let mut total = vec![C64::ZERO; 1 << n];
            for index in chosen {
                let part = image(&factors[index]);
                total.iter_mut().zip(part).for_each(|(x, y)| *x += y * coefficient(index));
            }
            let expected = inner(&total, &total) - inner(&vector, &total).powi(2);
            let found = variance(&state, &sum, readout, &cancel)?;
            assert!((found - expected).abs() < 1e-11, "{found} {expected}");
        }
    }
    Ok(())
}

#[test]
fn a_projector_on_all_sites_is_right_down_to_the_smallest_number() -> Result<()> {
    let (mode, cancel) = (Parallelism::Sequential, Cancel::default());
    let all = |n: usize| {
        Word::new(&(0..n).map(|site| (site, LocalOperator::ProjectZero)).collect::<Vec<_>>())
    };
    for readout in READOUTS {
        // .36^690 is about 1e-306
        let exact = (690.0 * 0.36_f64.ln()).exp();
        let double = word_expectations(&tilted(690)?, &[all(690)], readout, mode, &cancel)?[0];
        assert!((double / exact - 1.0).abs() < 1e-11, "{double} {exact}");
        let state = single(&tilted(690)?)?;
        let single = word_expectations(&state, &[all(690)], readout, mode, &cancel)?[0];
        assert!((single / exact - 1.0).abs() < 1e-3, "{single} {exact}");
        let none = word_expectations(&tilted(1_000)?, &[all(1_000)], readout, mode, &cancel)?[0];
        assert!(none == 0.0);
        let half = word_expectations(&ghz(1_000)?, &[all(1_000)], readout, mode, &cancel)?[0];
        assert!((half - 0.5).abs() < 1e-11);
    }
    Ok(())
}

/// Eigenvalues of the reduced density matrix of `sites`, from the amplitudes.
fn dense_spectrum(vector: &[C64], n: usize, sites: &[usize]) -> Vec<f64> {
    let dim = 1 << sites.len();
    let rest: Vec<usize> = (0..n).filter(|site| !sites.contains(site)).collect();
    let bits = |index: usize, sites: &[usize]| {
        sites.iter().fold(0, |bits, &site| 2 * bits + (index >> (n - 1 - site) & 1))
    };
    let mut by_rest = vec![vec![C64::ZERO; dim]; 1 << rest.len()];
    for (index, amplitude) in vector.iter().enumerate() {
        by_rest[bits(index, &rest)][bits(index, sites)] = *amplitude;
    }
    let mut rho = vec![C64::ZERO; dim * dim];
    for column in &by_rest {
        for (index, entry) in rho.iter_mut().enumerate() {
            *entry += column[index % dim] * column[index / dim].conj();
        }
    }
    leading_eigenpairs(&mut rho, dim, dim, &mut Workspace::default()).unwrap().0
}

#[test]
fn spectra_are_those_of_the_dense_density_matrix() -> Result<()> {
    let n = 9;
    for (bonds, seed) in [([2, 4, 4, 3, 2, 2, 2, 2], 8), ([2, 2, 2, 2, 3, 4, 4, 2], 9)] {
        let state = random_state(&bonds, seed)?;
        let vector = dense(&state);
        for sites in [
            vec![],
            vec![4],
            vec![0, 1, 2],
            vec![6, 7, 8],
            vec![2, 3, 4, 5, 6],
            vec![1, 2, 3, 4, 5, 6, 7],
            vec![8, 0],
            vec![5, 1, 3],
            vec![0, 1, 2, 4, 6, 7, 8],
            (0..n).collect(),
        ] {
            let expected = dense_spectrum(&vector, n, &sites);
            let mut sorted = sites.clone();
            sorted.sort_unstable();
            for side in [spectrum_side(&sites, n)?, sorted] {
                let found = entanglement_spectrum(&state, &side, &Cancel::default())?;
                assert!((found.iter().sum::<f64>() - 1.0).abs() < 1e-12);
                assert!(found.windows(2).all(|pair| pair[0] >= pair[1]));
                for place in 0..found.len().max(expected.len()) {
                    let at = |values: &[f64]| values.get(place).copied().unwrap_or(0.0);
                    assert!((at(&found) - at(&expected)).abs() < 1e-12, "{sites:?} {side:?}");
                }
            }
        }
    }
    Ok(())
}

#[test]
fn spectra_of_many_sites_need_a_block() -> Result<()> {
    let (n, cancel) = (40, Cancel::default());
    let state = ghz(n)?;
    // An end, a middle block, both ends, each read from the smaller or simpler side
    let ends: Vec<usize> = (0..13).chain(28..40).collect();
    for sites in
        [(0..17).collect(), (21..40).collect(), (12..30).collect(), (3..33).collect(), ends]
    {
        let side = spectrum_side(&sites, n)?;
        let found = entanglement_spectrum(&state, &side, &cancel)?;
        assert!((found[0] - 0.5).abs() < 1e-12 && (found[1] - 0.5).abs() < 1e-12, "{found:?}");
        assert!(found[2..].iter().all(|value| *value < 1e-12));
    }
    let scattered: Vec<usize> = (0..n).step_by(2).collect();
    let message = spectrum_side(&scattered, n).err().map(|error| error.to_string());
    assert!(message.is_some_and(|text| text.contains("at most 10 wires") && text.contains("20")));
    // Bonds too large for the block's matrix
    let wide =
        random_state(&[[2, 4, 8, 16, 32].as_slice(), &[33; 15], &[32, 16, 8, 4, 2]].concat(), 1)?;
    let refused = entanglement_spectrum(&wide, &(7..18).collect::<Vec<_>>(), &cancel);
    assert!(matches!(refused, Err(Error::Unsupported(_))));
    Ok(())
}
