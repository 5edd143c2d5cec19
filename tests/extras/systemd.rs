//! The unit for systemd, read by systemd-analyze; and what systemd does with it, done here.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::os::unix::net::UnixDatagram;
use std::path::Path;

use nix::sys::signal::Signal;
use zeo_server::instance::Request;
use zeo_server::instance::address;
use zeo_server::instance::home::Home;
use zeo_server::instance::locate_programs::Programs;
use zeo_server::instance::template::Templates;

use super::*;
use crate::sandbox::can_trace;

/// The unit of an instance, copied to where systemd-analyze can take it from: it lets a colon part directories.
fn unit(instance: &Instance<'_>) -> PathBuf {
    let made = fs::read_dir(instance.home.join("etc/systemd")).unwrap().next().unwrap().unwrap();
    let text = fs::read(made.path()).unwrap();
    instance.sandbox.write(Path::new("units").join(made.file_name()), text)
}

fn analyze(sandbox: &Sandbox, arguments: &[&str], unit: &Path) -> Run {
    sandbox.command("systemd-analyze").args(arguments).arg(unit)
}

/// What systemd has understood of a unit: its settings, the last of a name, and the words of its commands.
fn understood(sandbox: &Sandbox, unit: &Path) -> (BTreeMap<String, String>, Vec<Vec<String>>) {
    let run = analyze(sandbox, &["verify", "--man=no"], unit).env("SYSTEMD_LOG_LEVEL", "debug");
    let outcome = run.output();
    assert_eq!(outcome.status, 0, "{outcome:?}");
    let name = unit.file_name().unwrap().to_string_lossy();
    let (_, own) = outcome.stdout.split_once(&format!("-> Unit {name}:\n")).expect("it is shown");
    let lines = own.split('\n').take_while(|line| !line.starts_with("-> Unit "));
    let pairs = lines.filter_map(|line| line.trim_start_matches('\t').split_once(": "));
    let pairs: Vec<_> = pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    let commands =
        pairs.iter().filter(|(name, _)| name == "Command Line").map(|(_, line)| words(line)).collect();
    (pairs.into_iter().collect(), commands)
}

/// A shown command line's words.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut characters = line.chars().peekable();
    while let Some(first) = characters.next() {
        let mut word = String::new();
        let quoted = first == '"';
        let mut next = if quoted { characters.next() } else { Some(first) };
        while let Some(c) = next.filter(|c| *c != if quoted { '"' } else { ' ' }) {
            word.push(match c {
                '\\' => match characters.next().unwrap() {
                    't' => '\t',
                    digit @ '0'..='7' => {
                        let rest: String = [digit].into_iter().chain(characters.by_ref().take(2)).collect();
                        char::from(u8::from_str_radix(&rest, 8).unwrap())
                    }
                    other => other,
                },
                c => c,
            });
            next = characters.next();
        }
        characters.next_if(|c| quoted && *c == ' ');
        words.push(word);
    }
    words
}

#[test]
fn unit_means_its_home_whatever_the_name() {
    if !have("systemd-analyze") {
        return;
    }
    for name in NAMES.iter().filter(|name| !name.contains('\r')) {
        let sandbox = Sandbox::new();
        let instance = Instance::make(&sandbox, name, "systemd");
        let unit = unit(&instance);
        analyze(&sandbox, &["verify", "--man=no"], &unit).run();
        let home = instance.home.to_str().unwrap();
        let (settings, commands) = understood(&sandbox, &unit);
        assert_eq!(settings["WorkingDirectory"], home, "{name:?}");
        assert_eq!(settings["ReadWritePaths"], format!("{home}/etc {home}/log {home}/var"), "{name:?}");
        let conf = format!("{home}/etc/zeoctl.conf");
        let zdrun =
            [env!("CARGO_BIN_EXE_zdrun"), "-C", &conf, "--no-daemon", "-X", "runner/hang-around=true"];
        let zdctl = [env!("CARGO_BIN_EXE_zdctl"), "-C", &conf, "reload"];
        for command in [&zdrun[..], &zdctl] {
            assert!(commands.iter().any(|words| words == command), "{name:?}: {commands:?}");
        }
    }
}

