//! What no bit of a derivative depends on: threads, other rows, other outputs, checkpoints.
#![allow(clippy::unwrap_used)] // in a test a panic is the report

mod gradient_cases;
mod steps;

use bondline::{Derivatives, GradientJob, GradientMethod, Outputs, PlanCache, Readout, Requests};
use bondline::{Error, Settings};
use gradient_cases::{
    Case, READOUTS, Read, Z, brick, differentiate, error, many, random_weights, real, settings,
};
use steps::Random;

const METHODS: [GradientMethod; 2] = [GradientMethod::Adjoint, GradientMethod::TwoState];

fn bits(found: &Derivatives) -> Vec<u64> {
    found.gradients.iter().chain(&found.variance_coefficients).map(|x| x.to_bits()).collect()
}

/// Large enough for several threads, inside a level and over outputs.
fn busy_case(outputs: usize) -> Case {
    let mut random = Random(17);
    let circuit = brick(12, 6, &mut random);
    Case::new(circuit, Read::mixed(12, outputs, &mut random))
}

/// The same without imaginary parts, but in some of its outputs.
fn real_case(outputs: usize) -> Case {
    let mut random = Random(18);
    let circuit = real(12, 5, &mut random);
    let mut case = Case::new(circuit, Read::mixed(12, outputs, &mut random));
    // The last output has no word with a Y.
    let words = case.read.requests.words.len();
    let last = &mut case.read.outputs.words[(outputs - 1) * words..];
    [1, 5].iter().for_each(|with_y| last[*with_y] = 0.0);
    case.read.outputs.variances[outputs - 1] = 0.0;
    let densities = &mut case.read.outputs.densities[0];
    let start = densities.len() / outputs * (outputs - 1);
    densities[start..].fill(bondline::C64::ZERO);
    case
}

/// Rows of parameters beside the case's own, and weights of each.
fn batch(case: &Case, rows: usize) -> (Vec<Vec<f64>>, Outputs) {
    let mut random = Random(31);
    let own = &case.circuit.parameters;
    let parameters: Vec<Vec<f64>> =
        (0..rows).map(|row| own.iter().map(|x| x + row as f64 * random.next()).collect()).collect();
    let weights = random_weights(&case.read.requests, case.read.outputs.count, rows, &mut random);
    (parameters, Outputs { differentiated: case.differentiated(), ..weights })
}

/// Row `row` of `outputs`.
fn weights_of(outputs: &Outputs, row: usize) -> Outputs {
    fn part<T: Clone>(list: &[T], row: usize, rows: usize) -> Vec<T> {
        let width = list.len() / rows;
        list[row * width..(row + 1) * width].to_vec()
    }
    let rows = outputs.rows;
    Outputs {
        rows: 1,
        words: part(&outputs.words, row, rows),
        variances: part(&outputs.variances, row, rows),
        probabilities: outputs.probabilities.iter().map(|list| part(list, row, rows)).collect(),
        densities: outputs.densities.iter().map(|list| part(list, row, rows)).collect(),
        ..outputs.clone()
    }
}

/// Output `output` alone.
fn output_of(outputs: &Outputs, output: usize) -> Outputs {
    Outputs { count: 1, ..weights_of(&Outputs { rows: outputs.count, ..outputs.clone() }, output) }
}

#[test]
fn threads_change_no_bit() {
    let cases = [busy_case(3), real_case(3)];
    for (case, readout) in cases.iter().flat_map(|case| READOUTS.map(|readout| (case, readout))) {
        for method in METHODS {
            let run = |threads| {
                let settings = Settings { threads: Some(threads), ..settings(Some(16), readout) };
                case.differentiate(settings, method)
            };
            let one = run(1);
            assert!(one.result.rows[0].report.largest_bond == 16);
            for threads in [2, 8] {
                let many = run(threads);
                assert_eq!(bits(&one.rows[0]), bits(&many.rows[0]), "{threads} {method:?}");
                assert_eq!(one.result.rows[0].words, many.result.rows[0].words);
                assert_eq!(one.result.rows[0].variances, many.result.rows[0].variances);
                assert_eq!(one.result.rows[0].probabilities, many.result.rows[0].probabilities);
                assert_eq!(one.result.rows[0].densities, many.result.rows[0].densities);
            }
        }
    }
}

