//! The tables that segments define and scans use.

use super::frame::BLOCK_SIZE;
use super::huffman::{Huffman, HuffmanSpec};
use super::{corrupt, standard};
use crate::picture::PictureFault;

/// Positions of the coefficients in a block, in the order in which they are coded.
///
/// The tail catches runs of zeros that go beyond the block.
pub(super) const ZIGZAG: [u8; BLOCK_SIZE + 16] = [
    0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20,
    13, 6, 7, 14, 21, 28, 35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59,
    52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63,
    63, 63, 63, 63, 63, 63,
];

/// Largest symbol of a table for DC coefficients: a number of bits.
const LARGEST_DC_SYMBOL: u8 = 15;

/// Quantisation steps, in the order of the block.
pub(super) type Quantisation = [u16; BLOCK_SIZE];

/// All tables that are in force.
pub(super) struct Tables {
    quantisation: [Option<Quantisation>; 4],
    dc: [Option<HuffmanSpec>; 4],
    ac: [Option<HuffmanSpec>; 4],
}

impl Tables {
    /// The standard's own Huffman tables, which motion JPEG leaves out.
    pub(super) fn new() -> Self {
        let [dc0, dc1, ac0, ac1] = standard::tables().map(Some);
        Self { quantisation: [None; 4], dc: [dc0, dc1, None, None], ac: [ac0, ac1, None, None] }
    }

    /// Takes the contents of a DQT segment.
    pub(super) fn define_quantisation(&mut self, mut rest: &[u8]) -> Result<(), PictureFault> {
        while let Some((&kind, values)) = rest.split_first() {
            let width = if kind >> 4 == 0 { 1 } else { 2 };
            let slot = self.quantisation.get_mut(usize::from(kind & 15));
            let (values, tail) = values
                .split_at_checked(width * BLOCK_SIZE)
                .ok_or_else(|| corrupt("a quantisation table is too short"))?;
            let mut table = [0; BLOCK_SIZE];
            for (&position, value) in ZIGZAG.iter().zip(values.chunks_exact(width)) {
                table[usize::from(position)] =
                    value.iter().fold(0, |high, &byte| high << 8 | u16::from(byte));
            }
            *slot.ok_or_else(|| corrupt("a quantisation table has an impossible number"))? =
                Some(table);
            rest = tail;
        }
        Ok(())
    }

    /// Takes the contents of a DHT segment.
    pub(super) fn define_huffman(&mut self, mut rest: &[u8]) -> Result<(), PictureFault> {
        let wrong = || corrupt("a Huffman table contradicts itself");
        while !rest.is_empty() {
            let (&[kind, ref counts @ ..], symbols) =
                rest.split_first_chunk::<17>().ok_or_else(wrong)?;
            let total = counts.iter().map(|&count| usize::from(count)).sum();
            let (symbols, tail) =
                symbols.split_at_checked(total).filter(|_| total <= 256).ok_or_else(wrong)?;
            let class = if kind & 0x10 == 0 { &mut self.dc } else { &mut self.ac };
            let slot = class.get_mut(usize::from(kind & !0x10)).ok_or_else(wrong)?;
            *slot = Some(HuffmanSpec { counts: *counts, symbols: symbols.to_vec() });
            rest = tail;
        }
        Ok(())
    }

    pub(super) fn quantisation(&self, number: u8) -> Result<Quantisation, PictureFault> {
        self.quantisation
            .get(usize::from(number))
            .copied()
            .flatten()
            .ok_or_else(|| corrupt("a quantisation table is missing"))
    }

    pub(super) fn dc(&self, number: u8) -> Result<Huffman, PictureFault> {
        Huffman::new(spec(&self.dc, number)?, LARGEST_DC_SYMBOL)
    }

    pub(super) fn ac(&self, number: u8) -> Result<Huffman, PictureFault> {
        Huffman::new(spec(&self.ac, number)?, u8::MAX)
    }
}

fn spec(class: &[Option<HuffmanSpec>; 4], number: u8) -> Result<&HuffmanSpec, PictureFault> {
    class
        .get(usize::from(number))
        .and_then(Option::as_ref)
        .ok_or_else(|| corrupt("a Huffman table is missing"))
}
