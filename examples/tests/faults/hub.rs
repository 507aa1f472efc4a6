//! Hubs that refuse, break off, lie or are not there, and caches that can't be written.

use crate::program::sample;
use crate::server::{Answer, Request, Server};
use crate::shop::Shop;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicUsize, Ordering};

const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";
const LINE: &str = "classify --model hf:org/repo coffee.jpg";

fn shop() -> Shop {
    let shop = Shop::new();
    fs::copy(sample("coffee.jpg"), shop.at("coffee.jpg")).unwrap();
    shop
}

/// The built-in model as a repository.
fn file(request: &Request) -> Option<Vec<u8>> {
    let name = request.target.rsplit('/').next()?;
    let known = ["config.json", "model.safetensors"].contains(&name);
    known.then(|| fs::read(sample("../ghostnetv2_100-tiny-imagenet").join(name)).unwrap())
}

/// As a hub describes a large file.
fn described(contents: &[u8]) -> Answer {
    let hash: String = Sha256::digest(contents).iter().map(|byte| format!("{byte:02x}")).collect();
    Answer::new(200)
        .header("X-Repo-Commit", COMMIT)
        .header("X-Linked-Etag", &format!("\"{hash}\""))
        .header("X-Linked-Size", &contents.len().to_string())
        .body(contents)
}

/// What a hub in good order says.
fn right(request: &Request) -> Answer {
    file(request).map_or(Answer::new(404), |contents| described(&contents))
}

/// A program with this hub, without patience.
fn run(shop: &Shop, line: &str, server: &Server) -> crate::program::Ended {
    let mut command = shop.command(line);
    command.env("HF_ENDPOINT", server.url()).env("HF_HUB_DOWNLOAD_TIMEOUT", "1");
    crate::program::ended(command.output().unwrap())
}

/// Files under the cache that a program would take for whole.
fn snapshots(cache: &Path) -> Vec<PathBuf> {
    let mut found = vec![];
    let mut folders = vec![cache.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.components().any(|part| part.as_os_str() == "snapshots") {
                found.push(path);
            }
        }
    }
    found
}

fn weights_in(found: &[PathBuf]) -> bool {
    found.iter().any(|path| path.ends_with("model.safetensors"))
}

#[test]
fn a_hub_in_good_order_is_asked_once() {
    let (shop, server) = (shop(), Server::start(|request, _| right(request)));
    let expected = shop.run("classify coffee.jpg").stdout;
    let first = run(&shop, LINE, &server);
    assert_eq!((first.code, &first.stdout), (0, &expected), "{}", first.stderr);
    let requests = server.log().count("GET");
    let again = run(&shop, LINE, &server);
    assert_eq!((again.code, &again.stdout), (0, &expected), "{}", again.stderr);
    assert_eq!(server.log().count("GET"), requests, "it was in the cache");
    drop(server);
    shop.run("classify --offline --model hf:org/repo coffee.jpg").says(0, &[]);
}

#[test]
fn no_network_is_said_with_the_way_out() {
    let shop = shop();
    let line = "classify --model ghostnetv2_100 coffee.jpg";
    shop.refuses(line, 4, &["http://127.0.0.1:9", "timm/ghostnetv2_100.in1k"]);
    shop.refuses(&format!("{line} --offline"), 4, &["timm/ghostnetv2_100.in1k"]);
    let mut command = shop.command(LINE);
    let output = command.env("HF_HUB_OFFLINE", "1").output().unwrap();
    crate::program::ended(output).says(4, &[&shop.cache().display().to_string()]);
}

#[test]
fn refusals_are_said_with_the_way_out() {
    for (status, words) in [
        (401, "HF_TOKEN"),
        (403, "HF_TOKEN"),
        (404, "check the spelling"),
        (410, "HF_ENDPOINT"),
        (416, "HF_ENDPOINT"),
    ] {
        let (shop, server) = (shop(), Server::start(move |_, _| Answer::new(status)));
        let run = run(&shop, LINE, &server);
        run.says(4, &["org/repo", words]);
        assert!(snapshots(shop.cache()).is_empty());
    }
}

#[test]
fn a_hub_in_trouble_is_asked_again_but_not_for_ever() {
    for status in [429, 500, 503] {
        let trouble = move |request: &Request, first: bool| match first {
            true => Answer::new(status).header("Retry-After", "0"),
            false => right(request),
        };
        let seen = AtomicUsize::new(0);
        let server = Server::start(move |request, _| {
            trouble(request, seen.fetch_add(1, Ordering::Relaxed) == 0)
        });
        let first = shop();
        run(&first, LINE, &server).says(0, &[]);
        let server = Server::start(move |request, _| trouble(request, true));
        let never = shop();
        run(&never, LINE, &server).says(4, &["org/repo", &status.to_string()]);
        assert!(snapshots(never.cache()).is_empty());
    }
}

/// What is wrong with the body of a file.
type Fault = fn(Answer, &[u8]) -> Answer;

