//! Derivatives of single steps against finite differences, every cotangent random.
//!
//! Tensors behind a step are known up to a turn of their bonds. They are compared in the gauge of the
//! derivative: V Vᴴ with the V of the step itself is Hermitian.

use crate::cancel::Cancel;
use crate::error::Result;
use crate::linalg::{
    Expected, Method, Truncation, Workspace, matrix, probe, right_singular_vectors, truncate,
};
use crate::mps::SiteTensor;
use crate::mps::adjoint::Pulled;
use crate::mps::adjoint::chain::{ChainFactors, ChainTangents};
use crate::mps::adjoint::pairs::Pair;
use crate::mps::adjoint::two_site::PairFactors;
use crate::mps::chain::apply_chain;
use crate::mps::rotate::rotate;
use crate::mps::tape::Record;
use crate::mps::two_site::{Scratch, StepUpdate, apply_two_site};
use crate::operator::{Block, ChainOperator, OperatorSite};
use crate::scalar::C64;

struct Numbers(usize);

impl Numbers {
    fn take(&mut self, count: usize) -> Vec<C64> {
        self.0 += count;
        (self.0 - count..self.0).map(probe).collect()
    }

    fn hermitian(&mut self, side: usize) -> Vec<C64> {
        let m = self.take(side * side);
        (0..side * side).map(|at| m[at] + m[at % side * side + at / side].conj()).collect()
    }

    fn tensor(&mut self, left: usize, right: usize, scale: f64) -> SiteTensor<C64> {
        let entries = self.take(2 * left * right).into_iter().map(|x| x * scale).collect();
        SiteTensor { left, right, entries }
    }

    /// Orthonormal rows.
    fn isometry(&mut self, left: usize, right: usize) -> SiteTensor<C64> {
        let random = self.take(2 * left * right);
        let view = matrix(&random, left, 2 * right);
        let factors = right_singular_vectors(view, &mut Workspace::default());
        let vectors = factors.map(|factors| factors.vectors).unwrap_or_default();
        let entry = |at: usize| vectors[at % left * 2 * right + at / left].conj();
        SiteTensor { left, right, entries: (0..2 * left * right).map(entry).collect() }
    }
}

/// `a + t b`
fn moved(a: &[C64], t: f64, b: &[C64]) -> Vec<C64> {
    a.iter().zip(b).map(|(x, y)| x + y * t).collect()
}

/// `rows × inner` times `inner × columns`, column-major.
fn product(a: &[C64], b: &[C64], rows: usize, inner: usize) -> Vec<C64> {
    let columns = b.len() / inner;
    let mut out = vec![C64::ZERO; rows * columns];
    crate::linalg::times(
        crate::linalg::matrix_mut(&mut out, rows, columns),
        matrix(a, rows, inner),
        matrix(b, inner, columns),
    );
    out
}

fn adjoint(a: &[C64], rows: usize) -> Vec<C64> {
    let columns = a.len() / rows;
    (0..a.len()).map(|at| a[at / columns + at % columns * rows].conj()).collect()
}

/// The unitary part U of a square matrix A = U P.
fn polar(a: &[C64], side: usize) -> Vec<C64> {
    // Newton's iteration would do; a few steps of it, for A is nearly the identity.
    let mut u = a.to_vec();
    for _ in 0..40 {
        // U ← U (3 − UᴴU) / 2
        let mut gram = product(&adjoint(&u, side), &u, side, side);
        gram.iter_mut().for_each(|x| *x *= -0.5);
        gram.iter_mut().step_by(side + 1).for_each(|x| *x += 1.5);
        u = product(&u, &gram, side, side);
    }
    u
}

/// What a step leaves: tensors and the weights between them, as matrices.
struct Left {
    tensors: Vec<Vec<C64>>,
    weights: Vec<Vec<C64>>,
}

