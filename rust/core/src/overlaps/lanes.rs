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

/// One entry of each of the eight states: complex, or real where no state of a matrix has imaginary parts.
/// With imaginary parts of zero both have the same bits.
trait Entry: Copy {
    const ZERO: Self;
    const ONE: Self;

    fn set(&mut self, lane: usize, entry: C64);

    /// self += x · y
    fn add_product<const FUSED: bool>(&mut self, x: &Self, y: &Self);

    /// self += conj(a) · t
    fn add_conjugate<const FUSED: bool>(&mut self, a: C64, t: &Self);

    /// The largest part of each lane, or `largest`.
    fn largest(&self, largest: Lane) -> Lane;

    fn scale(&mut self, factors: &Lane);

    fn norm_sqr(&self, lane: usize) -> f64;
}

#[derive(Clone, Copy)]
struct Cell {
    re: Lane,
    im: Lane,
}

impl Entry for Cell {
    const ZERO: Self = Self { re: [0.0; LANES], im: [0.0; LANES] };
    const ONE: Self = Self { re: [1.0; LANES], im: [0.0; LANES] };

    fn set(&mut self, lane: usize, entry: C64) {
        (self.re[lane], self.im[lane]) = (entry.re, entry.im);
    }

    #[inline(always)]
    fn add_product<const FUSED: bool>(&mut self, x: &Self, y: &Self) {
        add::<FUSED>(&mut self.re, &x.re, &y.re);
        add::<FUSED>(&mut self.im, &x.re, &y.im);
        subtract::<FUSED>(&mut self.re, &x.im, &y.im);
        add::<FUSED>(&mut self.im, &x.im, &y.re);
    }

    #[inline(always)]
    fn add_conjugate<const FUSED: bool>(&mut self, a: C64, t: &Self) {
        let (re, im) = ([a.re; LANES], [a.im; LANES]);
        add::<FUSED>(&mut self.re, &re, &t.re);
        add::<FUSED>(&mut self.im, &re, &t.im);
        add::<FUSED>(&mut self.re, &im, &t.im);
        subtract::<FUSED>(&mut self.im, &im, &t.re);
    }

    #[inline(always)]
    fn largest(&self, mut largest: Lane) -> Lane {
        for (largest, (re, im)) in largest.iter_mut().zip(self.re.iter().zip(&self.im)) {
            *largest = largest.max(re.abs().max(im.abs()));
        }
        largest
    }

    #[inline(always)]
    fn scale(&mut self, factors: &Lane) {
        for (factor, (re, im)) in factors.iter().zip(self.re.iter_mut().zip(&mut self.im)) {
            *re *= factor;
            *im *= factor;
        }
    }

    fn norm_sqr(&self, lane: usize) -> f64 {
        self.re[lane] * self.re[lane] + self.im[lane] * self.im[lane]
    }
}

impl Entry for Lane {
    const ZERO: Self = [0.0; LANES];
    const ONE: Self = [1.0; LANES];

    fn set(&mut self, lane: usize, entry: C64) {
        self[lane] = entry.re;
    }

    #[inline(always)]
    fn add_product<const FUSED: bool>(&mut self, x: &Self, y: &Self) {
        add::<FUSED>(self, x, y);
    }

    #[inline(always)]
    fn add_conjugate<const FUSED: bool>(&mut self, a: C64, t: &Self) {
        add::<FUSED>(self, &[a.re; LANES], t);
    }

    #[inline(always)]
    fn largest(&self, mut largest: Lane) -> Lane {
        for (largest, x) in largest.iter_mut().zip(self) {
            *largest = largest.max(x.abs());
        }
        largest
    }

    #[inline(always)]
    fn scale(&mut self, factors: &Lane) {
        for (factor, x) in factors.iter().zip(self) {
            *x *= factor;
        }
    }

    fn norm_sqr(&self, lane: usize) -> f64 {
        self[lane] * self[lane]
    }
}

/// Up to eight states, as wide as the widest of them at every bond; further lanes hold zeros.
pub struct Eight {
    dims: Vec<(usize, usize)>,
    cells: Cells,
}

enum Cells {
    Real(Vec<Lane>),
    Complex(Vec<Cell>),
}

