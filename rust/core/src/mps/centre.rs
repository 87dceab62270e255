//! Evolution around a centre: where much is lost, every cut knows the whole state.
//!
//! ```text
//!  A_0 ─ A_1 ─ M_c ─ B_{c+1} ─ …       A: left-canonical, B: right-canonical, M: the centre, with the
//!                                      weights of both sides and the norm
//! ```
//!
//! The steps that are left are done in the order in which a lift serves its floors: to the right as long
//! as one is ready there, then to the left. Left of the centre and right of it everything is orthonormal,
//! so a step around it needs no weights: it is that of the B form with a weight of 1 on every row, which
//! leaves the centre on its leftmost site. To the right the same is done on the mirrored tensors. Between
//! steps the centre moves by QR. Every truncation is the best one for the whole state, for the price of a
//! QR on each bond passed, where a sweep factorizes every bond twice.

use std::collections::VecDeque;
use std::ops::Range;

use crate::error::{Error, Result};
use crate::linalg::{ThinQr, Workspace, matrix, matrix_mut, thin_qr, times};
use crate::mps::evolve::Ledger;
use crate::mps::span::{Course, Span, StepRunner};
use crate::mps::two_site::rounded_norm;
use crate::mps::{Mps, SiteTensor, Step, StepGate};
use crate::scalar::Scalar;

/// Which way the centre goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Heading {
    Left,
    Right,
}

/// Applies the steps of `range` to a canonical `state`, in another order than theirs where they commute
/// by acting on different sites. The state is then of mixed form: it has to be swept.
///
/// # Errors
/// Those of [`StepRunner::run`] and [`Ledger::end_level`].
pub(super) fn evolve_around_centre<T: Scalar>(
    state: &mut Mps<T>,
    course: &mut Course,
    (steps, range): (&[Step], Range<usize>),
    runner: &StepRunner<'_, T>,
    ledger: &mut Ledger<'_, T>,
) -> Result<()> {
    let mut agenda = Agenda::new(steps, range, state.n_sites());
    let mut workspace = Workspace::default();
    let (mut centre, mut heading) = (0, Heading::Right);
    loop {
        while let Some(index) = agenda.one_site.pop_front() {
            let step = &steps[index];
            if let StepGate::One(u) = &step.gate {
                course.apply_one_site(step, u, state);
            }
            agenda.finish(index);
        }
        let next = agenda.next(centre, heading).or_else(|| {
            heading = match heading {
                Heading::Left => Heading::Right,
                Heading::Right => Heading::Left,
            };
            agenda.next(centre, heading)
        });
        let Some(index) = next else { break };
        let sites = steps[index].sites();
        let entry = if heading == Heading::Right { sites.start } else { sites.end - 1 };
        while centre != entry {
            runner.cancel.check()?;
            let site = if heading == Heading::Right { centre } else { centre - 1 };
            pass(state, course, site, heading, &mut workspace)?;
            centre = if heading == Heading::Right { centre + 1 } else { centre - 1 };
        }
        let outside = state.schmidt[sites.start].clone();
        let span = Span::take_around_centre(index, &steps[index], state, course);
        let update = match heading {
            Heading::Left => runner.run(&span)?,
            Heading::Right => {
                let mirrored = steps[index].mirrored();
                runner.run(&span.mirrored(&mirrored))?.mirrored()
            }
        };
        let done = span.put_back(update, false, state, course);
        state.schmidt[sites.start] = outside;
        centre = if heading == Heading::Right { sites.end - 1 } else { sites.start };
        ledger.note(done, state);
        ledger.end_level()?;
        agenda.finish(index);
    }
    match agenda.left {
        0 => Ok(()),
        _ => Err(Error::Internal("steps were left that wait for each other".to_owned())),
    }
}

/// What is left to do.
struct Agenda<'a> {
    steps: &'a [Step],
    /// The steps on each site that have not been done, the last first.
    queues: Vec<Vec<usize>>,
    /// The step that may begin, by its first site.
    ready: Vec<Option<usize>>,
    /// Those on one site, which leave every form as it is.
    one_site: VecDeque<usize>,
    left: usize,
}

impl<'a> Agenda<'a> {
    fn new(steps: &'a [Step], range: Range<usize>, n_sites: usize) -> Self {
        let mut queues = vec![Vec::new(); n_sites];
        for index in range.clone().rev() {
            queues[steps[index].sites()].iter_mut().for_each(|queue| queue.push(index));
        }
        let mut agenda = Self {
            steps,
            queues,
            ready: vec![None; n_sites],
            one_site: VecDeque::new(),
            left: range.len(),
        };
        (0..n_sites).for_each(|site| agenda.look_at(site));
        agenda
    }

