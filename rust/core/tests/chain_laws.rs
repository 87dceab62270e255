//! Operators on many sites, against a dense vector.
#![allow(clippy::unwrap_used, clippy::panic)] // in a test a panic is the report

mod steps;

use std::ops::Range;

use bondline::mps::{
    EvolutionLog, Mps, Parallelism, Scratches, Step, StepGate, canonicalise, dense_amplitudes,
    evolve, log_norm_squared, schmidt_weights,
};
use bondline::{Block, C32, C64, Cancel, ChainOperator, OperatorSite, Pauli, Result, Scalar};
use steps::{Random, brickwall, dense, evolution, inner, run};

/// exp(−iθ/2 P) on neighbouring sites: cos − i sin P.
fn rotation(word: &[Pauli], angle: f64) -> ChainOperator {
    let (sin, cos) = (angle / 2.0).sin_cos();
    let last = word.len() - 1;
    let site = |(at, letter): (usize, &Pauli)| {
        let (left, right) = (if at == 0 { 1 } else { 2 }, if at == last { 1 } else { 2 });
        let factors =
            if at == 0 { [C64::new(cos, 0.0), C64::new(0.0, -sin)] } else { [C64::ONE; 2] };
        let blocks = [Pauli::I, *letter].into_iter().enumerate();
        let block = |(term, letter): (usize, Pauli)| Block {
            left: term.min(left - 1),
            right: term.min(right - 1),
            matrix: letter.matrix().map(|x| x * factors[term]),
        };
        OperatorSite { left, right, blocks: blocks.map(block).collect() }
    };
    ChainOperator { sites: word.iter().enumerate().map(site).collect() }
}

/// A brickwall with a rotation about a word of random length, letters and place after each layer.
fn circuit(
    n: usize,
    layers: usize,
    limit: Option<usize>,
    seed: u64,
) -> (Vec<Step>, Vec<Range<usize>>) {
    let mut random = Random(seed);
    let mut below = |end: usize| (f64::midpoint(random.next(), 1.0) * end as f64) as usize % end;
    let (mut steps, mut levels) = (Vec::new(), Vec::new());
    let (bricks, brick_levels) = brickwall(n, layers, limit, seed);
    for level in brick_levels {
        let start = steps.len();
        steps.extend_from_slice(&bricks[level]);
        levels.push(start..steps.len());
        let width = 2 + below(n - 1);
        let letters = [Pauli::I, Pauli::X, Pauli::Y, Pauli::Z];
        let word: Vec<Pauli> = (0..width).map(|_| letters[below(4)]).collect();
        let gate = StepGate::Chain(rotation(&word, below(1000) as f64 / 100.0));
        steps.push(Step { site: below(n - width + 1), gate, limit });
        levels.push(steps.len() - 1..steps.len());
    }
    (steps, levels)
}

fn amplitudes<T: Scalar>(state: &Mps<T>) -> Vec<C64> {
    let wires: Vec<usize> = (0..state.n_sites()).collect();
    dense_amplitudes(state, &wires, &Cancel::default()).unwrap()
}

#[test]
fn chain_steps_around_a_centre_are_those_of_the_dense_vector() -> Result<()> {
    for (n, layers, seed) in [(2, 3, 1), (3, 4, 2), (6, 5, 3), (9, 6, 4), (10, 4, 5)] {
        let (steps, levels) = circuit(n, layers, None, seed);
        // Below zero: from the first level on.
        let (state, log) = run::<C64>(n, &steps, &levels, &evolution(0.0, Some(-1.0)))?;
        assert_eq!((log.sweeps, log.canonical), (1, true));
        let pairs = amplitudes(&state).into_iter().zip(dense(n, &steps));
        let difference = pairs.map(|(x, y)| (x - y).norm()).fold(0.0, f64::max);
        assert!(difference < 1e-12, "{n}: {difference}");
        assert!(state.canonical_error() < 1e-12);
        assert!(log_norm_squared(&state, &Cancel::default())?.abs() < 1e-12);
    }
    Ok(())
}

