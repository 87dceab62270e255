//! Laws of every truncation method, on matrices of every awkward kind.
#![allow(clippy::unwrap_used, clippy::panic)] // in a test a panic is the report

use bondline::linalg::{
    Cut, Expected, Method, Truncation, Workspace, adjoint_times, matrix, matrix_mut,
};
use bondline::linalg::{times, truncate};
use std::panic::AssertUnwindSafe;

use bondline::{C64, Double};
use proptest::prelude::*;

const METHODS: [Method; 3] = [Method::Auto, Method::Gram, Method::Svd];

fn policy(method: Method, limit: Option<usize>, cutoff: f64) -> Truncation {
    Truncation {
        limit,
        cutoff,
        noise_floor: 1e-15,
        method,
        expected: Expected::Nothing,
        keep_dropped: false,
    }
}

/// Numbers in [-1, 1) from a counter: the tests' own, so that a failure can be replayed.
fn random<W: Double>(seed: u64, count: usize) -> Vec<W> {
    let mut state = seed.wrapping_mul(2).wrapping_add(1);
    let mut next = || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        f64::from((state >> 33) as u32) / f64::from(1_u32 << 30) - 1.0
    };
    (0..count).map(|_| W::from_c64(C64::new(next(), next()))).collect()
}

fn product<W: Double>(a: &[W], b: &[W], rows: usize, inner: usize, cols: usize) -> Vec<W> {
    let mut out = vec![W::ZERO; rows * cols];
    times(matrix_mut(&mut out, rows, cols), matrix(a, rows, inner), matrix(b, inner, cols));
    out
}

/// A random matrix whose k-th direction is damped by `decay^k`; `rank` caps the rank.
fn graded<W: Double>(seed: u64, rows: usize, cols: usize, rank: usize, decay: f64) -> Vec<W> {
    let mut left: Vec<W> = random(seed, rows * rank);
    let mut damping = 1.0;
    for column in left.chunks_exact_mut(rows) {
        column.iter_mut().for_each(|x| *x = x.scale(damping));
        damping *= decay;
    }
    product(&left, &random(seed ^ 0xABCD, rank * cols), rows, rank, cols)
}

fn weight<W: Double>(a: &[W]) -> f64 {
    a.iter().map(|x| x.norm_sqr()).sum()
}

/// Everything a cut promises.
fn check<W: Double>(
    theta: &[W],
    rows: usize,
    cols: usize,
    policy: &Truncation,
    cut: &Cut<W>,
    resolution: f64,
) {
    let rank = cut.rank();
    let total = weight(theta);
    assert!(rank >= 1 && rank <= rows.min(cols), "rank {rank} of {rows}x{cols}");
    assert!(policy.limit.is_none_or(|limit| rank <= limit));
    assert_eq!(cut.vectors.len(), cols * rank);
    let mut overlaps = vec![W::ZERO; rank * rank];
    let vectors = matrix(&cut.vectors, cols, rank);
    adjoint_times(matrix_mut(&mut overlaps, rank, rank), vectors, vectors);
    for (index, entry) in overlaps.iter().enumerate() {
        let expected = if index % (rank + 1) == 0 { W::ONE } else { W::ZERO };
        assert!((*entry - expected).modulus() < 1e-11, "V is not orthonormal: {entry:?}");
    }
    // What the kept directions hold is what the cut reports, direction by direction.
    let kept = product(theta, &cut.vectors, rows, cols, rank);
    let lost = 1.0 - weight(&kept) / total;
    assert!((lost - cut.discarded).abs() < 1e-11 + resolution, "{lost} {}", cut.discarded);
    assert!((0.0..=1.0).contains(&cut.discarded));
    let norm: f64 = cut.schmidt.iter().map(|s| s * s).sum();
    assert!((norm - 1.0).abs() < 1e-12);
    assert!(cut.schmidt.windows(2).all(|pair| pair[0] >= pair[1]));
    for (column, s) in kept.chunks_exact(rows).zip(&cut.schmidt) {
        let found = weight(column) / weight(&kept);
        assert!((found - s * s).abs() < 1e-11 + resolution, "{found} {}", s * s);
    }
    if !cut.saturated {
        assert!(cut.discarded <= policy.cutoff + 1e-13 + resolution);
    }
}

#[test]
fn every_method_keeps_its_promises_on_awkward_matrices() -> bondline::Result<()> {
    check_awkward::<C64>()?;
    check_awkward::<f64>()
}

