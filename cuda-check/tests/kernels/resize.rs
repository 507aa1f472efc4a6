//! Nearest and bilinear resampling.

use crate::check::{buffer, expect, int, on_planes, sizes, skipped, values, with_gradients};
use cuda_check::{Buffer, Stored};
use ghostnetv2::ops::{upsample_bilinear2d, upsample_nearest2d};

const CHANNELS: usize = 3;
const PLANES: usize = 2 * CHANNELS;

/// How a map is resampled.
#[derive(Clone, Copy, Debug)]
enum Way {
    Nearest,
    Bilinear { corners: bool },
}

#[test]
fn forward_and_gradients() {
    if skipped() {
        return;
    }
    for stored in Stored::ALL {
        for (h, w) in [(7, 7), (2, 5), (3, 8), (13, 2), (1, 1)] {
            let sizes = [(7, 7), (1, 1), (2 * h, 2 * w), (h, w), (h + 5, 3), (4, 41), (100, 6)];
            for to in sizes {
                compare(stored, (h, w), to, Way::Nearest);
                compare(stored, (h, w), to, Way::Bilinear { corners: false });
                compare(stored, (h, w), to, Way::Bilinear { corners: true });
            }
        }
    }
}

fn compare(stored: Stored, from: (usize, usize), to: (usize, usize), way: Way) {
    let name = format!("{way:?} from {from:?} to {to:?}");
    let x = values(stored, 1, (2, CHANNELS, from.0, from.1));
    let (y, grad, gradients) = with_gradients(
        &[&x],
        |y| values(stored, 2, y.shape()),
        |o| match way {
            Way::Nearest => upsample_nearest2d(&o[0], to),
            Way::Bilinear { corners } => upsample_bilinear2d(&o[0], to, corners),
        },
    );
    let geometry = sizes(CHANNELS, from, to);
    let (mut bx, mut bg) = (buffer(stored, &x), buffer(stored, &grad));
    let (kernels, corners) = match way {
        Way::Nearest => (["nearest_forward", "nearest_grad"], None),
        Way::Bilinear { corners } => {
            (["bilinear_forward", "bilinear_grad"], Some(int(usize::from(corners))))
        }
    };
    let mut run = |kernel: usize, (oh, ow): (usize, usize)| {
        let output = Buffer::unwritten(stored, PLANES * oh * ow);
        on_planes((kernels[kernel], stored), (oh * ow, PLANES), output, |to| {
            let given = if kernel == 0 { bx.at() } else { bg.at() };
            let rest = corners.into_iter().chain([int(PLANES)]);
            [given, to, geometry].into_iter().chain(rest).collect()
        })
    };
    expect(&name, stored, &run(0, to), &y, 1e-6);
    expect(&format!("{name}: grad"), stored, &run(1, from), &gradients[0], 2e-6);
}
