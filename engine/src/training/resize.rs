//! Resizing, and products with a map that is resized on the way, with their gradients.

use rayon::prelude::*;

use super::map::MapShape;
use crate::plan::Interpolation;

/// Where the outputs along one axis come from.
type Table = Vec<Source>;

/// Two places and the share of the second.
#[derive(Clone, Copy, Debug)]
struct Source {
    first: usize,
    second: usize,
    share: f32,
}

fn table(interpolation: Interpolation, from: usize, to: usize) -> Table {
    let entries = interpolation.table(from, to, 1);
    let source = |entry: &[u32]| match *entry {
        [first, second, share] => {
            let share = f32::from_bits(share);
            Source { first: first as usize, second: second as usize, share }
        }
        [first, ..] => Source { first: first as usize, second: first as usize, share: 0.0 },
        [] => Source { first: 0, second: 0, share: 0.0 },
    };
    let width = entries.len() / to.max(1);
    entries.chunks_exact(width.max(1)).map(source).collect()
}

/// A map in another size.
#[derive(Clone, Debug)]
pub(super) struct Resize {
    input: MapShape,
    output: MapShape,
    rows: Table,
    columns: Table,
}

impl Resize {
    pub(super) fn new(interpolation: Interpolation, input: MapShape, output: MapShape) -> Self {
        let rows = table(interpolation, input.height, output.height);
        let columns = table(interpolation, input.width, output.width);
        Self { input, output, rows, columns }
    }

    pub(super) fn forward(&self, x: &[f32], y: &mut [f32]) {
        self.each_picture(y, self.output, x, self.input, |y, x| {
            y.fill(0.0);
            self.each_share(|to, from, share| {
                for (y, x) in self.at(y, to).iter_mut().zip(&x[from..]) {
                    *y += share * x;
                }
            });
        });
    }

    pub(super) fn backward(&self, dy: &[f32], dx: &mut [f32]) {
        self.each_picture(dx, self.input, dy, self.output, |dx, dy| {
            dx.fill(0.0);
            self.each_share(|to, from, share| {
                for (dx, dy) in self.at(dx, from).iter_mut().zip(&dy[to..]) {
                    *dx += share * dy;
                }
            });
        });
    }

    fn at<'a>(&self, picture: &'a mut [f32], at: usize) -> &'a mut [f32] {
        &mut picture[at..][..self.input.channels]
    }

    fn each_picture(
        &self,
        to: &mut [f32],
        to_shape: MapShape,
        from: &[f32],
        from_shape: MapShape,
        work: impl Fn(&mut [f32], &[f32]) + Sync,
    ) {
        let to = to.par_chunks_mut(to_shape.picture_len().max(1));
        to.zip(from.par_chunks(from_shape.picture_len().max(1)))
            .for_each(|(to, from)| work(to, from));
    }

    /// Calls `work` with the first element of each output pixel, that of each pixel it is made
    /// from, and its share.
    #[inline(always)]
    fn each_share(&self, mut work: impl FnMut(usize, usize, f32)) {
        let channels = self.input.channels;
        for (oy, row) in self.rows.iter().enumerate() {
            for (ox, column) in self.columns.iter().enumerate() {
                let to = (oy * self.output.width + ox) * channels;
                for (y, along_y) in [(row.first, 1.0 - row.share), (row.second, row.share)] {
                    for (x, along_x) in
                        [(column.first, 1.0 - column.share), (column.second, column.share)]
                    {
                        let share = along_y * along_x;
                        if share != 0.0 {
                            work(to, (y * self.input.width + x) * channels, share);
                        }
                    }
                }
            }
        }
    }
}

/// A map times another one, which is taken at the nearest pixel: a gate.
#[derive(Clone, Debug)]
pub(super) struct Gate {
    map: MapShape,
    gate: MapShape,
    rows: Table,
    columns: Table,
}

impl Gate {
    pub(super) fn new(map: MapShape, gate: MapShape) -> Self {
        let rows = table(Interpolation::Nearest, gate.height, map.height);
        let columns = table(Interpolation::Nearest, gate.width, map.width);
        Self { map, gate, rows, columns }
    }

    pub(super) fn forward(&self, x: &[f32], gate: &[f32], y: &mut [f32]) {
        let len = self.map.picture_len().max(1);
        let pictures = y.par_chunks_mut(len).zip(x.par_chunks(len));
        pictures.zip(gate.par_chunks(self.gate.picture_len().max(1))).for_each(|((y, x), gate)| {
            let channels = self.map.channels;
            let pixels = y.chunks_exact_mut(channels).zip(x.chunks_exact(channels));
            for (pixel, (y, x)) in pixels.enumerate() {
                for ((y, x), gate) in y.iter_mut().zip(x).zip(&gate[self.nearest(pixel)..]) {
                    *y = x * gate;
                }
            }
        });
    }

    /// Turns the gradient of the product into that of the map, and writes that of the gate.
    pub(super) fn backward(&self, x: &[f32], gate: &[f32], gradient: &mut [f32], dg: &mut [f32]) {
        let (len, gate_len) = (self.map.picture_len().max(1), self.gate.picture_len().max(1));
        let pictures = gradient.par_chunks_mut(len).zip(x.par_chunks(len));
        let gates = dg.par_chunks_mut(gate_len).zip(gate.par_chunks(gate_len));
        pictures.zip(gates).for_each(|((gradient, x), (dg, gate))| {
            dg.fill(0.0);
            let channels = self.map.channels;
            let pixels = gradient.chunks_exact_mut(channels).zip(x.chunks_exact(channels));
            for (pixel, (gradient, x)) in pixels.enumerate() {
                let at = self.nearest(pixel);
                let gates = dg[at..][..channels].iter_mut().zip(&gate[at..][..channels]);
                for ((gradient, x), (dg, gate)) in gradient.iter_mut().zip(x).zip(gates) {
                    *dg += *gradient * x;
                    *gradient *= gate;
                }
            }
        });
    }

    /// Where the gate of a pixel begins.
    fn nearest(&self, pixel: usize) -> usize {
        let (row, column) = (pixel / self.map.width, pixel % self.map.width);
        let at = self.rows[row].first * self.gate.width + self.columns[column].first;
        at * self.map.channels
    }
}
