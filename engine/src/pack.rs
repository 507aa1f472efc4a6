//! Weights in the order in which kernels read them.
//!
//! Packed once, shared by plans and threads. What is packed fits one instruction set, whose number
//! of lanes it is laid out for; a plan uses the set that its weights were packed for.

mod affine;
mod kernels;
mod words;

use crate::PlanError;
use crate::buffer::{Kept, Store};
use crate::isa::AnyIsa;
use crate::nhwc::depthwise::Filter;
use crate::nhwc::gemm::{Factors, Panel, Weights, Words, panel_vectors};
use crate::nhwc::transpose::ToPlanes;
use crate::plan::Quantization;

pub use affine::Affine;
pub use kernels::Kernels;

/// How the weights of a matrix are packed.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Packing {
    F32,
    /// bfloat16 that kernels widen.
    Bf16,
    /// bfloat16 in words, for tile registers or not.
    Halves {
        tiles: bool,
    },
    /// Bytes in words, for input that is rounded so.
    Bytes(Quantization),
}

/// A matrix `[n, k]`, one row for each output: a pointwise convolution or a fully connected layer.
#[derive(Debug)]
pub struct Matrix {
    pub(crate) isa: AnyIsa,
    pub(crate) n: usize,
    pub(crate) k: usize,
    /// The first column of each panel, and what kernels need to know of it.
    pub(crate) panels: Vec<(usize, Panel)>,
    /// How it takes its pixels, if not as they are.
    pub(crate) words: Option<Words>,
    weights: Kept,
    /// Where the panels' pointers lead too, as they do into `weights`.
    _columns: Vec<Kept>,
}

// SAFETY: the panels' pointers lead into the matrix's own memory, which nobody writes to.
unsafe impl Send for Matrix {}
// SAFETY: as above.
unsafe impl Sync for Matrix {}

impl Matrix {
    /// Packs `[n, k]` row-major weights and `[n]` biases.
    ///
    /// # Errors
    /// Slices of other lengths, too many factors for sums of bytes, or no memory.
    pub(crate) fn pack(
        store: &mut Store,
        isa: AnyIsa,
        packing: Packing,
        (n, k): (usize, usize),
        weights: &[f32],
        bias: &[f32],
    ) -> Result<Self, PlanError> {
        if n == 0 || k == 0 {
            let reason = format!("{n} outputs of {k} inputs: expected at least one");
            return Err(PlanError::Operands { operation: "matrix", reason });
        }
        PlanError::expect_len("weights of a matrix", n.saturating_mul(k), weights.len())?;
        PlanError::expect_len("bias of a matrix", n, bias.len())?;
        let lanes = isa.lanes();
        let padded = n.div_ceil(lanes) * lanes;
        let places = panel_places(isa, n);
        let fill = |(column, vectors, _): (usize, usize, usize), to: &mut [f32]| {
            let width = vectors * lanes;
            let rows = width.min(n - column);
            let from = &weights[column * k..][..rows * k];
            assert!(to.len() >= width * k, "a panel of {width} columns and {k} factors");
            let (x, y) = (from.as_ptr(), to.as_mut_ptr());
            // Rows become columns: what channels are to pixels, factors are to outputs.
            isa.run(ToPlanes { x, y, ld: k, pixels: rows, stride: width, channels: 0..k });
        };
        let words = match packing {
            Packing::F32 | Packing::Bf16 => None,
            Packing::Halves { tiles } => Some(Words { factors: Factors::Halves, group: 2, tiles }),
            Packing::Bytes(quantization) => {
                let factors = Factors::Bytes(quantization);
                Some(Words { factors, group: isa.byte_group(), tiles: false })
            }
        };
        // Words of a column, and factors in a word.
        let layout = words.map_or((k, 1), |words: Words| (words.per_pixel(k), words.group));
        let mut columns = Vec::new();
        let weights = match packing {
            Packing::F32 => store.keep(padded * k, |to| {
                for &place in &places {
                    fill(place, &mut to[place.0 * k..][..place.1 * lanes * k]);
                }
            })?,
            Packing::Bf16 => store.keep((padded * k).div_ceil(2), |to| {
                for &place in &places {
                    let mut panel = vec![0.0; place.1 * lanes * k];
                    fill(place, &mut panel);
                    narrow(&panel, &mut to[place.0 * k / 2..]);
                }
            })?,
            Packing::Halves { .. } => {
                let halves: Vec<[u8; 2]> = weights.iter().map(|w| half(*w).to_ne_bytes()).collect();
                words::keep(store, &halves, k, layout, (padded, lanes), &places)?
            }
            Packing::Bytes(quantization) => {
                let bytes = words::Bytes::round(weights, k, quantization)?;
                columns.push(store.keep(padded, |to| to[..n].copy_from_slice(&bytes.scale))?);
                columns.push(store.keep(padded, |to| {
                    for (start, to) in bytes.start.iter().zip(to) {
                        *to = f32::from_ne_bytes(start.to_ne_bytes());
                    }
                })?);
                words::keep(store, &bytes.weights, k, layout, (padded, lanes), &places)?
            }
        };
        let bias = store.keep(padded, |to| to[..n].copy_from_slice(bias))?;
        let panel = |(column, vectors, tail): (usize, usize, usize)| {
            let start = column * k;
            let in_words = |bytes: usize| {
                let bytes = column * layout.0 * layout.1 * bytes;
                weights.as_ptr().cast::<u8>().wrapping_add(bytes)
            };
            let weights = match packing {
                Packing::F32 => Weights::F32(weights.as_ptr().wrapping_add(start)),
                Packing::Bf16 => Weights::Bf16(weights.as_ptr().cast::<u16>().wrapping_add(start)),
                Packing::Halves { .. } => Weights::Halves(in_words(2)),
                Packing::Bytes(_) => Weights::Bytes {
                    weights: in_words(1),
                    scale: columns[0][column..].as_ptr(),
                    start: columns[1][column..].as_ptr().cast(),
                },
            };
            let bias = bias[column..].as_ptr();
            let tiles = words.is_some_and(|words| words.tiles);
            (column, Panel { weights, bias, k, vectors, tail, tiles })
        };
        let panels = places.into_iter().map(panel).collect();
        columns.push(bias);
        Ok(Self { isa, n, k, panels, words, weights, _columns: columns })
    }

