//! Average and maximum pooling, and means of planes.

use crate::check::{
    buffer, expect, int, on_blocks, on_planes, skipped, values, window, with_gradients,
};
use candle::{DType, Tensor};
use cuda_check::{Buffer, Stored, Value};
use ghostnetv2::ops::{ConvAlgorithm, avg_pool2x2, depthwise_conv2d, global_avg_pool, max_pool2d};

const CHANNELS: usize = 3;
const PLANES: usize = 2 * CHANNELS;
const SIZES: [(usize, usize); 5] = [(7, 7), (2, 5), (3, 8), (13, 2), (19, 37)];

/// Kernel, stride and padding.
type Windows = ((usize, usize), usize, (usize, usize));

/// Both directions of a pooling; `with_x` if its gradient reads the input again.
fn compare(
    (stored, x): (Stored, &Tensor),
    (kernels, with_x): ([&str; 2], bool),
    (kernel, stride, padding): Windows,
    more: &[Value],
    f: impl FnOnce(&Tensor) -> candle::Result<Tensor>,
) {
    let (_, _, h, w) = x.dims4().unwrap();
    let name = format!("{} of {h}x{w}, {kernel:?} {stride} {padding:?}", kernels[0]);
    let grad = |y: &Tensor| values(stored, 2, y.shape());
    let (y, grad, gradients) = with_gradients(&[x], grad, |o| f(&o[0]));
    let (.., oh, ow) = y.dims4().unwrap();
    let stride = (stride, stride);
    let geometry = window(CHANNELS, [(h, w), (oh, ow), kernel, stride, padding, (1, 1)]);
    let (mut bx, mut bg) = (buffer(stored, x), buffer(stored, &grad));
    let rest = [&[geometry], more, &[int(PLANES)]].concat();

    let output = Buffer::unwritten(stored, y.elem_count());
    let found = on_planes((kernels[0], stored), (oh * ow, PLANES), output, |to| {
        [&[bx.at(), to], rest.as_slice()].concat()
    });
    expect(&name, stored, &found, &y, 1e-6);

    let output = Buffer::unwritten(stored, x.elem_count());
    let found = on_planes((kernels[1], stored), (h * w, PLANES), output, |to| {
        let given = if with_x { vec![bx.at(), bg.at()] } else { vec![bg.at()] };
        [given.as_slice(), &[to], rest.as_slice()].concat()
    });
    expect(&format!("{name}: grad"), stored, &found, &gradients[0], 1e-6);
}

#[test]
fn means_of_windows() {
    if skipped() {
        return;
    }
    let kernels = (["avg_pool_forward", "avg_pool_grad"], false);
    for (stored, (h, w)) in each() {
        let x = values(stored, 1, (2, CHANNELS, h, w));
        compare((stored, &x), kernels, ((2, 2), 2, (0, 0)), &[int(0)], avg_pool2x2);
        // Overlapping windows with padding, as a convolution with equal weights, over the zeros of
        // the padding too or divided by those of a map of ones.
        let windows = ((3, 2), 1, (1, 1));
        let equal = Tensor::full(1f32 / 6.0, (CHANNELS, 1, 3, 2), x.device()).unwrap();
        let smoothed =
            |x: &Tensor| depthwise_conv2d(x, &equal, (1, 1), (1, 1), ConvAlgorithm::default());
        compare((stored, &x), kernels, windows, &[int(1)], smoothed);
        let ones = Tensor::ones(x.shape(), DType::F32, x.device()).unwrap();
        compare((stored, &x), kernels, windows, &[int(0)], |x| smoothed(x)? / smoothed(&ones)?);
    }
}

#[test]
fn largest_of_windows() {
    if skipped() {
        return;
    }
    let kernels = (["max_pool_forward", "max_pool_grad"], true);
    for (stored, (h, w)) in each() {
        // Few different values, so that windows have several that are the largest.
        let x = (values(stored, 1, (2, CHANNELS, h, w)) * 3.0).unwrap().floor().unwrap();
        for windows in [((2, 2), 2, (0, 0)), ((3, 3), 2, (1, 1)), ((2, 5), 1, (1, 2))] {
            let (kernel, stride, padding) = windows;
            if h + 2 * padding.0 < kernel.0 || w + 2 * padding.1 < kernel.1 {
                continue;
            }
            compare((stored, &x), kernels, windows, &[], |x| {
                max_pool2d(x, kernel, stride, padding)
            });
        }
    }
}

#[test]
fn means_of_planes() {
    if skipped() {
        return;
    }
    for (stored, (h, w)) in each() {
        let x = values(stored, 1, (2, CHANNELS, h, w));
        let grad = |y: &Tensor| values(stored, 2, y.shape());
        let (y, grad, gradients) = with_gradients(&[&x], grad, |o| global_avg_pool(&o[0]));
        let (mut bx, mut bg) = (buffer(stored, &x), buffer(stored, &grad));
        let shift = values(Stored::F32, 3, CHANNELS);
        let mut bshift = buffer(Stored::F32, &shift);
        let mut mean = |shift: Value, activation| {
            let output = Buffer::unwritten(stored, PLANES);
            on_blocks(("plane_mean", stored), (PLANES, 1), output, |to| {
                vec![bx.at(), shift, int(activation), to, int(CHANNELS), int(h * w)]
            })
        };
        expect("mean", stored, &mean(Value::NULL, 0), &y, 1e-6);
        let shifted = x.broadcast_add(&shift.reshape((1, (), 1, 1)).unwrap()).unwrap();
        let shifted = global_avg_pool(&shifted.relu().unwrap()).unwrap();
        expect("mean behind ReLU", stored, &mean(bshift.at(), 1), &shifted, 1e-6);

        let output = Buffer::unwritten(stored, x.elem_count());
        let found = on_planes(("plane_mean_grad", stored), (h * w, PLANES), output, |to| {
            vec![bg.at(), to, int(h * w), int(PLANES)]
        });
        expect("mean: grad", stored, &found, &gradients[0], 1e-6);
    }
}

fn each() -> impl Iterator<Item = (Stored, (usize, usize))> {
    Stored::ALL.into_iter().flat_map(|stored| SIZES.map(|size| (stored, size)))
}
