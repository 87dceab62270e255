//! The steps of an evolution.

use std::ops::Range;

use crate::mps::SiteTensor;
use crate::operator::ChainOperator;
use crate::scalar::C64;

/// What a step applies.
#[derive(Debug, Clone, PartialEq)]
pub enum StepGate {
    /// On one site: 2×2, row-major.
    One([C64; 4]),
    /// On two neighbouring sites: 4×4, row-major, left site most significant, and a bound of its
    /// operator Schmidt rank.
    Two([C64; 16], usize),
    /// On as many neighbouring sites as it has tensors.
    Chain(ChainOperator),
}

impl StepGate {
    /// Whether it is free of imaginary parts, so that a real state stays real.
    pub(super) fn is_real(&self) -> bool {
        let real = |entries: &[C64]| entries.iter().all(|x| x.im == 0.0);
        match self {
            Self::One(u) => real(u),
            Self::Two(g, _) => real(g),
            Self::Chain(operator) => {
                let mut blocks = operator.sites.iter().flat_map(|site| &site.blocks);
                blocks.all(|block| real(&block.matrix))
            }
        }
    }

    /// How many sites it acts on.
    #[must_use]
    pub fn width(&self) -> usize {
        match self {
            Self::One(_) => 1,
            Self::Two(..) => 2,
            Self::Chain(operator) => operator.sites.len(),
        }
    }
}

/// One step of the evolution.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// The site, or the leftmost one.
    pub site: usize,
    /// What is applied.
    pub gate: StepGate,
    /// Largest bond kept; `None` for no limit.
    pub limit: Option<usize>,
}

impl Step {
    /// Its sites.
    pub(super) fn sites(&self) -> Range<usize> {
        self.site..self.site + self.gate.width()
    }

    /// The step on a chain whose sites are counted from the other end, at the same first site.
    pub(super) fn mirrored(&self) -> Self {
        let gate = match &self.gate {
            StepGate::One(u) => StepGate::One(*u),
            StepGate::Two(g, rank) => {
                // G'[q p, q' p'] = G[p q, p' q']
                let swapped = |pair: usize| [0, 2, 1, 3][pair];
                let entry = |at: usize| g[4 * swapped(at / 4) + swapped(at % 4)];
                StepGate::Two(std::array::from_fn(entry), *rank)
            }
            StepGate::Chain(operator) => {
                let mut operator = operator.clone();
                operator.sites.reverse();
                for site in &mut operator.sites {
                    std::mem::swap(&mut site.left, &mut site.right);
                    for block in &mut site.blocks {
                        std::mem::swap(&mut block.left, &mut block.right);
                    }
                }
                StepGate::Chain(operator)
            }
        };
        Self { gate, ..*self }
    }

    /// Rough cost among `tensors`, those of all sites: for each bond the eigenproblem of a (2·right)²
    /// matrix and the products around it.
    pub(super) fn flops<T>(&self, tensors: &[SiteTensor<T>]) -> f64 {
        let pairs = tensors[self.sites()].windows(2).map(|pair| {
            let (rows, cols) = (2.0 * pair[0].left as f64, 2.0 * pair[1].right as f64);
            60.0 * rows * cols * rows.min(cols)
        });
        pairs.sum()
    }
}
