//! The CUDA kernels of `ghostnetv2::ops`, compiled as C++ for this machine, to be tested without a
//! GPU: the same files, with a loop over the threads of a block where a GPU has threads.
//!
//! What this does not show: speed, and what threads of a block see of each other where a barrier is
//! missing, since they take turns here; `tests/barriers.rs` reads the sources for those.

use half::{bf16, f16};
use std::ffi::c_void;

/// Whether the kernels were compiled; the build says why not.
pub const COMPILED: bool = cfg!(host_kernels);

/// How numbers are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stored {
    /// Single precision.
    F32,
    /// IEEE half precision.
    F16,
    /// Half of single precision.
    Bf16,
}

impl Stored {
    /// All kinds.
    pub const ALL: [Self; 3] = [Self::F32, Self::F16, Self::Bf16];

    /// As kernels are called.
    pub fn suffix(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::F16 => "f16",
            Self::Bf16 => "bf16",
        }
    }

    /// How far a number may be from the one that was to be stored, as a share of it.
    pub fn rounding(self) -> f32 {
        match self {
            Self::F32 => 0.0,
            Self::F16 => f16::EPSILON.to_f32() / 2.0,
            Self::Bf16 => bf16::EPSILON.to_f32() / 2.0,
        }
    }

    /// Bytes of a number.
    pub fn size(self) -> usize {
        if self == Self::F32 { 4 } else { 2 }
    }
}

/// Bytes that no kernel may write, behind each buffer.
const GUARD: [u8; 64] = [0xA5; 64];

/// A device's memory: numbers in order, and a guard behind them.
#[derive(Clone, Debug)]
pub struct Buffer {
    stored: Stored,
    bytes: Vec<u8>,
}

impl Buffer {
    /// These numbers, rounded to what can be stored.
    pub fn of(stored: Stored, numbers: &[f32]) -> Self {
        let mut bytes = Vec::with_capacity(numbers.len() * stored.size() + GUARD.len());
        for &number in numbers {
            match stored {
                Stored::F32 => bytes.extend(number.to_ne_bytes()),
                Stored::F16 => bytes.extend(f16::from_f32(number).to_ne_bytes()),
                Stored::Bf16 => bytes.extend(bf16::from_f32(number).to_ne_bytes()),
            }
        }
        bytes.extend(GUARD);
        Self { stored, bytes }
    }

    /// Numbers that a kernel has to write: NaN before that.
    pub fn unwritten(stored: Stored, len: usize) -> Self {
        Self::of(stored, &vec![f32::NAN; len])
    }

    /// The numbers.
    ///
    /// # Panics
    /// If something was written behind them.
    pub fn numbers(&self) -> Vec<f32> {
        let (numbers, guard) = self.bytes.split_at(self.bytes.len() - GUARD.len());
        assert_eq!(guard, GUARD, "a kernel wrote behind its output");
        let number = |bytes: &[u8]| match (self.stored, bytes) {
            (Stored::F16, &[a, b]) => f16::from_ne_bytes([a, b]).to_f32(),
            (Stored::Bf16, &[a, b]) => bf16::from_ne_bytes([a, b]).to_f32(),
            (_, &[a, b, c, d]) => f32::from_ne_bytes([a, b, c, d]),
            (stored, _) => panic!("{} bytes for a number in {stored:?}", bytes.len()),
        };
        numbers.chunks(self.stored.size()).map(number).collect()
    }

    /// Some of the numbers.
    ///
    /// # Panics
    /// As [`Buffer::numbers`], or where there are none.
    pub fn some(&self, start: usize, len: usize) -> Vec<f32> {
        let bytes = self.bytes[start * self.stored.size()..][..len * self.stored.size()].iter();
        let bytes = bytes.copied().chain(GUARD).collect();
        Self { stored: self.stored, bytes }.numbers()
    }

    /// Stores numbers from `start` on.
    ///
    /// # Panics
    /// Where there is no room.
    pub fn store(&mut self, start: usize, numbers: &[f32]) {
        let made = Self::of(self.stored, numbers).bytes;
        let len = made.len() - GUARD.len();
        assert!(start * self.stored.size() + len <= self.bytes.len() - GUARD.len());
        self.bytes[start * self.stored.size()..][..len].copy_from_slice(&made[..len]);
    }

