//! One site of a word: environments with a letter taken in, and values of letters that end a word.
//!
//! ```text
//!   ┌─ conj(B) ─ c
//!   E     O              E'_O[c d] = Σ_{a b s t} conj(B[a s c]) · O[s t] · E[a b] · B[b t d]
//!   └─── B ───── d
//! ```
//!
//! Letters are Hermitian, so are environments, and all letters are sums of four: |0⟩⟨0|, |1⟩⟨1|, X
//! and Y. They cost two triangles and one product together, each has the same bits whichever others
//! are asked for, and a letter is never multiplied as a matrix.

use std::sync::OnceLock;

use faer::MatRef;

use crate::linalg::{
    adjoint_times, adjoint_times_lower, matrix, matrix_mut, times, times_adjoint,
    times_adjoint_lower,
};
use crate::local_operator::LocalOperator;
use crate::mps::SiteTensor;
use crate::mps::environment::onto_left;
use crate::pauli::Pauli;
use crate::scalar::{C64, Scalar};

/// Below this bond dimension the whole product is cheaper than a triangle and its mirror image.
const TRIANGLE: usize = 32;

/// Whether a letter is diagonal.
pub(crate) fn is_diagonal(letter: LocalOperator) -> bool {
    !matches!(letter, LocalOperator::Pauli(Pauli::X | Pauli::Y))
}

/// The environments behind one site, by the letters that all others are sums of.
pub(crate) struct Behind<T> {
    zero: Vec<T>,
    one: Vec<T>,
    flips: Flips<T>,
    half: Vec<T>,
}

/// Those of X and Y, and the product they come from.
struct Flips<T> {
    x: Vec<T>,
    y: Vec<T>,
    product: Vec<T>,
}

impl<T: Scalar> Flips<T> {
    const fn new() -> Self {
        Self { x: Vec::new(), y: Vec::new(), product: Vec::new() }
    }

    /// X = Q + Qᴴ and Y = -i Q + i Qᴴ from the product Q, by entries with respect to |0⟩⟨1|.
    fn split(&mut self, dim: usize) {
        let i = T::from_c64(C64::I);
        for flip in [&mut self.x, &mut self.y] {
            flip.resize(dim * dim, T::ZERO);
        }
        for column in 0..dim {
            for row in 0..=column {
                let (q, p) =
                    (self.product[row + column * dim], self.product[column + row * dim].conj());
                let (x, y) = (q + p, i * (p - q));
                self.x[row + column * dim] = x;
                self.x[column + row * dim] = x.conj();
                self.y[row + column * dim] = y;
                self.y[column + row * dim] = y.conj();
            }
        }
    }
}

impl<T: Scalar> Behind<T> {
    pub(crate) const fn new() -> Self {
        Self { zero: Vec::new(), one: Vec::new(), flips: Flips::new(), half: Vec::new() }
    }

    /// Takes `site` in behind `environment`: for diagonal letters, for X and Y, or for all.
    pub(crate) fn take_in(
        &mut self,
        environment: &[T],
        site: &SiteTensor<T>,
        diagonal: bool,
        flips: bool,
    ) {
        let (l, r) = (site.left, site.right);
        // K[a (t d)] = Σ_b E[a b] · B[b t d]
        onto_left(environment, &site.entries, l, &mut self.half);
        let bra = |bit: usize| matrix(&site.entries, 2 * l, r).subrows(bit * l, l);
        let ket = |bit: usize| matrix(&self.half, 2 * l, r).subrows(bit * l, l);
        if diagonal {
            for (bit, out) in [&mut self.zero, &mut self.one].into_iter().enumerate() {
                out.resize(r * r, T::ZERO);
                // E'[c d] = Σ_a conj(B[a s c]) · K[a s d]
                adjoint_times_hermitian(out, bra(bit), ket(bit));
            }
        }
        if flips {
            self.flips.product.resize(r * r, T::ZERO);
            // Q[c d] = Σ_a conj(B[a 0 c]) · K[a 1 d]
            adjoint_times(matrix_mut(&mut self.flips.product, r, r), bra(0), ket(1));
            self.flips.split(r);
        }
    }

