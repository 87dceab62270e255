//! Averages over histories of mid-circuit outcomes are those of dense vectors, branch by branch.
#![allow(clippy::unwrap_used, clippy::panic)] // in a test a panic is the report

mod measured;
mod steps;

use bondline::linalg::{Workspace, leading_eigenpairs};
use bondline::mps::overlap_of_tensors;
use bondline::{
    C64, Cancel, CircuitResult, Error, Job, LoadedState, LocalOperator, Ordering, Pauli, PlanCache,
    Precision, Readout, Requests, Result, Sampling, Settings,
};

use measured::{Branch, Circuit, average, bits_of, density, expectation, image, run, settings};
use steps::{Random, inner};

/// Random gates, measurements on changing wires with and without reset, and gates of every kind of
/// step that depend on one, two or three outcomes.
fn random_circuit(n: usize, seed: u64) -> Circuit {
    let mut random = Random(seed);
    let mut circuit = Circuit::new(n);
    let some =
        |random: &mut Random, below: usize| ((random.next() + 1.0) * 0.5 * below as f64) as usize;
    for layer in 0..5 {
        for wire in 0..n {
            circuit.random(&[wire], &mut random);
        }
        for wire in (layer % 2..n - 1).step_by(2) {
            circuit.random(&[wire, wire + 1], &mut random);
        }
        circuit.random(&[n - 1, 0], &mut random);
        circuit.measure(some(&mut random, n), layer % 2 == 0);
        // A table on up to three outcomes, neither always nor never.
        let looked: Vec<u32> = (0..=layer as u32).rev().take(3).collect();
        let table: Vec<bool> = (0..1 << looked.len()).map(|at| at % 3 != layer % 3).collect();
        let u = random.unitary::<4>(2);
        match layer {
            0 => circuit.random(&[1], &mut random).when(&looked, &table),
            1 => circuit.swap(0, n - 1).when(&looked, &table),
            2 => circuit.multi_rz(&[0, 2, n - 1], 0.9).when(&looked, &table),
            3 => circuit.controlled(&[0, n - 1], 2, u).when(&looked, &table),
            _ => circuit.random(&[n - 1, 1, 0], &mut random).when(&looked, &table),
        };
        circuit.phase(0.3).when(&looked, &table);
        circuit.random(&[2, 0], &mut random).when(&[0], &[true, false]);
    }
    circuit
}

fn requests() -> Requests {
    let letters =
        |letters: &[(usize, Pauli)]| letters.iter().map(|(w, p)| (*w, (*p).into())).collect();
    Requests {
        words: vec![
            letters(&[(0, Pauli::Z)]),
            letters(&[(3, Pauli::X), (1, Pauli::Y)]),
            vec![(2, LocalOperator::ProjectOne), (0, Pauli::Z.into())],
            vec![],
        ],
        variances: vec![0..2, 0..4],
        variance_terms: vec![0, 1, 2, 3],
        variance_coefficients: vec![0.5, -1.5, 2.0, 0.7],
        probabilities: vec![vec![3, 0], vec![2]],
        densities: vec![vec![1, 3]],
        spectra: vec![vec![0, 2], vec![1]],
        outcomes: vec![vec![0], vec![4, 1, 2], vec![]],
        ..Requests::default()
    }
}

fn assert_close(found: &[f64], expected: &[f64], tolerance: f64, what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (x, y) in found.iter().zip(expected) {
        assert!((x - y).abs() < tolerance, "{what}: {found:?} {expected:?}");
    }
}

