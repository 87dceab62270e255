//! The cotangent of a weighted sum of fidelities with other states, which stand still.
//!
//! ```text
//!   E = Σ_j c_j |v_j|² / N       v_j = ⟨ψ|φ_j⟩, N = ⟨ψ|ψ⟩
//!
//!   ┌─ conj(B) ─┐
//!   L           R                S_j[b s d] = L[b a] Q_j[a s c] R[d c], Σ conj(B) S_j = v_j
//!   └─── Q_j ───┘
//!
//!   g = Σ_j (c_j / N) conj(v_j) S_j − (E / N) S_ψ
//! ```
//!
//! The other states come packed, right bond fastest: so their memory is that of column-major tensors of
//! the chain read backwards, and all sweeps here go along that chain. What is multiplied by a tensor of
//! ψ is so for all states of a chunk at once. Environments carry powers of two: on many sites overlaps
//! are below every floating-point number.

use crate::cancel::Cancel;
use crate::error::{Error, Result};
use crate::linalg::{add_times, adjoint_times, matrix, matrix_mut, times};
use crate::mps::adjoint::Cotangent;
use crate::mps::environment::checked_norm;
use crate::mps::{Mps, SiteTensor};
use crate::scalar::C64;

/// A normalised state whose tensors lie behind one another, each (left, 2, right) with the right bond
/// fastest.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PackedState<'a> {
    /// Left and right bond of each site.
    pub dims: &'a [(usize, usize)],
    pub entries: &'a [C64],
}

/// Most entries of half-contracted environments that are held at once, where one state has not more: 16 MiB.
const CHUNK_ENTRIES: usize = 1 << 20;

/// The cotangent of E with `weights` c over the states `others`. E does not depend on the norm of `state`, which
/// may have any form.
///
/// # Errors
/// [`Error::Interrupted`] soon after `cancel` is set; [`Error::Numerical`] if the state is zero or E is not
/// finite.
pub(crate) fn fidelity_cotangent(
    state: &Mps<C64>,
    others: &[PackedState<'_>],
    weights: &[f64],
    cancel: &Cancel,
) -> Result<Cotangent> {
    let bra: Vec<SiteTensor<C64>> = state.sites.iter().rev().map(SiteTensor::mirrored).collect();
    let conjugated: Vec<Vec<C64>> =
        bra.iter().map(|site| site.entries.iter().map(C64::conj).collect()).collect();
    let mut sums: Vec<Vec<C64>> =
        bra.iter().map(|site| vec![C64::ZERO; site.entries.len()]).collect();
    let own: Chain<'_> =
        bra.iter().map(|site| (site.left, site.right, site.entries.as_slice())).collect();
    let itself = FromLeft::new(&bra, vec![own], cancel)?;
    let norm = itself.values[0];
    let n = checked_norm(norm.mantissa.re)?;
    let mut value = 0.0;
    let wanted = others.iter().zip(weights).filter(|(_, weight)| **weight != 0.0);
    let wanted: Vec<(Chain<'_>, f64)> = wanted.map(|(other, c)| (backwards(other), *c)).collect();
    for chunk in chunks(&bra, &wanted) {
        let chains = chunk.iter().map(|(chain, _)| chain.clone()).collect();
        let left = FromLeft::new(&bra, chains, cancel)?;
        let factors: Vec<Scaled> = chunk
            .iter()
            .zip(&left.values)
            .map(|((_, c), v)| {
                // c / N · v̄
                let (c, power) = split(*c);
                let power = power + v.power - norm.power;
                let factor = Scaled { mantissa: v.mantissa.conj() * (c / n), power };
                value += times_power((factor.mantissa * v.mantissa).re, power + v.power);
                factor
            })
            .collect();
        left.back(&bra, &conjugated, &factors, &mut sums, cancel)?;
    }
    if !value.is_finite() {
        return Err(Error::Numerical(
            "the weighted sum of overlaps exceeds every floating-point number; give smaller weights"
                .to_owned(),
        ));
    }
    let (e, power) = split(value);
    let factor = Scaled { mantissa: C64::new(-e / n, 0.0), power: power - norm.power };
    itself.back(&bra, &conjugated, &[factor], &mut sums, cancel)?;
    let mut cotangent = Cotangent::zero(state.n_sites());
    for ((place, site), entries) in cotangent.tensors.iter_mut().rev().zip(&bra).zip(sums) {
        let sum = SiteTensor { left: site.left, right: site.right, entries };
        *place = Some(sum.mirrored().entries);
    }
    Ok(cotangent)
}

/// A chain read backwards: for each site left bond, right bond and column-major entries.
type Chain<'a> = Vec<(usize, usize, &'a [C64])>;

fn backwards<'a>(state: &PackedState<'a>) -> Chain<'a> {
    let mut rest = state.entries;
    let mut chain: Chain<'a> = state
        .dims
        .iter()
        .map(|&(left, right)| {
            let (site, behind) = rest.split_at(2 * left * right);
            rest = behind;
            (right, left, site)
        })
        .collect();
    chain.reverse();
    chain
}

