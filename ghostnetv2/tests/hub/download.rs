//! The good case, in all the forms that hubs and mirrors have.

use std::fs;

use ghostnetv2::hub::{Hub, HubError};

use crate::fixture::{COMMIT, Cache, FILE, Model, REPO, Watcher, config, get, repo};
use crate::server::{Answer, Server};

#[test]
fn a_file_arrives_once() {
    let (cache, model) = (Cache::new(), Model::new());
    let server = model.clone().serve();
    let size = model.contents.len() as u64;
    let mut watcher = Watcher::default();
    let path = get(cache.config(&server), &mut watcher).expect("a download");
    cache.assert_complete(&model, &path);
    assert_eq!((watcher.starts, watcher.bytes), (vec![(Some(size), 0)], size));
    assert_eq!((watcher.finished, watcher.lines.len()), (1, 0));

    // Again: only the question whether `main` has moved.
    let mut watcher = Watcher::default();
    assert_eq!(get(cache.config(&server), &mut watcher).expect("a cached file"), path);
    assert_eq!((server.log().count("HEAD"), server.log().count("GET")), (2, 1));
    assert_eq!((watcher.starts.len(), watcher.finished), (0, 0));

    // At a full commit: no question at all.
    let hub = Hub::new(cache.config(&server)).expect("a valid configuration");
    let pinned = repo(&format!("{REPO}@{COMMIT}"));
    let found = hub.get(&pinned, FILE, Some(&model.pinned()), &mut ()).expect("a cached file");
    assert_eq!((found, server.log().requests().len()), (path, 3));
}

#[cfg(unix)]
#[test]
fn pointers_are_the_links_that_python_makes() {
    let (cache, model) = (Cache::new(), Model::new());
    let server = model.clone().serve();
    let hub = Hub::new(cache.config(&server)).expect("a valid configuration");
    let path = hub.get(&repo(REPO), "onnx/v1/a.bin", None, &mut ()).expect("a download");
    let target = fs::read_link(&path).expect("a link");
    let expected = format!("../../../../blobs/{}", model.sha256());
    assert_eq!(target.to_str(), Some(expected.as_str()));
    assert!(fs::read(path).expect("a readable file") == model.contents);
}

#[test]
fn requests_are_what_a_hub_expects() {
    let (cache, model) = (Cache::new(), Model::new());
    let server = model.serve();
    // With a base path and a slash at its end, as mirrors have them.
    let mut config = cache.config(&server);
    config.endpoint += "/mirror/";
    config.token = Some("hf_secret".parse().expect("a valid token"));
    let hub = Hub::new(config).expect("a valid configuration");
    let other = repo("org/repo@refs/pr/1");
    hub.get(&other, "a b/ü#1.bin", None, &mut ()).expect("a download");
    assert_eq!(
        fs::read_to_string(cache.repo().join("refs/refs/pr/1")).expect("a reference"),
        COMMIT
    );
    for request in server.log().requests() {
        let target = "/mirror/org/repo/resolve/refs%2Fpr%2F1/a%20b/%C3%BC%231.bin";
        assert_eq!(request.target, target);
        assert_eq!(request.header("Accept-Encoding"), Some("identity"));
        assert_eq!(request.header("Authorization"), Some("Bearer hf_secret"));
        assert!(request.header("User-Agent").is_some_and(|agent| agent.starts_with("ghostnetv2/")));
    }
}

#[test]
fn small_files_are_checked_by_their_git_hash() {
    // `printf '{}\n' | git hash-object --stdin`
    let (etag, contents) = ("0967ef424bce6791893e9a57bb952f80fd536e93", b"{}\n");
    let server = Server::start(move |_, _| {
        let answer = Answer::new(200).header("X-Repo-Commit", COMMIT);
        answer.header("ETag", &format!("W/\"{etag}\"")).body(contents)
    });
    let cache = Cache::new();
    let path = cache.get(&server).expect("a download");
    assert_eq!(fs::read(path).expect("a readable file"), contents);

    // A damaged copy of the right size is replaced.
    fs::write(cache.blob(etag), "[]\n").expect("a writable cache");
    let path = cache.get(&server).expect("a download");
    assert_eq!(fs::read(path).expect("a readable file"), contents);
}

#[test]
fn servers_that_know_no_head_are_asked_with_get() {
    for status in [405, 501] {
        let (cache, model) = (Cache::new(), Model::new());
        let server = {
            let model = model.clone();
            Server::start(move |request, _| match request.method.as_str() {
                "HEAD" => Answer::new(status),
                _ => model.answer(request),
            })
        };
        let path = cache.get(&server).expect("a download");
        cache.assert_complete(&model, &path);
    }
}

#[test]
fn a_body_may_come_without_its_length() {
    let (cache, model) = (Cache::new(), Model::new());
    let server = model.clone().serve_with(|model, _, _| model.whole().announce(None));
    let path = cache.get(&server).expect("a download");
    cache.assert_complete(&model, &path);
}

#[test]
fn the_size_may_be_unknown_if_the_hash_is_known() {
    let (cache, model) = (Cache::new(), Model::new());
    let served = model.clone();
    let server = Server::start(move |request, _| {
        let answer = served.answer(request).without("X-Linked-Size");
        if request.method == "HEAD" { answer.announce(None) } else { answer }
    });
    let mut watcher = Watcher::default();
    let path = get(cache.config(&server), &mut watcher).expect("a download");
    cache.assert_complete(&model, &path);
    assert_eq!(watcher.starts, [(None, 0)]);
}

#[test]
fn a_revision_follows_its_commits() {
    let (cache, old) = (Cache::new(), Model::new());
    let first = cache.get(&old.clone().serve()).expect("a download");
    let new = Model { contents: b"new".to_vec(), commit: "f".repeat(40) };
    let second = cache.get(&new.clone().serve()).expect("a download");
    cache.assert_complete(&new, &second);
    assert!(fs::read(first).expect("the old snapshot") == old.contents);
}

#[test]
fn endpoints_that_are_no_urls_are_refused() {
    let cache = Cache::new();
    for endpoint in
        ["", "huggingface.co", "ftp://host", "https://", "http://h:99999", "http://h/?a=b"]
    {
        let error = get(config(cache.root(), endpoint), &mut ());
        let Err(HubError::InvalidSetting { name: "HF_ENDPOINT", .. }) = error else {
            panic!("{endpoint:?}: {error:?}");
        };
    }
    let error = get(config(cache.root(), "https://user:secret@host"), &mut ());
    let error = error.expect_err("no password in URLs");
    assert!(!error.to_string().contains("secret"), "{error}");
}
