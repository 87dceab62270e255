//! One row at one set of parameters: evolved on a tape, and back.

use std::ops::Range;

use rayon::prelude::*;

use crate::circuit::StepTangents;
use crate::error::Result;
use crate::gradient::reader::Reader;
use crate::mps::adjoint::{Cotangent, Differentiable, TangentGate, pull_back};
use crate::mps::{Checkpoint, Mps, Parallelism, Record, Tape};
use crate::program::{Evolved, Program, Shared};
use crate::row::Row;
use crate::scalar::C64;

/// Memory that a row may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Room {
    /// Bytes for the records of steps.
    pub tape: usize,
    /// Bytes for cotangents.
    pub cotangents: usize,
}

/// A row that was evolved, with all that its derivatives need.
pub(super) struct Taped<'a> {
    program: Program,
    tangents: Vec<StepTangents>,
    tape: Tape<C64>,
    cutoff: f64,
    shared: &'a Shared<'a, C64>,
}

impl<'a> Taped<'a> {
    /// Evolves the row with `parameters` in the place of its own.
    ///
    /// # Errors
    /// Those of [`crate::circuit::Plan::bind_with_tangents`] and of [`crate::mps::evolve`].
    pub fn evolve(
        row: &Row<'a, C64>,
        parameters: &[f64],
        differentiated: &[bool],
        cutoff: f64,
        room: Room,
    ) -> Result<(Self, Evolved<C64>)> {
        let (prepared, shared) = (row.prepared, row.shared);
        let (group, plan) = (&prepared.group, &*prepared.main.plan);
        let (program, tangents) =
            Program::with_tangents(group, row.index, plan, parameters, differentiated, shared)?;
        let state = program.first_state()?;
        let mut tape = Tape::new(&state, 0, room.tape);
        let evolved = program.evolve_on_tape(state, cutoff, &mut tape, shared)?;
        Ok((Self { program, tangents, tape, cutoff, shared }, evolved))
    }

    /// The circuit and the derivatives of its steps.
    pub fn program(&self) -> (&Program, &[StepTangents]) {
        (&self.program, &self.tangents)
    }

    /// Factor of the whole state.
    pub fn phase(&self) -> C64 {
        self.program.phase
    }

    /// States kept besides the first one.
    pub fn checkpoints(&self) -> usize {
        self.tape.checkpoints.len() - 1
    }

    /// Largest size of the records.
    pub fn most_bytes(&self) -> usize {
        self.tape.most_bytes
    }

    /// Whether a derivative is at a corner of the truncated state: a step dropped directions that may
    /// come to life.
    pub fn at_corner(&self) -> bool {
        self.depends(&self.tape.corners)
    }

    /// Whether a derivative goes through directions so weak that their rounding errors count.
    pub fn is_graded(&self) -> bool {
        self.depends(&self.tape.graded)
    }

    /// Whether one of `among`, a list of steps, depends on what is differentiated or comes after a step
    /// that does.
    fn depends(&self, among: &[usize]) -> bool {
        if among.is_empty() {
            return false;
        }
        let mut asked = vec![false; self.tangents.len()];
        among.iter().for_each(|&step| asked[step] = true);
        let mut moves = vec![false; self.program.n_sites()];
        let steps = self.program.steps().iter().zip(&self.tangents).zip(asked);
        for ((step, tangents), asked) in steps {
            let sites = step.site..step.site + step.gate.width();
            let own = !tangents.is_empty() || moves[sites.clone()].contains(&true);
            if own && asked {
                return true;
            }
            moves[sites].fill(own);
        }
        false
    }

