//! Pages and completions, as the tools that are to read them see them.

use std::path::Path;

use zeo_server::cli::PROGRAMS;
use zeo_server::config::schema;
use zeo_server::zconfig::Member;

use crate::sandbox::{Sandbox, have};

/// A sandbox with the pages and completions of all programs below `share`.
fn generated() -> Sandbox {
    let sandbox = Sandbox::new();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/generate");
    sandbox.command(script).arg(programs()).arg("share").run();
    sandbox
}

/// The directory that they lie in.
fn programs() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_zdctl")).parent().expect("it lies in a directory")
}

#[test]
fn kind_that_is_not_known_is_refused() {
    let why = "zdctl: invalid value 'html' for '--generate <KIND>'; for help, use zdctl -h\n";
    Sandbox::new().zdctl().args(["--generate", "html"]).status(2).stderr(why).run();
    let why = "zdctl: option --generate requires argument; for help, use zdctl -h\n";
    Sandbox::new().zdctl().arg("--generate").status(2).stderr(why).run();
}

#[test]
fn pages_are_without_fault_and_hold_every_section() {
    // Each is asked for, so that each missing one is reported.
    let (mandoc, man) = (have("mandoc"), have("man"));
    if !mandoc || !man {
        return;
    }
    let sandbox = generated();
    for program in PROGRAMS {
        let name = program.name;
        let page = sandbox.path(format!("share/man/man1/{name}.1"));
        // A page that is made anew from the same source is to be the same: it has no date.
        let lint = sandbox.command("mandoc").args(["-T", "lint", "-W", "warning"]).arg(&page).output();
        let faults: Vec<_> = lint.stdout.lines().filter(|line| !line.contains("missing date")).collect();
        assert_eq!(faults, Vec::<&str>::new());
        let shown = sandbox.command("man").args(["--warnings", "-E", "UTF-8", "-l"]).arg(&page);
        let shown = shown.env("MANWIDTH", "80").env("MAN_KEEP_FORMATTING", "").output();
        assert_eq!((shown.status, shown.stderr.as_str()), (0, ""), "{name}");
        let sections = (program.sections)().into_iter().map(|section| section.title.to_uppercase());
        for title in
            ["NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS"].map(str::to_owned).into_iter().chain(sections)
        {
            assert!(shown.stdout.lines().any(|line| line == title), "{name}: {title}\n{}", shown.stdout);
        }
        let help = sandbox.command(programs().join(name)).arg("--help").output().stdout;
        let mut command = (program.command)();
        command.build();
        for long in command.get_arguments().filter_map(clap::Arg::get_long) {
            let option = format!("--{long}");
            assert!(help.contains(&option) && shown.stdout.contains(&option), "{name}: {option}");
        }
        assert!(shown.stdout.contains(&format!("\n       {name} - ")), "{}", shown.stdout);
        let (_, synopsis) = shown.stdout.split_once("\nSYNOPSIS\n").expect("the section");
        let (synopsis, _) = synopsis.split_once("\n\n").expect("its end");
        assert!(synopsis.lines().count() >= 2, "one form a line:\n{synopsis}");
        assert!(synopsis.lines().all(|form| form.trim_start().starts_with(name)), "{synopsis}");
    }
}

#[test]
fn pages_of_files_hold_the_schema_and_that_of_the_script_the_actions() {
    let (mandoc, man) = (have("mandoc"), have("man"));
    if !mandoc || !man {
        return;
    }
    let sandbox = generated();
    let schemas = [("zeo.conf", &schema::SERVER, "zeo"), ("zeoctl.conf", &schema::DAEMON, "runner")];
    let files = schemas.map(|(name, schema, kind)| {
        let types = schema::types(schema).into_iter();
        let keys =
            types.filter(|known| [kind, "logfile"].contains(&known.name)).flat_map(|known| known.members);
        (
            format!("man5/{name}.5"),
            name,
            keys.filter(|member| matches!(member, Member::Key(_)))
                .map(|member| member.name().to_owned())
                .collect::<Vec<_>>(),
        )
    });
    let actions = zeo_server::shell::actions().map(|action| action.name.to_owned()).collect();
    for (file, name, words) in files.into_iter().chain([("man1/zeoctl.1".to_owned(), "zeoctl", actions)]) {
        let page = sandbox.path(format!("share/man/{file}"));
        let lint = sandbox.command("mandoc").args(["-T", "lint", "-W", "warning"]).arg(&page).output();
        let faults: Vec<_> = lint.stdout.lines().filter(|line| !line.contains("missing date")).collect();
        assert_eq!(faults, Vec::<&str>::new());
        let shown = sandbox.command("man").args(["--warnings", "-E", "UTF-8", "-l"]).arg(&page);
        let shown = shown.env("MANWIDTH", "80").env("MAN_KEEP_FORMATTING", "").output();
        assert_eq!((shown.status, shown.stderr.as_str()), (0, ""), "{name}");
        assert!(shown.stdout.contains(&format!("\n       {name} - ")), "{}", shown.stdout);
        for title in ["NAME", "SYNOPSIS", "DESCRIPTION", "EXAMPLES", "SEE ALSO"] {
            assert!(shown.stdout.lines().any(|line| line == title), "{name}: {title}\n{}", shown.stdout);
        }
        for word in words {
            let is_head = |line: &str| line.split_whitespace().next() == Some(word.as_str());
            assert!(shown.stdout.lines().any(is_head), "{name}: {word}\n{}", shown.stdout);
        }
    }
    // A program prints only what it knows.
    let why = "mkzeoinst: mkzeoinst has no page of this kind; try 'mkzeoinst --help'\n";
    sandbox.mkzeoinst().args(["--generate", "man-file"]).status(2).stderr(why).run();
    let why = "zdrun: zdrun has no page of this kind; for help, use zdrun -h\n";
    sandbox.zdrun().args(["--generate", "man-script"]).status(2).stderr(why).run();
}

