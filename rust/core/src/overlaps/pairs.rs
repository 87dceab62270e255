//! ln |⟨a|b⟩|² of all pairs. An entry depends on its two states alone.

use rayon::prelude::*;

use crate::cancel::Cancel;
use crate::error::{Error, Result};
use crate::ieee::IeeeArithmetic;
use crate::linalg::{matrix, matrix_mut, times, times_adjoint};
use crate::overlaps::EncodedStates;
use crate::overlaps::lanes::{self, Eight, LANES, Lane, Scratch};
use crate::overlaps::states::InDouble;
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
    let bras = in_double(bra);
    let kets = ket.map(in_double);
    let kets = kets.as_ref().unwrap_or(&bras);
    let (small, large): (Vec<_>, Vec<_>) = (0..columns).partition(|j| is_small(&kets[*j]));
    // The longest first. What does not fill the lanes is at the start, where columns are short.
    let tiles: Vec<&[usize]> = large.rchunks(1).chain(small.rchunks(LANES)).collect();
    let real = [&bras, kets].iter().all(|side| side.iter().all(InDouble::is_real));
    // The entries of some columns, of the rows above the last of them where the matrix is symmetric.
    let tile = |columns: &&[usize]| -> Result<Vec<Lane>> {
        let last = columns.last().map_or(0, |last| *last);
        let rows = if ket.is_some() { rows } else { last };
        let kets: Vec<&InDouble<'_>> = columns.iter().map(|j| &kets[*j]).collect();
        tile_of(&bras[..rows], &kets, real, cancel)
    };
    let tiles_of = match threads.unwrap_or_else(available_threads) {
        1 => tiles.iter().map(tile).collect::<Result<Vec<_>>>()?,
        threads => pool(threads)?
            .install(|| tiles.par_iter().with_max_len(1).map(tile).collect::<Result<Vec<_>>>())?,
    };
    for (tile, entries) in tiles.iter().zip(tiles_of) {
        for (i, entries) in entries.iter().enumerate() {
            for (j, entry) in tile.iter().zip(entries) {
                if ket.is_some() {
                    out[i * columns + j] = *entry;
                } else if i < *j {
                    out[i * columns + j] = *entry;
                    out[j * columns + i] = *entry;
                }
            }
        }
    }
    Ok(out)
}

/// Bonds up to which eight pairs at once are faster than products of matrices, pair by pair (decision 18).
const LARGEST_IN_LANES: usize = 12;

fn in_double(states: &EncodedStates) -> Vec<InDouble<'_>> {
    states.states().iter().map(|state| state.in_double()).collect()
}

fn is_small(state: &InDouble<'_>) -> bool {
    state.dims.iter().all(|(_, right)| *right <= LARGEST_IN_LANES)
}

/// Overlaps of every bra with up to eight kets, all of them small or one that is large. How a pair is computed
/// depends on its two states alone.
fn tile_of(
    bras: &[InDouble<'_>],
    kets: &[&InDouble<'_>],
    real: bool,
    cancel: &Cancel,
) -> Result<Vec<Lane>> {
    let lanes = kets.iter().all(|ket| is_small(ket)).then(|| Eight::pack(kets, real));
    let mut scratch = Scratch::default();
    let entries = |bra: &InDouble<'_>| {
        cancel.check()?;
        if let (Some(kets), true) = (&lanes, is_small(bra)) {
            return Ok(lanes::log_overlaps(bra, kets, &mut scratch));
        }
        let mut out = [0.0; LANES];
        for (out, ket) in out.iter_mut().zip(kets) {
            *out = log_overlap(bra, ket);
        }
        Ok(out)
    };
    bras.iter().map(entries).collect()
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

/// Scaled by powers of two at every site, which changes no digit.
fn log_overlap(bra: &InDouble<'_>, ket: &InDouble<'_>) -> f64 {
    let (mut a, mut b) = (&*bra.entries, &*ket.entries);
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
