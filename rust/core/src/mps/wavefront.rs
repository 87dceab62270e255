//! Steps over threads: each as soon as those before it on its sites are done, a few levels ahead.
//!
//! Levels alone leave threads idle at the end of each, which costs most where a level has few steps: in
//! a ladder of CNOTs it has one for each layer, of bonds that differ. (The ladders of W2, 100 wires and 8
//! layers, at χ = 64 on two threads, from the times of the steps: 1.85 times one thread by levels, 1.97 two
//! levels ahead.)
//!
//! A step is next when it is the first of what is left on all of its sites. Whatever order that gives,
//! every step reads the same numbers, and what is noted of it is noted in the order of the steps.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::ops::Range;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rayon::Scope;

use crate::error::{Error, Result};
use crate::mps::evolve::Ledger;
use crate::mps::span::{Course, Done, Span, StepRunner};
use crate::mps::two_site::StepUpdate;
use crate::mps::{Mps, Step, StepGate};
use crate::scalar::Scalar;

/// Below this many floating-point operations work is not handed to another thread, and small steps are
/// taken together until they are as many: handing out costs some microseconds.
pub(crate) const WORTH_SHARING: f64 = 2e6;
/// How many levels may be in work. More hardly help, and the size of the state is watched by levels.
const LEVELS_AT_ONCE: usize = 4;

/// Applies the steps of `levels` to `state` on the threads of the current pool.
///
/// # Errors
/// The first that a step reports, and those of [`Ledger::end_level`].
pub(super) fn run_ahead<T: Scalar>(
    state: &mut Mps<T>,
    course: &mut Course,
    (steps, levels): (&[Step], &[Range<usize>]),
    runner: &StepRunner<'_, T>,
    ledger: &mut Ledger<'_, T>,
) -> Result<()> {
    let mut board = Board::new(state, course, (steps, levels), ledger, runner.keep_dropped);
    (0..board.queues.len()).for_each(|site| board.advance(site));
    board.note_levels();
    let board = Mutex::new(board);
    let crew = Crew { board: &board, runner, threads: rayon::current_num_threads() };
    rayon::scope(|scope| crew.work(scope));
    let board = board.into_inner().unwrap_or_else(PoisonError::into_inner);
    match board.failed {
        Some(error) => Err(error),
        None if board.level < levels.len() => {
            Err(Error::Internal("steps were left that wait for each other".to_owned()))
        }
        None => Ok(()),
    }
}

/// A step that may begin.
#[derive(Debug, PartialEq)]
struct Ready {
    level: usize,
    flops: f64,
    index: usize,
}

impl Eq for Ready {}

impl Ord for Ready {
    /// Early levels first, in them large steps first.
    fn cmp(&self, other: &Self) -> Ordering {
        let key = |ready: &Self| (Reverse(ready.level), Reverse(ready.index));
        let (own, others) = (key(self), key(other));
        own.0.cmp(&others.0).then(self.flops.total_cmp(&other.flops)).then(own.1.cmp(&others.1))
    }
}

impl PartialOrd for Ready {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// What all threads know.
struct Board<'a, 'l, T: Scalar> {
    state: &'a mut Mps<T>,
    course: &'a mut Course,
    steps: &'a [Step],
    levels: &'a [Range<usize>],
    ledger: &'a mut Ledger<'l, T>,
    /// Whether a derivative is wanted.
    keep: bool,
    /// The steps on each site that have not been done, the last first.
    queues: Vec<Vec<usize>>,
    /// Of each step the sites on which it is next; counted, like all below, from the first step.
    fronts: Vec<usize>,
    level_of: Vec<usize>,
    ready: BinaryHeap<Ready>,
    done: Vec<Option<Done<T>>>,
    /// Steps of each level that have not been done.
    left: Vec<usize>,
    /// The first level with such steps.
    level: usize,
    /// Threads at work.
    workers: usize,
    failed: Option<Error>,
}

impl<'a, 'l, T: Scalar> Board<'a, 'l, T> {
    fn new(
        state: &'a mut Mps<T>,
        course: &'a mut Course,
        (steps, levels): (&'a [Step], &'a [Range<usize>]),
        ledger: &'a mut Ledger<'l, T>,
        keep: bool,
    ) -> Self {
        let all = levels.first().map_or(0, |level| level.start)
            ..levels.last().map_or(0, |level| level.end);
        let mut queues = vec![Vec::new(); state.n_sites()];
        for index in all.clone().rev() {
            queues[steps[index].sites()].iter_mut().for_each(|queue| queue.push(index));
        }
        Self {
            state,
            course,
            steps,
            levels,
            ledger,
            keep,
            queues,
            fronts: vec![0; all.len()],
            level_of: levels
                .iter()
                .enumerate()
                .flat_map(|(at, level)| std::iter::repeat_n(at, level.len()))
                .collect(),
            ready: BinaryHeap::new(),
            done: std::iter::repeat_with(|| None).take(all.len()).collect(),
            left: levels.iter().map(ExactSizeIterator::len).collect(),
            level: 0,
            workers: 1,
            failed: None,
        }
    }

