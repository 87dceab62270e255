//! IEEE arithmetic for our own work, whatever the calling thread's flush mode is.
//!
//! Some runtimes call back on threads that flush denormals to zero (XLA does, so everything under
//! `jax.jit`). There faer's Householder reflections have returned wrong factors, and the bits of a
//! result would depend on who called. The mode is changed for the time of our work only, and only
//! towards the standard; the caller finds its own again.

/// Restores the thread's floating-point mode when dropped.
pub(crate) struct IeeeArithmetic {
    #[cfg_attr(not(any(target_arch = "x86_64", target_arch = "aarch64")), allow(dead_code))]
    before: u64,
}

impl IeeeArithmetic {
    /// Switches flushing of denormals off on this thread.
    pub(crate) fn enter() -> Self {
        let before = mode::read();
        if before & mode::FLUSH != 0 {
            mode::write(before & !mode::FLUSH);
        }
        Self { before }
    }
}

impl Drop for IeeeArithmetic {
    fn drop(&mut self) {
        if self.before & mode::FLUSH != 0 {
            mode::write(mode::read() | (self.before & mode::FLUSH));
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code)] // the control register is reached by instructions only
mod mode {
    /// FTZ (bit 15) and DAZ (bit 6) of MXCSR.
    pub(super) const FLUSH: u64 = 1 << 15 | 1 << 6;

    pub(super) fn read() -> u64 {
        let mut register = 0_u32;
        // SAFETY: stores 4 bytes to a local; SSE is part of x86-64.
        unsafe {
            core::arch::asm!("stmxcsr [{}]", in(reg) &raw mut register, options(nostack));
        }
        u64::from(register)
    }

    pub(super) fn write(value: u64) {
        let register = value as u32;
        // SAFETY: the value was read from the register; only the two flush bits were changed.
        unsafe {
            core::arch::asm!("ldmxcsr [{}]", in(reg) &raw const register, options(nostack));
        }
    }
}

#[cfg(target_arch = "aarch64")]
#[allow(unsafe_code)] // the control register is reached by instructions only
mod mode {
    /// FZ (bit 24) and FZ16 (bit 19) of FPCR.
    pub(super) const FLUSH: u64 = 1 << 24 | 1 << 19;

    pub(super) fn read() -> u64 {
        let register: u64;
        // SAFETY: reads a register that user code may read.
        unsafe {
            core::arch::asm!("mrs {}, fpcr", out(reg) register, options(nomem, nostack));
        }
        register
    }

    pub(super) fn write(value: u64) {
        // SAFETY: the value was read from the register; only the two flush bits were changed.
        unsafe {
            core::arch::asm!("msr fpcr, {}", in(reg) value, options(nomem, nostack));
        }
    }
}

/// Elsewhere the mode is left alone: the checks of every factorization still hold.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
mod mode {
    pub(super) const FLUSH: u64 = 0;

    pub(super) fn read() -> u64 {
        0
    }

    pub(super) fn write(_: u64) {}
}

#[cfg(test)]
mod tests {
    use std::hint::black_box;

    use super::*;
    use crate::C64;
    use crate::linalg::{Workspace, leading_eigenpairs, right_singular_vectors, thin_qr};

    fn denormals_flush() -> bool {
        black_box(f64::MIN_POSITIVE) / black_box(4.0) == 0.0
    }

    #[test]
    fn denormals_live_inside_and_the_caller_finds_its_mode_again() {
        assert!(!denormals_flush());
        let usual = mode::read();
        mode::write(usual | mode::FLUSH);
        let flushing = denormals_flush();
        {
            let _ieee = IeeeArithmetic::enter();
            assert!(!denormals_flush());
        }
        assert_eq!(denormals_flush(), flushing);
        assert_eq!(flushing, mode::FLUSH != 0);
        mode::write(usual);
        assert!(!denormals_flush());
    }

    /// The checks by themselves, without the switch: what protects other processors.
    #[test]
    fn factorizations_are_right_or_refused_while_denormals_are_flushed() {
        let (rows, cols) = (4, 2);
        // A product state's θᴴ: rank one, with exact zeros.
        let mut a = vec![C64::ZERO; rows * cols];
        (a[0], a[1], a[4]) = (C64::new(0.6, 0.0), C64::new(0.0, 0.8), C64::new(1e-9, 0.0));
        let usual = mode::read();
        mode::write(usual | mode::FLUSH);
        let qr = thin_qr(&a, rows, cols, &mut Workspace::default());
        let view = crate::linalg::matrix(&a, rows, cols);
        let svd = right_singular_vectors(view, &mut Workspace::default());
        let mut hermitian = vec![C64::ONE; 9];
        let eigen = leading_eigenpairs(&mut hermitian, 3, 3, &mut Workspace::default());
        mode::write(usual);
        let qr = qr.unwrap();
        let product = qr.q[0] * qr.r[2] + qr.q[4] * qr.r[3];
        assert!((product - 1e-9).norm() < 1e-15);
        let singular_values = svd.unwrap().singular_values;
        assert!((singular_values[0] - 1.0).abs() < 1e-12);
        assert!(eigen.is_none_or(|(values, _)| (values[0] - 3.0).abs() < 1e-12));
    }
}
