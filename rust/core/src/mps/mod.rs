//! Matrix-product states in Hastings' B form: evolution, readout, overlaps.
//!
//! ```text
//!        s_0   s_1   s_2          s_n        B_i: (left, 2, right), right-canonical
//!         |     |     |            |         s_i: Schmidt values on the bond left of site i,
//!         B_0 ─ B_1 ─ B_2 ─ … ─ B_{n-1}           s_0 = s_n = [1]
//! ```
//!
//! Everything here works on sites and steps; what a wire or a gate is, `circuit` knows.

mod canonical;
mod dense;
mod density;
mod entropy;
mod environment;
mod evolve;
mod light_cone;
mod overlap;
mod pauli;
mod sample;
mod state;
mod two_site;
mod variance;

pub use canonical::canonicalise;
pub use dense::dense_amplitudes;
pub use density::{probabilities, reduced_density_matrix};
pub use entropy::{renyi_two_entropy, schmidt_weights, von_neumann_entropy};
pub use environment::Readout;
pub use evolve::{Evolution, EvolutionLog, Parallelism, Step, StepGate, evolve};
pub use light_cone::LightCones;
pub use overlap::{Overlap, log_norm_squared, overlap};
pub use pauli::{PauliWord, pauli_expectations};
pub use sample::{Bases, sample};
pub use state::{Mps, SiteTensor};
pub use two_site::{Scratch, Scratches};
pub use variance::{PauliSum, variance};
