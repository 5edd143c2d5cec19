//! Starts an instance and waits until its server answers.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::home::{Home, MANAGER, SERVER};
use super::installed::{self, Installed};
use super::locate_programs::{is_ours, is_python};
use super::plan::Plan;
use super::probe::{self, AvailabilityError};
use super::quote::shown;
use super::{Error, Request, address, included, own_server};
use crate::sys::system_error::os_error_text;
use crate::sys::tree::{SafeTree, first_untrusted_component};
use crate::sys::user::own_uid;
use crate::zconfig::Address;

/// How long the server has to answer; opening a large storage without an index takes its time.
const START_TIMEOUT: Duration = Duration::from_secs(60);

/// From one look at the server to the next.
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// From one look at the daemon manager to the next.
const MANAGER_POLL_INTERVAL: Duration = Duration::from_secs(1);

/// What may keep the server from listening, one line each. Not an error: what is in the way today may be gone when it is
/// started. The instance itself, where it is running, is not in the way.
#[must_use]
pub fn warnings(request: &Request, installed: &Installed) -> Vec<String> {
    let several = request.addresses.len() > 1 && is_python(Path::new(&request.programs.server));
    let several = several.then(|| {
        format!(
            "{} is a Python program; Python's ZEO server takes no second address",
            request.programs.server
        )
    });
    let each = request.addresses.iter().flat_map(|address| {
        let port = address::privileged_port(address);
        let privileged =
            port.map(|port| format!("only root can listen on a port below 1024, such as {port}"));
        privileged.into_iter().chain(in_the_way(address, &request.home).map(|error| error.to_string()))
    });
    several.into_iter().chain(not_served(request)).chain(shared(request, installed)).chain(each).collect()
}

/// Why the server of an instance could not listen on the address now; `None` also where it does.
fn in_the_way(address: &Address, home: &Home) -> Option<AvailabilityError> {
    let error = probe::availability(address, home).err()?;
    let own = matches!(error, AvailabilityError::InUse(_)) && own_server::listens_on(address, home);
    (!own).then_some(error)
}

/// What our server would refuse in the configuration that was asked for.
#[must_use]
pub fn not_served(request: &Request) -> Option<String> {
    let set = |name: &str| request.set.get(name).is_some_and(|value| !value.is_empty());
    let server = &request.programs.server;
    (set("blobs") && is_ours(Path::new(server))).then(|| {
        format!(
            "{server} does not serve blobs yet and will not start; leave -b out, or name the runzeo of Python's ZEO with \
             --server"
        )
    })
}

/// What a copy has in common with the instance that it was copied from, which is still there.
fn shared(request: &Request, installed: &Installed) -> Option<String> {
    let old = installed.home().filter(|old| *old != request.home)?;
    let theirs = Installed::read(&old.open().ok()?, &old).ok()?.addresses();
    let both: Vec<_> = request.addresses.iter().filter(|own| theirs.contains(own)).cloned().collect();
    let both_names = address::describe_all(&both);
    (!both.is_empty()).then(|| {
        format!("the instance in {} has {both_names} too; only one of them can run", shown(old.path()))
    })
}

/// Where the server of an instance will answer: as was asked for, unless the configuration was edited and may have
/// other addresses. Fails with the reason why they are not known.
pub fn addresses(tree: &SafeTree, request: &Request, plan: &Plan) -> Result<Vec<Address>, String> {
    let path = request.home.join(SERVER);
    if !plan.keeps(&path) {
        return Ok(request.addresses.clone());
    }
    let (values, problems) =
        included::survey(tree, &request.home).map_err(|error| error.to_string())?.unwrap_or_default();
    if let Some(problem) = problems.list().first() {
        return Err(problem.to_string());
    }
    let addresses: Option<Vec<_>> = installed::configured(&values).into_iter().collect();
    addresses
        .filter(|some| !some.is_empty())
        .ok_or_else(|| format!("{} has an address without a port", shown(path)))
}

/// Whether a start can succeed, as far as that is seen before anything of the instance is made.
///
/// # Errors
/// [`Error::NoStart`] if the server could not listen on one of the addresses, or for root if another user could write
/// what is run.
pub fn check(request: &Request, addresses: &[Address]) -> Result<(), Error> {
    let in_vain = |why: String| Error::NoStart(format!("{why}; nothing was done"));
    check_whose(&request.home).map_err(|error| match error {
        Error::NoStart(why) => in_vain(why),
        other => other,
    })?;
    if let Some(why) = not_served(request) {
        return Err(in_vain(why));
    }
    let instance = Zeoctl(request.home.join("bin/zeoctl"));
    for error in addresses.iter().filter_map(|address| in_the_way(address, &request.home)) {
        let in_use = matches!(error, AvailabilityError::InUse(_));
        // A server that was started without the configuration on its command line is known by its manager.
        if !(in_use && instance.0.exists() && instance.is_managed().unwrap_or(false)) {
            return Err(in_vain(error.to_string()));
        }
    }
    Ok(())
}

/// Runs `bin/zeoctl start`, whose output goes where ours goes, and waits for the server's greeting on each address; where
/// they are not known, waits for nothing.
///
/// # Errors
/// For root, [`Error::NoStart`] if another user could write what is run; else [`Error::NotStarted`] says what was seen
/// and where the logs are.
pub fn run(request: &Request, addresses: &[Address]) -> Result<(), Error> {
    check_whose(&request.home)?;
    let instance = Zeoctl(request.home.join("bin/zeoctl"));
    let not_started = |why| Error::NotStarted {
        why,
        manager_log: request.home.join("log/zeoctl.log"),
        server_log: request.home.join("log/zeo.log"),
    };
    let greeted = |()| addresses.iter().try_for_each(|address| await_greeting(&instance, address, request));
    instance.start().and_then(greeted).map_err(not_started)
}

/// For root: whether only root decides what is run, which the script says, and the files that it leads to. Others than root
/// start what they can start anyway.
fn check_whose(home: &Home) -> Result<(), Error> {
    if own_uid() != 0 {
        return Ok(());
    }
    for path in ["bin/zeoctl", MANAGER, SERVER].map(|name| home.join(name)) {
        match first_untrusted_component(&path) {
            Ok(None) => {}
            Ok(Some(place)) => {
                let why =
                    format!("another user can change {}, and root would run what is there", shown(&place));
                return Err(Error::NoStart(why));
            }
            // What is missing cannot be run.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(Error::system("look at", &path, error)),
        }
    }
    Ok(())
}

fn await_greeting(instance: &Zeoctl, address: &Address, request: &Request) -> Result<(), String> {
    let is_encrypted = request.set.get("tls_certificate").is_some_and(|set| !set.is_empty());
    let deadline = Instant::now() + START_TIMEOUT;
    let mut next_look = Instant::now() + MANAGER_POLL_INTERVAL;
    loop {
        let Err(why) = probe::greeting(address, &request.home, is_encrypted) else { return Ok(()) };
        let now = Instant::now();
        if now >= deadline {
            let (address, seconds) = (address::describe(address), START_TIMEOUT.as_secs());
            return Err(format!("no answer on {address} in {seconds} s: {why}"));
        }
        if now >= next_look {
            if !instance.is_managed()? {
                return Err("the daemon manager has ended".to_owned());
            }
            next_look = now + MANAGER_POLL_INTERVAL;
        }
        #[expect(
            clippy::disallowed_methods,
            reason = "the one place that polls for the server, with a deadline"
        )]
        thread::sleep(POLL_INTERVAL);
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
        format!("{}: {}", shown(&self.0), os_error_text(error))
    }
}
