//! Derivatives of what the steps of a plan apply, by the parameters of one row: the chain rule inside
//! a step.
//!
//! A step is a product of parts, so its derivative by a parameter is (what acts after the part) ·
//! (the part's derivative) · (what acts before it). Products from both ends make that linear in the
//! number of parts.

use std::ops::Range;

use super::C64;
use super::bind::{Bound, StepMatrix, compose, layers};
use super::matrix::{
    IDENTITY2, Matrix2, Matrix4, kron, multiply2, multiply4, times_first, times_second,
};
use super::parts::{Part, Placement, Source, Width};
use super::plan::Plan;
use super::row::Row;
use super::shifts::Shifts;
use super::structure::Structure;
use crate::error::{Error, Result};
use crate::operator::OperatorSite;

/// Derivatives of what a step applies, each with the parameter that it is by: its position in the row.
///
/// A parameter that acts in several parts of the step is listed for each of them: the derivative is
/// the sum. The order is of no meaning.
#[derive(Debug, Clone, PartialEq)]
pub enum StepTangents {
    /// On one site: 2×2, row-major.
    One(Vec<(usize, [C64; 4])>),
    /// On two sites: 4×4, row-major, the left site most significant.
    Two(Vec<(usize, [C64; 16])>),
    /// On more sites: the step's operator with another tensor on one site. How far that is right of
    /// the first one, and the tensor, of the dimensions of the one that it replaces.
    Chain(Vec<(usize, usize, OperatorSite)>),
}

impl StepTangents {
    /// Whether the step depends on nothing that is differentiated.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        match self {
            Self::One(own) => own.is_empty(),
            Self::Two(own) => own.is_empty(),
            Self::Chain(own) => own.is_empty(),
        }
    }
}

impl Plan {
    /// Like [`bind`](Self::bind) for a circuit without mid-circuit measurements, together with the
    /// derivatives of every step, in the order of the steps. `differentiated` says for every
    /// parameter of the row whether derivatives by it are wanted.
    ///
    /// An operator on many sites may be written in other tensors than by `bind`, since its derivatives
    /// share them; it is the same to rounding. Global phases are in none of the derivatives.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidInput`] if a row has the wrong length, `structure` is not the one that the
    /// plan was made for, or there are mid-circuit measurements.
    pub fn bind_with_tangents(
        &self,
        structure: &Structure,
        parameters: &[f64],
        matrices: &[C64],
        differentiated: &[bool],
    ) -> Result<(Bound, Vec<StepTangents>)> {
        if self.segments().len() != 1 {
            return Err(Error::invalid(
                "circuits with mid-circuit measurements have no derivatives of their steps",
            ));
        }
        let row = Row { structure, parameters, matrices, outcomes: &[] };
        let own = self.segment_for(0, row)?;
        if differentiated.len() != parameters.len() {
            return Err(Error::invalid(format!(
                "the row has {} parameters, but it is said of {} whether they are differentiated",
                parameters.len(),
                differentiated.len()
            )));
        }
        let mut shifts = Shifts::new(row, differentiated);
        let mut scratch = Scratch::default();
        let steps = &self.steps()[own.steps.clone()];
        let mut bound =
            Bound { matrices: Vec::with_capacity(steps.len()), phase: self.phase(own, row) };
        let mut tangents = Vec::with_capacity(steps.len());
        for step in steps {
            let parts = self.parts(step);
            let (matrix, derivatives) = match step.width {
                Width::One => {
                    let mut on_site = Vec::new();
                    let sources = parts.iter().map(|part| part.source);
                    let matrix = shifts.one_site(sources, &mut on_site, &mut scratch.factors)?;
                    (StepMatrix::One(matrix), StepTangents::One(on_site))
                }
                Width::Two => {
                    let (matrix, on_sites) = shifts.two_sites(parts, &mut scratch)?;
                    (StepMatrix::Two(matrix), StepTangents::Two(on_sites))
                }
                Width::Chain(_) => shifts.chain_step(parts, self.chains())?,
            };
            bound.matrices.push(matrix);
            tangents.push(derivatives);
        }
        Ok((bound, tangents))
    }
}

/// Memory that is used again by every step.
#[derive(Default)]
struct Scratch {
    factors: Vec<Factor>,
    /// Derivatives of products on one site of a two-site step.
    on_site: Vec<(usize, Matrix2)>,
}

/// One factor of a product on one site.
struct Factor {
    source: Source,
    matrix: Matrix2,
    /// The product of the factors before it.
    before: Matrix2,
}

/// One layer of a two-site step.
struct Layer {
    matrix: Matrix4,
    /// The product of the layers before it.
    before: Option<Matrix4>,
    made_of: MadeOf,
}

