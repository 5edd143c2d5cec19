//! Completion in the shells that people have.

use clap::{Arg, Command, ValueHint, builder::PossibleValuesParser};
use clap_complete::Shell;

use crate::shell;

use super::Program;

/// From a program's name to the file of its completion.
type Place = fn(&str) -> String;

/// The shells, with the place of a completion below the directory of data (`share`), where it is found without a setting.
pub const SHELLS: &[(Shell, Place)] = &[
    (Shell::Bash, |name| format!("bash-completion/completions/{name}")),
    (Shell::Zsh, |name| format!("zsh/site-functions/_{name}")),
    (Shell::Fish, |name| format!("fish/vendor_completions.d/{name}.fish")),
];

/// The script for one program under this name.
pub(super) fn script(program: &Program, name: &'static str, shell: Shell) -> String {
    let mut command = (program.command)();
    let actions = (program.actions)();
    if !actions.is_empty() {
        // In the place of the positional argument, which takes any word.
        let options: Vec<Arg> = command.get_arguments().filter(|arg| !arg.is_positional()).cloned().collect();
        command = Command::new(name)
            .version(env!("CARGO_PKG_VERSION"))
            .disable_help_subcommand(true)
            .args(options)
            .subcommands(actions);
    }
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command, name, &mut script);
    let mut script = String::from_utf8_lossy(&script).into_owned();
    if shell == Shell::Fish {
        script.extend(command.get_subcommands().filter_map(|action| fish_values(name, action)));
    }
    script
}

/// The values of an action's argument, which the generator for fish leaves out.
fn fish_values(name: &str, action: &Command) -> Option<String> {
    let argument = action.get_positionals().next()?;
    let values: Vec<_> = argument.get_possible_values().iter().map(|v| v.get_name().to_owned()).collect();
    let line = format!(
        "complete -c {name} -n \"__fish_seen_subcommand_from {}\" -f -a \"{}\"\n",
        action.get_name(),
        values.join(" ")
    );
    (!values.is_empty()).then_some(line)
}

/// The actions that a command line can name, each with what may follow it.
pub(super) fn zdctl_actions() -> Vec<Command> {
    let only_in_the_shell = ["EOF", "quit"];
    let actions = shell::actions().filter(|action| !only_in_the_shell.contains(&action.name));
    let command = |action: shell::Described| {
        // An option of zdctl comes before the action: none is offered after it.
        let command = Command::new(action.name).about(action.summary).disable_help_flag(true);
        command.args(arguments(action.name))
    };
    actions.map(command).collect()
}

/// The signals that people send to a server; any other can be typed.
const SIGNALS: &[&str] = &["TERM", "HUP", "INT", "QUIT", "KILL", "USR1", "USR2", "STOP", "CONT", "ABRT"];

fn arguments(action: &str) -> Vec<Arg> {
    let one_of = |values: Vec<&'static str>| {
        vec![Arg::new("argument").value_parser(PossibleValuesParser::new(values))]
    };
    match action {
        "kill" => one_of(SIGNALS.to_vec()),
        "help" => one_of(shell::actions().map(|action| action.name).collect()),
        "show" => one_of(shell::TOPICS.to_vec()),
        "status" => vec![
            Arg::new("long").short('l').num_args(0).help("Explain"),
            Arg::new("json").long("json").num_args(0).help("For programs"),
        ],
        "logtail" => vec![
            Arg::new("lines").short('n').value_name("LINES").help("How many lines to begin with"),
            Arg::new("file").value_hint(ValueHint::FilePath),
        ],
        "shell" => vec![
            Arg::new("command")
                .num_args(1..)
                .trailing_var_arg(true)
                .value_hint(ValueHint::CommandWithArguments),
        ],
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::signal_names;

    #[test]
    fn signals_are_signals() {
        for name in SIGNALS {
            assert!(signal_names::number(name).is_some(), "{name}");
        }
    }

    #[test]
    fn arguments_are_those_of_actions() {
        let known: Vec<_> = shell::actions().map(|action| action.name).collect();
        for action in ["kill", "help", "show", "status", "logtail", "shell"] {
            assert!(known.contains(&action) && !arguments(action).is_empty(), "{action}");
        }
    }
}
