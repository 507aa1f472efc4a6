//! Fully connected layer of one picture: weights stream through once, so memory sets the pace.
//!
//! Several panels are read side by side: one stream alone leaves most of the memory's bandwidth
//! unused, because a core's prefetchers follow each stream only so far. Sums run in the same order
//! as in [`super::gemm`], so that a picture's result does not depend on its batch.

use super::activation::Activation;
use super::gemm::{Load, Panel, Weights, panel_vectors};
use super::store_lanes;
use crate::isa::{Isa, Op};

/// Panels that are read side by side.
const STREAMS: usize = 4;

/// `y = act(W · x + bias)` for some panels.
pub(crate) struct Gemv<'a> {
    pub(crate) x: *const f32,
    pub(crate) y: *mut f32,
    /// Panels and the first column of each.
    pub(crate) panels: &'a [(usize, Panel)],
    pub(crate) activation: Activation,
}

impl Op for Gemv<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, isa: I) {
        // Each stream is long and goes on from panel to panel, so that the prefetchers stay with it.
        let Some((_, Panel { vectors, .. })) = self.panels.first() else { return };
        let alike = self.panels.iter().take_while(|(_, panel)| panel.vectors == *vectors).count();
        let apart = alike / STREAMS;
        for first in 0..apart {
            match vectors {
                2 => self.streams::<I, 2, STREAMS>(isa, first, apart),
                3 if panel_vectors(I::REGISTERS) == 3 => {
                    self.streams::<I, 3, STREAMS>(isa, first, apart);
                }
                _ => {
                    for stream in 0..STREAMS {
                        self.one(isa, first + stream * apart);
                    }
                }
            }
        }
        for panel in apart * STREAMS..self.panels.len() {
            self.one(isa, panel);
        }
    }
}

impl Gemv<'_> {
    #[inline(always)]
    fn one<I: Isa>(&self, isa: I, panel: usize) {
        match self.panels[panel].1.vectors {
            1 => self.streams::<I, 1, 1>(isa, panel, 0),
            2 => self.streams::<I, 2, 1>(isa, panel, 0),
            3 if panel_vectors(I::REGISTERS) == 3 => self.streams::<I, 3, 1>(isa, panel, 0),
            _ => {}
        }
    }

    #[inline(always)]
    fn streams<I: Isa, const NZ: usize, const S: usize>(&self, isa: I, first: usize, apart: usize) {
        match self.panels[first].1.weights {
            Weights::F32(_) => self.sums::<I, *const f32, NZ, S>(isa, first, apart),
            Weights::Bf16(_) => self.sums::<I, *const u16, NZ, S>(isa, first, apart),
            // These are a `Stream`'s.
            Weights::Halves(_) | Weights::Bytes { .. } => {}
        }
    }

    /// `S` panels of `NZ` vectors, `apart` panels from one another.
    #[inline(always)]
    fn sums<I: Isa, W: Load, const NZ: usize, const S: usize>(
        &self,
        isa: I,
        first: usize,
        apart: usize,
    ) {
        let k = self.panels[first].1.k;
        let mut weights = [W::NULL; S];
        let mut sums = [[isa.splat(0.0); NZ]; S];
        // SAFETY: the plan has checked the sizes of vectors and panels.
        unsafe {
            for s in 0..S {
                let panel = &self.panels[first + s * apart].1;
                weights[s] = W::of(panel.weights);
                for (z, sum) in sums[s].iter_mut().enumerate() {
                    *sum = isa.load(panel.bias.add(z * I::LANES));
                }
            }
            for kk in 0..k {
                let x = isa.splat(*self.x.add(kk));
                for (sums, weights) in sums.iter_mut().zip(&weights) {
                    for (z, sum) in sums.iter_mut().enumerate() {
                        *sum = isa.fma(x, weights.load(isa, (kk * NZ + z) * I::LANES), *sum);
                    }
                }
            }
            let done = sums; // a copy, so that the sums above stay in registers
            for (s, sums) in done.iter().enumerate() {
                let (column, panel) = &self.panels[first + s * apart];
                for (z, sum) in sums.iter().enumerate() {
                    let lanes = if z + 1 == NZ { panel.tail } else { I::LANES };
                    let y = self.y.add(column + z * I::LANES);
                    store_lanes(isa, y, self.activation.apply(isa, *sum), lanes);
                }
            }
        }
    }
}