#[test]
fn untruncated_chain_steps_are_those_of_the_dense_vector() -> Result<()> {
    for (n, layers, seed) in [(2, 3, 1), (3, 4, 2), (6, 5, 3), (9, 6, 4), (10, 4, 5)] {
        let (steps, levels) = circuit(n, layers, None, seed);
        let (state, log) = run::<C64>(n, &steps, &levels, &evolution(0.0, None))?;
        let difference = amplitudes(&state)
            .iter()
            .zip(dense(n, &steps))
            .map(|(x, y)| (x - y).norm())
            .fold(0.0, f64::max);
        assert!(difference < 1e-12, "{n}: {difference}");
        assert!(state.canonical_error() < 1e-12);
        assert!(log.discarded.iter().all(|weight| *weight < 1e-25));
        assert!(log_norm_squared(&state, &Cancel::default())?.abs() < 1e-12);
        // The kept Schmidt values are those that a sweep finds.
        let mut swept = state.clone();
        canonicalise(&mut swept, &Cancel::default())?;
        for bond in 1..n {
            let (found, expected) = (schmidt_weights(&state, bond), schmidt_weights(&swept, bond));
            for (x, y) in found.iter().zip(&expected) {
                assert!((x - y).abs() < 1e-12, "bond {bond}: {x} {y}");
            }
        }
    }
    Ok(())
}

/// One random state, one chain step limited to `limit` on it, and the same step unlimited.
fn truncated(n: usize, limit: usize, angle: f64) -> Result<(Mps<C64>, EvolutionLog, Mps<C64>)> {
    let (mut steps, mut levels) = brickwall(n, 8, None, 21);
    let word = [Pauli::X, Pauli::Z, Pauli::I, Pauli::Y, Pauli::Z, Pauli::X];
    levels.push(steps.len()..steps.len() + 1);
    steps.push(Step { site: 2, gate: StepGate::Chain(rotation(&word, angle)), limit: Some(limit) });
    let (cut, log) = run(n, &steps, &levels, &evolution(0.0, None))?;
    steps.last_mut().unwrap().limit = None;
    let (whole, _) = run(n, &steps, &levels, &evolution(0.0, None))?;
    Ok((cut, log, whole))
}

#[test]
fn what_a_truncated_chain_step_reports_is_what_it_lost() -> Result<()> {
    let n = 10;
    for limit in [1, 3, 7, 12] {
        let (cut, log, whole) = truncated(n, limit, 1.1)?;
        let first = log.discarded.len() - 1;
        let (a, b) = (amplitudes(&cut), amplitudes(&whole));
        let norm = log_norm_squared(&cut, &Cancel::default())?.exp();
        // Amplitudes come normalised.
        let overlap = inner(&a, &b) * norm.sqrt();
        // Every cut projects what the one before left: the overlap is the product of what stayed,
        // and so is the norm.
        let kept: f64 = log.discarded_on_bond.iter().map(|weight| 1.0 - weight).product();
        assert!(overlap.im.abs() < 1e-12 && (overlap.re - norm).abs() < 1e-12, "{overlap} {norm}");
        assert!((norm - kept).abs() < 1e-12, "{norm} {kept}");
        // The first cut made, that of the last bond, is the optimal one.
        let schmidt = schmidt_weights(&whole, 7);
        let lost: f64 = schmidt[limit.min(schmidt.len())..].iter().sum();
        assert!((log.discarded_on_bond[6] - lost).abs() < 1e-12);
        assert!((log.discarded[first] - log.discarded_on_bond.iter().sum::<f64>()).abs() < 1e-15);
        // Bonds 3 to 7 lie inside the step; bits of the form are lost only left of it.
        for (bond, dim) in cut.bond_dims().into_iter().enumerate() {
            let inside = (2..7).contains(&bond);
            assert!(!inside || dim <= limit);
            assert_eq!(log.saturated[bond], inside && log.discarded_on_bond[bond] > 0.0);
        }
        for site in &cut.tensors()[3..8] {
            let right = site.right;
            for (x, y) in (0..site.left).flat_map(|x| (0..site.left).map(move |y| (x, y))) {
                let sum: C64 = (0..2 * right)
                    .map(|c| {
                        site.entries[x + c * site.left] * site.entries[y + c * site.left].conj()
                    })
                    .sum();
                let expected = if x == y { C64::ONE } else { C64::ZERO };
                assert!((sum - expected).norm() < 1e-13);
            }
        }
    }
    Ok(())
}

