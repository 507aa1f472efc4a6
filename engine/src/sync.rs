//! What threads of a [`Team`](crate::team) share: the standard library's, or with `--cfg loom` what
//! loom tries in every order.
//!
//! `RUSTFLAGS="--cfg loom" cargo test --release -p engine --lib team::model` does that.

#[cfg(loom)]
pub(crate) use loom::{
    hint,
    sync::atomic,
    sync::{Mutex, MutexGuard},
    thread,
};
#[cfg(not(loom))]
pub(crate) use std::{
    hint,
    sync::atomic,
    sync::{Mutex, MutexGuard},
    thread,
};

/// A value that one thread writes while no other reads it.
pub(crate) struct Cell<T>(Inner<T>);

#[cfg(loom)]
type Inner<T> = loom::cell::UnsafeCell<T>;
#[cfg(not(loom))]
type Inner<T> = std::cell::UnsafeCell<T>;

impl<T: Copy> Cell<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(Inner::new(value))
    }

    /// # Safety
    /// No other thread reads or writes now.
    pub(crate) unsafe fn set(&self, value: T) {
        #[cfg(loom)]
        // SAFETY: the caller's promise, which loom checks.
        self.0.with_mut(|cell| unsafe { *cell = value });
        #[cfg(not(loom))]
        // SAFETY: the caller's promise.
        unsafe {
            *self.0.get() = value;
        }
    }

    /// # Safety
    /// No other thread writes now.
    pub(crate) unsafe fn get(&self) -> T {
        #[cfg(loom)]
        // SAFETY: the caller's promise, which loom checks.
        return self.0.with(|cell| unsafe { *cell });
        #[cfg(not(loom))]
        // SAFETY: the caller's promise.
        unsafe {
            *self.0.get()
        }
    }
}
