//! Overlaps of one state with eight at once, for small bonds: entries of eight states lie side by side, so that
//! every operation serves eight pairs and no time goes into calling products of tiny matrices.
//!
//! Sums run in the order of their indices, and a state with smaller bonds than its neighbours is padded by
//! zeros, which change no sum: an overlap has the same bits in whatever lane and company it is computed.

#![allow(clippy::inline_always)] // what is not inlined loses the instructions it was dispatched for

use pulp::{Arch, Simd, WithSimd};

use crate::overlaps::states::InDouble;
use crate::scalar::C64;

/// States side by side.
pub const LANES: usize = 8;

/// One number for each of the eight.
pub type Lane = [f64; LANES];

/// One number of each of the eight states.
#[derive(Clone, Copy)]
struct Cell {
    re: Lane,
    im: Lane,
}

const ZERO: Cell = Cell { re: [0.0; LANES], im: [0.0; LANES] };

/// Up to eight states, as wide as the widest of them at every bond; further lanes hold zeros.
pub struct Eight {
    dims: Vec<(usize, usize)>,
    cells: Vec<Cell>,
}

impl Eight {
    pub fn pack(states: &[&InDouble<'_>]) -> Self {
        let n_wires = states.first().map_or(0, |state| state.dims.len());
        let widest = |site: usize| {
            let dims = states.iter().map(|state| state.dims[site]);
            dims.fold((1, 1), |(l, r), (left, right)| (l.max(left), r.max(right)))
        };
        let dims: Vec<_> = (0..n_wires).map(widest).collect();
        let mut cells = vec![ZERO; dims.iter().map(|(left, right)| 2 * left * right).sum()];
        for (lane, state) in states.iter().take(LANES).enumerate() {
            let (mut from, mut to) = (&*state.entries, cells.as_mut_slice());
            for (&(left, right), &(wide_left, wide_right)) in state.dims.iter().zip(&dims) {
                let (here, behind) = from.split_at(2 * left * right);
                let (cells, next) = to.split_at_mut(2 * wide_left * wide_right);
                for (row, cells) in here.chunks(right).zip(cells.chunks_mut(wide_right)) {
                    for (entry, cell) in row.iter().zip(cells) {
                        (cell.re[lane], cell.im[lane]) = (entry.re, entry.im);
                    }
                }
                (from, to) = (behind, next);
            }
        }
        Self { dims, cells }
    }
}

/// Environments and products of one thread, grown once.
#[derive(Default)]
pub struct Scratch {
    environment: Vec<Cell>,
    product: Vec<Cell>,
}

/// ln |⟨bra|ket⟩|² of the eight, −∞ for orthogonal ones and for empty lanes.
pub fn log_overlaps(bra: &InDouble<'_>, kets: &Eight, scratch: &mut Scratch) -> Lane {
    match Arch::new() {
        // A fused multiply-add that the processor does not have would be a call for each number.
        Arch::Scalar if !cfg!(target_arch = "aarch64") => sweep::<false>(bra, kets, scratch),
        arch => arch.dispatch(Sweep { bra, kets, scratch }),
    }
}

/// The sweep compiled for the processor at hand. A closure would be called, not inlined, and so lose its instructions.
struct Sweep<'a> {
    bra: &'a InDouble<'a>,
    kets: &'a Eight,
    scratch: &'a mut Scratch,
}

impl WithSimd for Sweep<'_> {
    type Output = Lane;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> Lane {
        sweep::<true>(self.bra, self.kets, self.scratch)
    }
}

#[inline(always)]
fn sweep<const FUSED: bool>(bra: &InDouble<'_>, kets: &Eight, scratch: &mut Scratch) -> Lane {
    let Scratch { environment, product } = scratch;
    environment.clear();
    environment.push(Cell { re: [1.0; LANES], ..ZERO });
    let (mut a, mut b) = (&*bra.entries, kets.cells.as_slice());
    let mut exponents = [0_i64; LANES];
    for (&(al, ar), &(bl, br)) in bra.dims.iter().zip(&kets.dims) {
        let (here, behind) = a.split_at(2 * al * ar);
        let (ket, next) = b.split_at(2 * bl * br);
        product.resize(2 * al * br, ZERO);
        // Sizes that are known to the compiler are unrolled.
        match (al, ar, bl, br) {
            (1, 1, 1, 1) => step::<FUSED>([1, 1, 1, 1], here, ket, environment, product),
            (2, 2, 2, 2) => step::<FUSED>([2, 2, 2, 2], here, ket, environment, product),
            (4, 4, 4, 4) => step::<FUSED>([4, 4, 4, 4], here, ket, environment, product),
            _ => step::<FUSED>([al, ar, bl, br], here, ket, environment, product),
        }
        (a, b) = (behind, next);
        rescale(environment, &mut exponents);
    }
    let Cell { re, im } = environment[0];
    std::array::from_fn(|lane| {
        let size = (re[lane] * re[lane] + im[lane] * im[lane]).ln();
        // States are normalised: what is above is rounding.
        (2.0 * exponents[lane] as f64 * std::f64::consts::LN_2 + size).min(0.0)
    })
}

