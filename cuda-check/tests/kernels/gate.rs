//! The gate of DFC attention.

use crate::check::{buffer, expect, int, on_planes, sizes, skipped, values, with_gradients};
use cuda_check::{Buffer, Stored};
use ghostnetv2::ops::dfc_gate;

const CHANNELS: usize = 3;
const PLANES: usize = 2 * CHANNELS;

#[test]
fn forward_and_gradients() {
    if skipped() {
        return;
    }
    // Map and gate: halved, as networks have it, and of any ratio.
    let cases =
        [((7, 7), (3, 3)), ((8, 6), (4, 3)), ((1, 5), (1, 2)), ((9, 40), (9, 1)), ((3, 4), (5, 9))];
    for (stored, (map, gate)) in
        Stored::ALL.into_iter().flat_map(|stored| cases.map(|case| (stored, case)))
    {
        let name = format!("{map:?} gated by {gate:?}");
        let x = values(stored, 1, (2, CHANNELS, map.0, map.1));
        let logits = (values(stored, 2, (2, CHANNELS, gate.0, gate.1)) * 4.0).unwrap();
        let (y, grad, gradients) = with_gradients(
            &[&x, &logits],
            |y| values(stored, 3, y.shape()),
            |o| dfc_gate(&o[0], &o[1]),
        );
        let geometry = sizes(CHANNELS, gate, map);
        let (mut bx, mut bl) = (buffer(stored, &x), buffer(stored, &logits));
        let mut bg = buffer(stored, &grad);
        // The gradient of x is the gradient of y, gated.
        for (from, expected) in [(&mut bx, &y), (&mut bg, &gradients[0])] {
            let output = Buffer::unwritten(stored, x.elem_count());
            let size = (map.0 * map.1, PLANES);
            let found = on_planes(("gate_forward", stored), size, output, |to| {
                vec![from.at(), bl.at(), to, geometry, int(PLANES)]
            });
            expect(&name, stored, &found, expected, 1e-6);
        }
        let output = Buffer::unwritten(stored, logits.elem_count());
        let size = (gate.0 * gate.1, PLANES);
        let found = on_planes(("gate_grad_logits", stored), size, output, |to| {
            vec![bx.at(), bl.at(), bg.at(), to, geometry, int(PLANES)]
        });
        expect(&format!("{name}: grad of logits"), stored, &found, &gradients[1], 1e-6);
    }
}
