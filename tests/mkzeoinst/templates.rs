//! Looking at the templates, taking them along, and defaults of a site.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use walkdir::WalkDir;

use super::{first_run, install, mkzeoinst};
use crate::sandbox::{Sandbox, can_unshare};

/// The templates in the source, by their names.
fn sources() -> Vec<(String, PathBuf)> {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("templates");
    let files = WalkDir::new(&top).sort_by_file_name().into_iter().map(Result::unwrap);
    let files = files.filter(|entry| entry.file_type().is_file()).map(walkdir::DirEntry::into_path);
    let name = |path: &Path| path.strip_prefix(&top).unwrap().to_str().unwrap().to_owned();
    files.map(|path| (name(&path), path)).filter(|(name, _)| !name.starts_with("old/")).collect()
}

#[test]
fn template_is_printed_as_it_is_and_an_unknown_one_is_told_with_those_there_are() {
    let sandbox = Sandbox::new();
    let templates: Vec<_> = sources().into_iter().filter(|(name, _)| name != "manifest.toml").collect();
    assert!(templates.len() > 10, "{templates:?}");
    for (name, path) in &templates {
        let seen = sandbox.mkzeoinst().args(["--print-template", name]).output();
        let expected = fs::read_to_string(path).unwrap();
        assert_eq!(
            (seen.status, seen.stdout.as_str(), seen.stderr.as_str()),
            (0, expected.as_str(), ""),
            "{name}"
        );
    }
    let known: Vec<_> = templates.iter().map(|(name, _)| name.as_str()).collect();
    let error = format!("mkzeoinst: there is no template 'none'; there is: {}\n", known.join(", "));
    sandbox.mkzeoinst().args(["--print-template", "none"]).status(2).stderr(error).run();
}

#[test]
fn template_of_a_site_is_printed_in_place_of_the_built_in_one() {
    let sandbox = Sandbox::new();
    sandbox.write("site/etc/zeo.conf", "ours {{ home }}\n");
    sandbox.write("site/etc/more", "more\n");
    let print = |name: &str| sandbox.mkzeoinst().args(["--templates", "site", "--print-template", name]);
    print("etc/zeo.conf").stdout("ours {{ home }}\n").run();
    print("etc/more").stdout("more\n").run();
}

#[test]
fn exported_templates_are_those_of_the_program_and_a_second_export_leaves_edits_alone() {
    let sandbox = Sandbox::new();
    let told = |verb: &dyn Fn(&str) -> String| {
        // The manifest comes last.
        let (last, others): (Vec<_>, Vec<_>) =
            sources().into_iter().partition(|(name, _)| name == "manifest.toml");
        others.into_iter().chain(last).map(|(name, _)| verb(&name)).collect::<String>()
    };
    let path = |name: &str| sandbox.path(Path::new("site/deep").join(name)).display().to_string();
    let export = || sandbox.mkzeoinst().args(["--export-templates", "site/deep"]);
    export().stdout(told(&|name| format!("Wrote file {}\n", path(name)))).run();
    for (name, source) in sources() {
        let exported = sandbox.path("site/deep").join(&name);
        assert_eq!(fs::read(&exported).unwrap(), fs::read(source).unwrap(), "{name}");
        let is_script = fs::read(&exported).unwrap().starts_with(b"#!");
        let mode = fs::metadata(&exported).unwrap().permissions().mode();
        assert_eq!(mode & 0o111 != 0, is_script, "{name}");
    }
    sandbox.write("site/deep/etc/zeo.conf", "ours\n");
    export()
        .stdout(told(&|name| {
            format!(
                "Warning: not overwriting existing file '{}'; to have the built-in one, move it away\n",
                path(name)
            )
        }))
        .run();
    assert_eq!(sandbox.read("site/deep/etc/zeo.conf"), "ours\n");
}

#[test]
fn defaults_of_the_site_are_read_from_etc() {
    let sandbox = Sandbox::new();
    install(&sandbox, "");
    sandbox.write("etc/mkzeoinst.toml", "level = \"debug\"\naddress = \"127.0.0.1:18103\"\n");
    // In a mount namespace of its own, whose /etc is ours; nobody else sees it.
    let private = ["--mount", "--map-root-user"];
    if !can_unshare(&private) {
        return;
    }
    let script = r#"mount --bind etc /etc && exec bin/mkzeoinst "$@""#;
    let run = |words: &[&str]| {
        sandbox.command("unshare").args(private).args(["sh", "-euc", script, "sh"]).args(words)
    };
    let home = sandbox.path("zeo");
    run(&["zeo"]).stdout(first_run(&home)).run();
    let text = sandbox.read("zeo/etc/zeo.conf");
    assert!(text.contains("\n  level debug\n") && text.contains("\n  address 127.0.0.1:18103\n"), "{text}");
    // They are the site's, and not noted as the instance's own.
    assert!(!home.join("etc/mkzeoinst.toml").exists());
    // Another file takes the place of it, and an option comes first.
    sandbox.write("other.toml", "umask = 0o027\n");
    run(&["--config", "other.toml", "two", "18104"]).stdout("...\nAll done.\n").run();
    let text = sandbox.read("two/etc/zeoctl.conf");
    assert!(text.contains("\n  level info\n") && text.contains("\n  umask 027\n"), "{text}");
    run(&["--set", "level=error", "three"]).stdout("...\nAll done.\n").run();
    assert!(sandbox.read("three/etc/zeoctl.conf").contains("\n  level error\n"));
    sandbox.write("etc/mkzeoinst.toml", "level =\n");
    let fault = "mkzeoinst: settings '/etc/mkzeoinst.toml': line 1: [..]\n";
    run(&["four"]).status(2).stderr(fault).run();
    assert!(!sandbox.path("four").exists());
}