/// Corners where nothing is cut, with long words beside short ones.
fn corner_case(outputs: usize) -> Case {
    let mut random = Random(23);
    let circuit = brick(12, 4, &mut random);
    let circuit = circuit.with(|at| if at % 3 == 0 { circuit.parameters[at] } else { 0.0 });
    Case::new(circuit, Read::mixed(12, outputs, &mut random))
}

#[test]
fn at_corners_no_bit_changes_either() {
    let case = corner_case(4);
    let (parameters, outputs) = batch(&case, 1);
    let run = |outputs: &Outputs, threads| {
        let settings = Settings { threads: Some(threads), ..settings(None, Readout::Local) };
        let group = case.group(&parameters);
        differentiate(group, outputs.clone(), settings, GradientMethod::Adjoint).unwrap()
    };
    let one = run(&outputs, 1);
    assert!(one.rows[0].guarded);
    for threads in [2, 8] {
        let many = run(&outputs, threads);
        assert_eq!(bits(&one.rows[0]), bits(&many.rows[0]), "{threads}");
    }
    let width = case.circuit.parameters.len();
    for output in 0..4 {
        let alone = run(&output_of(&outputs, output), 2);
        let own = &one.rows[0].gradients[output * width..][..width];
        assert_eq!(own, alone.rows[0].gradients, "{output}");
    }
}

#[test]
fn rows_are_on_their_own_in_a_batch() {
    let case = busy_case(2);
    let mut with_zeros = case.clone();
    // At a corner, too.
    with_zeros.circuit = case.circuit.with(|at| if at % 3 == 0 { 0.0 } else { 0.3 });
    for case in [case, with_zeros] {
        let (parameters, outputs) = batch(&case, 3);
        for threads in [1, 2, 8] {
            let settings = Settings { threads: Some(threads), ..settings(Some(8), Readout::Local) };
            let adjoint = GradientMethod::Adjoint;
            let group = case.group(&parameters);
            let all = differentiate(group, outputs.clone(), settings.clone(), adjoint).unwrap();
            assert_eq!(all.sizes, [2, case.circuit.parameters.len(), 4]);
            for (row, found) in all.rows.iter().enumerate() {
                let group = case.group(&parameters[row..=row]);
                let weights = weights_of(&outputs, row);
                let alone = differentiate(group, weights, settings.clone(), adjoint).unwrap();
                assert_eq!(bits(found), bits(&alone.rows[0]), "{row} {threads}");
                assert_eq!(all.result.rows[row].words, alone.result.rows[0].words);
                assert_eq!(found.guarded, alone.rows[0].guarded);
            }
        }
    }
}

#[test]
fn groups_are_on_their_own_in_a_batch() {
    let first = busy_case(2);
    let mut random = Random(5);
    let second = Case::new(many(7, &mut random), Read::mixed(7, 1, &mut random));
    let settings = settings(Some(8), Readout::State);
    let groups = vec![first.group(&first.own_row()), second.group(&second.own_row())];
    let outputs = vec![first.outputs(), second.outputs()];
    let method = GradientMethod::Adjoint;
    let cache = PlanCache::default();
    let job = GradientJob::prepare(groups, outputs, settings.clone(), method, &cache).unwrap();
    let found = job.execute(&bondline::Cancel::default()).unwrap();
    for (case, found) in [first, second].iter().zip(found) {
        assert_eq!(bits(&found.rows[0]), bits(&case.adjoint(settings.clone())));
    }
}

#[test]
fn rows_may_have_coefficients_of_their_own() {
    let case = busy_case(1);
    let (parameters, outputs) = batch(&case, 2);
    let mut each = case.clone();
    each.read.requests.variance_coefficients = vec![0.7, -0.4, 1.1, 0.5, 0.2, 0.9, -0.3, 0.8];
    let (settings, method) = (settings(Some(4), Readout::Local), GradientMethod::Adjoint);
    let all =
        differentiate(each.group(&parameters), outputs.clone(), settings.clone(), method).unwrap();
    for row in 0..2 {
        let mut alone = case.clone();
        alone.read.requests = Requests {
            variance_coefficients: each.read.requests.variance_coefficients[4 * row..][..4]
                .to_vec(),
            ..case.read.requests.clone()
        };
        let group = alone.group(&parameters[row..=row]);
        let found =
            differentiate(group, weights_of(&outputs, row), settings.clone(), method).unwrap();
        assert_eq!(bits(&all.rows[row]), bits(&found.rows[0]), "{row}");
    }
}

