//! Cotangents of values against finite differences in the tensors, and sums of words against vectors.

use crate::cancel::Cancel;
use crate::error::Result;
use crate::linalg::{Expected, Method, Truncation, Workspace, probe};
use crate::local_operator::LocalOperator;
use crate::mps::adjoint::{Cotangent, times_sum, variance_cotangent, word_cotangent};
use crate::mps::{
    Mps, Parallelism, Readout, SiteTensor, Word, WordSum, dense_amplitudes, log_norm_squared,
    variance, word_expectations,
};
use crate::pauli::Pauli;
use crate::scalar::C64;

const BONDS: [usize; 7] = [1, 2, 3, 4, 3, 2, 1];
const N: usize = BONDS.len() - 1;
const READOUTS: [Readout; 2] = [Readout::Local, Readout::State];

/// Neither canonical nor normalised, with weights that have nothing to do with its tensors.
fn state(seed: usize) -> Mps<C64> {
    state_of(BONDS, seed)
}

fn state_of(bonds: [usize; N + 1], seed: usize) -> Mps<C64> {
    let numbers = |at: usize, count: usize| (seed + 100 * at..).take(count).map(probe::<C64>);
    let site = |at: usize| {
        let (left, right) = (bonds[at], bonds[at + 1]);
        let size = 1.0 / (left as f64).sqrt();
        let entries = numbers(at, 2 * left * right).map(|x| x * size);
        SiteTensor { left, right, entries: entries.collect() }
    };
    let schmidt = |at: usize| {
        let s: Vec<f64> = numbers(at + 50, bonds[at]).map(|x| x.re.abs() + 0.3).collect();
        let norm = s.iter().map(|s| s * s).sum::<f64>().sqrt();
        s.into_iter().map(|s| s / norm).collect()
    };
    Mps {
        sites: (0..N).map(site).collect(),
        schmidt: (0..=N).map(schmidt).collect(),
        log_norm_taken_out: 0.0,
    }
}

fn words() -> Vec<Word> {
    let letters: [LocalOperator; 5] = [
        Pauli::X.into(),
        Pauli::Y.into(),
        Pauli::Z.into(),
        LocalOperator::ProjectZero,
        LocalOperator::ProjectOne,
    ];
    let [x, y, z, zero, one] = letters;
    let lists: [&[(usize, LocalOperator)]; 11] = [
        &[(0, z)],
        &[(2, y)],
        &[(5, x)],
        &[(1, x), (2, z)],
        &[(1, x), (4, y)],
        &[(1, x), (2, z), (3, y)],
        &[(0, zero), (1, one), (2, zero), (3, one), (4, zero), (5, one)],
        &[(3, one)],
        &[(0, y), (5, z)],
        &[(2, y), (3, zero)],
        &[],
    ];
    lists.into_iter().map(Word::new).collect()
}

/// A direction in all tensors and, diagonal, in all weights.
struct Direction {
    tensors: Vec<Vec<C64>>,
    weights: Vec<Vec<f64>>,
}

impl Direction {
    fn new(seed: usize) -> Self {
        Self::of(BONDS, seed)
    }

    fn of(bonds: [usize; N + 1], seed: usize) -> Self {
        let numbers = |at: usize, count: usize| (seed + 100 * at..).take(count).map(probe::<C64>);
        let tensors = (0..N).map(|at| numbers(at, 2 * bonds[at] * bonds[at + 1]).collect());
        // The norm of the weights on the left end is no variable.
        let weights = (0..=N).map(|at| {
            numbers(at + 50, bonds[at]).map(|x| if at == 0 { 0.0 } else { x.re }).collect()
        });
        Self { tensors: tensors.collect(), weights: weights.collect() }
    }

    fn moved(&self, state: &Mps<C64>, t: f64) -> Mps<C64> {
        let mut moved = state.clone();
        for (site, by) in moved.sites.iter_mut().zip(&self.tensors) {
            site.entries.iter_mut().zip(by).for_each(|(x, by)| *x += by * t);
        }
        for (s, by) in moved.schmidt.iter_mut().zip(&self.weights) {
            s.iter_mut().zip(by).for_each(|(s, by)| *s = (*s * *s + by * t).sqrt());
        }
        moved
    }

