//! A picture of any bytes, decoded and made ready for a network.
#![no_main]

use ghostnetv2::picture::{DecodeOptions, decode};
use ghostnetv2::preprocess::Preprocess;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((&flags, bytes)) = data.split_first() else { return };
    let options = DecodeOptions {
        allow_truncated: flags & 1 == 1,
        max_pixels: 1 << 16,
        ..DecodeOptions::default()
    };
    let Ok(picture) = decode(bytes, &options) else { return };
    let (width, height) = (picture.width(), picture.height());
    assert!(width > 0 && height > 0 && u64::from(width) * u64::from(height) <= 1 << 16);
    assert_eq!(picture.pixels().len(), width as usize * height as usize * 3);
    let side = 33 + u32::from(flags >> 1) % 32;
    if let Ok(preprocess) = Preprocess::default().with_size(side, side) {
        let values = preprocess.apply(&picture);
        assert_eq!(values.len(), (3 * side * side) as usize);
        assert!(values.iter().all(|value| value.is_finite()));
    }
});
