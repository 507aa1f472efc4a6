//! Where the factors of pixels lie: side by side, or where a window's taps are.

/// Where the `k`-th factor of a pixel lies, in elements from the pixel.
pub(crate) trait Addressing: Copy {
    /// Whether weights may be of another precision than f32.
    const NARROW: bool;

    /// The pixel stride, where it is known: a constant needs no register in a tile of many rows.
    const LD: Option<usize>;

    /// The most pixels in a tile: the addresses of so many stay in registers.
    const ROWS: usize;

    /// Factors in one turn of a tile's loop: their pixels' addresses are computed once.
    const TURN: usize;

    /// # Safety
    /// `k` must be less than the panel's `k`.
    unsafe fn offset(self, k: usize) -> usize;
}

/// Channels side by side: a pointwise convolution.
#[derive(Clone, Copy)]
pub(crate) struct Dense;

impl Addressing for Dense {
    const NARROW: bool = true;
    const LD: Option<usize> = None;
    const ROWS: usize = 9;
    const TURN: usize = 4;

    #[inline(always)]
    unsafe fn offset(self, k: usize) -> usize {
        k
    }
}

/// By a table of at least `k` offsets: any other convolution, without an im2col copy. The pixel
/// stride is `LD`, or any where that is 0.
#[derive(Clone, Copy)]
pub(crate) struct Gather<const LD: usize>(pub(crate) *const u32);

impl<const LD: usize> Addressing for Gather<LD> {
    const NARROW: bool = false;
    const LD: Option<usize> = if LD == 0 { None } else { Some(LD) };
    const ROWS: usize = 14;
    const TURN: usize = 1;

    #[inline(always)]
    unsafe fn offset(self, k: usize) -> usize {
        // SAFETY: the caller vouches for `k`.
        unsafe { *self.0.add(k) as usize }
    }
}
