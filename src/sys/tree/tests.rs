use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, lchown, symlink};

use super::*;

/// A user that owns nothing here.
const OTHER: u32 = 65534;

/// A directory with `home` and, beside it, `outside` in it.
fn place() -> (tempfile::TempDir, PathBuf, PathBuf) {
    let place = tempfile::tempdir().unwrap();
    let top = place.path().canonicalize().unwrap();
    let (home, outside) = (top.join("home"), top.join("outside"));
    for directory in [&home, &outside] {
        fs::create_dir(directory).unwrap();
        fs::set_permissions(directory, fs::Permissions::from_mode(0o755)).unwrap();
    }
    (place, home, outside)
}

/// Everything that is made through a path.
fn make(tree: &SafeTree, path: &Path) -> io::Result<()> {
    tree.create(path, b"text", 0o666)?;
    tree.sync().map_err(|(_, error)| error)
}

fn refused(result: io::Result<()>, link: &Path) {
    let error = result.unwrap_err();
    assert_eq!(Untrusted::of(&error), Some(link), "{error}");
    assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
}

fn is_empty(directory: &Path) -> bool {
    fs::read_dir(directory).unwrap().next().is_none()
}

#[test]
fn directories_and_files_are_made_below_what_is_there() {
    let (_place, home, _) = place();
    let (new, deep) = (home.join("new"), home.join("new/deep"));
    let tree = SafeTree::open(&deep).unwrap();
    assert_eq!(tree.look(&home).unwrap().what, FileKind::Directory);
    assert_eq!(tree.look(&new).unwrap().what, FileKind::Nothing);
    assert_eq!(tree.look(&deep.join("file")).unwrap().what, FileKind::Nothing);
    tree.make_directory(&new, 0o700).unwrap();
    tree.make_directory(&deep, 0o755).unwrap();
    assert_eq!(tree.make_directory(&deep, 0o755).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
    let path = deep.join("file");
    make(&tree, &path).unwrap();
    assert_eq!(make(&tree, &path).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
    let seen = tree.look(&path).unwrap();
    assert_eq!((seen.what, seen.length, seen.is_link), (FileKind::File, 4, false));
    assert_eq!(seen.read(3).unwrap().bytes, b"tex");
    assert!(tree.set_mode(&path, b"text", 0o751).unwrap());
    assert!(
        !tree.set_mode(&path, b"tex", 0o777).unwrap() && !tree.set_mode(&path, b"textual", 0o777).unwrap()
    );
    assert!(!tree.set_mode(&deep, b"", 0o777).unwrap());
    let seen = tree.look(&path).unwrap();
    assert_eq!((seen.mode, seen.read(9).unwrap().is_closed), (0o751, true));
    assert!(tree.set_mode(&path, b"text", 0o757).unwrap());
    assert!(!tree.look(&path).unwrap().read(9).unwrap().is_closed);
    tree.link(&path, &deep.join("other")).unwrap();
    assert!(tree.has(&deep.join("other")) && !tree.has(&deep.join("none")));
    assert!(tree.replace(&path, b"new", |now| now == Some(b"text")).unwrap());
    assert_eq!(
        (fs::read(&path).unwrap(), fs::read(deep.join("other")).unwrap()),
        (b"new".into(), b"text".into())
    );
    assert_eq!(fs::metadata(&new).unwrap().mode() & 0o777, 0o700);
    assert_eq!(fs::read_dir(&deep).unwrap().count(), 2);
}

#[test]
fn links_that_only_we_could_make_are_followed() {
    let (_place, home, outside) = place();
    symlink(&outside, home.join("absolute")).unwrap();
    symlink("../outside/.", home.join("relative")).unwrap();
    symlink("absolute", home.join("twice")).unwrap();
    for name in ["absolute", "relative", "twice"] {
        let tree = SafeTree::open(&home).unwrap();
        let link = home.join(name);
        assert_eq!(tree.look(&link).unwrap().what, FileKind::Directory, "{name}");
        make(&tree, &link.join(name)).unwrap();
        assert_eq!(fs::read(outside.join(name)).unwrap(), b"text");
    }
    symlink("absolute/twice", home.join("file")).unwrap();
    let tree = SafeTree::open(&home).unwrap();
    let seen = tree.look(&home.join("file")).unwrap();
    assert_eq!(
        (seen.what, seen.is_link, seen.read(9).unwrap().bytes),
        (FileKind::File, true, b"text".into())
    );
    symlink("absolute/none", home.join("dangling")).unwrap();
    assert_eq!(tree.look(&home.join("dangling")).unwrap().what, FileKind::DanglingLink);
    for name in ["round", "and"] {
        symlink(if name == "and" { "round" } else { "and" }, home.join(name)).unwrap();
    }
    assert_eq!(tree.look(&home.join("round")).unwrap_err().raw_os_error(), Some(Errno::ELOOP as i32));
    // The last part of a path that is written is never followed.
    for result in
        [make(&tree, &home.join("file")), tree.set_mode(&home.join("file"), b"text", 0o777).map(drop)]
    {
        result.unwrap_err();
    }
}

#[test]
fn link_in_a_directory_that_others_can_write_in_is_refused() {
    let (_place, home, outside) = place();
    symlink(&outside, home.join("link")).unwrap();
    for (mode, is_refused) in [(0o757, true), (0o1757, false), (0o755, false)] {
        fs::set_permissions(&home, fs::Permissions::from_mode(mode)).unwrap();
        let tree = SafeTree::open(&home).unwrap();
        let result = make(&tree, &home.join(format!("link/{mode:o}")));
        if is_refused {
            refused(result, &home.join("link"));
            refused(tree.look(&home.join("link")).map(drop), &home.join("link"));
        } else {
            result.unwrap();
        }
    }
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 2);
}

#[test]
fn link_of_another_user_and_one_in_their_directory_are_refused() {
    let (_place, home, outside) = place();
    symlink(&outside, home.join("link")).unwrap();
    symlink("link", home.join("over")).unwrap();
    // Only root can play both.
    if own_uid() != 0 {
        return;
    }
    lchown(home.join("link"), Some(OTHER), Some(OTHER)).unwrap();
    for name in ["link", "over"] {
        let tree = SafeTree::open(&home).unwrap();
        let (link, file) = (home.join(name), home.join(name).join("f"));
        refused(tree.look(&link).map(drop), &link);
        refused(tree.look(&file).map(drop), &link);
        refused(tree.make_directory(&file, 0o777), &link);
        refused(make(&tree, &file), &link);
        refused(tree.replace(&file, b"", |_| true).map(drop), &link);
        refused(tree.set_mode(&file, b"", 0o777).map(drop), &link);
        refused(tree.give_directory(&link, OTHER, OTHER), &link);
    }
    lchown(home.join("link"), Some(0), Some(0)).unwrap();
    for (uid, gid, mode) in [(OTHER, 0, 0o755), (0, OTHER, 0o775)] {
        chown(&home, Some(uid), Some(gid)).unwrap();
        fs::set_permissions(&home, fs::Permissions::from_mode(mode)).unwrap();
        refused(make(&SafeTree::open(&home).unwrap(), &home.join("link/f")), &home.join("link"));
    }
    assert!(is_empty(&outside));
    // The path of a root is trusted as it was typed.
    make(&SafeTree::open(&home.join("link")).unwrap(), &home.join("link/f")).unwrap();
    assert!(!is_empty(&outside));
}

#[test]
fn directory_that_is_exchanged_for_a_link_leads_nowhere_else() {
    let (_place, home, outside) = place();
    let (known, unknown) = (home.join("known"), home.join("unknown"));
    for directory in [&known, &unknown] {
        fs::create_dir(directory).unwrap();
    }
    fs::set_permissions(&home, fs::Permissions::from_mode(0o757)).unwrap();
    let tree = SafeTree::open(&home).unwrap();
    assert_eq!(tree.look(&known.join("f")).unwrap().what, FileKind::Nothing);
    for directory in [&known, &unknown] {
        fs::rename(directory, directory.with_extension("old")).unwrap();
        symlink(&outside, directory).unwrap();
    }
    make(&tree, &known.join("f")).unwrap();
    assert_eq!(fs::read(home.join("known.old/f")).unwrap(), b"text");
    refused(make(&tree, &unknown.join("f")), &unknown);
    assert!(is_empty(&outside));
}

#[test]
fn only_an_empty_directory_of_our_own_is_given_away() {
    let (_place, home, _) = place();
    let tree = SafeTree::open(&home).unwrap();
    let made = home.join("made");
    tree.make_directory(&made, 0o700).unwrap();
    if own_uid() != 0 {
        return;
    }
    fs::write(made.join("secret"), "").unwrap();
    assert_eq!(
        tree.give_directory(&made, OTHER, OTHER).unwrap_err().raw_os_error(),
        Some(Errno::ENOTEMPTY as i32)
    );
    fs::remove_file(made.join("secret")).unwrap();
    tree.give_directory(&made, OTHER, OTHER).unwrap();
    assert_eq!((fs::metadata(&made).unwrap().uid(), fs::metadata(&made).unwrap().gid()), (OTHER, OTHER));
    assert_eq!(tree.give_directory(&made, 0, 0).unwrap_err().raw_os_error(), Some(Errno::EPERM as i32));
}

#[test]
fn other_place_is_a_root_as_well() {
    let (_place, home, outside) = place();
    let tree = SafeTree::open(&home).unwrap();
    tree.reach(&outside.join("deep/est")).unwrap();
    tree.make_directory(&outside.join("deep"), 0o777).unwrap();
    make(&tree, &outside.join("deep/f")).unwrap();
    assert!(tree.look(&outside.join("deep/f")).unwrap().what == FileKind::File);
    assert_eq!(tree.roots.borrow().len(), 2);
}
