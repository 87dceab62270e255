//! Two-site steps on the way back, in real numbers where nothing is complex.
//!
//! That is looked up for each value by itself, so that its bits do not depend on the others: gate, tensors
//! and dropped directions are what the real step left, and the cotangents of what a real circuit gives
//! are real as well. To look and to convert costs O(χ²), and real products are a quarter of complex ones.

use crate::mps::SiteTensor;
use crate::mps::adjoint::two_site::PairFactors;
use crate::mps::adjoint::{Pulled, along, widened};
use crate::mps::tape::Record;
use crate::scalar::{C64, Double};

/// A step on two sites, what it left, and derivatives of its gate.
pub(super) struct Pair<'a> {
    pub record: &'a Record<C64>,
    pub gate: &'a [C64; 16],
    pub tangents: &'a [(usize, [C64; 16])],
    pub after: [&'a SiteTensor<C64>; 2],
}

/// The cotangents of both tensors of one value and of the weights between them.
type OfPair<'a> = [Option<&'a [C64]>; 3];

/// Does something for each of some values, on one thread or on many.
type Each<'a> = dyn Fn(&[usize], &(dyn Fn(usize) -> Pulled + Sync)) -> Vec<Pulled> + 'a;

impl Pair<'_> {
    /// What the step gives for each of `values`, in no order; `None` if the record is of another step.
    pub fn pull<'c>(
        &self,
        values: &[usize],
        of: &(dyn Fn(usize) -> OfPair<'c> + Sync),
        each: &Each<'_>,
    ) -> Option<Vec<Pulled>> {
        let is_real = |value: &usize| of(*value).iter().flatten().all(|own| real(own));
        let (as_real, as_complex): (Vec<usize>, Vec<usize>) = if self.is_real() {
            values.iter().partition(|value| is_real(value))
        } else {
            (Vec::new(), values.to_vec())
        };
        let mut pulled = Vec::with_capacity(values.len());
        if !as_real.is_empty() {
            let record: Record<f64> = self.record.cast();
            let [left, right]: [SiteTensor<f64>; 2] = self.after.map(SiteTensor::cast);
            let factors = PairFactors::new(&record, self.gate, [&left, &right])?;
            let narrow = |own: &[C64]| own.iter().map(|x| x.re).collect::<Vec<f64>>();
            pulled.extend(each(&as_real, &|value| {
                let own = of(value).map(|own| own.map(narrow));
                self.pull_with(value, &factors, own.each_ref().map(Option::as_deref))
            }));
        }
        if !as_complex.is_empty() {
            let factors = PairFactors::new(self.record, self.gate, self.after)?;
            let own = |value| self.pull_with(value, &factors, of(value));
            pulled.extend(each(&as_complex, &own));
        }
        Some(pulled)
    }

    fn is_real(&self) -> bool {
        real(self.gate) && self.after.iter().all(|tensor| tensor.is_real()) && self.record.is_real()
    }

    fn pull_with<W: Double>(
        &self,
        value: usize,
        factors: &PairFactors<'_, W>,
        [left, right, weights]: [Option<&[W]>; 3],
    ) -> Pulled {
        let pulled = factors.pull(left, right, weights);
        let by =
            |(parameter, tangent): &(usize, [C64; 16])| (*parameter, along(&pulled.gate, tangent));
        Pulled {
            value,
            derivatives: self.tangents.iter().map(by).collect(),
            sites: vec![widened(pulled.left), widened(pulled.right)],
            weights: pulled.weights.map(widened),
        }
    }
}

fn real(entries: &[C64]) -> bool {
    entries.iter().all(|x| x.im == 0.0)
}