#[test]
fn name_that_a_unit_cannot_hold_is_refused_before_anything_is_made() {
    let sandbox = Sandbox::new();
    let server = sandbox.write("server", SERVER);
    fs::set_permissions(&server, PermissionsExt::from_mode(0o755)).unwrap();
    let run = sandbox.mkzeoinst().arg("--server").arg(server).args(["--with", "systemd", "a\rb", "19999"]);
    let said = "mkzeoinst: template etc/systemd/zeo.service:[..]: a unit file cannot hold the name [..]\n";
    run.status(1).stderr(said).run();
    assert!(!sandbox.path("a\rb").exists());
}

/// A unit for a home in a usual place, run by a user of its own.
fn usual(sandbox: &Sandbox, home: &str, set: &[(&str, &str)], address: &str) -> PathBuf {
    let home = Home::new(Path::new(home), Path::new("/")).unwrap();
    let parse = |text| address::parse(OsStr::new(text), true, &home).unwrap();
    let request = Request {
        addresses: address.split(' ').map(parse).collect(),
        home,
        programs: Programs {
            server: "/bin/true".to_owned(),
            zdctl: "/bin/true".to_owned(),
            zdrun: "/bin/true".to_owned(),
        },
        set: set.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        templates: None,
        adopted: BTreeMap::new(),
        self_signed: false,
        record: None,
        with: vec!["systemd".to_owned()],
    };
    let files = Templates::with(None, &request.with).unwrap().render(&request).unwrap();
    let file = files.into_iter().find(|file| file.name.starts_with("etc/systemd/")).unwrap();
    sandbox.write(Path::new(&file.name).file_name().unwrap(), file.contents)
}

#[test]
fn unit_exposes_little_by_the_measure_of_systemd() {
    if !have("systemd-analyze") {
        return;
    }
    let sandbox = Sandbox::new();
    // The measure is from 0 to 10, here in tenths.
    let mut levels = Vec::new();
    for (home, user, threshold) in [
        ("/srv/zeo", "daemon", "16"),
        ("/srv/zeo", "", "21"),
        ("/var/lib/zeo/main", "daemon", "16"),
        ("/tmp/x", "", "23"),
    ] {
        let unit = usual(&sandbox, home, &[("user", user)], "9999");
        analyze(&sandbox, &["verify", "--man=no"], &unit).run();
        let threshold = format!("--threshold={threshold}");
        let run = analyze(&sandbox, &["security", "--offline=true", "--no-pager", &threshold], &unit);
        let outcome = run.output();
        assert_eq!(outcome.status, 0, "{home} {user}: {}", outcome.stdout);
        levels.push(level(&outcome.stdout));
    }
    // Every version measures in its own way; the document names the one it is about.
    let version = sandbox.command("systemd-analyze").arg("--version").output().stdout;
    let version = version.split_whitespace().nth(1).expect("systemd N");
    let document = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/with.md")).unwrap();
    let document = document.split_whitespace().collect::<Vec<_>>().join(" ");
    let (_, about) =
        document.split_once("`systemd-analyze security` of systemd ").expect("it has the measure");
    let said = format!("gives it {} with a user of its own and {} as root", levels[0], levels[1]);
    assert!(!about.starts_with(version) || about.contains(&said), "docs/with.md should say: {said}");
}

/// The overall exposure level that was found.
fn level(report: &str) -> String {
    let (_, after) = report.split_once("Overall exposure level for ").expect("it is the last line");
    after.split_whitespace().nth(1).expect("UNIT: LEVEL WORD").to_owned()
}

/// The settings of a unit file, in words that are alike for alike settings.
fn listed(text: &str) -> BTreeSet<String> {
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(|line| line.replace('"', "")).collect()
}