#[test]
fn bodies_that_are_not_the_file() {
    let cases: [(&str, Fault); 6] = [
        ("broken off", |answer, body| answer.close_after(body.len() / 2)),
        ("of another length", |answer, body| answer.announce(Some(&(body.len() + 5).to_string()))),
        ("longer than it says", |answer, body| {
            answer.announce(Some(&(body.len() - 5).to_string()))
        }),
        ("of other bytes", |answer, body| {
            let mut spoilt = body.to_vec();
            spoilt[body.len() / 2] ^= 1;
            answer.body(&spoilt)
        }),
        ("silent", |answer, body| answer.stall_after(body.len() / 3)),
        ("a page", |answer, _| answer.body(b"<html>please log in</html>")),
    ];
    for (name, fault) in cases {
        let shop = shop();
        let server = Server::start(move |request, _| {
            let Some(contents) = file(request) else { return Answer::new(404) };
            let answer = described(&contents);
            let weights = request.target.ends_with("model.safetensors");
            if weights && request.method == "GET" { fault(answer, &contents) } else { answer }
        });
        let run = run(&shop, LINE, &server);
        assert_eq!(run.code, 4, "{name}: {}", run.stderr);
        assert!(run.stderr.contains("model.safetensors"), "{name}: {}", run.stderr);
        assert!(!weights_in(&snapshots(shop.cache())), "{name}");
    }
}

#[test]
fn redirects_in_circles_and_names_that_lead_away() {
    let shop = shop();
    let server = Server::start(|request, _| Answer::new(302).header("Location", &request.target));
    run(&shop, LINE, &server).says(4, &["org/repo"]);
    let escape = "../../../../tmp/evil";
    let server = Server::start(move |request, _| {
        right(request).without("X-Repo-Commit").header("X-Repo-Commit", escape)
    });
    run(&shop, LINE, &server).says(4, &[]);
    for name in ["hf:../..", "hf:a/b/../../c", "hf:/etc/passwd", "hf:a", "hf:a/b@../c"] {
        let line = format!("classify --model {name} coffee.jpg");
        let part = name.strip_prefix("hf:").unwrap().split('@').next_back().unwrap();
        shop.refuses(&line, 2, &[part]);
    }
    assert!(snapshots(shop.cache()).is_empty());
}

#[test]
fn a_killed_download_goes_on() {
    let shop = shop();
    // The first time it stalls in the middle, and the program is killed there.
    let stalls = AtomicUsize::new(0);
    let server = Server::start(move |request, _| {
        let Some(contents) = file(request) else { return Answer::new(404) };
        let weights = request.target.ends_with("model.safetensors") && request.method == "GET";
        if !weights {
            return described(&contents);
        }
        if stalls.fetch_add(1, Ordering::Relaxed) == 0 {
            return described(&contents).stall_after(contents.len() / 2);
        }
        match request.range() {
            None => described(&contents),
            Some(from) => {
                let range = format!("bytes {from}-{}/{}", contents.len() - 1, contents.len());
                let rest = Answer::new(206).header("X-Repo-Commit", COMMIT);
                rest.header("Content-Range", &range).body(&contents[from..])
            }
        }
    });
    let mut command = shop.command(LINE);
    let command = command.env("HF_ENDPOINT", server.url()).stderr(Stdio::null());
    let mut child = command.stdout(Stdio::null()).spawn().unwrap();
    server.log().wait_for_stall(1);
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(!weights_in(&snapshots(shop.cache())));
    let run = run(&shop, LINE, &server);
    assert_eq!((run.code, run.stdout), (0, shop.run("classify coffee.jpg").stdout));
}

#[test]
fn eight_processes_share_one_cache() {
    let (shop, server) = (shop(), Server::start(|request, _| right(request)));
    let expected = shop.run("classify coffee.jpg").stdout;
    let start = || {
        let mut command = shop.command(LINE);
        let pipes = command.env("HF_ENDPOINT", server.url()).stdout(Stdio::piped());
        pipes.stderr(Stdio::piped()).spawn().unwrap()
    };
    let children: Vec<_> = (0..8).map(|_| start()).collect();
    for child in children {
        let run = crate::program::ended(child.wait_with_output().unwrap());
        assert_eq!((run.code, &run.stdout), (0, &expected), "{}", run.stderr);
    }
    let requests = server.log().requests();
    let downloads = requests
        .iter()
        .filter(|request| request.method == "GET" && request.target.ends_with("model.safetensors"));
    assert_eq!(downloads.count(), 1);
}

#[test]
fn caches_that_can_not_be_used() {
    let shop = shop();
    let server = Server::start(|request, _| right(request));
    shop.write("file", "");
    let mut command = shop.command(LINE);
    let command = command.env("HF_ENDPOINT", server.url()).env("HF_HOME", shop.at("file/below"));
    crate::program::ended(command.output().unwrap()).says(4, &["file/below"]);

    // A file in the cache that was damaged since is not used.
    run(&shop, LINE, &server).says(0, &[]);
    let mut blobs = BTreeMap::new();
    for path in snapshots(shop.cache()) {
        blobs.insert(path.file_name().unwrap().to_owned(), fs::canonicalize(path).unwrap());
    }
    let blob = &blobs[std::ffi::OsStr::new("model.safetensors")];
    let mut bytes = fs::read(blob).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(blob, bytes).unwrap();
    shop.run("classify --offline --model hf:org/repo coffee.jpg").says(4, &["model.safetensors"]);
    run(&shop, LINE, &server).says(0, &[]);
    shop.run("classify --offline --model hf:org/repo coffee.jpg").says(0, &[]);
}
