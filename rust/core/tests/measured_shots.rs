//! Shots of circuits with mid-circuit measurements follow the exact joint distribution of outcomes
//! and bits, and the same bits come however they are drawn.
#![allow(clippy::unwrap_used, clippy::panic)] // in a test a panic is the report

mod measured;
mod steps;

use bondline::{
    C64, CircuitResult, Error, LocalOperator, Pauli, Precision, Requests, Result, SampleResult,
    Sampling, Settings,
};

use measured::{Branch, Circuit, assert_follows, bits_of, settings};
use steps::Random;

const SEED: [u64; 2] = [11, 13];

fn sampling(wires: Vec<usize>, shots: usize, stream: u64) -> Sampling {
    let letters = vec![Pauli::Z; wires.len()];
    Sampling { wires, letters, shots, stream }
}

fn drawing(samplings: Vec<Sampling>) -> Requests {
    Requests { samplings, seeds: vec![SEED], ..Requests::default() }
}

/// Three wires, four measurements, gates on one to three wires that depend on them.
fn circuit(seed: u64) -> Circuit {
    let mut random = Random(seed);
    let mut circuit = Circuit::new(3);
    for (layer, wire) in [1, 0, 2, 1].into_iter().enumerate() {
        circuit.random(&[0, 1], &mut random).random(&[1, 2], &mut random);
        circuit.measure(wire, layer % 2 == 1);
        let looked: Vec<u32> = (0..=layer as u32).collect();
        let table: Vec<bool> = (0..2 << layer).map(|at| at % 3 == 1).collect();
        circuit.random(&[2, 0], &mut random).when(&looked, &table);
        circuit.random(&[0, 1, 2], &mut random).when(&[0], &[false, true]);
    }
    circuit
}

/// Probability of each (outcomes, bits of `wires`), the outcomes most significant.
fn joint(branches: &[Branch], n: usize, wires: &[usize]) -> Vec<f64> {
    let measures = branches[0].outcomes.len();
    let total: f64 = branches.iter().map(|branch| branch.weight).sum();
    let mut found = vec![0.0; 1 << (measures + wires.len())];
    for branch in branches {
        let outcomes = branch.outcomes.iter().fold(0, |at, o| 2 * at + usize::from(*o));
        for (index, x) in branch.vector.iter().enumerate() {
            let at = outcomes << wires.len() | bits_of(index, n, wires);
            found[at] += x.norm_sqr() * branch.weight / total;
        }
    }
    found
}

/// How often each (outcomes, bits) came, dropped shots left out.
fn counts(drawn: &SampleResult, measures: usize, wires: usize) -> Vec<f64> {
    let mut counts = vec![0.0; 1 << (measures + wires)];
    let shots = drawn.outcomes.chunks_exact(measures).zip(drawn.bits.chunks_exact(wires));
    for (outcomes, bits) in shots.filter(|(outcomes, _)| outcomes[0] != 255) {
        counts[outcomes.iter().chain(bits).fold(0, |at, bit| 2 * at + usize::from(*bit))] += 1.0;
    }
    counts
}

#[test]
fn shots_follow_the_joint_distribution_of_outcomes_and_bits() -> Result<()> {
    for seed in 0..3 {
        let circuit = circuit(seed);
        let branches = circuit.branches();
        for precision in [Precision::Double, Precision::Single] {
            let asked =
                drawing(vec![sampling(vec![2, 0], 20_000, 1), sampling(vec![1], 20_000, 2)]);
            let found = circuit.run(asked, Settings { precision, ..settings() })?;
            assert_follows(&counts(&found.samples[0], 4, 2), &joint(&branches, 3, &[2, 0]));
            assert_follows(&counts(&found.samples[1], 4, 1), &joint(&branches, 3, &[1]));
            assert_eq!(found.report.branches, 16);
        }
    }
    Ok(())
}

