//! The state against a dense vector, at sizes where both can be had.
#![allow(clippy::unwrap_used, clippy::panic)] // in a test a panic is the report

mod steps;

use bondline::mps::{
    Mps, Parallelism, Scratches, SiteTensor, Word, WordSum, canonicalise, dense_amplitudes, evolve,
    log_norm_squared, overlap, probabilities, reduced_density_matrix, renyi_two_entropy,
    schmidt_weights, variance, von_neumann_entropy, word_expectations,
};
use bondline::{C32, C64, Cancel, Pauli, Readout, Result, Scalar};
use steps::{apply, brickwall, dense, evolution, inner, run};

const READOUTS: [Readout; 2] = [Readout::Local, Readout::State];

fn values_of<T: Scalar>(state: &Mps<T>, words: &[Word], readout: Readout) -> Result<Vec<f64>> {
    word_expectations(state, words, readout, Parallelism::Sequential, &Cancel::default())
}

fn pauli(letter: Pauli) -> [C64; 4] {
    let (zero, one, i) = (C64::ZERO, C64::ONE, C64::new(0.0, 1.0));
    match letter {
        Pauli::I => [one, zero, zero, one],
        Pauli::X => [zero, one, one, zero],
        Pauli::Y => [zero, -i, i, zero],
        Pauli::Z => [one, zero, zero, -one],
    }
}

fn apply_word(vector: &[C64], n: usize, factors: &[(usize, Pauli)]) -> Vec<C64> {
    let mut image = vector.to_vec();
    for (site, letter) in factors {
        apply(&mut image, n, &[*site], &pauli(*letter));
    }
    image
}

fn words(n: usize) -> Vec<Vec<(usize, Pauli)>> {
    let mut words = vec![vec![]];
    for site in 0..n {
        for letter in [Pauli::X, Pauli::Y, Pauli::Z] {
            words.push(vec![(site, letter)]);
            words.push(vec![((site + 2) % n, Pauli::Z), (site, letter)]);
        }
    }
    words.push((0..n).map(|site| (site, Pauli::Y)).collect());
    words.push(vec![(0, Pauli::Z), (n - 1, Pauli::X)]);
    words.iter_mut().for_each(|word| {
        word.sort_unstable_by_key(|factor: &(usize, Pauli)| factor.0);
        word.dedup_by_key(|factor| factor.0);
    });
    words
}

#[test]
fn untruncated_values_are_those_of_the_dense_vector() -> Result<()> {
    for (n, depth) in [(1, 2), (2, 3), (3, 4), (6, 8), (9, 9)] {
        let (steps, levels) = brickwall(n, depth, None, n as u64);
        let (state, log) = run::<C64>(n, &steps, &levels, &evolution(0.0, None))?;
        let vector = dense(n, &steps);
        let order: Vec<usize> = (0..n).collect();
        let amplitudes = dense_amplitudes(&state, &order, &Cancel::default())?;
        assert!((inner(&vector, &amplitudes) - 1.0).norm() < 1e-12);
        assert!(log.discarded.iter().all(|weight| *weight < 1e-25));
        assert!(state.canonical_error() < 1e-12);
        assert!(log_norm_squared(&state, &Cancel::default())?.abs() < 1e-12);
        let words = words(n);
        let on_sites: Vec<Word> = words.iter().map(|word| Word::new(word)).collect();
        for readout in READOUTS {
            let values = values_of(&state, &on_sites, readout)?;
            for (word, value) in words.iter().zip(&values) {
                let expected = inner(&vector, &apply_word(&vector, n, word)).re;
                assert!((value - expected).abs() < 1e-11, "{word:?}: {value} {expected}");
            }
            let coefficients: Vec<f64> = (0..words.len()).map(|i| 0.3 - 0.05 * i as f64).collect();
            let sum = WordSum { terms: coefficients.iter().copied().zip(&on_sites).collect() };
            let mut image = vec![C64::ZERO; 1 << n];
            for (c, word) in coefficients.iter().zip(&words) {
                let part = apply_word(&vector, n, word);
                image.iter_mut().zip(part).for_each(|(x, y)| *x += y * *c);
            }
            let mean = inner(&vector, &image).re;
            let expected = inner(&image, &image).re - mean * mean;
            let found = variance(&state, &sum, readout, &Cancel::default())?;
            assert!((found - expected).abs() < 1e-9 * expected.max(1.0), "{found} {expected}");
        }
    }
    Ok(())
}

