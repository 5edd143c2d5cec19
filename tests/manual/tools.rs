//! Pages and completions, as the tools that are to read them see them.

use crate::sandbox::{Sandbox, have};

fn installed() -> Sandbox {
    let sandbox = Sandbox::new();
    let run = sandbox.mkzeoinst().args(["--install-man", "share", "--install-completions", "share"]);
    run.stdout("...\nWrote file share/man/man1/zdctl.1\n...\n").run();
    sandbox
}

#[test]
fn installing_twice_writes_once_and_puts_right_what_differs() {
    let sandbox = installed();
    let again = || sandbox.mkzeoinst().args(["--install-man", "share", "--install-completions", "share"]);
    again().run();
    sandbox.write("share/man/man1/zdrun.1", "of an earlier version");
    again().stdout("Wrote file share/man/man1/zdrun.1\n").run();
    again().run();
    assert!(sandbox.read("share/man/man1/zdrun.1").contains(".TH ZDRUN 1"));
}

#[test]
fn place_that_cannot_be_written_is_named() {
    let sandbox = Sandbox::new();
    sandbox.write("file", "");
    let run = sandbox.mkzeoinst().args(["--install-man", "file/share"]);
    let why = "mkzeoinst: cannot create directory 'file': File exists\n";
    run.status(1).stderr(why).run();
    std::fs::create_dir_all(sandbox.path("share/man/man1/zdctl.1")).expect("a directory");
    let run = sandbox.mkzeoinst().args(["--install-man", "share"]);
    let why = "mkzeoinst: cannot write 'share/man/man1/zdctl.1': [..]\n";
    run.status(1)
        .stdout("Wrote file share/man/man1/mkzeoinst.1\nWrote file share/man/man1/runzeo.1\n")
        .stderr(why)
        .run();
    let why = "mkzeoinst: the argument '--install-man <DIR>' cannot be used with '[HOME]'; try 'mkzeoinst --help'\n";
    sandbox.mkzeoinst().args(["--install-man", "share", "home"]).status(2).stderr(why).run();
}

#[test]
fn pages_are_without_fault_and_hold_every_section() {
    if !have("mandoc") || !have("man") {
        return;
    }
    let sandbox = installed();
    for name in ["mkzeoinst", "zdctl", "zdrun"] {
        let page = sandbox.path(format!("share/man/man1/{name}.1"));
        // A page that is made anew from the same source is to be the same: it has no date.
        let lint = sandbox.command("mandoc").args(["-T", "lint", "-W", "warning"]).arg(&page).output();
        let faults: Vec<_> = lint.stdout.lines().filter(|line| !line.contains("missing date")).collect();
        assert_eq!(faults, Vec::<&str>::new());
        let shown = sandbox.command("man").args(["--warnings", "-E", "UTF-8", "-l"]).arg(&page);
        let shown = shown.env("MANWIDTH", "80").env("MAN_KEEP_FORMATTING", "").output();
        assert_eq!((shown.status, shown.stderr.as_str()), (0, ""), "{name}");
        for title in ["NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "MESSAGES", "EXIT STATUSES", "EXAMPLES"] {
            assert!(shown.stdout.lines().any(|line| line == title), "{name}: {title}\n{}", shown.stdout);
        }
        assert!(shown.stdout.contains(&format!("\n       {name} - ")), "{}", shown.stdout);
    }
    let shown = sandbox.command("mandoc").args(["-T", "utf8", "share/man/man1/zdctl.1"]).output().stdout;
    let plain: String = {
        // Bold is a letter struck twice.
        let letters: Vec<char> = shown.chars().collect();
        let struck = |at: usize| letters.get(at + 1) == Some(&'\u{8}');
        (0..letters.len())
            .filter(|at| letters[*at] != '\u{8}' && !struck(*at))
            .map(|at| letters[at])
            .collect()
    };
    assert!(plain.contains("zdctl -d -s /home/zope/zdsock -p \"sleep 1000\" start\n"), "{plain}");
    assert!(plain.contains("printf 'start\\nstatus\\nstop\\nquit\\n' | zdctl"), "{plain}");
    assert!(!plain.contains("<!--") && !plain.contains("UPDATE_DOCS"), "{plain}");
}

#[test]
fn bash_completes_options_actions_and_their_arguments() {
    let sandbox = installed();
    let complete = |name: &str, words: &str| {
        let script = format!(
            "source share/bash-completion/completions/{name}; COMP_WORDS=({words} ''); \
             [ \"${{words: -1}}\" ]; COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); \
             _{name} {name} \"$1\" \"${{COMP_WORDS[COMP_CWORD-1]}}\"; printf '%s\\n' \"${{COMPREPLY[@]}}\""
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
}

#[test]
fn zsh_and_fish_take_their_completions() {
    if !have("zsh") || !have("fish") {
        return;
    }
    let sandbox = installed();
    for name in ["mkzeoinst", "zdctl", "zdrun", "zeoctl"] {
        // compinit reads the first line, and zsh the rest when the function is loaded.
        let load = format!(
            "fpath=(share/zsh/site-functions $fpath); autoload -Uz compinit; compinit -u -D; \
             autoload -Uz +X _{name} && print -r -- $_comps[{name}]"
        );
        sandbox.command("zsh").args(["-f", "-c", &load]).stdout(format!("_{name}\n")).run();
    }
    let complete = |line: &str| {
        let script = format!("source share/fish/vendor_completions.d/zdctl.fish; complete -C '{line}'");
        sandbox.command("fish").args(["--no-config", "-c", &script]).output().stdout
    };
    assert!(complete("zdctl st").lines().any(|line| line.starts_with("start\tStart the daemon process")));
    assert!(
        complete("zdctl kill US").lines().any(|line| line.starts_with("USR2")),
        "{}",
        complete("zdctl kill US")
    );
    assert!(complete("zdctl --sock").lines().any(|line| line.starts_with("--socket-name")));
}

#[test]
fn small_programs_do_not_carry_the_manuals() {
    let size = |path: &str| std::fs::metadata(path).expect("it is built").len();
    let has = |path: &str, text: &[u8]| {
        let bytes = std::fs::read(path).expect("it is built");
        bytes.windows(text.len()).any(|window| window == text)
    };
    let text = b"`zdctl` starts, stops and examines one program";
    assert!(has(env!("CARGO_BIN_EXE_mkzeoinst"), text));
    for path in [env!("CARGO_BIN_EXE_zdctl"), env!("CARGO_BIN_EXE_zdrun")] {
        assert!(!has(path, text), "{path}, {} bytes", size(path));
    }
}
