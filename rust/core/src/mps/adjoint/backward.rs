//! Backwards through the steps of an evolution, those of one level at once.

use std::borrow::Cow;
use std::ops::Range;

use rayon::prelude::*;

use crate::cancel::Cancel;
use crate::error::{Error, Result};
use crate::linalg::Workspace;
use crate::mps::adjoint::chain::{ChainFactors, ChainTangents};
use crate::mps::adjoint::pairs::Pair;
use crate::mps::adjoint::{Cotangent, Pulled, adjoint_of, along};
use crate::mps::tape::Record;
use crate::mps::two_site::apply_one_site;
use crate::mps::wavefront::WORTH_SHARING;
use crate::mps::{Mps, Parallelism, SiteTensor, Step, StepGate};
use crate::operator::OperatorSite;
use crate::scalar::C64;

/// Derivatives of what a step applies, each with the parameter by which it is one.
#[derive(Debug, Clone, Copy)]
pub(crate) enum TangentGate<'a> {
    One(&'a [(usize, [C64; 4])]),
    Two(&'a [(usize, [C64; 16])]),
    /// Of the tensor of one site of a chain's operator: how far right of the first site, and by what.
    Chain(&'a [(usize, usize, OperatorSite)]),
}

impl TangentGate<'_> {
    /// Whether the step depends on nothing that is differentiated.
    pub fn is_empty(&self) -> bool {
        match self {
            Self::One(own) => own.is_empty(),
            Self::Two(own) => own.is_empty(),
            Self::Chain(own) => own.is_empty(),
        }
    }
}

/// Steps and their derivatives.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Differentiable<'a> {
    pub steps: &'a [Step],
    pub tangents: &'a [TangentGate<'a>],
    pub levels: &'a [Range<usize>],
    /// How many of the levels come before everything that is differentiated: no derivative needs them.
    pub idle: usize,
}

/// Brings `cotangents` from `state`, that behind the last of the levels, to before the first of them
/// that matters, as `state` is, and adds the derivatives by the parameters to `gradients`: of each
/// value a cotangent and a gradient. `records` are those of the levels, `program.levels` are no others.
///
/// Every sum runs in the order of the steps, whatever thread took them.
///
/// # Errors
/// [`Error::Interrupted`] soon after `cancel` is set; [`Error::Numerical`] if a factorization fails.
pub(crate) fn pull_back(
    program: &Differentiable<'_>,
    records: &[Vec<Record<C64>>],
    state: &mut Mps<C64>,
    cotangents: &mut [Cotangent],
    gradients: &mut [Vec<f64>],
    parallelism: Parallelism,
    cancel: &Cancel,
) -> Result<()> {
    let mut tensors: Vec<Cow<'_, SiteTensor<C64>>> =
        std::mem::take(&mut state.sites).into_iter().map(Cow::Owned).collect();
    for (level, records) in program.levels.iter().zip(records).skip(program.idle).rev() {
        for index in level.clone() {
            let step = &program.steps[index];
            if let (StepGate::One(u), TangentGate::One(tangents)) =
                (&step.gate, program.tangents[index])
            {
                let tensor = tensors[step.site].to_mut();
                undo_one_site(step.site, tensor, u, tangents, cotangents, gradients);
            }
        }
        let shared = parallelism == Parallelism::Pool
            && records.len() * cotangents.len() > 1
            && records.iter().map(flops).sum::<f64>() * cotangents.len() as f64 > WORTH_SHARING;
        let run = |record: &Record<C64>| -> Result<Vec<Pulled>> {
            cancel.check()?;
            let task = Task { program, record, tensors: &tensors, cotangents, cancel };
            task.run(shared)
        };
        let pulled: Vec<Result<Vec<Pulled>>> = if shared {
            records.par_iter().with_max_len(1).map(run).collect()
        } else {
            records.iter().map(run).collect()
        };
        for (record, pulled) in records.iter().zip(pulled) {
            let site = program.steps[record.step].site;
            for Pulled { value, sites, weights, derivatives } in pulled? {
                let cotangent = &mut cotangents[value];
                let inner = site + 1..site + sites.len();
                cotangent.weights[inner].fill(None);
                match (&cotangent.weights[site], weights) {
                    (None, weights) => cotangent.weights[site] = weights,
                    (Some(_), Some(weights)) => cotangent.add_weights(site, &weights, 1.0),
                    (Some(_), None) => {}
                }
                for (place, own) in cotangent.tensors[site..].iter_mut().zip(sites) {
                    *place = Some(own);
                }
                for (parameter, derivative) in derivatives {
                    gradients[value][parameter] += derivative;
                }
            }
            for (place, tensor) in tensors[site..].iter_mut().zip(&record.tensors) {
                *place = Cow::Borrowed(tensor);
            }
        }
    }
    state.sites = tensors.into_iter().map(Cow::into_owned).collect();
    Ok(())
}

