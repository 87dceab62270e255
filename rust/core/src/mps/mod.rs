//! Matrix-product states in Hastings' B form: evolution, readout, overlaps.
//!
//! ```text
//!        s_0   s_1   s_2          s_n        B_i: (left, 2, right), right-canonical
//!         |     |     |            |         s_i: Schmidt values on the bond left of site i,
//!         B_0 ─ B_1 ─ B_2 ─ … ─ B_{n-1}           s_0 = s_n = [1]
//! ```
//!
//! Everything here works on sites and steps; what a wire or a gate is, `circuit` knows.

pub(crate) mod adjoint;
mod align;
mod bitstrings;
mod canonical;
mod centre;
mod chain;
mod dense;
mod density;
mod entropy;
mod environment;
mod evolve;
mod export;
mod light_cone;
mod load;
mod loose;
mod one_letter;
mod overlap;
mod prefix;
mod project;
mod rotate;
mod sample;
mod sketched_cut;
mod span;
mod spectrum;
mod state;
mod step;
mod tape;
mod two_site;
mod variance;
mod wavefront;
mod words;

pub use bitstrings::log_probabilities;
pub(crate) use canonical::SweepLog;
pub use canonical::canonicalise;
pub use dense::dense_amplitudes;
pub use density::{probabilities, reduced_density_matrix};
pub use entropy::{renyi_two_entropy, schmidt_weights, von_neumann_entropy};
pub use environment::Readout;
pub(crate) use evolve::evolve_on_tape;
pub use evolve::{Evolution, EvolutionLog, Parallelism, evolve};
pub(crate) use export::{Exported, normalised_tensors, scaled_tensors};
pub use light_cone::LightCones;
pub(crate) use load::{load_amplitudes, load_tensors};
pub use loose::Loose;
pub(crate) use overlap::log_norm_of_tensors;
pub use overlap::{Overlap, log_norm_squared, overlap, overlap_of_tensors};
pub(crate) use prefix::BATCH;
pub use project::{outcome_probabilities, project};
pub(crate) use rotate::rotate;
pub use sample::{Bases, sample};
pub(crate) use spectrum::spectrum_of_density;
pub use spectrum::{MAX_SPECTRUM_SITES, entanglement_spectrum, spectrum_side};
pub(crate) use state::check_chain;
pub use state::{Mps, SiteTensor};
pub use step::{Step, StepGate};
pub(crate) use tape::{Checkpoint, Record, Tape};
pub(crate) use two_site::apply_one_site;
pub use two_site::{Scratch, Scratches};
pub use variance::{WordSum, variance};
pub use words::{Word, word_expectations};