#[test]
fn single_precision_chain_steps_are_right_to_1e_4() -> Result<()> {
    let n = 9;
    let (steps, levels) = circuit(n, 8, None, 11);
    let (state, _) = run::<C32>(n, &steps, &levels, &evolution(1e-12, None))?;
    let difference = amplitudes(&state)
        .iter()
        .zip(dense(n, &steps))
        .map(|(x, y)| (x - y).norm())
        .fold(0.0, f64::max);
    assert!(difference < 1e-5, "{difference}");
    Ok(())
}

#[test]
fn repeated_single_precision_steps_do_not_drift() -> Result<()> {
    // Equal rotations by little: rounded gates would add up their errors, 5e-8 each.
    let (n, repetitions) = (4, 3000);
    let zz = |angle: f64| {
        let half = C64::from_polar(1.0, angle / 2.0);
        let mut gate = [C64::ZERO; 16];
        (gate[0], gate[5], gate[10], gate[15]) = (half.conj(), half, half, half.conj());
        StepGate::Two(gate, 2)
    };
    let rx = |angle: f64| {
        let (sin, cos) = (angle / 2.0).sin_cos();
        let (c, s) = (C64::new(cos, 0.0), C64::new(0.0, -sin));
        StepGate::One([c, s, s, c])
    };
    let (mut steps, mut levels) = (Vec::new(), Vec::new());
    for repetition in 0..repetitions {
        for site in 0..n {
            steps.push(Step { site, gate: rx(0.0031), limit: None });
        }
        levels.push(steps.len() - n..steps.len());
        let first = repetition % 2;
        let start = steps.len();
        for site in (first..n - 1).step_by(2) {
            steps.push(Step { site, gate: zz(0.0047), limit: None });
        }
        levels.push(start..steps.len());
        let word = [Pauli::Z, Pauli::X, Pauli::Y, Pauli::Z];
        steps.push(Step { site: 0, gate: StepGate::Chain(rotation(&word, 0.0023)), limit: None });
        levels.push(steps.len() - 1..steps.len());
    }
    let mut rounded = steps.clone();
    for step in &mut rounded {
        let round = |x: &mut C64| *x = C32::from_c64(*x).to_c64();
        match &mut step.gate {
            StepGate::One(u) => u.iter_mut().for_each(round),
            StepGate::Two(u, _) => u.iter_mut().for_each(round),
            StepGate::Chain(operator) => {
                let blocks = operator.sites.iter_mut().flat_map(|site| &mut site.blocks);
                blocks.flat_map(|block| &mut block.matrix).for_each(round);
            }
        }
    }
    let z = |vector: &[C64], site: usize| -> f64 {
        let signed = vector.iter().enumerate().map(|(index, x)| {
            if index >> (n - 1 - site) & 1 == 0 { x.norm_sqr() } else { -x.norm_sqr() }
        });
        signed.sum()
    };
    let (double, _) = run::<C64>(n, &steps, &levels, &evolution(1e-20, None))?;
    let double = amplitudes(&double);
    let errors = |norm: f64, vector: &[C64]| {
        let values = (0..n).map(|site| (z(vector, site) - z(&double, site)).abs());
        [norm.abs(), values.fold(0.0, f64::max)]
    };
    let (single, _) = run::<C32>(n, &steps, &levels, &evolution(1e-12, None))?;
    let found = errors(log_norm_squared(&single, &Cancel::default())?, &amplitudes(&single));
    let (by_rounded, _) = run::<C64>(n, &rounded, &levels, &evolution(1e-20, None))?;
    let avoided =
        errors(log_norm_squared(&by_rounded, &Cancel::default())?, &amplitudes(&by_rounded));
    assert!(found.iter().all(|error| *error < 5e-5), "{found:?}");
    assert!(avoided[0] > 2e-4, "rounded gates would do as well: {avoided:?}");
    Ok(())
}