#[test]
fn unit_of_the_package_is_that_of_an_instance() {
    let sandbox = Sandbox::new();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/debian/zeo@.service");
    let text = fs::read_to_string(path).unwrap();
    let packaged = listed(&text.replace("%I", "main"));
    let set = [("user", "zeo"), ("umask", "027")];
    let made = fs::read_to_string(usual(&sandbox, "/var/lib/zeo/main", &set, "9999")).unwrap();
    let made = made.replace(":\"/bin/true\" -C", ":/usr/bin/zdrun -C").replace(
        "zdrun -C \"/var/lib/zeo/main/etc/zeoctl.conf\" reload",
        "zdctl -C /var/lib/zeo/main/etc/zeoctl.conf reload",
    );
    let apart =
        |one: &BTreeSet<String>, other: &BTreeSet<String>| one.difference(other).cloned().collect::<Vec<_>>();
    // It serves many homes, none of which is a person's.
    let own = [
        "ConditionPathExists=/var/lib/zeo/main/etc/zeoctl.conf",
        "Documentation=man:zdctl(1) man:zdrun(1) man:runzeo(1) man:mkzeoinst(1)",
        "ProtectHome=true",
    ];
    assert_eq!(apart(&packaged, &listed(&made)), own);
    assert_eq!(apart(&listed(&made), &packaged), ["ProtectHome=read-only"]);
    if have("systemd-analyze") {
        let text = text.replace("/usr/bin/zdrun", env!("CARGO_BIN_EXE_zdrun"));
        let unit =
            sandbox.write("zeo@main.service", text.replace("/usr/bin/zdctl", env!("CARGO_BIN_EXE_zdctl")));
        analyze(&sandbox, &["verify", "--man=no"], &unit).run();
    }
}

#[test]
fn unit_follows_home_user_port_and_times() {
    if !have("systemd-analyze") {
        return;
    }
    let sandbox = Sandbox::new();
    let settings = |home: &str, set: &[(&str, &str)], address: &str| {
        let unit = usual(&sandbox, home, set, address);
        (fs::read_to_string(&unit).unwrap(), understood(&sandbox, &unit).0)
    };
    let (text, of) = settings("/srv/zeo", &[], "9999");
    assert_eq!((of["PrivateTmp"].as_str(), of["UMask"].as_str()), ("yes", "0022"));
    assert_eq!((of["TimeoutStartSec"].as_str(), of["TimeoutStopSec"].as_str()), ("5min 30s", "5min 30s"));
    assert_eq!((of["ProtectSystem"].as_str(), of["KillMode"].as_str()), ("strict", "mixed"));
    assert!(
        !of.contains_key("User")
            && !text.contains("AmbientCapabilities=CAP")
            && !text.contains("StateDirectory=")
    );
    let set = [("user", "daemon"), ("umask", "027"), ("stop_timeout", "0"), ("blobs", "/data/blobs")];
    let (_, of) = settings("/srv/zeo", &set, "9999");
    assert_eq!((of["User"].as_str(), of["UMask"].as_str()), ("daemon", "0027"));
    assert_eq!(of["TimeoutStopSec"], "infinity");
    assert_eq!(of["ReadWritePaths"], "/srv/zeo/etc /srv/zeo/log /srv/zeo/var /data/blobs");
    let (text, of) = settings("/var/lib/zeo/main", &[("blobs", "var/blobs")], "127.0.0.1:999");
    assert!(text.contains("\nStateDirectory=\"zeo/main\"\n"));
    assert_eq!(of["ReadWritePaths"], "/var/lib/zeo/main/etc /var/lib/zeo/main/log /var/lib/zeo/main/var");
    assert_eq!(of["AmbientCapabilities"], "cap_net_bind_service");
    let (_, of) = settings("/srv/zeo", &[], "9999 /run/zs/a /run/zs/b var/c");
    assert_eq!(of["ReadWritePaths"], "/srv/zeo/etc /srv/zeo/log /srv/zeo/var /run/zs");
    let (_, of) = settings("/var/tmp/zeo", &[], "9999");
    assert_eq!(of["PrivateTmp"], "no");
}

/// Where systemd would listen.
fn listen(sandbox: &Sandbox) -> UnixDatagram {
    let socket = UnixDatagram::bind(sandbox.path("notify")).unwrap();
    socket.set_read_timeout(Some(SOON)).unwrap();
    socket
}

#[track_caller]
fn until(socket: &UnixDatagram, word: &str) -> String {
    let mut buffer = [0; 4096];
    loop {
        let length = socket.recv(&mut buffer).expect("a message comes in time");
        let message = String::from_utf8_lossy(&buffer[..length]).into_owned();
        if message.contains(word) {
            return message;
        }
    }
}

/// The words of a command of the unit.
fn command(instance: &Instance<'_>, key: &str) -> Vec<String> {
    let text = fs::read_to_string(unit(instance)).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix("=:")).unwrap();
    words(line)
}