/// Compares every value of [`requests`].
fn check(found: &CircuitResult, branches: &[Branch], n: usize, tolerance: f64) {
    let asked = requests();
    let words: Vec<f64> = asked
        .words
        .iter()
        .map(|word| average(branches, |branch| expectation(&branch.vector, n, word)))
        .collect();
    assert_close(&found.words, &words, tolerance, "words");
    for (terms, variance) in asked.variances.iter().zip(&found.variances) {
        let sum = |branch: &Branch| {
            let mut sum = vec![C64::ZERO; branch.vector.len()];
            for term in terms.clone() {
                let part = image(&branch.vector, n, &asked.words[asked.variance_terms[term]]);
                let coefficient = asked.variance_coefficients[term];
                sum.iter_mut().zip(part).for_each(|(x, y)| *x += y * coefficient);
            }
            sum
        };
        let mean = average(branches, |branch| inner(&branch.vector, &sum(branch)).re);
        let square = average(branches, |branch| sum(branch).iter().map(C64::norm_sqr).sum());
        assert!((variance - (square - mean * mean)).abs() < 10.0 * tolerance, "variance");
    }
    for (wires, probabilities) in asked.probabilities.iter().zip(&found.probabilities) {
        let expected: Vec<f64> = (0..1 << wires.len())
            .map(|outcome| {
                average(branches, |branch| {
                    let own = branch.vector.iter().enumerate();
                    let own = own.filter(|(index, _)| bits_of(*index, n, wires) == outcome);
                    own.map(|(_, x)| x.norm_sqr()).sum()
                })
            })
            .collect();
        assert_close(probabilities, &expected, tolerance, "probabilities");
    }
    let mixed = |wires: &[usize]| -> Vec<C64> {
        let dim = 1 << (2 * wires.len());
        let rhos: Vec<Vec<C64>> =
            branches.iter().map(|branch| density(&branch.vector, n, wires)).collect();
        let total: f64 = branches.iter().map(|branch| branch.weight).sum();
        let entry = |at: usize| {
            let terms = branches.iter().zip(&rhos);
            terms.map(|(branch, rho)| rho[at] * branch.weight).sum::<C64>() / total
        };
        (0..dim).map(entry).collect()
    };
    for (wires, rho) in asked.densities.iter().zip(&found.densities) {
        for (x, y) in rho.iter().zip(mixed(wires)) {
            assert!((x - y).norm() < tolerance, "density");
        }
    }
    for (wires, spectrum) in asked.spectra.iter().zip(&found.spectra) {
        let dim = 1 << wires.len();
        let mut rho = mixed(wires);
        let values = leading_eigenpairs(&mut rho, dim, dim, &mut Workspace::default()).unwrap().0;
        assert_close(spectrum, &values, tolerance, "spectrum");
    }
    for (list, distribution) in asked.outcomes.iter().zip(&found.outcomes) {
        let expected: Vec<f64> = (0..1 << list.len())
            .map(|outcome| {
                average(branches, |branch| {
                    let own =
                        list.iter().fold(0, |at, &m| 2 * at + usize::from(branch.outcomes[m]));
                    f64::from(u8::from(own == outcome))
                })
            })
            .collect();
        assert_close(distribution, &expected, tolerance, "outcomes");
    }
}

#[test]
fn values_are_averages_over_all_histories() -> Result<()> {
    let n = 4;
    for seed in 0..4 {
        let circuit = random_circuit(n, seed);
        let branches = circuit.branches();
        assert_eq!(branches.len(), 32);
        for ordering in [Ordering::Given, Ordering::Auto, Ordering::Explicit(vec![2, 0, 3, 1])] {
            for readout in [Readout::Local, Readout::State] {
                let settings = Settings { ordering: ordering.clone(), readout, ..settings() };
                let found = circuit.run(requests(), settings)?;
                check(&found, &branches, n, 1e-9);
                assert_eq!(found.report.branches, 32);
                assert!(found.report.log_norm.abs() < 1e-9 && found.report.coherence.is_nan());
                assert!(found.report.discarded.iter().sum::<f64>() < 1e-20);
            }
        }
        let single = Settings { precision: Precision::Single, ..settings() };
        check(&circuit.run(requests(), single)?, &branches, n, 1e-4);
    }
    Ok(())
}

#[test]
fn measurements_in_a_row_need_no_gates_between() -> Result<()> {
    let n = 4;
    let mut random = Random(12);
    let mut circuit = random_circuit(n, 10);
    for (wire, reset) in [(2, false), (0, true), (2, true), (3, false), (1, false)] {
        circuit.measure(wire, reset);
    }
    circuit.random(&[2], &mut random).when(&[9, 6], &[true, false, false, true]);
    circuit.measure(2, false).random(&[1, 3], &mut random).measure(1, true);
    let branches = circuit.branches();
    check(&circuit.run(requests(), settings())?, &branches, n, 1e-9);
    let single = Settings { precision: Precision::Single, ..settings() };
    check(&circuit.run(requests(), single)?, &branches, n, 1e-4);
    Ok(())
}

