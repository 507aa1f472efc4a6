//! Servers that refuse, for good or for now.

use std::io::{Read, Write};
use std::time::Duration;

use ghostnetv2::hub::{HubError, Missing};

use crate::fixture::{Cache, FILE, Model, Watcher, config, get, listen};
use crate::server::{Answer, Server};

/// Whether an error is the right one.
type Expected = fn(&HubError) -> bool;

/// Every message of a request names the URL, the cache and something to do.
fn assert_helpful(error: &HubError, server: &Server, cache: &Cache, way_out: &str) {
    let text = error.to_string();
    let url = format!("{}/org/repo/resolve/main/{FILE}", server.url());
    assert!(text.contains(&url), "{text}");
    assert!(text.contains(&*cache.root().to_string_lossy()), "{text}");
    assert!(text.contains(way_out), "{text}");
}

#[test]
fn refusals_for_good_are_not_repeated() {
    let cases: [(u16, &str, Expected); 7] = [
        (401, "set HF_TOKEN", |e| matches!(e, HubError::AuthRequired { token_sent: false, .. })),
        (403, "HF_TOKEN", |e| matches!(e, HubError::Forbidden { .. })),
        (404, "check the spelling", HubError::is_not_found),
        (410, "HF_ENDPOINT", |e| matches!(e, HubError::UnexpectedStatus { status: 410, .. })),
        (304, "HF_ENDPOINT", |e| matches!(e, HubError::UnexpectedStatus { status: 304, .. })),
        (416, "HF_ENDPOINT", |e| matches!(e, HubError::UnexpectedStatus { status: 416, .. })),
        (505, "HF_ENDPOINT", |e| matches!(e, HubError::UnexpectedStatus { status: 505, .. })),
    ];
    for (status, way_out, expected) in cases {
        let (cache, server) = (Cache::new(), Server::start(move |_, _| Answer::new(status)));
        let error = cache.get(&server).expect_err("a refusal");
        assert!(expected(&error) && !error.is_transient(), "{status}: {error:?}");
        assert_helpful(&error, &server, &cache, way_out);
        assert_eq!(server.log().requests().len(), 1, "{status}");
        cache.assert_nothing_final();
    }
}

#[test]
fn refusals_of_the_download_itself_count_too() {
    for status in [401, 403, 404, 410] {
        let (cache, model) = (Cache::new(), Model::new());
        let server = model.serve_with(move |_, _, _| Answer::new(status));
        let error = cache.get(&server).expect_err("a refusal");
        assert!(!error.is_transient(), "{status}: {error:?}");
        assert_eq!(server.log().count("GET"), 1, "{status}");
        cache.assert_nothing_final();
    }
}

#[test]
fn a_token_that_is_refused_is_not_shown() {
    let (cache, server) = (Cache::new(), Server::start(|_, _| Answer::new(401)));
    let mut config = cache.config(&server);
    config.token = Some("hf_secret".parse().expect("a valid token"));
    assert!(!format!("{config:?}").contains("hf_secret"));
    let error = get(config, &mut ()).expect_err("a refusal");
    assert!(matches!(error, HubError::AuthRequired { token_sent: true, .. }), "{error:?}");
    assert!(!format!("{error} {error:?}").contains("hf_secret"), "{error:?}");
    assert_helpful(&error, &server, &cache, "replace the token in HF_TOKEN");
}

#[test]
fn the_hub_says_what_is_missing() {
    for (code, expected) in [
        ("RepoNotFound", Missing::Repository),
        ("RevisionNotFound", Missing::Revision),
        ("EntryNotFound", Missing::File),
        ("Other", Missing::Unknown),
    ] {
        let cache = Cache::new();
        let server = Server::start(move |_, _| Answer::new(404).header("X-Error-Code", code));
        let error = cache.get(&server).expect_err("a refusal");
        let HubError::NotFound { what, .. } = &error else { panic!("{error:?}") };
        assert_eq!(*what, expected);
        assert!(error.to_string().contains(&format!("no such {expected}")), "{error}");
    }
}

#[test]
fn a_limited_client_waits_as_long_as_it_is_told() {
    let (cache, model) = (Cache::new(), Model::new());
    let served = model.clone();
    let server = Server::start(move |request, log| match log.requests().len() {
        1 => Answer::new(429).header("Retry-After", "1"),
        2 => Answer::new(503).header("Retry-After", "0"),
        3 => Answer::new(503).header("Retry-After", "Fri, 31 Dec 1999 23:59:59 GMT"),
        _ => served.answer(request),
    });
    let mut config = cache.config(&server);
    config.longest_pause = Duration::from_secs(2);
    let mut watcher = Watcher::default();
    let path = get(config, &mut watcher).expect("a download");
    cache.assert_complete(&model, &path);
    let [told, none, own] = watcher.delays[..] else { panic!("{watcher:?}") };
    assert_eq!((told, none), (Duration::from_secs(1), Duration::ZERO));
    assert!(!own.is_zero() && own <= Duration::from_millis(4), "{own:?}");
    assert!(watcher.lines[0].starts_with("retry 1 of 5 in 1.0 s: "), "{}", watcher.lines[0]);
}

