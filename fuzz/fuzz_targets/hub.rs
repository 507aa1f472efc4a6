//! A server that says anything: whole answers to the requests for a file, one after the other.
#![no_main]

use ghostnetv2::hub::{Hub, HubConfig, RepoId};
use libfuzzer_sys::fuzz_target;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener};
use std::path::Path;
use std::sync::{LazyLock, Mutex};
use std::time::Duration;

/// What the server says next.
static ANSWERS: Mutex<Vec<Vec<u8>>> = Mutex::new(Vec::new());

static PORT: LazyLock<u16> = LazyLock::new(|| {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    let port = listener.local_addr().expect("a bound port").port();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            // Requests are short, and arrive whole.
            let _ = stream.read(&mut [0; 4096]);
            let answer = ANSWERS.lock().expect("no thread panics").pop().unwrap_or_default();
            let _ = stream.write_all(&answer);
            let _ = stream.shutdown(Shutdown::Both);
        }
    });
    port
});

/// The files of a folder, with the links in it.
fn files(folder: &Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let inner = |path: std::path::PathBuf| if path.is_dir() { files(&path) } else { vec![path] };
    entries.flat_map(|entry| inner(entry.path())).collect()
}

fuzz_target!(|data: &[u8]| {
    let outside = tempfile::tempdir().expect("a temporary folder");
    let cache = outside.path().join("a/b/c/cache");
    // 0xff, which is in no HTTP header, separates the answers; the last comes first.
    *ANSWERS.lock().expect("no thread panics") =
        data.split(|&byte| byte == 0xff).map(<[u8]>::to_vec).collect();
    let mut config = HubConfig::new(cache.clone());
    config.endpoint = format!("http://127.0.0.1:{}", *PORT);
    config.retries = 1;
    config.first_pause = Duration::ZERO;
    config.longest_pause = Duration::ZERO;
    config.timeouts.response = Duration::from_millis(200);
    config.timeouts.stall = Duration::from_millis(200);
    let hub = Hub::new(config).expect("a right address");
    let repo = RepoId::parse("org/repo").expect("a right name");
    if let Ok(path) = hub.get(&repo, "model.safetensors", None, &mut ()) {
        assert!(path.starts_with(&cache), "{}", path.display());
    }
    for file in files(outside.path()) {
        assert!(file.starts_with(&cache), "{} is outside of the cache", file.display());
    }
});