/// Stretches of the list whose half-contracted environments are few.
fn chunks<'l, 'a>(
    bra: &[SiteTensor<C64>],
    list: &'l [(Chain<'a>, f64)],
) -> Vec<&'l [(Chain<'a>, f64)]> {
    let entries = |chain: &Chain<'_>| -> usize {
        bra.iter().zip(chain).map(|(site, (_, right, _))| 2 * site.left * right).sum()
    };
    let (mut found, mut start, mut held) = (Vec::new(), 0, 0);
    for (at, (chain, _)) in list.iter().enumerate() {
        let own = entries(chain);
        if at > start && held + own > CHUNK_ENTRIES {
            found.push(&list[start..at]);
            (start, held) = (at, 0);
        }
        held += own;
    }
    if start < list.len() {
        found.push(&list[start..]);
    }
    found
}

/// `mantissa · 2^power`
#[derive(Debug, Clone, Copy)]
struct Scaled {
    mantissa: C64,
    power: i64,
}

/// A number of moderate size and the power of two that it lacks.
fn split(mut x: f64) -> (f64, i64) {
    let mut power = 0;
    while x.abs() > 2.0_f64.powi(400) {
        x *= 2.0_f64.powi(-400);
        power += 400;
    }
    while x != 0.0 && x.abs() < 2.0_f64.powi(-400) {
        x *= 2.0_f64.powi(400);
        power -= 400;
    }
    (x, power)
}

/// `x · 2^power`; what is below every number is zero.
fn times_power(x: f64, power: i64) -> f64 {
    let power = power.clamp(-2000, 2000) as i32;
    let half = power / 2;
    x * 2.0_f64.powi(half) * 2.0_f64.powi(power - half)
}

/// Brings entries far from 1 back by a power of two, which changes no digit, and returns what they lack.
fn rescale(entries: &mut [C64]) -> i64 {
    let largest = entries.iter().fold(0.0_f64, |m, x| m.max(x.re.abs()).max(x.im.abs()));
    if largest == 0.0 || (2.0_f64.powi(-20)..2.0_f64.powi(20)).contains(&largest) {
        return 0;
    }
    // At most 2^900 at once; the next site takes out the rest.
    let power = (largest.log2().floor() as i32).clamp(-900, 900);
    let factor = 2.0_f64.powi(-power);
    entries.iter_mut().for_each(|x| *x = x.scale(factor));
    i64::from(power)
}

/// The overlaps `⟨ψ|φ_j⟩` contracted from the left for several states, with all that came up on the way.
struct FromLeft<'a> {
    chains: Vec<Chain<'a>>,
    /// Of each site `H[(b s), c] = Σ_a L[b a] Q[a s c]`, the states' blocks of columns side by side.
    halves: Vec<Vec<C64>>,
    /// Of each site and state: the power of two that L lacks.
    powers: Vec<Vec<i64>>,
    /// `⟨ψ|φ_j⟩`
    values: Vec<Scaled>,
}