#[test]
fn probabilities_and_density_matrices_follow_the_order_of_their_sites() -> Result<()> {
    let n = 6;
    let (steps, levels) = brickwall(n, 6, None, 77);
    let (state, _) = run::<C64>(n, &steps, &levels, &evolution(0.0, None))?;
    let vector = dense(n, &steps);
    let bits = |index: usize, sites: &[usize]| {
        sites.iter().fold(0, |bits, &site| 2 * bits + (index >> (n - 1 - site) & 1))
    };
    for sites in [vec![0], vec![5], vec![2, 3], vec![4, 1], vec![5, 0, 2], vec![3, 1, 0, 5, 2, 4]] {
        for readout in READOUTS {
            let mut expected = vec![0.0; 1 << sites.len()];
            for (index, amplitude) in vector.iter().enumerate() {
                expected[bits(index, &sites)] += amplitude.norm_sqr();
            }
            let found = probabilities(&state, &sites, readout, &Cancel::default())?;
            assert!((found.iter().sum::<f64>() - 1.0).abs() < 1e-14);
            for (x, y) in found.iter().zip(&expected) {
                assert!((x - y).abs() < 1e-12, "{sites:?}");
            }
            if sites.len() > 4 {
                continue;
            }
            let dim = 1 << sites.len();
            let rest: Vec<usize> = (0..n).filter(|site| !sites.contains(site)).collect();
            let rho = reduced_density_matrix(&state, &sites, readout, &Cancel::default())?;
            for row in 0..dim {
                for col in 0..dim {
                    let mut expected = C64::ZERO;
                    for (i, a) in vector.iter().enumerate().filter(|(i, _)| bits(*i, &sites) == row)
                    {
                        for (j, b) in vector.iter().enumerate() {
                            if bits(j, &sites) == col && bits(i, &rest) == bits(j, &rest) {
                                expected += a * b.conj();
                            }
                        }
                    }
                    let found = rho[row * dim + col];
                    assert!((found - expected).norm() < 1e-12, "{sites:?} {row} {col}");
                }
            }
        }
    }
    Ok(())
}

#[test]
fn schmidt_values_are_those_of_the_cut_and_entropies_follow() -> Result<()> {
    let n = 7;
    let (steps, levels) = brickwall(n, 7, None, 5);
    let (state, _) = run::<C64>(n, &steps, &levels, &evolution(0.0, None))?;
    let vector = dense(n, &steps);
    for cut in 1..n {
        // The purity of the left block from its density matrix is Σ w².
        let (rows, cols) = (1 << cut, 1 << (n - cut));
        let mut purity = 0.0;
        for i in 0..rows {
            for j in 0..rows {
                let left = |row: usize| vector[row * cols..(row + 1) * cols].iter();
                let entry: C64 = left(i).zip(left(j)).map(|(a, b)| a * b.conj()).sum();
                purity += entry.norm_sqr();
            }
        }
        let weights = schmidt_weights(&state, cut);
        assert!((weights.iter().sum::<f64>() - 1.0).abs() < 1e-12);
        assert!((renyi_two_entropy(&weights) + purity.ln()).abs() < 1e-10);
        let entropy = von_neumann_entropy(&weights);
        assert!(entropy >= renyi_two_entropy(&weights) - 1e-12);
        assert!(entropy <= (weights.len() as f64).ln() + 1e-12);
    }
    Ok(())
}

#[test]
fn a_sweep_restores_the_form_and_changes_nothing_else() -> Result<()> {
    let n = 10;
    let (steps, levels) = brickwall(n, 10, Some(6), 3);
    let (mut state, log) = run::<C64>(n, &steps, &levels, &evolution(0.0, None))?;
    assert!(log.saturated.iter().any(|full| *full));
    let before = state.clone();
    let norm = log_norm_squared(&before, &Cancel::default())?;
    assert!(norm < -0.1, "this circuit should lose weight, ln norm = {norm}");
    assert!(state.canonical_error() > 1e-3);
    canonicalise(&mut state, &Cancel::default())?;
    assert!(state.canonical_error() < 1e-12);
    assert!((log_norm_squared(&state, &Cancel::default())? - norm).abs() < 1e-12);
    let cosine = overlap(&before, &state)?;
    assert!((cosine.log_modulus - norm).abs() < 1e-12);
    assert!((cosine.phase - 1.0).norm() < 1e-12, "the sweep changed the phase");
    // In canonical form both readouts are one state.
    let words: Vec<Word> = words(n).iter().map(|word| Word::new(word)).collect();
    let local = values_of(&state, &words, Readout::Local)?;
    let global = values_of(&before, &words, Readout::State)?;
    for (x, y) in local.iter().zip(&global) {
        assert!((x - y).abs() < 1e-11, "{x} {y}");
    }
    Ok(())
}

#[test]
fn overlaps_are_those_of_the_dense_vectors() -> Result<()> {
    let n = 8;
    let (one, levels) = brickwall(n, 5, None, 1);
    let (two, _) = brickwall(n, 5, None, 2);
    let (a, _) = run::<C64>(n, &one, &levels, &evolution(0.0, None))?;
    let (b, _) = run::<C64>(n, &two, &levels, &evolution(0.0, None))?;
    let expected = inner(&dense(n, &one), &dense(n, &two));
    assert!((overlap(&a, &b)?.value() - expected).norm() < 1e-12);
    assert!((overlap(&b, &a)?.value() - expected.conj()).norm() < 1e-12);
    assert!(overlap(&a, &Mps::zeros(7)?).is_err());
    Ok(())
}

