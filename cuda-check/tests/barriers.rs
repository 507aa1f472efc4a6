//! What the host can't show by running: a barrier stands between any two phases of a kernel that
//! share memory.
#![allow(clippy::unwrap_used)] // a test that can't go on may end

use std::path::Path;

#[test]
fn a_barrier_stands_between_phases_that_share_memory() {
    let kernels = Path::new(env!("CARGO_MANIFEST_DIR")).join("../ghostnetv2/src/ops/cuda");
    let mut checked = 0;
    for file in std::fs::read_dir(kernels).unwrap().map(|entry| entry.unwrap().path()) {
        if file.extension().is_none_or(|extension| extension != "cu") {
            continue;
        }
        let text = std::fs::read_to_string(&file).unwrap();
        for function in text.split("\nDEVICE ").filter(|function| function.contains("SHARED ")) {
            let name = function.split('(').next().unwrap();
            let phases: Vec<&str> = function.split("THREADS {").skip(1).collect();
            assert!(phases.len() > 1, "{}: {name} shares memory for nothing", file.display());
            for phase in &phases[..phases.len() - 1] {
                let waits = phase.contains("SYNC\n") || phase.contains("sum_block(");
                assert!(waits, "{}: {name} has no barrier behind a phase", file.display());
            }
            // A loop over phases comes back to the first from the last.
            if let Some(around) = function.find("for (int pass") {
                assert!(around < function.find("THREADS {").unwrap(), "{name}");
                assert!(
                    phases.last().unwrap().contains("SYNC\n"),
                    "{name} loops without a barrier"
                );
            }
            checked += 1;
        }
    }
    assert!(checked >= 7, "{checked} functions");
}
