//! A scan: which components it brings, and the walk over its blocks.

use super::bits::BitReader;
use super::corrupt;
use super::frame::Frame;
use crate::picture::PictureFault;

/// Most blocks that a unit of an interleaved scan may have (ITU-T T.81, B.2.3).
const MAX_BLOCKS_PER_UNIT: usize = 10;

/// What a start-of-scan segment says.
pub(super) struct Scan {
    pub(super) components: Vec<ScanComponent>,
    /// First and last coefficient, in coding order.
    pub(super) band: (u8, u8),
    /// Bit position of the approximation before this scan, or 0 in a first one.
    pub(super) previous_bit: u8,
    /// Bit position of the approximation after this scan.
    pub(super) bit: u8,
    /// Units between two restart markers, or 0.
    restart_interval: usize,
}

/// One component of a scan.
#[derive(Clone, Copy)]
pub(super) struct ScanComponent {
    /// Number of the component in the frame.
    pub(super) index: usize,
    /// Numbers of the Huffman tables.
    pub(super) dc: u8,
    pub(super) ac: u8,
}

/// One block of a scan.
#[derive(Clone, Copy)]
pub(super) struct BlockAt {
    /// Number of the component in the scan, and in the frame.
    pub(super) slot: usize,
    pub(super) component: usize,
    /// Position in blocks.
    pub(super) x: usize,
    pub(super) y: usize,
}

impl Scan {
    pub(super) fn parse(
        segment: &[u8],
        frame: &Frame,
        restart_interval: usize,
    ) -> Result<Self, PictureFault> {
        let wrong = || corrupt("a scan header contradicts itself");
        let (&count, rest) = segment.split_first().ok_or_else(wrong)?;
        let (specs, tail) = rest.split_at_checked(usize::from(count) * 2).ok_or_else(wrong)?;
        let &[first, last, bits] = tail else { return Err(wrong()) };
        if !(1..=4).contains(&count) {
            return Err(wrong());
        }
        let mut components: Vec<ScanComponent> = Vec::new();
        for spec in specs.chunks_exact(2) {
            // In the order of the frame, as the standard demands. Some files give all components
            // the same number; this counts them off.
            let index = (components.len()..frame.components.len())
                .find(|&index| frame.components[index].id == spec[0])
                .filter(|&index| components.iter().all(|taken| taken.index != index))
                .ok_or_else(|| corrupt("a scan names an unknown component"))?;
            components.push(ScanComponent { index, dc: spec[1] >> 4, ac: spec[1] & 15 });
        }
        Ok(Self {
            components,
            band: (first, last),
            previous_bit: bits >> 4,
            bit: bits & 15,
            restart_interval,
        })
    }

    /// Calls `decode` for every block, in the order of the data, and keeps to the restarts.
    pub(super) fn walk<'a>(
        &self,
        frame: &Frame,
        bits: &mut BitReader<'a>,
        decode: impl FnMut(&mut Step<'_, 'a>) -> Result<(), PictureFault>,
    ) -> Result<(), PictureFault> {
        let restart_interval = self.restart_interval;
        let mut walk = Walk { bits, restart_interval, left: restart_interval, decode };
        if let [only] = self.components[..] {
            let (columns, rows) = frame.components[only.index].blocks;
            for y in 0..rows {
                for x in 0..columns {
                    let block = BlockAt { slot: 0, component: only.index, x, y };
                    walk.unit(std::iter::once(block))?;
                }
            }
            return Ok(());
        }
        let layout = self.layout(frame)?;
        let (columns, rows) = frame.units();
        for y in 0..rows {
            for x in 0..columns {
                walk.unit(layout.iter().map(|block| {
                    let (h, v) = frame.components[block.component].sampling;
                    BlockAt { x: x * h + block.x, y: y * v + block.y, ..*block }
                }))?;
            }
        }
        Ok(())
    }

    /// The blocks of one unit, with their positions in it.
    fn layout(&self, frame: &Frame) -> Result<Vec<BlockAt>, PictureFault> {
        let mut layout = Vec::new();
        for (slot, &ScanComponent { index: component, .. }) in self.components.iter().enumerate() {
            let (h, v) = frame.components[component].sampling;
            for y in 0..v {
                layout.extend((0..h).map(|x| BlockAt { slot, component, x, y }));
            }
        }
        if layout.len() > MAX_BLOCKS_PER_UNIT {
            return Err(corrupt("a scan has too many blocks per unit"));
        }
        Ok(layout)
    }
}

/// One call to the decoder of blocks.
pub(super) struct Step<'r, 'a> {
    pub(super) bits: &'r mut BitReader<'a>,
    pub(super) block: BlockAt,
    /// Whether predictions start anew.
    pub(super) restarted: bool,
    /// Whether the unit has data.
    pub(super) has_data: bool,
}

struct Walk<'r, 'a, F> {
    bits: &'r mut BitReader<'a>,
    restart_interval: usize,
    /// Units until the next restart.
    left: usize,
    decode: F,
}

impl<'a, F: FnMut(&mut Step<'_, 'a>) -> Result<(), PictureFault>> Walk<'_, 'a, F> {
    fn unit(&mut self, blocks: impl Iterator<Item = BlockAt>) -> Result<(), PictureFault> {
        let mut restarted = false;
        if self.restart_interval > 0 {
            if self.left == 0 {
                self.bits.restart()?;
                self.left = self.restart_interval;
                restarted = true;
            }
            self.left -= 1;
        }
        let has_data = !self.bits.is_starved();
        for block in blocks {
            let mut step = Step { bits: &mut *self.bits, block, restarted, has_data };
            (self.decode)(&mut step)?;
            restarted = false;
        }
        Ok(())
    }
}