/// Cuts `t[l, p …, r]` from the right, weighted by `f` on the left, in the gauge of `after`.
fn cut_all(t: Vec<C64>, f: &[C64], after: &[SiteTensor<C64>]) -> Result<Left> {
    let l = after[0].left;
    let (mut t, mut tensors, mut weights) = (t, Vec::new(), Vec::new());
    for tensor in after[1..].iter().rev() {
        let (kept, columns) = (tensor.left, 2 * tensor.right);
        let rows = t.len() / columns;
        let theta = product(f, &t, l, l);
        let policy = Truncation {
            limit: Some(kept),
            cutoff: 0.0,
            noise_floor: 1e-15,
            method: Method::Svd,
            expected: Expected::SmallWeights,
            keep_dropped: false,
        };
        let bound = rows.min(columns);
        let cut =
            truncate(matrix(&theta, rows, columns), bound, &policy, &mut Workspace::default())?;
        let v = adjoint(&cut.vectors, columns);
        // V₀ Vᴴ = U P, and U V has a Hermitian product with V₀.
        let u = polar(&product(&tensor.entries, &cut.vectors, kept, columns), kept);
        let v = product(&u, &v, kept, kept);
        let mut rho = vec![C64::ZERO; kept * kept];
        rho.iter_mut().step_by(kept + 1).zip(&cut.schmidt).for_each(|(x, s)| *x = (s * s).into());
        weights.push(product(&product(&u, &rho, kept, kept), &adjoint(&u, kept), kept, kept));
        t = product(&t, &adjoint(&v, kept), rows, columns);
        tensors.push(v);
    }
    tensors.push(t);
    tensors.reverse();
    weights.reverse();
    Ok(Left { tensors, weights })
}

/// Random cotangents of all that a step leaves.
struct Cotangents {
    tensors: Vec<Vec<C64>>,
    weights: Vec<Vec<C64>>,
}

impl Cotangents {
    fn random(after: &[SiteTensor<C64>], numbers: &mut Numbers) -> Self {
        let tensors = after.iter().map(|tensor| numbers.take(tensor.entries.len())).collect();
        let weights = after[1..].iter().map(|tensor| numbers.hermitian(tensor.left)).collect();
        Self { tensors, weights }
    }

    /// `Σ 2 Re ⟨g, B⟩ + Σ tr(R ρ)`; the leftmost tensor was multiplied by `scale`.
    fn value(&self, left: &Left, scale: f64) -> f64 {
        let mut sum = 0.0;
        for (at, (g, b)) in self.tensors.iter().zip(&left.tensors).enumerate() {
            sum += along(g, b) * if at == 0 { scale } else { 1.0 };
        }
        for (r, rho) in self.weights.iter().zip(&left.weights) {
            sum += trace(r, rho);
        }
        sum
    }
}

fn along(g: &[C64], d: &[C64]) -> f64 {
    2.0 * g.iter().zip(d).map(|(g, d)| (g.conj() * d).re).sum::<f64>()
}

/// `tr(R ρ)` of two Hermitian matrices.
fn trace(r: &[C64], rho: &[C64]) -> f64 {
    r.iter().zip(rho).map(|(r, rho)| (r.conj() * rho).re).sum()
}

/// The central difference of fourth order of `value` at 0.
fn difference(value: impl Fn(f64) -> f64) -> f64 {
    let h = 1e-4;
    (8.0 * (value(h) - value(-h)) - (value(2.0 * h) - value(-2.0 * h))) / (12.0 * h)
}

fn policy(limit: Option<usize>) -> Truncation {
    Truncation {
        limit,
        cutoff: 1e-18,
        noise_floor: 1e-15,
        method: Method::Auto,
        expected: Expected::Nothing,
        keep_dropped: true,
    }
}

fn record_of(
    tensors: &[SiteTensor<C64>],
    s: &[f64],
    update: StepUpdate<C64>,
) -> (Record<C64>, Vec<SiteTensor<C64>>) {
    let record = Record {
        step: 0,
        tensors: tensors.to_vec(),
        left_schmidt: s.to_vec(),
        cuts: update.cuts,
        left_scale: update.left_scale,
    };
    (record, update.sites)
}