#[test]
fn shots_in_other_bases_follow_theirs() -> Result<()> {
    let mut circuit = circuit(7);
    let shots = 20_000;
    let letters = vec![Pauli::X, Pauli::Y];
    let same = Sampling { wires: vec![2, 1], letters: letters.clone(), shots, stream: 4 };
    let each = Sampling { letters: letters.repeat(shots), ..same.clone() };
    let found = circuit.run(drawing(vec![same, each]), settings())?;
    assert_eq!(found.samples[0], found.samples[1]);
    let h = C64::from(0.5_f64.sqrt());
    circuit.unitary(&[2], &[h, h, h, -h]);
    circuit.unitary(&[1], &[h, -h * C64::I, h, h * C64::I]);
    assert_follows(&counts(&found.samples[0], 4, 2), &joint(&circuit.branches(), 3, &[2, 1]));
    Ok(())
}

#[test]
fn a_wire_tossed_and_reset_forty_times_gives_fair_coins() -> Result<()> {
    let (tosses, shots) = (40, 4_000);
    let mut circuit = Circuit::new(2);
    for toss in 0..tosses {
        circuit.h(0).measure(0, true);
        // The other wire counts the parity.
        circuit.x(1).when(&[toss], &[false, true]);
    }
    let found = circuit.run(drawing(vec![sampling(vec![0, 1], shots, 0)]), settings())?;
    let outcomes = &found.samples[0].outcomes;
    let mut ones = vec![0.0; tosses as usize];
    let mut agreements = 0.0;
    for (own, bits) in outcomes.chunks_exact(40).zip(found.samples[0].bits.chunks_exact(2)) {
        ones.iter_mut().zip(own).for_each(|(ones, o)| *ones += f64::from(*o));
        agreements += f64::from(u8::from(own[0] == own[1]));
        assert_eq!(bits[0], 0);
        assert_eq!(bits[1], own.iter().sum::<u8>() % 2);
    }
    // 4.5 sigma of 4,000 fair coins
    let fair = |count: f64| (count - 2_000.0).abs() < 4.5 * 1_000.0_f64.sqrt();
    assert!(ones.iter().all(|count| fair(*count)) && fair(agreements), "{ones:?} {agreements}");
    // Nearly every shot has a history of its own.
    assert_eq!(found.report.branches, shots);
    Ok(())
}

#[test]
fn ghz_shots_agree_with_the_outcome_in_the_middle() -> Result<()> {
    let (n, shots) = (60, 2_000);
    let mut circuit = Circuit::new(n);
    circuit.h(0);
    (1..n).for_each(|wire| {
        circuit.cnot(wire - 1, wire);
    });
    circuit.measure(n / 2, false);
    let found = circuit.run(drawing(vec![sampling((0..n).collect(), shots, 0)]), settings())?;
    let drawn = &found.samples[0];
    assert!(drawn.bits.chunks_exact(n).zip(&drawn.outcomes).all(|(b, o)| b.iter().all(|x| x == o)));
    let ones: f64 = drawn.outcomes.iter().map(|o| f64::from(*o)).sum();
    assert!((ones - 1_000.0).abs() < 4.0 * 500.0_f64.sqrt(), "{ones}");
    assert_eq!(found.report.branches, 2);
    Ok(())
}

fn postselected(fill: bool) -> Circuit {
    let mut random = Random(21);
    let mut circuit = Circuit::new(3);
    circuit.random(&[0, 1], &mut random).random(&[1, 2], &mut random).postselect(1, true, fill);
    circuit.random(&[1, 2], &mut random).random(&[0, 1], &mut random).measure(0, false);
    circuit.random(&[0, 2], &mut random).when(&[1], &[true, false]);
    circuit.random(&[1, 2], &mut random).postselect(2, false, fill);
    circuit.random(&[0, 2], &mut random).measure(2, true);
    circuit
}

