//! Caches that cannot be written, and disks that are full.

use std::fs;

use ghostnetv2::hub::HubError;

use crate::fixture::{Cache, Model, config, get};

#[test]
fn a_cache_below_a_file_is_named() {
    let (cache, server) = (Cache::new(), Model::new().serve());
    let file = cache.root().join("file.lock");
    fs::write(&file, "").expect("a writable folder");
    let error = get(config(&file.join("hub"), &server.url()), &mut ()).expect_err("no folder");
    let HubError::CacheNotWritable { path, .. } = &error else { panic!("{error:?}") };
    assert!(path.starts_with(&file), "{path:?}");
    let text = error.to_string();
    assert!(text.contains(&*path.to_string_lossy()) && text.contains("HF_HUB_CACHE"), "{text}");
    cache.assert_nothing_final();
}

#[test]
fn folders_in_the_place_of_files_are_named() {
    let model = Model::new();
    let server = model.clone().serve();
    for place in 0..3 {
        let cache = Cache::new();
        let obstacle = match place {
            0 => cache.incomplete(&model),
            1 => cache.blob(&model.sha256()),
            _ => cache.pointer(&model.commit),
        };
        fs::create_dir_all(obstacle.join("x")).expect("a writable cache");
        let error = cache.get(&server).expect_err("a folder in the way");
        let HubError::Io { path, .. } = &error else { panic!("{error:?}") };
        assert_eq!(*path, obstacle);
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_named() {
    let (cache, model) = (Cache::new(), Model::new());
    let server = model.clone().serve();
    // The device that is always full, in place of the file that would fill the disk.
    fs::create_dir_all(cache.repo().join("blobs")).expect("a writable cache");
    std::os::unix::fs::symlink("/dev/full", cache.incomplete(&model)).expect("a writable cache");
    let error = cache.get(&server).expect_err("a full disk");
    let HubError::DiskFull { path, needed, .. } = &error else { panic!("{error:?}") };
    assert_eq!((path, *needed), (&cache.incomplete(&model), Some(model.contents.len() as u64)));
    let text = error.to_string();
    assert!(text.contains("200000 bytes") && text.contains("HF_HUB_CACHE"), "{text}");
    cache.assert_nothing_final();
}

/// Permission bits do not bind the superuser, so the client runs as somebody else if need be.
#[cfg(unix)]
#[test]
fn a_read_only_cache_is_used_as_it_is() {
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::process::CommandExt;
    use std::path::Path;

    use crate::child;

    const NOBODY: u32 = 65534;
    let set_mode = |path: &Path, mode| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("an own folder");
    };
    let (cache, model) = (Cache::new(), Model::new());
    let server = model.clone().serve();
    let tools = tempfile::tempdir().expect("a temporary folder");
    set_mode(tools.path(), 0o755);
    let program = tools.path().join("child");
    let this = std::env::current_exe().expect("a running program");
    fs::copy(this, &program).expect("room for a temporary file");

    set_mode(cache.root(), 0o555);
    let superuser = fs::create_dir(cache.root().join("probe")).is_ok();
    let run = || {
        let mut command = child::command(&program, &server.url(), cache.root());
        if superuser {
            command.uid(NOBODY).gid(NOBODY);
        }
        command.output().map(|output| child::line(&output))
    };
    let line = match run() {
        Ok(line) => line,
        Err(error) => {
            eprintln!("skipped: no process without rights can be started here: {error}");
            return;
        }
    };
    assert!(line.starts_with("ERROR CacheNotWritable"), "{line}");
    assert!(line.contains(&*cache.root().to_string_lossy()), "{line}");
    assert_eq!(server.log().count("GET"), 0);

    set_mode(cache.root(), 0o755);
    if superuser {
        fs::remove_dir(cache.root().join("probe")).expect("a writable cache");
    }
    let path = cache.get(&server).expect("a download");
    // Shared by an administrator, with a revision that nobody has asked for yet.
    fs::remove_file(cache.repo().join("refs/main")).expect("a writable cache");
    let folders = [cache.repo().join("refs"), cache.repo().join("blobs"), cache.repo()];
    let all = || folders.iter().map(|path| path.as_path()).chain([cache.root()]);
    all().for_each(|folder| set_mode(folder, 0o555));
    let line = run().expect("a process as before");
    all().for_each(|folder| set_mode(folder, 0o755));
    assert_eq!(line, format!("OK {}", path.display()));
    assert_eq!(server.log().count("GET"), 1);
}
