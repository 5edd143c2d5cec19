//! `status` says what is newer on the disk than in the program that runs, and is silent otherwise.

use std::fs;

use super::*;

/// A program of its own file, started with a configuration.
struct Started {
    sandbox: Sandbox,
    program: String,
}

impl Started {
    fn new(program: &str) -> Self {
        let started = Self { sandbox: Sandbox::new(), program: program.to_owned() };
        fs::copy("/bin/sh", started.sandbox.path("sh")).expect("a shell");
        started.sandbox.write("script", "#!/bin/sh\nsleep 1000\n");
        started.sandbox.command("chmod").args(["a+x", "script"]).run();
        started.sandbox.write("zeo.conf", "");
        started.does("start");
        started
    }

    fn zdctl(&self, action: &str) -> Run {
        let root = self.sandbox.root().display().to_string();
        let program = self.program.replace('@', &root);
        self.sandbox.zdctl().args(["-d", "-s", "sock", "-z", &root, "-p", &program, action])
    }

    fn does(&self, action: &str) {
        let expected = match action {
            "stop" => "daemon process stopped\n",
            _ => "daemon process [..]started, pid=[..]\n",
        };
        self.zdctl(action).stdout(expected).run();
    }

    /// What `status` names, with `@` for the directory.
    fn named(&self) -> String {
        let status = self.zdctl("status").output();
        assert_eq!(status.status, 0);
        assert!(matches("program running; pid=[..]\n", &status.stdout), "{}", status.stdout);
        let line = status.stderr.replace(&self.sandbox.root().display().to_string(), "@");
        let middle = line.strip_prefix("zdctl: warning: changed since the program was started: ");
        let middle = middle.and_then(|line| line.strip_suffix("; restart puts it in force\n"));
        assert!(middle.is_some() || line.is_empty(), "{line}");
        let middle = middle.unwrap_or_default().to_owned();
        let object = self.zdctl("status").arg("--json").output();
        assert_eq!((object.status, &*object.stderr), (0, ""));
        let object: serde_json::Value = serde_json::from_str(&object.stdout).expect("JSON");
        let changed: Vec<_> = object["changed"].as_array().expect("files").iter().map(quoted).collect();
        assert_eq!(changed.join(", ").replace(&self.sandbox.root().display().to_string(), "@"), middle);
        middle
    }

    fn touch(&self, time: &str, file: &str) {
        self.sandbox.command("touch").args(["-d", time, file]).run();
    }
}

fn quoted(file: &serde_json::Value) -> String {
    format!("'{}'", file.as_str().expect("a path"))
}

#[test]
fn binary_that_was_replaced_is_named_whatever_its_time() {
    let started = Started::new("@/sh -c 'sleep 1000; :'");
    assert_eq!(started.named(), "");
    started.touch("now", "sh");
    assert_eq!(started.named(), "", "the same file with another time is the same file");
    fs::copy("/bin/sh", started.sandbox.path("new")).expect("a shell");
    // As a package manager leaves it: with the time at which it was built.
    started.touch("2001-01-01", "new");
    fs::rename(started.sandbox.path("new"), started.sandbox.path("sh")).expect("it can be renamed");
    assert_eq!(started.named(), "'@/sh'");
    started.does("restart");
    assert_eq!(started.named(), "");
    // Kept under another name, as by install --backup.
    fs::rename(started.sandbox.path("sh"), started.sandbox.path("sh~")).expect("it can be renamed");
    assert_eq!(started.named(), "", "there is nothing that a restart could take");
    fs::copy("/bin/sh", started.sandbox.path("sh")).expect("a shell");
    started.touch("now", "sh");
    assert_eq!(started.named(), "'@/sh'");
    fs::remove_file(started.sandbox.path("sh")).expect("it can be removed");
    assert_eq!(started.named(), "");
    started.does("stop");
}

#[test]
fn script_that_was_changed_is_named() {
    let started = Started::new("@/script");
    assert_eq!(started.named(), "");
    started.touch("now", "script");
    assert_eq!(started.named(), "'@/script'");
    started.does("stop");
}

#[test]
fn configuration_that_was_changed_is_named() {
    for option in ["-C @/zeo.conf", "-C zeo.conf", "--configure=@/zeo.conf"] {
        let started = Started::new(&format!("@/sh -c 'sleep 1000; :' {option}"));
        assert_eq!(started.named(), "");
        started.touch("2 hours", "zeo.conf");
        assert_eq!(started.named(), "", "a time that is still to come says nothing");
        started.touch("2 hours ago", "zeo.conf");
        assert_eq!(started.named(), "");
        started.touch("now", "zeo.conf");
        assert_eq!(started.named(), "'@/zeo.conf'", "{option}");
        started.does("restart");
        assert_eq!(started.named(), "");
        fs::remove_file(started.sandbox.path("zeo.conf")).expect("it can be removed");
        assert_eq!(started.named(), "");
        started.does("stop");
    }
}

#[test]
fn change_below_a_program_in_the_foreground_is_named() {
    let sandbox = Sandbox::new();
    let root = sandbox.root().display().to_string();
    fs::copy("/bin/sh", sandbox.path("sh")).expect("a shell");
    let conf = sandbox.write("zeo.conf", "");
    sandbox.command("touch").args(["-d", "2001-01-01", "zeo.conf", "sh"]).run();
    let program = format!("{root}/sh -c ': >ready; sleep 1000; :' -C {root}/zeo.conf");
    let zdctl = || sandbox.zdctl().args(["-s", "sock", "-p", &program]);
    let foreground = zdctl().arg("fg").spawn();
    wait_for(&sandbox.path("ready"));
    let before = zdctl().arg("status").output();
    assert_eq!((before.status, &*before.stderr), (0, ""), "{}", before.stdout);
    assert!(matches("program running; pid=[..]\n", &before.stdout), "{}", before.stdout);
    fs::copy("/bin/sh", sandbox.path("new")).expect("a shell");
    fs::rename(sandbox.path("new"), sandbox.path("sh")).expect("it can be renamed");
    fs::write(&conf, "#\n").expect("it can be written");
    let after = zdctl().arg("status").output();
    let line = format!(
        "zdctl: warning: changed since the program was started: '{root}/sh', '{root}/zeo.conf'; restart puts it in force\n"
    );
    assert_eq!((after.status, &*after.stderr), (0, &*line));
    assert_eq!(after.stdout, before.stdout);
    let object = zdctl().args(["status", "--json"]).output();
    assert!(
        object.stdout.contains(&format!("\"changed\":[\"{root}/sh\",\"{root}/zeo.conf\"]")),
        "{}",
        object.stdout
    );
    drop(foreground);
}
