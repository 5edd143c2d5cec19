//! The commands of docs/migrating.md, each section in its order.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::peers::python;
use crate::sandbox::{Sandbox, search_path};

/// The shell commands of the section under this heading, with `/srv` in the sandbox.
fn commands(sandbox: &Sandbox, heading: &str) -> String {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/migrating.md")).unwrap();
    let section = text.split("\n## ").find(|section| section.starts_with(heading)).unwrap();
    let blocks = section.split("```sh\n").skip(1).map(|block| block.split("```").next().unwrap());
    blocks.collect::<String>().replace("/srv", sandbox.path("srv").to_str().unwrap())
}

fn script(sandbox: &Sandbox, name: &str, text: &str) {
    let path = sandbox.write(name, format!("#!/bin/sh\n{text}\n"));
    fs::set_permissions(path, PermissionsExt::from_mode(0o755)).unwrap();
}

/// Runs a section's commands, with our programs first on the path and these others in place of the system's.
fn follow(sandbox: &Sandbox, heading: &str) -> String {
    for name in ["systemctl", "supervisorctl"] {
        script(sandbox, &format!("stand-ins/{name}"), "echo \"${0##*/} $*\"");
    }
    let ours = Path::new(env!("CARGO_BIN_EXE_mkzeoinst")).parent().unwrap();
    let stand_ins = sandbox.path("stand-ins");
    let path = format!("{}:{}:{}", stand_ins.display(), ours.display(), search_path().display());
    let mut all = String::from("set -e\n");
    for line in commands(sandbox, heading).lines() {
        writeln!(all, "echo '$ '\n{line}").unwrap();
    }
    let outcome = sandbox.command("sh").args(["-c", &all]).env("PATH", path).output();
    assert_eq!(outcome.status, 0, "{}\n{}", outcome.stdout, outcome.stderr);
    sandbox.assert_no_process_left();
    outcome.stdout
}

/// A configuration of the server, in a form that all makes have.
fn server(sandbox: &Sandbox, var: &str) -> String {
    let var = sandbox.path(var).display().to_string();
    format!(
        "<zeo>\n  address 127.0.0.1:{}\n</zeo>\n<filestorage 1>\n  path {var}/Data.fs\n</filestorage>\n<eventlog>\n  \
         <logfile>\n    path {var}/zeo.log\n  </logfile>\n</eventlog>\n",
        sandbox.port()
    )
}

#[test]
fn home_of_mkzeoinstance_goes_there_and_back() {
    let Some(python) = python() else { return };
    for heading in ["From zope.mkzeoinstance", "From supervisord"] {
        let sandbox = Sandbox::new();
        fs::create_dir(sandbox.path("srv")).unwrap();
        let address = format!("127.0.0.1:{}", sandbox.port());
        let made = sandbox.command(python.with_file_name("mkzeoinstance"));
        made.arg(sandbox.path("srv/zeo")).arg(&address).output();
        let conf = sandbox.read("srv/zeo/etc/zeo.conf");
        let conf: String = conf.split_inclusive('\n').filter(|line| !line.contains("blob-dir")).collect();
        sandbox.write("srv/zeo/etc/zeo.conf", &conf);
        if heading.ends_with("mkzeoinstance") {
            // The first command after the look is to stop it.
            sandbox.command(sandbox.path("srv/zeo/bin/zeoctl")).arg("start").output();
        }
        follow(&sandbox, heading);
        assert_eq!(sandbox.read("srv/zeo/etc/zeo.conf"), conf, "{heading}");
        assert!(sandbox.path("srv/zeo/var/Data.fs").exists());
    }
}

#[test]
fn server_of_a_buildout_goes_there_and_back() {
    let sandbox = Sandbox::new();
    fs::create_dir_all(sandbox.path("srv/plone/var")).unwrap();
    let part = sandbox.path("srv/plone/parts/zeoserver").display().to_string();
    let var = sandbox.path("srv/plone/var").display().to_string();
    let conf = server(&sandbox, "srv/plone/var");
    let runner = format!(
        "%define INSTANCE {part}\n{conf}<runner>\n  program $INSTANCE/bin/runzeo\n  socket-name {var}/zeo.zdsock\n  daemon \
         true\n  directory $INSTANCE\n  logfile {var}/zeo.log\n</runner>\n"
    );
    sandbox.write("srv/plone/parts/zeoserver/etc/zeo.conf", &runner);
    let runzeo = format!("exec {} -C {part}/etc/zeo.conf \"$@\"", env!("CARGO_BIN_EXE_runzeo"));
    script(&sandbox, "srv/plone/parts/zeoserver/bin/runzeo", &runzeo);
    let zeoserver = format!("exec {} -C {part}/etc/zeo.conf \"$@\"", env!("CARGO_BIN_EXE_zdctl"));
    script(&sandbox, "srv/plone/bin/zeoserver", &zeoserver);
    sandbox.command(sandbox.path("srv/plone/bin/zeoserver")).arg("start").output();
    follow(&sandbox, "From plone.recipe.zeoserver");
    assert_eq!(sandbox.read("srv/plone/parts/zeoserver/etc/zeo.conf"), runner);
    assert!(
        sandbox.path("srv/plone/var/Data.fs").exists() && sandbox.path("srv/plone/var/zeoctl.log").exists()
    );
}

#[test]
fn configuration_by_hand_gets_a_unit_that_may_write_where_its_data_lie() {
    let sandbox = Sandbox::new();
    fs::create_dir_all(sandbox.path("srv/zeo/data")).unwrap();
    sandbox.write("srv/zeo/zeo.conf", server(&sandbox, "srv/zeo/data"));
    let said = follow(&sandbox, "From a systemd unit");
    let unit = sandbox.path("srv/zeo/etc/systemd/zeo-zeo.service").display().to_string();
    assert!(said.contains(&format!("systemctl enable --now {unit}\n")), "{said}");
    let unit = fs::read_to_string(&unit).unwrap();
    assert!(unit.contains(&format!("\"{}\"", sandbox.path("srv/zeo/data").display())), "{unit}");
}