#[test]
fn commands_of_the_unit_run_an_instance_that_says_when_it_is_up() {
    let sandbox = Sandbox::new();
    let instance = Instance::make(&sandbox, "my zeo's", "systemd");
    let socket = listen(&sandbox);
    let (start, reload) = (command(&instance, "ExecStart"), command(&instance, "ExecReload"));
    let run = sandbox.command(&start[0]).args(&start[1..]).env("NOTIFY_SOCKET", sandbox.path("notify"));
    let zdrun = run.spawn();
    assert!(until(&socket, "READY=1").contains("STATUS=program running; pid="));
    let (server, manager) = instance.pids().expect("it is up");
    assert_eq!(u32::try_from(manager).ok(), Some(zdrun.pid()), "whom systemd started is who speaks to it");
    sandbox
        .command(&reload[0])
        .args(&reload[1..])
        .stdout("daemon manager has reloaded its configuration\n")
        .run();
    until(&socket, "READY=1");
    assert_eq!(instance.pids(), Some((server, manager)));
    instance.zeoctl("stop").stdout("[..]daemon process stopped\n").run();
    until(&socket, "STATUS=program not running");
    instance.zeoctl("start").stdout("[..]daemon process started, pid=[..]\n").run();
    until(&socket, "STATUS=program running");
    zdrun.signal(Signal::SIGTERM);
    until(&socket, "STOPPING=1");
    assert_eq!(zdrun.wait(SOON).status, 0);
    instance.assert_gone();
    sandbox.assert_no_process_left();
}

/// The system calls of a filter set, those of the sets in it included.
fn allowed(sandbox: &Sandbox, set: &str) -> BTreeSet<String> {
    let listed = sandbox.command("systemd-analyze").args(["syscall-filter", set]).output().stdout;
    let names =
        listed.lines().skip(1).map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let nested =
        |name: &str| if name.starts_with('@') { allowed(sandbox, name) } else { [name.to_owned()].into() };
    names.flat_map(nested).collect()
}

#[test]
fn system_calls_of_manager_and_server_are_among_those_that_the_unit_allows() {
    let Some(python) = crate::peers::python().filter(|_| have("systemd-analyze") && can_trace()) else {
        return;
    };
    let sandbox = Sandbox::new();
    let home = sandbox.path("zeo");
    let run =
        sandbox.mkzeoinst().arg("--server").arg(python.with_file_name("runzeo")).args(["--with", "systemd"]);
    run.arg(&home).arg(format!("127.0.0.1:{}", sandbox.port())).stdout("...\nAll done.\n").run();
    let instance = Instance { sandbox: &sandbox, home };
    let start = command(&instance, "ExecStart");
    let run = sandbox.command("strace").args(["-f", "-qq", "-o", "trace", "--"]).args(start);
    let zdrun = run.spawn();
    eventually(SOON, || instance.pids().is_some());
    instance.zeoctl("reload").stdout("daemon manager has reloaded its configuration\n").run();
    instance.zeoctl("logreopen").output();
    instance.zeoctl("restart").stdout("[..]daemon process restarted, pid=[..]\n").run();
    instance.zeoctl("stop").stdout("[..]daemon process stopped\n").run();
    let record = instance.zeoctl("status").arg("-l").output().stdout;
    let manager = record.lines().find_map(|line| line.strip_prefix("manager=")).expect("the manager stays");
    let manager = manager.parse().expect("it is a number");
    kill(Pid::from_raw(manager), Signal::SIGTERM).unwrap();
    assert_eq!(zdrun.wait(SOON).status, 0);
    let trace = sandbox.read("trace");
    let name = |line: &str| {
        let call = line.split_whitespace().nth(1)?.split_once('(')?.0;
        call.bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
            .then(|| call.to_owned())
    };
    let made: BTreeSet<String> = trace.lines().filter_map(name).collect();
    assert!(made.contains("execve") && made.contains("bind") && made.contains("setsid"), "{made:?}");
    // A kernel may know calls that this systemd does not yet; those fail with EPERM, and nobody dies of it.
    let allowed = allowed(&sandbox, "@system-service");
    let beyond: Vec<_> = made.difference(&allowed).collect();
    assert!(beyond.is_empty(), "not allowed: {beyond:?}");
}
