//! CUDA's driver, `libcuda.so.1`, found when a program starts and not when it is linked.
//!
//! candle calls the driver by its functions' names, so that the system refuses to start a program
//! with the feature `cuda` where no driver is installed, even one that is told to compute on the
//! CPU. This crate defines the functions that candle calls, and jumps from each to the driver's;
//! without a driver all of them say that there is no device. The linker then leaves the driver's
//! library out. A function that is not listed here is taken from it as ever.
//!
//! It is for programs, not for libraries: a program has one set of these names. On other systems
//! than Linux on x86-64 and Arm it does nothing.

#[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
mod linux;

/// Whether the driver's library is installed; true where this crate does nothing.
pub fn is_installed() -> bool {
    #[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
    return linux::is_installed();
    #[cfg(not(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64"))))]
    true
}
