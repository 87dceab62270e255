//! A gate of two sites as a sum of products, with room for its derivatives.

use crate::error::Result;
use crate::linalg::{Expected, Method, Truncation, Workspace, matrix, truncate};
use crate::scalar::C64;

/// Parts of derivatives below this have no place of their own.
const NOTHING: f64 = 1e-13;

/// G as products of row-major 2×2 matrices, and its derivatives as those of the factors.
pub(super) struct Factors {
    pub left: Vec<[C64; 4]>,
    pub right: Vec<[C64; 4]>,
    pub tangents: Vec<Tangent>,
}

/// The derivatives of all factors by one parameter.
pub(super) struct Tangent {
    pub parameter: usize,
    pub left: Vec<[C64; 4]>,
    pub right: Vec<[C64; 4]>,
}

impl Factors {
    /// `M[(p p'), (q q')] = Σ_k σ_k u_k v_k`: a derivative dM is one of `σ u` where it has rows v, one of v
    /// where it has columns u, and the rest needs places of its own.
    ///
    /// # Errors
    /// Those of [`truncate`].
    pub fn new(
        gate: &[C64; 16],
        tangents: &[(usize, [C64; 16])],
        workspace: &mut Workspace,
    ) -> Result<Self> {
        let m = operator_matrix(gate);
        let policy = Truncation {
            limit: None,
            cutoff: 0.0,
            noise_floor: NOTHING,
            method: Method::Svd,
            expected: Expected::Nothing,
            keep_dropped: false,
        };
        let cut = truncate(matrix(&m, 4, 4), 4, &policy, workspace)?;
        let root = std::f64::consts::SQRT_2;
        let v: Vec<[C64; 4]> =
            cut.vectors.chunks_exact(4).map(|v| std::array::from_fn(|c| v[c])).collect();
        let u: Vec<[C64; 4]> = v.iter().map(|v| onto(&m, v)).collect();
        // What of each derivative has neither a column u nor a row v.
        let mut found = Vec::with_capacity(tangents.len());
        let mut places: Vec<[C64; 4]> = Vec::new();
        for (parameter, tangent) in tangents {
            let mut rest = operator_matrix(tangent);
            let left: Vec<[C64; 4]> = v.iter().map(|v| onto(&rest, v)).collect();
            for (d, v) in left.iter().zip(&v) {
                subtract(&mut rest, d, &v.map(|x| x.conj()));
            }
            let mut right = Vec::with_capacity(v.len());
            for u in &u {
                let weight: f64 = u.iter().map(C64::norm_sqr).sum();
                // w[c] = Σ_r conj(u[r]) · rest[r, c] / |u|²
                let w: [C64; 4] = std::array::from_fn(|c| {
                    (0..4).map(|r| u[r].conj() * rest[r + 4 * c]).sum::<C64>() / weight
                });
                subtract(&mut rest, u, &w);
                right.push(w.map(|x| x * root));
            }
            for r in 0..4 {
                let mut row: [C64; 4] = std::array::from_fn(|c| rest[r + 4 * c]);
                for _ in 0..2 {
                    for place in &places {
                        let share: C64 = place.iter().zip(&row).map(|(e, x)| e.conj() * x).sum();
                        row.iter_mut().zip(place).for_each(|(x, e)| *x -= share * e);
                    }
                }
                let norm = row.iter().map(C64::norm_sqr).sum::<f64>().sqrt();
                if norm > NOTHING {
                    places.push(row.map(|x| x / norm));
                }
            }
            found.push((*parameter, left, right, rest));
        }
        let zero = [C64::ZERO; 4];
        let tangents = found.into_iter().map(|(parameter, mut left, mut right, rest)| {
            left.extend(places.iter().map(|place| onto(&rest, &place.map(|x| x.conj()))));
            left.iter_mut().flatten().for_each(|x| *x /= root);
            right.extend(places.iter().map(|_| zero));
            Tangent { parameter, left, right }
        });
        let tangents = tangents.collect();
        let left = u.iter().map(|u| u.map(|x| x / root)).chain(places.iter().map(|_| zero));
        let right = v.iter().map(|v| v.map(|x| x.conj() * root));
        let right = right.chain(places.iter().map(|place| place.map(|x| x * root)));
        Ok(Self { left: left.collect(), right: right.collect(), tangents })
    }
}

/// `M[(p p'), (q q')]` of a row-major `G[(p q), (p' q')]`, column-major.
fn operator_matrix(gate: &[C64; 16]) -> [C64; 16] {
    std::array::from_fn(|at| {
        let (row, column) = (at % 4, at / 4);
        let (p, p_in, q, q_in) = (row / 2, row % 2, column / 2, column % 2);
        gate[4 * (2 * p + q) + 2 * p_in + q_in]
    })
}

/// `M v`
fn onto(m: &[C64; 16], v: &[C64; 4]) -> [C64; 4] {
    std::array::from_fn(|r| (0..4).map(|c| m[r + 4 * c] * v[c]).sum())
}

/// `M −= a bᵀ`
fn subtract(m: &mut [C64; 16], a: &[C64; 4], b: &[C64; 4]) {
    m.iter_mut().enumerate().for_each(|(at, x)| *x -= a[at % 4] * b[at / 4]);
}
