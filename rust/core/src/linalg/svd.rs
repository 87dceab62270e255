//! Right singular vectors and singular values, checked, with fallbacks.
//!
//! faer 0.24.4 has returned `Ok` with wrong factors (orthonormal, but errors of 2e-3) for 1 to 5% of
//! rank-deficient matrices of size 128 to 130, in its divide-and-conquer path. That path is switched
//! off here, and every result is checked all the same.

use faer::diag::DiagMut;
use faer::linalg::svd::{ComputeSvdVectors, SvdParams, svd, svd_scratch};
use faer::{Auto, MatRef, Par, Spec};

use super::{Workspace, matrix_mut, probe, thin_qr};
use crate::scalar::{C64, Double};

/// A relative residual above this is a wrong factorization, not rounding.
const TOLERANCE: f64 = 1e-11;
/// The same for what lies outside the span of the vectors.
const SPAN_TOLERANCE: f64 = 1e-12;
/// Sweeps of one-sided Jacobi; it converges quadratically and needs about ten.
const JACOBI_SWEEPS: usize = 60;

/// `a ≈ Σ_j u_j s_j v_jᴴ`, without the `u_j`.
#[derive(Debug, Clone)]
pub struct RightFactors<W = C64> {
    /// Descending, min(rows, cols) of them.
    pub singular_values: Vec<f64>,
    /// cols × min(rows, cols), column-major; columns orthonormal wherever the singular value is
    /// above rounding noise.
    pub vectors: Vec<W>,
    /// How many attempts failed the check before this one.
    pub fallbacks: usize,
}

