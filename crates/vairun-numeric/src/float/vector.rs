//! Numbers side by side, in the registers of an instruction set.

#![allow(unsafe_code)]

use crate::kernel::Isa;

/// Elements of a short vector.
pub(super) const LANES: usize = 8;

/// Some numbers side by side.
///
/// No closure holds a vector: it would be compiled without the instructions of its caller.
pub(super) trait Vector: Copy {
    const LANES: usize;

    unsafe fn load(from: *const f32) -> Self;
    unsafe fn store(self, to: *mut f32);
    unsafe fn splat(x: f32) -> Self;
    unsafe fn add(self, other: Self) -> Self;
    /// `self · x + sum`, rounded once.
    unsafe fn mul_add(self, x: Self, sum: Self) -> Self;
    /// [`crate::pool::largest`] of `self` and `x`.
    unsafe fn largest(self, x: Self) -> Self;
}

// SAFETY of each: a pointer to one element.
impl Vector for f32 {
    const LANES: usize = 1;

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        unsafe { *from }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        unsafe { *to = self };
    }

    #[inline(always)]
    unsafe fn splat(x: f32) -> Self {
        x
    }

    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        self + other
    }

    #[inline(always)]
    unsafe fn mul_add(self, x: Self, sum: Self) -> Self {
        f32::mul_add(self, x, sum)
    }

    #[inline(always)]
    unsafe fn largest(self, x: Self) -> Self {
        crate::pool::largest(self, x)
    }
}

/// Several vectors as one.
// SAFETY of each: as that of the vectors.
impl<V: Vector, const N: usize> Vector for [V; N] {
    const LANES: usize = N * V::LANES;

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        unsafe {
            let mut all = [V::splat(0.0); N];
            for (i, part) in all.iter_mut().enumerate() {
                *part = V::load(from.add(i * V::LANES));
            }
            all
        }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        for (i, part) in self.into_iter().enumerate() {
            unsafe { part.store(to.add(i * V::LANES)) };
        }
    }

    #[inline(always)]
    unsafe fn splat(x: f32) -> Self {
        unsafe { [V::splat(x); N] }
    }

    #[inline(always)]
    unsafe fn add(mut self, other: Self) -> Self {
        for (part, other) in self.iter_mut().zip(other) {
            *part = unsafe { part.add(other) };
        }
        self
    }

    #[inline(always)]
    unsafe fn mul_add(self, x: Self, mut sum: Self) -> Self {
        for i in 0..N {
            sum[i] = unsafe { self[i].mul_add(x[i], sum[i]) };
        }
        sum
    }

    #[inline(always)]
    unsafe fn largest(mut self, x: Self) -> Self {
        for (part, x) in self.iter_mut().zip(x) {
            *part = unsafe { part.largest(x) };
        }
        self
    }
}

/// The vectors of an instruction set.
pub(super) trait Set {
    /// Of [`LANES`] elements.
    type Short: Vector;
    /// Of twice as many.
    type Long: Vector;
    /// Registers that hold a long vector.
    const REGISTERS: usize;
}

/// What is computed in vectors. `run` and every function that it calls must be `#[inline(always)]`.
pub(super) trait Body {
    /// # Safety
    /// As the body says; the CPU has the instruction set.
    unsafe fn run<S: Set>(self);
}

/// The vectors that a CPU has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kernels {
    Plain,
    #[cfg(target_arch = "x86_64")]
    Fma,
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

impl Kernels {
    pub(super) fn of(isa: Isa) -> Self {
        #[cfg(target_arch = "x86_64")]
        match isa {
            Isa::Avx512 if isa.is_available() => return Self::Avx512,
            Isa::Scalar => {}
            _ if Isa::Avx2.is_available() => return Self::Fma,
            _ => {}
        }
        let _ = isa;
        Self::Plain
    }

    /// Whether a long vector is one register.
    pub(super) fn are_long(self) -> bool {
        #[cfg(target_arch = "x86_64")]
        return matches!(self, Self::Avx512);
        #[cfg(not(target_arch = "x86_64"))]
        false
    }

