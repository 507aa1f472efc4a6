//! The stem's convolution, and layers on vectors.

use crate::check::{SUM_BLOCK, buffer, expect, int, on_blocks, on_planes, skipped, values, window};
use candle::Result;
use cuda_check::{Buffer, Stored};
use ghostnetv2::ops::{Conv2dParams, ConvAlgorithm, conv2d};

/// Outputs of a block of `linear`: `SUM_THREADS / LINEAR_THREADS`.
const OUTPUTS: usize = SUM_BLOCK as usize / 32;

#[test]
fn convolution() -> Result<()> {
    if skipped() {
        return Ok(());
    }
    let cases = [
        // channels in and out, picture, kernel, stride, padding
        ((3, 16), (33, 35), (3, 3), 2, (1, 1)),
        ((1, 2), (8, 7), (3, 3), 2, (1, 1)),
        ((4, 3), (5, 6), (1, 5), 1, (0, 2)),
        ((2, 5), (5, 6), (3, 2), 3, (2, 0)),
    ];
    for (stored, ((c, o), size, kernel, stride, padding)) in each(&cases) {
        let x = values(stored, 1, (2, c, size.0, size.1));
        let weight = values(stored, 2, (o, c, kernel.0, kernel.1));
        let bias = values(Stored::F32, 3, o);
        let params = Conv2dParams { stride, padding, dilation: 1, groups: 1 };
        let y = conv2d(&x, &weight, params, ConvAlgorithm::default())?;
        let y = y.broadcast_add(&bias.reshape((1, (), 1, 1))?)?.relu()?;
        let (.., oh, ow) = y.dims4()?;
        let strides = (stride, stride);
        let geometry = window(c, [size, (oh, ow), kernel, strides, padding, (1, 1)]);
        let (mut bx, mut bw) = (buffer(stored, &x), buffer(stored, &weight));
        let mut bb = buffer(Stored::F32, &bias);
        let output = Buffer::unwritten(stored, y.elem_count());
        let found = on_planes(("dense_conv", stored), (oh * ow, 2 * o), output, |to| {
            vec![bx.at(), bw.at(), bb.at(), int(1), to, geometry, int(o), int(2 * o)]
        });
        expect(&format!("{c} to {o}, {kernel:?}"), stored, &found, &y, 2e-6);
    }
    Ok(())
}

#[test]
fn vectors() -> Result<()> {
    if skipped() {
        return Ok(());
    }
    for (stored, (batch, from, to)) in each(&[(2, 5, 3), (1, 100, 8), (3, 33, 21), (1, 1, 1)]) {
        let x = values(stored, 1, (batch, from));
        let weight = values(stored, 2, (to, from));
        let bias = values(Stored::F32, 3, to);
        let y = x.matmul(&weight.t()?)?.broadcast_add(&bias)?.relu()?;
        let (mut bx, mut bw) = (buffer(stored, &x), buffer(stored, &weight));
        let mut bb = buffer(Stored::F32, &bias);
        let output = Buffer::unwritten(stored, batch * to);
        let blocks = (to.div_ceil(OUTPUTS), batch);
        let found = on_blocks(("linear", stored), blocks, output, |y| {
            vec![bx.at(), bw.at(), bb.at(), int(1), y, int(from), int(to)]
        });
        expect(&format!("{from} to {to}"), stored, &found, &y, 2e-6);
    }
    Ok(())
}

fn each<T: Copy>(cases: &[T]) -> impl Iterator<Item = (Stored, T)> {
    Stored::ALL.into_iter().flat_map(|stored| cases.iter().map(move |&case| (stored, case)))
}