/// One way to factorize; returns singular values and right vectors, or nothing.
type Attempt<W> = fn(MatRef<'_, W>, &mut Workspace) -> Option<(Vec<f64>, Vec<W>)>;

/// Direct, transposed, and one that cannot fail to converge: from fast to slow.
fn ladder<W: Double>() -> [Attempt<W>; 3] {
    [direct, of_adjoint, jacobi]
}

/// Singular values and right singular vectors of `a`, or `None` if no attempt passed the check
/// (then the matrix holds non-finite numbers). Cost O(rows · cols · min(rows, cols)).
pub fn right_singular_vectors<W: Double>(
    a: MatRef<'_, W>,
    workspace: &mut Workspace,
) -> Option<RightFactors<W>> {
    climb(a, &ladder(), workspace)
}

fn climb<W: Double>(
    a: MatRef<'_, W>,
    ladder: &[Attempt<W>],
    workspace: &mut Workspace,
) -> Option<RightFactors<W>> {
    let (rows, cols) = a.shape();
    // A power of two near the largest entry: factorizations see numbers near 1, so that neither
    // squares of denormals nor of huge entries lose digits; the scaling itself is exact.
    let mut largest = 0.0_f64;
    for col in 0..cols {
        for row in 0..rows {
            let entry = a[(row, col)].to_c64();
            largest = largest.max(entry.re.abs()).max(entry.im.abs());
            if !entry.is_finite() {
                return None;
            }
        }
    }
    if largest == 0.0 {
        let rank = rows.min(cols);
        let mut vectors = vec![W::ZERO; cols * rank];
        (0..rank).for_each(|j| vectors[j * cols + j] = W::ONE);
        return Some(RightFactors { singular_values: vec![0.0; rank], vectors, fallbacks: 0 });
    }
    let exponent = largest.log2().round();
    // Two factors, because 2^-exponent alone overflows for denormals.
    let (half, rest) = ((exponent / 2.0).floor(), exponent - (exponent / 2.0).floor());
    let (down, further) = ((-half).exp2(), (-rest).exp2());
    let scaled = faer::Mat::from_fn(rows, cols, |i, j| a[(i, j)].scale(down).scale(further));
    for (fallbacks, attempt) in ladder.iter().enumerate() {
        let Some((mut singular_values, vectors)) = attempt(scaled.as_ref(), workspace) else {
            continue;
        };
        if passes(scaled.as_ref(), &singular_values, &vectors) {
            for s in &mut singular_values {
                *s *= half.exp2() * rest.exp2();
            }
            return Some(RightFactors { singular_values, vectors, fallbacks });
        }
    }
    None
}

/// Without divide and conquer: 10 to 30% slower, and never seen wrong.
fn parameters<W: Double>() -> Spec<SvdParams, W> {
    SvdParams { recursion_threshold: usize::MAX, ..<SvdParams as Auto<W>>::auto() }.into()
}

fn direct<W: Double>(a: MatRef<'_, W>, workspace: &mut Workspace) -> Option<(Vec<f64>, Vec<W>)> {
    let (rows, cols) = a.shape();
    let rank = rows.min(cols);
    let mut s = vec![W::ZERO; rank];
    let mut vectors = vec![W::ZERO; cols * rank];
    let (no, thin) = (ComputeSvdVectors::No, ComputeSvdVectors::Thin);
    let request = svd_scratch::<W>(rows, cols, no, thin, Par::Seq, parameters());
    let right = matrix_mut(&mut vectors, cols, rank);
    let values = DiagMut::from_slice_mut(&mut s);
    svd(a, values, None, Some(right), Par::Seq, workspace.stack(request), parameters()).ok()?;
    Some((s.iter().map(|x| x.re()).collect(), vectors))
}

/// `aᴴ = V S Uᴴ`: the left vectors of the adjoint, reached through different arithmetic.
fn of_adjoint<W: Double>(
    a: MatRef<'_, W>,
    workspace: &mut Workspace,
) -> Option<(Vec<f64>, Vec<W>)> {
    let (rows, cols) = a.shape();
    let rank = rows.min(cols);
    let adjoint = faer::Mat::from_fn(cols, rows, |i, j| a[(j, i)].conj());
    let mut s = vec![W::ZERO; rank];
    let mut vectors = vec![W::ZERO; cols * rank];
    let (no, thin) = (ComputeSvdVectors::No, ComputeSvdVectors::Thin);
    let request = svd_scratch::<W>(cols, rows, thin, no, Par::Seq, parameters());
    let left = matrix_mut(&mut vectors, cols, rank);
    let values = DiagMut::from_slice_mut(&mut s);
    let stack = workspace.stack(request);
    svd(adjoint.as_ref(), values, Some(left), None, Par::Seq, stack, parameters()).ok()?;
    Some((s.iter().map(|x| x.re()).collect(), vectors))
}

/// One-sided Jacobi on `aᴴ` (Hestenes 1958; de Rijk 1989): rotate pairs of columns until all are
/// orthogonal; their lengths are the singular values and their directions the right vectors.
/// Slow (a few hundred times n³ flops), accurate to every relative digit, and it always converges.
fn jacobi<W: Double>(a: MatRef<'_, W>, workspace: &mut Workspace) -> Option<(Vec<f64>, Vec<W>)> {
    let (rows, cols) = a.shape();
    let rank = rows.min(cols);
    // a = Q R first when tall: the right vectors of R are those of a.
    let copy: Vec<W> = (0..cols).flat_map(|j| (0..rows).map(move |i| a[(i, j)])).collect();
    let (height, reduced) = if rows > cols {
        (cols, thin_qr(&copy, rows, cols, workspace).ok()?.r)
    } else {
        (rows, copy)
    };
    // Column j of x is the conjugate of row j of the reduced matrix.
    let mut x: Vec<Vec<W>> = (0..height)
        .map(|row| (0..cols).map(|col| reduced[col * height + row].conj()).collect())
        .collect();
    for _ in 0..JACOBI_SWEEPS {
        let mut rotated = false;
        for p in 0..height {
            for q in p + 1..height {
                rotated |= orthogonalise(&mut x, p, q);
            }
        }
        if !rotated {
            break;
        }
    }
    let length = |column: &[W]| column.iter().map(|x| x.norm_sqr()).sum::<f64>().sqrt();
    let mut columns: Vec<(f64, Vec<W>)> =
        x.into_iter().map(|column| (length(&column), column)).collect();
    columns.sort_by(|left, right| right.0.total_cmp(&left.0));
    columns.truncate(rank);
    let singular_values: Vec<f64> = columns.iter().map(|(s, _)| *s).collect();
    let vectors = columns
        .iter()
        .flat_map(|(s, column)| {
            let inverse = if *s > 0.0 { 1.0 / s } else { 0.0 };
            column.iter().map(move |v| v.scale(inverse))
        })
        .collect();
    Some((singular_values, vectors))
}

/// Rotates columns p and q so that they are orthogonal; whether a rotation was needed.
fn orthogonalise<W: Double>(x: &mut [Vec<W>], p: usize, q: usize) -> bool {
    let (head, tail) = x.split_at_mut(q);
    let (left, right) = (&mut head[p], &mut tail[0]);
    let (mut alpha, mut beta, mut gamma) = (0.0, 0.0, W::ZERO);
    for (u, v) in left.iter().zip(right.iter()) {
        alpha += u.norm_sqr();
        beta += v.norm_sqr();
        gamma += u.conj() * *v;
    }
    let coupling = gamma.modulus();
    if coupling <= 1e-15 * (alpha * beta).sqrt() || coupling == 0.0 {
        return false;
    }
    let zeta = (beta - alpha) / (2.0 * coupling);
    let tangent = zeta.signum() / (zeta.abs() + zeta.hypot(1.0));
    let cosine = 1.0 / tangent.hypot(1.0);
    let sine = cosine * tangent;
    let phase = gamma.scale(1.0 / coupling);
    for (u, v) in left.iter_mut().zip(right.iter_mut()) {
        let (old, turned) = (*u, *v * phase.conj());
        *u = old.scale(cosine) - turned.scale(sine);
        *v = old.scale(sine) + turned.scale(cosine);
    }
    true
}

/// `|a|² = Σ s²`; for one random x `V S² Vᴴ x = aᴴ a x` and `|V Vᴴx| = |Vᴴx|`; for one random z `aᴴz`
/// lies in the span of V (linear in the singular values: it sees what the squares hide).
/// Cost O(rows · cols): the wrong factors seen from faer failed the second by 1e-5.
fn passes<W: Double>(a: MatRef<'_, W>, singular_values: &[f64], vectors: &[W]) -> bool {
    let (rows, cols) = a.shape();
    let mut norm = 0.0;
    let mut image = vec![W::ZERO; rows];
    for col in 0..cols {
        let x = probe::<W>(col);
        for (row, y) in image.iter_mut().enumerate() {
            let entry = a[(row, col)];
            norm += entry.norm_sqr();
            *y += entry * x;
        }
    }
    let total: f64 = singular_values.iter().map(|s| s * s).sum();
    let largest = singular_values.first().copied().unwrap_or(0.0);
    let sound = largest.is_finite() && vectors.iter().all(|v| v.finite());
    if !sound || (total - norm).abs() > TOLERANCE * norm {
        return false;
    }
    let mut residual: Vec<W> =
        (0..cols).map(|col| (0..rows).map(|row| a[(row, col)].conj() * image[row]).sum()).collect();
    let mut projected = vec![W::ZERO; cols];
    let mut inside = 0.0;
    for (vector, s) in vectors.chunks_exact(cols).zip(singular_values) {
        // Below the noise a vector has no direction to check.
        if *s <= 1e-14 * largest {
            continue;
        }
        let component: W = vector.iter().enumerate().map(|(i, v)| v.conj() * probe::<W>(i)).sum();
        inside += component.norm_sqr();
        for ((r, p), v) in residual.iter_mut().zip(&mut projected).zip(vector) {
            *r -= (*v * component).scale(s * s);
            *p += *v * component;
        }
    }
    let length = |vector: &[W]| vector.iter().map(|x| x.norm_sqr()).sum::<f64>();
    let scale = (cols as f64).sqrt();
    let mut outside: Vec<W> = (0..cols)
        .map(|col| (0..rows).map(|row| a[(row, col)].conj() * probe::<W>(cols + row)).sum())
        .collect();
    for vector in vectors.chunks_exact(cols) {
        let along: W = vector.iter().zip(&outside).map(|(v, w)| v.conj() * *w).sum();
        outside.iter_mut().zip(vector).for_each(|(w, v)| *w -= *v * along);
    }
    let spanned =
        length(&outside).sqrt() <= SPAN_TOLERANCE * largest * scale * (rows as f64).sqrt();
    spanned
        && length(&residual).sqrt() <= TOLERANCE * largest * largest * scale
        && (length(&projected) - inside).abs() <= TOLERANCE * scale * scale
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::linalg::{matrix, times};

    fn low_rank<W: Double>(rows: usize, cols: usize, rank: usize) -> Vec<W> {
        let left: Vec<W> = (0..rows * rank).map(|i| probe(7 * i + 1)).collect();
        let right: Vec<W> = (0..rank * cols).map(|i| probe(5 * i + 3)).collect();
        let mut product = vec![W::ZERO; rows * cols];
        times(
            matrix_mut(&mut product, rows, cols),
            matrix(&left, rows, rank),
            matrix(&right, rank, cols),
        );
        product
    }

    fn shapes() -> Vec<(usize, usize, usize)> {
        vec![
            (1, 1, 1),
            (2, 5, 2),
            (5, 2, 1),
            (20, 20, 3),
            (128, 128, 32),
            (129, 130, 64),
            (40, 9, 9),
        ]
    }

    #[test]
    fn every_rung_gives_checked_factors() {
        check_rungs::<C64>();
        check_rungs::<f64>();
    }

    fn check_rungs<W: Double>() {
        for (rows, cols, rank) in shapes() {
            let a = low_rank::<W>(rows, cols, rank);
            let view = matrix(&a, rows, cols);
            let mut spectra = Vec::new();
            for attempt in ladder::<W>() {
                let factors = climb(view, &[attempt], &mut Workspace::default());
                let factors = factors.unwrap_or_else(|| panic!("{rows}x{cols} rank {rank}"));
                spectra.push(factors.singular_values);
            }
            for other in &spectra[1..] {
                for (x, y) in spectra[0].iter().zip(other) {
                    assert!((x - y).abs() < 1e-11 * spectra[0][0], "{rows}x{cols}: {x} {y}");
                }
            }
        }
    }

    #[test]
    fn a_wrong_factorization_is_caught_and_the_next_rung_counted() {
        fn swapped(a: MatRef<'_, C64>, w: &mut Workspace) -> Option<(Vec<f64>, Vec<C64>)> {
            let (s, mut v) = direct(a, w)?;
            // Orthonormal, right singular values, wrong pairing: the kind of error seen.
            let cols = a.ncols();
            for i in 0..cols {
                v.swap(i, cols + i);
            }
            Some((s, v))
        }
        fn silent(_: MatRef<'_, C64>, _: &mut Workspace) -> Option<(Vec<f64>, Vec<C64>)> {
            None
        }
        let a = low_rank(30, 20, 20);
        let ladder: [Attempt<C64>; 4] = [silent, swapped, of_adjoint, jacobi];
        let found = climb(matrix(&a, 30, 20), &ladder, &mut Workspace::default());
        assert_eq!(found.map(|f| f.fallbacks), Some(2));
    }

    #[test]
    fn tiny_huge_and_zero_matrices_are_factorized_and_non_finite_ones_refused() {
        let a: Vec<C64> = low_rank(12, 10, 10);
        let reference = right_singular_vectors(matrix(&a, 12, 10), &mut Workspace::default());
        let reference = reference.map(|f| f.singular_values[0]).unwrap_or_default();
        for exponent in [-1000.0_f64, 900.0] {
            let scaled: Vec<C64> = a.iter().map(|x| x * exponent.exp2()).collect();
            let found = right_singular_vectors(matrix(&scaled, 12, 10), &mut Workspace::default());
            let largest = found.map(|f| f.singular_values[0]).unwrap_or_default();
            assert!((largest / exponent.exp2() - reference).abs() < 1e-12 * reference);
        }
        let zero = vec![C64::ZERO; 6];
        assert!(right_singular_vectors(matrix(&zero, 3, 2), &mut Workspace::default()).is_some());
        let broken = vec![C64::new(f64::NAN, 0.0); 6];
        assert!(right_singular_vectors(matrix(&broken, 3, 2), &mut Workspace::default()).is_none());
    }
}
