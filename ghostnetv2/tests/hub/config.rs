//! Settings from environment variables, given as a table so that no test changes its process.

use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::time::Duration;

use ghostnetv2::hub::{HubConfig, HubError};

fn from(variables: &[(&str, &str)]) -> Result<HubConfig, HubError> {
    HubConfig::from_lookup(|name| {
        let (_, value) = variables.iter().find(|(variable, _)| *variable == name)?;
        Some(OsString::from(value))
    })
}

fn valid(variables: &[(&str, &str)]) -> HubConfig {
    from(variables).expect("valid settings")
}

#[test]
fn the_cache_is_where_python_has_it() {
    for (variables, cache) in [
        (vec![("HOME", "/u")], "/u/.cache/huggingface/hub"),
        (vec![("USERPROFILE", "/u")], "/u/.cache/huggingface/hub"),
        (vec![("HOME", "/u"), ("XDG_CACHE_HOME", "/x")], "/x/huggingface/hub"),
        (vec![("HF_HOME", "/h"), ("XDG_CACHE_HOME", "/x")], "/h/hub"),
        (vec![("HF_HOME", "/h"), ("HUGGINGFACE_HUB_CACHE", "/old")], "/old"),
        (vec![("HF_HUB_CACHE", "/new"), ("HUGGINGFACE_HUB_CACHE", "/old")], "/new"),
        (vec![("HF_HUB_CACHE", ""), ("HF_HOME", "/h")], "/h/hub"),
        (vec![("HF_HOME", "~/h"), ("HOME", "/u")], "/u/h/hub"),
        (vec![("HF_HUB_CACHE", "~"), ("HOME", "/u")], "/u"),
    ] {
        assert_eq!(valid(&variables).cache, Path::new(cache), "{variables:?}");
    }
}

#[test]
fn without_a_home_folder_there_is_an_error_and_no_panic() {
    for variables in [vec![], vec![("HOME", "")], vec![("HF_HUB_CACHE", "~/x")]] {
        let error = from(&variables).expect_err("no folder");
        assert!(matches!(error, HubError::NoCacheFolder), "{error:?}");
        assert!(error.to_string().contains("HF_HUB_CACHE"), "{error}");
    }
}

#[test]
fn the_process_has_settings() {
    let config = HubConfig::from_env().expect("a home folder");
    assert!(!config.cache.as_os_str().is_empty() && !config.endpoint.is_empty());
}

#[test]
fn switches_endpoint_and_patience() {
    let config = valid(&[("HOME", "/u")]);
    assert_eq!(config.endpoint, "https://huggingface.co");
    assert!(!config.offline && config.token.is_none());
    for (value, offline) in
        [("1", true), ("true", true), ("YES", true), ("On", true), ("0", false), ("no", false)]
    {
        assert_eq!(valid(&[("HOME", "/u"), ("HF_HUB_OFFLINE", value)]).offline, offline, "{value}");
    }
    let config = valid(&[
        ("HOME", "/u"),
        ("HF_ENDPOINT", "http://mirror"),
        ("HF_HUB_ETAG_TIMEOUT", "7"),
        ("HF_HUB_DOWNLOAD_TIMEOUT", "60"),
    ]);
    assert_eq!(config.endpoint, "http://mirror");
    assert_eq!(config.timeouts.connect, Duration::from_secs(7));
    assert_eq!(config.timeouts.response, Duration::from_secs(7));
    assert_eq!(config.timeouts.stall, Duration::from_secs(60));
    for value in ["fast", "-1", "1.5"] {
        let error = from(&[("HOME", "/u"), ("HF_HUB_ETAG_TIMEOUT", value)]);
        let Err(HubError::InvalidSetting { name, .. }) = error else { panic!("{error:?}") };
        assert_eq!(name, "HF_HUB_ETAG_TIMEOUT");
    }
}

#[test]
fn the_token_is_a_variable_or_a_file() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let home = folder.path().to_str().expect("a UTF-8 path");
    let token = |variables: &[(&str, &str)]| {
        let variables = [&[("HF_HOME", home)], variables].concat();
        valid(&variables).token
    };
    let parsed = |text: &str| Some(text.parse().expect("a valid token"));
    assert_eq!(token(&[]), None);
    assert_eq!(token(&[("HF_TOKEN", "hf_a\n")]), parsed("hf_a"));

    fs::write(folder.path().join("token"), "hf_file\n").expect("a writable folder");
    assert_eq!(token(&[]), parsed("hf_file"));
    assert_eq!(token(&[("HF_TOKEN", " ")]), parsed("hf_file"));
    assert_eq!(token(&[("HF_TOKEN", "hf_a")]), parsed("hf_a"));
    assert_eq!(token(&[("HF_HUB_DISABLE_IMPLICIT_TOKEN", "1")]), None);

    let other = folder.path().join("other");
    fs::write(&other, "hf_other").expect("a writable folder");
    let other = other.to_str().expect("a UTF-8 path");
    assert_eq!(token(&[("HF_TOKEN_PATH", other)]), parsed("hf_other"));

    fs::write(folder.path().join("token"), "").expect("a writable folder");
    assert_eq!(token(&[]), None);
}

#[test]
fn tokens_that_are_none_are_refused_and_not_shown() {
    let error = from(&[("HF_HOME", "/h"), ("HF_TOKEN", "hf_secret\r\nHost: x")]);
    let error = error.expect_err("no token");
    assert!(matches!(error, HubError::InvalidSetting { name: "HF_TOKEN", .. }), "{error:?}");
    assert!(!format!("{error} {error:?}").contains("hf_secret"), "{error:?}");

    // A folder is no file.
    let folder = tempfile::tempdir().expect("a temporary folder");
    fs::create_dir(folder.path().join("token")).expect("a writable folder");
    let error = from(&[("HF_HOME", folder.path().to_str().expect("a UTF-8 path"))]);
    let Err(HubError::InvalidSetting { name, .. }) = error else { panic!("{error:?}") };
    assert_eq!(name, "HF_TOKEN_PATH");
}
