//! The fused kernels around the matrix products of ghost modules and DFC attention, beside the
//! same in single operations.

use crate::check::{buffer, expect, int, on_planes, skipped, values};
use candle::{Result, Tensor};
use candle_nn::ops::sigmoid;
use cuda_check::{Buffer, Stored, Value};
use ghostnetv2::ops::{ConvAlgorithm, avg_pool2x2, depthwise_conv2d, upsample_nearest2d};

const BATCH: usize = 2;

fn biased(x: &Tensor, bias: &Tensor) -> Result<Tensor> {
    x.broadcast_add(&bias.reshape((1, (), 1, 1))?)
}

fn depthwise(x: &Tensor, weight: &Tensor, padding: (usize, usize)) -> Result<Tensor> {
    depthwise_conv2d(x, weight, (1, 1), padding, ConvAlgorithm::default())
}

/// What joins a ghost module.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Join {
    None,
    Gate,
    Shortcut { biased: bool },
}

#[test]
fn ghost_modules() -> Result<()> {
    if skipped() {
        return Ok(());
    }
    let joins =
        [Join::None, Join::Gate, Join::Shortcut { biased: false }, Join::Shortcut { biased: true }];
    for stored in Stored::ALL {
        for (i, join) in joins.into_iter().enumerate() {
            // Primary and all channels, an odd number of these too; side; map.
            for (primary, channels, side, h, w) in
                [(3, 6, 3, 7, 5), (4, 7, 3, 8, 6), (2, 3, 5, 1, 9), (1, 1, 3, 4, 13)]
            {
                module(stored, join, i % 2, (primary, channels, side, h, w))?;
            }
        }
    }
    Ok(())
}

fn module(
    stored: Stored,
    join: Join,
    relu: usize,
    (primary, channels, side, h, w): (usize, usize, usize, usize, usize),
) -> Result<()> {
    let act = |t: Tensor| if relu == 1 { t.relu() } else { Ok(t) };
    let raw = values(stored, 1, (BATCH, primary, h, w));
    let filters = values(stored, 2, (primary, 1, side, side));
    let biases = [3, 4].map(|seed| values(Stored::F32, seed, primary));
    let (gh, gw) = (h.div_ceil(2), w.div_ceil(2));
    let gate = values(stored, 5, (BATCH, channels, gh, gw));
    let shortcut = values(stored, 6, (BATCH, channels, h, w));
    let shortcut_bias = values(Stored::F32, 7, channels);

    let first = act(biased(&raw, &biases[0])?)?;
    let second = act(biased(&depthwise(&first, &filters, (side / 2, side / 2))?, &biases[1])?)?;
    let mut y = Tensor::cat(&[first, second], 1)?.narrow(1, 0, channels)?;
    match join {
        Join::None => {}
        Join::Gate => y = (y * upsample_nearest2d(&gate, (h, w))?)?,
        Join::Shortcut { biased: false } => y = (y + &shortcut)?,
        Join::Shortcut { biased: true } => y = (y + biased(&shortcut, &shortcut_bias)?)?,
    }
    let has_mean = h > 1 && w > 1;

    let (mut braw, mut bfilters) = (buffer(stored, &raw), buffer(stored, &filters));
    let [mut bfirst, mut bsecond] = biases.map(|t| buffer(Stored::F32, &t));
    let (mut bgate, mut bshortcut) = (buffer(stored, &gate), buffer(stored, &shortcut));
    let mut bbias = buffer(Stored::F32, &shortcut_bias);
    let mut pooled = Buffer::unwritten(stored, BATCH * channels * (h / 2) * (w / 2));
    let planes = BATCH * primary;
    let output = Buffer::unwritten(stored, y.elem_count());
    let size = (h.div_ceil(2) * w.div_ceil(2), planes);
    let found = on_planes(("ghost", stored), size, output, |to| {
        let or_null = |there: bool, value: Value| if there { value } else { Value::NULL };
        vec![
            braw.at(),
            bfirst.at(),
            bfilters.at(),
            bsecond.at(),
            or_null(join == Join::Gate, bgate.at()),
            int(gh),
            int(gw),
            or_null(matches!(join, Join::Shortcut { .. }), bshortcut.at()),
            or_null(join == Join::Shortcut { biased: true }, bbias.at()),
            int(relu),
            to,
            or_null(has_mean, pooled.at()),
            int(primary),
            int(channels),
            int(side),
            int(h),
            int(w),
            int(planes),
        ]
    });
    let name = format!("{primary} to {channels}, {join:?}");
    expect(&name, stored, &found, &y, 2e-6);
    if has_mean {
        expect(&format!("{name}: means"), stored, &pooled.numbers(), &avg_pool2x2(&y)?, 2e-6);
    }
    Ok(())
}

#[test]
fn attention() -> Result<()> {
    if skipped() {
        return Ok(());
    }
    const CHANNELS: usize = 3;
    for stored in Stored::ALL {
        for (h, w, side) in [(3, 3, 5), (7, 14, 5), (1, 9, 5), (6, 5, 3)] {
            let raw = values(stored, 1, (BATCH, CHANNELS, h, w));
            let rows = values(stored, 2, (CHANNELS, 1, 1, side));
            let columns = values(stored, 3, (CHANNELS, 1, side, 1));
            let biases = [4, 5, 6].map(|seed| values(Stored::F32, seed, CHANNELS));
            let y = depthwise(&biased(&raw, &biases[0])?, &rows, (0, side / 2))?;
            let y = depthwise(&biased(&y, &biases[1])?, &columns, (side / 2, 0))?;
            let y = sigmoid(&biased(&y, &biases[2])?)?;

            let mut braw = buffer(stored, &raw);
            let (mut brows, mut bcolumns) = (buffer(stored, &rows), buffer(stored, &columns));
            let [mut b0, mut b1, mut b2] = biases.map(|t| buffer(Stored::F32, &t));
            let planes = BATCH * CHANNELS;
            let output = Buffer::unwritten(stored, y.elem_count());
            let found = on_planes(("dfc_attention", stored), (h * w, planes), output, |to| {
                vec![
                    braw.at(),
                    b0.at(),
                    brows.at(),
                    b1.at(),
                    bcolumns.at(),
                    b2.at(),
                    to,
                    int(side),
                    int(CHANNELS),
                    int(h),
                    int(w),
                    int(planes),
                ]
            });
            expect(&format!("attention on {h}x{w}"), stored, &found, &y, 2e-6);
        }
    }
    Ok(())
}