    /// For [`launch`]; of a buffer that lives until then.
    pub fn at(&mut self) -> Value {
        self.from(0)
    }

    /// As [`Buffer::at`], from an element on.
    ///
    /// # Panics
    /// An element that is not there.
    pub fn from(&mut self, element: usize) -> Value {
        Value::Pointer((&raw mut self.bytes[element * self.stored.size()]).cast())
    }
}

/// An argument of a kernel.
#[derive(Clone, Copy, Debug)]
pub enum Value {
    /// A place in memory; see [`Buffer::at`] and [`Value::NULL`].
    Pointer(*mut c_void),
    /// A count, a size, or an activation.
    Int(i32),
    /// A number.
    Float(f32),
    /// `struct Window` of `common.cuh`: channels, then pairs of input, output, kernel, stride,
    /// padding, dilation.
    Window([i32; 13]),
}

impl Value {
    /// An operand that is left out.
    pub const NULL: Self = Self::Pointer(std::ptr::null_mut());

    #[cfg(host_kernels)]
    fn place_and_size(&self) -> (*const c_void, usize) {
        match self {
            Self::Pointer(pointer) => ((&raw const *pointer).cast(), size_of_val(pointer)),
            Self::Int(int) => ((&raw const *int).cast(), size_of_val(int)),
            Self::Float(float) => ((&raw const *float).cast(), size_of_val(float)),
            Self::Window(window) => (window.as_ptr().cast(), size_of_val(window)),
        }
    }
}

/// Runs a kernel on this machine, block by block.
///
/// # Panics
/// A kernel that is not there, or another number or size of arguments than it takes.
///
/// # Safety
/// Each pointer is null where the kernel allows that, or to as many numbers, of the kind that the
/// kernel's name says, as the sizes among the arguments tell; where it writes, nothing else reads.
pub unsafe fn launch(kernel: &str, grid: (u32, u32), block: u32, arguments: &[Value]) {
    #[cfg(host_kernels)]
    {
        let (places, sizes): (Vec<_>, Vec<_>) = arguments.iter().map(Value::place_and_size).unzip();
        let Ok(name) = std::ffi::CString::new(kernel) else { panic!("{kernel:?} is no name") };
        // SAFETY: the places are of as many bytes as the sizes say, which is compared with what the
        // kernel takes; what they point to is the caller's promise.
        let outcome = unsafe {
            let count = places.len();
            host::host_launch(
                name.as_ptr(),
                grid.0,
                grid.1,
                block,
                places.as_ptr(),
                sizes.as_ptr(),
                count,
            )
        };
        match outcome {
            0 => {}
            1 => panic!("there is no kernel {kernel:?}"),
            _ => panic!("{kernel} takes other arguments than {arguments:?}"),
        }
    }
    #[cfg(not(host_kernels))]
    panic!("{kernel} on {grid:?} blocks of {block}, {arguments:?}: no kernels were compiled");
}

/// The names of all kernels, sorted.
pub fn kernels() -> Vec<String> {
    #[cfg(host_kernels)]
    {
        // SAFETY: without room nothing is written.
        let len = unsafe { host::host_kernel_names(std::ptr::null_mut(), 0) };
        let mut names = vec![0u8; len];
        // SAFETY: there is as much room as it says.
        unsafe { host::host_kernel_names(names.as_mut_ptr().cast(), len) };
        let names = String::from_utf8_lossy(&names);
        names.split_terminator('\0').map(str::to_owned).collect()
    }
    #[cfg(not(host_kernels))]
    Vec::new()
}

#[cfg(host_kernels)]
mod host {
    use std::ffi::{c_char, c_int, c_uint, c_void};

    unsafe extern "C" {
        pub(crate) fn host_launch(
            name: *const c_char,
            grid_x: c_uint,
            grid_y: c_uint,
            block: c_uint,
            arguments: *const *const c_void,
            sizes: *const usize,
            count: usize,
        ) -> c_int;
        pub(crate) fn host_kernel_names(names: *mut c_char, room: usize) -> usize;
    }
}
