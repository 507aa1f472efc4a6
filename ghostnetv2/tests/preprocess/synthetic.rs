//! Pictures that follow a formula; `scripts/picture_fixtures/synthetic.py` has the same one.

use ghostnetv2::picture::Rgb8;

/// The picture of that kind and size.
pub fn picture(kind: &str, width: u32, height: u32) -> Rgb8 {
    let pixels = match kind {
        "noise" => noise(width as usize * height as usize * 3),
        "smooth" => smooth(width as usize, height as usize),
        other => panic!("no formula for {other}"),
    };
    Rgb8::new(width, height, pixels).expect("the formula fills the picture")
}

/// Bytes of splitmix64, low bytes first.
fn noise(count: usize) -> Vec<u8> {
    let words = (1..=count.div_ceil(8) as u64).flat_map(|index| {
        let mut z = 1_u64.wrapping_add(index.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ z >> 31).to_le_bytes()
    });
    words.take(count).collect()
}

/// Slopes of three directions that bounce between black and full colour.
fn smooth(width: usize, height: usize) -> Vec<u8> {
    let mut pixels = Vec::with_capacity(width * height * 3);
    for y in 0..height {
        for x in 0..width {
            for channel in 0..3 {
                let slope =
                    x * (7 + 5 * channel) * 64 / width + y * (11 - 3 * channel) * 64 / height;
                let level = (slope + 40 * channel) % 512;
                pixels.push(level.min(511 - level) as u8);
            }
        }
    }
    pixels
}