/// Rounded tensors are no isometries; what that does to the norm is taken out, for it tells of
/// truncations.
#[test]
fn the_norm_of_single_precision_tells_of_truncations_alone() -> Result<()> {
    let (n, repetitions) = (200, 100);
    let h = C64::new(std::f64::consts::FRAC_1_SQRT_2, 0.0);
    let mut steps: Vec<Step> =
        (0..n).map(|site| Step { site, gate: StepGate::One([h, h, h, -h]), limit: None }).collect();
    let mut levels: Vec<_> = std::iter::once(0..n).collect();
    for repetition in 0..repetitions {
        let angle = 0.1 + 0.03 * f64::from(repetition);
        let gate = StepGate::Chain(rotation(&vec![Pauli::Z; n], angle));
        levels.push(steps.len()..steps.len() + 1);
        steps.push(Step { site: 0, gate, limit: None });
    }
    let (state, log) = run::<C32>(n, &steps, &levels, &evolution(1e-12, None))?;
    assert!(log.discarded.iter().sum::<f64>() < 1e-9);
    let norm = log_norm_squared(&state, &Cancel::default())?;
    // The Hadamard gates alone: 3.4e-8 a site.
    assert!(norm.abs() < 1e-5, "{norm:e}");
    Ok(())
}

#[test]
fn bits_of_chain_steps_do_not_depend_on_threads() -> Result<()> {
    let n = 28;
    let (bricks, _) = brickwall(n, 9, Some(24), 6);
    let (mut steps, mut levels) = brickwall(n, 9, Some(24), 7);
    // Two chain steps in each level, then more bricks.
    for (at, angle) in [(0, 0.3), (1, 0.9), (2, 1.4)] {
        let start = steps.len();
        for site in [at, 14 + at] {
            let gate = StepGate::Chain(rotation(&[Pauli::Y; 12], angle));
            steps.push(Step { site, gate, limit: Some(24) });
        }
        levels.push(start..steps.len());
        let start = steps.len();
        steps.extend(
            bricks[28 * at..28 * at + 28].iter().filter(|step| step.gate.width() == 1).cloned(),
        );
        levels.push(start..steps.len());
    }
    let mut seen: Option<Mps<C64>> = None;
    for (threads, parallelism) in
        [(1, Parallelism::Sequential), (2, Parallelism::Pool), (8, Parallelism::Pool)]
    {
        let found = bondline::pool(threads)?.install(|| -> Result<_> {
            let mut state = Mps::zeros(n)?;
            let (scratches, flag) = (Scratches::default(), Cancel::default());
            let evolution = evolution(1e-20, Some(0.05));
            evolve(&mut state, &steps, &levels, &evolution, parallelism, &scratches, &flag)?;
            Ok(state)
        })?;
        match &seen {
            None => seen = Some(found),
            Some(first) => assert!(*first == found, "{threads} threads gave other bits"),
        }
    }
    Ok(())
}

#[test]
fn long_lossy_chains_do_not_underflow() -> Result<()> {
    let (n, limit) = (300, Some(2));
    let (mut steps, mut levels) = brickwall(n, 70, limit, 9);
    let before = steps.clone();
    let before_levels = levels.clone();
    for angle in [1.3, 0.8, 2.0] {
        levels.push(steps.len()..steps.len() + 1);
        steps.push(Step {
            site: 0,
            gate: StepGate::Chain(rotation(&vec![Pauli::X; n], angle)),
            limit,
        });
    }
    let flag = Cancel::default();
    let (lossy, _) = run::<C64>(n, &before, &before_levels, &evolution(0.0, None))?;
    let start = log_norm_squared(&lossy, &flag)?;
    assert!(start < -800.0, "this circuit should lose more, ln norm {start}");
    let (state, log) = run::<C64>(n, &steps, &levels, &evolution(0.0, None))?;
    let lost: f64 = log.discarded_on_bond.iter().sum();
    let found = log_norm_squared(&state, &flag)?;
    assert!(found.is_finite() && found < start && lost > 0.0, "{found} {start}");
    let (single, _) = run::<C32>(n, &steps, &levels, &evolution(1e-12, None))?;
    assert!((log_norm_squared(&single, &flag)? / found - 1.0).abs() < 0.05);
    Ok(())
}

