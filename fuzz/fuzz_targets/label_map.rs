//! A mask of any bytes, and what is counted over it.
#![no_main]

use heads::data::mask;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((&flags, bytes)) = data.split_first() else { return };
    let Ok(map) = mask::parse("mask.png".as_ref(), bytes, flags & 1 == 1) else { return };
    let (height, width) = map.size();
    assert_eq!(map.labels().len(), height * width);
    let counts = map.counts(256);
    let counted: u64 = counts.iter().sum();
    assert!(counted <= map.labels().len() as u64);
});