fn schmidt(side: usize) -> Vec<f64> {
    let s: Vec<f64> = (0..side).map(|at| 1.0 / (1.0 + 0.3 * at as f64)).collect();
    let norm = s.iter().map(|s| s * s).sum::<f64>().sqrt();
    s.into_iter().map(|s| s / norm).collect()
}

fn diagonal(s: &[f64]) -> Vec<C64> {
    let mut f = vec![C64::ZERO; s.len() * s.len()];
    f.iter_mut().step_by(s.len() + 1).zip(s).for_each(|(x, s)| *x = (*s).into());
    f
}

/// `dρ = Xᴴ F + F X`, by which F is moved along X.
fn moved_weights(x: &[C64], s: &[f64]) -> Vec<C64> {
    let part = product(&diagonal(s), x, s.len(), s.len());
    part.iter().zip(adjoint(&part, s.len())).map(|(x, y)| x + y).collect()
}

fn close(found: f64, expected: f64, what: &str) {
    assert!(
        (found - expected).abs() < 1e-8 * expected.abs().max(1.0),
        "{what}: {found} {expected}"
    );
}

/// Random unitary on two wires.
fn unitary(numbers: &mut Numbers) -> [C64; 16] {
    let isometry = numbers.isometry(4, 2);
    std::array::from_fn(|at| isometry.entries[at])
}

#[test]
fn two_site_steps() -> Result<()> {
    // Bonds, the bound of the gate's rank, the limit, the size of the left tensor: full cuts, cuts of a
    // limit, directions without weight behind those that are dropped and behind those that are kept.
    let cases = [
        (3, 3, 2, 4, None, 1.0),
        (3, 3, 2, 4, Some(2), 1.0),
        (4, 1, 4, 2, Some(1), 1.0),
        (4, 1, 4, 2, None, 1.0),
        (4, 2, 3, 2, Some(3), 1.0),
        (2, 2, 1, 4, Some(1), 1.0),
        (1, 2, 4, 4, Some(1), 1.0),
        (3, 3, 2, 4, Some(2), 1e-4),
        (3, 2, 4, 4, None, 1e-5),
    ];
    for (seed, (l, m, r, rank, limit, scale)) in cases.into_iter().enumerate() {
        let mut numbers = Numbers(1000 * seed);
        let (b1, b2) = (numbers.tensor(l, m, 0.3 * scale), numbers.isometry(m, r));
        let s = schmidt(l);
        // Of rank 2: diagonal, with phases.
        let gate = if rank == 4 {
            unitary(&mut numbers)
        } else {
            let phase = |at: usize| C64::from_polar(1.0, (at * at) as f64);
            std::array::from_fn(|at| if at % 5 == 0 { phase(at) } else { C64::ZERO })
        };
        let mut scratch = Scratch::default();
        let update = apply_two_site(&b1, &b2, &s, &gate, rank, &policy(limit), &mut scratch)?;
        let (record, after) = record_of(&[b1.clone(), b2.clone()], &s, update);
        assert_eq!(record.left_scale > 2.0, scale < 0.5);
        let what = format!("case {seed}, dropped {}", record.cuts[0].dropped.weights.len());
        let g = Cotangents::random(&after, &mut numbers);
        let factors = PairFactors::new(&record, &gate, [&after[0], &after[1]]);
        let factors = factors.ok_or_else(no_pair)?;
        let directions = [
            numbers.tensor(l, m, scale).entries,
            numbers.take(b2.entries.len()),
            numbers.take(l * l),
            numbers.take(16),
        ];
        // All cotangents, and each alone.
        for only in [None, Some(0), Some(1), Some(2)] {
            let has = |which| only.is_none_or(|only| only == which);
            let pulled = factors.pull(
                has(0).then_some(&g.tensors[0][..]),
                has(1).then_some(&g.tensors[1][..]),
                has(2).then_some(&g.weights[0][..]),
            );
            let part = |which, list: &Vec<C64>| {
                if has(which) { list.clone() } else { vec![C64::ZERO; list.len()] }
            };
            let g = Cotangents {
                tensors: vec![part(0, &g.tensors[0]), part(1, &g.tensors[1])],
                weights: vec![part(2, &g.weights[0])],
            };
            // Along each direction, and along all.
            for which in [None, Some(0), Some(1), Some(2), Some(3)] {
                let t_of =
                    |this, t: f64| if which.is_none_or(|which| which == this) { t } else { 0.0 };
                let value = |t: f64| {
                    let left = moved(&b1.entries, t_of(0, t), &directions[0]);
                    let right = moved(&b2.entries, t_of(1, t), &directions[1]);
                    let f = moved(&diagonal(&s), t_of(2, t), &directions[2]);
                    let gate = moved(&gate, t_of(3, t), &directions[3]);
                    let mut c = product(&left, &right, 2 * l, m);
                    rotate(&mut c, l, &std::array::from_fn(|at| gate[at]));
                    cut_all(c, &f, &after)
                        .map_or(f64::NAN, |left| g.value(&left, record.left_scale))
                };
                let expected = difference(value);
                let gate_part: f64 = along(&pulled.gate, &directions[3]);
                let found = t_of(0, along(&pulled.left, &directions[0]))
                    + t_of(1, along(&pulled.right, &directions[1]))
                    + t_of(
                        2,
                        pulled
                            .weights
                            .as_deref()
                            .map_or(0.0, |w| trace(w, &moved_weights(&directions[2], &s))),
                    )
                    + t_of(3, gate_part);
                close(found, expected, &format!("{what}, cotangent {only:?}, direction {which:?}"));
            }
        }
    }
    Ok(())
}

