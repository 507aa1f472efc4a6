//! Redirects: to another address of the hub, to where the large files are, and to nowhere.

use ghostnetv2::hub::HubError;

use crate::fixture::{Cache, Model, get};
use crate::server::{Answer, Server};

/// Where large files are kept: another origin, which knows nothing of the hub's headers.
fn storage(model: &Model) -> Server {
    let model = model.clone();
    Server::start(move |request, _| {
        let answer = model.answer(request);
        answer.without("X-Repo-Commit").without("X-Linked-Etag").without("X-Linked-Size")
    })
}

fn authorized(server: &Server) -> Vec<bool> {
    let requests = server.log().requests().into_iter();
    requests.map(|request| request.header("Authorization").is_some()).collect()
}

#[test]
fn the_token_stays_with_the_hub() {
    let (cache, model) = (Cache::new(), Model::new());
    let storage = storage(&model);
    let location = format!("{}/blob?Signature=secret", storage.url());
    let hub = {
        let model = model.clone();
        // The redirect has a body and a length of its own, which is not that of the file.
        Server::start(move |_, _| {
            model.describe(Answer::new(302)).header("Location", &location).body(b"Found")
        })
    };
    let mut config = cache.config(&hub);
    config.token = Some("hf_secret".parse().expect("a valid token"));
    let path = get(config, &mut ()).expect("a download");
    cache.assert_complete(&model, &path);
    assert_eq!(authorized(&hub), [true, true], "HEAD and GET");
    assert_eq!(authorized(&storage), [false], "GET only");
}

#[test]
fn the_length_of_a_redirect_is_not_that_of_the_file() {
    let (cache, model) = (Cache::new(), Model::new());
    let storage = storage(&model);
    let location = format!("{}/blob", storage.url());
    let hub = {
        let model = model.clone();
        Server::start(move |_, _| {
            let answer = model.describe(Answer::new(302)).without("X-Linked-Size");
            answer.header("Location", &location).body(b"Found")
        })
    };
    let path = cache.get(&hub).expect("a download");
    cache.assert_complete(&model, &path);
}

#[test]
fn redirects_within_the_hub_are_followed() {
    let (cache, model) = (Cache::new(), Model::new());
    // A renamed repository, and then the place of small files, with its headers at the end.
    let hub = {
        let model = model.clone();
        Server::start(move |request, _| match request.target.as_str() {
            "/org/repo/resolve/main/model.safetensors" => {
                Answer::new(307).header("Location", "/new/name/resolve/main/model.safetensors")
            }
            "/new/name/resolve/main/model.safetensors" => Answer::new(307)
                .header("X-Repo-Commit", &model.commit)
                .header("Location", "../../../../api/resolve-cache"),
            _ => model.answer(request),
        })
    };
    let mut config = cache.config(&hub);
    config.token = Some("hf_secret".parse().expect("a valid token"));
    let path = get(config, &mut ()).expect("a download");
    cache.assert_complete(&model, &path);
    assert_eq!(authorized(&hub), [true; 6]);
}

#[test]
fn the_redirect_that_describes_the_file_may_stay_within_the_hub() {
    let (cache, model) = (Cache::new(), Model::new());
    let hub = {
        let model = model.clone();
        Server::start(move |request, _| match request.target.as_str() {
            "/storage" => Answer::new(200).body(&model.contents),
            _ => model.describe(Answer::new(302)).header("Location", "/storage"),
        })
    };
    let path = cache.get(&hub).expect("a download");
    cache.assert_complete(&model, &path);
}

#[test]
fn redirects_in_a_circle_end() {
    let (cache, model) = (Cache::new(), Model::new());
    let hub = Server::start(|_, _| Answer::new(302).header("Location", "/around"));
    let error = cache.get(&hub).expect_err("a circle");
    assert!(matches!(error, HubError::BadRedirect { .. }), "{error:?}");
    assert_eq!(hub.log().requests().len(), 11);

    // A circle that begins with the download.
    let hub = Server::start(move |request, _| match request.method.as_str() {
        "HEAD" => model.answer(request),
        _ => Answer::new(302).header("Location", "/around"),
    });
    let error = cache.get(&hub).expect_err("a circle");
    assert!(matches!(error, HubError::BadRedirect { .. }), "{error:?}");
    cache.assert_nothing_final();
}

#[test]
fn redirects_to_nowhere_are_refused() {
    for location in
        ["file:///etc/passwd", "ftp://host/x", "http://", "http://h:99999/", "http://u@h/"]
    {
        let cache = Cache::new();
        let hub = Server::start(move |_, _| Answer::new(302).header("Location", location));
        let error = cache.get(&hub).expect_err("nowhere");
        assert!(matches!(error, HubError::BadRedirect { .. }), "{location}: {error:?}");
        cache.assert_nothing_final();
    }
}

#[test]
fn a_redirect_away_from_the_hub_must_describe_the_file() {
    let (cache, model) = (Cache::new(), Model::new());
    let elsewhere = model.serve();
    let location = format!("{}/x", elsewhere.url());
    let hub = Server::start(move |_, _| Answer::new(302).header("Location", &location));
    let error = cache.get(&hub).expect_err("a stranger describes no files");
    assert!(matches!(error, HubError::MissingHeader { header: "X-Repo-Commit", .. }), "{error:?}");
    assert_eq!(elsewhere.log().requests().len(), 0);
    cache.assert_nothing_final();
}

#[test]
fn refusals_of_the_storage_are_not_refusals_of_the_hub() {
    for status in [401, 403, 404] {
        let (cache, model) = (Cache::new(), Model::new());
        let storage = Server::start(move |_, _| Answer::new(status));
        let location = format!("{}/blob?Signature=secret", storage.url());
        let hub = Server::start(move |_, _| {
            model.describe(Answer::new(302)).header("Location", &location)
        });
        let error = cache.get(&hub).expect_err("a refusal");
        let HubError::UnexpectedStatus { host, .. } = &error else { panic!("{error:?}") };
        assert!(storage.url().ends_with(host.as_str()));
        assert!(!format!("{error} {error:?}").contains("Signature"), "{error:?}");
    }
}
