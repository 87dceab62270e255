//! Overlaps of many states with many: states encoded once and packed, their overlaps pair by pair.

mod encode;
mod lanes;
mod pairs;
mod states;

pub use encode::{EncodeJob, Encoded};
pub use pairs::log_overlaps;
pub(crate) use states::InDouble;
pub use states::{EncodedState, EncodedStates, Entries};
