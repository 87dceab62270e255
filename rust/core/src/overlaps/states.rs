//! Normalised states, one for each data point, packed: all tensors of a state lie in one array.

use std::borrow::Cow;
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::mps::SiteTensor;
use crate::scalar::{C32, C64, Scalar};

/// The entries of a state: site by site, each (left, 2, right) with the right bond fastest.
#[derive(Debug, Clone, PartialEq)]
pub enum Entries {
    /// complex64
    Single(Box<[C32]>),
    /// complex128
    Double(Box<[C64]>),
}

/// One state.
#[derive(Debug, Clone, PartialEq)]
pub struct EncodedState {
    /// Dimensions of the inner bonds.
    pub bonds: Box<[u32]>,
    /// All tensors.
    pub entries: Entries,
}

impl EncodedState {
    /// # Errors
    /// [`Error::InvalidInput`] if a bond is 0, the number of entries is not that of the bonds, or an
    /// entry is not finite.
    pub fn new(bonds: Box<[u32]>, entries: Entries) -> Result<Self> {
        let state = Self { bonds, entries };
        if state.bonds.contains(&0) {
            return Err(Error::invalid("expected bonds of at least 1, got 0; leave no bond out"));
        }
        let (expected, finite, given) = match &state.entries {
            Entries::Single(x) => (state.n_entries(), x.iter().all(|x| x.is_finite()), x.len()),
            Entries::Double(x) => (state.n_entries(), x.iter().all(|x| x.is_finite()), x.len()),
        };
        if expected != Some(given) {
            return Err(Error::invalid(format!(
                "expected left·2·right entries for each site of a state, got {given} in all; give \
                 the entries that parts() returned with these bonds"
            )));
        }
        if !finite {
            return Err(Error::invalid("an encoded state holds numbers that are not finite"));
        }
        Ok(state)
    }

    /// The tensors of a state, packed and rounded.
    pub(crate) fn pack(sites: &[SiteTensor<C64>], single: bool) -> Self {
        let mut entries = Vec::with_capacity(sites.iter().map(|site| site.entries.len()).sum());
        for site in sites {
            for row in 0..2 * site.left {
                let column = site.entries[row % 2 * site.left + row / 2..].iter();
                entries.extend(column.step_by(2 * site.left).take(site.right).copied());
            }
        }
        let entries = if single {
            Entries::Single(entries.into_iter().map(C32::from_c64).collect())
        } else {
            Entries::Double(entries.into_boxed_slice())
        };
        Self { bonds: sites.iter().skip(1).map(|site| site.left as u32).collect(), entries }
    }

    /// Left and right bond of each site.
    pub fn dims(&self) -> impl Iterator<Item = (usize, usize)> {
        let inner = || self.bonds.iter().map(|bond| *bond as usize);
        std::iter::once(1).chain(inner()).zip(inner().chain(std::iter::once(1)))
    }

    /// Number of entries that the bonds ask for; `None` beyond what can be counted.
    pub fn n_entries(&self) -> Option<usize> {
        self.dims().try_fold(0_usize, |sum, (left, right)| {
            sum.checked_add(left.checked_mul(right)?.checked_mul(2)?)
        })
    }

    /// Bytes of entries and bonds.
    pub fn n_bytes(&self) -> usize {
        let entries = match &self.entries {
            Entries::Single(x) => size_of_val::<[C32]>(x),
            Entries::Double(x) => size_of_val::<[C64]>(x),
        };
        entries + size_of_val::<[u32]>(&self.bonds)
    }

    /// As contractions take it.
    pub fn in_double(&self) -> InDouble<'_> {
        let entries = match &self.entries {
            Entries::Single(x) => x.iter().map(|x| x.to_c64()).collect(),
            Entries::Double(x) => Cow::Borrowed(&**x),
        };
        InDouble { dims: self.dims().collect(), entries }
    }
}

/// One state, its entries in double precision.
pub struct InDouble<'a> {
    /// Left and right bond of each site.
    pub dims: Vec<(usize, usize)>,
    /// All tensors.
    pub entries: Cow<'a, [C64]>,
}

impl InDouble<'_> {
    /// Whether no entry has an imaginary part.
    pub fn is_real(&self) -> bool {
        self.entries.iter().all(|entry| entry.im == 0.0)
    }
}

/// States of equal width and precision. Immutable; rows share memory.
#[derive(Debug, Clone, PartialEq)]
pub struct EncodedStates {
    states: Vec<Arc<EncodedState>>,
    n_wires: usize,
    single: bool,
}

impl EncodedStates {
    /// # Errors
    /// [`Error::InvalidInput`] if the states differ in width or precision, or have no wires.
    pub fn new(states: Vec<Arc<EncodedState>>, n_wires: usize, single: bool) -> Result<Self> {
        if n_wires == 0 {
            return Err(Error::invalid("expected states of at least one wire, got 0"));
        }
        for state in &states {
            let (wires, precision) =
                (state.bonds.len() + 1, matches!(state.entries, Entries::Single(_)));
            if wires != n_wires || precision != single {
                return Err(Error::invalid(format!(
                    "expected encoded states of one width and precision, got {n_wires} and {wires} \
                     wires; encode all of them with one feature map and the same settings"
                )));
            }
        }
        Ok(Self { states, n_wires, single })
    }

    /// The states.
    pub fn states(&self) -> &[Arc<EncodedState>] {
        &self.states
    }

    /// Wires of each state.
    pub fn n_wires(&self) -> usize {
        self.n_wires
    }

    /// Whether entries are complex64.
    pub fn single_precision(&self) -> bool {
        self.single
    }

    /// The largest bond of all; 1 without states.
    pub fn largest_bond(&self) -> usize {
        let bonds = self.states.iter().flat_map(|state| state.bonds.iter());
        bonds.max().map_or(1, |bond| *bond as usize)
    }

    /// Bytes of all states.
    pub fn n_bytes(&self) -> usize {
        self.states.iter().map(|state| state.n_bytes()).sum()
    }

    /// Some of the states, sharing memory.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] if the range reaches beyond the states.
    pub fn rows(&self, start: usize, stop: usize) -> Result<Self> {
        let states = self.states.get(start..stop).ok_or_else(|| {
            Error::invalid(format!(
                "expected rows within 0 to {}, got {start} to {stop}",
                self.states.len()
            ))
        })?;
        Ok(Self { states: states.to_vec(), n_wires: self.n_wires, single: self.single })
    }
}
