//! Without a network, by choice or by misfortune.

use std::fs;

use ghostnetv2::hub::{Hub, HubError};

use crate::fixture::{COMMIT, Cache, FILE, Model, REPO, Watcher, get, repo};
use crate::server::{Answer, Server};

/// A cache with the model, and the server it came from.
fn filled() -> (Cache, Model, Server) {
    let (cache, model) = (Cache::new(), Model::new());
    let server = model.clone().serve();
    cache.get(&server).expect("a download");
    (cache, model, server)
}

#[test]
fn offline_means_no_request() {
    let (cache, model, server) = filled();
    let before = server.log().requests().len();
    let mut config = cache.config(&server);
    config.offline = true;
    let hub = Hub::new(config).expect("a valid configuration");
    for revision in ["main", COMMIT] {
        let repo = repo(&format!("{REPO}@{revision}"));
        let path = hub.get(&repo, FILE, Some(&model.pinned()), &mut ()).expect("a cached file");
        cache.assert_complete(&model, &path);
    }
    for (revision, file) in [("main", "other"), ("v1", FILE), (&"f".repeat(40), FILE)] {
        let repo = repo(&format!("{REPO}@{revision}"));
        let error = hub.get(&repo, file, None, &mut ()).expect_err("nothing there");
        let HubError::NotCached { path, .. } = &error else { panic!("{error:?}") };
        assert!(path.starts_with(cache.repo()), "{path:?}");
        let text = error.to_string();
        assert!(text.contains(&*path.to_string_lossy()), "{text}");
        assert!(text.contains("HF_HUB_OFFLINE") && text.contains("/resolve/"), "{text}");
    }
    assert_eq!(server.log().requests().len(), before);
}

#[test]
fn offline_a_damaged_file_is_an_error() {
    let (cache, model, server) = filled();
    let mut config = cache.config(&server);
    config.offline = true;
    fs::write(cache.blob(&model.sha256()), "damaged").expect("a writable cache");
    let error = get(config, &mut ()).expect_err("a damaged file");
    let HubError::CorruptCache { path, .. } = &error else { panic!("{error:?}") };
    assert_eq!(*path, cache.pointer(COMMIT));
    assert!(error.to_string().contains("HF_HUB_OFFLINE"), "{error}");
}

#[test]
fn a_dangling_link_is_no_file() {
    let (cache, model, server) = filled();
    fs::remove_file(cache.blob(&model.sha256())).expect("a writable cache");
    let mut config = cache.config(&server);
    config.offline = true;
    let error = get(config.clone(), &mut ()).expect_err("nothing there");
    assert!(matches!(error, HubError::NotCached { .. }), "{error:?}");
    config.offline = false;
    let path = get(config, &mut ()).expect("a download");
    cache.assert_complete(&model, &path);
}

#[test]
fn the_cache_stands_in_for_a_hub_that_is_away() {
    let (cache, model, server) = filled();
    let mut config = cache.config(&server);
    drop(server);
    config.retries = 1000;
    let mut watcher = Watcher::default();
    let path = get(config, &mut watcher).expect("a cached file");
    cache.assert_complete(&model, &path);
    assert_eq!((watcher.from_cache, watcher.delays.len()), (1, 0));
    assert!(watcher.lines[0].starts_with("using the cached copy "), "{}", watcher.lines[0]);

    let server = Server::start(|_, _| Answer::new(503));
    let path = get(cache.config(&server), &mut watcher).expect("a cached file");
    cache.assert_complete(&model, &path);
    assert_eq!((watcher.from_cache, server.log().requests().len()), (2, 1));
}

#[test]
fn the_cache_does_not_stand_in_for_a_refusal_or_with_a_damaged_file() {
    let (cache, model, _) = filled();
    let server = Server::start(|_, _| Answer::new(404));
    assert!(cache.get(&server).expect_err("a refusal").is_not_found());

    fs::write(cache.blob(&model.sha256()), "damaged").expect("a writable cache");
    let server = Server::start(|_, _| Answer::new(500));
    let error = cache.get(&server).expect_err("trouble");
    assert!(matches!(error, HubError::ServerError { .. }), "{error:?}");
}