    /// The derivatives of every output, outputs × parameters, at `last`, the state at the end.
    ///
    /// # Errors
    /// Those of [`pull_back`].
    pub fn gradients(
        &self,
        last: &Mps<C64>,
        reader: &Reader<'_>,
        (outputs, parameters): (usize, usize),
        room: Room,
    ) -> Result<Vec<Vec<f64>>> {
        let entries = self.tape.checkpoints.iter().map(|checkpoint| checkpoint.state.n_entries());
        let most = entries.max().unwrap_or(0).max(last.n_entries());
        // Tensors, and for the weights of each bond about half as much.
        let each = (3 * most / 2 * size_of::<C64>()).max(1);
        let at_once = (room.cotangents / each).clamp(1, outputs.max(1));
        let mut gradients = vec![vec![0.0; parameters]; outputs];
        for (chunk, gradients) in gradients.chunks_mut(at_once).enumerate() {
            let first = chunk * at_once;
            let indices = first..first + gradients.len();
            let pooled = self.shared.parallelism == Parallelism::Pool;
            let cotangents: Result<Vec<Cotangent>> = if pooled && indices.len() > 1 {
                indices.into_par_iter().map(|output| reader.cotangent(output)).collect()
            } else {
                indices.map(|output| reader.cotangent(output)).collect()
            };
            self.back(last, &mut cotangents?, gradients)?;
        }
        Ok(gradients)
    }

    /// Brings `cotangents` of `last` back through all steps, from the last stretch of records to the first,
    /// and adds the derivatives to `gradients`.
    ///
    /// # Errors
    /// Those of [`pull_back`].
    pub fn back(
        &self,
        last: &Mps<C64>,
        cotangents: &mut [Cotangent],
        gradients: &mut [Vec<f64>],
    ) -> Result<()> {
        let Shared { parallelism, cancel, .. } = *self.shared;
        self.each_stretch(last, &mut |program, records, state| {
            pull_back(program, records, state, cotangents, gradients, parallelism, cancel)
        })
    }

    /// Hands the steps of every stretch, their records and the state behind them to `back`, the last
    /// stretch first. `back` leaves the state before the stretch: that, and not the one that is evolved
    /// again, is behind the next, so that no bit depends on where the stretches end.
    pub fn each_stretch(&self, last: &Mps<C64>, back: &mut Back<'_>) -> Result<()> {
        let tangents: Vec<TangentGate<'_>> = self.tangents.iter().map(gate_of).collect();
        let (steps, levels) = (self.program.steps(), self.program.levels());
        let moves = |level: &Range<usize>| {
            self.tangents[level.clone()].iter().any(|tangents| !tangents.is_empty())
        };
        let first = levels.iter().position(moves).unwrap_or(levels.len());
        let mut behind: Option<usize> = None;
        let mut on_the_way = last.clone();
        for Checkpoint { level, state } in self.tape.checkpoints.iter().rev() {
            let stretch = *level..behind.unwrap_or(levels.len());
            if stretch.end <= first {
                break;
            }
            let program = Differentiable {
                steps,
                tangents: &tangents,
                levels: &levels[stretch.clone()],
                idle: first.saturating_sub(stretch.start),
            };
            if behind.is_none() {
                back(&program, &self.tape.levels, &mut on_the_way)?;
            } else {
                let mut state = state.clone();
                let mut tape = Tape::new(&state, *level, usize::MAX);
                self.program.evolve_stretch(
                    &mut state,
                    stretch,
                    self.cutoff,
                    &mut tape,
                    self.shared,
                )?;
                back(&program, &tape.levels, &mut on_the_way)?;
            }
            behind = Some(*level);
        }
        Ok(())
    }
}

/// What is done with a stretch.
type Back<'a> =
    dyn FnMut(&Differentiable<'_>, &[Vec<Record<C64>>], &mut Mps<C64>) -> Result<()> + 'a;

fn gate_of(tangents: &StepTangents) -> TangentGate<'_> {
    match tangents {
        StepTangents::One(own) => TangentGate::One(own),
        StepTangents::Two(own) => TangentGate::Two(own),
        StepTangents::Chain(own) => TangentGate::Chain(own),
    }
}