#[test]
fn outputs_are_on_their_own_in_a_jacobian() {
    let cases = [busy_case(5), real_case(5)];
    for (case, readout) in cases.iter().flat_map(|case| READOUTS.map(|readout| (case, readout))) {
        let outputs = case.outputs();
        let width = case.circuit.parameters.len();
        for threads in [1, 8] {
            for method in METHODS {
                let settings = Settings { threads: Some(threads), ..settings(Some(8), readout) };
                let all = case.differentiate(settings.clone(), method).rows.remove(0);
                for output in 0..5 {
                    let group = case.group(&case.own_row());
                    let weights = output_of(&outputs, output);
                    let found = differentiate(group, weights, settings.clone(), method).unwrap();
                    let alone = &found.rows[0];
                    let own = &all.gradients[output * width..][..width];
                    assert_eq!(own, alone.gradients, "{output} {readout:?} {method:?}");
                    let own = &all.variance_coefficients[output * 4..][..4];
                    assert_eq!(own, alone.variance_coefficients, "{output} {readout:?}");
                }
            }
        }
    }
}

#[test]
fn what_lies_outside_a_light_cone_is_exactly_zero() {
    let mut random = Random(9);
    let (n, layers) = (12, 2);
    let circuit = brick(n, layers, &mut random);
    let words = (0..n as usize).map(|wire| (0.0, vec![(wire, Z)])).collect::<Vec<_>>();
    let mut read = Read::words(&words);
    read.outputs.count = n as usize;
    read.outputs.words = vec![0.0; (n * n) as usize];
    read.outputs.words.iter_mut().step_by(n as usize + 1).for_each(|x| *x = 1.0);
    let case = Case::new(circuit, read);
    let found = case.adjoint(settings(Some(3), Readout::Local)).gradients;
    let width = case.circuit.parameters.len();
    // Gates of the first layer reach three wires further through it and two through the second.
    let mut inside = 0;
    for output in 0..n as usize {
        for wire in 0..n as usize {
            let derivative = found[output * width + 2 * wire];
            if output.abs_diff(wire) > 2 * layers {
                assert_eq!(derivative.to_bits(), 0, "{output} {wire}");
            } else {
                inside += usize::from(derivative != 0.0);
            }
        }
    }
    assert!(inside > 3 * n as usize);
}

#[test]
fn checkpoints_change_no_bit() {
    let mut random = Random(3);
    let many = Case::new(many(8, &mut random), Read::mixed(8, 2, &mut random));
    // The last has weak directions and is not cut: there memory decides which of two ways is taken.
    let cases = [(busy_case(2), true), (real_case(2), true), (many, false)];
    for (case, same_way) in cases {
        for method in METHODS {
            let run = |memory_limit| {
                let settings = Settings { memory_limit, ..settings(Some(16), Readout::Local) };
                let (group, cache) = (case.group(&case.own_row()), PlanCache::default());
                GradientJob::prepare(vec![group], vec![case.outputs()], settings, method, &cache)
            };
            let large = run(1 << 30).unwrap().execute(&bondline::Cancel::default()).unwrap();
            assert_eq!(large[0].rows[0].checkpoints, 0);
            // The least that the job accepts, to a twentieth.
            let mut limit = 1_u64 << 30;
            while run(limit / 20 * 19).is_ok() {
                limit = limit / 20 * 19;
            }
            assert!(matches!(run(limit / 20 * 19), Err(Error::Resource(_))));
            let mut seen = Vec::new();
            for limit in [limit, limit / 10 * 11, limit / 10 * 15] {
                let small = run(limit).unwrap().execute(&bondline::Cancel::default()).unwrap();
                let (one, two) = (&large[0].rows[0], &small[0].rows[0]);
                if same_way || method == GradientMethod::TwoState {
                    assert_eq!(bits(one), bits(two), "{limit} {method:?}");
                }
                let error = error(&two.gradients, &one.gradients);
                assert!(error < 1e-12, "{limit} {method:?}: {error:e}");
                assert!(small[0].rows[0].tape_bytes <= large[0].rows[0].tape_bytes);
                seen.push(small[0].rows[0].checkpoints);
            }
            assert!(seen[0] > 0, "{limit}");
        }
    }
}
