//! Blocks of a baseline or extended sequential scan, each coded in one piece.

use super::bits::BitReader;
use super::frame::{BLOCK_SIZE, Frame};
use super::huffman::Huffman;
use super::idct;
use super::plane::Plane;
use super::scan::{Scan, Step};
use super::tables::{Quantisation, Tables, ZIGZAG};
use crate::picture::PictureFault;

/// Decodes a scan right into the planes of its components.
pub(super) fn decode_scan(
    frame: &Frame,
    scan: &Scan,
    tables: &Tables,
    steps: &[Option<Quantisation>],
    bits: &mut BitReader<'_>,
    planes: &mut [Plane],
) -> Result<(), PictureFault> {
    let mut decoders = scan
        .components
        .iter()
        .map(|component| {
            Ok((tables.dc(component.dc)?, tables.ac(component.ac)?, steps[component.index]))
        })
        .collect::<Result<Vec<_>, PictureFault>>()?;
    let mut predictions = [0; 4];
    scan.walk(frame, bits, |step| {
        if step.restarted {
            predictions = [0; 4];
        }
        let (dc, ac, steps) = &mut decoders[step.block.slot];
        let mut block = [0; BLOCK_SIZE];
        let mut last = 0;
        if step.has_data {
            last = decode_block(step, dc, ac, &mut predictions[step.block.slot], &mut block)?;
        }
        if let Some(steps) = steps {
            let samples = idct::samples(&block, last, steps);
            planes[step.block.component].put(step.block.x, step.block.y, &samples);
        }
        Ok(())
    })
}

/// Decodes one block (ITU-T T.81, F.2.2) and gives the position of its last coefficient.
fn decode_block(
    step: &mut Step<'_, '_>,
    dc: &Huffman,
    ac: &Huffman,
    prediction: &mut i32,
    block: &mut [i16; BLOCK_SIZE],
) -> Result<usize, PictureFault> {
    let size = step.bits.symbol(dc)?;
    *prediction = prediction.wrapping_add(step.bits.signed(size.into())?);
    block[0] = *prediction as i16;
    let mut last = 0;
    let mut k = 1;
    while k < BLOCK_SIZE {
        let symbol = step.bits.symbol(ac)?;
        let (run, size) = (usize::from(symbol >> 4), u32::from(symbol & 15));
        if size > 0 {
            k += run;
            last = k;
            block[usize::from(ZIGZAG[k])] = step.bits.signed(size)? as i16;
        } else if run == 15 {
            k += run;
        } else {
            break;
        }
        k += 1;
    }
    Ok(last)
}