/// Rough cost of a step for one value.
fn flops(record: &Record<C64>) -> f64 {
    let pairs = record.tensors.windows(2).map(|pair| {
        let (rows, cols) = (2.0 * pair[0].left as f64, 2.0 * pair[1].right as f64);
        40.0 * rows * cols * rows.min(cols)
    });
    pairs.sum()
}

/// One step, for all values that it reaches.
struct Task<'a> {
    program: &'a Differentiable<'a>,
    record: &'a Record<C64>,
    tensors: &'a [Cow<'a, SiteTensor<C64>>],
    cotangents: &'a [Cotangent],
    cancel: &'a Cancel,
}

impl Task<'_> {
    fn run(&self, shared: bool) -> Result<Vec<Pulled>> {
        let index = self.record.step;
        let step = &self.program.steps[index];
        let sites = step.site..step.site + self.record.tensors.len();
        let reached: Vec<usize> = (0..self.cotangents.len())
            .filter(|&value| {
                let Cotangent { tensors, weights } = &self.cotangents[value];
                tensors[sites.clone()].iter().any(Option::is_some)
                    || weights[sites.start + 1..sites.end].iter().any(Option::is_some)
            })
            .collect();
        if reached.is_empty() {
            return Ok(Vec::new());
        }
        let after: Vec<&SiteTensor<C64>> =
            self.tensors[sites.clone()].iter().map(|tensor| &**tensor).collect();
        let misfit = || Error::Internal(format!("the record of step {index} is of another step"));
        let each = |values: &[usize], pull: &(dyn Fn(usize) -> Pulled + Sync)| -> Vec<Pulled> {
            if shared && values.len() > 1 {
                values.par_iter().map(|&value| pull(value)).collect()
            } else {
                values.iter().map(|&value| pull(value)).collect()
            }
        };
        match (&step.gate, self.program.tangents[index]) {
            (StepGate::Two(gate, _), TangentGate::Two(tangents)) => {
                let &[left, right] = after.as_slice() else { return Err(misfit()) };
                let pair = Pair { record: self.record, gate, tangents, after: [left, right] };
                let of = |value: usize| {
                    let Cotangent { tensors, weights } = &self.cotangents[value];
                    let own = [&tensors[sites.start], &tensors[sites.start + 1]];
                    [own[0], own[1], &weights[sites.start + 1]].map(Option::as_deref)
                };
                pair.pull(&reached, &of, &each).ok_or_else(misfit)
            }
            (StepGate::Chain(operator), TangentGate::Chain(tangents)) => {
                let tangent = ChainTangents {
                    tensors: tangents.iter().map(|(_, site, t)| (*site, t)).collect(),
                };
                let mut workspace = Workspace::default();
                let factors = ChainFactors::new(
                    self.record,
                    operator,
                    tangent,
                    &after,
                    &mut workspace,
                    self.cancel,
                )?;
                Ok(each(&reached, &|value| {
                    let Cotangent { tensors, weights } = &self.cotangents[value];
                    let tensors: Vec<Option<&[C64]>> =
                        tensors[sites.clone()].iter().map(Option::as_deref).collect();
                    let weights: Vec<Option<&[C64]>> =
                        weights[sites.start + 1..sites.end].iter().map(Option::as_deref).collect();
                    let pulled = factors.pull(&tensors, &weights);
                    let parameters = tangents.iter().map(|(parameter, ..)| *parameter);
                    Pulled {
                        value,
                        derivatives: parameters.zip(pulled.tangents).collect(),
                        sites: pulled.tensors,
                        weights: Some(pulled.weights),
                    }
                }))
            }
            _ => Err(misfit()),
        }
    }
}

/// Takes a unitary back from one site, its tensor and its cotangents.
fn undo_one_site(
    site: usize,
    tensor: &mut SiteTensor<C64>,
    u: &[C64; 4],
    tangents: &[(usize, [C64; 4])],
    cotangents: &mut [Cotangent],
    gradients: &mut [Vec<f64>],
) {
    let (left, right) = (tensor.left, tensor.right);
    let back = adjoint_of(u, 2);
    apply_one_site(tensor, &back);
    for (cotangent, gradient) in cotangents.iter_mut().zip(gradients) {
        let Some(g) = cotangent.tensors[site].take() else { continue };
        // g_U[p, p'] = Σ_{l r} g[l, p, r] · conj(B[l, p', r]), B before the step
        let mut of_u = [C64::ZERO; 4];
        let columns = tensor.entries.chunks_exact(2 * left);
        for (g, b) in g.chunks_exact(2 * left).zip(columns) {
            for (at, sum) in of_u.iter_mut().enumerate() {
                let (g, b) = (&g[at / 2 * left..][..left], &b[at % 2 * left..][..left]);
                *sum += g.iter().zip(b).map(|(g, b)| g * b.conj()).sum::<C64>();
            }
        }
        for (parameter, tangent) in tangents {
            gradient[*parameter] += along(&of_u, tangent);
        }
        let mut turned = SiteTensor { left, right, entries: g };
        apply_one_site(&mut turned, &back);
        cotangent.tensors[site] = Some(turned.entries);
    }
}
