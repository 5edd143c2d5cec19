//! The programs together, on real input: instances made by `mkzeoinst`, with our ZEO server or Python's in them and real
//! ZODB clients, controlled by `bin/zeoctl`; and our programs with those of the Python zdaemon.

mod addresses;
mod homes;
mod interop;
mod life;
mod moving;

use std::path::{Path, PathBuf};

use walkdir::WalkDir;

use crate::sandbox::Sandbox;
use crate::sandbox::run::Run;

/// Which server an instance has.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Server {
    Ours,
    Python,
}

/// Both.
const SERVERS: [Server; 2] = [Server::Ours, Server::Python];

/// An instance home in a sandbox, and the way to its server.
struct Instance<'a> {
    sandbox: &'a Sandbox,
    python: &'a Path,
    home: PathBuf,
    port: u16,
}

impl<'a> Instance<'a> {
    /// Makes the home, which must be below a directory that exists. Our server is the one that is found without a word.
    #[track_caller]
    fn make(sandbox: &'a Sandbox, python: &'a Path, home: PathBuf, server: Server) -> Self {
        let port = sandbox.port();
        let directories = ["", "/bin", "/etc", "/log", "/var"];
        let files = ["etc/zeo.conf", "etc/zeoctl.conf", "bin/zeoctl"];
        let shown = home.display();
        let created = directories.map(|name| format!("Created directory {shown}{name}\n"));
        let wrote = files.map(|name| format!("Wrote file {shown}/{name}\n"));
        let run = match server {
            Server::Ours => sandbox.mkzeoinst(),
            Server::Python => sandbox.mkzeoinst().arg("--server").arg(python.with_file_name("runzeo")),
        };
        run.arg(&home)
            .arg(format!("127.0.0.1:{port}"))
            .stdout(format!("{}{}All done.\n", created.concat(), wrote.concat()))
            .run();
        Self { sandbox, python, home, port }
    }

    /// The instance's own controller.
    fn zeoctl(&self, command: &str) -> Run {
        self.sandbox.command(self.home.join("bin/zeoctl")).arg(command)
    }

    /// Starts the server; returns its pid.
    #[track_caller]
    fn start(&self) -> u32 {
        self.zeoctl("start").stdout(STARTED).run().pid()
    }

    /// Stops the server; asserts that nothing is left of it.
    #[track_caller]
    fn stop(&self) {
        self.zeoctl("stop").stdout(STOPPED).run();
        self.assert_gone();
    }

    /// Asserts that no process is left, nor a socket.
    #[track_caller]
    fn assert_gone(&self) {
        self.zeoctl("status").status(3).stdout("daemon manager not running\n").run();
        self.sandbox.assert_no_process_left();
        assert_eq!(sockets_below(self.sandbox.root()), Vec::<PathBuf>::new());
    }

    /// A ZODB client of the server: `tests/clients/objects.py`.
    fn client<S: AsRef<std::ffi::OsStr>>(
        &self,
        command: &str,
        arguments: impl IntoIterator<Item = S>,
    ) -> Run {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients/objects.py");
        self.sandbox.command(self.python).arg(script).arg(command).arg(self.port.to_string()).args(arguments)
    }
}

/// What `start` prints. Dots come first when it takes its time.
const STARTED: &str = "[..]daemon process started, pid=[..]\n";
/// What `stop` prints.
const STOPPED: &str = "[..]daemon process stopped\n";

fn sockets_below(directory: &Path) -> Vec<PathBuf> {
    use std::os::unix::fs::FileTypeExt;
    let entries = WalkDir::new(directory).into_iter().map(|entry| entry.expect("the sandbox can be read"));
    entries.filter(|entry| entry.file_type().is_socket()).map(walkdir::DirEntry::into_path).collect()
}