    /// Notes the next step on `site` if it is next on all its sites.
    fn look_at(&mut self, site: usize) {
        let Some(&index) = self.queues[site].last() else { return };
        let sites = self.steps[index].sites();
        if !self.queues[sites.clone()].iter().all(|queue| queue.last() == Some(&index)) {
            return;
        }
        match self.steps[index].gate {
            StepGate::One(_) => self.one_site.push_back(index),
            _ => self.ready[sites.start] = Some(index),
        }
    }

    fn finish(&mut self, index: usize) {
        let sites = self.steps[index].sites();
        self.ready[sites.start] = None;
        self.left -= 1;
        for site in sites.clone() {
            self.queues[site].pop();
        }
        sites.for_each(|site| self.look_at(site));
    }

    /// The next step on the way, all of whose sites lie at the centre or ahead.
    fn next(&self, centre: usize, heading: Heading) -> Option<usize> {
        match heading {
            Heading::Right => self.ready[centre..].iter().find_map(|ready| *ready),
            Heading::Left => {
                let reached = |index: &usize| self.steps[*index].sites().end <= centre + 1;
                let behind = self.ready[..=centre].iter().rev();
                behind.filter_map(|ready| *ready).find(reached)
            }
        }
    }
}

/// Moves the centre across the bond right of `site`.
fn pass<T: Scalar>(
    state: &mut Mps<T>,
    course: &mut Course,
    site: usize,
    heading: Heading,
    workspace: &mut Workspace,
) -> Result<()> {
    let (left, right) = (&state.sites[site], &state.sites[site + 1]);
    let passed = if course.pass(site) && T::COMPLEX {
        let (left, right) = (left.cast::<T::RealPart>(), right.cast::<T::RealPart>());
        let (left, right, log_norm) = pass_in(&left, &right, heading, workspace)?;
        (left.cast(), right.cast(), log_norm)
    } else {
        pass_in(left, right, heading, workspace)?
    };
    (state.sites[site], state.sites[site + 1]) = (passed.0, passed.1);
    state.log_norm_taken_out += passed.2;
    Ok(())
}

fn pass_in<T: Scalar>(
    left: &SiteTensor<T>,
    right: &SiteTensor<T>,
    heading: Heading,
    workspace: &mut Workspace,
) -> Result<(SiteTensor<T>, SiteTensor<T>, f64)> {
    if heading == Heading::Right {
        return pass_right(left, right, workspace);
    }
    let (right, left, log_norm) = pass_right(&right.mirrored(), &left.mirrored(), workspace)?;
    Ok((left.mirrored(), right.mirrored(), log_norm))
}

/// Splits the centre `m` and lets the tensor right of it be the centre; with the logarithm of the squared
/// norm that rounding took.
fn pass_right<T: Scalar>(
    m: &SiteTensor<T>,
    next: &SiteTensor<T>,
    workspace: &mut Workspace,
) -> Result<(SiteTensor<T>, SiteTensor<T>, f64)> {
    let rows = 2 * m.left;
    // M[(l p), r] = Q[(l p), k] · R[k, r]
    let wide: Vec<T::Double> = m.entries.iter().map(|x| x.to_double()).collect();
    let ThinQr { q, r, .. } = thin_qr(&wide, rows, m.right, workspace)?;
    let kept = rows.min(m.right);
    let mut log_norm = 0.0;
    if T::ROUNDS {
        // Rounded columns have another length, each by its share of the state.
        let mut weights = vec![0.0; kept];
        for column in r.chunks_exact(kept) {
            weights.iter_mut().zip(column).for_each(|(weight, x)| *weight += x.norm_sqr());
        }
        let exact: f64 = weights.iter().sum();
        let columns = q.chunks_exact(rows).zip(&weights);
        let rounded: f64 = columns.map(|(column, w)| w * rounded_norm::<T>(column)).sum();
        log_norm = (exact / rounded).ln();
    }
    // M'[k, (p x)] = Σ_r R[k, r] · B[r, (p x)]
    let carry: Vec<T> = r.into_iter().map(T::from_double).collect();
    let mut entries = vec![T::ZERO; kept * 2 * next.right];
    times(
        matrix_mut(&mut entries, kept, 2 * next.right),
        matrix(&carry, kept, m.right),
        matrix(&next.entries, m.right, 2 * next.right),
    );
    let left = q.into_iter().map(T::from_double).collect();
    Ok((
        SiteTensor { left: m.left, right: kept, entries: left },
        SiteTensor { left: kept, right: next.right, entries },
        log_norm,
    ))
}
