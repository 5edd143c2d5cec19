//! What the README shows is so: its commands for a fresh machine can be found by `.ci/run`, and every `console` example
//! is run, in order, in one shell session, and prints what is shown.
//!
//! In an example, a line `$ COMMAND` is run (`> MORE` continues it), a line `? N` says that it ends with status N rather
//! than 0, and the other lines are all that it prints, errors too. `[..]` stands for any part of a line, a line `...` for
//! any lines. The README's home directory, port and process ids stand for those of the test.

use std::ffi::OsStr;
use std::fs;
use std::path::Path;

use zeo_server::config::{Flags, Settings, resolve};

use crate::sandbox::{Sandbox, matches, search_path};

/// The home directory in the README's examples.
const HOME: &str = "/home/zope";
/// The ports in the README's examples.
const PORTS: [&str; 2] = ["9999", "9998"];
/// Ends the output of each command in the session.
const END: &str = "-- end of example, status";

#[derive(Debug, PartialEq)]
struct Example {
    /// Of the `$` line, from 1.
    line: usize,
    command: String,
    status: i32,
    output: String,
}

/// The code blocks: the info string after the opening fence, the number of the first line inside, and the lines.
fn code_blocks(text: &str) -> Vec<(String, usize, Vec<String>)> {
    let mut blocks: Vec<(String, usize, Vec<String>)> = Vec::new();
    let mut inside = false;
    for (number, line) in text.lines().enumerate() {
        match line.strip_prefix("```") {
            Some("") if inside => inside = false,
            Some(info) => {
                assert!(!inside, "line {}: a code block within a code block", number + 1);
                inside = true;
                blocks.push((info.to_owned(), number + 2, Vec::new()));
            }
            None if inside => blocks.last_mut().expect("it was opened").2.push(line.to_owned()),
            None => {}
        }
    }
    assert!(!inside, "the last code block does not end");
    blocks
}

/// The examples of all `console` blocks.
fn examples(text: &str) -> Vec<Example> {
    let mut examples: Vec<Example> = Vec::new();
    for (info, first, lines) in code_blocks(text) {
        if info != "console" {
            continue;
        }
        let mut begun = false;
        for (number, line) in (first..).zip(lines) {
            if let Some(command) = line.strip_prefix("$ ") {
                begun = true;
                let command = command.to_owned();
                examples.push(Example { line: number, command, status: 0, output: String::new() });
                continue;
            }
            assert!(begun, "line {number}: output before the first command of its block");
            let current = examples.last_mut().expect("one has begun");
            if let Some(status) = line.strip_prefix("? ") {
                current.status = status.parse().expect("a status is a number");
            } else if let Some(more) = line.strip_prefix("> ").filter(|_| current.output.is_empty()) {
                current.command.push('\n');
                current.command.push_str(more);
            } else {
                current.output.push_str(&line);
                current.output.push('\n');
            }
        }
    }
    examples
}

/// The command in the code block after `<!-- MARKER -->`; `.ci/run` reads it in the same way.
fn marked_command(text: &str, marker: &str) -> Option<String> {
    let (_, rest) = text.split_once(&format!("<!-- {marker} -->\n"))?;
    let (_, _, lines) = code_blocks(rest).into_iter().next()?;
    Some(lines.join("\n"))
}

/// The output with every process id of `pid=N` and `kill(N, ` left open.
fn without_pids(text: &str) -> String {
    let open_after = |text: &str, mark: &str| {
        let mut parts = text.split(mark);
        let mut open = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            open.extend([mark, "[..]", part.trim_start_matches(|c: char| c.is_ascii_digit())]);
        }
        open
    };
    open_after(&open_after(text, "pid="), "kill(")
}

/// Runs the examples; returns what went otherwise than shown.
fn failures(sandbox: &Sandbox, path: &OsStr, examples: &[Example]) -> Vec<String> {
    let home = sandbox.root().to_str().expect("a temporary directory has a plain name");
    let ports = PORTS.map(|shown| (shown, sandbox.port().to_string()));
    let mut script = String::from("exec 2>&1\n");
    for example in examples {
        let command = ports
            .iter()
            .fold(example.command.replace(HOME, home), |text, (shown, own)| text.replace(shown, own));
        script.extend([&command, "\nprintf '\\n", END, " %d\\n' $?\n"]);
    }
    let script = sandbox.write("examples.sh", script);
    let printed = sandbox.command("sh").arg(script).env("PATH", path).output().stdout;
    let printed =
        ports.iter().fold(printed.replace(home, HOME), |text, (shown, own)| text.replace(own, shown));
    let mut failures = Vec::new();
    let mut rest = printed.as_str();
    for example in examples {
        let Some((output, (status, others))) = rest
            .split_once(&format!("\n{END} "))
            .and_then(|(output, after)| Some((output, after.split_once('\n')?)))
        else {
            failures
                .push(format!("line {}: $ {}\nended the session:\n{rest}", example.line, example.command));
            break;
        };
        rest = others;
        let shown = without_pids(&example.output);
        if status != example.status.to_string() || !matches(&shown, output) {
            let Example { line, command, status: expected, output: shown } = example;
            failures.push(format!(
                "line {line}: $ {command}\nshown, status {expected}:\n{shown}\nprinted, status {status}:\n{output}"
            ));
        }
    }
    failures
}