    fn along(&self, cotangent: &Cotangent) -> f64 {
        let mut sum = 0.0;
        for (g, by) in cotangent.tensors.iter().zip(&self.tensors) {
            let pairs = g.iter().flatten().zip(by);
            sum += pairs.map(|(g, by)| 2.0 * (g.conj() * by).re).sum::<f64>();
        }
        for (r, by) in cotangent.weights.iter().zip(&self.weights) {
            let diagonal = r.iter().flat_map(|r| r.iter().step_by(by.len() + 1));
            sum += diagonal.zip(by).map(|(r, by)| r.re * by).sum::<f64>();
        }
        sum
    }
}

fn difference(value: impl Fn(f64) -> Result<f64>) -> Result<f64> {
    let h = 1e-4;
    let (near, far) = (value(h)? - value(-h)?, value(2.0 * h)? - value(-2.0 * h)?);
    Ok((8.0 * near - far) / (12.0 * h))
}

fn close(found: f64, expected: f64, what: &str) {
    assert!(
        (found - expected).abs() < 1e-9 * expected.abs().max(1.0),
        "{what}: {found} {expected}"
    );
}

/// Turning a bond changes no value: `B → B Uᴴ` left of it, `B → U B` right of it, `ρ → U ρ Uᴴ`.
fn turns_of_bonds_do_nothing(state: &Mps<C64>, cotangent: &Cotangent) {
    for (bond, side) in BONDS.into_iter().enumerate().take(N).skip(1) {
        let turn = |a: usize, b: usize| {
            let x = |a: usize, b: usize| probe::<C64>(7000 + a + side * b);
            x(a, b) - x(b, a).conj()
        };
        let (left, right) = (&state.sites[bond - 1], &state.sites[bond]);
        let (mut sum, mut size) = (0.0, 0.0);
        let mut add = |g: C64, d: C64, factor: f64| {
            sum += factor * (g.conj() * d).re;
            size += factor * (g.conj() * d).norm();
        };
        if let Some(g) = &cotangent.tensors[bond - 1] {
            let rows = 2 * left.left;
            for (at, g) in g.iter().enumerate() {
                let (row, r) = (at % rows, at / rows);
                // dB = −B A
                let d: C64 = (0..side).map(|m| -left.entries[row + rows * m] * turn(m, r)).sum();
                add(*g, d, 2.0);
            }
        }
        if let Some(g) = &cotangent.tensors[bond] {
            for (at, g) in g.iter().enumerate() {
                let (l, column) = (at % side, at / side);
                let d: C64 = (0..side).map(|m| turn(l, m) * right.entries[m + side * column]).sum();
                add(*g, d, 2.0);
            }
        }
        if let Some(r) = &cotangent.weights[bond] {
            let rho = |a: usize| state.schmidt[bond][a].powi(2);
            for (at, r) in r.iter().enumerate() {
                let (a, b) = (at % side, at / side);
                // tr(R dρ) of Hermitian matrices, dρ = A ρ − ρ A
                add(*r, turn(a, b) * (rho(b) - rho(a)), 1.0);
            }
        }
        assert!(sum.abs() < 1e-12 * size.max(1.0), "bond {bond}: {sum} of {size}");
    }
}

#[test]
fn sums_of_words() -> Result<()> {
    let (cancel, words) = (Cancel::default(), words());
    for seed in [0, 20_000] {
        let state = state(seed);
        for readout in READOUTS {
            let read = |state: &Mps<C64>| {
                word_expectations(state, &words, readout, Parallelism::Sequential, &cancel)
            };
            let values = read(&state)?;
            let weights: Vec<f64> = (0..words.len()).map(|at| probe::<C64>(900 + at).re).collect();
            // Each alone, and all together.
            let lists = (0..words.len()).map(|at| vec![at]).chain([(0..words.len()).collect()]);
            for list in lists {
                let terms: Vec<(f64, &Word, f64)> =
                    list.iter().map(|&at| (weights[at], &words[at], values[at])).collect();
                let cotangent = word_cotangent(&state, &terms, readout, &cancel)?;
                for direction in [Direction::new(31_000), Direction::new(44_000)] {
                    let expected = difference(|t| {
                        let values = read(&direction.moved(&state, t))?;
                        Ok(list.iter().map(|&at| weights[at] * values[at]).sum())
                    })?;
                    close(direction.along(&cotangent), expected, &format!("{list:?} {readout:?}"));
                }
                turns_of_bonds_do_nothing(&state, &cotangent);
                let weighs = cotangent.weights.iter().any(Option::is_some);
                assert!(readout == Readout::Local || !weighs);
            }
        }
    }
    Ok(())
}

