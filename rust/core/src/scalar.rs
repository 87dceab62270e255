//! The numbers a state is made of: complex or real, in double or single precision.
//!
//! Single precision is a way to *store and multiply* tensors. Every factorization runs in double,
//! whatever the state's type: a Gram matrix squares the condition number, and accumulated in single
//! precision it leaves errors of 6e-5 in two-site values. Real numbers serve as long as every gate
//! so far is real: half the memory, and a half to a quarter of the work.

use core::iter::Sum;
use core::ops::{Add, AddAssign, Mul, Neg, Sub, SubAssign};

use faer::traits::{ComplexField, RealField};
use num_complex::Complex;

/// Complex number in double precision.
pub type C64 = Complex<f64>;
/// Complex number in single precision.
pub type C32 = Complex<f32>;

/// Entry of a site tensor.
///
/// The real types are for steps of real gates on real tensors, which evolution picks by itself. States that
/// meet complex gates, or are read, are complex: a real type drops imaginary parts, of a gate or of Y.
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
    + SubAssign
{
    /// The same in double precision: what factorizations compute with.
    type Double: Double;
    /// The same in single precision.
    type Single: Scalar;
    /// Its real part.
    type RealPart: Scalar + RealField;
    /// 0.
    const ZERO: Self;
    /// 1.
    const ONE: Self;
    /// Singular values below this fraction of the largest are rounding noise: they have a size but
    /// no direction, and are dropped at any cutoff.
    const NOISE_FLOOR: f64;
    /// Whether rounding to this type loses digits of a double-precision number.
    const ROUNDS: bool;
    /// Whether it has an imaginary part.
    const COMPLEX: bool;
    /// Rounds a double-precision number to this type; a real type has no place for the imaginary part.
    fn from_c64(value: C64) -> Self;
    /// Widens to a complex number in double precision.
    fn to_c64(self) -> C64;
    /// Rounds to this type.
    fn from_double(value: Self::Double) -> Self;
    /// Widens to double precision.
    fn to_double(self) -> Self::Double;
    /// Rounds to single precision.
    fn to_single(self) -> Self::Single;
    /// Squared modulus, in double precision.
    fn norm_sqr(self) -> f64;
    /// Complex conjugate.
    fn conj(self) -> Self;
    /// Product with a real number.
    fn scale(self, factor: f64) -> Self;
}

/// A number in double precision, real or complex.
pub trait Double: Scalar<Double = Self> + Sum {
    /// From its real part.
    fn of(re: f64) -> Self;
    /// Real part.
    fn re(self) -> f64;
    /// Modulus.
    fn modulus(self) -> f64;
    /// Whether it is neither infinite nor NaN.
    fn finite(self) -> bool;
}

macro_rules! complex_scalar {
    ($complex:ty, $real:ty, $floor:expr) => {
        impl Scalar for $complex {
            type Double = C64;
            type Single = C32;
            type RealPart = $real;
            const ZERO: Self = <$complex>::new(0.0, 0.0);
            const ONE: Self = <$complex>::new(1.0, 0.0);
            const NOISE_FLOOR: f64 = $floor;
            const ROUNDS: bool = size_of::<$real>() < size_of::<f64>();
            const COMPLEX: bool = true;

            #[inline(always)]
            fn from_c64(value: C64) -> Self {
                <$complex>::new(value.re as $real, value.im as $real)
            }
            #[inline(always)]
            fn to_c64(self) -> C64 {
                C64::new(f64::from(self.re), f64::from(self.im))
            }
            #[inline(always)]
            fn from_double(value: C64) -> Self {
                Self::from_c64(value)
            }
            #[inline(always)]
            fn to_double(self) -> C64 {
                self.to_c64()
            }
            #[inline(always)]
            fn to_single(self) -> C32 {
                C32::new(self.re as f32, self.im as f32)
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

macro_rules! real_scalar {
    ($real:ty, $floor:expr) => {
        impl Scalar for $real {
            type Double = f64;
            type Single = f32;
            type RealPart = $real;
            const ZERO: Self = 0.0;
            const ONE: Self = 1.0;
            const NOISE_FLOOR: f64 = $floor;
            const ROUNDS: bool = size_of::<$real>() < size_of::<f64>();
            const COMPLEX: bool = false;

            #[inline(always)]
            fn from_c64(value: C64) -> Self {
                value.re as $real
            }
            #[inline(always)]
            fn to_c64(self) -> C64 {
                C64::new(f64::from(self), 0.0)
            }
            #[inline(always)]
            fn from_double(value: f64) -> Self {
                value as $real
            }
            #[inline(always)]
            fn to_double(self) -> f64 {
                f64::from(self)
            }
            #[inline(always)]
            fn to_single(self) -> f32 {
                self as f32
            }
            #[inline(always)]
            fn norm_sqr(self) -> f64 {
                f64::from(self) * f64::from(self)
            }
            #[inline(always)]
            fn conj(self) -> Self {
                self
            }
            #[inline(always)]
            fn scale(self, factor: f64) -> Self {
                self * factor as $real
            }
        }
    };
}

complex_scalar!(C64, f64, 1e-15);
complex_scalar!(C32, f32, 1e-7);
real_scalar!(f64, 1e-15);
real_scalar!(f32, 1e-7);

impl Double for C64 {
    #[inline]
    fn of(re: f64) -> Self {
        C64::new(re, 0.0)
    }
    #[inline]
    fn re(self) -> f64 {
        self.re
    }
    #[inline]
    fn modulus(self) -> f64 {
        self.norm()
    }
    #[inline]
    fn finite(self) -> bool {
        self.is_finite()
    }
}

impl Double for f64 {
    #[inline]
    fn of(re: f64) -> Self {
        re
    }
    #[inline]
    fn re(self) -> f64 {
        self
    }
    #[inline]
    fn modulus(self) -> f64 {
        self.abs()
    }
    #[inline]
    fn finite(self) -> bool {
        self.is_finite()
    }
}
