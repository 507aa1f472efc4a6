//! Random numbers that depend on a seed and on what they are for, and on nothing else: not on the
//! machine, the number of threads, or how often a run was stopped and resumed.

/// Where all random numbers of a run come from.
///
/// # Example
/// ```
/// use train::Seed;
/// let seed = Seed(7);
/// let mut crop = seed.stream("crop", 3, 41); // epoch 3, picture 41
/// assert!((0.0..1.0).contains(&crop.unit()));
/// assert_ne!(seed.stream("flip", 3, 41).bits(), seed.stream("crop", 3, 41).bits());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seed(pub u64);

impl Seed {
    /// The numbers for one purpose, such as `order`, in an epoch, for one index in it.
    pub fn stream(self, purpose: &str, epoch: u64, index: u64) -> Random {
        // FNV-1a of the purpose; each number is mixed in whole, so that no two keys meet.
        let step = |h: u64, b: u8| (h ^ u64::from(b)).wrapping_mul(0x100_0000_01b3);
        let purpose = purpose.bytes().fold(0xcbf2_9ce4_8422_2325, step);
        let key = [purpose, epoch, index].iter().fold(mixed(self.0), |key, &part| {
            mixed(key.rotate_left(17) ^ part.wrapping_mul(GOLDEN).wrapping_add(GOLDEN))
        });
        Random { state: key, spare: None }
    }
}

const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// The finaliser of SplitMix64 (Steele, Lea, Flood, 2014).
fn mixed(z: u64) -> u64 {
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Random numbers of one stream: SplitMix64.
#[derive(Clone, Debug)]
pub struct Random {
    state: u64,
    spare: Option<f64>,
}

impl Random {
    /// 64 random bits.
    pub fn bits(&mut self) -> u64 {
        self.state = self.state.wrapping_add(GOLDEN);
        mixed(self.state)
    }

    /// Uniform in [0, 1).
    pub fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Uniform in [low, high), `low` where that is empty.
    pub fn range(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }

    /// Uniform below `n`; 0 where `n` is 0.
    pub fn below(&mut self, n: usize) -> usize {
        // Lemire's multiplication; the bias is below n / 2^64.
        ((u128::from(self.bits()) * n as u128) >> 64) as usize
    }

    /// True with this probability.
    pub fn chance(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// Of the standard normal distribution: Box and Muller's way.
    ///
    /// The logarithm and the angles are `libm`'s, whose bits are the same on every machine.
    pub fn normal(&mut self) -> f64 {
        if let Some(spare) = self.spare.take() {
            return spare;
        }
        let radius = (-2.0 * libm::log(1.0 - self.unit())).sqrt();
        let (sine, cosine) = libm::sincos(std::f64::consts::TAU * self.unit());
        self.spare = Some(radius * sine);
        radius * cosine
    }

    /// Of Beta(`alpha`, `alpha`), as mixup draws its shares; 1 where `alpha` is not above 0.
    pub fn beta(&mut self, alpha: f64) -> f64 {
        if alpha.is_nan() || alpha <= 0.0 {
            return 1.0;
        }
        let (a, b) = (self.gamma(alpha), self.gamma(alpha));
        if a + b > 0.0 { a / (a + b) } else { 0.5 }
    }

    /// Of Gamma(`shape`, 1): Marsaglia and Tsang (2000), with their boost below 1.
    fn gamma(&mut self, shape: f64) -> f64 {
        if shape < 1.0 {
            let boost = libm::pow(1.0 - self.unit(), 1.0 / shape);
            return boost * self.gamma(shape + 1.0);
        }
        let d = shape - 1.0 / 3.0;
        let c = 1.0 / (9.0 * d).sqrt();
        loop {
            let x = self.normal();
            let v = (1.0 + c * x) * (1.0 + c * x) * (1.0 + c * x);
            let u = 1.0 - self.unit();
            if v > 0.0 && libm::log(u) < 0.5 * x * x + d * (1.0 - v + libm::log(v)) {
                return d * v;
            }
        }
    }

    /// The numbers below `n` in random order: Fisher and Yates.
    pub fn order(&mut self, n: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..n).collect();
        for last in (1..n).rev() {
            order.swap(last, self.below(last + 1));
        }
        order
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_are_their_keys() {
        let first =
            |seed: u64, purpose, epoch, index| Seed(seed).stream(purpose, epoch, index).bits();
        let keys = [(0, "a", 0, 0), (1, "a", 0, 0), (0, "b", 0, 0), (0, "a", 1, 0), (0, "a", 0, 1)];
        for (i, a) in keys.iter().enumerate() {
            for b in &keys[..i] {
                assert_ne!(first(a.0, a.1, a.2, a.3), first(b.0, b.1, b.2, b.3), "{a:?} {b:?}");
            }
        }
        // What every machine must give: a checkpoint may be resumed on another one.
        assert_eq!(first(0, "order", 0, 0), FIRST);
    }

    /// Computed once more in Python, from the same formula.
    const FIRST: u64 = 0x89ed_7bba_ceb0_5bdd;

    fn moments(mut draw: impl FnMut(&mut Random) -> f64) -> (f64, f64) {
        let mut random = Seed(5).stream("moments", 0, 0);
        let values: Vec<f64> = (0..20_000).map(|_| draw(&mut random)).collect();
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        let square = values.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>();
        (mean, square / values.len() as f64)
    }

    #[test]
    fn distributions_have_their_moments() {
        let close = |(mean, variance): (f64, f64), expected: (f64, f64)| {
            assert!((mean - expected.0).abs() < 0.02, "mean {mean}, expected {}", expected.0);
            assert!((variance - expected.1).abs() < 0.03, "{variance}, expected {}", expected.1);
        };
        close(moments(Random::unit), (0.5, 1.0 / 12.0));
        close(moments(Random::normal), (0.0, 1.0));
        close(moments(|r| r.below(3) as f64), (1.0, 2.0 / 3.0));
        for alpha in [0.2, 1.0, 3.0] {
            close(moments(|r| r.beta(alpha)), (0.5, 1.0 / (4.0 * (2.0 * alpha + 1.0))));
        }
        assert_eq!(Seed(1).stream("", 0, 0).beta(0.0), 1.0);
    }

    #[test]
    fn an_order_has_everything_once() {
        let order = Seed(2).stream("order", 1, 0).order(100);
        assert_ne!(order, (0..100).collect::<Vec<_>>());
        let mut sorted = order;
        sorted.sort_unstable();
        assert_eq!(sorted, (0..100).collect::<Vec<_>>());
    }
}
