//! Sizes and slices that do not fit end in a typed error, never in a panic.

use engine::{
    ShapeError,
    kernels::depthwise::{DepthwiseShape, forward, grad_input, grad_weight},
};

const HUGE: usize = usize::MAX / 2;

#[test]
fn zero_sizes() {
    let new = |channels, input, kernel, stride| {
        DepthwiseShape::new(1, channels, input, kernel, stride, (1, 1))
    };
    let what = |result: Result<DepthwiseShape, ShapeError>| match result {
        Err(ShapeError::Zero { what }) => what,
        other => panic!("expected a zero size to be refused, got {other:?}"),
    };
    assert_eq!(what(new(0, (4, 4), (3, 3), (1, 1))), "number of channels");
    assert_eq!(what(new(1, (0, 4), (3, 3), (1, 1))), "picture height");
    assert_eq!(what(new(1, (4, 0), (3, 3), (1, 1))), "picture width");
    assert_eq!(what(new(1, (4, 4), (0, 3), (1, 1))), "kernel height");
    assert_eq!(what(new(1, (4, 4), (3, 0), (1, 1))), "kernel width");
    assert_eq!(what(new(1, (4, 4), (3, 3), (0, 1))), "vertical stride");
    assert_eq!(what(new(1, (4, 4), (3, 3), (1, 0))), "horizontal stride");
}

#[test]
fn sizes_that_overflow() {
    let too_large = |result: Result<DepthwiseShape, ShapeError>| {
        assert!(matches!(result, Err(ShapeError::TooLarge { .. })), "{result:?}");
    };
    too_large(DepthwiseShape::new(HUGE, 3, (4, 4), (3, 3), (1, 1), (1, 1)));
    too_large(DepthwiseShape::new(1, HUGE, (4, 4), (3, 3), (1, 1), (1, 1)));
    too_large(DepthwiseShape::new(0, HUGE, (4, 4), (3, 3), (1, 1), (1, 1)));
    too_large(DepthwiseShape::new(1, 1, (HUGE, 4), (3, 3), (1, 1), (1, 1)));
    too_large(DepthwiseShape::new(1, 1, (4, 4), (3, 3), (1, 1), (HUGE, 1)));
    too_large(DepthwiseShape::new(1, 1, (4, 4), (3, 3), (1, 1), (1, usize::MAX)));
    too_large(DepthwiseShape::new(1, 1, (4, 4), (3, 3), (1, 1), (1, 1 << (usize::BITS - 3))));
}

/// As many outputs as taps, and no tap shared: all of it can be addressed, but not the padded copy.
#[test]
fn scratch_that_cannot_be_allocated() {
    let size: usize = if usize::BITS < 64 { 1 << 15 } else { 1 << 21 };
    let padding = size * size / 2;
    let shape = DepthwiseShape::new(1, 1, (1, 1), (1, size), (1, size), (0, padding)).unwrap();
    assert_eq!(shape.output(), (1, size));
    let x = [1.0];
    let w = vec![1.0; shape.weight_len()];
    let mut y = vec![0.0; shape.output_len()];
    let result = forward(&shape, &x, &w, None, &mut y);
    assert!(matches!(result, Err(ShapeError::Scratch { .. })), "{result:?}");
    let mut gw = w.clone();
    let result = grad_weight(&shape, &x, &y, &mut gw);
    assert!(matches!(result, Err(ShapeError::Scratch { .. })), "{result:?}");
}

#[test]
fn slices_of_a_wrong_length() {
    let shape = DepthwiseShape::new(2, 3, (8, 9), (3, 3), (2, 1), (1, 1)).unwrap();
    let (x, w, bias) =
        (vec![1.0; shape.input_len()], vec![1.0; shape.weight_len()], vec![1.0; shape.channels()]);
    let (mut y, mut gx, mut gw) = (vec![7.0; shape.output_len()], x.clone(), w.clone());
    let gy = y.clone();
    let length = |what, expected: usize, found| Err(ShapeError::Length { what, expected, found });

    for wrong in [0, 1, 2] {
        // Too short by one, too long by one, empty.
        let resized = |values: &[f32]| {
            let mut values = values.to_vec();
            let len = [values.len() - 1, values.len() + 1, 0][wrong];
            values.resize(len, 1.0);
            values
        };
        let (bad_x, bad_w, bad_bias, bad_y) =
            (resized(&x), resized(&w), resized(&bias), resized(&y));
        let (xs, ws, cs, ys) = (x.len(), w.len(), bias.len(), y.len());
        let (bx, bw, bc, by) = (bad_x.len(), bad_w.len(), bad_bias.len(), bad_y.len());

        assert_eq!(forward(&shape, &bad_x, &w, None, &mut y), length("x", xs, bx));
        assert_eq!(forward(&shape, &x, &bad_w, None, &mut y), length("w", ws, bw));
        assert_eq!(forward(&shape, &x, &w, Some(&bad_bias), &mut y), length("bias", cs, bc));
        assert_eq!(forward(&shape, &x, &w, None, &mut bad_y.clone()), length("y", ys, by));

        assert_eq!(grad_input(&shape, &bad_w, &gy, &mut gx), length("w", ws, bw));
        assert_eq!(grad_input(&shape, &w, &bad_y, &mut gx), length("gy", ys, by));
        assert_eq!(grad_input(&shape, &w, &gy, &mut bad_x.clone()), length("gx", xs, bx));

        assert_eq!(grad_weight(&shape, &bad_x, &gy, &mut gw), length("x", xs, bx));
        assert_eq!(grad_weight(&shape, &x, &bad_y, &mut gw), length("gy", ys, by));
        assert_eq!(grad_weight(&shape, &x, &gy, &mut bad_w.clone()), length("gw", ws, bw));
    }
    // A refused call writes nothing.
    assert_eq!((y, gx, gw), (gy, x, w));
}

#[test]
fn messages_say_what_was_expected_and_what_to_do() {
    let message = |result: Result<DepthwiseShape, ShapeError>| result.unwrap_err().to_string();
    assert_eq!(
        message(DepthwiseShape::new(1, 1, (3, 3), (7, 7), (1, 1), (1, 1))),
        "a 7x7 kernel does not fit into a 3x3 picture with padding 1x1; use a larger picture, more \
         padding or a smaller kernel"
    );
    assert_eq!(
        message(DepthwiseShape::new(1, 0, (3, 3), (1, 1), (1, 1), (0, 0))),
        "number of channels is zero, expected at least 1"
    );
    let shape = DepthwiseShape::new(1, 1, (3, 3), (3, 3), (1, 1), (1, 1)).unwrap();
    assert_eq!(
        forward(&shape, &[0.0; 8], &[0.0; 9], None, &mut [0.0; 9]).unwrap_err().to_string(),
        "x has 8 elements, expected 9 for this shape"
    );
}
