//! Several processes and threads at once, and processes that are killed.

use std::fs;
use std::thread;
use std::time::Duration;

use ghostnetv2::hub::{Hub, Progress};

use crate::child;
use crate::fixture::{Cache, FILE, Model, REPO, Watcher, repo};
use crate::server::{Log, Request, Server};

/// A hub that holds the file back until so many clients have asked for it.
fn patient_hub(model: Model, clients: usize) -> Server {
    Server::start(move |request: &Request, log: &Log| {
        if request.method == "GET" {
            log.wait_for("HEAD", clients);
        }
        model.answer(request)
    })
}

#[test]
fn a_killed_process_leaves_nothing_final_and_the_next_one_goes_on() {
    let size = Model::new().contents.len();
    for sent in [0, 1, 70_000, size - 1] {
        let (cache, model) = (Cache::new(), Model::new());
        let server = model.clone().serve_with(move |model, request, n| match n {
            0 => model.whole().stall_after(sent),
            _ => model.answer(request),
        });
        let mut child = child::spawn(&server.url(), cache.root());
        server.log().wait_for_stall(1);
        // The last bytes may be on their way still; how many arrive makes no difference.
        while sent > 0 && fs::metadata(cache.incomplete(&model)).map_or(0, |m| m.len()) == 0 {
            assert!(child.try_wait().expect("a child").is_none(), "the child has ended");
            thread::sleep(Duration::from_millis(1));
        }
        child.kill().expect("a running child");
        child.wait().expect("a killed child");
        cache.assert_nothing_final();
        let left = fs::metadata(cache.incomplete(&model)).map_or(0, |m| m.len());

        let path = cache.get(&server).expect("a download");
        cache.assert_complete(&model, &path);
        let last = server.log().requests().pop().expect("a request");
        assert_eq!(last.range().unwrap_or(0) as u64, left);
    }
}

#[test]
fn two_processes_download_once() {
    let (cache, model) = (Cache::new(), Model::new());
    let server = patient_hub(model.clone(), 2);
    let children = [(), ()].map(|()| child::spawn(&server.url(), cache.root()));
    for child in children {
        let output = child.wait_with_output().expect("a finished child");
        assert_eq!(child::line(&output), format!("OK {}", cache.pointer(&model.commit).display()));
    }
    cache.assert_complete(&model, &cache.pointer(&model.commit));
    assert_eq!(server.log().count("GET"), 1);
}

#[test]
fn many_threads_download_once() {
    const THREADS: usize = 8;
    let (cache, model) = (Cache::new(), Model::new());
    let server = patient_hub(model.clone(), THREADS);
    let hub = Hub::new(cache.config(&server)).expect("a valid configuration");
    let (mut waited, mut downloaded) = (0, 0);
    thread::scope(|scope| {
        let threads = [(); THREADS].map(|()| {
            let hub = hub.clone();
            scope.spawn(move || {
                let mut watcher = Watcher::default();
                let progress: &mut dyn Progress = &mut watcher;
                let path = hub.get(&repo(REPO), FILE, None, progress).expect("a download");
                (path, watcher)
            })
        });
        for thread in threads {
            let (path, watcher) = thread.join().expect("no panic");
            cache.assert_complete(&model, &path);
            waited += watcher.lines.iter().filter(|line| line.starts_with("waiting for")).count();
            downloaded += watcher.finished;
        }
    });
    assert_eq!((downloaded, server.log().count("GET")), (1, 1));
    assert!(waited < THREADS, "who downloads does not wait");
}

#[test]
fn a_waiting_process_takes_over_when_the_first_one_is_killed() {
    let (cache, model) = (Cache::new(), Model::new());
    let server = model.clone().serve_with(|model, request, n| match n {
        0 => model.whole().stall_after(70_000),
        _ => model.answer(request),
    });
    let mut first = child::spawn(&server.url(), cache.root());
    server.log().wait_for_stall(1);
    let second = child::spawn(&server.url(), cache.root());
    server.log().wait_for("HEAD", 2);
    first.kill().expect("a running child");
    first.wait().expect("a killed child");
    let output = second.wait_with_output().expect("a finished child");
    assert!(child::line(&output).starts_with("OK "));
    cache.assert_complete(&model, &cache.pointer(&model.commit));
    assert_eq!(server.log().count("GET"), 2);
}