#[test]
fn overlaps_too_small_for_a_number_keep_their_logarithm() -> Result<()> {
    let n = 2000;
    let tilted =
        SiteTensor { left: 1, right: 1, entries: vec![C64::new(0.6, 0.0), C64::new(0.0, 0.8)] };
    let state = Mps::from_tensors(vec![tilted; n])?;
    let found = overlap(&Mps::zeros(n)?, &state)?;
    assert!((found.log_modulus - n as f64 * 0.6_f64.ln()).abs() < 1e-8);
    assert!(found.value().norm() < f64::MIN_POSITIVE);
    Ok(())
}

#[test]
fn single_precision_is_right_to_1e_4() -> Result<()> {
    let n = 8;
    let (steps, levels) = brickwall(n, 12, None, 13);
    let (state, _) = run::<C32>(n, &steps, &levels, &evolution(1e-12, None))?;
    let vector = dense(n, &steps);
    let words = words(n);
    let on_sites: Vec<Word> = words.iter().map(|word| Word::new(word)).collect();
    for readout in READOUTS {
        let values = values_of(&state, &on_sites, readout)?;
        for (word, value) in words.iter().zip(&values) {
            let expected = inner(&vector, &apply_word(&vector, n, word)).re;
            assert!((value - expected).abs() < 2e-5, "{word:?}: {value} {expected}");
        }
    }
    Ok(())
}

#[test]
fn deep_lossy_circuits_do_not_underflow() -> Result<()> {
    // A fidelity of about e^-600: its square root is far below what single precision holds.
    let (n, depth) = (24, 600);
    let (steps, levels) = brickwall(n, depth, Some(2), 31);
    let words: Vec<Word> = words(n).iter().map(|word| Word::new(word)).collect();
    let (double, _) = run::<C64>(n, &steps, &levels, &evolution(0.0, None))?;
    let (single, _) = run::<C32>(n, &steps, &levels, &evolution(1e-12, None))?;
    let log = log_norm_squared(&double, &Cancel::default())?;
    assert!(log < -500.0 && log.is_finite(), "ln norm {log}");
    assert!((log_norm_squared(&single, &Cancel::default())? / log - 1.0).abs() < 0.05);
    for readout in READOUTS {
        for value in
            values_of(&double, &words, readout)?.iter().chain(&values_of(&single, &words, readout)?)
        {
            assert!(value.abs() <= 1.0 + 1e-5, "{value}");
        }
    }
    Ok(())
}

#[test]
fn bits_do_not_depend_on_the_number_of_threads() -> Result<()> {
    let n = 24;
    let (steps, levels) = brickwall(n, 14, Some(48), 4);
    let words: Vec<Word> = words(n).iter().map(|word| Word::new(word)).collect();
    let mut seen: Option<(Mps<C64>, Vec<f64>)> = None;
    for threads in [1, 2, 4] {
        let found = bondline::pool(threads)?.install(|| -> Result<_> {
            let mut state = Mps::zeros(n)?;
            evolve(
                &mut state,
                &steps,
                &levels,
                &evolution(1e-20, Some(0.05)),
                Parallelism::Pool,
                &Scratches::default(),
                &Cancel::default(),
            )?;
            let values = word_expectations(
                &state,
                &words,
                Readout::Local,
                Parallelism::Pool,
                &Cancel::default(),
            )
            .unwrap();
            Ok((state, values))
        })?;
        match &seen {
            None => seen = Some(found),
            Some(first) => assert!(*first == found, "{threads} threads gave other bits"),
        }
    }
    Ok(())
}

#[test]
fn a_set_flag_stops_the_evolution_and_a_small_limit_refuses_it() {
    let (steps, levels) = brickwall(8, 8, None, 6);
    let attempt = |cancel: bool, max_entries: usize| {
        let mut evolution = evolution(0.0, None);
        evolution.max_entries = max_entries;
        let flag = Cancel::default();
        if cancel {
            flag.set();
        }
        evolve(
            &mut Mps::<C64>::zeros(8).unwrap(),
            &steps,
            &levels,
            &evolution,
            Parallelism::Sequential,
            &Scratches::default(),
            &flag,
        )
    };
    assert_eq!(attempt(true, usize::MAX).err(), Some(bondline::Error::Interrupted));
    assert!(matches!(attempt(false, 100), Err(bondline::Error::Resource(_))));
}

#[test]
fn bad_tensors_are_refused() {
    let good = SiteTensor { left: 1, right: 1, entries: vec![C64::ONE, C64::ZERO] };
    let wide = SiteTensor { left: 2, right: 1, entries: vec![C64::ONE; 4] };
    let zero = SiteTensor { left: 1, right: 1, entries: vec![C64::ZERO; 2] };
    let broken = SiteTensor { left: 1, right: 1, entries: vec![C64::new(f64::NAN, 0.0); 2] };
    for (tensors, word) in [
        (vec![], "at least one site"),
        (vec![good.clone(), wide], "left bond"),
        (vec![good.clone(), zero], "norm"),
        (vec![good, broken], "finite"),
    ] {
        let message = Mps::from_tensors(tensors).err().map(|error| error.to_string());
        assert!(message.clone().is_some_and(|text| text.contains(word)), "{message:?}");
    }
}
