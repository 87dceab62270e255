//! Bitstrings, projectors in words and spectra against the dense vector, at sizes where both can be
//! had, and against closed forms beyond.
#![allow(clippy::unwrap_used, clippy::panic)] // in a test a panic is the report

mod states;

use bondline::linalg::{Workspace, leading_eigenpairs};
use bondline::mps::{
    Mps, Parallelism, SiteTensor, Word, WordSum, entanglement_spectrum, log_probabilities,
    spectrum_side, variance, word_expectations,
};
use bondline::{C64, Cancel, Error, LocalOperator, Pauli, Readout, Result, pool};

use states::{apply, dense, ghz, random_state, single, tilted, w_state};

const READOUTS: [Readout; 2] = [Readout::Local, Readout::State];

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
