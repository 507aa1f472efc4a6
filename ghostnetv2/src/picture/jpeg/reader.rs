//! Walks through the markers and segments of a JPEG file.

use super::{corrupt, marker, truncated};
use crate::picture::PictureFault;

/// A position in the file.
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
    position: usize,
    /// Whether the end of the data is taken for the end of the picture.
    tolerant: bool,
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8], tolerant: bool) -> Self {
        Self { bytes, position: 0, tolerant }
    }

    /// What has not been read yet.
    pub(super) fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.position..).unwrap_or_default()
    }

    /// Moves on by `count` bytes that the caller took from [`Reader::rest`].
    pub(super) fn advance(&mut self, count: usize) {
        self.position += count;
    }

    /// The next byte. A tolerant reader goes on with end markers behind the end.
    pub(super) fn byte(&mut self) -> Result<u8, PictureFault> {
        let byte = match self.bytes.get(self.position) {
            Some(&byte) => byte,
            None if !self.tolerant => return Err(truncated()),
            None if (self.position - self.bytes.len()).is_multiple_of(2) => 0xff,
            None => marker::EOI,
        };
        self.position += 1;
        Ok(byte)
    }

    /// The code of the next marker. What lies before it is skipped, as libjpeg does.
    pub(super) fn marker(&mut self) -> Result<u8, PictureFault> {
        loop {
            while self.byte()? != 0xff {}
            let mut code = 0xff;
            while code == 0xff {
                code = self.byte()?;
            }
            if code != 0 {
                return Ok(code);
            }
        }
    }

    /// The contents of a segment whose length counts.
    pub(super) fn segment(&mut self) -> Result<&'a [u8], PictureFault> {
        let length = self.length()?;
        let length = length.checked_sub(2).ok_or_else(|| corrupt("a segment without length"))?;
        self.take(length)
    }

    /// The contents of a segment that is there for applications: what there is of them.
    pub(super) fn lenient_segment(&mut self) -> Result<&'a [u8], PictureFault> {
        let length = self.length()?.saturating_sub(2);
        self.take(length.min(self.rest().len()))
    }

    fn length(&mut self) -> Result<usize, PictureFault> {
        let bytes = self.take(2)?;
        Ok(usize::from(u16::from_be_bytes([bytes[0], bytes[1]])))
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], PictureFault> {
        let bytes = self.rest().get(..count).ok_or_else(truncated)?;
        self.position += count;
        Ok(bytes)
    }
}
