//! Squeeze-and-excitation: the scaling with its gradients, and all behind the means at once.

use crate::check::{buffer, expect, int, on_blocks, on_planes, skipped, values, with_gradients};
use candle_nn::ops::hard_sigmoid;
use cuda_check::{Buffer, Stored};
use ghostnetv2::ops::scale_channels;

/// Channels that a block of the fused kernel scales: `GATED`.
const GATED: usize = 32;

#[test]
fn scaling_and_gradients() {
    if skipped() {
        return;
    }
    for stored in Stored::ALL {
        for (b, c, h, w) in [(2, 3, 7, 5), (1, 9, 1, 1), (3, 2, 17, 31)] {
            let (pixels, planes) = (h * w, b * c);
            let x = values(stored, 1, (b, c, h, w));
            let scale = values(stored, 2, (b, c, 1, 1));
            let (y, grad, gradients) = with_gradients(
                &[&x, &scale],
                |y| values(stored, 3, y.shape()),
                |o| scale_channels(&o[0], &o[1]),
            );
            let (mut bx, mut bscale) = (buffer(stored, &x), buffer(stored, &scale));
            let mut bg = buffer(stored, &grad);
            // The gradient of x is that of y, scaled.
            for (from, expected) in [(&mut bx, &y), (&mut bg, &gradients[0])] {
                let output = Buffer::unwritten(stored, x.elem_count());
                let found = on_planes(("plane_scale", stored), (pixels, planes), output, |to| {
                    vec![from.at(), bscale.at(), to, int(pixels), int(planes)]
                });
                expect("scaled", stored, &found, expected, 0.0);
            }
            let output = Buffer::unwritten(stored, planes);
            let kernel = ("plane_scale_grad_scale", stored);
            let found = on_blocks(kernel, (planes, 1), output, |to| {
                vec![bx.at(), bg.at(), to, int(pixels)]
            });
            expect("grad of scale", stored, &found, &gradients[1], 2e-6);
        }
    }
}

#[test]
fn both_layers_and_the_scaling_at_once() -> candle::Result<()> {
    if skipped() {
        return Ok(());
    }
    for stored in Stored::ALL {
        for (b, c, squeezed, h, w) in [(2, 3, 1, 7, 5), (1, 72, 20, 3, 3), (3, 33, 300, 1, 4)] {
            let x = values(stored, 1, (b, c, h, w));
            let means = values(stored, 2, (b, c));
            let reduce = values(stored, 3, (squeezed, c));
            let expand = values(stored, 4, (c, squeezed));
            let (of_inner, of_gates) =
                (values(Stored::F32, 5, squeezed), values(Stored::F32, 6, c));
            let inner = means.matmul(&reduce.t()?)?.broadcast_add(&of_inner)?.relu()?;
            let gates = hard_sigmoid(&inner.matmul(&expand.t()?)?.broadcast_add(&of_gates)?)?;
            let expected = x.broadcast_mul(&gates.reshape((b, c, 1, 1))?)?;

            let (mut bmeans, mut breduce) = (buffer(stored, &means), buffer(stored, &reduce));
            let mut bexpand = buffer(stored, &expand);
            let mut biases = [&of_inner, &of_gates].map(|t| buffer(Stored::F32, t));
            let in_place = buffer(stored, &x);
            let blocks = (c.div_ceil(GATED), b);
            let found = on_blocks(("squeeze_excite", stored), blocks, in_place, |x| {
                let [of_inner, of_gates] = &mut biases;
                vec![
                    x,
                    bmeans.at(),
                    breduce.at(),
                    of_inner.at(),
                    bexpand.at(),
                    of_gates.at(),
                    int(c),
                    int(squeezed),
                    int(h * w),
                ]
            });
            expect(&format!("{c} to {squeezed}"), stored, &found, &expected, 1e-5);
        }
    }
    Ok(())
}
