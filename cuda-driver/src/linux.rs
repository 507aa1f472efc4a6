//! The functions, and how they find the driver's.

use std::arch::naked_asm;
use std::ffi::{CStr, c_void};
use std::sync::atomic::{AtomicBool, AtomicPtr, Ordering};

const LIBRARY: &CStr = c"libcuda.so.1";

/// `CUDA_ERROR_NO_DEVICE`.
const NO_DEVICE: i32 = 100;

static INSTALLED: AtomicBool = AtomicBool::new(false);

pub(crate) fn is_installed() -> bool {
    INSTALLED.load(Ordering::Relaxed)
}

/// What every function is without a driver.
extern "C" fn no_device() -> i32 {
    NO_DEVICE
}

/// Defines each function as a jump to where its slot points, and the list of slots.
macro_rules! functions {
    ($($name:ident)*) => {
        #[allow(non_upper_case_globals)] // the driver's own names
        mod slots {
            use super::{AtomicPtr, c_void, no_device};

            $(pub(super) static $name: AtomicPtr<c_void> =
                AtomicPtr::new(no_device as *const () as *mut c_void);)*
        }

        const SLOTS: &[(&str, &AtomicPtr<c_void>)] =
            &[$((concat!(stringify!($name), "\0"), &slots::$name)),*];

        $(
            /// The driver's function of this name.
            // SAFETY: no other crate defines it, which the linker would tell. The jump leaves
            // registers and stack as the caller has set them up for the driver's function.
            #[unsafe(no_mangle)]
            #[unsafe(naked)]
            #[allow(non_snake_case)]
            unsafe extern "C" fn $name() {
                #[cfg(target_arch = "x86_64")]
                naked_asm!("jmp qword ptr [rip + {slot}]", slot = sym slots::$name);
                #[cfg(target_arch = "aarch64")]
                naked_asm!(
                    "adrp x16, {slot}",
                    "ldr x16, [x16, :lo12:{slot}]",
                    "br x16",
                    slot = sym slots::$name
                );
            }
        )*
    };
}

// Those that candle 0.11 with cudarc 0.19 calls: `nm -D --undefined-only` of a program says which,
// where one is missing.
functions! {
    cuCtxDestroy_v2
    cuCtxGetCurrent
    cuCtxSetCurrent
    cuDeviceGet
    cuDeviceGetAttribute
    cuDevicePrimaryCtxRelease_v2
    cuDevicePrimaryCtxRetain
    cuEventCreate
    cuEventDestroy_v2
    cuEventRecord
    cuGetErrorString
    cuGraphDestroy
    cuGraphExecDestroy
    cuGraphInstantiateWithFlags
    cuGraphLaunch
    cuInit
    cuLaunchKernel
    cuMemAllocAsync
    cuMemAlloc_v2
    cuMemFreeAsync
    cuMemFree_v2
    cuMemcpyDtoDAsync_v2
    cuMemcpyDtoHAsync_v2
    cuMemcpyHtoDAsync_v2
    cuMemcpyPeerAsync
    cuMemsetD8Async
    cuModuleGetFunction
    cuModuleLoad
    cuModuleLoadData
    cuModuleUnload
    cuStreamBeginCapture_v2
    cuStreamDestroy_v2
    cuStreamEndCapture
    cuStreamIsCapturing
    cuStreamSynchronize
    cuStreamWaitEvent
}

/// Runs before `main`: fills the slots.
// SAFETY: the loader calls what is in this section, with arguments that need not be taken.
#[used]
#[unsafe(link_section = ".init_array")]
static LOAD: extern "C" fn() = load;

extern "C" fn load() {
    // SAFETY: both names end in a zero; the library stays loaded, so that its functions stay where
    // they are.
    unsafe {
        let library = libc::dlopen(LIBRARY.as_ptr(), libc::RTLD_NOW | libc::RTLD_LOCAL);
        if library.is_null() {
            return;
        }
        for (name, slot) in SLOTS {
            let function = libc::dlsym(library, name.as_ptr().cast());
            if !function.is_null() {
                slot.store(function, Ordering::Relaxed);
            }
        }
    }
    INSTALLED.store(true, Ordering::Relaxed);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of a driver's function: its arguments have to arrive as they were given.
    extern "C" fn folded(a: u64, b: u32, c: u64) -> i32 {
        (a * 100 + u64::from(b) * 10 + c) as i32
    }

    /// One that this test has for itself.
    #[test]
    fn a_function_jumps_to_what_its_slot_points_to() {
        let driver = slots::cuMemsetD8Async.swap(folded as *const () as *mut _, Ordering::Relaxed);
        // SAFETY: the slot has a function of this type.
        let function: extern "C" fn(u64, u32, u64) -> i32 =
            unsafe { std::mem::transmute(cuMemsetD8Async as *const ()) };
        assert_eq!(function(1, 2, 3), 123);
        slots::cuMemsetD8Async.store(driver, Ordering::Relaxed);
    }

    #[test]
    fn without_a_driver_there_is_no_device() {
        // SAFETY: `cuInit` of the driver takes flags, of which there are none yet.
        let init: extern "C" fn(u32) -> i32 = unsafe { std::mem::transmute(cuInit as *const ()) };
        if is_installed() {
            println!("a driver is installed: nothing to see here");
        } else {
            assert_eq!(init(0), NO_DEVICE);
        }
    }
}