#[test]
fn a_chain_step_past_the_limit_of_entries_is_refused() {
    let (steps, levels) = circuit(10, 6, None, 4);
    let mut evolution = evolution(0.0, None);
    evolution.max_entries = 4000;
    let error = run::<C64>(10, &steps, &levels, &evolution).err();
    assert!(matches!(error, Some(bondline::Error::Resource(_))), "{error:?}");
}

/// Circuits with gates on many wires, through the engine's entry.
mod circuits {
    use std::sync::Arc;

    use bondline::circuit::{ADJOINT_BIT, CircuitArrays, GATES, Structure};
    use bondline::{
        Cancel, CircuitResult, Group, Job, LoadedState, Method, Ordering, Pauli, PlanCache,
        Precision, Readout, Requests, Result, Settings,
    };

    #[derive(Default)]
    pub struct Circuit {
        pub arrays: CircuitArrays,
        pub parameters: Vec<f64>,
    }

    impl Circuit {
        pub fn new(n_wires: usize) -> Self {
            let arrays = CircuitArrays { n_wires, ..CircuitArrays::default() };
            Self { arrays, parameters: Vec::new() }
        }

        /// The first wires are controls, one for each of `values`; a name with a dagger is adjoint.
        pub fn add(&mut self, name: &str, values: &[u8], wires: &[u32], parameters: &[f64]) {
            let plain = name.trim_end_matches('†');
            let id = GATES.iter().position(|gate| gate.name == plain).unwrap() as u16;
            self.arrays.gates.push(if plain == name { id } else { id | ADJOINT_BIT });
            self.arrays.control_counts.push(values.len() as u32);
            self.arrays.control_values.extend(values);
            self.arrays.wire_counts.push(wires.len() as u32);
            self.arrays.wires.extend(wires);
            self.parameters.extend(parameters);
        }

        /// A Pauli rotation about `letters`, 1 X, 2 Y, 3 Z.
        pub fn rotate(&mut self, name: &str, letters: &[u8], wires: &[u32], angle: f64) {
            self.arrays.letters.extend(letters);
            self.add(name, &[], wires, &[angle]);
        }

        /// ⟨Z⟩ of every wire at a largest bond of `limit`, and the whole result.
        pub fn run(self, limit: usize, precision: Precision) -> Result<(Vec<f64>, CircuitResult)> {
            let words =
                (0..self.arrays.n_wires).map(|wire| vec![(wire, Pauli::Z.into())]).collect();
            let group = Group {
                structure: Arc::new(Structure::new(self.arrays)?),
                rows: 1,
                parameters: self.parameters,
                matrices: vec![],
                loaded: LoadedState::None,
                requests: Requests { words, ..Requests::default() },
            };
            let settings = Settings {
                max_bond_dim: Some(limit),
                cutoff: 0.0,
                precision,
                readout: Readout::Local,
                sweeps: true,
                ordering: Ordering::Given,
                method: Method::Auto,
                threads: Some(2),
                memory_limit: 1 << 30,
            };
            let job = Job::prepare(vec![group], settings, &PlanCache::default())?;
            let row = job.execute(&Cancel::default())?.swap_remove(0).rows.swap_remove(0);
            Ok((row.words.clone(), row))
        }
    }
}

use bondline::Precision;
use circuits::Circuit;

#[test]
fn a_flip_with_59_controls_is_exact_at_bond_2() -> Result<()> {
    let all: Vec<u32> = (0..60).collect();
    // Target in the middle, at an end; wires in another order; one control unlike its value.
    for (target, wrong) in [(30, None), (59, None), (0, None), (13, Some(40))] {
        let mut wires: Vec<u32> = all.iter().rev().copied().filter(|w| *w != target).collect();
        wires.rotate_left(17);
        let values: Vec<u8> = wires.iter().map(|wire| u8::from(wire % 7 != 3)).collect();
        let mut circuit = Circuit::new(60);
        for (&wire, &value) in wires.iter().zip(&values) {
            if (value == 1) != (Some(wire) == wrong) {
                circuit.add("PauliX", &[], &[wire], &[]);
            }
        }
        wires.push(target);
        circuit.add("PauliX", &values, &wires, &[]);
        let (z, row) = circuit.run(2, Precision::Double)?;
        let expected = if wrong.is_none() { -1.0 } else { 1.0 };
        assert!((z[target as usize] - expected).abs() < 1e-12, "{target}: {}", z[target as usize]);
        assert!(z.iter().all(|z| (z.abs() - 1.0).abs() < 1e-12));
        assert!(row.report.discarded.iter().all(|weight| *weight < 1e-20));
        assert!(row.report.log_norm.abs() < 1e-12);
        assert_eq!(row.report.bonds, [1; 59]);
    }
    Ok(())
}

