//! Tests of URLs.

use super::Url;

fn url(text: &str) -> Url {
    Url::parse(text).expect("a valid URL")
}

#[test]
fn endpoints() {
    assert_eq!(url("https://huggingface.co").full(), "https://huggingface.co/");
    assert_eq!(url("HTTP://Host:8080/a/b/").full(), "http://host:8080/a/b/");
    assert_eq!(url("http://[::1]:80/x").authority(), "[::1]:80");
    for text in [
        "",
        "huggingface.co",
        "ftp://host",
        "https://",
        "https:///x",
        "https://ho st",
        "http://:80",
        "http://host:99999",
        "http://host:x",
        "https://user:secret@host",
        "file:///etc",
        "\n",
    ] {
        assert!(Url::parse(text).is_err(), "{text:?}");
    }
}

#[test]
fn names_are_percent_encoded() {
    let file = url("https://mirror.example/hf/").file("org/repo", "refs/pr/1", "a b/ü?#%.json");
    assert_eq!(
        file.full(),
        "https://mirror.example/hf/org/repo/resolve/refs%2Fpr%2F1/a%20b/%C3%BC%3F%23%25.json"
    );
    let file = url("https://hub.example").file("org/repo", "main", "model.safetensors");
    assert_eq!(file.full(), "https://hub.example/org/repo/resolve/main/model.safetensors");
}

#[test]
fn redirects() {
    let from = url("https://hub.example/a/b?x=/1");
    for (location, to) in [
        ("/c?y=2", "https://hub.example/c?y=2"),
        ("c", "https://hub.example/a/c"),
        ("//cdn.example/c", "https://cdn.example/c"),
        ("https://CDN.example:444/c#part", "https://cdn.example:444/c"),
        ("/ü d", "https://hub.example/%C3%BC%20d"),
    ] {
        let target = from.join(location.as_bytes()).expect("a valid location");
        assert_eq!(target.full(), to);
    }
    for location in ["http://hub.example/c", "ftp://host/c", "javascript:alert(1)", "https://u@h/"]
    {
        assert!(from.join(location.as_bytes()).is_err(), "{location:?}");
    }
}

#[test]
fn the_origin_is_scheme_host_and_port() {
    let hub = url("https://hub.example");
    assert!(hub.same_origin(&url("https://HUB.example:443/x")));
    for other in ["http://hub.example", "https://hub.example:444", "https://hub.example.evil"] {
        assert!(!hub.same_origin(&url(other)), "{other}");
    }
    assert!(url("http://127.0.0.1:1").is_loopback() && url("http://[::1]:1").is_loopback());
    assert!(!hub.is_loopback());
}

#[test]
fn messages_do_not_show_signatures() {
    assert_eq!(url("https://cdn.example/f?Signature=s").to_string(), "https://cdn.example/f");
}
