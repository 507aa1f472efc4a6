//! Going on where an earlier download has stopped.

use std::time::Duration;

use ghostnetv2::hub::HubError;

use crate::fixture::{Cache, Model, Watcher, get};
use crate::server::{Answer, Server};

/// The first bytes of each GET.
fn ranges(server: &Server) -> Vec<Option<usize>> {
    let requests = server.log().requests().into_iter();
    requests.filter(|request| request.method == "GET").map(|request| request.range()).collect()
}

#[test]
fn what_is_there_is_not_asked_for_again() {
    let (cache, model) = (Cache::new(), Model::new());
    cache.leave_incomplete(&model, &model.contents[..1234]);
    let server = model.clone().serve();
    let mut watcher = Watcher::default();
    let path = get(cache.config(&server), &mut watcher).expect("a download");
    cache.assert_complete(&model, &path);
    assert_eq!(ranges(&server), [Some(1234)]);
    let size = model.contents.len() as u64;
    assert_eq!((watcher.starts, watcher.bytes), (vec![(Some(size), 1234)], size - 1234));
}

#[test]
fn a_complete_part_needs_no_request() {
    let (cache, model) = (Cache::new(), Model::new());
    cache.leave_incomplete(&model, &model.contents);
    let server = model.clone().serve();
    let path = cache.get(&server).expect("a download");
    cache.assert_complete(&model, &path);
    assert_eq!(ranges(&server), []);
}

#[test]
fn parts_of_something_else_are_thrown_away() {
    let (cache, model) = (Cache::new(), Model::new());
    for part in [vec![0; 1234], vec![0; model.contents.len()], vec![0; model.contents.len() + 1]] {
        cache.leave_incomplete(&model, &part);
        let server = model.clone().serve();
        let path = cache.get(&server).expect("a download");
        cache.assert_complete(&model, &path);
        assert_eq!(ranges(&server).last(), Some(&None), "the last one is from zero");
        std::fs::remove_dir_all(cache.repo()).expect("a writable cache");
    }
}

#[test]
fn servers_that_ignore_ranges_start_from_zero() {
    let (cache, model) = (Cache::new(), Model::new());
    cache.leave_incomplete(&model, &model.contents[..1234]);
    let server = model.clone().serve_with(|model, _, _| model.whole());
    let mut watcher = Watcher::default();
    let path = get(cache.config(&server), &mut watcher).expect("a download");
    cache.assert_complete(&model, &path);
    assert_eq!(ranges(&server), [Some(1234)]);
    assert_eq!(watcher.starts, [(Some(model.contents.len() as u64), 0)]);
}

#[test]
fn servers_that_refuse_ranges_are_asked_from_zero() {
    // Refused, nonsense, another place, another file.
    let answers: [fn(&Model) -> Answer; 5] = [
        |_| Answer::new(416),
        |model| model.rest(1234).without("Content-Range"),
        |model| model.rest(1234).without("Content-Range").header("Content-Range", "bytes NaN"),
        |model| model.rest(1000),
        |model| {
            let answer = model.rest(1234).without("Content-Range");
            answer.header("Content-Range", "bytes 1234-199999/300000")
        },
    ];
    for (case, answer) in answers.into_iter().enumerate() {
        let (cache, model) = (Cache::new(), Model::new());
        cache.leave_incomplete(&model, &model.contents[..1234]);
        let server = model.clone().serve_with(move |model, request, _| match request.range() {
            Some(_) => answer(model),
            None => model.whole(),
        });
        let path = cache.get(&server).expect("a download");
        cache.assert_complete(&model, &path);
        assert_eq!(ranges(&server), [Some(1234), None], "case {case}");
    }
}

#[test]
fn ranges_that_nobody_asked_for_are_refused() {
    for answer in [Answer::new(206).body(b"part"), Answer::new(416)] {
        let (cache, model) = (Cache::new(), Model::new());
        let server = model.serve_with(move |_, _, _| answer.clone());
        let error = cache.get(&server).expect_err("an unexpected answer");
        assert!(matches!(error, HubError::UnexpectedStatus { .. }), "{error:?}");
        cache.assert_nothing_final();
    }
}

#[test]
fn a_stalled_download_is_continued() {
    let (cache, model) = (Cache::new(), Model::new());
    let server = model.clone().serve_with(|model, request, n| match n {
        0 => model.whole().stall_after(70_000),
        _ => model.answer(request),
    });
    let mut config = cache.config(&server);
    config.timeouts.stall = Duration::from_millis(400);
    let path = get(config, &mut ()).expect("a download");
    cache.assert_complete(&model, &path);
    assert!(ranges(&server).contains(&Some(70_000)), "{:?}", ranges(&server));
}

#[test]
fn a_download_that_stalls_for_good_is_given_up() {
    let (cache, model) = (Cache::new(), Model::new());
    let server = model.serve_with(|model, _, _| model.whole().stall_after(70_000));
    let mut config = cache.config(&server);
    config.timeouts.stall = Duration::from_millis(400);
    config.retries = 1;
    let error = get(config, &mut ()).expect_err("a time-out");
    assert!(matches!(error, HubError::TimedOut { phase: "sending", .. }), "{error:?}");
    server.log().wait_for("GET", 2);
    assert_eq!(server.log().count("GET"), 2);
    cache.assert_nothing_final();
}
