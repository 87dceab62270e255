//! Derivatives with a second state: the observable times the state, evolved back beside it.
//!
//! ```text
//! E = ⟨ψ|O|ψ⟩,  λ = Oψ        dE = 2 Re ⟨λ_j| dG_j |ψ_{j−1}⟩        λ_{j−1} = G_jᴴ λ_j
//! ```
//!
//! No weight is divided by, so this is as exact as the state where nothing is truncated, and corners of
//! the truncated state mean nothing to it. λ has about twice the bonds of ψ. Where ψ is truncated this
//! approximates the derivative of the exact expectation value, to about the root of what was lost.

use std::borrow::Cow;

use crate::cancel::Cancel;
use crate::error::Result;
use crate::linalg::{matrix, matrix_mut, times};
use crate::mps::adjoint::backward::{Differentiable, TangentGate};
use crate::mps::adjoint::{adjoint_of, along, merge};
use crate::mps::environment::{finish_transfer, half_transfer, transfer};
use crate::mps::evolve::{Evolution, Parallelism, evolve};
use crate::mps::rotate::PAIR;
use crate::mps::step::{Step, StepGate};
use crate::mps::tape::Record;
use crate::mps::two_site::{Scratches, apply_one_site};
use crate::mps::words::apply_matrix;
use crate::mps::{Mps, SiteTensor};
use crate::operator::{Block, ChainOperator, OperatorSite};
use crate::scalar::C64;

/// How a second state is evolved back.
pub(crate) struct SecondState<'a> {
    pub evolution: &'a Evolution,
    /// Largest bond; `None` for no limit.
    pub limit: Option<usize>,
    pub scratches: &'a Scratches<C64>,
    pub parallelism: Parallelism,
    pub cancel: &'a Cancel,
}

impl SecondState<'_> {
    /// Brings the `seconds` (λ) from `state` (ψ), that behind the last of the levels, to before the
    /// first of them, as `state` is, and adds the derivatives by the parameters to `gradients`.
    ///
    /// # Errors
    /// Those of [`evolve`].
    pub fn pull_back(
        &self,
        program: &Differentiable<'_>,
        records: &[Vec<Record<C64>>],
        state: &mut Mps<C64>,
        seconds: &mut [Mps<C64>],
        gradients: &mut [Vec<f64>],
    ) -> Result<()> {
        let mut tensors: Vec<Cow<'_, SiteTensor<C64>>> =
            std::mem::take(&mut state.sites).into_iter().map(Cow::Owned).collect();
        for (level, records) in program.levels.iter().zip(records).skip(program.idle).rev() {
            // ψ before the level, on the sites where it differs.
            let mut before = tensors.clone();
            for record in records {
                let site = program.steps[record.step].site;
                for (place, tensor) in before[site..].iter_mut().zip(&record.tensors) {
                    *place = Cow::Borrowed(tensor);
                }
            }
            for step in &program.steps[level.clone()] {
                if let StepGate::One(u) = &step.gate {
                    apply_one_site(before[step.site].to_mut(), &adjoint_of(u, 2));
                }
            }
            let back: Vec<Step> =
                program.steps[level.clone()].iter().map(|s| self.undone(s)).collect();
            for (second, gradient) in seconds.iter_mut().zip(&mut *gradients) {
                self.cancel.check()?;
                let moves = level.clone().any(|step| !program.tangents[step].is_empty());
                if moves {
                    let overlap = Overlap::new(second, &tensors);
                    let scale = (second.log_norm_taken_out / 2.0).exp();
                    for index in level.clone() {
                        let site = program.steps[index].site;
                        let step = (&program.steps[index].gate, program.tangents[index]);
                        overlap.differentiate(step, site, &before, scale, gradient);
                    }
                }
                let whole = 0..back.len();
                evolve(
                    second,
                    &back,
                    std::slice::from_ref(&whole),
                    self.evolution,
                    self.parallelism,
                    self.scratches,
                    self.cancel,
                )?;
            }
            tensors = before;
        }
        state.sites = tensors.into_iter().map(Cow::into_owned).collect();
        Ok(())
    }

    fn undone(&self, step: &Step) -> Step {
        let gate = match &step.gate {
            StepGate::One(u) => StepGate::One(adjoint_of(u, 2)),
            StepGate::Two(g, rank) => StepGate::Two(adjoint_of(g, 4), *rank),
            StepGate::Chain(operator) => StepGate::Chain(adjoint_operator(operator)),
        };
        Step { site: step.site, gate, limit: self.limit }
    }
}

