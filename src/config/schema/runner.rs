//! The sections of zdaemon.

use crate::config::option_values::{
    COMMAND, DIRECTORY, EDITING_MODE, EXIT_CODES, OCTAL, SIGNAL, SOCKET_NAME,
};
use crate::zconfig::{
    BOOLEAN, Component, EXISTING_DIRPATH, EXISTING_PATH, INTEGER, Key, Keys, Member, STRING, SectionType,
    Slot,
};

pub(super) static ZDAEMON: Component = Component {
    package: "zdaemon",
    needs: &[],
    abstract_types: &[],
    types: &[&RUNNER, &ENVIRONMENT],
    checks: &[],
};

/// The daemon manager stays in the foreground by default, as in the founding document; that of Python detaches.
/// The last keys are ours alone.
static RUNNER: SectionType = SectionType {
    name: "runner",
    implements: None,
    keys: Keys::Basic,
    members: &[
        Member::Slot(Slot::new("eventlog", "zconfig.logger.log")),
        Member::Key(Key::new("program", &COMMAND, "Command line of the managed program.").required()),
        Member::Key(Key::new(
            "python",
            &EXISTING_PATH,
            "Interpreter for a `zdrun` whose name ends in `.py`.",
        )),
        Member::Key(Key::new("zdrun", &EXISTING_PATH, "The daemon manager to start; ours when not given.")),
        Member::Key(
            Key::new("socket-name", &SOCKET_NAME, "Control socket between zdctl and zdrun.").or("zdsock"),
        ),
        Member::Key(Key::new("daemon", &BOOLEAN, "Detach from the terminal.").or("off")),
        Member::Key(Key::new("directory", &DIRECTORY, "Working directory of a detached program.")),
        Member::Key(
            Key::new(
                "backoff-limit",
                &INTEGER,
                "Longest delay between restarts, and uptime that counts as well, in seconds.",
            )
            .or("10"),
        ),
        Member::Key(Key::new("forever", &BOOLEAN, "Never give up restarting.").or("false")),
        Member::Key(
            Key::new("exit-codes", &EXIT_CODES, "Exit statuses after which the program is not restarted.")
                .or("0,2"),
        ),
        Member::Key(Key::new(
            "check-program",
            &COMMAND,
            "Command that checks the program's own configuration: run by `check`, and before a restart.",
        )),
        Member::Key(Key::new(
            "start-test-program",
            &COMMAND,
            "Command that must succeed before a start counts as done.",
        )),
        Member::Key(Key::new("start-timeout", &INTEGER, "Seconds to wait for that.").or("300")),
        Member::Key(
            Key::new("stop-timeout", &INTEGER, "Seconds from `stop-signal` to SIGKILL; 0: never.").or("300"),
        ),
        Member::Key(Key::new(
            "user",
            &STRING,
            "User name or number to become; the program's HOME, USER and LOGNAME are that user's.",
        )),
        Member::Key(Key::new("umask", &OCTAL, "File mode mask of a detached program.").or("022")),
        Member::Key(
            Key::new("hang-around", &BOOLEAN, "The manager stays when the program was stopped.").or("false"),
        ),
        Member::Key(
            Key::new("default-to-interactive", &BOOLEAN, "zdctl without an action starts the shell.")
                .or("true"),
        ),
        Member::Key(Key::new("logfile", &EXISTING_DIRPATH, "File that `logtail` shows.")),
        Member::Key(Key::new(
            "transcript",
            &EXISTING_DIRPATH,
            "Where the output of a detached program goes; `/dev/null` when not given.",
        )),
        Member::Key(Key::new("prompt", &STRING, "Prompt of the shell; `zdctl>` when not given.")),
        Member::Key(
            Key::new("start-grace", &INTEGER, "Seconds that a program must live for its start to count.")
                .or("1"),
        ),
        Member::Key(
            Key::new("stop-group", &BOOLEAN, "A stop is for the program and all of its process group.")
                .or("true"),
        ),
        Member::Key(
            Key::new("stop-signal", &SIGNAL, "Signal that asks the program to end, by name or number.")
                .or("TERM"),
        ),
        Member::Key(Key::new(
            "pid-file",
            &EXISTING_DIRPATH,
            "File for the program's process number while it runs.",
        )),
        Member::Key(Key::new(
            "manager-pid-file",
            &EXISTING_DIRPATH,
            "File for the daemon manager's process number while it runs.",
        )),
        Member::Key(
            Key::new("notify", &BOOLEAN, "A start counts when the program says READY=1 (sd_notify(3)).")
                .or("false"),
        ),
        Member::Key(Key::new("editing-mode", &EDITING_MODE, "Keys of the shell's editor.").or("emacs")),
        Member::Key(
            Key::new("history", &BOOLEAN, "The shell keeps its commands for the next one.").or("true"),
        ),
    ],
    meaning: "The daemon manager: what it runs and how. Only zdctl and zdrun use it.",
};

static ENVIRONMENT: SectionType = SectionType {
    name: "environment",
    implements: None,
    keys: Keys::Exact,
    members: &[Member::Map(Key::new("mapping", &STRING, "A variable and its value."))],
    meaning: "Environment variables of the program; case matters.",
};