/// Bonds of which only a triangle is computed where a matrix is Hermitian.
#[test]
fn sums_of_words_at_wide_bonds() -> Result<()> {
    let bonds = [1, 2, 34, 40, 33, 2, 1];
    let (cancel, words, state) = (Cancel::default(), words(), state_of(bonds, 300));
    for readout in READOUTS {
        let read = |state: &Mps<C64>| {
            word_expectations(state, &words, readout, Parallelism::Sequential, &cancel)
        };
        let values = read(&state)?;
        let terms: Vec<(f64, &Word, f64)> = (words.iter().zip(&values).enumerate())
            .map(|(at, (word, value))| (probe::<C64>(900 + at).re, word, *value))
            .collect();
        let cotangent = word_cotangent(&state, &terms, readout, &cancel)?;
        let direction = Direction::of(bonds, 31_000);
        let expected = difference(|t| {
            let values = read(&direction.moved(&state, 0.01 * t))?;
            Ok(terms.iter().zip(values).map(|((weight, ..), value)| weight * value).sum())
        })?;
        close(0.01 * direction.along(&cotangent), expected, &format!("{readout:?}"));
    }
    Ok(())
}

/// The phase of one tensor, which no value sees, makes a real state complex and turns one cotangent.
#[test]
fn cotangents_of_real_states() -> Result<()> {
    let (cancel, words) = (Cancel::default(), words());
    for bonds in [BONDS, [1, 2, 34, 40, 33, 2, 1]] {
        let mut real = state_of(bonds, 300);
        for site in &mut real.sites {
            site.entries.iter_mut().for_each(|x| *x = x.re.into());
        }
        let mut turned = real.clone();
        turned.sites[2].entries.iter_mut().for_each(|x| *x *= C64::I);
        for (readout, with_y) in READOUTS.into_iter().flat_map(|r| [(r, false), (r, true)]) {
            let y = |word: &&Word| word.letters.contains(&Pauli::Y.into());
            let chosen: Vec<&Word> = words.iter().filter(|word| with_y || !y(word)).collect();
            let term = |(at, word)| (probe::<C64>(900 + at).re, word, probe::<C64>(at).im);
            let terms: Vec<(f64, &Word, f64)> = chosen.into_iter().enumerate().map(term).collect();
            let mut found = word_cotangent(&real, &terms, readout, &cancel)?;
            let expected = word_cotangent(&turned, &terms, readout, &cancel)?;
            let entries = found.tensors.iter().flatten().chain(found.weights.iter().flatten());
            assert_eq!(with_y, entries.flatten().any(|x| x.im != 0.0));
            found.tensors[2].iter_mut().flatten().for_each(|x| *x *= C64::I);
            let lists = |cotangent: &Cotangent| {
                [cotangent.tensors.clone(), cotangent.weights.clone()].concat()
            };
            for (found, expected) in lists(&found).into_iter().zip(lists(&expected)) {
                assert_eq!(found.is_some(), expected.is_some());
                let (found, expected) = (found.unwrap_or_default(), expected.unwrap_or_default());
                let size = expected.iter().map(|x| x.norm()).fold(0.0, f64::max);
                for (x, y) in found.into_iter().zip(expected) {
                    assert!((x - y).norm() <= 1e-12 * size, "{readout:?}: {x} {y}");
                }
            }
        }
    }
    Ok(())
}

