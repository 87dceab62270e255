//! The numbers a state is made of: `C64` (double) and `C32` (single precision).
//!
//! Single precision is a way to *store and multiply* tensors. Every factorization runs in double,
//! whatever the state's type: a Gram matrix squares the condition number, and accumulated in single
//! precision it leaves errors of 6e-5 in two-site values.

use core::ops::{Add, AddAssign, Mul, Neg, Sub};

use faer::traits::ComplexField;
use num_complex::Complex;

/// Complex number in double precision.
pub type C64 = Complex<f64>;
/// Complex number in single precision.
pub type C32 = Complex<f32>;

/// Entry of a site tensor.
pub trait Scalar:
    ComplexField
    + Copy
    + Send
    + Sync
    + 'static
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Neg<Output = Self>
    + AddAssign
{
    /// 0.
    const ZERO: Self;
    /// 1.
    const ONE: Self;
    /// Singular values below this fraction of the largest are rounding noise: they have a size but
    /// no direction, and are dropped at any cutoff.
    const NOISE_FLOOR: f64;
    /// Whether rounding to this type loses digits of a double-precision number.
    const ROUNDS: bool;
    /// Rounds a double-precision number to this type.
    fn from_c64(value: C64) -> Self;
    /// Widens to double precision.
    fn to_c64(self) -> C64;
    /// Squared modulus, in double precision.
    fn norm_sqr(self) -> f64;
    /// Complex conjugate.
    fn conj(self) -> Self;
    /// Product with a real number.
    fn scale(self, factor: f64) -> Self;
}

macro_rules! complex_scalar {
    ($complex:ty, $real:ty, $floor:expr) => {
        impl Scalar for $complex {
            const ZERO: Self = <$complex>::new(0.0, 0.0);
            const ONE: Self = <$complex>::new(1.0, 0.0);
            const NOISE_FLOOR: f64 = $floor;
            const ROUNDS: bool = size_of::<$real>() < size_of::<f64>();

            #[inline(always)]
            fn from_c64(value: C64) -> Self {
                <$complex>::new(value.re as $real, value.im as $real)
            }
            #[inline(always)]
            fn to_c64(self) -> C64 {
                C64::new(f64::from(self.re), f64::from(self.im))
            }
            #[inline(always)]
            fn norm_sqr(self) -> f64 {
                let (re, im) = (f64::from(self.re), f64::from(self.im));
                re * re + im * im
            }
            #[inline(always)]
            fn conj(self) -> Self {
                <$complex>::new(self.re, -self.im)
            }
            #[inline(always)]
            fn scale(self, factor: f64) -> Self {
                <$complex>::new(self.re * factor as $real, self.im * factor as $real)
            }
        }
    };
}

complex_scalar!(C64, f64, 1e-15);
complex_scalar!(C32, f32, 1e-7);
