//! The manuals in docs/ say what the programs do: options and actions in both directions, messages ([`messages`]) and other
//! tables ([`tables`]). Manual pages and completions are such as the tools of a machine take ([`tools`]).

mod messages;
mod tables;
mod tools;

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use clap::Arg;
use zeo_server::cli::PROGRAMS;
use zeo_server::cli::manual::Program;
use zeo_server::shell;

const BEGIN: &str = "<!-- The options, held equal to the code by a test; UPDATE_DOCS=1 writes them. -->\n";
const END: &str = "<!-- End of the options. -->\n";

fn file(program: &Program) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("docs/{}.md", program.name))
}

fn manual(program: &Program) -> String {
    fs::read_to_string(file(program)).expect("each program has a manual")
}

/// The text of a section.
fn section(text: &str, title: &str) -> String {
    let (_, rest) = text.split_once(&format!("\n## {title}\n")).unwrap_or_else(|| panic!("no {title}"));
    rest.split("\n## ").next().unwrap_or_default().to_owned()
}

/// The rows of the first table of a section, as cells without the marks of code.
fn rows(text: &str, title: &str) -> Vec<Vec<String>> {
    let section = section(text, title);
    let lines = section.lines().skip_while(|line| !line.starts_with("|---")).skip(1);
    let cells = |line: &str| {
        let inner = line.strip_prefix("| ")?.strip_suffix(" |")?.to_owned();
        Some(inner.split(" | ").map(str::to_owned).collect::<Vec<_>>())
    };
    lines.map_while(cells).collect()
}

fn uncoded(cell: &str) -> &str {
    cell.strip_prefix('`').and_then(|cell| cell.strip_suffix('`')).unwrap_or(cell)
}

fn row(out: &mut String, arg: &Arg) {
    let value = arg.get_value_names().filter(|_| arg.get_action().takes_values());
    let value = value.map(|names| format!(" {}", names.join(" "))).unwrap_or_default();
    let short = arg.get_short().map(|short| format!("`-{short}{value}`"));
    let long = arg.get_long().map(|long| format!("`--{long}{value}`"));
    let names = short.into_iter().chain(long).collect::<Vec<_>>().join(", ");
    let help = arg.get_long_help().or(arg.get_help()).map(ToString::to_string).unwrap_or_default();
    let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
    // The first line has no period, as a help has none; what follows it are sentences.
    let short_help = arg.get_help().map(ToString::to_string).unwrap_or_default();
    let rest = help.strip_prefix(&short_help).unwrap_or_default();
    writeln!(out, "| {names} | {short_help}.{rest} |").unwrap();
}

#[test]
fn options_in_the_manuals_are_those_of_the_programs() {
    for program in PROGRAMS {
        let mut command = (program.command)();
        command.build();
        let mut expected = String::from("\n| option | meaning |\n|---|---|\n");
        command.get_arguments().filter(|arg| !arg.is_positional()).for_each(|arg| row(&mut expected, arg));
        expected.push('\n');
        let page = manual(program);
        let (before, rest) = page.split_once(BEGIN).expect("the manual has the opening mark");
        let (found, after) = rest.split_once(END).expect("the manual has the closing mark");
        if std::env::var_os("UPDATE_DOCS").is_some() {
            fs::write(file(program), format!("{before}{BEGIN}{expected}{END}{after}")).unwrap();
        } else {
            assert!(found == expected, "docs/{}.md should have:\n{expected}", program.name);
        }
    }
}

#[test]
fn actions_in_the_manual_are_those_of_zdctl() {
    let zdctl = PROGRAMS.iter().find(|program| program.name == "zdctl").expect("it is there");
    let first_word = |row: Vec<String>| uncoded(&row[0]).split(' ').next().unwrap_or_default().to_owned();
    let mut documented: Vec<_> = rows(&manual(zdctl), "Actions").into_iter().map(first_word).collect();
    let mut known: Vec<_> = shell::actions().map(|action| action.name.to_owned()).collect();
    documented.sort();
    known.sort();
    assert_eq!(documented, known);
}

#[test]
fn every_program_has_a_manual_with_every_section() {
    let bin = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/bin");
    let mut built: Vec<String> = fs::read_dir(bin)
        .expect("the programs are there")
        .filter_map(|entry| Some(entry.unwrap().file_name().to_str()?.strip_suffix(".rs")?.to_owned()))
        .collect();
    built.sort();
    let mut told: Vec<_> = PROGRAMS.iter().map(|program| program.name).collect();
    told.sort_unstable();
    assert_eq!(told, built, "a program is one line of PROGRAMS");
    for program in PROGRAMS {
        let text = manual(program);
        assert!(text.starts_with(&format!("# {}: ", program.name)));
        for title in [
            "Options",
            "Messages",
            "Exit statuses",
            "Files",
            "Signals",
            "Environment",
            "Examples",
            "See also",
        ] {
            assert!(!section(&text, title).trim().is_empty(), "{}: {title}", program.name);
        }
    }
}

#[test]
fn help_has_an_example_of_each_program() {
    for program in PROGRAMS {
        let help = program.help().render_long_help().to_string();
        let (_, examples) = help.split_once("\nExamples:\n").expect("its help has examples");
        let example = examples.lines().find(|line| !line.starts_with("   ")).unwrap_or_default();
        assert!(
            example.trim_start().split(' ').any(|word| word == program.name),
            "{}: {example}",
            program.name
        );
    }
}

#[test]
fn exit_statuses_of_the_manuals_are_those_of_the_table() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/exit-status.md");
    let table = fs::read_to_string(path).expect("the document is there");
    for program in PROGRAMS {
        let line = format!("| {} | ", program.name);
        let situations = table.lines().filter(|row| row.starts_with(&line));
        let mut tried: Vec<String> = situations
            .filter_map(|row| row.trim_end_matches(" |").rsplit(' ').next().map(str::to_owned))
            .collect();
        tried.sort();
        tried.dedup();
        let told: Vec<_> =
            rows(&manual(program), "Exit statuses").into_iter().map(|row| row[0].clone()).collect();
        for status in &tried {
            let known = told.contains(status) || told.iter().any(|status| status == "other");
            assert!(known, "{}: {status}", program.name);
        }
        for status in told.iter().filter(|status| *status != "other") {
            assert!(tried.contains(status), "{}: no situation with {status}", program.name);
        }
    }
}

#[test]
fn sections_of_the_help_have_the_words_of_the_manuals() {
    let tables = [("Exit status", "Exit statuses"), ("Files", "Files"), ("Signals", "Signals")];
    for program in PROGRAMS {
        let text = manual(program);
        for section in (program.sections)() {
            let Some((_, title)) = tables.iter().find(|(title, _)| *title == section.title) else { continue };
            let cells: Vec<String> = rows(&text, title).into_iter().map(|row| row[0].clone()).collect();
            let known: Vec<&str> = cells.iter().flat_map(|cell| cell.split(", ")).map(uncoded).collect();
            for (word, _) in &section.entries {
                assert!(known.contains(word), "{}: {title} of the manual lacks {word}", program.name);
            }
        }
    }
}
