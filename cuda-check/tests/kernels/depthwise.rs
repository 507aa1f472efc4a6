//! Depthwise convolution with all that is fused into it, and its gradients.

use crate::check::{
    buffer, expect, int, on_blocks, on_planes, skipped, values, window, with_gradients,
};
use candle::{Result, Tensor};
use candle_nn::ops::{hard_sigmoid, sigmoid};
use cuda_check::{Buffer, Stored, Value};
use ghostnetv2::ops::{ConvAlgorithm, depthwise_conv2d, upsample_nearest2d};

/// Picture, kernel, stride, padding, dilation.
type Case = [(usize, usize); 5];

const CASES: [Case; 12] = [
    [(7, 7), (3, 3), (1, 1), (1, 1), (1, 1)],
    [(7, 9), (5, 5), (2, 2), (2, 2), (1, 1)],
    [(8, 7), (3, 3), (2, 2), (1, 1), (1, 1)],
    [(3, 5), (1, 5), (1, 1), (0, 2), (1, 1)],
    [(5, 3), (5, 1), (1, 1), (2, 0), (1, 1)],
    [(1, 1), (5, 5), (2, 2), (2, 2), (1, 1)],
    [(11, 17), (3, 3), (3, 2), (0, 2), (1, 1)],
    [(4, 35), (2, 4), (1, 2), (1, 3), (1, 1)],
    [(29, 23), (5, 5), (1, 1), (2, 2), (1, 1)],
    [(9, 13), (3, 3), (1, 1), (2, 3), (2, 3)],
    [(13, 8), (3, 2), (2, 1), (4, 0), (4, 5)],
    [(1, 33), (1, 1), (1, 3), (0, 1), (1, 1)],
];
const BATCH: usize = 2;
const CHANNELS: usize = 3;
const PLANES: usize = BATCH * CHANNELS;

/// What `conv` of a kernel with gaps is: one of a larger kernel, with zeros there.
fn dilated(weight: &Tensor, (dh, dw): (usize, usize)) -> Result<Tensor> {
    let (c, _, kh, kw) = weight.dims4()?;
    let (wide_h, wide_w) = ((kh - 1) * dh + 1, (kw - 1) * dw + 1);
    let apart = weight.reshape((c, 1, kh, 1, kw, 1))?.pad_with_zeros(3, 0, dh - 1)?;
    let apart = apart.pad_with_zeros(5, 0, dw - 1)?.reshape((c, 1, kh * dh, kw * dw))?;
    apart.narrow(2, 0, wide_h)?.narrow(3, 0, wide_w)?.contiguous()
}

fn conv(x: &Tensor, weight: &Tensor, [_, _, stride, padding, dilation]: Case) -> Result<Tensor> {
    depthwise_conv2d(x, &dilated(weight, dilation)?, stride, padding, ConvAlgorithm::default())
}

fn operands(stored: Stored, [(h, w), (kh, kw), ..]: Case) -> (Tensor, Tensor) {
    let x = values(stored, 1, (BATCH, CHANNELS, h, w));
    (x, values(stored, 2, (CHANNELS, 1, kh, kw)))
}

fn geometry([size, kernel, stride, padding, dilation]: Case, y: &Tensor) -> Value {
    let (.., oh, ow) = y.dims4().unwrap();
    window(CHANNELS, [size, (oh, ow), kernel, stride, padding, dilation])
}

