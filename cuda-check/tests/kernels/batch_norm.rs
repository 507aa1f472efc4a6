//! Batch-norm in training, and a scale and a shift for each channel.

use crate::check::{buffer, expect, int, on_blocks, on_planes, skipped, values, with_gradients};
use candle::Tensor;
use cuda_check::{Buffer, Stored, Value};
use ghostnetv2::ops::{batch_norm_train, channel_affine};

const EPSILON: f64 = 1e-5;
const F32: Stored = Stored::F32;

/// Far from mean 0 and deviation 1, as little as a network has it in places.
fn operands(stored: Stored, (b, c, h, w): (usize, usize, usize, usize)) -> [Tensor; 3] {
    let x = ((values(stored, 1, (b, c, h, w)) * 3.0).unwrap() + 20.0).unwrap();
    let numbers = buffer(stored, &x).numbers(); // rounded again
    let x = Tensor::from_vec(numbers, (b, c, h, w), x.device()).unwrap();
    [x, (values(F32, 2, c) + 1.5).unwrap(), values(F32, 3, c)]
}

#[test]
fn training() {
    if skipped() {
        return;
    }
    let cases =
        [(2, 3, 5, 7), (3, 2, 1, 1), (1, 4, 3, 9), (2, 1, 17, 13), (3, 5, 31, 33), (1, 1, 2, 1)];
    for (stored, shape) in each(&cases) {
        let (b, c, h, w) = shape;
        let (pixels, planes) = (h * w, b * c);
        let [x, weight, bias] = operands(stored, shape);
        let mut statistics = None;
        let (y, grad, gradients) = with_gradients(
            &[&x, &weight, &bias],
            |y| values(stored, 4, y.shape()),
            |o| {
                let (y, moments) = batch_norm_train(&o[0], &o[1], &o[2], EPSILON)?;
                statistics = Some(moments);
                Ok(y)
            },
        );
        let (mut bx, mut bg) = (buffer(stored, &x), buffer(stored, &grad));
        let (mut bweight, mut bbias) = (buffer(F32, &weight), buffer(F32, &bias));

        let moments = on_blocks(
            ("batch_norm_moments", stored),
            (c, 1),
            Buffer::unwritten(F32, 3 * c),
            |to| vec![bx.at(), to, Value::Float(EPSILON as f32), int(b), int(c), int(pixels)],
        );
        let statistics = statistics.unwrap();
        expect("mean", F32, &moments[..c], &statistics.mean, 1e-6);
        let count = (b * pixels) as f64;
        let variance = (statistics.variance * ((count - 1.0) / count)).unwrap();
        expect("variance", F32, &moments[c..2 * c], &variance, 2e-6);
        let mut bmoments = Buffer::of(F32, &moments);

        for activation in [0, 1] {
            let expected = if activation == 1 { y.relu().unwrap() } else { y.clone() };
            let output = Buffer::unwritten(stored, y.elem_count());
            let kernel = ("batch_norm_normalise", stored);
            let found = on_planes(kernel, (pixels, planes), output, |to| {
                let norm = [bx.at(), bmoments.at(), bweight.at(), bbias.at()];
                let rest = [int(activation), to, int(c), int(pixels), int(planes)];
                [norm.as_slice(), &rest].concat()
            });
            expect(&format!("{shape:?}"), stored, &found, &expected, 5e-6);
        }

        let kernel = ("batch_norm_grad_sums", stored);
        let sums = on_blocks(kernel, (c, 1), Buffer::unwritten(F32, 2 * c), |to| {
            vec![bx.at(), bg.at(), bmoments.at(), to, int(b), int(c), int(pixels)]
        });
        let of_weight: Vec<f32> = (0..c).map(|i| sums[i] * moments[2 * c + i]).collect();
        expect("grad of weight", F32, &of_weight, &gradients[1], 1e-5);
        expect("grad of bias", F32, &sums[c..], &gradients[2], 2e-6);
        let mut bsums = Buffer::of(F32, &sums);

        let output = Buffer::unwritten(stored, x.elem_count());
        let kernel = ("batch_norm_grad_input", stored);
        let found = on_planes(kernel, (pixels, planes), output, |to| {
            let given = [bx.at(), bg.at(), bmoments.at(), bweight.at(), bsums.at()];
            [given.as_slice(), &[to, int(b), int(c), int(pixels)]].concat()
        });
        // Where few values make a channel, nearly all of the gradient cancels.
        expect(&format!("{shape:?}: grad of x"), stored, &found, &gradients[0], 2e-5);
    }
}

#[test]
fn evaluation() {
    if skipped() {
        return;
    }
    for (stored, shape) in each(&[(2, 3, 5, 7), (3, 2, 1, 1), (1, 7, 9, 31)]) {
        let (b, c, h, w) = shape;
        let (pixels, planes) = (h * w, b * c);
        let [_, scale, shift] = operands(stored, shape);
        let x = values(stored, 5, shape);
        let (y, grad, gradients) = with_gradients(
            &[&x, &scale, &shift],
            |y| values(stored, 4, y.shape()),
            |o| channel_affine(&o[0], &o[1], &o[2]),
        );
        let (mut bx, mut bg) = (buffer(stored, &x), buffer(stored, &grad));
        let (mut bscale, mut bshift) = (buffer(F32, &scale), buffer(F32, &shift));
        let mut affine = |from: Value, shift: Value, add: Value, activation: usize| {
            let output = Buffer::unwritten(stored, x.elem_count());
            on_planes(("channel_affine", stored), (pixels, planes), output, |to| {
                let given = [from, bscale.at(), shift, add];
                let rest = [int(activation), to, int(c), int(pixels), int(planes)];
                [given.as_slice(), &rest].concat()
            })
        };
        let name = format!("{shape:?}");
        expect(&name, stored, &affine(bx.at(), bshift.at(), Value::NULL, 0), &y, 1e-6);
        let sum = (&y + &grad).unwrap().relu().unwrap();
        expect(&name, stored, &affine(bx.at(), bshift.at(), bg.at(), 1), &sum, 1e-6);
        let found = affine(bg.at(), Value::NULL, Value::NULL, 0);
        expect(&format!("{name}: grad of x"), stored, &found, &gradients[0], 1e-6);

        let kernel = ("batch_norm_grad_sums", stored);
        let sums = on_blocks(kernel, (c, 1), Buffer::unwritten(F32, 2 * c), |to| {
            vec![bx.at(), bg.at(), Value::NULL, to, int(b), int(c), int(pixels)]
        });
        expect("grad of scale", F32, &sums[..c], &gradients[1], 2e-6);
        expect("grad of shift", F32, &sums[c..], &gradients[2], 2e-6);
    }
}

fn each<T: Copy>(cases: &[T]) -> impl Iterator<Item = (Stored, T)> {
    Stored::ALL.into_iter().flat_map(|stored| cases.iter().map(move |&case| (stored, case)))
}
