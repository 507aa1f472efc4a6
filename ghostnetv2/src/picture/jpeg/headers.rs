//! Everything between the scans.

use std::rc::Rc;

use super::frame::Frame;
use super::marker::*;
use super::reader::Reader;
use super::scan::Scan;
use super::tables::Tables;
use super::{corrupt, unsupported};
use crate::picture::PictureFault;

/// What the segments read so far have said.
pub(super) struct Headers<'a> {
    pub(super) tables: Tables,
    pub(super) frame: Option<Rc<Frame>>,
    /// Units between two restart markers, or 0.
    restart_interval: usize,
    /// Whether a JFIF segment promises YCbCr.
    pub(super) jfif: bool,
    /// Adobe's number of the colour transform.
    pub(super) adobe_transform: Option<u8>,
    /// The first Exif block, without its name.
    pub(super) exif: Option<&'a [u8]>,
}

impl<'a> Headers<'a> {
    pub(super) fn new() -> Self {
        Self {
            tables: Tables::new(),
            frame: None,
            restart_interval: 0,
            jfif: false,
            adobe_transform: None,
            exif: None,
        }
    }

    /// Reads on to the next scan, or to the end of the picture (`None`). `pending` is a marker
    /// whose code has been read already.
    pub(super) fn next_scan(
        &mut self,
        reader: &mut Reader<'a>,
        mut pending: Option<u8>,
    ) -> Result<Option<Scan>, PictureFault> {
        loop {
            let code = match pending.take() {
                Some(code) => code,
                None => reader.marker()?,
            };
            match code {
                SOS => return self.scan(reader.segment()?).map(Some),
                EOI => return Ok(None),
                SOF0..=SOF2 => self.start_frame(reader.segment()?, code == SOF2)?,
                DHT => self.tables.define_huffman(reader.segment()?)?,
                DQT => self.tables.define_quantisation(reader.segment()?)?,
                DRI => self.define_restarts(reader.segment()?)?,
                APP0..=APP15 => self.application(code, reader.lenient_segment()?),
                COM | DNL | DAC => drop(reader.lenient_segment()?),
                RST0..=RST7 => {}
                SOF3 => return Err(unsupported("lossless coding")),
                SOF9..=SOF11 => return Err(unsupported("arithmetic coding")),
                SOF5..=SOF7 | SOF13..=SOF15 => return Err(unsupported("hierarchical coding")),
                _ => return Err(corrupt(format!("marker {code:#04x} where none may be"))),
            }
        }
    }

    fn start_frame(&mut self, segment: &[u8], progressive: bool) -> Result<(), PictureFault> {
        if self.frame.is_some() {
            return Err(corrupt("a second frame"));
        }
        self.frame = Some(Rc::new(Frame::parse(segment, progressive)?));
        Ok(())
    }

    fn scan(&self, segment: &[u8]) -> Result<Scan, PictureFault> {
        let frame = self.frame.as_ref().ok_or_else(|| corrupt("a scan before its frame"))?;
        Scan::parse(segment, frame, self.restart_interval)
    }

    fn define_restarts(&mut self, segment: &[u8]) -> Result<(), PictureFault> {
        let &interval =
            segment.as_array().ok_or_else(|| corrupt("a restart interval of wrong length"))?;
        self.restart_interval = usize::from(u16::from_be_bytes(interval));
        Ok(())
    }

    fn application(&mut self, code: u8, segment: &'a [u8]) {
        match (code, segment) {
            (APP0, [b'J', b'F', b'I', b'F', 0, rest @ ..]) => self.jfif |= rest.len() >= 9,
            (APP14, [b'A', b'd', b'o', b'b', b'e', _, _, _, _, _, _, transform, ..]) => {
                self.adobe_transform = Some(*transform);
            }
            (APP1, [b'E', b'x', b'i', b'f', 0, 0, exif @ ..]) => {
                self.exif.get_or_insert(exif);
            }
            _ => {}
        }
    }
}
