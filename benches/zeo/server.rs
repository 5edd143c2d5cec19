//! A server under measurement: started on a free port, its processor time and memory read from proc(5), killed at the end.

use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::tls;

/// Whose server it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// `runzeo` of this package.
    Ours,
    /// That beside this interpreter.
    Python(PathBuf),
}

/// A server that listens.
pub struct Server {
    child: Child,
    /// Where.
    pub address: SocketAddr,
    /// From the spawn to the first connection that was accepted.
    pub started: Duration,
}

impl Server {
    /// Starts it for the data file `Data.fs` in this directory.
    pub fn start(kind: &Kind, directory: &Path) -> Self {
        Self::start_with(kind, directory, "")
    }

    /// The same, encrypting, with certificates that are made in the directory.
    pub fn start_encrypted(kind: &Kind, directory: &Path) -> Self {
        let own = tls::make(directory);
        let file = |name: &str| directory.join(name).display().to_string();
        let ssl = format!(
            "  <ssl>\n    certificate {}\n    key {}\n    authenticate {0}\n  </ssl>\n",
            file(own.certificate),
            file(own.key)
        );
        Self::start_with(kind, directory, &ssl)
    }

    /// With more lines in `<zeo>`.
    fn start_with(kind: &Kind, directory: &Path, more: &str) -> Self {
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = free.local_addr().unwrap();
        drop(free);
        let (configuration, log) = (directory.join("zeo.conf"), directory.join("zeo.log"));
        let text = format!(
            "<zeo>\n  address {address}\n{more}</zeo>\n<filestorage 1>\n  path {}\n</filestorage>\n\
             <eventlog>\n  level warning\n  <logfile>\n    path {}\n  </logfile>\n</eventlog>\n",
            directory.join("Data.fs").display(),
            log.display()
        );
        fs::write(&configuration, text).unwrap();
        let mut command = match kind {
            Kind::Ours => Command::new(env!("CARGO_BIN_EXE_runzeo")),
            Kind::Python(python) => Command::new(python.with_file_name("runzeo")),
        };
        command.arg("-C").arg(&configuration).current_dir(directory).stdin(Stdio::null());
        let begin = Instant::now();
        let mut child = command.spawn().unwrap();
        let end = begin + Duration::from_secs(120);
        loop {
            if TcpStream::connect(address).is_ok() {
                return Self { child, address, started: begin.elapsed() };
            }
            let status = child.try_wait().unwrap();
            assert!(status.is_none(), "{command:?} ended: {status:?}");
            assert!(Instant::now() < end, "{command:?} does not listen");
            #[expect(
                clippy::disallowed_methods,
                reason = "this is the wait for a condition with a deadline"
            )]
            std::thread::sleep(Duration::from_micros(200));
        }
    }

    /// Processor time of all its threads until now.
    pub fn processor_time(&self) -> Duration {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.child.id())).unwrap();
        let time = |task: fs::DirEntry| {
            let line = fs::read_to_string(task.path().join("schedstat")).unwrap_or_default();
            line.split(' ').next().and_then(|word| word.parse().ok()).map(Duration::from_nanos)
        };
        tasks.flatten().filter_map(time).sum()
    }

    /// Memory that is its own, in bytes: not that of files.
    pub fn memory(&self) -> f64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<f64>().unwrap() * 1024.0
    }

    /// Asks it to end, and waits: it saves its index.
    pub fn stop(mut self) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        assert!(self.child.wait().is_ok());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It has ended, where all went well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