impl Eight {
    /// `real`: none of them, and no bra that they meet, has imaginary parts.
    pub fn pack(states: &[&InDouble<'_>], real: bool) -> Self {
        let n_wires = states.first().map_or(0, |state| state.dims.len());
        let widest = |site: usize| {
            let dims = states.iter().map(|state| state.dims[site]);
            dims.fold((1, 1), |(l, r), (left, right)| (l.max(left), r.max(right)))
        };
        let dims: Vec<_> = (0..n_wires).map(widest).collect();
        let cells = if real {
            Cells::Real(side_by_side(states, &dims))
        } else {
            Cells::Complex(side_by_side(states, &dims))
        };
        Self { dims, cells }
    }
}

fn side_by_side<E: Entry>(states: &[&InDouble<'_>], dims: &[(usize, usize)]) -> Vec<E> {
    let mut cells = vec![E::ZERO; dims.iter().map(|(left, right)| 2 * left * right).sum()];
    for (lane, state) in states.iter().take(LANES).enumerate() {
        let (mut from, mut to) = (&*state.entries, cells.as_mut_slice());
        for (&(left, right), &(wide_left, wide_right)) in state.dims.iter().zip(dims) {
            let (here, behind) = from.split_at(2 * left * right);
            let (cells, next) = to.split_at_mut(2 * wide_left * wide_right);
            for (row, cells) in here.chunks(right).zip(cells.chunks_mut(wide_right)) {
                for (entry, cell) in row.iter().zip(cells) {
                    cell.set(lane, *entry);
                }
            }
            (from, to) = (behind, next);
        }
    }
    cells
}

/// Environments and products of one thread, grown once.
#[derive(Default)]
pub struct Scratch {
    real: Buffers<Lane>,
    complex: Buffers<Cell>,
}

struct Buffers<E> {
    environment: Vec<E>,
    product: Vec<E>,
}

impl<E> Default for Buffers<E> {
    fn default() -> Self {
        Self { environment: Vec::new(), product: Vec::new() }
    }
}

/// ln |⟨bra|ket⟩|² of the eight, −∞ for orthogonal ones and for empty lanes.
pub fn log_overlaps(bra: &InDouble<'_>, kets: &Eight, scratch: &mut Scratch) -> Lane {
    match &kets.cells {
        Cells::Real(cells) => dispatch(bra, (&kets.dims, cells), &mut scratch.real),
        Cells::Complex(cells) => dispatch(bra, (&kets.dims, cells), &mut scratch.complex),
    }
}

/// Bonds and entries of the eight.
type Kets<'a, E> = (&'a [(usize, usize)], &'a [E]);

fn dispatch<E: Entry>(bra: &InDouble<'_>, kets: Kets<'_, E>, scratch: &mut Buffers<E>) -> Lane {
    match Arch::new() {
        // A fused multiply-add that the processor does not have would be a call for each number.
        Arch::Scalar if !cfg!(target_arch = "aarch64") => sweep::<E, false>(bra, kets, scratch),
        arch => arch.dispatch(Sweep { bra, kets, scratch }),
    }
}

/// The sweep compiled for the processor at hand. A closure would be called, not inlined, and so lose its instructions.
struct Sweep<'a, E> {
    bra: &'a InDouble<'a>,
    kets: Kets<'a, E>,
    scratch: &'a mut Buffers<E>,
}

impl<E: Entry> WithSimd for Sweep<'_, E> {
    type Output = Lane;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> Lane {
        sweep::<E, true>(self.bra, self.kets, self.scratch)
    }
}