#[test]
fn real_numbers_pull_as_complex_ones_do() -> Result<()> {
    let real = |entries: &[C64]| entries.iter().map(|x| x.re.into()).collect::<Vec<C64>>();
    let cases = [
        (3, 3, 2, None, 1.0),
        (4, 4, 3, Some(3), 1.0),
        (1, 2, 4, Some(1), 1.0),
        (3, 2, 4, Some(3), 1e-5),
    ];
    for (seed, (l, m, r, limit, scale)) in cases.into_iter().enumerate() {
        let mut numbers = Numbers(90_000 + 1000 * seed);
        let [b1, b2] = [numbers.tensor(l, m, 0.3 * scale), numbers.isometry(m, r)]
            .map(|tensor| SiteTensor { entries: real(&tensor.entries), ..tensor });
        let s = schmidt(l);
        // A Givens rotation and a sign.
        let (sin, cos) = 0.7_f64.sin_cos();
        let mut gate = [C64::ZERO; 16];
        for (at, x) in [(0, 1.0), (5, cos), (6, -sin), (9, sin), (10, cos), (15, -1.0)] {
            gate[at] = x.into();
        }
        let mut scratch = Scratch::default();
        let update = apply_two_site::<f64>(
            &b1.cast(),
            &b2.cast(),
            &s,
            &gate,
            4,
            &policy(limit),
            &mut scratch,
        )?;
        let (record, after) = record_of(&[b1, b2], &s, update.cast());
        let g = Cotangents::random(&after, &mut numbers);
        let [left, right, weights] =
            [&g.tensors[0], &g.tensors[1], &g.weights[0]].map(|entries| real(entries));
        // The real part of a Hermitian matrix is symmetric.
        let own = [Some(&left[..]), Some(&right[..]), Some(&weights[..])];
        let tangent: Vec<C64> = numbers.take(16);
        let pair = Pair {
            record: &record,
            gate: &gate,
            tangents: &[(3, std::array::from_fn(|at| tangent[at]))],
            after: [&after[0], &after[1]],
        };
        let each = |values: &[usize], pull: &(dyn Fn(usize) -> Pulled + Sync)| {
            values.iter().map(|value| pull(*value)).collect::<Vec<_>>()
        };
        // Beside a value whose cotangent is complex, and which takes the other way.
        let complex: Vec<C64> = left.iter().map(|x| x * C64::I).collect();
        let of = |value: usize| if value == 7 { own } else { [Some(&complex[..]), None, None] };
        let pulled = pair.pull(&[2, 7], &of, &each).ok_or_else(no_pair)?;
        assert_eq!(pulled.iter().map(|own| own.value).collect::<Vec<_>>(), [7, 2]);
        let factors = PairFactors::new(&record, &gate, [&after[0], &after[1]]);
        let factors = factors.ok_or_else(no_pair)?;
        for found in pulled {
            let [left, right, weights] = of(found.value);
            let expected = factors.pull(left, right, weights);
            let along = super::along(&expected.gate, &std::array::from_fn(|at| tangent[at]));
            close_to(&found.sites[0], &expected.left);
            close_to(&found.sites[1], &expected.right);
            close_to(&found.weights.unwrap_or_default(), &expected.weights.unwrap_or_default());
            let [(3, derivative)] = found.derivatives[..] else { return Err(no_pair()) };
            close_to(&[derivative.into()], &[along.into()]);
        }
    }
    Ok(())
}

