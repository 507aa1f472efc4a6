//! How kernels are laid over maps.

use candle::{Error, Result};

/// Threads of a block that works on pixels.
const THREADS: u32 = 128;

/// Threads of a block that sums: `SUM_THREADS` of the kernels.
const SUM_THREADS: u32 = 256;

/// Blocks that a grid may have along its second axis.
const MOST_ROWS: usize = 65_535;

/// Sizes of maps, and how a window steps over them: `struct Window` of the kernels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Geometry([i32; 13]);

impl Geometry {
    /// Of `channels`, and pairs for height and width: of the input, the output, the kernel, the
    /// stride, the padding, and the dilation.
    ///
    /// # Errors
    /// Sizes beyond 2³¹.
    pub fn new(channels: usize, pairs: [(usize, usize); 6]) -> Result<Self> {
        let mut numbers = [int(channels)?; 13];
        for (to, (vertical, horizontal)) in numbers[1..].chunks_exact_mut(2).zip(pairs) {
            to.copy_from_slice(&[int(vertical)?, int(horizontal)?]);
        }
        Ok(Self(numbers))
    }

    /// Of maps that are resampled: only their sizes matter.
    ///
    /// # Errors
    /// As [`Geometry::new`].
    pub fn sizes(channels: usize, from: (usize, usize), to: (usize, usize)) -> Result<Self> {
        Self::new(channels, [from, to, (1, 1), (1, 1), (0, 0), (1, 1)])
    }

    /// The numbers in the kernels' order.
    pub fn numbers(&self) -> [i32; 13] {
        self.0
    }
}

/// A count as kernels take it.
pub(crate) fn int(count: usize) -> Result<i32> {
    i32::try_from(count)
        .map_err(|_| Error::Msg(format!("{count} is more than a CUDA kernel can count")))
}

/// Blocks on two axes, and the threads of each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grid {
    /// Blocks.
    pub blocks: (u32, u32),
    /// Threads of a block.
    pub threads: u32,
}

impl Grid {
    /// A thread for each of `pixels` of each of `planes`: `EACH_PIXEL` of the kernels. A block has
    /// several planes where they are small; more than a grid may have rows take turns.
    pub fn planes(pixels: usize, planes: usize) -> Self {
        let columns = (pixels as u64).div_ceil(u64::from(THREADS)) as u32;
        let beside = (THREADS as usize / pixels.max(1)).max(1);
        let rows = planes.div_ceil(beside).min(MOST_ROWS) as u32;
        Self { blocks: (columns, rows), threads: THREADS }
    }

    /// Blocks whose threads sum together.
    pub fn sums(columns: usize, rows: usize) -> Self {
        Self { blocks: (columns as u32, rows as u32), threads: SUM_THREADS }
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.blocks.0 == 0 || self.blocks.1 == 0
    }
}
