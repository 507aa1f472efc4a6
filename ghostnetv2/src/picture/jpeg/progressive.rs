//! Blocks of progressive scans, which bring the coefficients band by band and bit by bit
//! (ITU-T T.81, annex G).

use super::bits::BitReader;
use super::frame::{BLOCK_SIZE, Component, Frame};
use super::huffman::Huffman;
use super::plane::Plane;
use super::scan::{BlockAt, Scan};
use super::tables::{Quantisation, Tables, ZIGZAG};
use super::{corrupt, idct};
use crate::picture::PictureFault;

/// The coefficients of one component, gathered over the scans.
pub(super) struct Coefficients {
    blocks: Vec<[i16; BLOCK_SIZE]>,
    /// Blocks in a row.
    stride: usize,
}

impl Coefficients {
    pub(super) fn new(component: &Component) -> Self {
        let (stride, rows) = component.padded;
        Self { blocks: vec![[0; BLOCK_SIZE]; stride * rows], stride }
    }

    fn block(&mut self, at: BlockAt) -> &mut [i16; BLOCK_SIZE] {
        &mut self.blocks[at.y * self.stride + at.x]
    }

    /// The samples that the coefficients stand for.
    pub(super) fn into_plane(self, component: &Component, steps: &Quantisation) -> Plane {
        let mut plane = Plane::new(component);
        for (y, row) in self.blocks.chunks_exact(self.stride).enumerate() {
            for (x, block) in row.iter().enumerate() {
                let last = usize::from(block[1..].iter().any(|&coefficient| coefficient != 0));
                plane.put(x, y, &idct::samples(block, last, steps));
            }
        }
        plane
    }
}

/// Decodes a scan into the coefficients of its components.
pub(super) fn decode_scan(
    frame: &Frame,
    scan: &Scan,
    tables: &Tables,
    bits: &mut BitReader<'_>,
    coefficients: &mut [Coefficients],
) -> Result<(), PictureFault> {
    let kind = Kind::of(scan)?;
    let tables = scan
        .components
        .iter()
        .map(|component| match kind {
            Kind::DcFirst => tables.dc(component.dc).map(Some),
            Kind::DcRefine => Ok(None),
            Kind::AcFirst | Kind::AcRefine => tables.ac(component.ac).map(Some),
        })
        .collect::<Result<Vec<_>, PictureFault>>()?;
    let mut predictions = [0_i32; 4];
    let mut band = Band { first: scan.band.0.into(), last: scan.band.1.into(), blocks_to_skip: 0 };
    scan.walk(frame, bits, |step| {
        if step.restarted {
            predictions = [0; 4];
            band.blocks_to_skip = 0;
        }
        let block = coefficients[step.block.component].block(step.block);
        let bit = u32::from(scan.bit);
        match (kind, &tables[step.block.slot]) {
            (Kind::DcFirst, Some(table)) if step.has_data => {
                let prediction = &mut predictions[step.block.slot];
                let size = step.bits.symbol(table)?;
                let difference = step.bits.signed(size.into())?;
                *prediction = prediction
                    .checked_add(difference)
                    .ok_or_else(|| corrupt("a coefficient out of range"))?;
                block[0] = (*prediction << bit) as i16;
            }
            (Kind::DcRefine, _) => block[0] |= (step.bits.bits(1)? as i16) << bit,
            (Kind::AcFirst, Some(table)) if step.has_data => {
                band.decode_first(step.bits, table, bit, block)?;
            }
            (Kind::AcRefine, Some(table)) if step.has_data => {
                band.refine(step.bits, table, bit, block)?;
            }
            _ => {}
        }
        Ok(())
    })
}

/// What a progressive scan brings.
#[derive(Clone, Copy)]
enum Kind {
    DcFirst,
    DcRefine,
    AcFirst,
    AcRefine,
}

