//! Runs a loop in the widest vectors of this CPU.

#[cfg(target_arch = "x86_64")]
use crate::kernel::Isa;

/// A loop over slices that [`widest`] compiles for several instruction sets.
///
/// `run` and every function that it calls must be `#[inline(always)]` to be compiled for the wider vectors; closures
/// are inlined where they are small.
pub(crate) trait Loop {
    type Output;

    fn run(self) -> Self::Output;
}

/// Runs the loop, compiled for AVX-512 or for AVX2 and FMA where the CPU has them, else for the target's own
/// instructions.
///
/// The loop is the same source in all forms and Rust fuses only what is written as `mul_add`, so all give the same bits.
#[inline]
pub(crate) fn widest<L: Loop>(body: L) -> L::Output {
    #[cfg(target_arch = "x86_64")]
    if Isa::Avx512.is_available() {
        // SAFETY: the CPU has them all.
        #[allow(unsafe_code)]
        return unsafe { avx512(body) };
    }
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("fma") {
        // SAFETY: the CPU has AVX2 and FMA, the only features that the function enables.
        #[allow(unsafe_code)]
        return unsafe { avx2(body) };
    }
    body.run()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma,avx512f,avx512bw,avx512dq,avx512vl")]
pub(crate) fn avx512<L: Loop>(body: L) -> L::Output {
    body.run()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
pub(crate) fn avx2<L: Loop>(body: L) -> L::Output {
    body.run()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Copy)]
    struct Chain<'a>(&'a [f32]);

    impl Loop for Chain<'_> {
        type Output = Vec<u32>;

        #[inline(always)]
        fn run(self) -> Vec<u32> {
            self.0
                .iter()
                .map(|&x| ((x * 1.1 + 0.7) / 3.3 - x.mul_add(0.3, 1.7)).max(-1.5).to_bits())
                .collect()
        }
    }

    #[test]
    fn wide_and_plain_forms_give_the_same_bits() {
        let x: Vec<_> = (0..1027).map(|i| f32::from_bits(i * 0x0040_1003)).collect();
        assert_eq!(widest(Chain(&x)), Chain(&x).run());
    }
}
