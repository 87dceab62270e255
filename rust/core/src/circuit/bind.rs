//! Fills a plan with numbers: one matrix or operator per step, for one row of parameters.

use super::C64;
use super::gate_matrices::phase;
use super::matrix::{IDENTITY2, Matrix2, Matrix4, ONE, kron, multiply2, multiply4};
use super::parts::{Part, Placement, Segment, Width};
use super::plan::Plan;
use super::row::Row;
use super::structure::Structure;
use crate::error::{Error, Result};
use crate::operator::ChainOperator;

/// What one step applies.
#[derive(Debug, Clone, PartialEq)]
pub enum StepMatrix {
    /// On one site: 2×2, row-major. Also the identity in place of a gate on many sites that does not
    /// act.
    One(Matrix2),
    /// On two sites: 4×4, row-major, the left site most significant.
    Two(Matrix4),
    /// On more sites.
    Chain(ChainOperator),
}

/// The matrices of a segment's steps.
#[derive(Debug, Clone, PartialEq)]
pub struct Bound {
    /// One per step, in the order of the steps.
    pub matrices: Vec<StepMatrix>,
    /// Factor of the whole state: the product of all global phases.
    pub phase: C64,
}

impl Plan {
    /// Computes the matrix of every step of segment `segment` for one row that
    /// [`Structure::check_row`] has passed. `outcomes` are those of the measurements before the
    /// segment: a gate whose condition they fail is the identity.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidInput`] if a row has the wrong length, `structure` is not the one that the
    /// plan was made for, or the outcomes are not those before a segment of it.
    pub fn bind(
        &self,
        segment: usize,
        structure: &Structure,
        parameters: &[f64],
        matrices: &[C64],
        outcomes: &[bool],
    ) -> Result<Bound> {
        let row = Row { structure, parameters, matrices, outcomes };
        let own = self.segment_for(segment, row)?;
        let bound = self.steps()[own.steps.clone()].iter().map(|step| match step.width {
            Width::One => row.one_site_step(self.parts(step)).map(StepMatrix::One),
            Width::Two => row.two_site_step(self.parts(step)).map(StepMatrix::Two),
            Width::Chain(_) => row.chain_step(self.parts(step), self.chains()),
        });
        Ok(Bound { matrices: bound.collect::<Result<_>>()?, phase: self.phase(own, row) })
    }

    /// Segment `segment`, if `row` is one for it.
    pub(super) fn segment_for(&self, segment: usize, row: Row<'_>) -> Result<&Segment> {
        if !self.fits(row.structure) {
            return Err(Error::invalid("the plan was made for another circuit structure"));
        }
        let Some(own) = self.segments().get(segment).filter(|_| row.outcomes.len() == segment)
        else {
            return Err(Error::invalid(format!(
                "segment {segment} of {} begins after {segment} measurements, got {} outcomes",
                self.segments().len(),
                row.outcomes.len()
            )));
        };
        row.check_lengths()?;
        Ok(own)
    }

    /// The global phases of a segment, as one factor.
    pub(super) fn phase(&self, segment: &Segment, row: Row<'_>) -> C64 {
        // A product of phases, not the phase of a sum: exact for large angles, too.
        self.phases(segment).iter().fold(ONE, |product, factor| {
            let gate = row.structure.gate(factor.gate as usize);
            product * phase(-factor.scale * row.angle(&gate))
        })
    }
}

impl Row<'_> {
    fn one_site_step(&self, parts: &[Part]) -> Result<Matrix2> {
        let mut product = IDENTITY2;
        for part in parts {
            product = multiply2(&self.matrix2(part.source)?, &product);
        }
        Ok(product)
    }

    fn two_site_step(&self, parts: &[Part]) -> Result<Matrix4> {
        let mut product = None;
        for layer in layers(parts) {
            let matrix = match layer {
                &[part] if !part.placement.is_on_one_site() => self.placed4(part)?,
                _ => {
                    let mut sites = [IDENTITY2; 2];
                    for part in layer {
                        let site = &mut sites[usize::from(part.placement == Placement::Second)];
                        *site = multiply2(&self.matrix2(part.source)?, site);
                    }
                    kron(&sites[0], &sites[1])
                }
            };
            product = Some(compose(&matrix, product.as_ref()));
        }
        Ok(product.unwrap_or_else(|| kron(&IDENTITY2, &IDENTITY2)))
    }
}

/// The parts of a two-site step in groups: each on both sites is one, and all on one site that
/// follow each other are one.
pub(super) fn layers(parts: &[Part]) -> impl Iterator<Item = &[Part]> {
    parts.chunk_by(|a, b| a.placement.is_on_one_site() && b.placement.is_on_one_site())
}

/// `matrix` after `before`.
pub(super) fn compose(matrix: &Matrix4, before: Option<&Matrix4>) -> Matrix4 {
    before.map_or(*matrix, |before| multiply4(matrix, before))
}