/// One site of all eight pairs; `dims` are the bonds of the bra (left, right) and those of the kets.
#[inline(always)]
fn step<const FUSED: bool>(
    dims: [usize; 4],
    a: &[C64],
    b: &[Cell],
    environment: &mut Vec<Cell>,
    product: &mut [Cell],
) {
    let [al, ar, bl, br] = dims;
    let (a, b) = (&a[..2 * al * ar], &b[..2 * bl * br]);
    let product = &mut product[..2 * al * br];
    {
        // T[a, (s d)] = Σ_b E[a, b] · B[b, (s d)], the last index fastest
        let environment = &environment[..al * bl];
        for (row, out) in environment.chunks_exact(bl).zip(product.chunks_exact_mut(2 * br)) {
            for (column, out) in out.iter_mut().enumerate() {
                let mut sum = ZERO;
                for (e, b) in row.iter().zip(b[column..].iter().step_by(2 * br)) {
                    add::<FUSED>(&mut sum.re, &e.re, &b.re);
                    add::<FUSED>(&mut sum.im, &e.re, &b.im);
                    subtract::<FUSED>(&mut sum.re, &e.im, &b.im);
                    add::<FUSED>(&mut sum.im, &e.im, &b.re);
                }
                *out = sum;
            }
        }
    }
    environment.resize(ar * br, ZERO);
    // E'[c, d] = Σ_{a s} conj(A[(a s), c]) · T[(a s), d]
    for (c, out) in environment[..ar * br].chunks_exact_mut(br).enumerate() {
        for (d, out) in out.iter_mut().enumerate() {
            let mut sum = ZERO;
            for (a, t) in a[c..].iter().step_by(ar).zip(product[d..].iter().step_by(br)) {
                let (re, im) = ([a.re; LANES], [a.im; LANES]);
                add::<FUSED>(&mut sum.re, &re, &t.re);
                add::<FUSED>(&mut sum.im, &re, &t.im);
                add::<FUSED>(&mut sum.re, &im, &t.im);
                subtract::<FUSED>(&mut sum.im, &im, &t.re);
            }
            *out = sum;
        }
    }
}

/// Takes the power of two out of every lane, which changes no digit; a lane of zeros stays as it is.
#[inline(always)]
fn rescale(environment: &mut [Cell], exponents: &mut [i64; LANES]) {
    let mut largest = [0.0_f64; LANES];
    for cell in environment.iter() {
        for (largest, (re, im)) in largest.iter_mut().zip(cell.re.iter().zip(&cell.im)) {
            *largest = largest.max(re.abs().max(im.abs()));
        }
    }
    let mut factors = [1.0; LANES];
    for lane in 0..LANES {
        if largest[lane] > 0.0 {
            // The exponent as the number holds it; at most 2^1000 at once, the next time takes out the rest.
            let power = ((largest[lane].to_bits() >> 52).cast_signed() - 1023).clamp(-1000, 1000);
            factors[lane] = f64::from_bits(((1023 - power) as u64) << 52);
            exponents[lane] += power;
        }
    }
    for cell in environment.iter_mut() {
        for (factor, (re, im)) in factors.iter().zip(cell.re.iter_mut().zip(&mut cell.im)) {
            *re *= factor;
            *im *= factor;
        }
    }
}

#[inline(always)]
fn add<const FUSED: bool>(sum: &mut Lane, x: &Lane, y: &Lane) {
    for lane in 0..LANES {
        sum[lane] =
            if FUSED { x[lane].mul_add(y[lane], sum[lane]) } else { sum[lane] + x[lane] * y[lane] };
    }
}

#[inline(always)]
fn subtract<const FUSED: bool>(sum: &mut Lane, x: &Lane, y: &Lane) {
    for lane in 0..LANES {
        sum[lane] = if FUSED {
            (-x[lane]).mul_add(y[lane], sum[lane])
        } else {
            sum[lane] - x[lane] * y[lane]
        };
    }
}