fn adjoint_operator(operator: &ChainOperator) -> ChainOperator {
    let sites = operator.sites.iter().map(|site| OperatorSite {
        blocks: site
            .blocks
            .iter()
            .map(|block| Block { matrix: adjoint_of(&block.matrix, 2), ..*block })
            .collect(),
        ..*site
    });
    ChainOperator { sites: sites.collect() }
}

/// Environments of ⟨λ|ψ⟩ left of every site and right of every site.
struct Overlap<'a> {
    second: &'a Mps<C64>,
    left: Vec<Vec<C64>>,
    right: Vec<Vec<C64>>,
}

impl<'a> Overlap<'a> {
    fn new(second: &'a Mps<C64>, tensors: &[Cow<'_, SiteTensor<C64>>]) -> Self {
        let n = tensors.len();
        let mut product = Vec::new();
        let mut left = vec![vec![C64::ONE]];
        for (bra, ket) in second.sites.iter().zip(tensors).take(n - 1) {
            left.push(transfer(&left[left.len() - 1], bra, ket, &mut product));
        }
        let mut right = vec![vec![C64::ONE]];
        for (bra, ket) in second.sites.iter().zip(tensors).skip(1).rev() {
            right.push(from_right(&right[right.len() - 1], bra, ket));
        }
        right.reverse();
        Self { second, left, right }
    }

    /// Adds the derivatives along the tangents of one step, `before` being ψ before it.
    fn differentiate(
        &self,
        (gate, tangents): (&StepGate, TangentGate<'_>),
        site: usize,
        before: &[Cow<'_, SiteTensor<C64>>],
        scale: f64,
        gradient: &mut [f64],
    ) {
        if tangents.is_empty() {
            return;
        }
        match (gate, tangents) {
            (_, TangentGate::One(own)) => {
                let ket = &before[site];
                let z = self.closed(&ket.entries, (ket.left, ket.right), 2, (site, site));
                let of_u: [C64; 4] =
                    blocks(&self.second.sites[site].entries, &z, self.second.sites[site].left);
                for (parameter, tangent) in own {
                    gradient[*parameter] += scale * along(&of_u, tangent);
                }
            }
            (_, TangentGate::Two(own)) => {
                let bra = merge(&self.second.sites[site], &self.second.sites[site + 1]);
                let ket = merge(&before[site], &before[site + 1]);
                let outer = (before[site].left, before[site + 1].right);
                let z = self.closed(&ket, outer, 4, (site, site + 1));
                let of_gate: [C64; 16] = blocks(&bra, &z, self.second.sites[site].left);
                let of_gate = std::array::from_fn(|at| of_gate[4 * PAIR[at / 4] + PAIR[at % 4]]);
                for (parameter, tangent) in own {
                    gradient[*parameter] += scale * along(&of_gate, tangent);
                }
            }
            (StepGate::Chain(operator), TangentGate::Chain(own)) => {
                for (parameter, place, tangent) in own {
                    let value = self.through(operator, (*place, tangent), site, before);
                    gradient[*parameter] += scale * 2.0 * value.re;
                }
            }
            _ => {}
        }
    }

    /// `Z[α x γ] = Σ_{β δ} L[α β] K[β x δ] R[γ δ]` with x of `physical` values.
    fn closed(
        &self,
        ket: &[C64],
        (l, r): (usize, usize),
        physical: usize,
        (first, last): (usize, usize),
    ) -> Vec<C64> {
        let (bra_l, bra_r) = (self.second.sites[first].left, self.second.sites[last].right);
        let mut half = vec![C64::ZERO; bra_l * physical * r];
        times(
            matrix_mut(&mut half, bra_l, physical * r),
            matrix(&self.left[first], bra_l, l),
            matrix(ket, l, physical * r),
        );
        let mut closed = vec![C64::ZERO; bra_l * physical * bra_r];
        times(
            matrix_mut(&mut closed, bra_l * physical, bra_r),
            matrix(&half, bra_l * physical, r),
            matrix(&self.right[last], bra_r, r).transpose(),
        );
        closed
    }

    /// ⟨λ| dO |ψ⟩, the tensor on `place` replaced by `tangent`.
    fn through(
        &self,
        operator: &ChainOperator,
        (place, tangent): (usize, &OperatorSite),
        first: usize,
        before: &[Cow<'_, SiteTensor<C64>>],
    ) -> C64 {
        let mut environments = vec![Some(self.left[first].clone())];
        for (at, own) in operator.sites.iter().enumerate() {
            let w = if at == place { tangent } else { own };
            let (bra, ket) = (&self.second.sites[first + at], &before[first + at]);
            let mut next: Vec<Option<Vec<C64>>> = vec![None; w.right];
            let halves: Vec<Option<Vec<C64>>> = environments
                .iter()
                .map(|environment| {
                    environment.as_ref().map(|environment| {
                        let mut half = Vec::new();
                        half_transfer(environment, ket, &mut half);
                        half
                    })
                })
                .collect();
            for block in &w.blocks {
                if let Some(Some(half)) = halves.get(block.left) {
                    let turned = apply_matrix(half, bra.left, &block.matrix);
                    let part = finish_transfer(bra, &turned, ket.right);
                    super::add(&mut next[block.right], &part, 1.0);
                }
            }
            environments = next;
        }
        let last = first + operator.sites.len() - 1;
        let end = environments.into_iter().next().flatten().unwrap_or_default();
        end.iter().zip(&self.right[last]).map(|(e, r)| e * r).sum()
    }
}

/// `R'[α β] = Σ conj(λ[α s γ]) ψ[β s δ] R[γ δ]`
fn from_right(right: &[C64], bra: &SiteTensor<C64>, ket: &SiteTensor<C64>) -> Vec<C64> {
    // K[(β s) γ] = Σ_δ ψ[(β s) δ] R[γ δ]
    let mut k = vec![C64::ZERO; 2 * ket.left * bra.right];
    times(
        matrix_mut(&mut k, 2 * ket.left, bra.right),
        matrix(&ket.entries, 2 * ket.left, ket.right),
        matrix(right, bra.right, ket.right).transpose(),
    );
    let conj: Vec<C64> = bra.entries.iter().map(C64::conj).collect();
    let mut next = vec![C64::ZERO; bra.left * ket.left];
    times(
        matrix_mut(&mut next, bra.left, ket.left),
        matrix(&conj, bra.left, 2 * bra.right),
        matrix(&k, ket.left, 2 * bra.right).transpose(),
    );
    next
}

/// `g[a, b] = Σ bra[· a ·] conj(z[· b ·])` over blocks of `l` entries, so that dE = 2 Re Σ conj(g) dG.
fn blocks<const N: usize>(bra: &[C64], z: &[C64], l: usize) -> [C64; N] {
    let side = N.isqrt();
    let mut sums = [C64::ZERO; N];
    for (bra, z) in bra.chunks_exact(side * l).zip(z.chunks_exact(side * l)) {
        for (at, sum) in sums.iter_mut().enumerate() {
            let (x, y) = (&bra[at / side * l..][..l], &z[at % side * l..][..l]);
            *sum += x.iter().zip(y).map(|(x, y)| x * y.conj()).sum::<C64>();
        }
    }
    sums
}