#[test]
fn diff_has_colours_on_a_terminal_that_may_have_them_and_else_none() {
    let sandbox = Sandbox::new();
    install(&sandbox, "");
    mkzeoinst(&sandbox).args(["zeo", "19999"]).stdout(first_run(&sandbox.path("zeo"))).run();
    let text = sandbox.read("zeo/etc/zeo.conf");
    sandbox.write("zeo/etc/zeo.conf", text.replace("read-only false", "read-only true"));
    let diff = || mkzeoinst(&sandbox).args(["--diff", "zeo", "19999"]);
    let plain = diff().output().stdout;
    assert!(
        plain.contains("\n-  read-only true\n+  read-only false\n") && !plain.contains('\x1b'),
        "{plain:?}"
    );
    for (colours, name, value) in
        [(true, "ANY", ""), (true, "NO_COLOR", ""), (false, "NO_COLOR", "1"), (false, "TERM", "dumb")]
    {
        let run = diff().env(name, value);
        let mut terminal = run.on_terminal(60, 200);
        assert_eq!(terminal.wait(), 0);
        let raw = terminal.raw().replace("\r\n", "\n");
        let (gone, new) = ("\x1b[31m-  read-only true\x1b[0m\n", "\x1b[32m+  read-only false\x1b[0m\n");
        assert_eq!(raw.contains(&format!("{gone}{new}")), colours, "{raw:?}");
        assert_eq!(without_colours(&raw), plain);
        assert_eq!(raw == plain, !colours);
    }
}

/// The text without the sequences that select colours (ECMA-48 8.3.117, SGR).
fn without_colours(text: &str) -> String {
    let mut parts = text.split("\x1b[");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| text + part.split_once('m').map_or(part, |(_, rest)| rest))
}

/// A line's length without the paths in it: a home may lie as deep as it likes.
fn width(line: &str, sandbox: &Sandbox) -> usize {
    let root = sandbox.root().to_str().unwrap();
    let words = line.split(' ').map(|word| if word.contains(root) { 0 } else { word.chars().count() });
    words.map(|length| length + 1).sum::<usize>() - 1
}

#[test]
fn generated_files_are_narrow_and_true_of_their_server() {
    let sandbox = Sandbox::new();
    install(&sandbox, "");
    let python = sandbox.write("python/runzeo", "#!/usr/bin/python3\n");
    fs::set_permissions(&python, PermissionsExt::from_mode(0o755)).unwrap();
    let all = ["--with", "logrotate,openrc,runit,runzeo,s6,systemd"];
    let tls = ["--tls", "cert.pem", "key.pem", "-b", "--umask", "027"];
    let python = ["--server", python.to_str().unwrap()];
    for (home, options) in
        [("ours", Vec::new()), ("python", python.to_vec()), ("tls", [&python[..], &tls].concat())]
    {
        let outcome = mkzeoinst(&sandbox).args(all).args(options).args([home, "19999"]).output();
        assert_eq!((outcome.status, outcome.stderr.as_str()), (0, ""));
        for entry in WalkDir::new(sandbox.path(home)).into_iter().map(Result::unwrap) {
            // It repeats the texts.
            if entry.file_type().is_file() && !entry.path().ends_with("etc/.mkzeoinst-pristine.toml") {
                let text = fs::read_to_string(entry.path()).unwrap();
                let wide = text.lines().find(|line| width(line, &sandbox) > 79);
                assert_eq!(wide, None, "{}", entry.path().display());
            }
        }
        let server = sandbox.read(Path::new(home).join("etc/zeo.conf"));
        let says = |text: &str| server.contains(text);
        let (is_python, is_open) = (home != "ours", home != "tls");
        assert_eq!(says("several times"), !is_python);
        assert_eq!(says("installed in server and clients"), is_python);
        assert_eq!((says("blob-dir"), says("<ssl>")), (is_python, true));
        assert!(says("A PORT without a host is every interface of this machine"));
        assert_eq!(says("without\n  # authentication"), is_open, "{server}");
    }
}

#[test]
fn script_for_the_server_alone_runs_it_with_the_configuration() {
    let sandbox = Sandbox::new();
    crate::golden::install(
        &sandbox,
        env!("CARGO_BIN_EXE_mkzeoinst"),
        &[("zdctl", ""), ("zdrun", ""), ("runzeo", "echo \"$@\"")],
    );
    let made = mkzeoinst(&sandbox).args(["--with", "runzeo", "a 'b", "19999"]).output();
    assert_eq!(made.status, 0);
    let told = format!("-C {}/etc/zeo.conf --check\n", sandbox.path("a 'b").display());
    sandbox.command(sandbox.path("a 'b/bin/runzeo")).arg("--check").stdout(told).run();
}