/// A truncated state is out of canonical form when it is measured; its outcomes are those of its
/// amplitudes all the same.
#[test]
fn outcomes_of_a_truncated_state_are_those_of_its_amplitudes() -> Result<()> {
    let n = 7;
    let mut random = Random(14);
    let mut circuit = Circuit::new(n);
    for layer in 0..8 {
        for wire in (layer % 2..n - 1).step_by(2) {
            circuit.random(&[wire, wire + 1], &mut random);
        }
    }
    let limited = || Settings { max_bond_dim: Some(3), ..settings() };
    let asked = Requests { dense_state: true, ..Requests::default() };
    let state = circuit.run(asked, limited())?;
    assert!(state.report.log_norm < -0.1, "this circuit should lose weight");
    let expected: Vec<f64> = state.dense_state.unwrap().iter().map(C64::norm_sqr).collect();
    let order = [3, 6, 0, 5, 1, 2, 4];
    for wire in order {
        circuit.measure(wire, false);
    }
    let list = (0..n).map(|wire| order.iter().position(|own| *own == wire).unwrap()).collect();
    let asked = Requests { outcomes: vec![list], ..Requests::default() };
    let found = circuit.run(asked, limited())?;
    assert_close(&found.outcomes[0], &expected, 1e-11, "outcomes");
    assert!((found.report.log_norm - state.report.log_norm).abs() < 1e-9);
    Ok(())
}

#[test]
fn a_loaded_state_is_measured_like_any_other() -> Result<()> {
    let n = 4;
    let mut random = Random(17);
    let mut vector: Vec<C64> =
        (0..1 << n).map(|_| C64::new(random.next(), random.next())).collect();
    let norm = vector.iter().map(C64::norm_sqr).sum::<f64>().sqrt();
    vector.iter_mut().for_each(|x| *x /= norm);
    let mut circuit = random_circuit(n, 9);
    circuit.arrays.loaded.wires = (0..n as u32).collect();
    let mut group = circuit.group(requests())?;
    group.loaded = LoadedState::Vectors(vector.clone());
    check(&run(group, settings())?, &circuit.branches_from(vector), n, 1e-9);
    Ok(())
}

#[test]
fn postselection_conditions_every_value() -> Result<()> {
    let n = 4;
    let mut circuit = random_circuit(n, 5);
    circuit.postselect(1, true, false);
    circuit.random(&[1, 2], &mut Random(3)).when(&[5, 2], &[false, true, true, false]);
    circuit.postselect(3, false, false);
    circuit.random(&[0, 3], &mut Random(4));
    let branches = circuit.branches();
    check(&circuit.run(requests(), settings())?, &branches, n, 1e-9);
    Ok(())
}

/// Where every measurement is postselected the state is pure, and everything can be asked of it.
#[test]
fn a_postselected_state_is_pure() -> Result<()> {
    let n = 6;
    let mut random = Random(8);
    let mut circuit = Circuit::new(n);
    for layer in 0..4 {
        for wire in (layer % 2..n - 1).step_by(2) {
            circuit.random(&[wire, wire + 1], &mut random);
        }
        circuit.random(&[0, 4], &mut random).phase(0.4);
        circuit.postselect(layer, layer % 2 == 1, false);
        circuit.random(&[5, 2], &mut random).when(&[layer as u32], &[false, true]);
    }
    let branches = circuit.branches();
    let vector = &branches[0].vector;
    assert_eq!(branches.len(), 1);
    for ordering in [Ordering::Given, Ordering::Auto, Ordering::Explicit(vec![3, 0, 5, 2, 1, 4])] {
        let strings: Vec<u8> = (0..1 << n)
            .flat_map(|index| (0..n).map(move |w| (index >> (n - 1 - w) & 1) as u8))
            .collect();
        let asked = Requests {
            dense_state: true,
            tensors: true,
            bitstrings: strings,
            spectra: vec![vec![0, 1, 2], vec![4], vec![1, 2, 3, 4, 5]],
            words: vec![vec![(2, Pauli::Y.into())]],
            ..Requests::default()
        };
        let found = circuit.run(asked.clone(), Settings { ordering, ..settings() })?;
        for (x, y) in found.dense_state.unwrap().iter().zip(vector) {
            assert!((x - y).norm() < 1e-9, "{x} {y}");
        }
        for (log, y) in found.log_probabilities.iter().zip(vector) {
            assert!((log.exp() - y.norm_sqr()).abs() < 1e-9);
        }
        for (wires, spectrum) in asked.spectra.iter().zip(&found.spectra) {
            let side: Vec<usize> = if wires.len() > 3 { vec![0] } else { wires.clone() };
            let dim = 1 << side.len();
            let mut rho = density(vector, n, &side);
            let values =
                leading_eigenpairs(&mut rho, dim, dim, &mut Workspace::default()).unwrap().0;
            assert_close(&spectrum[..dim], &values, 1e-9, "spectrum");
        }
        let y = expectation(vector, n, &asked.words[0]);
        assert!((found.words[0] - y).abs() < 1e-9);
        // The tensors are in the order of the wires and carry the phase.
        let tensors = found.tensors.unwrap();
        let dense = bondline::mps::Mps::from_tensors(tensors.clone())?;
        let order: Vec<usize> = (0..n).collect();
        let amplitudes = bondline::mps::dense_amplitudes(&dense, &order, &Cancel::default())?;
        assert!((inner(&amplitudes, vector).norm() - 1.0).abs() < 1e-9);
        let product: Vec<_> = (0..n)
            .map(|_| bondline::mps::SiteTensor {
                left: 1,
                right: 1,
                entries: vec![C64::ONE, C64::ZERO],
            })
            .collect();
        let first = overlap_of_tensors(&product, &tensors, &Cancel::default())?;
        assert!((first.value() - vector[0]).norm() < 1e-9);
        assert_eq!(found.schmidt_values.unwrap().len(), n - 1);
    }
    Ok(())
}

