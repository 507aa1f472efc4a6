//! Bodies that are not the file that was announced.

use std::fs;

use ghostnetv2::hub::{Fault, Hub, HubError, Pinned};

use crate::fixture::{Cache, FILE, Model, REPO, Watcher, get, repo};
use crate::server::Answer;

fn wrong_contents(model: &Model) -> Answer {
    let mut contents = model.contents.clone();
    contents[100_000] ^= 1;
    model.describe(Answer::new(200)).body(&contents)
}

#[test]
fn wrong_contents_get_one_more_chance() {
    let (cache, model) = (Cache::new(), Model::new());
    let server = model.clone().serve_with(|model, request, n| match n {
        0 => wrong_contents(model),
        _ => model.answer(request),
    });
    let path = cache.get(&server).expect("a download");
    cache.assert_complete(&model, &path);
    let gets = server.log().requests().into_iter().filter(|request| request.method == "GET");
    assert!(gets.map(|request| request.range()).eq([None, None]), "the second is from zero");
}

#[test]
fn wrong_contents_for_good_are_an_error() {
    let (cache, model) = (Cache::new(), Model::new());
    let server = model.clone().serve_with(|model, _, _| wrong_contents(model));
    let error = cache.get(&server).expect_err("a wrong checksum");
    let HubError::Corrupt { fault: Fault::Checksum { expected, found, .. }, .. } = &error else {
        panic!("{error:?}");
    };
    assert_eq!(*expected, model.sha256());
    assert_ne!(found, expected);
    assert!(error.to_string().contains("SHA-256"), "{error}");
    assert_eq!(server.log().count("GET"), 2);
    cache.assert_nothing_final();
    assert!(!cache.incomplete(&model).exists(), "wrong contents are not continued");
}

#[test]
fn bodies_of_another_size_than_announced_are_refused() {
    let longer = |model: &Model, length: bool| {
        let body = model.contents.repeat(50);
        let answer = model.describe(Answer::new(200)).body(&body);
        if length { answer } else { answer.announce(None) }
    };
    let shorter = |model: &Model| model.describe(Answer::new(200)).body(&model.contents[..10]);
    for case in 0..3 {
        let (cache, model) = (Cache::new(), Model::new());
        let server = model.clone().serve_with(move |model, _, _| match case {
            0 => longer(model, true),
            1 => longer(model, false),
            _ => shorter(model),
        });
        let error = cache.get(&server).expect_err("another size");
        let HubError::Corrupt { fault: Fault::Size { expected, found }, .. } = error else {
            panic!("{case}: {error:?}");
        };
        assert_eq!(expected, model.contents.len() as u64);
        let sound = match case {
            0 => found == 50 * expected,
            // The rest is not even read.
            1 => found > expected && found < 2 * expected,
            _ => found == 10,
        };
        assert!(sound, "{case}: {found}");
        cache.assert_nothing_final();
    }
}

#[test]
fn a_truncated_body_without_length_is_noticed() {
    let (cache, model) = (Cache::new(), Model::new());
    let server = model.clone().serve_with(|model, request, n| match n {
        0 => model.whole().announce(None).close_after(70_000),
        _ => model.answer(request),
    });
    let path = cache.get(&server).expect("a download");
    cache.assert_complete(&model, &path);
    let last = server.log().requests().pop().expect("a request");
    assert_eq!(last.range(), Some(70_000), "what has arrived is kept");
}

#[test]
fn damaged_blobs_are_replaced() {
    let (cache, model) = (Cache::new(), Model::new());
    let server = model.clone().serve();
    cache.get(&server).expect("a download");
    let mut damaged = model.contents.clone();
    damaged[5] ^= 1;
    for contents in [b"short".as_slice(), &damaged, &[]] {
        fs::write(cache.blob(&model.sha256()), contents).expect("a writable cache");
        let path = cache.get(&server).expect("a download");
        cache.assert_complete(&model, &path);
    }
    // Also at a commit for which the hub would not have been asked.
    fs::write(cache.blob(&model.sha256()), &damaged).expect("a writable cache");
    let pinned = repo(&format!("{REPO}@{}", model.commit));
    let hub = Hub::new(cache.config(&server)).expect("a valid configuration");
    let path = hub.get(&pinned, FILE, None, &mut ()).expect("a download");
    cache.assert_complete(&model, &path);
    assert_eq!(server.log().count("GET"), 5);
    assert!(!cache.repo().join("refs").join(&model.commit).exists(), "a commit needs no reference");
}

#[test]
fn a_damaged_blob_does_not_survive_a_failed_replacement() {
    let (cache, model) = (Cache::new(), Model::new());
    cache.get(&model.clone().serve()).expect("a download");
    fs::write(cache.blob(&model.sha256()), "damaged").expect("a writable cache");
    let server = model.clone().serve_with(|_, _, _| Answer::new(404));
    cache.get(&server).expect_err("a refusal");
    assert!(!cache.blob(&model.sha256()).exists());
}

