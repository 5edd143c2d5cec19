//! Starts an instance and waits until its server answers.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::address::Address;
use super::plan::Plan;
use super::probe::{self, Trouble};
use super::quote::shown;
use super::{Error, Request};
use crate::config::schema;
use crate::sys::reason::reason;
use crate::zconfig::{self, Limits, Value, World};

/// How long the server has to answer; opening a large storage without an index takes its time.
const PATIENCE: Duration = Duration::from_secs(60);

/// From one look at the server to the next.
const INTERVAL: Duration = Duration::from_millis(50);

/// From one look at the daemon manager to the next.
const MANAGER_INTERVAL: Duration = Duration::from_secs(1);

/// What may keep a server from listening on `address`, one line each. Not an error: it may be the instance itself that
/// is running, and what is in the way today may be gone when it is started.
#[must_use]
pub fn warnings(address: &Address) -> Vec<String> {
    let privileged = format!("only root can listen on a port below 1024, such as {}", address.port);
    let trouble = probe::availability(address).err().map(|trouble| trouble.to_string());
    address.is_privileged().then_some(privileged).into_iter().chain(trouble).collect()
}

/// Where the server of an instance will answer: as was asked for, unless the configuration is a person's, who may have
/// written another address there. Fails with the reason why that cannot be told.
pub fn address(request: &Request, plan: &Plan) -> Result<Address, String> {
    let path = request.home.join("etc/zeo.conf");
    if !plan.keeps(&path) {
        return Ok(request.address.clone());
    }
    let tree = zconfig::load(&schema::ZEO, &path, &[], &[], &World::process(), Limits::default());
    let tree =
        tree.map_err(|problems| problems.list().first().map_or_else(String::new, ToString::to_string))?;
    let value = tree.root().and_then(|root| root.section("zeo")).and_then(|zeo| zeo.value("address"));
    match value {
        Some(Value::Address(configured)) => Address::configured(configured),
        _ => None,
    }
    .ok_or_else(|| format!("{} names no TCP port", shown(path)))
}

/// Runs `bin/zeoctl start`, whose output goes where ours goes, and waits for the server's greeting on `address`; where
/// that is not known, waits for nothing.
///
/// # Errors
/// [`Error::NoStart`] if another process listens there; else [`Error::NotStarted`] says what was seen and where the
/// logs are.
pub fn run(request: &Request, address: Option<&Address>) -> Result<(), Error> {
    let instance = Zeoctl(request.home.join("bin/zeoctl"));
    let not_started = |why| Error::NotStarted {
        why,
        manager_log: request.home.join("log/zeoctl.log"),
        server_log: request.home.join("log/zeo.log"),
    };
    let Some(address) = address else { return instance.start().map_err(not_started) };
    // Else the greeting might come from a stranger, and the server would die in vain.
    if let Err(trouble @ Trouble::InUse(_)) = probe::availability(address)
        && !instance.is_managed().map_err(not_started)?
    {
        return Err(Error::NoStart(trouble.to_string()));
    }
    instance.start().and_then(|()| await_greeting(&instance, address)).map_err(not_started)
}

fn await_greeting(instance: &Zeoctl, address: &Address) -> Result<(), String> {
    let deadline = Instant::now() + PATIENCE;
    let mut next_look = Instant::now() + MANAGER_INTERVAL;
    loop {
        let Err(why) = probe::greeting(address) else { return Ok(()) };
        let now = Instant::now();
        if now >= deadline {
            return Err(format!("no answer on {} in {} s: {why}", address.spoken(), PATIENCE.as_secs()));
        }
        if now >= next_look {
            if !instance.is_managed()? {
                return Err("the daemon manager has ended".to_owned());
            }
            next_look = now + MANAGER_INTERVAL;
        }
        #[expect(
            clippy::disallowed_methods,
            reason = "the one place that polls for the server, with a deadline"
        )]
        thread::sleep(INTERVAL);
    }
}

/// The instance's own control script.
struct Zeoctl(PathBuf);

impl Zeoctl {
    fn start(&self) -> Result<(), String> {
        let status = Command::new(&self.0).arg("start").status().map_err(|error| self.not_run(&error))?;
        if status.success() { Ok(()) } else { Err(format!("{} start: {status}", shown(&self.0))) }
    }

    /// Whether a daemon manager answers for the instance, with or without a running server.
    fn is_managed(&self) -> Result<bool, String> {
        let output = Command::new(&self.0).arg("status").stdin(Stdio::null()).stderr(Stdio::null()).output();
        let output = output.map_err(|error| self.not_run(&error))?;
        Ok(!String::from_utf8_lossy(&output.stdout).contains("daemon manager not running"))
    }

    fn not_run(&self, error: &std::io::Error) -> String {
        format!("{}: {}", shown(&self.0), reason(error))
    }
}