fn document(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn readme() -> String {
    document("README.md")
}

#[test]
fn both_forms_of_the_configuration_say_the_same() {
    let sandbox = Sandbox::new();
    std::fs::create_dir_all(sandbox.path("site/etc")).expect("directories can be made");
    std::fs::create_dir(sandbox.path("site/log")).expect("directories can be made");
    let blocks = code_blocks(&document("docs/config.md"));
    let settings = |info: &str, name: &str| {
        let (_, _, lines) = blocks.iter().find(|(found, _, _)| found == info).expect("the document shows it");
        let home = sandbox.root().to_str().expect("a temporary directory has a plain name");
        let file = sandbox.write(name, lines.join("\n").replace(HOME, home));
        let flags = Flags { configure: Some(file), ..Flags::default() };
        let settings = resolve(&flags).unwrap_or_else(|errors| panic!("{errors}"));
        Settings { config_file: None, ..settings }
    };
    let (lines, toml) = (settings("xml", "zeoctl.conf"), settings("toml", "zeoctl.toml"));
    assert_eq!(lines, toml);
    assert_eq!(lines.event_log.map(|log| log.handlers.len()), Some(1));
}

#[test]
fn commands_for_a_fresh_machine_are_marked_for_ci() {
    let readme = readme();
    assert_eq!(marked_command(&readme, "ci:test").as_deref(), Some("cargo test --locked"));
    let main_job = marked_command(&readme, "ci:main").expect("there is a main job");
    assert!(main_job.contains("cargo install --path . --locked"), "{main_job}");
    assert!(main_job.contains("mkzeoinst"), "{main_job}");
    let package = marked_command(&document("docs/packaging.md"), "ci:package").expect("there is a package");
    assert!(package.contains("cargo deb"), "{package}");
}

/// Asserts that the examples of a document print what it shows, where these directories come first on the search path.
#[track_caller]
fn assert_shown(name: &str, first: &[&Path]) {
    let sandbox = Sandbox::new();
    let programs = Path::new(env!("CARGO_BIN_EXE_zdctl")).parent().expect("it lies in a directory");
    let first = first.iter().copied().chain([programs]).map(Path::to_owned);
    let path = std::env::join_paths(first.chain(std::env::split_paths(&search_path()))).expect("no colons");
    let examples = examples(&document(name));
    assert!(!examples.is_empty(), "{name} has no example");
    let found = failures(&sandbox, &path, &examples);
    assert!(found.is_empty(), "{name}\n{}", found.join("\n"));
    sandbox.assert_no_process_left();
}

#[test]
fn scripts_of_ci_can_be_read_by_their_shell() {
    let top = Path::new(env!("CARGO_MANIFEST_DIR"));
    for script in [".ci/run", ".ci/try-package"] {
        Sandbox::new().command("bash").arg("-n").arg(top.join(script)).run();
    }
}

#[test]
fn examples_print_what_is_shown() {
    assert_shown("README.md", &[]);
}

#[test]
fn examples_of_the_manuals_print_what_is_shown() {
    for program in zeo_server::cli::PROGRAMS {
        assert_shown(&format!("docs/{}.md", program.name), &[]);
    }
}

/// Until there is a server of our own, it is that of the peers.
#[test]
fn examples_of_the_tutorial_print_what_is_shown() {
    let Some(python) = crate::peers::python() else { return };
    let peers = Sandbox::new();
    std::os::unix::fs::symlink(python.with_file_name("runzeo"), peers.path("runzeo")).expect("a link");
    assert_shown("docs/tutorial.md", &[peers.root()]);
}

const SAMPLE: &str = "\
Text with `$ false` in it.

<!-- ci:test -->

```sh
make test
```

```console
$ cd /home/zope && pwd
/home/zope
$ echo pid=$$, port 9999; echo trouble >&2
pid=4711, port 9999
trouble
$ cat <<EOF
> one
> two
> EOF
...
two
```

```text
$ false
```

```console
$ basename \"$PWD\"; (exit 3)
? 3
zeo-[..]
```
";

#[test]
fn examples_are_the_commands_of_console_blocks_with_their_output() {
    let found = examples(SAMPLE);
    let lines: Vec<usize> = found.iter().map(|example| example.line).collect();
    assert_eq!(lines, [10, 12, 15, 28]);
    assert_eq!(found[2].command, "cat <<EOF\none\ntwo\nEOF");
    assert_eq!(found[2].output, "...\ntwo\n");
    let last = "basename \"$PWD\"; (exit 3)".to_owned();
    assert_eq!(found[3], Example { line: 28, command: last, status: 3, output: "zeo-[..]\n".to_owned() });
    assert_eq!(marked_command(SAMPLE, "ci:test").as_deref(), Some("make test"));
    assert_eq!(marked_command(SAMPLE, "ci:main"), None);
}

#[test]
fn examples_share_a_session_and_each_is_compared() {
    let path = search_path();
    let sandbox = Sandbox::new();
    assert_eq!(failures(&sandbox, &path, &examples(SAMPLE)), Vec::<String>::new());
    let wrong = SAMPLE.replace("trouble\n$ cat", "$ cat").replace("? 3", "? 4");
    let found = failures(&sandbox, &path, &examples(&wrong));
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found[0].starts_with("line 12: $ echo pid=$$, port 9999; echo trouble >&2\nshown, status 0:\n"));
    assert!(found[1].contains("\nshown, status 4:\nzeo-[..]\n\nprinted, status 3:\nzeo-"), "{}", found[1]);
    let ended = failures(&sandbox, &path, &examples("```console\n$ exit 1\n```\n"));
    assert_eq!(ended, ["line 2: $ exit 1\nended the session:\n"]);
}