#[test]
fn a_superposed_control_makes_a_wide_gate_an_entangler_of_bond_2() -> Result<()> {
    // (|0…0⟩ + |1…1⟩)/√2 by one Hadamard and flips with ever more controls.
    let n = 40;
    let mut circuit = Circuit::new(n);
    circuit.add("Hadamard", &[], &[0], &[]);
    for target in 1..n as u32 {
        let wires: Vec<u32> = (0..=target).collect();
        circuit.add("PauliX", &vec![1; target as usize], &wires, &[]);
    }
    let (z, row) = circuit.run(2, Precision::Double)?;
    assert!(z.iter().all(|z| z.abs() < 1e-12), "{z:?}");
    assert_eq!(row.report.bonds, vec![2; n - 1]);
    assert!(row.report.discarded.iter().all(|weight| *weight < 1e-20));
    Ok(())
}

#[test]
fn a_rotation_about_a_word_over_100_wires_and_its_adjoint() -> Result<()> {
    let n = 110;
    let wires: Vec<u32> = (0..n as u32).filter(|wire| wire % 10 != 4).rev().collect();
    let letters: Vec<u8> = (0..wires.len()).map(|at| if at % 3 == 0 { 3 } else { 1 }).collect();
    for (undone, precision, tolerance) in [
        (false, Precision::Double, 1e-12),
        (true, Precision::Double, 1e-12),
        (false, Precision::Single, 1e-5),
    ] {
        let mut circuit = Circuit::new(n);
        circuit.rotate("PauliRot", &letters, &wires, 0.8);
        if undone {
            circuit.rotate("PauliRot†", &letters, &wires, 0.8);
        }
        let (z, row) = circuit.run(2, precision)?;
        for (wire, z) in z.iter().enumerate() {
            // cos|0…0⟩ − i sin P|0…0⟩: a wire with an X is flipped with probability sin².
            let place = wires.iter().position(|other| *other as usize == wire);
            let flips = place.is_some_and(|place| letters[place] == 1) && !undone;
            let expected = if flips { 0.8_f64.cos() } else { 1.0 };
            assert!((z - expected).abs() < tolerance, "wire {wire}: {z} {expected}");
        }
        assert!(row.report.largest_bond <= 2);
    }
    Ok(())
}

#[test]
fn a_small_wide_rotation_of_a_full_state_loses_only_what_it_must() -> Result<()> {
    // Bonds full at 16: a detour through wider states would lose a fifth.
    let (n, limit) = (12, 16);
    let (mut steps, mut levels) = brickwall(n, 12, Some(limit), 17);
    let (before, _) = run::<C64>(n, &steps, &levels, &evolution(0.0, None))?;
    assert_eq!(before.bond_dims().into_iter().max(), Some(limit));
    let mut kept = Vec::new();
    for limit in [Some(limit), None] {
        let (mut state, flag) = (before.clone(), Cancel::default());
        canonicalise(&mut state, &flag)?;
        let gate = StepGate::Chain(rotation(&[Pauli::Z; 12], 0.01));
        steps = vec![Step { site: 0, gate, limit }];
        levels = vec![Range { start: 0, end: 1 }];
        let (evolution, scratches) = (evolution(0.0, None), Scratches::default());
        let mode = Parallelism::Sequential;
        evolve(&mut state, &steps, &levels, &evolution, mode, &scratches, &flag)?;
        kept.push(amplitudes(&state));
    }
    let fidelity = inner(&kept[0], &kept[1]).norm_sqr();
    assert!((0.9999..1.0).contains(&fidelity), "{fidelity}");
    Ok(())
}