#[test]
fn forward_and_gradients() {
    if skipped() {
        return;
    }
    for (stored, case) in each() {
        let name = format!("{case:?}");
        let (x, weight) = operands(stored, case);
        let (y, grad, gradients) = with_gradients(
            &[&x, &weight],
            |y| values(stored, 3, y.shape()),
            |o| conv(&o[0], &o[1], case),
        );
        let geometry = geometry(case, &y);
        let (mut bx, mut bw) = (buffer(stored, &x), buffer(stored, &weight));
        let mut bg = buffer(stored, &grad);
        let pixels = y.elem_count() / PLANES;

        let output = Buffer::unwritten(stored, y.elem_count());
        let found = on_planes(("depthwise_forward", stored), (pixels, PLANES), output, |to| {
            let plain = [Value::NULL, Value::NULL, Value::NULL, int(0), int(0), Value::NULL];
            let rest = [int(0), to, geometry, int(PLANES)];
            [vec![bx.at(), bw.at()], plain.into(), rest.into()].concat()
        });
        expect(&name, stored, &found, &y, 1e-6);

        let output = Buffer::unwritten(stored, x.elem_count());
        let size = (x.elem_count() / PLANES, PLANES);
        let found = on_planes(("depthwise_grad_input", stored), size, output, |to| {
            vec![bw.at(), bg.at(), to, geometry, int(PLANES)]
        });
        expect(&format!("{name}: grad of x"), stored, &found, &gradients[0], 1e-6);

        let output = Buffer::unwritten(stored, weight.elem_count());
        let blocks = (weight.elem_count(), 1);
        let found = on_blocks(("depthwise_grad_weight", stored), blocks, output, |to| {
            vec![bx.at(), bg.at(), to, geometry, int(BATCH)]
        });
        expect(&format!("{name}: grad of weight"), stored, &found, &gradients[1], 2e-6);
    }
}

#[test]
fn fused_with_norm_activation_gate_and_residual() -> Result<()> {
    if skipped() {
        return Ok(());
    }
    for (stored, case) in each() {
        let (x, weight) = operands(stored, case);
        let raw = conv(&x, &weight, case)?;
        let (.., oh, ow) = raw.dims4()?;
        let scale = values(Stored::F32, 4, CHANNELS);
        let shift = values(Stored::F32, 5, CHANNELS);
        let (gh, gw) = (oh.div_ceil(2), ow.div_ceil(3));
        let gate = values(stored, 6, (BATCH, CHANNELS, gh, gw));
        let add = values(stored, 7, raw.shape());
        let (mut bx, mut bw) = (buffer(stored, &x), buffer(stored, &weight));
        let (mut bscale, mut bshift) = (buffer(Stored::F32, &scale), buffer(Stored::F32, &shift));
        let (mut bgate, mut badd) = (buffer(stored, &gate), buffer(stored, &add));
        let map = |t: &Tensor| t.reshape((1, (), 1, 1));
        for fused in 0..16usize {
            let has = |bit: usize| fused >> bit & 1 == 1;
            let mut y = raw.clone();
            if has(0) {
                y = y.broadcast_mul(&map(&scale)?)?;
            }
            if has(1) {
                y = y.broadcast_add(&map(&shift)?)?;
            }
            y = match fused % 4 {
                0 => y,
                1 => y.relu()?,
                2 => sigmoid(&y)?,
                _ => hard_sigmoid(&y)?,
            };
            if has(2) {
                y = (y * upsample_nearest2d(&gate, (oh, ow))?)?;
            }
            if has(3) {
                y = (y + &add)?;
            }
            let output = Buffer::unwritten(stored, y.elem_count());
            let size = (oh * ow, PLANES);
            let found = on_planes(("depthwise_forward", stored), size, output, |to| {
                let or_null = |bit, value| if has(bit) { value } else { Value::NULL };
                vec![
                    bx.at(),
                    bw.at(),
                    or_null(0, bscale.at()),
                    or_null(1, bshift.at()),
                    or_null(2, bgate.at()),
                    int(gh),
                    int(gw),
                    or_null(3, badd.at()),
                    int(fused % 4),
                    to,
                    geometry(case, &raw),
                    int(PLANES),
                ]
            });
            expect(&format!("{case:?}, fused {fused:04b}"), stored, &found, &y, 2e-6);
        }
    }
    Ok(())
}

fn each() -> impl Iterator<Item = (Stored, Case)> {
    Stored::ALL.into_iter().flat_map(|stored| CASES.map(|case| (stored, case)))
}
