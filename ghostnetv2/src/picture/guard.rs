//! Decoders may panic on hostile bytes: that costs the picture, and prints nothing.

use super::PictureFault;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::sync::Once;

thread_local! {
    /// Set while a decoder runs on this thread.
    static DECODING: Cell<bool> = const { Cell::new(false) };
}

/// Runs a decoder; its panic becomes a fault. The panic hook is wrapped once per process, and
/// stays silent on threads that are decoding; panics elsewhere are reported as before.
pub(super) fn guarded<T>(
    format: &'static str,
    decode: impl FnOnce() -> Result<T, PictureFault>,
) -> Result<T, PictureFault> {
    static WRAPPED: Once = Once::new();
    WRAPPED.call_once(|| {
        let report = take_hook();
        set_hook(Box::new(move |panic| {
            if !DECODING.get() {
                report(panic);
            }
        }));
    });
    let before = DECODING.replace(true);
    // Nothing that a decoder was half done with is looked at after its panic.
    let result = catch_unwind(AssertUnwindSafe(decode));
    DECODING.set(before);
    result.unwrap_or_else(|_| {
        Err(PictureFault::Corrupt { format, detail: "the decoder gave up on it".into() })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_a_fault_and_ends_there() {
        let result: Result<(), _> = guarded("JPEG", || panic!("not to be seen"));
        assert!(matches!(result, Err(PictureFault::Corrupt { format: "JPEG", .. })));
        assert!(!DECODING.get());
        assert_eq!(guarded("PNG", || Ok(1)).unwrap(), 1);
    }
}