impl Kind {
    fn of(scan: &Scan) -> Result<Self, PictureFault> {
        let (first, last) = scan.band;
        let band_is_sound = match first {
            0 => last == 0,
            _ => first <= last && usize::from(last) < BLOCK_SIZE && scan.components.len() == 1,
        };
        let refines = scan.previous_bit != 0;
        if !band_is_sound || scan.bit > 13 || (refines && scan.bit + 1 != scan.previous_bit) {
            return Err(corrupt("a progressive scan contradicts itself"));
        }
        Ok(match (first, refines) {
            (0, false) => Self::DcFirst,
            (0, true) => Self::DcRefine,
            (_, false) => Self::AcFirst,
            (_, true) => Self::AcRefine,
        })
    }
}

/// A band of AC coefficients.
struct Band {
    first: usize,
    last: usize,
    /// Blocks to come for which nothing new is coded.
    blocks_to_skip: u32,
}

impl Band {
    fn decode_first(
        &mut self,
        bits: &mut BitReader<'_>,
        table: &Huffman,
        bit: u32,
        block: &mut [i16; BLOCK_SIZE],
    ) -> Result<(), PictureFault> {
        if self.blocks_to_skip > 0 {
            self.blocks_to_skip -= 1;
            return Ok(());
        }
        let mut k = self.first;
        while k <= self.last {
            let symbol = bits.symbol(table)?;
            let (run, size) = (usize::from(symbol >> 4), u32::from(symbol & 15));
            if size > 0 {
                k += run;
                block[usize::from(ZIGZAG[k])] = (bits.signed(size)? << bit) as i16;
            } else if run == 15 {
                k += run;
            } else {
                self.blocks_to_skip = end_of_band(bits, run as u32)? - 1;
                break;
            }
            k += 1;
        }
        Ok(())
    }

    fn refine(
        &mut self,
        bits: &mut BitReader<'_>,
        table: &Huffman,
        bit: u32,
        block: &mut [i16; BLOCK_SIZE],
    ) -> Result<(), PictureFault> {
        let mut k = self.first;
        while self.blocks_to_skip == 0 && k <= self.last {
            let symbol = bits.symbol(table)?;
            let (run, size) = (usize::from(symbol >> 4), symbol & 15);
            let mut new = 0;
            if size > 0 {
                new = if bits.bits(1)? == 1 { 1 << bit } else { -1 << bit };
            } else if run < 15 {
                self.blocks_to_skip = end_of_band(bits, run as u32)?;
                break;
            }
            k = self.refine_known(bits, bit, block, k, Some(run))?;
            if new != 0 {
                block[usize::from(ZIGZAG[k])] = new;
            }
            k += 1;
        }
        if self.blocks_to_skip > 0 {
            self.refine_known(bits, bit, block, k, None)?;
            self.blocks_to_skip -= 1;
        }
        Ok(())
    }

    /// Reads one more bit of every known coefficient from `k` on, over `zeros` unknown ones, and
    /// gives the position of the unknown one after those.
    fn refine_known(
        &self,
        bits: &mut BitReader<'_>,
        bit: u32,
        block: &mut [i16; BLOCK_SIZE],
        mut k: usize,
        mut zeros: Option<usize>,
    ) -> Result<usize, PictureFault> {
        let step = 1_i16 << bit;
        while k <= self.last {
            let coefficient = &mut block[usize::from(ZIGZAG[k])];
            if *coefficient != 0 {
                if bits.bits(1)? == 1 && *coefficient & step == 0 {
                    let away = if *coefficient > 0 { step } else { -step };
                    *coefficient = coefficient.wrapping_add(away);
                }
            } else if let Some(zeros) = &mut zeros {
                match zeros.checked_sub(1) {
                    Some(fewer) => *zeros = fewer,
                    None => break,
                }
            }
            k += 1;
        }
        Ok(k)
    }
}

/// How many blocks, this one included, have nothing more in this band.
fn end_of_band(bits: &mut BitReader<'_>, size: u32) -> Result<u32, PictureFault> {
    Ok((1 << size) + bits.bits(size)?)
}
