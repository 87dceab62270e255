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
use crate::linalg::{ThinQr, Workspace, matrix, matrix_mut, nearly_orthogonal_qr, times};
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

impl Heading {
    fn turned(self) -> Self {
        match self {
            Self::Left => Self::Right,
            Self::Right => Self::Left,
        }
    }

    /// Where the centre comes to a step, and where the step leaves it.
    fn way_through(self, centre: usize, sites: &Range<usize>) -> (usize, usize) {
        let (first, last) = (sites.start, sites.end - 1);
        let exit = if self == Self::Left { first } else { last };
        (centre.clamp(first, last), exit)
    }
}

/// Applies the steps of `range` to `state`, in another order than theirs where they commute by acting on
/// different sites. The state is then of mixed form: it has to be swept.
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
    // What was discarded has left the tensors not quite orthonormal.
    for site in (0..state.n_sites() - 1).rev() {
        pass(state, course, (site, Heading::Left), &mut workspace, (runner, &mut *ledger))?;
    }
    let (mut centre, mut heading) = (0, Heading::Right);
    loop {
        while let Some(index) = agenda.one_site.pop_front() {
            let step = &steps[index];
            if let StepGate::One(u) = &step.gate {
                course.apply_one_site(step, u, state);
            }
            agenda.finish(index);
        }
        let Some(index) = agenda.next_or_turn(centre, &mut heading) else { break };
        let sites = steps[index].sites();
        let (entry, exit) = heading.way_through(centre, &sites);
        while centre != entry {
            let site = if heading == Heading::Right { centre } else { centre - 1 };
            pass(state, course, (site, heading), &mut workspace, (runner, &mut *ledger))?;
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
        centre = exit;
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

    /// The next step on the way, or else the first one on the way back.
    fn next_or_turn(&self, centre: usize, heading: &mut Heading) -> Option<usize> {
        self.next(centre, *heading).or_else(|| {
            *heading = heading.turned();
            self.next(centre, *heading)
        })
    }

    /// The next step on the way; first the one on the site of the centre, wherever it leads. Steps that
    /// are ready share no sites, so that all others lie on one side.
    fn next(&self, centre: usize, heading: Heading) -> Option<usize> {
        let here = self.queues[centre].last().copied();
        here.filter(|index| self.ready[self.steps[*index].site] == here).or_else(|| match heading {
            Heading::Right => self.ready[centre..].iter().find_map(|ready| *ready),
            Heading::Left => self.ready[..centre].iter().rev().find_map(|ready| *ready),
        })
    }
}

/// Moves the centre across the bond right of `site`.
fn pass<T: Scalar>(
    state: &mut Mps<T>,
    course: &mut Course,
    (site, heading): (usize, Heading),
    workspace: &mut Workspace,
    (runner, ledger): (&StepRunner<'_, T>, &mut Ledger<'_, T>),
) -> Result<()> {
    runner.cancel.check()?;
    let (left, right) = (&state.sites[site], &state.sites[site + 1]);
    let before = left.entries.len() + right.entries.len();
    let passed = if course.pass(site) && T::COMPLEX {
        let (left, right) = (left.cast::<T::RealPart>(), right.cast::<T::RealPart>());
        let Passed { left, right, log_norm, fallbacks } =
            pass_in(&left, &right, heading, workspace)?;
        Passed { left: left.cast(), right: right.cast(), log_norm, fallbacks }
    } else {
        pass_in(left, right, heading, workspace)?
    };
    ledger.note_pass(
        passed.fallbacks,
        before,
        passed.left.entries.len() + passed.right.entries.len(),
    );
    (state.sites[site], state.sites[site + 1]) = (passed.left, passed.right);
    state.log_norm_taken_out += passed.log_norm;
    Ok(())
}

/// Two tensors when the centre has gone from one to the other.
struct Passed<T> {
    left: SiteTensor<T>,
    right: SiteTensor<T>,
    /// Logarithm of the squared norm that rounding took.
    log_norm: f64,
    /// Factorizations that failed their check before one passed.
    fallbacks: usize,
}

fn pass_in<T: Scalar>(
    left: &SiteTensor<T>,
    right: &SiteTensor<T>,
    heading: Heading,
    workspace: &mut Workspace,
) -> Result<Passed<T>> {
    if heading == Heading::Right {
        return pass_right(left, right, workspace);
    }
    let passed = pass_right(&right.mirrored(), &left.mirrored(), workspace)?;
    Ok(Passed { left: passed.right.mirrored(), right: passed.left.mirrored(), ..passed })
}

/// Splits the centre `m` and lets the tensor right of it be the centre.
fn pass_right<T: Scalar>(
    m: &SiteTensor<T>,
    next: &SiteTensor<T>,
    workspace: &mut Workspace,
) -> Result<Passed<T>> {
    let rows = 2 * m.left;
    // M[(l p), r] = Q[(l p), k] · R[k, r]
    let wide: Vec<T::Double> = m.entries.iter().map(|x| x.to_double()).collect();
    let ThinQr { q, r, fallbacks } = nearly_orthogonal_qr(&wide, rows, m.right, workspace)?;
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
    Ok(Passed {
        left: SiteTensor { left: m.left, right: kept, entries: left },
        right: SiteTensor { left: kept, right: next.right, entries },
        log_norm,
        fallbacks,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bonds that the centre passes between steps, those that were done on the way, and turns.
    fn journey(steps: &[Step], n: usize) -> (usize, Vec<usize>, usize) {
        let mut agenda = Agenda::new(steps, 0..steps.len(), n);
        let (mut centre, mut heading) = (0, Heading::Right);
        let (mut passed, mut done, mut turns) = (0, Vec::new(), 0);
        let mut last = heading;
        while let Some(index) = agenda.next_or_turn(centre, &mut heading) {
            let (entry, exit) = heading.way_through(centre, &steps[index].sites());
            passed += entry.abs_diff(centre);
            turns += usize::from(heading != last);
            (centre, last) = (exit, heading);
            done.push(index);
            agenda.finish(index);
        }
        assert_eq!(agenda.left, 0);
        (passed, done, turns)
    }

    fn pair(site: usize) -> Step {
        Step { site, gate: StepGate::Two([crate::scalar::C64::ZERO; 16], 4), limit: None }
    }

    fn bricks(n: usize, depth: usize) -> Vec<Step> {
        (0..depth).flat_map(|layer| (layer % 2..n - 1).step_by(2).map(pair)).collect()
    }

    #[test]
    fn a_layer_costs_no_more_than_one_way_along_the_chain() {
        for (n, depth) in [(2, 5), (3, 4), (100, 7), (1000, 6)] {
            let (passed, done, turns) = journey(&bricks(n, depth), n);
            assert!(passed <= n * depth && turns <= depth, "{n}: {passed} passed, {turns} turns");
            assert_eq!(done.len(), bricks(n, depth).len());
        }
    }

    #[test]
    fn ladders_along_the_way_need_no_other_moves() {
        let n = 1000;
        let ladder = || (0..n - 1).map(pair);
        let (passed, ..) = journey(&ladder().collect::<Vec<_>>(), n);
        assert_eq!(passed, 0);
        // Back to the first step of each one after the first.
        let (passed, _, turns) = journey(&ladder().chain(ladder()).collect::<Vec<_>>(), n);
        assert!(passed <= n && turns <= 2, "{passed} passed, {turns} turns");
        let there_and_back: Vec<_> = ladder().chain(ladder().rev()).collect();
        let (passed, _, turns) = journey(&there_and_back, n);
        assert!(passed <= 1 && turns == 1, "{passed} passed, {turns} turns");
    }

    #[test]
    fn a_long_step_around_the_centre_is_done_where_it_is() {
        let site = crate::operator::OperatorSite { left: 1, right: 1, blocks: Vec::new() };
        let operator = crate::operator::ChainOperator { sites: vec![site; 6] };
        let long = Step { site: 3, gate: StepGate::Chain(operator), limit: None };
        let (passed, done, _) = journey(&[pair(5), long], 12);
        assert_eq!((passed, done), (5, vec![0, 1]));
    }

    #[test]
    fn steps_on_a_site_keep_their_order() {
        let n = 40;
        let steps: Vec<_> = bricks(n, 9).into_iter().chain((0..n - 1).map(pair)).collect();
        let (_, done, _) = journey(&steps, n);
        for site in 0..n {
            let on_site: Vec<_> =
                done.iter().filter(|index| steps[**index].sites().contains(&site)).collect();
            assert!(on_site.is_sorted(), "site {site}");
        }
    }
}