#[test]
fn postselection_drops_shots_or_fills_them_up() -> Result<()> {
    let shots = 20_000;
    let expected = joint(&postselected(false).branches(), 3, &[0, 2]);
    let probability: f64 = postselected(false).branches().iter().map(|b| b.weight).sum();
    let run = |fill| -> Result<SampleResult> {
        let asked = drawing(vec![sampling(vec![0, 2], shots, 5)]);
        Ok(postselected(fill).run(asked, settings())?.samples.remove(0))
    };
    let dropping = run(false)?;
    for (outcomes, bits) in dropping.outcomes.chunks_exact(4).zip(dropping.bits.chunks_exact(2)) {
        let dropped = outcomes[0] == 255;
        assert!(outcomes.iter().all(|o| (*o == 255) == dropped));
        assert!(!dropped || bits == [0, 0]);
    }
    let kept = counts(&dropping, 4, 2);
    let share = kept.iter().sum::<f64>() / shots as f64;
    let sigma = (probability * (1.0 - probability) / shots as f64).sqrt();
    assert!((share - probability).abs() < 4.5 * sigma, "{share} {probability}");
    assert_follows(&kept, &expected);
    let filling = run(true)?;
    assert!(filling.outcomes.iter().all(|o| *o < 2));
    assert_follows(&counts(&filling, 4, 2), &expected);
    Ok(())
}

/// The outcome of the first wire is free, but given the second's it is certain.
#[test]
fn filled_shots_know_what_is_postselected_later() -> Result<()> {
    let mut circuit = Circuit::new(2);
    circuit.h(0).cnot(0, 1).measure(0, false).postselect(1, true, true);
    let found = circuit.run(drawing(vec![sampling(vec![0, 1], 500, 0)]), settings())?;
    assert!(found.samples[0].outcomes.iter().chain(&found.samples[0].bits).all(|bit| *bit == 1));
    // A shot does not depend on how many others there are.
    let fewer = circuit.run(drawing(vec![sampling(vec![0, 1], 50, 0)]), settings())?;
    assert_eq!(fewer.samples[0].outcomes, found.samples[0].outcomes[..100]);
    Ok(())
}

#[test]
fn shots_of_what_cannot_be_are_an_error() -> Result<()> {
    let asked = || drawing(vec![sampling(vec![0], 100, 0)]);
    let refused = |circuit: &Circuit| {
        let error = circuit.run(asked(), settings()).err().unwrap();
        assert!(
            matches!(&error, Error::Impossible { message, .. } if message.contains("probability 0")),
            "{error}"
        );
    };
    for fill in [false, true] {
        let mut circuit = Circuit::new(2);
        circuit.postselect(0, true, fill);
        refused(&circuit);
        let mut circuit = Circuit::new(2);
        circuit.h(1).measure(1, false).postselect(0, true, fill);
        refused(&circuit);
    }
    // Behind an outcome so unlikely that no attempt comes to it.
    let mut circuit = Circuit::new(2);
    circuit.h(1).measure(1, false).ry(0, 1e-4).postselect(0, true, true);
    refused(circuit.postselect(0, false, true));
    // Possible, but not in any number of attempts.
    let mut circuit = Circuit::new(2);
    circuit.h(1).measure(1, false).ry(0, 1e-4).postselect(0, true, false);
    let found = circuit.run(asked(), settings())?;
    assert!(found.samples[0].outcomes.iter().all(|o| *o == 255));
    // As the first measurement it is certain for every shot.
    let mut circuit = Circuit::new(2);
    circuit.ry(0, 1e-4).postselect(0, true, true).measure(0, false);
    let found = circuit.run(asked(), settings())?;
    assert!(found.samples[0].outcomes.iter().all(|o| *o == 1));
    Ok(())
}

