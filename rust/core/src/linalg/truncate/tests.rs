//! Where a limit cuts, and what is told of the directions behind the cut.

use super::{Expected, Method, Truncation, choose_rank, clear_cut, gap_at, truncate};
use crate::error::Result;
use crate::linalg::{Workspace, matrix};
use crate::scalar::C64;

#[test]
fn a_clear_cut_stays() {
    assert_eq!(clear_cut(&[1.0, 0.5, 0.2, 0.1], 1, 0.0), 1);
    assert_eq!(clear_cut(&[1.0, 0.5, 0.2, 0.1], 3, 0.0), 3);
    // Narrow, but too few are kept for a window.
    assert_eq!(clear_cut(&[1.0, 0.5, 0.4999, 0.1], 2, 0.0), 2);
}

#[test]
fn a_cut_between_equal_weights_moves_to_the_nearest_gap() {
    assert_eq!(clear_cut(&[1.0, 0.5, 0.5, 0.1], 2, 0.0), 1);
    assert_eq!(clear_cut(&[1.0, 0.5, 0.5, 0.5, 0.5, 0.1], 4, 0.0), 1);
    assert_eq!(clear_cut(&[1.0, 0.9, 0.5, 0.5 * (1.0 - 1e-11), 0.1], 3, 0.0), 2);
    // A gap of rounding errors is none.
    assert_eq!(clear_cut(&[1.0, 0.5, 1e-30, 0.999e-30], 3, 1e-30), 2);
    // Nowhere to go.
    assert_eq!(clear_cut(&[1.0, 1.0, 1.0], 2, 0.0), 2);
}

#[test]
fn a_narrow_cut_moves_to_the_widest_gap_among_the_last_twentieth() {
    // Gaps that widen slowly.
    let steps = |at: usize| 1.0 - 1e-3 * at as f64;
    let mut weights: Vec<f64> = (0..80).map(steps).collect();
    assert_eq!(clear_cut(&weights, 60, 0.0), 60);
    // A gap of 0.5 % three before the limit, and a wider one out of the window.
    weights[57..].iter_mut().for_each(|w| *w *= 0.995);
    weights[50..].iter_mut().for_each(|w| *w *= 0.9);
    assert_eq!(clear_cut(&weights, 60, 0.0), 57);
    // Two gaps alike: more is kept.
    let mut weights: Vec<f64> = vec![1.0; 80];
    for (at, w) in weights.iter_mut().enumerate() {
        *w = 0.5_f64.powi(i32::from(at >= 58) + i32::from(at >= 59));
    }
    assert_eq!(clear_cut(&weights, 60, 0.0), 59);
}

fn policy(limit: Option<usize>, cutoff: f64) -> Truncation {
    Truncation {
        limit,
        cutoff,
        noise_floor: 1e-15,
        method: Method::Auto,
        expected: Expected::Nothing,
        keep_dropped: true,
    }
}

#[test]
fn a_choice_tells_its_gap_and_whether_it_moved() {
    let choose = |weights: &[f64], limit, cutoff| {
        let choice = choose_rank(weights, weights.len(), &policy(limit, cutoff), 1e-30);
        choice.map(|choice| (choice.rank, choice.saturated, choice.gap, choice.shifted))
    };
    let weights = [1.0, 0.5, 0.5, 0.1];
    assert_eq!(choose(&weights, Some(3), 0.0), Some((3, true, gap_at(&weights, 3), false)));
    assert_eq!(choose(&weights, Some(2), 0.0), Some((1, true, 0.5, true)));
    assert_eq!(choose(&weights, None, 0.0), Some((4, false, 1.0, false)));
    // Below the limit the cutoff makes the cut, and no gap is told.
    assert_eq!(choose(&weights, Some(3), 0.1), Some((3, false, 1.0, false)));
    assert_eq!(choose(&[0.0, 0.0], Some(1), 0.0), None);
}

/// A diagonal matrix of these weights.
fn diagonal(weights: &[f64]) -> Vec<C64> {
    let mut theta = vec![C64::ZERO; weights.len() * weights.len()];
    let places = theta.iter_mut().step_by(weights.len() + 1);
    places.zip(weights).for_each(|(x, w)| *x = w.sqrt().into());
    theta
}

#[test]
fn what_is_dropped_is_told_apart_from_what_is_nothing() -> Result<()> {
    /// Weights, limit, bound of the rank; kept, dropped directions, corner.
    type Case<'a> = (&'a [f64], Option<usize>, usize, usize, usize, bool);
    let cases: [Case<'_>; 8] = [
        (&[1.0, 0.5, 0.25, 0.1], Some(2), 4, 2, 2, false),
        (&[1.0, 0.5, 0.25, 0.1], None, 4, 4, 0, false),
        // Nothing behind a cut of the limit.
        (&[1.0, 0.5, 0.25, 0.0], Some(2), 4, 2, 1, false),
        // The rank bound says that there can be no more.
        (&[1.0, 0.5, 0.0, 0.0], None, 2, 2, 0, false),
        // There could be.
        (&[1.0, 0.5, 0.0, 0.0], None, 3, 2, 0, true),
        (&[1.0, 0.5, 1e-26, 0.0], None, 3, 2, 0, true),
        // Weak already: what comes next would be weaker.
        (&[1.0, 1e-17, 0.0, 0.0], None, 3, 2, 0, false),
        // Weak, but not without weight: no corner, though it may come to life.
        (&[1.0, 0.5, 1e-20, 0.0], None, 3, 2, 1, false),
    ];
    for (weights, limit, bound, kept, dropped, corner) in cases {
        for method in [Method::Auto, Method::Svd] {
            let theta = diagonal(weights);
            let view = matrix(&theta, weights.len(), weights.len());
            let policy = Truncation { method, ..policy(limit, 1e-18) };
            let cut = truncate(view, bound, &policy, &mut Workspace::default())?;
            assert_eq!(cut.rank(), kept, "{weights:?} {method:?}");
            let found = cut.dropped.ok_or_else(|| crate::error::Error::invalid("none"))?;
            assert_eq!(found.weights.len(), dropped, "{weights:?} {method:?}");
            assert_eq!(found.vectors.len(), dropped * weights.len());
            assert_eq!(found.corner, corner, "{weights:?} {method:?}");
            let weak = weights[kept - 1] < 1e-14
                || weights.get(kept).is_some_and(|w| (1e-21..1e-19).contains(w));
            assert_eq!(found.graded, weak, "{weights:?} {method:?}");
        }
    }
    Ok(())
}

#[test]
fn on_a_tape_a_gram_matrix_resolves_weak_directions_if_all_are_kept() -> Result<()> {
    // Weights, bound of the rank, whether the Gram matrix serves.
    let cases: [(&[f64], usize, bool); 4] = [
        (&[1.0, 1e-3, 1e-12], 3, true),
        (&[1.0, 1e-3, 1e-14], 3, false),
        // It would mix the weak one with what has no weight.
        (&[1.0, 1e-3, 1e-12, 0.0], 3, false),
        (&[1.0, 1e-3, 1e-12, 1e-19], 4, false),
    ];
    for (weights, bound, by_gram) in cases {
        let theta = diagonal(weights);
        let view = matrix(&theta, weights.len(), weights.len());
        let cut = truncate(view, bound, &policy(None, 1e-18), &mut Workspace::default())?;
        assert_eq!(cut.rank(), 3, "{weights:?}");
        assert_eq!(
            (cut.methods.gram == 1, cut.methods.svd == 0),
            (by_gram, by_gram),
            "{weights:?}"
        );
    }
    Ok(())
}