    fn place(&self, index: usize) -> usize {
        index - self.levels[0].start
    }

    /// Looks at what is next on `site`.
    fn advance(&mut self, site: usize) {
        let Some(&index) = self.queues[site].last() else { return };
        let at = self.place(index);
        self.fronts[at] += 1;
        let step = &self.steps[index];
        if self.fronts[at] == step.sites().len() {
            let flops = step.flops(&self.state.sites);
            self.ready.push(Ready { level: self.level_of[at], flops, index });
        }
    }

    /// The next steps that one thread takes: a large one, or several small ones.
    fn take(&mut self) -> Vec<Span<'a, T>> {
        let (mut taken, mut flops) = (Vec::new(), 0.0);
        while self.failed.is_none()
            && flops < WORTH_SHARING
            && let Some(next) = self.ready.peek()
            && next.level < self.level + LEVELS_AT_ONCE
            && (taken.is_empty() || flops + next.flops <= WORTH_SHARING)
            && let Some(Ready { index, flops: own, .. }) = self.ready.pop()
        {
            let step = &self.steps[index];
            if let StepGate::One(u) = &step.gate {
                // Done sooner than it is handed out.
                self.course.apply_one_site(step, u, self.state);
                self.finish(index);
                continue;
            }
            flops += own;
            taken.push(Span::take(index, step, self.state, self.course));
        }
        taken
    }

    /// Whether what waits is worth another thread.
    fn has_more(&self) -> bool {
        let last = self.level + LEVELS_AT_ONCE;
        let waiting = self.ready.iter().filter(|ready| ready.level < last);
        let mut flops = 0.0;
        waiting.map(|ready| ready.flops).any(|own| {
            flops += own;
            flops >= WORTH_SHARING
        })
    }

    /// Puts what a step made in its place.
    fn put_back(&mut self, span: Span<'a, T>, update: Result<StepUpdate<T>>) {
        let (index, at) = (span.index, self.place(span.index));
        match update {
            Ok(update) => {
                self.done[at] = Some(span.put_back(update, self.keep, self.state, self.course));
                self.finish(index);
            }
            Err(error) => {
                self.failed.get_or_insert(error);
            }
        }
    }

    /// Looks at what a step leaves to do on its sites.
    fn finish(&mut self, index: usize) {
        for site in self.steps[index].sites() {
            self.queues[site].pop();
            self.advance(site);
        }
        let level = self.level_of[self.place(index)];
        self.left[level] -= 1;
        self.note_levels();
    }

    /// Notes the levels that are complete.
    fn note_levels(&mut self) {
        while self.failed.is_none() && self.left.get(self.level) == Some(&0) {
            for index in self.levels[self.level].clone() {
                let at = self.place(index);
                if let Some(done) = self.done[at].take() {
                    self.ledger.note(done, self.state);
                }
            }
            self.failed = self.ledger.end_level().err();
            self.level += 1;
        }
    }
}

/// The threads at work on a board.
#[derive(Clone, Copy)]
struct Crew<'s, 'a, 'l, T: Scalar> {
    board: &'s Mutex<Board<'a, 'l, T>>,
    runner: &'s StepRunner<'s, T>,
    threads: usize,
}

impl<'s, 'a, 'l, T: Scalar> Crew<'s, 'a, 'l, T> {
    fn board(&self) -> MutexGuard<'s, Board<'a, 'l, T>> {
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does steps until none may begin. A thread never waits for another: who finishes what others wait
    /// for goes on with it, and calls for help if there is more.
    fn work(self, scope: &Scope<'s>)
    where
        'a: 's,
        'l: 's,
    {
        let mut board = self.board();
        loop {
            let spans = board.take();
            if spans.is_empty() {
                board.workers -= 1;
                return;
            }
            if board.workers < self.threads && board.has_more() {
                board.workers += 1;
                scope.spawn(move |scope| self.work(scope));
            }
            drop(board);
            let updates: Vec<_> = spans.iter().map(|span| self.runner.run(span)).collect();
            board = self.board();
            for (span, update) in spans.into_iter().zip(updates) {
                board.put_back(span, update);
            }
        }
    }
}