#[test]
fn variances_of_sums() -> Result<()> {
    let (cancel, words) = (Cancel::default(), words());
    let sums: [&[(f64, usize)]; 6] = [
        &[(0.7, 1)],
        &[(0.7, 3), (-0.4, 4), (1.2, 2)],
        &[(1.0, 5), (0.5, 3), (0.8, 1), (-2.0, 10)],
        &[(0.3, 6), (0.9, 8)],
        &[(0.5, 0), (0.5, 0), (1.1, 9), (-0.6, 7)],
        &[(3.0, 10)],
    ];
    for terms in sums {
        let state = state(300);
        let sum_of = |terms: &[(f64, usize)]| WordSum {
            terms: terms.iter().map(|(c, at)| (*c, &words[*at])).collect(),
        };
        for readout in READOUTS {
            let found = variance_cotangent(&state, &sum_of(terms), readout, &cancel)?;
            for direction in [Direction::new(31_000), Direction::new(44_000)] {
                let value =
                    |t| variance(&direction.moved(&state, t), &sum_of(terms), readout, &cancel);
                let expected = difference(value)?;
                close(
                    direction.along(&found.cotangent),
                    expected,
                    &format!("{terms:?} {readout:?}"),
                );
            }
            turns_of_bonds_do_nothing(&state, &found.cotangent);
            for (at, found) in found.coefficients.iter().enumerate() {
                let expected = difference(|t| {
                    let mut moved = terms.to_vec();
                    moved[at].0 += t;
                    variance(&state, &sum_of(&moved), readout, &cancel)
                })?;
                close(*found, expected, &format!("{terms:?} {readout:?} by {at}"));
            }
        }
    }
    Ok(())
}

#[test]
fn sums_of_words_times_a_state() -> Result<()> {
    let (cancel, words) = (Cancel::default(), words());
    let order: Vec<usize> = (0..N).collect();
    let mut canonical = state(5);
    canonical = Mps::from_tensors(canonical.sites.drain(..).collect())?;
    let vector = dense_amplitudes(&canonical, &order, &cancel)?;
    let image = |word: &Word| -> Vec<C64> {
        let mut image = vector.clone();
        for (offset, letter) in word.letters.iter().enumerate() {
            let (o, mask) = (letter.matrix(), 1 << (N - 1 - word.first - offset));
            image = (0..image.len())
                .map(|at| {
                    let row = usize::from(at & mask != 0);
                    o[2 * row] * image[at & !mask] + o[2 * row + 1] * image[at | mask]
                })
                .collect();
        }
        image
    };
    let lists: [(&[(f64, usize)], f64); 6] = [
        (&[], 0.7),
        (&[(1.3, 10)], 0.2),
        (&[(0.7, 2)], 0.0),
        (&[(0.7, 0), (0.4, 3), (-1.1, 5), (0.2, 4)], 0.3),
        (&[(0.9, 6), (0.8, 8), (0.5, 9), (0.4, 1)], -0.6),
        (&[(1.0, 1), (0.5, 1), (-0.3, 7)], 0.0),
    ];
    for (terms, constant) in lists {
        let truncation = |limit| Truncation {
            limit,
            cutoff: 1e-26,
            noise_floor: 1e-15,
            method: Method::Auto,
            expected: Expected::Nothing,
            keep_dropped: false,
        };
        let sum: Vec<(f64, &Word)> = terms.iter().map(|(c, at)| (*c, &words[*at])).collect();
        let mut expected: Vec<C64> = vector.iter().map(|x| x * constant).collect();
        for (c, word) in &sum {
            expected.iter_mut().zip(image(word)).for_each(|(x, y)| *x += y * *c);
        }
        let mut workspace = Workspace::default();
        let found =
            times_sum(&canonical, &sum, constant, &truncation(None), &mut workspace, &cancel)?;
        let scale = (log_norm_squared(&found, &cancel)? / 2.0).exp();
        for (x, y) in dense_amplitudes(&found, &order, &cancel)?.into_iter().zip(&expected) {
            assert!((x * scale - y).norm() < 1e-12, "{terms:?}: {} {y}", x * scale);
        }
        let limited =
            times_sum(&canonical, &sum, constant, &truncation(Some(2)), &mut workspace, &cancel)?;
        assert!(limited.bond_dims().into_iter().all(|bond| bond <= 2));
    }
    Ok(())
}
