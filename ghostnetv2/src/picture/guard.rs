//! Keeps a decoder's panic away from the program.

use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;
use std::thread;

use super::PictureFault;

thread_local! {
    /// Whether this thread is inside a decoder, where a panic is no news to anybody.
    static DECODING: Cell<bool> = const { Cell::new(false) };
}

/// Runs a decoder, and takes its panic for a sign of a corrupt file.
pub(super) fn catch<T>(
    format: &'static str,
    decode: impl FnOnce() -> Result<T, PictureFault>,
) -> Result<T, PictureFault> {
    silence_decoders();
    let outer = DECODING.replace(true);
    // Nothing that the decoder has touched outlives it but the bytes, which it cannot change.
    let result = panic::catch_unwind(AssertUnwindSafe(decode));
    DECODING.set(outer);
    result.unwrap_or_else(|_| {
        let detail = "the decoder gave up on it".to_owned();
        Err(PictureFault::Corrupt { format, detail })
    })
}

/// Puts a panic hook before the program's own, once, that hides the panics of decoders and hands
/// on all others.
fn silence_decoders() {
    static INSTALLED: Once = Once::new();
    // The hook cannot be changed during a panic.
    if thread::panicking() {
        return;
    }
    INSTALLED.call_once(|| {
        let program_hook = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !DECODING.get() {
                program_hook(info);
            }
        }));
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_a_corrupt_file() {
        let result: Result<(), _> = catch("PNG", || panic!("index out of bounds"));
        let fault = result.expect_err("panicked");
        assert!(matches!(fault, PictureFault::Corrupt { format: "PNG", .. }), "{fault}");
        assert!(!DECODING.get());
    }

    #[test]
    fn results_and_faults_pass() {
        assert_eq!(catch("PNG", || Ok(7)).ok(), Some(7));
        let fault = PictureFault::Truncated { format: "PNG" };
        assert!(catch("PNG", || Err::<(), _>(fault)).is_err());
    }
}