fn check_awkward<W: Double>() -> bondline::Result<()> {
    let mut cases: Vec<(String, usize, usize, Vec<W>)> = vec![
        ("1x1".into(), 1, 1, vec![W::from_c64(C64::new(0.3, -0.4))]),
        ("one entry".into(), 6, 4, {
            let mut entries = vec![W::ZERO; 24];
            entries[13] = W::from_c64(C64::new(-1.0, 2.0));
            entries
        }),
        ("identity".into(), 8, 8, {
            let mut entries = vec![W::ZERO; 64];
            entries.iter_mut().step_by(9).for_each(|x| *x = W::ONE);
            entries
        }),
    ];
    for (rows, cols) in [(2, 2), (4, 2), (2, 8), (16, 16), (40, 24), (24, 40), (9, 64), (64, 9)] {
        cases.push((format!("{rows}x{cols}"), rows, cols, random(5, rows * cols)));
        let small = rows.min(cols);
        let rank = (small / 2).max(1);
        cases.push((format!("{rows}x{cols} low"), rows, cols, graded(9, rows, cols, rank, 1.0)));
        // Graded to about 1e-20 in the singular values.
        let decay = 1e-20_f64.powf(1.0 / small as f64);
        cases.push((
            format!("{rows}x{cols} graded"),
            rows,
            cols,
            graded(3, rows, cols, small, decay),
        ));
    }
    for size in [127, 128, 129, 130] {
        for rank in [size / 4, size / 2] {
            cases.push((
                format!("{size} rank {rank}"),
                size,
                size,
                graded(1, size, size, rank, 1.0),
            ));
        }
    }
    let mut workspace = Workspace::default();
    for (name, rows, cols, theta) in &cases {
        for method in METHODS {
            for limit in [None, Some(1), Some(3), Some(1000)] {
                for cutoff in [0.0, 1e-20, 1e-10, 1e-2] {
                    let policy = policy(method, limit, cutoff);
                    let view = matrix(theta, *rows, *cols);
                    let cut = truncate(view, *rows.min(cols), &policy, &mut workspace)?;
                    let resolution = if method == Method::Gram { 1e-12 } else { 0.0 };
                    let caught = std::panic::catch_unwind(AssertUnwindSafe(|| {
                        check(theta, *rows, *cols, &policy, &cut, resolution);
                    }));
                    assert!(caught.is_ok(), "{name} {method:?} {limit:?} {cutoff:e}");
                }
            }
        }
    }
    Ok(())
}

#[test]
fn methods_agree_on_what_they_keep() -> bondline::Result<()> {
    let mut workspace = Workspace::default();
    for (rows, cols) in [(32, 32), (20, 50), (50, 20), (128, 128)] {
        let theta: Vec<C64> = graded(11, rows, cols, rows.min(cols), 0.9);
        let mut spectra = Vec::new();
        for method in METHODS {
            let policy = policy(method, Some(10), 0.0);
            let cut = truncate(matrix(&theta, rows, cols), 64, &policy, &mut workspace)?;
            assert!(cut.saturated);
            spectra.push((cut.schmidt, cut.discarded));
        }
        for (schmidt, discarded) in &spectra[1..] {
            assert!((discarded - spectra[0].1).abs() < 1e-12);
            for (x, y) in schmidt.iter().zip(&spectra[0].0) {
                assert!((x - y).abs() < 1e-12);
            }
        }
    }
    Ok(())
}

#[test]
fn a_rank_bound_keeps_noise_out() -> bondline::Result<()> {
    let theta: Vec<C64> = graded(21, 30, 30, 4, 1.0);
    for method in METHODS {
        let policy = policy(method, None, 0.0);
        let cut = truncate(matrix(&theta, 30, 30), 4, &policy, &mut Workspace::default())?;
        assert_eq!(cut.rank(), 4, "{method:?}");
        assert!(cut.discarded < 1e-14);
    }
    Ok(())
}

#[test]
fn auto_takes_the_svd_where_small_weights_decide_and_gram_where_the_limit_does() {
    let graded_theta: Vec<C64> = graded(3, 24, 24, 24, 0.2);
    let flat: Vec<C64> = random(8, 24 * 24);
    let mut workspace = Workspace::default();
    let mut methods = |theta: &[C64], limit| {
        let policy = policy(Method::Auto, limit, 1e-20);
        truncate(matrix(theta, 24, 24), 24, &policy, &mut workspace).map(|cut| cut.methods)
    };
    assert_eq!(methods(&graded_theta, None).map(|m| (m.gram, m.svd)), Ok((0, 1)));
    assert_eq!(methods(&graded_theta, Some(4)).map(|m| (m.gram, m.svd)), Ok((1, 0)));
    assert_eq!(methods(&flat, None).map(|m| (m.gram, m.svd)), Ok((1, 0)));
}

#[test]
fn zero_and_non_finite_matrices_are_errors() {
    let zero = vec![C64::ZERO; 16];
    let broken = vec![C64::new(f64::INFINITY, 0.0); 16];
    for method in METHODS {
        for theta in [&zero, &broken] {
            let policy = policy(method, None, 0.0);
            let cut = truncate(matrix(theta, 4, 4), 4, &policy, &mut Workspace::default());
            assert!(cut.is_err(), "{method:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..Default::default() })]

    #[test]
    fn truncation_never_loses_more_than_it_reports(
        seed in 0_u64..1000,
        rows in 1_usize..24,
        cols in 1_usize..24,
        decay in 0.05_f64..1.0,
        limit in 1_usize..24,
        exponent in -20_i32..-1,
    ) {
        let theta: Vec<C64> = graded(seed, rows, cols, rows.min(cols), decay);
        for method in METHODS {
            let policy = policy(method, Some(limit), 10.0_f64.powi(exponent));
            let cut = truncate(matrix(&theta, rows, cols), 24, &policy, &mut Workspace::default());
            let resolution = if method == Method::Gram { 1e-12 } else { 0.0 };
            check(&theta, rows, cols, &policy, &cut.unwrap(), resolution);
        }
    }
}