#[test]
fn what_only_a_pure_state_has_is_refused_of_a_mixture() -> Result<()> {
    let mut circuit = Circuit::new(24);
    circuit.h(0).measure(0, false);
    for (asked, word) in [
        (Requests { dense_state: true, ..none() }, "state()"),
        (Requests { tensors: true, ..none() }, "tensors"),
        (Requests { bitstrings: vec![0; 24], ..none() }, "bitstring"),
        (Requests { spectra: vec![(0..11).collect()], ..none() }, "more than 10 wires"),
    ] {
        let error = circuit.run(asked, settings()).err().unwrap();
        assert!(matches!(&error, Error::Unsupported(text) if text.contains(word)), "{error}");
    }
    let few = Requests { spectra: vec![(0..10).collect()], ..none() };
    let found = circuit.run(few, settings())?;
    assert_close(&found.spectra[0][..3], &[0.5, 0.5, 0.0], 1e-12, "spectrum");
    Ok(())
}

#[test]
fn an_impossible_postselection_is_an_error() -> Result<()> {
    let zero = |asked: Requests, circuit: &Circuit| {
        let error = circuit.run(asked, settings()).err().unwrap();
        assert!(
            matches!(&error, Error::Impossible { message, .. } if message.contains("probability 0")),
            "{error}"
        );
    };
    let words = Requests { words: vec![vec![(0, Pauli::Z.into())]], ..Requests::default() };
    let mut circuit = Circuit::new(2);
    circuit.postselect(0, true, false);
    zero(words.clone(), &circuit);
    // By cancellation, up to rounding
    let mut circuit = Circuit::new(2);
    circuit.h(0).ry(0, 0.7).ry(0, -0.7).h(0).postselect(0, true, false);
    zero(words.clone(), &circuit);
    // In every history, though not in the same way
    let mut circuit = Circuit::new(2);
    circuit.h(0).measure(0, false).x(0).when(&[0], &[true, false]).postselect(0, false, false);
    zero(words.clone(), &circuit);
    // In one history only: the other is all that is left.
    let mut circuit = Circuit::new(2);
    circuit.h(0).measure(0, false).cnot(0, 1).postselect(1, true, false);
    let found = circuit.run(words, settings())?;
    assert_close(&found.words, &[-1.0], 1e-12, "word");
    Ok(())
}

#[test]
fn a_thousand_unlikely_postselections_do_not_underflow() -> Result<()> {
    // Each leaves 1/4: the weight of the only history is 2^-2000.
    let mut circuit = Circuit::new(3);
    for _ in 0..1000 {
        circuit.ry(0, 2.0 * std::f64::consts::FRAC_PI_3).postselect(0, false, false);
    }
    circuit.ry(1, 0.6);
    let asked = Requests { words: vec![vec![(1, Pauli::Z.into())]], ..Requests::default() };
    let found = circuit.run(asked, settings())?;
    assert_close(&found.words, &[0.6_f64.cos()], 1e-11, "word");
    Ok(())
}

