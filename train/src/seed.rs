//! Stands in for the file of the same name that is on its way.
#![allow(missing_docs)]
pub struct Seed(pub u64);
impl Seed {
    pub fn stream(self, _: &str, epoch: u64, index: u64) -> Random {
        Random(self.0 ^ epoch.wrapping_mul(77) ^ index.wrapping_mul(7777))
    }
}
pub struct Random(u64);
impl Random {
    pub fn unit(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
    }
    pub fn range(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }
    pub fn below(&mut self, n: usize) -> usize {
        ((self.unit() * n as f64) as usize).min(n - 1)
    }
    pub fn chance(&mut self, p: f64) -> bool {
        self.unit() < p
    }
}