#[test]
fn bash_completes_options_actions_and_their_arguments() {
    let sandbox = generated();
    let complete = |name: &str, words: &str| {
        let script = format!(
            "source share/bash-completion/completions/{name}; COMP_WORDS=({words} ''); \
             [ \"${{words: -1}}\" ]; COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); \
             \"$(complete -p {name} | grep -o '_[a-z]*')\" {name} '' \"${{COMP_WORDS[COMP_CWORD-1]}}\"; printf '%s\\n' \"${{COMPREPLY[@]}}\""
        );
        sandbox.command("bash").args(["-c", &script, "bash", ""]).output().stdout
    };
    for name in ["zdctl", "zeoctl"] {
        let words = complete(name, name);
        for word in ["start", "try-restart", "logtail", "--socket-name", "-C"] {
            assert!(words.lines().any(|line| line == word), "{name}: {word} in {words}");
        }
        assert!(complete(name, &format!("{name} kill")).lines().any(|line| line == "USR2"));
    }
    assert!(complete("zdctl", "zdctl show").lines().any(|line| line == "options"));
    assert!(complete("zdctl", "zdctl status").lines().any(|line| line == "--json"));
    assert!(complete("mkzeoinst", "mkzeoinst").lines().any(|line| line == "--server"));
    for (words, value) in [
        ("mkzeoinst --with", "systemd"),
        ("mkzeoinst --only", "etc/zeo.conf"),
        ("mkzeoinst --on-conflict", "backup"),
        ("zdctl --generate", "man-script"),
        ("zdctl help", "logtail"),
    ] {
        let name = words.split(' ').next().expect("a word");
        let offered = complete(name, words);
        assert!(offered.lines().any(|line| line == value), "{words}: {value} in {offered}");
    }
}

#[test]
fn zsh_and_fish_take_their_completions() {
    let (zsh, fish) = (have("zsh"), have("fish"));
    if !zsh || !fish {
        return;
    }
    let sandbox = generated();
    for (name, function) in ["mkzeoinst", "runzeo", "zdctl", "zdrun"]
        .map(|name| (name, name))
        .into_iter()
        .chain([("zeoctl", "zdctl")])
    {
        // compinit reads the first line, and zsh the rest when the function is loaded.
        let load = format!(
            "fpath=(share/zsh/site-functions $fpath); autoload -Uz compinit; compinit -u -D; \
             autoload -Uz +X _{function} && print -r -- $_comps[{name}]"
        );
        sandbox.command("zsh").args(["-f", "-c", &load]).stdout(format!("_{function}\n")).run();
    }
    let complete = |line: &str| {
        let name = line.split(' ').next().expect("a word");
        let script = format!("source share/fish/vendor_completions.d/{name}.fish; complete -C '{line}'");
        sandbox.command("fish").args(["--no-config", "-c", &script]).output().stdout
    };
    for line in ["zdctl st", "zeoctl st"] {
        assert!(
            complete(line).lines().any(|line| line.starts_with("start\tStart the daemon process")),
            "{line}"
        );
    }
    assert!(
        complete("zdctl kill US").lines().any(|line| line.starts_with("USR2")),
        "{}",
        complete("zdctl kill US")
    );
    for (line, value) in [
        ("mkzeoinst --with sys", "systemd"),
        ("mkzeoinst --only etc", "etc/zeo.conf"),
        ("mkzeoinst --on-conflict b", "backup"),
        ("zdctl --generate man-s", "man-script"),
        ("zdctl show o", "options"),
        ("zdctl -C /etc/hostna", "/etc/hostname"),
    ] {
        assert!(complete(line).lines().any(|line| line.starts_with(value)), "{line}: {}", complete(line));
    }
    // What zsh offers is in the function that it has loaded above.
    for (name, words) in [
        ("mkzeoinst", "(logrotate openrc runit runzeo s6 systemd)"),
        ("mkzeoinst", "(keep new backup overwrite fail)"),
        ("zdctl", "(man man-file man-script complete-bash complete-zsh complete-fish)"),
    ] {
        let function = sandbox.read(format!("share/zsh/site-functions/_{name}"));
        assert!(function.contains(words), "{name}: {words}");
    }
    assert!(complete("zdctl --sock").lines().any(|line| line.starts_with("--socket-name")));
}