    /// Writes the environment with `letter` taken in; what it is a sum of must have been asked for.
    pub(crate) fn write(&self, letter: LocalOperator, out: &mut Vec<T>) {
        out.clear();
        let pairs = || self.zero.iter().zip(&self.one);
        match letter {
            LocalOperator::Pauli(Pauli::I) => out.extend(pairs().map(|(zero, one)| *zero + *one)),
            LocalOperator::Pauli(Pauli::Z) => out.extend(pairs().map(|(zero, one)| *zero - *one)),
            LocalOperator::Pauli(Pauli::X) => out.extend_from_slice(&self.flips.x),
            LocalOperator::Pauli(Pauli::Y) => out.extend_from_slice(&self.flips.y),
            LocalOperator::ProjectZero => out.extend_from_slice(&self.zero),
            LocalOperator::ProjectOne => out.extend_from_slice(&self.one),
        }
    }
}

/// `out = aᴴ · b`, where that is Hermitian.
pub(crate) fn adjoint_times_hermitian<T: Scalar>(
    out: &mut [T],
    a: MatRef<'_, T>,
    b: MatRef<'_, T>,
) {
    let dim = a.ncols();
    let product = if dim < TRIANGLE { adjoint_times } else { adjoint_times_lower };
    product(matrix_mut(out, dim, dim), a, b);
    mirror(out, dim);
}

/// `out = a · bᴴ`, where that is Hermitian.
pub(crate) fn times_adjoint_hermitian<T: Scalar>(
    out: &mut [T],
    a: MatRef<'_, T>,
    b: MatRef<'_, T>,
) {
    let dim = a.nrows();
    let product = if dim < TRIANGLE { times_adjoint } else { times_adjoint_lower };
    product(matrix_mut(out, dim, dim), a, b);
    mirror(out, dim);
}

/// Makes the lower triangle a Hermitian matrix.
fn mirror<T: Scalar>(entries: &mut [T], dim: usize) {
    for column in 0..dim {
        let diagonal = column + column * dim;
        entries[diagonal] = T::from_c64(entries[diagonal].to_c64().re.into());
        for row in column + 1..dim {
            entries[column + row * dim] = entries[row + column * dim].conj();
        }
    }
}

/// What closes an environment at the site where a word ends, by the same four letters:
/// `G[b a] = Σ_{s t c d} conj(B[a s c]) · O[s t] · B[b t d] · R[c d]`; the value is `tr(E G)`.
pub(crate) struct Closing<T> {
    zero: Vec<T>,
    one: Vec<T>,
    flips: OnceLock<Flips<T>>,
}

impl<T: Scalar> Closing<T> {
    /// For words that end at `site`, with the environment right of it; `None` is the identity.
    pub(crate) fn new(site: &SiteTensor<T>, right: Option<&[T]>) -> Self {
        let (onto_right, l) = (onto_right(site, right), site.left);
        let ket = onto_right.as_deref().unwrap_or(&site.entries);
        let [zero, one] = [0, 1].map(|bit| {
            let mut out = vec![T::ZERO; l * l];
            let (bra, ket) = (rows(&site.entries, site, bit), rows(ket, site, bit));
            // G[b a] = Σ_c K[b s c] · conj(B[a s c])
            times_adjoint_hermitian(&mut out, ket, bra);
            out
        });
        Self { zero, one, flips: OnceLock::new() }
    }

    /// The value of `letter` at the site behind `environment`.
    pub(crate) fn value(
        &self,
        environment: &[T],
        letter: LocalOperator,
        site: &SiteTensor<T>,
        right: Option<&[T]>,
    ) -> f64 {
        let (zero, one) = (|| dot(environment, &self.zero), || dot(environment, &self.one));
        let flips = || self.flips(site, right);
        match letter {
            LocalOperator::Pauli(Pauli::I) => zero() + one(),
            LocalOperator::Pauli(Pauli::Z) => zero() - one(),
            LocalOperator::Pauli(Pauli::X) => dot(environment, &flips().x),
            LocalOperator::Pauli(Pauli::Y) => dot(environment, &flips().y),
            LocalOperator::ProjectZero => zero(),
            LocalOperator::ProjectOne => one(),
        }
    }

    /// Adds `factor` times G of `letter` to `sum`.
    pub(crate) fn add_to(
        &self,
        sum: &mut [T],
        letter: LocalOperator,
        factor: f64,
        site: &SiteTensor<T>,
        right: Option<&[T]>,
    ) {
        let mut add = |part: &[T], factor: f64| {
            sum.iter_mut().zip(part).for_each(|(sum, x)| *sum += x.scale(factor));
        };
        match letter {
            LocalOperator::Pauli(Pauli::I) => {
                add(&self.zero, factor);
                add(&self.one, factor);
            }
            LocalOperator::Pauli(Pauli::Z) => {
                add(&self.zero, factor);
                add(&self.one, -factor);
            }
            LocalOperator::Pauli(Pauli::X) => add(&self.flips(site, right).x, factor),
            LocalOperator::Pauli(Pauli::Y) => add(&self.flips(site, right).y, factor),
            LocalOperator::ProjectZero => add(&self.zero, factor),
            LocalOperator::ProjectOne => add(&self.one, factor),
        }
    }

