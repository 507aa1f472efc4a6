//! Huffman tables (ITU-T T.81, annex C) in a form that decodes fast.

use super::corrupt;
use crate::picture::PictureFault;

/// Codes up to this length are found with one look at a table.
const LOOKUP_BITS: u32 = 9;

/// Longest code.
pub(super) const LONGEST: u32 = 16;

/// A table as a file defines it.
#[derive(Clone)]
pub(super) struct HuffmanSpec {
    /// How many codes there are of each length from 1 on.
    pub(super) counts: [u8; LONGEST as usize],
    /// Symbols in the order of their codes.
    pub(super) symbols: Vec<u8>,
}

/// A table that decodes.
pub(super) struct Huffman {
    /// Length and symbol of every short code, by the next bits; length 0 for what is longer.
    lookup: Vec<(u8, u8)>,
    /// For each length, the first left-aligned 16-bit value that is beyond its codes.
    ends: [u32; LONGEST as usize],
    /// For each length, the number of its first symbol, less its first code.
    offsets: [i32; LONGEST as usize],
    symbols: Vec<u8>,
}

impl Huffman {
    /// Builds the table of `spec`; symbols above `largest` are refused.
    pub(super) fn new(spec: &HuffmanSpec, largest: u8) -> Result<Self, PictureFault> {
        if spec.symbols.iter().any(|&symbol| symbol > largest) {
            return Err(corrupt("a Huffman table has an impossible symbol"));
        }
        let mut table = Self {
            lookup: vec![(0, 0); 1 << LOOKUP_BITS],
            ends: [0; LONGEST as usize],
            offsets: [0; LONGEST as usize],
            symbols: spec.symbols.clone(),
        };
        let mut code = 0_u32;
        let mut first = 0;
        for (length, &count) in (1..=LONGEST).zip(&spec.counts) {
            let slot = length as usize - 1;
            table.offsets[slot] = first as i32 - code as i32;
            let symbols = &spec.symbols[first..first + usize::from(count)];
            for &symbol in symbols {
                table.enter(code, length, symbol);
                code += 1;
            }
            // A code of ones only is not allowed, so the next code must have that length, too.
            if count > 0 && code >= 1 << length {
                return Err(corrupt("a Huffman table has too many codes"));
            }
            table.ends[slot] = code << (LONGEST - length);
            first += usize::from(count);
            code <<= 1;
        }
        Ok(table)
    }

    fn enter(&mut self, code: u32, length: u32, symbol: u8) {
        if length <= LOOKUP_BITS {
            let step = 1 << (LOOKUP_BITS - length);
            let start = code as usize * step;
            if let Some(entries) = self.lookup.get_mut(start..start + step) {
                entries.fill((length as u8, symbol));
            }
        }
    }

    /// Length and symbol of the code at the head of `bits`, which are the next 16.
    ///
    /// Bits that are no code count as one of 17 bits for symbol 0, as in libjpeg.
    #[inline]
    pub(super) fn decode(&self, bits: u32) -> (u32, u8) {
        let (length, symbol) = self.lookup[(bits >> (LONGEST - LOOKUP_BITS)) as usize];
        if length > 0 { (u32::from(length), symbol) } else { self.decode_long(bits) }
    }

    #[cold]
    fn decode_long(&self, bits: u32) -> (u32, u8) {
        for (length, (&end, &offset)) in (1..=LONGEST).zip(self.ends.iter().zip(&self.offsets)) {
            if bits < end {
                let index = (bits >> (LONGEST - length)) as i32 + offset;
                let symbol = usize::try_from(index).ok().and_then(|i| self.symbols.get(i));
                return (length, symbol.copied().unwrap_or(0));
            }
        }
        (LONGEST + 1, 0)
    }
}
