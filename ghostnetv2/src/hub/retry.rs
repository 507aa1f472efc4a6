//! Repeats what failed for a passing reason, with growing and jittered pauses.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::thread::sleep;
use std::time::Duration;

use super::error::HubError;
use super::progress::{Event, Progress};

/// How often and how long to wait.
#[derive(Debug, Clone, Copy)]
pub(super) struct Backoff {
    /// Repetitions after the first attempt.
    pub retries: u32,
    /// The first pause; each further one is twice as long.
    pub first: Duration,
    /// The longest pause, also when a server asks for more.
    pub longest: Duration,
}

impl Backoff {
    /// Runs `attempt` until it succeeds, fails for good, or has been repeated often enough.
    pub fn run<T>(
        &self,
        progress: &mut dyn Progress,
        mut attempt: impl FnMut(&mut dyn Progress) -> Result<T, HubError>,
    ) -> Result<T, HubError> {
        let mut retry = 0;
        loop {
            let why = match attempt(progress) {
                Err(error) if error.is_transient() && retry < self.retries => error,
                outcome => return outcome,
            };
            let delay = why.retry_after().unwrap_or_else(|| self.pause(retry));
            let delay = delay.min(self.longest);
            retry += 1;
            progress.event(&Event::Retrying { retry, retries: self.retries, delay, why: &why });
            sleep(delay);
        }
    }

    /// Between half and the whole of `first * 2^retry`: clients that failed together must not
    /// come back together.
    fn pause(&self, retry: u32) -> Duration {
        let whole = self.first.saturating_mul(2u32.saturating_pow(retry)).min(self.longest);
        // A hasher's random key is the only randomness of the standard library, and enough here.
        let random = RandomState::new().build_hasher().finish() as f64 / u64::MAX as f64;
        let half = whole / 2;
        half.saturating_add(half.mul_f64(random))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_setting_overflows() {
        let backoff = Backoff { retries: 5, first: Duration::MAX, longest: Duration::MAX };
        assert!(backoff.pause(u32::MAX) >= Duration::MAX / 2);
    }

    #[test]
    fn pauses_grow_up_to_the_longest() {
        let second = Duration::from_secs(1);
        let backoff = Backoff { retries: 5, first: second, longest: 10 * second };
        for (retry, whole) in [(0, 1), (1, 2), (2, 4), (3, 8), (4, 10), (63, 10), (u32::MAX, 10)] {
            let pause = backoff.pause(retry);
            assert!(pause >= second * whole / 2 && pause <= second * whole, "{retry}: {pause:?}");
        }
    }
}
