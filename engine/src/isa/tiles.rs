//! Tile registers, where a CPU has them: what kernels say to them.

/// Pixels, columns and words of a tile.
pub const TILE: usize = 16;

/// A product of [`TILE`] pixels, in words, with one to three vectors of columns.
#[derive(Clone, Copy, Debug)]
pub struct TileProduct {
    /// Readable for [`TILE`] rows of `steps · TILE` words, `ld` words apart.
    pub pixels: *const f32,
    /// Words from pixel to pixel.
    pub ld: usize,
    /// Packed weights: `steps · TILE` words of all columns.
    pub weights: *const u8,
    /// Tiles of words, at least one.
    pub steps: usize,
    /// Where the sums of each column begin.
    pub start: *const f32,
    /// Room for the sums: of each vector of columns [`TILE`] rows of [`TILE`].
    pub to: *mut f32,
}

/// A thread's tiles, as long as it needs them; they are its own.
pub(crate) struct Tiles {
    #[cfg(target_arch = "x86_64")]
    _configured: super::amx::Configured,
}

impl super::AnyIsa {
    /// Whether this CPU and system have tile registers: matrices are packed for them then.
    pub(crate) fn has_tiles(self) -> bool {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512(token) => token.amx().is_some(),
            _ => false,
        }
    }

    /// Gives this thread tile registers, where there are some.
    pub(crate) fn tiles(self) -> Option<Tiles> {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512(token) => token.amx().map(|amx| Tiles { _configured: amx.configure() }),
            _ => None,
        }
    }

    /// This set as on a CPU without tile registers, so that a test can run both ways.
    pub fn without_tiles(self) -> Self {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512(token) => Self::Avx512(token.without_tiles()),
            other => other,
        }
    }
}