fn no_pair() -> crate::error::Error {
    crate::error::Error::invalid("no pair")
}

fn close_to(found: &[C64], expected: &[C64]) {
    assert_eq!(found.len(), expected.len());
    let size = expected.iter().map(|x| x.norm()).fold(0.0, f64::max);
    for (x, y) in found.iter().zip(expected) {
        assert!((x - y).norm() <= 1e-12 * size, "{x} {y}, the largest {size}");
    }
}

/// All entries of the operator times the chain of tensors: [l, p …, r].
fn applied(tensors: &[Vec<C64>], bonds: &[usize], operator: &ChainOperator) -> Vec<C64> {
    // t[(l p …), (r w)]
    let mut t = diagonal(&vec![1.0; bonds[0]]);
    let mut rows = bonds[0];
    for ((b, w), pair) in tensors.iter().zip(&operator.sites).zip(bonds.windows(2)) {
        let (l, r) = (pair[0], pair[1]);
        let mut next = vec![C64::ZERO; 2 * rows * r * w.right];
        for block in &w.blocks {
            let part = &t[block.left * rows * l..][..rows * l];
            let with_b = product(part, b, rows, l);
            for p in 0..4 {
                let (out, into) = (p / 2, p % 2);
                for right in 0..r {
                    for row in 0..rows {
                        let to = row + rows * (out + 2 * (right + r * block.right));
                        next[to] += block.matrix[p] * with_b[row + rows * (into + 2 * right)];
                    }
                }
            }
        }
        t = next;
        rows *= 2;
    }
    t
}

fn random_operator(widths: &[usize], numbers: &mut Numbers) -> ChainOperator {
    let sites = widths.windows(2).map(|pair| {
        let places = (0..pair[0] * pair[1]).map(|at| (at / pair[1], at % pair[1]));
        let blocks = places.map(|(left, right)| {
            let entries = numbers.take(4);
            Block { left, right, matrix: std::array::from_fn(|at| entries[at]) }
        });
        OperatorSite { left: pair[0], right: pair[1], blocks: blocks.collect() }
    });
    ChainOperator { sites: sites.collect() }
}

fn with_site(operator: &ChainOperator, site: usize, t: f64, by: &OperatorSite) -> ChainOperator {
    let mut moved = operator.clone();
    for (block, by) in moved.sites[site].blocks.iter_mut().zip(&by.blocks) {
        block.matrix.iter_mut().zip(by.matrix).for_each(|(x, y)| *x += y * t);
    }
    moved
}