enum MadeOf {
    Sites([OnSite; 2]),
    Pair(Part),
}

/// A product on one site.
struct OnSite {
    matrix: Matrix2,
    /// Where its derivatives are in the scratch.
    tangents: Range<usize>,
}

impl Shifts<'_> {
    /// The product of parts on one site; appends its derivatives to `tangents`.
    fn one_site(
        &mut self,
        sources: impl Iterator<Item = Source>,
        tangents: &mut Vec<(usize, Matrix2)>,
        factors: &mut Vec<Factor>,
    ) -> Result<Matrix2> {
        factors.clear();
        let mut product = IDENTITY2;
        for source in sources {
            let matrix = self.row.matrix2(source)?;
            factors.push(Factor { source, matrix, before: product });
            product = multiply2(&matrix, &product);
        }
        let mut after = IDENTITY2;
        for Factor { source, matrix, before } in factors.iter().rev() {
            self.for_each_derivative(
                *source,
                |row| row.matrix2(*source),
                |parameter, own| {
                    tangents.push((parameter, multiply2(&after, &multiply2(&own, before))));
                },
            )?;
            after = multiply2(&after, matrix);
        }
        Ok(product)
    }

    /// The matrix of a two-site step, and its derivatives.
    fn two_sites(
        &mut self,
        parts: &[Part],
        scratch: &mut Scratch,
    ) -> Result<(Matrix4, Vec<(usize, Matrix4)>)> {
        scratch.on_site.clear();
        let mut passed: Vec<Layer> = Vec::new();
        let mut product = None;
        for parts in layers(parts) {
            let (matrix, made_of) = self.layer(parts, scratch)?;
            let before = product.replace(compose(&matrix, product.as_ref()));
            passed.push(Layer { matrix, before, made_of });
        }
        let mut tangents = Vec::with_capacity(scratch.on_site.len());
        let mut after: Option<Matrix4> = None;
        for Layer { matrix, before, made_of } in passed.iter().rev() {
            match made_of {
                MadeOf::Pair(part) => {
                    self.for_each_derivative(
                        part.source,
                        |row| row.placed4(*part),
                        |parameter, own| {
                            let own = after.map_or(own, |after| multiply4(&after, &own));
                            tangents.push((parameter, compose(&own, before.as_ref())));
                        },
                    )?;
                }
                MadeOf::Sites([first, second]) => {
                    // after · (1 ⊗ second) · (own ⊗ 1) · before, and the same for the other site.
                    let on_first = &scratch.on_site[first.tangents.clone()];
                    if !on_first.is_empty() {
                        let left = after.map_or_else(
                            || kron(&IDENTITY2, &second.matrix),
                            |after| times_second(&after, &second.matrix),
                        );
                        tangents.extend(on_first.iter().map(|(parameter, own)| {
                            (*parameter, compose(&times_first(&left, own), before.as_ref()))
                        }));
                    }
                    let on_second = &scratch.on_site[second.tangents.clone()];
                    if !on_second.is_empty() {
                        let left = after.map_or_else(
                            || kron(&first.matrix, &IDENTITY2),
                            |after| times_first(&after, &first.matrix),
                        );
                        tangents.extend(on_second.iter().map(|(parameter, own)| {
                            (*parameter, compose(&times_second(&left, own), before.as_ref()))
                        }));
                    }
                }
            }
            if before.is_some() {
                after = Some(after.map_or(*matrix, |after| multiply4(&after, matrix)));
            }
        }
        Ok((product.unwrap_or_else(|| kron(&IDENTITY2, &IDENTITY2)), tangents))
    }

    fn layer(&mut self, parts: &[Part], scratch: &mut Scratch) -> Result<(Matrix4, MadeOf)> {
        if let &[part] = parts
            && !part.placement.is_on_one_site()
        {
            return Ok((self.row.placed4(part)?, MadeOf::Pair(part)));
        }
        let Scratch { factors, on_site } = scratch;
        let mut product = |placement| -> Result<OnSite> {
            let start = on_site.len();
            let matrix = self.one_site(sources_on(parts, placement), on_site, factors)?;
            Ok(OnSite { matrix, tangents: start..on_site.len() })
        };
        let sites = [product(Placement::First)?, product(Placement::Second)?];
        Ok((kron(&sites[0].matrix, &sites[1].matrix), MadeOf::Sites(sites)))
    }
}

/// What the parts of a layer that sit at `placement` are made from.
fn sources_on(layer: &[Part], placement: Placement) -> impl Iterator<Item = Source> {
    layer.iter().filter(move |part| part.placement == placement).map(|part| part.source)
}
