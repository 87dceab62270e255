//! Matrices of the named gates on more than two wires, in `PennyLane`'s conventions (checked against
//! its version 0.45.1): row-major, first wire most significant.

use super::C64;
use super::gate_matrices::phase;
use super::matrix::{ONE, ZERO};

const SIDE: usize = 16;

/// `corner` on every state but |0011⟩ and |1100⟩, which rotate by half the angle.
fn double(angle: f64, corner: C64) -> Vec<C64> {
    let (sin, cos) = (angle / 2.0).sin_cos();
    let mut matrix = vec![ZERO; SIDE * SIDE];
    matrix.iter_mut().step_by(SIDE + 1).for_each(|x| *x = corner);
    let (low, high) = (0b0011, 0b1100);
    matrix[low * SIDE + low] = C64::new(cos, 0.0);
    matrix[high * SIDE + high] = C64::new(cos, 0.0);
    matrix[low * SIDE + high] = C64::new(-sin, 0.0);
    matrix[high * SIDE + low] = C64::new(sin, 0.0);
    matrix
}

pub(super) fn double_excitation(p: &[f64]) -> Vec<C64> {
    double(p[0], ONE)
}

pub(super) fn double_excitation_plus(p: &[f64]) -> Vec<C64> {
    double(p[0], phase(p[0] / 2.0))
}

pub(super) fn double_excitation_minus(p: &[f64]) -> Vec<C64> {
    double(p[0], phase(-p[0] / 2.0))
}

/// A spin-adapted rotation of two orbitals: a fermion hops between wires 0 and 2 past wire 1, and
/// one between 1 and 3 past wire 2, each passed fermion giving a sign. The two commute.
pub(super) fn orbital_rotation(p: &[f64]) -> Vec<C64> {
    let (sin, cos) = (p[0] / 2.0).sin_cos();
    let mut matrix = vec![ZERO; SIDE * SIDE];
    for column in 0..SIDE {
        for (first, x) in hop(column, [0b1000, 0b0010], 0b0100, sin, cos) {
            for (row, y) in hop(first, [0b0100, 0b0001], 0b0010, sin, cos) {
                matrix[row * SIDE + column] += x * y;
            }
        }
    }
    matrix
}

/// What becomes of a basis state: cos of it, and ±sin of it with the fermion on the other one of
/// `sites`, + towards the first; the sign turns if `passed` is occupied.
fn hop(state: usize, sites: [usize; 2], passed: usize, sin: f64, cos: f64) -> [(usize, f64); 2] {
    let sign = if state & passed == 0 { sin } else { -sin };
    match sites.map(|site| state & site != 0) {
        [false, true] => [(state, cos), (state ^ (sites[0] | sites[1]), sign)],
        [true, false] => [(state, cos), (state ^ (sites[0] | sites[1]), -sign)],
        _ => [(state, 1.0), (state, 0.0)],
    }
}

#[cfg(test)]
mod tests {
    use super::{
        C64, SIDE, ZERO, double_excitation, double_excitation_minus, double_excitation_plus,
        orbital_rotation,
    };

    // cos and sin of half the angle 0.7.
    const C: f64 = 0.939_372_712_847_378_9;
    const S: f64 = 0.342_897_807_455_451_3;

    #[test]
    fn double_excitations_are_those_of_pennylane() {
        for (matrix, corner) in [
            (double_excitation(&[0.7]), C64::new(1.0, 0.0)),
            (double_excitation_plus(&[0.7]), C64::new(C, S)),
            (double_excitation_minus(&[0.7]), C64::new(C, -S)),
        ] {
            for (at, x) in matrix.iter().enumerate() {
                let expected = match (at / SIDE, at % SIDE) {
                    (0b0011, 0b0011) | (0b1100, 0b1100) => C64::new(C, 0.0),
                    (0b0011, 0b1100) => C64::new(-S, 0.0),
                    (0b1100, 0b0011) => C64::new(S, 0.0),
                    (row, column) if row == column => corner,
                    _ => ZERO,
                };
                assert!((x - expected).norm() < 1e-15, "{:04b} {:04b}", at / SIDE, at % SIDE);
            }
        }
    }

    #[test]
    fn orbital_rotations_are_those_of_pennylane() {
        // Off the diagonal, from `OrbitalRotation.compute_matrix(0.7)`.
        let (cs, ss) = (0.322_108_843_618_845_5, 0.117_578_906_357_755_78);
        let expected = [
            (0b0001, 0b0100, -S),
            (0b0010, 0b1000, -S),
            (0b0011, 0b0110, cs),
            (0b0011, 0b1001, -cs),
            (0b0011, 0b1100, ss),
            (0b0110, 0b1001, ss),
            (0b0110, 0b1100, cs),
            (0b0111, 0b1101, S),
            (0b1001, 0b1100, -cs),
            (0b1011, 0b1110, S),
        ];
        let matrix = orbital_rotation(&[0.7]);
        for row in 0..SIDE {
            for column in row + 1..SIDE {
                let entry =
                    expected.iter().find(|e| (e.0, e.1) == (row, column)).map_or(0.0, |e| e.2);
                // Entries of two hops are symmetric, those of one antisymmetric.
                let back = if (row ^ column) == 0b1111 { entry } else { -entry };
                assert!(
                    (matrix[row * SIDE + column] - entry).norm() < 1e-15,
                    "{row:04b} {column:04b}"
                );
                assert!(
                    (matrix[column * SIDE + row] - back).norm() < 1e-15,
                    "{row:04b} {column:04b}"
                );
            }
        }
        let diagonal = [1.0, C, C, C * C, C, 1.0, C * C, C, C, C * C, 1.0, C, C * C, C, C, 1.0];
        for (at, expected) in diagonal.into_iter().enumerate() {
            assert!((matrix[at * (SIDE + 1)] - expected).norm() < 1e-15);
        }
    }
}