    /// Computes in the vectors of this set.
    ///
    /// # Safety
    /// As the body says.
    #[inline]
    pub(super) unsafe fn run(self, body: impl Body) {
        // SAFETY: as the caller promises; `of` has asked the CPU.
        unsafe {
            match self {
                Self::Plain => body.run::<Plain>(),
                #[cfg(target_arch = "x86_64")]
                Self::Fma => x86::fma(body),
                #[cfg(target_arch = "x86_64")]
                Self::Avx512 => x86::avx512(body),
            }
        }
    }
}

struct Plain;

impl Set for Plain {
    type Short = [f32; LANES];
    type Long = [f32; 2 * LANES];
    const REGISTERS: usize = 8;
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;

    use super::{Body, Set, Vector};

    pub(super) struct Fma;

    impl Set for Fma {
        type Short = __m256;
        type Long = [__m256; 2];
        const REGISTERS: usize = 8;
    }

    pub(super) struct Avx512;

    impl Set for Avx512 {
        type Short = __m256;
        type Long = __m512;
        const REGISTERS: usize = 32;
    }

    /// # Safety
    /// As [`Body::run`]; the CPU has AVX2 and FMA.
    #[target_feature(enable = "avx2,fma")]
    pub(super) unsafe fn fma(body: impl Body) {
        // SAFETY: as the caller promises.
        unsafe { body.run::<Fma>() }
    }

    /// # Safety
    /// As [`Body::run`]; the CPU has AVX2, FMA and these parts of AVX-512.
    #[target_feature(enable = "avx2,fma,avx512f,avx512vl,avx512dq,avx512bw")]
    pub(super) unsafe fn avx512(body: impl Body) {
        // SAFETY: as the caller promises.
        unsafe { body.run::<Avx512>() }
    }

    // SAFETY of each: the caller has AVX2 and FMA, and the pointers hold eight elements.
    impl Vector for __m256 {
        const LANES: usize = super::LANES;

        #[inline(always)]
        unsafe fn load(from: *const f32) -> Self {
            unsafe { _mm256_loadu_ps(from) }
        }

        #[inline(always)]
        unsafe fn store(self, to: *mut f32) {
            unsafe { _mm256_storeu_ps(to, self) }
        }

        #[inline(always)]
        unsafe fn splat(x: f32) -> Self {
            unsafe { _mm256_set1_ps(x) }
        }

        #[inline(always)]
        unsafe fn add(self, other: Self) -> Self {
            unsafe { _mm256_add_ps(self, other) }
        }

        #[inline(always)]
        unsafe fn mul_add(self, x: Self, sum: Self) -> Self {
            unsafe { _mm256_fmadd_ps(self, x, sum) }
        }

        #[inline(always)]
        unsafe fn largest(self, x: Self) -> Self {
            // The maximum is its second operand where the first is not larger.
            unsafe {
                let nan = _mm256_cmp_ps::<_CMP_UNORD_Q>(x, x);
                _mm256_blendv_ps(_mm256_max_ps(x, self), x, nan)
            }
        }
    }

    // SAFETY of each: the caller has AVX-512 F, and the pointers hold sixteen elements.
    impl Vector for __m512 {
        const LANES: usize = 2 * super::LANES;

        #[inline(always)]
        unsafe fn load(from: *const f32) -> Self {
            unsafe { _mm512_loadu_ps(from) }
        }

        #[inline(always)]
        unsafe fn store(self, to: *mut f32) {
            unsafe { _mm512_storeu_ps(to, self) }
        }

        #[inline(always)]
        unsafe fn splat(x: f32) -> Self {
            unsafe { _mm512_set1_ps(x) }
        }

        #[inline(always)]
        unsafe fn add(self, other: Self) -> Self {
            unsafe { _mm512_add_ps(self, other) }
        }

        #[inline(always)]
        unsafe fn mul_add(self, x: Self, sum: Self) -> Self {
            unsafe { _mm512_fmadd_ps(self, x, sum) }
        }

        #[inline(always)]
        unsafe fn largest(self, x: Self) -> Self {
            // As with eight.
            unsafe {
                let nan = _mm512_cmp_ps_mask::<_CMP_UNORD_Q>(x, x);
                _mm512_mask_blend_ps(nan, _mm512_max_ps(x, self), x)
            }
        }
    }
}