    fn flips(&self, site: &SiteTensor<T>, right: Option<&[T]>) -> &Flips<T> {
        self.flips.get_or_init(|| {
            let l = site.left;
            let onto_right = onto_right(site, right);
            let ket = onto_right.as_deref().unwrap_or(&site.entries);
            let mut flips = Flips::new();
            flips.product.resize(l * l, T::ZERO);
            // Q[b a] = Σ_c K[b 1 c] · conj(B[a 0 c])
            times_adjoint(
                matrix_mut(&mut flips.product, l, l),
                rows(ket, site, 1),
                rows(&site.entries, site, 0),
            );
            flips.split(l);
            flips.product = Vec::new();
            flips
        })
    }
}

fn rows<'a, T>(entries: &'a [T], site: &SiteTensor<T>, bit: usize) -> MatRef<'a, T> {
    matrix(entries, 2 * site.left, site.right).subrows(bit * site.left, site.left)
}

/// `K[(b t) c] = Σ_d B[(b t) d] · R[c d]`, `None` where R is the identity.
fn onto_right<T: Scalar>(site: &SiteTensor<T>, right: Option<&[T]>) -> Option<Vec<T>> {
    right.map(|right| {
        let (l, r) = (site.left, site.right);
        let mut out = vec![T::ZERO; 2 * l * r];
        times(
            matrix_mut(&mut out, 2 * l, r),
            matrix(&site.entries, 2 * l, r),
            matrix(right, r, r).transpose(),
        );
        out
    })
}

/// `tr(E G) = Σ_{a b} Re(E[a b] conj(G[a b]))` of Hermitian matrices. Summed in eight places at once:
/// one sum after the other would wait for every addition.
fn dot<T: Scalar>(environment: &[T], closing: &[T]) -> f64 {
    let term = |(x, y): (&T, &T)| {
        let (x, y) = (x.to_c64(), y.to_c64());
        x.re * y.re + x.im * y.im
    };
    let ((x, x_rest), (y, y_rest)) = (environment.as_chunks::<8>(), closing.as_chunks::<8>());
    let mut sums = [0.0; 8];
    for (x, y) in x.iter().zip(y) {
        for (sum, pair) in sums.iter_mut().zip(x.iter().zip(y)) {
            *sum += term(pair);
        }
    }
    sums.iter().sum::<f64>() + x_rest.iter().zip(y_rest).map(term).sum::<f64>()
}

/// Values of the four letters, in the order |0⟩⟨0|, |1⟩⟨1|, X, Y, at one site between Schmidt weights
/// and the identity: `Σ_{a c s t} s_a² conj(B[a s c]) O[s t] B[a t c]`.
pub(crate) struct AtWeights([f64; 4]);

impl AtWeights {
    pub(crate) fn new<T: Scalar>(site: &SiteTensor<T>, schmidt: &[f64]) -> Self {
        let mut found = [0.0; 4];
        for column in site.entries.chunks_exact(2 * site.left) {
            let (zero, one) = column.split_at(site.left);
            for ((x, y), s) in zero.iter().zip(one).zip(schmidt) {
                let (x, y, weight) = (x.to_c64(), y.to_c64(), s * s);
                found[0] += weight * (x.re * x.re + x.im * x.im);
                found[1] += weight * (y.re * y.re + y.im * y.im);
                found[2] += 2.0 * weight * (x.re * y.re + x.im * y.im);
                found[3] += 2.0 * weight * (x.re * y.im - x.im * y.re);
            }
        }
        Self(found)
    }

    pub(crate) fn value(&self, letter: LocalOperator) -> f64 {
        let [zero, one, x, y] = self.0;
        match letter {
            LocalOperator::Pauli(Pauli::I) => zero + one,
            LocalOperator::Pauli(Pauli::Z) => zero - one,
            LocalOperator::Pauli(Pauli::X) => x,
            LocalOperator::Pauli(Pauli::Y) => y,
            LocalOperator::ProjectZero => zero,
            LocalOperator::ProjectOne => one,
        }
    }
}
