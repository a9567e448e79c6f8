//! The Mersenne twister as numpy's `RandomState` uses it, so that equal seeds give the numbers of ONNX's reference.
//!
//! Source: M. Matsumoto, T. Nishimura, "mt19937ar", 2002; numpy 2.4 `random/src/legacy/legacy-distributions.c`.

const N: usize = 624;

/// A sequence of random numbers.
pub(super) struct MersenneTwister {
    state: [u32; N],
    at: usize,
    /// Normal numbers come in pairs; the second waits here.
    second: Option<f64>,
}

impl MersenneTwister {
    pub(super) fn new(seed: u32) -> Self {
        let mut state = [seed; N];
        for i in 1..N {
            let before = state[i - 1];
            state[i] = (before ^ (before >> 30)).wrapping_mul(1_812_433_253).wrapping_add(i as u32);
        }
        Self { state, at: N, second: None }
    }

    fn twist(&mut self) {
        for i in 0..N {
            let y = (self.state[i] & 0x8000_0000) | (self.state[(i + 1) % N] & 0x7fff_ffff);
            let mix = if y & 1 == 0 { 0 } else { 0x9908_b0df };
            self.state[i] = self.state[(i + 397) % N] ^ (y >> 1) ^ mix;
        }
        self.at = 0;
    }

    fn next(&mut self) -> u32 {
        if self.at == N {
            self.twist();
        }
        let mut y = self.state[self.at];
        self.at += 1;
        y ^= y >> 11;
        y ^= (y << 7) & 0x9d2c_5680;
        y ^= (y << 15) & 0xefc6_0000;
        y ^ (y >> 18)
    }

    /// From 0 to below 1, 53 bits.
    pub(super) fn uniform(&mut self) -> f64 {
        let (high, low) = (self.next() >> 5, self.next() >> 6);
        (f64::from(high) * 67_108_864.0 + f64::from(low)) / 9_007_199_254_740_992.0
    }

    /// Mean 0, deviation 1, by Marsaglia's polar method.
    pub(super) fn normal(&mut self) -> f64 {
        if let Some(second) = self.second.take() {
            return second;
        }
        loop {
            let (a, b) = (2.0 * self.uniform() - 1.0, 2.0 * self.uniform() - 1.0);
            let square = a * a + b * b;
            if square < 1.0 && square != 0.0 {
                let factor = (-2.0 * libm::log(square) / square).sqrt();
                self.second = Some(factor * a);
                return factor * b;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_of_numpy() {
        // numpy.random.RandomState(0).rand(2), .randn(2)
        let mut twister = MersenneTwister::new(0);
        assert_eq!(
            [twister.uniform(), twister.uniform()],
            [0.5488135039273248, 0.7151893663724195]
        );
        let mut twister = MersenneTwister::new(0);
        let close = |a: f64, b: f64| (a - b).abs() < 1e-15;
        assert!(close(twister.normal(), 1.764052345967664));
        assert!(close(twister.normal(), 0.4001572083672233));
    }
}