#[test]
fn ghz_measured_in_the_middle_collapses_all_of_it() -> Result<()> {
    let n = 40;
    let mut circuit = Circuit::new(n);
    circuit.h(0);
    (1..n).for_each(|wire| {
        circuit.cnot(wire - 1, wire);
    });
    circuit.measure(n / 2, false);
    let asked = Requests {
        words: vec![
            vec![(0, Pauli::Z.into()), (n - 1, Pauli::Z.into())],
            vec![(3, Pauli::Z.into())],
            vec![(0, LocalOperator::ProjectOne), (n / 2, LocalOperator::ProjectOne)],
        ],
        spectra: vec![vec![0, 7]],
        outcomes: vec![vec![0]],
        ..Requests::default()
    };
    let found = circuit.run(asked.clone(), settings())?;
    assert_close(&found.words, &[1.0, 0.0, 0.5], 1e-12, "words");
    assert_close(&found.outcomes[0], &[0.5, 0.5], 1e-12, "outcomes");
    assert!(found.report.bonds.iter().all(|bond| *bond == 1), "{:?}", found.report.bonds);
    // The outcome undoes itself everywhere.
    for wire in 0..n {
        circuit.x(wire).when(&[0], &[false, true]);
    }
    let found = circuit.run(asked, settings())?;
    assert_close(&found.words, &[1.0, 1.0, 0.0], 1e-12, "words");
    assert_close(&found.spectra[0][..2], &[1.0, 0.0], 1e-12, "spectrum");
    Ok(())
}

#[test]
fn one_wire_is_measured_reset_and_used_forty_times() -> Result<()> {
    // Wire 0 carries a bit on to wire 1, which turns a little each time it comes.
    let mut circuit = Circuit::new(2);
    for round in 0..40 {
        circuit.x(0).measure(0, true).ry(1, 0.05).when(&[round], &[false, true]);
    }
    let asked = Requests {
        words: vec![vec![(0, Pauli::Z.into())], vec![(1, Pauli::Z.into())]],
        outcomes: vec![vec![0, 39]],
        ..Requests::default()
    };
    let found = circuit.run(asked, settings())?;
    assert_close(&found.words, &[1.0, 2.0_f64.cos()], 1e-12, "words");
    assert_close(&found.outcomes[0], &[0.0, 0.0, 0.0, 1.0], 1e-12, "outcomes");
    assert_eq!(found.report.branches, 1);
    Ok(())
}

#[test]
fn an_average_over_too_many_histories_is_refused() -> Result<()> {
    let coins = |tosses: usize| {
        let mut circuit = Circuit::new(2);
        (0..tosses).for_each(|_| {
            circuit.h(0).measure(0, true);
        });
        circuit
    };
    let asked = || Requests { outcomes: vec![vec![0, 11]], ..Requests::default() };
    let found = coins(12).run(asked(), settings())?;
    assert_eq!(found.report.branches, 4096);
    assert_close(&found.outcomes[0], &[0.25; 4], 1e-12, "outcomes");
    let error = coins(13).run(asked(), settings()).err().unwrap();
    assert!(
        matches!(&error, Error::Unsupported(text) if text.contains("13") && text.contains("4096")
            && text.contains("shots")),
        "{error}"
    );
    Ok(())
}

#[test]
fn what_an_average_leaves_out_is_reported() -> Result<()> {
    let mut circuit = Circuit::new(1);
    // sin²(5e-8) = 2.5e-15
    circuit.ry(0, 1e-7).measure(0, false);
    let found = circuit.run(Requests::default(), settings())?;
    assert_eq!(found.report.branches, 1);
    assert!((found.report.dropped_branches / 2.5e-15 - 1.0).abs() < 1e-3);
    Ok(())
}

#[test]
fn truncation_is_reported_history_by_history() -> Result<()> {
    let n = 6;
    let mut circuit = random_circuit(n, 6);
    circuit.random(&[4, 5], &mut Random(2)).random(&[2, 3], &mut Random(1));
    let asked = Requests { words: vec![vec![(0, Pauli::Z.into())]], ..Requests::default() };
    let limited = Settings { max_bond_dim: Some(3), ..settings() };
    let report = circuit.run(asked.clone(), limited)?.report;
    let lost: f64 = report.discarded.iter().sum();
    assert!(lost > 1e-3 && report.cones[0] > 1e-3 && report.cones[0] < lost + 1e-12);
    assert!(report.log_norm < -1e-4 && report.saturated.contains(&true));
    assert!(report.largest_bond <= 3 && report.bonds.iter().all(|bond| *bond <= 3));
    let exact = circuit.run(asked, settings())?.report;
    assert!(exact.discarded.iter().sum::<f64>() < 1e-20 && exact.cones[0] < 1e-20);
    Ok(())
}

