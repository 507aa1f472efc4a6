//! Annotations and detections in COCO's form, scored where both can be read.
#![no_main]

use heads::data::{coco::Coco, coco_results};
use heads::eval::coco::Evaluation;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    // A zero byte, which is in no JSON, separates the two files.
    let mut files = data.splitn(2, |&byte| byte == 0);
    let (truth, found) = (files.next().unwrap_or_default(), files.next().unwrap_or_default());
    let Ok(truth) = Coco::parse("truth.json".as_ref(), truth) else { return };
    let Ok(found) = coco_results::parse("found.json".as_ref(), found, &truth) else { return };
    for categories in [true, false] {
        let eval = Evaluation::new(&truth, &found, categories);
        let summary = eval.summary();
        for number in summary.values() {
            assert!(number == -1.0 || (0.0..=1.0).contains(&number), "{summary:?}");
        }
        let _ = (eval.by_category(), eval.by_category_at_50());
    }
});
