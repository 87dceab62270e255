//! Measurements of sites one after the other: outcomes as a dense vector has them, in any order, and
//! a cost that does not grow with the number of measurements before.

mod states;

use bondline::mps::{Loose, Mps, outcome_probabilities, project};
use bondline::{C64, Cancel, Result, Scalar};

use states::{Random, dense, random_state, single};

/// Projects a dense vector, and returns the probabilities before.
fn measured(vector: &mut [C64], n: usize, site: usize, outcome: bool) -> [f64; 2] {
    let bit = |index: usize| index >> (n - 1 - site) & 1;
    let mut weights = [0.0; 2];
    vector.iter().enumerate().for_each(|(index, x)| weights[bit(index)] += x.norm_sqr());
    let total: f64 = weights.iter().sum();
    let amplitudes = vector.iter_mut().enumerate();
    amplitudes.filter(|(i, _)| bit(*i) != usize::from(outcome)).for_each(|(_, x)| *x = C64::ZERO);
    weights.map(|weight| weight / total)
}

/// Measures `order`, taking outcomes at random, and compares with the dense vector.
fn check<T: Scalar>(
    mut state: Mps<T>,
    mut loose: Loose,
    order: &[usize],
    tolerance: f64,
) -> Result<()> {
    let (n, mut vector) = (state.n_sites(), dense(&state));
    let mut random = Random(3);
    for &site in order {
        let found = outcome_probabilities(&state, site, &mut loose, &Cancel::default())?;
        assert!((found[0] + found[1] - 1.0).abs() < 1e-12);
        let outcome = 0.5 * (random.next() + 1.0) >= found[0];
        let expected = measured(&mut vector, n, site, outcome);
        assert!(
            (found[0] - expected[0]).abs() < tolerance,
            "{order:?} at {site}: {found:?} {expected:?}"
        );
        let probability = found[usize::from(outcome)];
        project(&mut state, site, (outcome, probability), false, &mut loose);
    }
    Ok(())
}

#[test]
fn outcomes_are_those_of_the_amplitudes_in_any_order() -> Result<()> {
    let n = 8;
    let orders: [&[usize]; 6] = [
        &[0, 1, 2, 3, 4, 5, 6, 7],
        &[7, 6, 5, 4, 3, 2, 1, 0],
        &[3, 5, 4, 2, 4, 6, 0, 7, 1],
        &[0, 2, 4, 6, 7, 5, 3, 1],
        &[4, 3, 5, 2, 6, 1, 7, 0],
        &[5, 5, 1, 6, 1],
    ];
    for order in orders {
        let state = random_state(&[2, 4, 5, 6, 5, 3, 2], 9)?;
        // As if truncated everywhere, and canonical.
        check(state.clone(), Loose::all(n), order, 1e-12)?;
        check(single(&state)?, Loose::all(n), order, 1e-4)?;
        check(state.clone(), Loose::default(), order, 1e-12)?;
        check(single(&state)?, Loose::default(), order, 1e-4)?;
    }
    Ok(())
}

#[test]
fn measurements_in_a_row_contract_each_site_once() -> Result<()> {
    let n = 200;
    let bonds: Vec<usize> = (1..n).map(|i| [1, 2, 4][i.min(n - i).min(2)]).collect();
    let canonical = random_state(&bonds, 4)?;
    let orders: [Vec<usize>; 4] = [
        (0..n).collect(),
        (0..n).rev().collect(),
        (n / 2..n).collect(),
        (0..n).rev().filter(|site| site % 3 == 0).collect(),
    ];
    for order in orders {
        let (mut state, mut loose) = (canonical.clone(), Loose::default());
        for &site in &order {
            let found = outcome_probabilities(&state, site, &mut loose, &Cancel::default())?;
            let outcome = found[1] > found[0];
            let chosen = (outcome, found[usize::from(outcome)]);
            project(&mut state, site, chosen, false, &mut loose);
        }
        assert!(loose.contracted() <= n, "{} sites of {n} contracted", loose.contracted());
    }
    Ok(())
}
