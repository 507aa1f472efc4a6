//! Names and headers that are malformed, or meant to do harm.

use std::fs;
use std::io::{Read, Write};
use std::thread;

use ghostnetv2::hub::{Hub, HubError};

use crate::fixture::{COMMIT, Cache, Model, REPO, config, get, listen, repo};
use crate::server::{Answer, Server};

/// The error for a hub whose description of the file is this.
fn error_of(answer: Answer) -> HubError {
    let cache = Cache::new();
    let server = Server::start(move |_, _| answer.clone());
    let error = cache.get(&server).expect_err("a bad description");
    assert_eq!(server.log().count("GET"), 0);
    cache.assert_nothing_final();
    assert!(!cache.root().join("x").exists());
    error
}

#[test]
fn file_names_cannot_leave_the_repository() {
    let (cache, server) = (Cache::new(), Model::new().serve());
    let hub = Hub::new(cache.config(&server)).expect("a valid configuration");
    for file in
        ["../x", "/etc/passwd", "a/../../x", "..\\x", "C:\\x", "a//b", "a\0b", "", "a/.. /x"]
    {
        let error = hub.get(&repo(REPO), file, None, &mut ()).expect_err("a hostile name");
        assert!(matches!(error, HubError::InvalidName { .. }), "{file:?}: {error:?}");
    }
    assert_eq!(server.log().requests().len(), 0);
    assert!(fs::read_dir(cache.root()).expect("a readable folder").next().is_none());
}

#[test]
fn etags_and_commits_cannot_leave_the_cache() {
    let long = "e".repeat(300);
    for name in ["../x", "../../x", "..", "a/b", "a\\b", "/x", "x.incomplete", "", "\"\"", &*long] {
        for header in ["X-Linked-Etag", "X-Repo-Commit"] {
            let model = Model::new();
            let answer = model.whole().without(header).header(header, name);
            let error = error_of(answer);
            let HubError::BadHeader { header: found, .. } = error else {
                panic!("{name:?}: {error:?}");
            };
            assert_eq!(found, header);
        }
    }
}

#[test]
fn a_description_needs_its_headers() {
    let model = Model::new();
    for (without, expected) in [("X-Repo-Commit", "X-Repo-Commit"), ("X-Linked-Etag", "ETag")] {
        let error = error_of(model.whole().without(without));
        let HubError::MissingHeader { header, .. } = &error else { panic!("{error:?}") };
        assert_eq!(*header, expected);
        assert!(error.to_string().contains("HF_ENDPOINT"), "{error}");
    }
    // Neither a size nor a hash: a file that is cut short would pass.
    let opaque = Answer::new(200).header("X-Repo-Commit", COMMIT).header("ETag", "\"opaque\"");
    let error = error_of(opaque.announce(None));
    assert!(matches!(error, HubError::MissingHeader { header: "Content-Length", .. }), "{error:?}");
}

#[test]
fn sizes_are_numbers() {
    let model = Model::new();
    for size in ["NaN", "-1", "", "1e9", "99999999999999999999999"] {
        let error = error_of(model.whole().without("X-Linked-Size").header("X-Linked-Size", size));
        let HubError::BadHeader { header, .. } = error else { panic!("{size:?}: {error:?}") };
        assert_eq!(header, "X-Linked-Size");
        let error = error_of(model.whole().without("X-Linked-Size").announce(Some(size)));
        assert!(
            matches!(error, HubError::BadHeader { .. } | HubError::Malformed { .. }),
            "{size:?}: {error:?}"
        );
    }
}

#[test]
fn a_pinned_commit_is_the_commit_that_is_served() {
    let (cache, server) = (Cache::new(), Model::new().serve());
    let hub = Hub::new(cache.config(&server)).expect("a valid configuration");
    let other = repo(&format!("{REPO}@{}", "f".repeat(40)));
    let error = hub.get(&other, "config.json", None, &mut ()).expect_err("another commit");
    assert!(matches!(error, HubError::BadHeader { header: "X-Repo-Commit", .. }), "{error:?}");
    cache.assert_nothing_final();
}

#[test]
fn nonsense_in_place_of_http_is_an_error() {
    let long = [b"HTTP/1.1 200 OK\r\nX: ".as_slice(), &[b'x'; 1 << 20]].concat();
    let many = [b"HTTP/1.1 200 OK\r\n".as_slice(), &b"X: x\r\n".repeat(10_000)].concat();
    for bytes in [
        b"".as_slice(),
        b"\0\xff\0\xff\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n",
        b"HTTP/9.9 200 OK\r\n\r\n",
        b"HTTP/1.1 999999 OK\r\n\r\n",
        b"HTTP/1.1 20 OK\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b"HTTP/1.1 302 Found\r\n\r\n",
        b"HTTP/1.1 302 Found\r\nLocation: \xff\xfe://\r\n\r\n",
        b"HTTP/1.1 302 Found\r\nLocation: //[::1\r\n\r\n",
        b"HTTP/1.1 302 Found\r\nLocation:\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX-Repo-Commit: \xff\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        &long,
        &many,
    ] {
        let cache = Cache::new();
        let (listener, endpoint) = listen();
        let bytes = bytes.to_owned();
        thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let _ = stream.read(&mut [0; 1 << 16]);
                let _ = stream.write_all(&bytes);
            }
        });
        let mut config = config(cache.root(), &endpoint);
        config.retries = 0;
        get(config, &mut ()).expect_err("nonsense");
        cache.assert_nothing_final();
    }
}

#[test]
fn nonsense_in_place_of_a_body_is_an_error() {
    for body in ["zz\r\n", "ffffffffffffffffffff\r\n", "5\r\nabcdefgh", "-1\r\n", "3\r\nabc\r\n"] {
        let (cache, model) = (Cache::new(), Model::new());
        let server = model.serve_with(move |model, _, _| {
            let answer = model.describe(Answer::new(200)).body(body.as_bytes());
            answer.header("Transfer-Encoding", "chunked").announce(None)
        });
        let mut config = cache.config(&server);
        config.retries = 0;
        let error = get(config, &mut ()).expect_err("nonsense");
        assert!(
            matches!(error, HubError::Malformed { .. } | HubError::Interrupted { .. }),
            "{body:?}: {error:?}"
        );
        cache.assert_nothing_final();
    }
    let (cache, model) = (Cache::new(), Model::new());
    let server = model.serve_with(|model, _, _| model.whole().announce(Some("NaN")));
    let error = cache.get(&server).expect_err("no length");
    assert!(matches!(error, HubError::Malformed { .. }), "{error:?}");
    cache.assert_nothing_final();
}

#[test]
fn a_reference_in_the_cache_is_not_trusted_either() {
    let (cache, server) = (Cache::new(), Model::new().serve());
    cache.get(&server).expect("a download");
    let outside = cache.root().join("x");
    fs::create_dir(&outside).expect("a writable cache");
    fs::write(outside.join("model.safetensors"), "outside").expect("a writable cache");
    fs::write(cache.repo().join("refs/main"), "../../x").expect("a writable cache");
    let mut config = cache.config(&server);
    config.offline = true;
    let error = get(config, &mut ()).expect_err("a hostile reference");
    assert!(matches!(error, HubError::NotCached { .. }), "{error:?}");
}