#[test]
fn nobody_waits_for_a_day() {
    let (cache, model) = (Cache::new(), Model::new());
    let server = Server::start(move |request, log| match log.requests().len() {
        1 => Answer::new(429).header("Retry-After", "86400"),
        _ => model.answer(request),
    });
    let config = cache.config(&server);
    let (longest, mut watcher) = (config.longest_pause, Watcher::default());
    get(config, &mut watcher).expect("a download");
    assert_eq!(watcher.delays, [longest]);
}

#[test]
fn a_server_in_trouble_is_asked_again() {
    for status in [429, 500, 502, 503, 504, 599] {
        for method in ["HEAD", "GET"] {
            let (cache, model) = (Cache::new(), Model::new());
            let served = model.clone();
            let server = Server::start(move |request, log| {
                if request.method == method && log.count(method) == 1 {
                    Answer::new(status)
                } else {
                    served.answer(request)
                }
            });
            let mut watcher = Watcher::default();
            let path = get(cache.config(&server), &mut watcher).expect("a download");
            cache.assert_complete(&model, &path);
            assert_eq!(watcher.delays.len(), 1, "{status} to {method}");
        }
    }
}

#[test]
fn a_server_in_trouble_for_good_is_given_up() {
    let cases: [(u16, Expected); 2] = [
        (500, |e| matches!(e, HubError::ServerError { status: 500, .. })),
        (429, |e| matches!(e, HubError::RateLimited { .. })),
    ];
    for (status, expected) in cases {
        let (cache, server) = (Cache::new(), Server::start(move |_, _| Answer::new(status)));
        let error = cache.get(&server).expect_err("a refusal");
        assert!(expected(&error) && error.is_transient(), "{error:?}");
        assert_helpful(&error, &server, &cache, if status == 429 { "wait" } else { "try again" });
        assert_eq!(server.log().requests().len(), 6, "one attempt and five repetitions");
        cache.assert_nothing_final();
    }
}

#[test]
fn no_network_at_all() {
    let cache = Cache::new();
    // Its port is closed again when the listener is dropped.
    let (_, closed) = listen();
    let mut watcher = Watcher::default();
    let error = get(config(cache.root(), &closed), &mut watcher);
    let error = error.expect_err("a closed port");
    let HubError::Unreachable { host, .. } = &error else { panic!("{error:?}") };
    assert!(closed.ends_with(host.as_str()), "{host}");
    assert!(error.to_string().contains("HF_HUB_OFFLINE=1"), "{error}");
    assert_eq!(watcher.delays.len(), 5);
    cache.assert_nothing_final();
}

#[test]
fn a_silent_server_is_given_up() {
    let (cache, model) = (Cache::new(), Model::new());
    let server = Server::start(move |request, log| {
        if request.method == "HEAD" {
            log.wait_for_the_end();
        }
        model.answer(request)
    });
    let mut config = cache.config(&server);
    config.timeouts.response = Duration::from_millis(50);
    config.retries = 1;
    let error = get(config, &mut ()).expect_err("a time-out");
    assert!(matches!(error, HubError::TimedOut { phase: "answering", .. }), "{error:?}");
    assert_helpful(&error, &server, &cache, "HF_HUB_ETAG_TIMEOUT");
    // The answer to a request can be given up before the server has recorded it.
    server.log().wait_for("HEAD", 2);
    assert_eq!(server.log().requests().len(), 2);
    cache.assert_nothing_final();
}

#[test]
fn no_time_out_is_too_long_or_too_short() {
    for limit in [Duration::MAX, Duration::from_nanos(1), Duration::ZERO] {
        let (cache, server) = (Cache::new(), Model::new().serve());
        let mut config = cache.config(&server);
        config.timeouts.connect = limit;
        config.timeouts.response = limit;
        config.timeouts.stall = limit;
        match get(config, &mut ()) {
            Ok(_) => assert_eq!(limit, Duration::MAX),
            Err(error) => assert!(error.is_transient() && limit < Duration::MAX, "{error:?}"),
        }
    }
}

#[test]
fn https_is_compiled_in() {
    let (listener, endpoint) = listen();
    let endpoint = endpoint.replace("http", "https");
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a connection");
        let mut start = [0; 3];
        stream.read_exact(&mut start).expect("a greeting");
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").expect("an open connection");
        start
    });
    let cache = Cache::new();
    let error = get(config(cache.root(), &endpoint), &mut ()).expect_err("no TLS over there");
    assert!(matches!(error, HubError::Tls { .. }), "{error:?}");
    // The record type "handshake" and the major version of TLS.
    assert_eq!(server.join().expect("no panic")[..2], [22, 3]);
}