#[test]
fn bits_depend_on_neither_threads_nor_company() -> Result<()> {
    let n = 10;
    let mut random = Random(31);
    let mut circuit = Circuit::new(n);
    for layer in 0..6 {
        for wire in (layer % 2..n - 1).step_by(2) {
            circuit.random(&[wire, wire + 1], &mut random);
        }
        circuit.measure(layer, layer % 2 == 0);
        circuit.random(&[3, 7], &mut random).when(&[layer as u32], &[false, true]);
        circuit.random(&[0, 9], &mut random);
    }
    let words: Vec<Vec<(usize, LocalOperator)>> = vec![vec![(4, Pauli::X.into())]];
    let all = |threads: usize| -> Result<CircuitResult> {
        let asked = Requests {
            words: words.clone(),
            outcomes: vec![vec![0, 3, 5]],
            ..drawing(vec![sampling((0..n).collect(), 3_000, 1), sampling(vec![2], 100, 2)])
        };
        circuit
            .run(asked, Settings { threads: Some(threads), max_bond_dim: Some(12), ..settings() })
    };
    let one = all(1)?;
    for threads in [2, 8] {
        let found = all(threads)?;
        assert!(found.samples == one.samples && found.words == one.words, "{threads} threads");
        assert!(found.outcomes == one.outcomes, "{threads} threads");
    }
    // Alone, a value and a shot are the same.
    let limited = || Settings { max_bond_dim: Some(12), ..settings() };
    let asked = Requests { words: words.clone(), ..Requests::default() };
    assert_eq!(circuit.run(asked, limited())?.words, one.words);
    let asked = drawing(vec![sampling((0..n).collect(), 1_500, 1)]);
    let fewer = circuit.run(asked, limited())?.samples.remove(0);
    assert_eq!(fewer.bits, one.samples[0].bits[..1_500 * n]);
    assert_eq!(fewer.outcomes, one.samples[0].outcomes[..1_500 * 6]);
    // Two samplings of one stream are the same shots, of two streams they are not.
    let twice = drawing(vec![sampling(vec![2], 100, 1), sampling(vec![2], 100, 2)]);
    let twice = circuit.run(twice, limited())?.samples;
    assert_eq!(twice[1], one.samples[1]);
    assert_ne!(twice[0], twice[1]);
    Ok(())
}

/// The first outcome is free and decides how likely the postselected ones are: 2.5e-5 or 1e-4 in all.
#[test]
fn filled_shots_come_however_unlikely_they_are() -> Result<()> {
    let mut random = Random(5);
    let mut circuit = Circuit::new(3);
    circuit.random(&[0, 1], &mut random).measure(0, false).ry(2, 0.01);
    circuit.ry(2, 0.01).when(&[0], &[false, true]).postselect(2, true, true);
    circuit.random(&[0, 1], &mut random).measure(1, true).random(&[0, 2], &mut random);
    circuit.postselect(0, false, true);
    circuit.random(&[1, 2], &mut random).measure(2, false);
    let shots = 20_000;
    let asked = |shots| drawing(vec![sampling(vec![1, 2], shots, 5)]);
    let found = circuit.run(asked(shots), settings())?.samples.remove(0);
    assert!(found.outcomes.iter().all(|o| *o < 2));
    assert_follows(&counts(&found, 5, 2), &joint(&circuit.branches(), 3, &[1, 2]));
    // A shot does not depend on how many others there are.
    let fewer = circuit.run(asked(7), settings())?.samples.remove(0);
    assert_eq!(fewer.outcomes, found.outcomes[..7 * 5]);
    assert_eq!(fewer.bits, found.bits[..7 * 2]);
    Ok(())
}

/// With thirteen free outcomes before it no survey is made.
#[test]
fn attempts_behind_many_free_outcomes_are_made_until_enough_is_kept() -> Result<()> {
    let mut circuit = Circuit::new(2);
    (0..13).for_each(|_| {
        circuit.h(0).measure(0, true);
    });
    circuit.ry(1, 0.05).postselect(1, true, true);
    let found = circuit.run(drawing(vec![sampling(vec![0, 1], 20, 5)]), settings())?;
    assert!(found.samples[0].outcomes.iter().all(|o| *o < 2));
    circuit.ry(0, 1e-4).postselect(0, true, true);
    let error = circuit.run(drawing(vec![sampling(vec![0], 20, 5)]), settings()).err().unwrap();
    assert!(matches!(&error, Error::Numerical(text) if text.contains("attempts")), "{error}");
    Ok(())
}
