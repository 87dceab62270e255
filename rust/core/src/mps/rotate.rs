//! A two-site gate on a merged pair of tensors, whose columns come in blocks of `[(p q) = 00, 10, 01, 11]`, each
//! of as many entries as the left bond.
//!
//! O(χ²) beside products of O(χ³), but a tenth of a step at bonds of 64 if compiled for any processor: so it is
//! compiled for the one at hand, eight numbers side by side.

#![allow(clippy::inline_always)] // what is not inlined loses the instructions it was dispatched for

use pulp::{Arch, Simd, WithSimd};

use crate::linalg::{matrix, matrix_mut, times};
use crate::scalar::{C64, Double, Scalar};

/// The pair (p q), as a number, of each block of a merged pair of tensors: 00, 10, 01, 11.
pub(crate) const PAIR: [usize; 4] = [0, 2, 1, 3];

/// Numbers side by side.
const LANES: usize = 8;

/// `C[(l p), (q r)] ← Σ_{p' q'} G[p q, p' q'] · C[(l p'), (q' r)]` in `merged`, and `θ = s_l · C` in `weighted`.
///
/// In double precision whatever T is: a gate rounded to single precision is no longer unitary, by
/// the same amount every time that it acts, and such errors add up.
pub(super) fn rotate_and_weight<T: Scalar>(
    merged: &mut [T],
    weighted: &mut [T::Double],
    gate: &[C64; 16],
    left_schmidt: &[f64],
) {
    let gate = std::array::from_fn(|at| gate[4 * PAIR[at / 4] + PAIR[at % 4]]);
    let rotation = Rotation { merged, weighted, gate, left_schmidt };
    match Arch::new() {
        // A fused multiply-add that the processor does not have would be a call for each number.
        Arch::Scalar if !cfg!(target_arch = "aarch64") => rotation.all_blocks::<false>(),
        arch => arch.dispatch(rotation),
    }
}

struct Rotation<'a, T: Scalar> {
    merged: &'a mut [T],
    weighted: &'a mut [T::Double],
    /// In the order of the blocks.
    gate: [C64; 16],
    left_schmidt: &'a [f64],
}

impl<T: Scalar> WithSimd for Rotation<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        self.all_blocks::<true>();
    }
}

impl<T: Scalar> Rotation<'_, T> {
    #[inline(always)]
    fn all_blocks<const FUSED: bool>(self) {
        let Self { merged, weighted, gate, left_schmidt } = self;
        let l = left_schmidt.len();
        let wide = l - l % LANES;
        for (block, out) in merged.chunks_exact_mut(4 * l).zip(weighted.chunks_exact_mut(4 * l)) {
            for at in (0..wide).step_by(LANES) {
                rows::<FUSED, LANES, T>(block, out, at, &gate, left_schmidt);
            }
            for at in wide..l {
                rows::<FUSED, 1, T>(block, out, at, &gate, left_schmidt);
            }
        }
    }
}

/// N rows of one block, from row `at`.
#[inline(always)]
fn rows<const FUSED: bool, const N: usize, T: Scalar>(
    block: &mut [T],
    out: &mut [T::Double],
    at: usize,
    gate: &[C64; 16],
    left_schmidt: &[f64],
) {
    let l = left_schmidt.len();
    let (mut re, mut im) = ([[0.0; N]; 4], [[0.0; N]; 4]);
    for b in 0..4 {
        for (lane, x) in block[b * l + at..b * l + at + N].iter().enumerate() {
            let x = x.to_c64();
            (re[b][lane], im[b][lane]) = (x.re, x.im);
        }
    }
    // C[l, a] = Σ_b G[a, b] · C[l, b]
    for a in 0..4 {
        let (mut y_re, mut y_im) = ([0.0; N], [0.0; N]);
        for b in 0..4 {
            let g = gate[4 * a + b];
            for lane in 0..N {
                y_re[lane] = multiply_add::<FUSED>(g.re, re[b][lane], y_re[lane]);
                if T::COMPLEX {
                    y_re[lane] = multiply_add::<FUSED>(-g.im, im[b][lane], y_re[lane]);
                    y_im[lane] = multiply_add::<FUSED>(g.re, im[b][lane], y_im[lane]);
                    y_im[lane] = multiply_add::<FUSED>(g.im, re[b][lane], y_im[lane]);
                }
            }
        }
        let here = a * l + at..a * l + at + N;
        let targets = block[here.clone()].iter_mut().zip(&mut out[here]);
        for (lane, ((c, w), s)) in targets.zip(&left_schmidt[at..at + N]).enumerate() {
            let y = C64::new(y_re[lane], y_im[lane]);
            *c = T::from_c64(y);
            *w = <T::Double as Scalar>::from_c64(y * *s);
        }
    }
}

#[inline(always)]
fn multiply_add<const FUSED: bool>(x: f64, y: f64, sum: f64) -> f64 {
    if FUSED { x.mul_add(y, sum) } else { x * y + sum }
}

/// Applies a 4×4 to the physical indices of `merged`, whose columns come in blocks.
pub(crate) fn rotate<W: Double>(merged: &mut [W], l: usize, g: &[C64; 16]) {
    // Transposed, in the order of the blocks: column a has the weights of block a's sources.
    let transposed: [W; 16] =
        std::array::from_fn(|at| W::from_c64(g[4 * PAIR[at / 4] + PAIR[at % 4]]));
    let mut before = Vec::with_capacity(4 * l);
    for block in merged.chunks_exact_mut(4 * l) {
        before.clear();
        before.extend_from_slice(block);
        // C[l, a] = Σ_b C[l, b] · G[a, b]
        times(matrix_mut(block, l, 4), matrix(&before, l, 4), matrix(&transposed, 4, 4));
    }
}
