//! What the backward pass needs of an evolution: for every step the tensors before it and what its
//! cuts dropped.
//!
//! Steps of one site are not kept: they are undone. Where memory has no room for all steps, the tape
//! forgets what it has and keeps the state instead, a checkpoint; the backward pass evolves again
//! from the checkpoints, the last one first. So at most one stretch of steps is held at any time, and
//! all together run twice.

use crate::mps::two_site::CutRecord;
use crate::mps::{Mps, SiteTensor};
use crate::scalar::{Double, Scalar};

/// One step on two sites or more.
pub(crate) struct Record<T: Scalar> {
    /// Position in the list of steps.
    pub step: usize,
    /// The tensors of its sites before it, from left to right.
    pub tensors: Vec<SiteTensor<T>>,
    /// Schmidt values on the bond left of them.
    pub left_schmidt: Vec<f64>,
    /// Its cuts, from left to right.
    pub cuts: Vec<CutRecord<T::Double>>,
    /// Power of two that the leftmost tensor was multiplied by.
    pub left_scale: f64,
}

impl<T: Scalar> Record<T> {
    /// Whether no number of it has an imaginary part.
    pub fn is_real(&self) -> bool {
        let mut dropped = self.cuts.iter().flat_map(|cut| &cut.dropped.vectors);
        self.tensors.iter().all(SiteTensor::is_real) && dropped.all(|x| x.to_c64().im == 0.0)
    }

    /// The same in numbers of another type.
    pub fn cast<W: Double>(&self) -> Record<W> {
        Record {
            step: self.step,
            tensors: self.tensors.iter().map(SiteTensor::cast).collect(),
            left_schmidt: self.left_schmidt.clone(),
            cuts: self.cuts.iter().map(CutRecord::cast).collect(),
            left_scale: self.left_scale,
        }
    }

    fn bytes(&self) -> usize {
        let tensors = self.tensors.iter().map(|tensor| tensor.entries.len() * size_of::<T>());
        let cuts = self.cuts.iter().map(|cut| {
            let floats = cut.kept.len() + cut.dropped.weights.len();
            cut.dropped.vectors.len() * size_of::<T::Double>() + floats * size_of::<f64>()
        });
        let weights = self.left_schmidt.len() * size_of::<f64>();
        tensors.sum::<usize>() + cuts.sum::<usize>() + weights + size_of::<Self>()
    }
}

/// A state on the way.
pub(crate) struct Checkpoint<T> {
    /// The level that comes next.
    pub level: usize,
    pub state: Mps<T>,
}

/// Records of the steps since the last checkpoint.
pub(crate) struct Tape<T: Scalar> {
    /// By level.
    pub levels: Vec<Vec<Record<T>>>,
    /// Those before the records, from the first, which is the beginning.
    pub checkpoints: Vec<Checkpoint<T>>,
    /// Steps that dropped directions which may come to life, see [`crate::linalg::Dropped`].
    pub corners: Vec<usize>,
    /// Steps that kept very weak directions.
    pub graded: Vec<usize>,
    /// Largest size of the records at any time.
    pub most_bytes: usize,
    bytes: usize,
    budget: usize,
}

impl<T: Scalar> Tape<T> {
    /// For an evolution from `state` at `level`, with room for records of `budget` bytes.
    pub fn new(state: &Mps<T>, level: usize, budget: usize) -> Self {
        let beginning = Checkpoint { level, state: state.clone() };
        Self {
            levels: Vec::new(),
            checkpoints: vec![beginning],
            corners: Vec::new(),
            graded: Vec::new(),
            most_bytes: 0,
            bytes: 0,
            budget,
        }
    }

    /// Before the steps of the next level act on `state`.
    pub fn begin_level(&mut self, state: &Mps<T>) {
        if self.bytes > self.budget {
            let level = self.next_level();
            self.checkpoints.push(Checkpoint { level, state: state.clone() });
            self.levels.clear();
            self.bytes = 0;
        }
        self.levels.push(Vec::new());
    }

    fn next_level(&self) -> usize {
        let first = self.checkpoints.last().map_or(0, |checkpoint| checkpoint.level);
        first + self.levels.len()
    }

    /// Keeps a step of the level that began last.
    pub fn push(&mut self, record: Record<T>) {
        self.bytes += record.bytes();
        self.most_bytes = self.most_bytes.max(self.bytes);
        if record.cuts.iter().any(|cut| cut.dropped.corner) {
            self.corners.push(record.step);
        }
        if record.cuts.iter().any(|cut| cut.dropped.graded) {
            self.graded.push(record.step);
        }
        if let Some(level) = self.levels.last_mut() {
            level.push(record);
        }
    }
}
