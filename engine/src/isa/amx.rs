//! AMX: matrix products in eight tile registers of 16 rows of 64 bytes, on Intel servers since 2023
//! (Sapphire Rapids).
//!
//! A tile of pixels has a row for each pixel, of 16 words of its factors; a tile of weights a row
//! for each word, of 16 columns; their product a row of 16 sums for each pixel. Rust has no stable
//! intrinsics for them, so they are assembly here.
//!
//! # Source
//! Intel 64 and IA-32 Architectures Software Developer's Manual, volume 1, chapter 18.

use std::arch::asm;
use std::marker::PhantomData;

use super::tiles::{TILE, TileProduct};

/// Token for AMX-TILE and AMX-BF16, in a process that may use them. AMX-INT8 is not used: products
/// are a small part of int8's time, and tiles want longer pixels and leave their sums in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Amx(());

impl Amx {
    /// A token, if the CPU has tiles and the system lets this process use them.
    #[cfg(target_os = "linux")]
    pub(super) fn detect() -> Option<Self> {
        use std::arch::x86_64::{__cpuid, __cpuid_count};
        use std::sync::OnceLock;

        const BF16_AND_TILE: u32 = 1 << 22 | 1 << 24;
        /// The kernel keeps registers of this kind for a process that has asked for them.
        const ARCH_REQ_XCOMP_PERM: libc::c_ulong = 0x1023;
        const XFEATURE_XTILEDATA: libc::c_ulong = 18;
        static ALLOWED: OnceLock<bool> = OnceLock::new();
        let allowed = *ALLOWED.get_or_init(|| {
            let has = __cpuid(0).eax >= 7 && {
                let edx = __cpuid_count(7, 0).edx;
                edx & BF16_AND_TILE == BF16_AND_TILE
            };
            // SAFETY: asks for a permission, and changes no memory. A kernel that does not know
            // this call says so.
            has && unsafe {
                libc::syscall(libc::SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA) == 0
            }
        });
        allowed.then_some(Self(()))
    }

    /// Elsewhere nobody has looked at how a process asks for tiles.
    #[cfg(not(target_os = "linux"))]
    pub(super) fn detect() -> Option<Self> {
        None
    }

    /// Gives this thread eight tiles of full size, until what is returned is dropped.
    pub(super) fn configure(self) -> Configured {
        let config = Config {
            palette: 1,
            start_row: 0,
            _reserved: [0; 14],
            row_bytes: std::array::from_fn(|tile| if tile < 8 { 64 } else { 0 }),
            rows: std::array::from_fn(|tile| if tile < 8 { TILE as u8 } else { 0 }),
        };
        // SAFETY: the token proves the instruction; the configuration has the manual's form, and
        // the compiler does not use tiles.
        unsafe { asm!("ldtilecfg [{}]", in(reg) &raw const config, options(nostack, readonly)) }
        Configured(PhantomData)
    }
}

/// What `ldtilecfg` reads.
#[repr(C, align(64))]
struct Config {
    palette: u8,
    start_row: u8,
    _reserved: [u8; 14],
    row_bytes: [u16; 16],
    rows: [u8; 16],
}

/// A thread's tiles; it stays on its thread.
pub(super) struct Configured(PhantomData<*const ()>);

impl Drop for Configured {
    fn drop(&mut self) {
        // SAFETY: only what configured the tiles makes such a value.
        unsafe { asm!("tilerelease", options(nomem, nostack)) }
    }
}

/// The sums of products of bfloat16 with `NZ` vectors of columns, 1 to 3: tiles 0 to 2 are sums, 3
/// has pixels, 4 to 6 have weights.
///
/// # Safety
/// As [`TileProduct`] says; tiles must be [`Configured`].
pub(super) unsafe fn halves<const NZ: usize>(product: TileProduct) {
    let TileProduct { pixels, ld, weights, steps, start, to } = product;
    macro_rules! product {
        ($start:expr, $step:expr, $end:expr) => {
            asm!(
                $start,
                "2:",
                "tileloadd tmm3, [{pixels} + {ld}*1]",
                $step,
                "add {pixels}, 64",
                "add {weights}, {next}",
                "dec {steps}",
                "jnz 2b",
                $end,
                pixels = inout(reg) pixels => _,
                ld = in(reg) ld * size_of::<f32>(),
                weights = inout(reg) weights => _,
                width = in(reg) 64 * NZ,
                next = in(reg) 64 * NZ * TILE,
                steps = inout(reg) steps => _,
                start = in(reg) start,
                same = in(reg) 0_usize,
                to = in(reg) to,
                row = in(reg) 64_usize,
                out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
                out("tmm4") _, out("tmm5") _, out("tmm6") _,
                options(nostack),
            )
        };
    }
    // SAFETY: the caller vouches for memory and tiles, and there is at least one step.
    unsafe {
        match NZ {
            1 => product!(
                "tileloadd tmm0, [{start} + {same}*1]",
                "tileloadd tmm4, [{weights} + {width}*1]
                 tdpbf16ps tmm0, tmm3, tmm4",
                "tilestored [{to} + {row}*1], tmm0"
            ),
            2 => product!(
                "tileloadd tmm0, [{start} + {same}*1]
                 tileloadd tmm1, [{start} + {same}*1 + 64]",
                "tileloadd tmm4, [{weights} + {width}*1]
                 tdpbf16ps tmm0, tmm3, tmm4
                 tileloadd tmm5, [{weights} + {width}*1 + 64]
                 tdpbf16ps tmm1, tmm3, tmm5",
                "tilestored [{to} + {row}*1], tmm0
                 tilestored [{to} + {row}*1 + 1024], tmm1"
            ),
            _ => product!(
                "tileloadd tmm0, [{start} + {same}*1]
                 tileloadd tmm1, [{start} + {same}*1 + 64]
                 tileloadd tmm2, [{start} + {same}*1 + 128]",
                "tileloadd tmm4, [{weights} + {width}*1]
                 tdpbf16ps tmm0, tmm3, tmm4
                 tileloadd tmm5, [{weights} + {width}*1 + 64]
                 tdpbf16ps tmm1, tmm3, tmm5
                 tileloadd tmm6, [{weights} + {width}*1 + 128]
                 tdpbf16ps tmm2, tmm3, tmm6",
                "tilestored [{to} + {row}*1], tmm0
                 tilestored [{to} + {row}*1 + 1024], tmm1
                 tilestored [{to} + {row}*1 + 2048], tmm2"
            ),
        }
    }
}
