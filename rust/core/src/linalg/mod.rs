//! Dense linear algebra: thin, sequential, column-major, over `faer`.
//!
//! Nothing here starts a thread: a step is sequential, so that its bits do not depend on how many
//! threads run other steps. Factorizations are in double precision and none is trusted unchecked.

mod cholesky_qr;
mod eigh;
mod gemm;
mod qr;
mod sketch;
mod svd;
mod truncate;

pub(crate) use cholesky_qr::nearly_orthogonal_qr;
pub use eigh::leading_eigenpairs;
pub(crate) use gemm::adjoint;
pub use gemm::{
    add_adjoint_times, add_times, add_times_adjoint, adjoint_times, adjoint_times_lower, gram,
    matrix, matrix_mut, times, times_adjoint, times_adjoint_lower,
};
pub use qr::{ThinQr, thin_qr};
pub(crate) use sketch::{SketchBuffers, sketch_size, sketched_directions};
pub use svd::{RightFactors, right_singular_vectors};
pub use truncate::{Cut, Dropped, Expected, Method, MethodCounts, Truncation, truncate};

use faer::MatRef;
use faer::dyn_stack::{MemBuffer, MemStack, StackReq};

use crate::scalar::{C64, Double, Scalar};

/// Working memory of the factorizations, grown on demand and reused.
pub struct Workspace {
    buffer: MemBuffer,
    capacity: usize,
}

impl Default for Workspace {
    fn default() -> Self {
        Self { buffer: MemBuffer::new(StackReq::empty()), capacity: 0 }
    }
}

impl Workspace {
    fn stack(&mut self, request: StackReq) -> &mut MemStack {
        let bytes = request.unaligned_bytes_required();
        if bytes > self.capacity {
            self.capacity = bytes.next_power_of_two();
            self.buffer = MemBuffer::new(StackReq::new::<u8>(self.capacity));
        }
        MemStack::new(&mut self.buffer)
    }
}

/// Entry `index` of a fixed sequence of numbers with parts in [-1, 1): the random vectors of the
/// residual checks, the same on every run.
pub(crate) fn probe<W: Double>(index: usize) -> W {
    // splitmix64 (Steele, Lea, Flood 2014): a counter-based generator with good equidistribution.
    let mut bits = (index as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    bits ^= bits >> 31;
    let part = |half: u32| f64::from(half) / 2_147_483_648.0 - 1.0;
    W::from_c64(C64::new(part(bits as u32), part((bits >> 32) as u32)))
}

/// Whether `|V y|² = |y|²` to `tolerance` for a random y: columns that are not orthonormal fail. Cost
/// O(rows · columns).
fn keeps_length<W: Double>(vectors: MatRef<'_, W>, y: &[W], tolerance: f64) -> bool {
    let (rows, kept) = vectors.shape();
    let mut image = vec![W::ZERO; rows];
    times(matrix_mut(&mut image, rows, 1), vectors, matrix(y, kept, 1));
    let expected = squared_norm(y);
    (squared_norm(&image) - expected).abs() <= tolerance * expected.max(1.0)
}

/// `Σ |x|²`, in double precision: eight sums side by side, since one addition would wait for the other.
pub(crate) fn squared_norm<S: Scalar>(x: &[S]) -> f64 {
    let (whole, rest) = x.as_chunks::<8>();
    let mut sums = [0.0; 8];
    for chunk in whole {
        sums.iter_mut().zip(chunk).for_each(|(sum, x)| *sum += x.norm_sqr());
    }
    sums.iter().sum::<f64>() + rest.iter().map(|x| x.norm_sqr()).sum::<f64>()
}