impl<'a> FromLeft<'a> {
    fn new(bra: &[SiteTensor<C64>], chains: Vec<Chain<'a>>, cancel: &Cancel) -> Result<Self> {
        let mut environment = vec![C64::ONE; chains.len()];
        let mut power = vec![0_i64; chains.len()];
        let (mut halves, mut powers) = (Vec::new(), Vec::new());
        for (at, site) in bra.iter().enumerate() {
            cancel.check()?;
            let (l, r) = (site.left, site.right);
            let columns: usize = chains.iter().map(|chain| chain[at].1).sum();
            let mut half = vec![C64::ZERO; 2 * l * columns];
            let (mut from, mut to) = (environment.as_slice(), half.as_mut_slice());
            for chain in &chains {
                let (a, c, q) = chain[at];
                // H[b, (s c)] = Σ_a L[b a] · Q[a, (s c)]
                times(matrix_mut(to, l, 2 * c), matrix(from, l, a), matrix(q, a, 2 * c));
                (from, to) = (&from[l * a..], &mut to[2 * l * c..]);
            }
            // L'[d c] = Σ_{b s} conj(B[(b s), d]) · H[(b s), c]
            let mut next = vec![C64::ZERO; r * columns];
            adjoint_times(
                matrix_mut(&mut next, r, columns),
                matrix(&site.entries, 2 * l, r),
                matrix(&half, 2 * l, columns),
            );
            powers.push(power.clone());
            halves.push(half);
            let mut rest = next.as_mut_slice();
            for (chain, power) in chains.iter().zip(&mut power) {
                let (own, behind) = rest.split_at_mut(r * chain[at].1);
                *power += rescale(own);
                rest = behind;
            }
            environment = next;
        }
        let values = environment.into_iter().zip(power);
        let values = values.map(|(mantissa, power)| Scaled { mantissa, power }).collect();
        Ok(Self { chains, halves, powers, values })
    }

    /// Adds `factors[j] · S_j` of every site to `sums`; `conjugated` are the entries of `bra`.
    fn back(
        &self,
        bra: &[SiteTensor<C64>],
        conjugated: &[Vec<C64>],
        factors: &[Scaled],
        sums: &mut [Vec<C64>],
        cancel: &Cancel,
    ) -> Result<()> {
        let mut environment: Vec<C64> = factors.iter().map(|factor| factor.mantissa).collect();
        let mut power: Vec<i64> = factors.iter().map(|factor| factor.power).collect();
        let mut scaled = Vec::new();
        for (at, site) in bra.iter().enumerate().rev() {
            cancel.check()?;
            let (l, r) = (site.left, site.right);
            let columns = environment.len() / r;
            scaled.clear();
            let mut rest = environment.as_slice();
            for ((chain, right), left) in self.chains.iter().zip(&power).zip(&self.powers[at]) {
                let (own, behind) = rest.split_at(r * chain[at].1);
                let power = right + left;
                scaled.extend(
                    own.iter()
                        .map(|x| C64::new(times_power(x.re, power), times_power(x.im, power))),
                );
                rest = behind;
            }
            // g[(b s), d] += Σ_c H[(b s), c] · R[d, c]
            add_times(
                matrix_mut(&mut sums[at], 2 * l, r),
                matrix(&self.halves[at], 2 * l, columns),
                matrix(&scaled, r, columns).transpose(),
            );
            if at == 0 {
                break;
            }
            // M[(b s), c] = Σ_d conj(B[(b s), d]) · R[d, c]
            let mut m = vec![C64::ZERO; 2 * l * columns];
            times(
                matrix_mut(&mut m, 2 * l, columns),
                matrix(&conjugated[at], 2 * l, r),
                matrix(&environment, r, columns),
            );
            let size: usize = self.chains.iter().map(|chain| chain[at].0).sum();
            let mut next = vec![C64::ZERO; l * size];
            let (mut from, mut to) = (m.as_slice(), next.as_mut_slice());
            for (chain, power) in self.chains.iter().zip(&mut power) {
                let (a, c, q) = chain[at];
                // R'[b a] = Σ_{s c} M[b, (s c)] · Q[a, (s c)]
                times(
                    matrix_mut(to, l, a),
                    matrix(from, l, 2 * c),
                    matrix(q, a, 2 * c).transpose(),
                );
                let (own, behind) = to.split_at_mut(l * a);
                *power += rescale(own);
                (from, to) = (&from[2 * l * c..], behind);
            }
            environment = next;
        }
        Ok(())
    }
}