#[test]
fn the_memory_plan_counts_the_states_that_wait() {
    let n = 40;
    let circuit = |measured: usize| {
        let mut random = Random(1);
        let mut circuit = Circuit::new(n);
        for layer in 0..12 {
            for wire in (layer % 2..n - 1).step_by(2) {
                circuit.random(&[wire, wire + 1], &mut random);
            }
        }
        (0..measured).for_each(|wire| {
            circuit.measure(wire, false);
        });
        circuit
    };
    let prepare = |measured: usize| {
        let limits = Settings { max_bond_dim: Some(32), memory_limit: 14 << 20, ..settings() };
        let group = circuit(measured).group(Requests::default()).unwrap();
        Job::prepare(vec![group], limits, &PlanCache::default()).err()
    };
    // A state of 40 sites and bond 32 takes 1.2 MB.
    assert!(prepare(0).is_none());
    assert!(prepare(4).is_none());
    assert!(matches!(prepare(12), Some(Error::Resource(_))));
}

#[test]
fn lists_of_outcomes_count_as_memory() -> Result<()> {
    let circuit = |measured: usize| {
        let mut circuit = Circuit::new(2);
        (0..measured).for_each(|_| {
            circuit.measure(0, false);
        });
        circuit
    };
    let list = |length: usize| Requests { outcomes: vec![(0..length).collect()], ..none() };
    let limited = || Settings { memory_limit: 1 << 24, ..settings() };
    let error = circuit(27).run(list(27), limited()).err().unwrap();
    assert!(
        matches!(&error, Error::Resource(text) if text.contains("2^27 numbers")
            && text.contains("measurements")),
        "{error}"
    );
    assert_eq!(circuit(27).run(list(16), limited())?.outcomes[0].len(), 1 << 16);
    for length in [31, 64, 70] {
        let error = circuit(length).run(list(length), settings()).err().unwrap();
        assert!(
            matches!(&error, Error::Unsupported(text) if text.contains("fewer")
                && text.contains("shots")),
            "{error}"
        );
    }
    // Outcomes of shots
    let sampling = Sampling { wires: vec![0], letters: vec![Pauli::Z], shots: 10_000, stream: 0 };
    let asked = Requests { samplings: vec![sampling], seeds: vec![[1, 2]], ..none() };
    let error = circuit(2_000).run(asked.clone(), limited()).err().unwrap();
    assert!(
        matches!(&error, Error::Resource(text) if text.contains("2000 mid-circuit")),
        "{error}"
    );
    circuit(200).run(asked, limited())?;
    Ok(())
}

fn none() -> Requests {
    Requests::default()
}

/// What the plan accepts, its states that wait counted, runs to its end.
#[test]
fn an_accepted_plan_is_not_refused_midway() -> Result<()> {
    let n = 20;
    let mut random = Random(1);
    let mut circuit = Circuit::new(n);
    let brickwall = |circuit: &mut Circuit, random: &mut Random| {
        for layer in 0..8 {
            for wire in (layer % 2..n - 1).step_by(2) {
                circuit.random(&[wire, wire + 1], random);
            }
        }
    };
    brickwall(&mut circuit, &mut random);
    for wire in 0..6 {
        circuit.measure(3 * wire, false);
        brickwall(&mut circuit, &mut random);
    }
    let limit = |memory_limit: u64| Settings { max_bond_dim: Some(12), memory_limit, ..settings() };
    let accepts = |bytes: u64| {
        let group = circuit.group(Requests::default()).unwrap();
        Job::prepare(vec![group], limit(bytes), &PlanCache::default()).is_ok()
    };
    let (mut refused, mut accepted) = (0, 1 << 30);
    while accepted - refused > 1 << 10 {
        let middle = u64::midpoint(accepted, refused);
        if accepts(middle) { accepted = middle } else { refused = middle }
    }
    let report = circuit.run(Requests::default(), limit(accepted))?.report;
    assert_eq!(report.branches, 64);
    Ok(())
}
