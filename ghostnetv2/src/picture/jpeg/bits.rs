//! Bits of entropy-coded data, up to the next marker.

use super::huffman::{Huffman, LONGEST};
use super::reader::Reader;
use super::{marker, truncated};
use crate::picture::PictureFault;

/// The buffer is filled while this many bits or fewer are left.
const ALMOST_FULL: u32 = 56;

/// Reads bits and codes; meets markers.
///
/// Data that stops at a marker before the scan is complete goes on as zeros, as in libjpeg: such
/// a picture is damaged but whole. Data that stops without a marker is a truncated file.
pub(super) struct BitReader<'a> {
    reader: Reader<'a>,
    /// The next bits, from the highest on; zeros behind them.
    buffer: u64,
    /// How many bits of the buffer are data.
    count: u32,
    /// The marker that stopped the data.
    marker: Option<u8>,
    /// Whether zeros had to stand in for data since the last restart.
    starved: bool,
    /// Number of the next restart marker.
    next_restart: u8,
}

impl<'a> BitReader<'a> {
    pub(super) fn new(reader: Reader<'a>) -> Self {
        Self { reader, buffer: 0, count: 0, marker: None, starved: false, next_restart: 0 }
    }

    /// Hands back the rest of the file and the marker that was met.
    pub(super) fn finish(self) -> (Reader<'a>, Option<u8>) {
        (self.reader, self.marker)
    }

    /// Whether the data of this restart interval has run out, so that units are to be left zero.
    pub(super) fn is_starved(&self) -> bool {
        self.starved
    }

    /// The next Huffman-coded symbol.
    #[inline]
    pub(super) fn symbol(&mut self, table: &Huffman) -> Result<u8, PictureFault> {
        if self.count <= LONGEST {
            self.fill();
            // libjpeg looks at 8 bits at a time; without them, it waits for more of the file.
            if self.count < 8 && self.marker.is_none() {
                return Err(truncated());
            }
        }
        let (length, symbol) = table.decode((self.buffer >> (64 - LONGEST)) as u32);
        self.consume(length)?;
        Ok(symbol)
    }

    /// The next `count` bits (at most 16) as a number.
    #[inline]
    pub(super) fn bits(&mut self, count: u32) -> Result<u32, PictureFault> {
        if self.count < count {
            self.fill();
        }
        let bits = self.buffer >> 1 >> (63 - count);
        self.consume(count)?;
        Ok(bits as u32)
    }

    /// The next `count` bits (at most 16) as a signed number (figure F.12).
    #[inline]
    pub(super) fn signed(&mut self, count: u32) -> Result<i32, PictureFault> {
        let bits = self.bits(count)? as i32;
        let negative = count > 0 && bits >> (count - 1) == 0;
        Ok(if negative { bits - (1 << count) + 1 } else { bits })
    }

    #[inline]
    fn consume(&mut self, count: u32) -> Result<(), PictureFault> {
        if self.count < count {
            self.starve()?;
        }
        self.buffer <<= count;
        self.count -= count;
        Ok(())
    }

    /// Lets zeros follow what is left, if a marker is what stopped the data.
    #[cold]
    fn starve(&mut self) -> Result<(), PictureFault> {
        if self.marker.is_none() {
            return Err(truncated());
        }
        self.starved = true;
        self.count = ALMOST_FULL + 1;
        Ok(())
    }

    /// Fills the buffer as far as data, marker and end of file allow.
    #[inline]
    fn fill(&mut self) {
        if self.marker.is_some() {
            return;
        }
        if let Some(&next) = self.reader.rest().first_chunk::<8>() {
            let word = u64::from_be_bytes(next);
            if !has_ff(word) {
                let bytes = (64 - self.count) / 8;
                let wanted = word & !u64::MAX.checked_shr(bytes * 8).unwrap_or(0);
                self.buffer |= wanted >> self.count;
                self.count += bytes * 8;
                self.reader.advance(bytes as usize);
                return;
            }
        }
        self.fill_slowly();
    }

    fn fill_slowly(&mut self) {
        while self.count <= ALMOST_FULL {
            let Ok(byte) = self.reader.byte() else { return };
            if byte == 0xff {
                let mut code = 0xff;
                while code == 0xff {
                    let Ok(next) = self.reader.byte() else { return };
                    code = next;
                }
                if code != 0 {
                    self.marker = Some(code);
                    return;
                }
            }
            self.buffer |= u64::from(byte) << (ALMOST_FULL - self.count);
            self.count += 8;
        }
    }

    /// Goes on behind the restart marker that is due, or makes the best of another marker.
    pub(super) fn restart(&mut self) -> Result<(), PictureFault> {
        self.buffer = 0;
        self.count = 0;
        let mut found = match self.marker.take() {
            Some(code) => code,
            None => self.reader.marker()?,
        };
        while let Resync::Skip = resync(found, self.next_restart) {
            found = self.reader.marker()?;
        }
        if let Resync::Stop = resync(found, self.next_restart) {
            self.marker = Some(found);
        } else {
            self.starved = false;
        }
        self.next_restart = (self.next_restart + 1) % 8;
        Ok(())
    }
}

/// What to do about a marker where a restart marker is due.
enum Resync {
    /// Go on behind it.
    Resume,
    /// Look for the next one.
    Skip,
    /// It belongs to what follows: the interval is empty.
    Stop,
}

/// libjpeg's rules for lost and doubled restart markers.
fn resync(found: u8, due: u8) -> Resync {
    match found {
        marker::RST0..=marker::RST7 => match (found - marker::RST0).wrapping_sub(due) % 8 {
            1 | 2 => Resync::Stop,
            6 | 7 => Resync::Skip,
            _ => Resync::Resume,
        },
        ..marker::SOF0 => Resync::Skip,
        _ => Resync::Stop,
    }
}

/// Whether one of the eight bytes is 0xff, behind which stuffing or a marker follows.
fn has_ff(word: u64) -> bool {
    const LOW_BITS: u64 = 0x0101_0101_0101_0101;
    let inverted = !word;
    inverted.wrapping_sub(LOW_BITS) & !inverted & (LOW_BITS << 7) != 0
}