#[inline(always)]
fn sweep<E: Entry, const FUSED: bool>(
    bra: &InDouble<'_>,
    kets: Kets<'_, E>,
    scratch: &mut Buffers<E>,
) -> Lane {
    let Buffers { environment, product } = scratch;
    environment.clear();
    environment.push(E::ONE);
    let (dims, mut b) = kets;
    let mut a = &*bra.entries;
    let mut exponents = [0_i64; LANES];
    for (&(al, ar), &(bl, br)) in bra.dims.iter().zip(dims) {
        let (here, behind) = a.split_at(2 * al * ar);
        let (ket, next) = b.split_at(2 * bl * br);
        product.resize(2 * al * br, E::ZERO);
        // Sizes that are known to the compiler are unrolled.
        match (al, ar, bl, br) {
            (1, 1, 1, 1) => step::<E, FUSED>([1, 1, 1, 1], here, ket, environment, product),
            (2, 2, 2, 2) => step::<E, FUSED>([2, 2, 2, 2], here, ket, environment, product),
            (4, 4, 4, 4) => step::<E, FUSED>([4, 4, 4, 4], here, ket, environment, product),
            _ => step::<E, FUSED>([al, ar, bl, br], here, ket, environment, product),
        }
        (a, b) = (behind, next);
        rescale(environment, &mut exponents);
    }
    std::array::from_fn(|lane| {
        let size = environment[0].norm_sqr(lane).ln();
        // States are normalised: what is above is rounding.
        (2.0 * exponents[lane] as f64 * std::f64::consts::LN_2 + size).min(0.0)
    })
}

/// One site of all eight pairs; `dims` are the bonds of the bra (left, right) and those of the kets.
#[inline(always)]
fn step<E: Entry, const FUSED: bool>(
    dims: [usize; 4],
    a: &[C64],
    b: &[E],
    environment: &mut Vec<E>,
    product: &mut [E],
) {
    let [al, ar, bl, br] = dims;
    let (a, b) = (&a[..2 * al * ar], &b[..2 * bl * br]);
    let product = &mut product[..2 * al * br];
    {
        // T[a, (s d)] = Σ_b E[a, b] · B[b, (s d)], the last index fastest
        let environment = &environment[..al * bl];
        for (row, out) in environment.chunks_exact(bl).zip(product.chunks_exact_mut(2 * br)) {
            for (two, out) in out.as_chunks_mut::<2>().0.iter_mut().enumerate() {
                *out = row_times::<E, FUSED>(row, &b[2 * two..], 2 * br);
            }
        }
    }
    environment.resize(ar * br, E::ZERO);
    // E'[c, d] = Σ_{a s} conj(A[(a s), c]) · T[(a s), d]
    for (c, out) in environment[..ar * br].chunks_exact_mut(br).enumerate() {
        let column = &a[c..];
        let (twos, rest) = out.as_chunks_mut::<2>();
        let start = 2 * twos.len();
        for (two, out) in twos.iter_mut().enumerate() {
            *out = adjoint_times::<E, FUSED, 2>((column, ar), &product[2 * two..], br);
        }
        for (d, out) in rest.iter_mut().enumerate() {
            [*out] = adjoint_times::<E, FUSED, 1>((column, ar), &product[start + d..], br);
        }
    }
}

/// Two sums at once, so that what both need is loaded once: `Σ_b row[b] · B[b, d]`, rows of B being `stride` apart.
#[inline(always)]
fn row_times<E: Entry, const FUSED: bool>(row: &[E], b: &[E], stride: usize) -> [E; 2] {
    let mut sums = [E::ZERO; 2];
    for (e, b) in row.iter().zip(b.chunks(stride)) {
        sums[0].add_product::<FUSED>(e, &b[0]);
        sums[1].add_product::<FUSED>(e, &b[1]);
    }
    sums
}

/// `Σ_k conj(A[k]) · T[k, d]` for `W` of the d; the entries of A and the rows of T are their strides apart.
#[inline(always)]
fn adjoint_times<E: Entry, const FUSED: bool, const W: usize>(
    (column, ar): (&[C64], usize),
    t: &[E],
    stride: usize,
) -> [E; W] {
    let mut sums = [E::ZERO; W];
    for (a, t) in column.iter().step_by(ar).zip(t.chunks(stride)) {
        for (sum, t) in sums.iter_mut().zip(&t[..W]) {
            sum.add_conjugate::<FUSED>(*a, t);
        }
    }
    sums
}

/// Takes the power of two out of every lane, which changes no digit; a lane of zeros stays as it is.
#[inline(always)]
fn rescale<E: Entry>(environment: &mut [E], exponents: &mut [i64; LANES]) {
    let mut largest = [0.0; LANES];
    for cell in environment.iter() {
        largest = cell.largest(largest);
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
        cell.scale(&factors);
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