#[test]
fn damaged_copies_are_replaced_where_links_are_not_possible() {
    let (cache, model) = (Cache::new(), Model::new());
    let server = model.clone().serve();
    let path = cache.get(&server).expect("a download");
    fs::remove_file(&path).expect("a writable cache");
    fs::write(&path, "damaged").expect("a writable cache");
    let path = cache.get(&server).expect("a repair");
    cache.assert_complete(&model, &path);
    assert_eq!(server.log().count("GET"), 1, "the blob is in order");
    // A copy that is in order is as good as a link.
    fs::remove_file(&path).expect("a writable cache");
    fs::rename(cache.blob(&model.sha256()), &path).expect("a writable cache");
    cache.get(&server).expect("a cached file");
    assert_eq!(server.log().count("GET"), 1);
}

#[cfg(unix)]
#[test]
fn links_to_something_else_are_replaced() {
    let (cache, model) = (Cache::new(), Model::new());
    let server = model.clone().serve();
    let path = cache.get(&server).expect("a download");
    fs::write(cache.blob("other"), "other").expect("a writable cache");
    fs::remove_file(&path).expect("a writable cache");
    std::os::unix::fs::symlink("../../blobs/other", &path).expect("a writable cache");
    let path = cache.get(&server).expect("a repair");
    cache.assert_complete(&model, &path);
    assert_eq!(server.log().count("GET"), 1, "the blob is in order");
}

#[test]
fn pins_are_compared_before_the_download() {
    let (cache, model) = (Cache::new(), Model::new());
    let server = model.clone().serve();
    let hub = Hub::new(cache.config(&server)).expect("a valid configuration");
    let size = Some(model.contents.len() as u64);
    for pinned in [
        Pinned { sha256: "0".repeat(64).into(), size },
        Pinned { sha256: model.sha256().into(), size: Some(7) },
        Pinned { sha256: "nonsense".into(), size: None },
    ] {
        let error = hub.get(&repo(REPO), FILE, Some(&pinned), &mut ()).expect_err("another file");
        assert!(matches!(error, HubError::NotAsPinned { .. }), "{error:?}");
    }
    assert_eq!(server.log().count("GET"), 0);
    cache.assert_nothing_final();
    let mut pinned = model.pinned();
    pinned.sha256 = pinned.sha256.to_ascii_uppercase().into();
    hub.get(&repo(REPO), FILE, Some(&pinned), &mut ()).expect("the pinned file");
}

#[test]
fn pins_are_compared_after_the_download_where_the_hub_tells_no_hash() {
    let (cache, model) = (Cache::new(), Model::new());
    let server = crate::server::Server::start({
        let model = model.clone();
        move |request, _| {
            let answer = model.answer(request).without("X-Linked-Etag");
            answer.header("ETag", "\"opaque-1\"")
        }
    });
    let hub = Hub::new(cache.config(&server)).expect("a valid configuration");
    let pinned = Pinned { sha256: "0".repeat(64).into(), size: None };
    let error = hub.get(&repo(REPO), FILE, Some(&pinned), &mut ()).expect_err("another file");
    assert!(matches!(error, HubError::Corrupt { .. }), "{error:?}");
    cache.assert_nothing_final();
    hub.get(&repo(REPO), FILE, Some(&model.pinned()), &mut ()).expect("the pinned file");
}

#[test]
fn a_short_body_is_continued() {
    let (cache, model) = (Cache::new(), Model::new());
    let server = model.clone().serve_with(|model, request, n| match n {
        0 => model.whole().close_after(70_000),
        _ => model.answer(request),
    });
    let mut watcher = Watcher::default();
    let path = get(cache.config(&server), &mut watcher).expect("a download");
    cache.assert_complete(&model, &path);
    let size = Some(model.contents.len() as u64);
    assert_eq!(watcher.starts, [(size, 0), (size, 70_000)]);
    assert_eq!(watcher.bytes, model.contents.len() as u64);
}

#[test]
fn short_bodies_for_good_are_an_error() {
    let (cache, model) = (Cache::new(), Model::new());
    let server = model.clone().serve_with(|model, _, _| model.whole().close_after(70_000));
    let error = cache.get(&server).expect_err("a short body");
    let HubError::Interrupted { expected, found, .. } = error else { panic!("{error:?}") };
    assert_eq!((expected, found), (Some(model.contents.len() as u64), 70_000));
    assert_eq!(server.log().count("GET"), 6);
    cache.assert_nothing_final();
    assert_eq!(fs::read(cache.incomplete(&model)).expect("a part").len(), 70_000);
}
