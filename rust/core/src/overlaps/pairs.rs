//! ln |⟨a|b⟩|² of all pairs. An entry depends on its two states alone.

use rayon::prelude::*;

use crate::cancel::Cancel;
use crate::error::{Error, Result};
use crate::ieee::IeeeArithmetic;
use crate::linalg::{matrix, matrix_mut, times, times_adjoint};
use crate::overlaps::{EncodedState, EncodedStates};
use crate::pool::{available_threads, pool};
use crate::scalar::{C64, Scalar};

/// `(bra, ket)` row by row; minus infinity for orthogonal states. Without `ket`, `bra` with itself:
/// half the work, symmetric, zeros on the diagonal.
///
/// # Errors
/// [`Error::InvalidInput`] if the states differ in width; [`Error::Resource`] if the matrix does not
/// fit; [`Error::Interrupted`] soon after `cancel` is set.
pub fn log_overlaps(
    bra: &EncodedStates,
    ket: Option<&EncodedStates>,
    threads: Option<usize>,
    cancel: &Cancel,
) -> Result<Vec<f64>> {
    let _ieee = IeeeArithmetic::enter();
    if threads == Some(0) {
        return Err(Error::invalid("threads must be at least 1 or None (all), got 0"));
    }
    let other = ket.unwrap_or(bra);
    if other.n_wires() != bra.n_wires() {
        return Err(Error::invalid(format!(
            "expected encoded states of equal width, got {} and {} wires; encode both with one \
             feature map",
            bra.n_wires(),
            other.n_wires()
        )));
    }
    let (rows, columns) = (bra.states().len(), other.states().len());
    let mut out = matrix_of(rows, columns)?;
    if out.is_empty() {
        return Ok(out);
    }
    let row = |(i, row): (usize, &mut [f64])| -> Result<()> {
        let bra = Operand::new(&bra.states()[i]);
        let first = if ket.is_some() { 0 } else { i + 1 };
        for (j, entry) in row.iter_mut().enumerate().skip(first) {
            cancel.check()?;
            *entry = log_overlap(&bra, &Operand::new(&other.states()[j]));
        }
        Ok(())
    };
    match threads.unwrap_or_else(available_threads) {
        1 => out.chunks_exact_mut(columns).enumerate().try_for_each(row)?,
        threads => pool(threads)?.install(|| {
            out.par_chunks_exact_mut(columns).with_max_len(1).enumerate().try_for_each(row)
        })?,
    }
    if ket.is_none() {
        for i in 0..rows {
            for j in 0..i {
                out[i * columns + j] = out[j * columns + i];
            }
        }
    }
    Ok(out)
}

fn matrix_of(rows: usize, columns: usize) -> Result<Vec<f64>> {
    let size = rows.checked_mul(columns);
    let mut out = Vec::new();
    match size.map(|size| out.try_reserve_exact(size)) {
        Some(Ok(())) => out.resize(rows * columns, 0.0),
        _ => {
            return Err(Error::Resource(format!(
                "{rows}×{columns} overlaps need {:.2} GiB, more than there is; ask for fewer rows \
                 at a time",
                8.0 * rows as f64 * columns as f64 / 30.0_f64.exp2()
            )));
        }
    }
    Ok(out)
}

struct Operand {
    dims: Vec<(usize, usize)>,
    entries: Vec<C64>,
}

impl Operand {
    fn new(state: &EncodedState) -> Self {
        Self { dims: state.dims().collect(), entries: state.to_double() }
    }
}

/// Scaled by powers of two at every site, which changes no digit.
fn log_overlap(bra: &Operand, ket: &Operand) -> f64 {
    let (mut a, mut b) = (bra.entries.as_slice(), ket.entries.as_slice());
    let mut environment = vec![C64::ONE];
    let (mut product, mut exponent) = (Vec::new(), 0_i64);
    for (&(al, ar), &(bl, br)) in bra.dims.iter().zip(&ket.dims) {
        // T[a, (s d)] = Σ_b E[a, b] · B[b, (s d)], all with the last index fastest
        product.resize(2 * al * br, C64::ZERO);
        times(
            matrix_mut(&mut product, 2 * br, al),
            matrix(b, 2 * br, bl),
            matrix(&environment, bl, al),
        );
        // E'[c, d] = Σ_{a s} conj(A[(a s), c]) · T[(a s), d]
        environment.resize(ar * br, C64::ZERO);
        times_adjoint(
            matrix_mut(&mut environment, br, ar),
            matrix(&product, br, 2 * al),
            matrix(a, ar, 2 * al),
        );
        (a, b) = (&a[2 * al * ar..], &b[2 * bl * br..]);
        let parts = environment.iter().map(|x| x.re.abs().max(x.im.abs()));
        let largest = parts.fold(0.0, f64::max);
        if largest == 0.0 {
            return f64::NEG_INFINITY;
        }
        // At most 2^1000 at once; the next site takes out the rest.
        let power = (largest.log2().floor() as i32).clamp(-1000, 1000);
        let factor = 2.0_f64.powi(-power);
        environment.iter_mut().for_each(|x| *x = x.scale(factor));
        exponent += i64::from(power);
    }
    let log = 2.0 * exponent as f64 * std::f64::consts::LN_2 + environment[0].norm_sqr().ln();
    // States are normalised: what is above is rounding.
    log.min(0.0)
}