    /// Whether its weights are in single precision.
    pub(crate) fn is_f32(&self) -> bool {
        self.panels.iter().all(|(_, panel)| matches!(panel.weights, Weights::F32(_)))
    }

    /// Bytes of the weights.
    pub(crate) fn bytes(&self) -> usize {
        size_of_val::<[f32]>(&self.weights)
    }
}

/// Writes weights as bfloat16, two in the memory of each f32.
fn narrow(values: &[f32], to: &mut [f32]) {
    for (pair, to) in values.chunks(2).zip(to) {
        let [first, second] = [half(pair[0]), pair.get(1).map_or(0, |&value| half(value))];
        let ([a, b], [c, d]) = (first.to_ne_bytes(), second.to_ne_bytes());
        *to = f32::from_ne_bytes([a, b, c, d]);
    }
}

/// The nearest bfloat16, of two the even one, as hardware rounds; weights are finite.
fn half(value: f32) -> u16 {
    let bits = value.to_bits();
    (bits.wrapping_add(0x7fff + ((bits >> 16) & 1)) >> 16) as u16
}

/// The panels of `n` columns: the first column of each, its vectors, and how many columns its last
/// vector has.
pub(crate) fn panel_places(isa: AnyIsa, n: usize) -> Vec<(usize, usize, usize)> {
    let lanes = isa.lanes();
    let mut column = 0;
    let place = |vectors: usize| {
        let first = column;
        column += vectors * lanes;
        (first, vectors, column.min(n) - first - (vectors - 1) * lanes)
    };
    panel_widths(n.div_ceil(lanes), panel_vectors(isa.registers())).map(place).collect()
}

/// Splits vectors of columns into panels of at most `most`, and avoids a last one of one vector.
fn panel_widths(vectors: usize, most: usize) -> impl Iterator<Item = usize> {
    let mut left = vectors;
    std::iter::from_fn(move || {
        let width = if left == most + 1 { left.div_ceil(2) } else { left.min(most) };
        left -= width;
        (width > 0).then_some(width)
    })
}

/// Writes the taps of a channel's filter to where kernels read them: `[vector][tap][lane]`.
pub(crate) fn place_filter<'a>(
    lanes: usize,
    channel: usize,
    filter: impl ExactSizeIterator<Item = &'a f32>,
    to: &mut [f32],
) {
    let start = channel / lanes * filter.len() * lanes + channel % lanes;
    for (value, to) in filter.zip(to[start..].iter_mut().step_by(lanes)) {
        *to = *value;
    }
}

/// One filter `[kh, kw]` for each channel.
#[derive(Debug)]
pub struct Filters {
    pub(crate) kernel: (usize, usize),
    weights: Kept,
    bias: Kept,
}

impl Filters {
    /// Packs `[channels, kh, kw]` weights and `[channels]` biases.
    ///
    /// # Errors
    /// Slices of other lengths, or no memory.
    pub(crate) fn pack(
        store: &mut Store,
        isa: AnyIsa,
        channels: usize,
        kernel: (usize, usize),
        weights: &[f32],
        bias: &[f32],
    ) -> Result<Self, PlanError> {
        let taps = kernel.0.saturating_mul(kernel.1);
        if channels == 0 || taps == 0 {
            let reason = format!("{channels} filters of {taps} taps: expected at least one");
            return Err(PlanError::Operands { operation: "depthwise filters", reason });
        }
        let len = channels.saturating_mul(taps);
        PlanError::expect_len("weights of depthwise filters", len, weights.len())?;
        PlanError::expect_len("bias of depthwise filters", channels, bias.len())?;
        let lanes = isa.lanes();
        let padded = channels.div_ceil(lanes) * lanes;
        // Half a vector of channels is there twice, for two pixels side by side.
        let copies = if 2 * channels == lanes { 2 } else { 1 };
        let bias = store.keep(padded, |to| {
            to.chunks_exact_mut(channels).take(copies).for_each(|to| to.copy_from_slice(bias));
        })?;
        let weights = store.keep(padded * taps, |to| {
            let filters = weights.chunks_exact(taps).cycle().take(copies * channels);
            for (channel, filter) in filters.enumerate() {
                place_filter(lanes, channel, filter.iter(), to);
            }
        })?;
        Ok(Self { kernel, weights, bias })
    }

    /// What a kernel needs to know.
    pub(crate) fn filter(&self, stride: usize) -> Filter {
        Filter {
            weights: self.weights.as_ptr(),
            bias: self.bias.as_ptr(),
            kernel: self.kernel,
            stride,
        }
    }

    /// Bytes of the weights.
    pub(crate) fn bytes(&self) -> usize {
        size_of_val::<[f32]>(&self.weights)
    }
}
