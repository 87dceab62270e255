//! Derivatives of one row of which nothing is cut, without factorizations.
//!
//! Corners and weak directions mean nothing to the circuit as it is applied in `unfactored.rs`, and neither do
//! they to a second state. Which of the two costs less is told from the bonds of either, before one is begun.

use rayon::prelude::*;

use crate::error::Result;
use crate::gradient::outputs::Outputs;
use crate::gradient::reader::Reader;
use crate::gradient::taped::{Room, Taped};
use crate::gradient::unfactored::Layout;
use crate::gradient::{Gradients, values_of};
use crate::mps::{Mps, Parallelism, Readout, SiteTensor, Step, Word};
use crate::row::Row;
use crate::scalar::C64;
use crate::values::{FewWire, Values};

/// Bonds up to which a circuit is laid out; whether that is worth while is asked then.
const LARGEST_BOND: usize = 256;
/// Multiplications that evolving a second state over one gate is worth, whatever its bonds.
const SECOND_STATE: f64 = 5e5;
/// The same for each cube of a bond: factorizations of two to four times that bond.
const SECOND_STATE_CUBE: f64 = 1e3;
/// Products at each site for environments, and for what is left of and right of the words.
const ENVIRONMENTS: f64 = 8.0;
/// Products for each letter that words do not share.
const LETTER: f64 = 4.0;
/// Products at each site for the pairs of layers of a variance.
const VARIANCE: f64 = 60.0;

/// A row with what was found of it: on the tape, in its final state, and read from that.
pub(super) struct Found<'a> {
    pub taped: &'a Taped<'a>,
    pub last: &'a Mps<C64>,
    pub reader: &'a Reader<'a>,
    pub values: &'a FewWire,
}

/// The derivatives of every output; `None` for those of which a second state costs less, or of all where
/// memory is short.
///
/// # Errors
/// Those of [`Layout::new`], of [`Layout::apply`] and of [`Reader`].
pub(super) fn gradients(
    row: &Row<'_, C64>,
    outputs: &Outputs,
    room: Room,
    found: &Found<'_>,
) -> Result<Vec<Option<Vec<f64>>>> {
    let mut gradients = vec![None; outputs.count];
    let (program, tangents) = found.taped.program();
    let Some(layout) = Layout::new(program, tangents, LARGEST_BOND)? else { return Ok(gradients) };
    // A cotangent, with the environments that it is made from.
    let each = 4 * layout.entries() * size_of::<C64>();
    if !layout.fits(row.shared, each) {
        return Ok(gradients);
    }
    let costs = Costs::new(&layout, found);
    let chosen: Vec<usize> = (0..outputs.count).filter(|&output| costs.favour(output)).collect();
    if chosen.is_empty() {
        return Ok(gradients);
    }
    let at_once = (room.cotangents.saturating_sub(layout.bytes()) / each).max(1);
    let shared = row.shared;
    let applied = layout.apply(shared.cancel)?;
    // Its tensors have no canonical form, so that every value is read from the whole state.
    let values = Values { readout: Readout::State, ..values_of(row) };
    let reader = Reader::new(&applied.state, values, found.values, outputs, shared.cancel)?;
    let back = |output: &usize| {
        let mut gradient = vec![0.0; outputs.differentiated.len()];
        applied.back(reader.cotangent(*output)?, &mut gradient);
        Ok(gradient)
    };
    for some in chosen.chunks(at_once) {
        let own: Result<Gradients> = match shared.parallelism {
            Parallelism::Pool => some.par_iter().map(back).collect(),
            Parallelism::Sequential => some.iter().map(back).collect(),
        };
        for (output, gradient) in some.iter().zip(own?) {
            gradients[*output] = Some(gradient);
        }
    }
    Ok(gradients)
}

/// Multiplications, to compare.
struct Costs<'a> {
    reader: &'a Reader<'a>,
    /// Of a product with the tensor of each site.
    products: Vec<f64>,
    /// Of one second state, back through all steps.
    second_state: f64,
}

impl<'a> Costs<'a> {
    fn new(layout: &Layout<'_>, found: &Found<'a>) -> Self {
        let of_step = |step: &Step| {
            let bond = found.last.sites[step.site].right as f64;
            (step.gate.width() - 1) as f64 * (SECOND_STATE + SECOND_STATE_CUBE * bond.powi(3))
        };
        let second_state = found.taped.program().0.steps().iter().map(of_step).sum();
        // A product of real numbers is a fourth of one of complex numbers.
        let real = found.last.sites.iter().all(SiteTensor::is_real);
        let share = if real { 0.25 } else { 1.0 };
        let products = layout.products().map(|product| share * product).collect();
        Self { reader: found.reader, products, second_state }
    }

    /// Whether this costs less than second states for `output`. No other output is looked at: none may change
    /// the bits of another.
    fn favour(&self, output: usize) -> bool {
        let (terms, variances) =
            (self.reader.terms(output), self.reader.variance_terms(output).len() as f64);
        let letters = letters_by_site(terms.iter().map(|(_, word, _)| word), self.products.len());
        let each = letters.iter().zip(&self.products);
        let own: f64 = each
            .map(|(letters, product)| {
                (ENVIRONMENTS + LETTER * *letters as f64 + VARIANCE * variances) * product
            })
            .sum();
        own < (f64::from(!terms.is_empty()) + variances) * self.second_state
    }
}

/// How many letters words have at each site, those with a common beginning once.
fn letters_by_site<'w>(words: impl Iterator<Item = &'w Word>, n_sites: usize) -> Vec<usize> {
    let mut words: Vec<&Word> = words.collect();
    words.sort_by(|a, b| (a.first, &a.letters).cmp(&(b.first, &b.letters)));
    let mut found = vec![0; n_sites];
    let mut before: Option<&Word> = None;
    for word in words {
        let known = before.filter(|other| other.first == word.first).map_or(0, |other| {
            let pairs = other.letters.iter().zip(&word.letters);
            pairs.take_while(|(a, b)| a == b).count()
        });
        let new = word.first + known..word.first + word.letters.len();
        found[new].iter_mut().for_each(|count| *count += 1);
        before = Some(word);
    }
    found
}