#[test]
fn chain_steps() -> Result<()> {
    let cases = [
        (vec![2, 3, 2, 2], vec![1, 2, 2, 1], None, 1.0),
        (vec![2, 3, 3, 2], vec![1, 2, 2, 1], Some(2), 1.0),
        (vec![3, 2, 4, 3, 1], vec![1, 2, 3, 2, 1], Some(3), 1.0),
        (vec![1, 2, 2, 3], vec![1, 2, 1, 1], Some(1), 1.0),
        (vec![4, 1, 1, 4], vec![1, 2, 2, 1], None, 1.0),
        (vec![2, 3, 3, 2], vec![1, 2, 2, 1], Some(2), 1e-5),
    ];
    for (seed, (bonds, widths, limit, scale)) in cases.into_iter().enumerate() {
        let mut numbers = Numbers(50_000 + 1000 * seed);
        let n = bonds.len() - 1;
        let before: Vec<SiteTensor<C64>> = (0..n)
            .map(|i| match i {
                0 => numbers.tensor(bonds[0], bonds[1], 0.4 * scale),
                _ => numbers.tensor(bonds[i], bonds[i + 1], 0.4),
            })
            .collect();
        let operator = random_operator(&widths, &mut numbers);
        let s = schmidt(bonds[0]);
        let (mut workspace, cancel) = (Workspace::default(), Cancel::default());
        let truncations = vec![policy(limit); n - 1];
        let update = apply_chain(&before, &s, &operator, &truncations, &mut workspace, &cancel)?;
        let (record, after) = record_of(&before, &s, update);
        let whole = record.cuts.iter().map(|cut| cut.scale).product::<f64>() * record.left_scale;
        assert_eq!(whole > 2.0, scale < 0.5);
        let dropped: usize = record.cuts.iter().map(|cut| cut.dropped.weights.len()).sum();
        assert_eq!(dropped > 0, limit.is_some(), "case {seed}");
        let g = Cotangents::random(&after, &mut numbers);
        for site in 0..n {
            let by = random_operator(&widths, &mut numbers).sites.swap_remove(site);
            // Of other sites as well, in no order.
            let other = (site + 1) % n;
            let tangents =
                ChainTangents { tensors: vec![(other, &operator.sites[other]), (site, &by)] };
            let after_refs: Vec<&SiteTensor<C64>> = after.iter().collect();
            let factors = ChainFactors::new(
                &record,
                &operator,
                tangents,
                &after_refs,
                &mut workspace,
                &cancel,
            )?;
            let tensors: Vec<Option<&[C64]>> = g.tensors.iter().map(|g| Some(&g[..])).collect();
            let weights: Vec<Option<&[C64]>> = g.weights.iter().map(|g| Some(&g[..])).collect();
            let pulled = factors.pull(&tensors, &weights);
            let x = numbers.take(s.len() * s.len());
            let scales: Vec<f64> = (0..n).map(|i| if i == 0 { scale } else { 1.0 }).collect();
            let directions: Vec<Vec<C64>> = (before.iter().zip(&scales))
                .map(|(b, scale)| {
                    numbers.take(b.entries.len()).into_iter().map(|x| x * scale).collect()
                })
                .collect();
            // Of one tensor each, of the weights, and of the operator.
            for which in 0..n + 2 {
                let t_of = |this, t: f64| if which == this { t } else { 0.0 };
                let value = |t: f64| {
                    let tensors: Vec<Vec<C64>> = (0..n)
                        .map(|i| moved(&before[i].entries, t_of(i, t), &directions[i]))
                        .collect();
                    let f = moved(&diagonal(&s), t_of(n, t), &x);
                    let operator = with_site(&operator, site, t_of(n + 1, t), &by);
                    let whole_chain = applied(&tensors, &bonds, &operator);
                    cut_all(whole_chain, &f, &after).map_or(f64::NAN, |left| g.value(&left, whole))
                };
                let expected = difference(value);
                let found = match which {
                    at if at < n => along(&pulled.tensors[at], &directions[at]),
                    at if at == n => trace(&pulled.weights, &moved_weights(&x, &s)),
                    _ => pulled.tangents[1],
                };
                close(found, expected, &format!("case {seed}, site {site}, direction {which}"));
            }
        }
    }
    Ok(())
}
