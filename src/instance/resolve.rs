//! What an instance is to be, from all that says something about it: the command line, over it what the instance says and has
//! recorded, over that the site's defaults.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use super::home::Home;
use super::installed::Installed;
use super::locate_programs::{Programs, SearchPaths};
use super::request::Request;
use super::settings::Settings;
use super::{Error, address};
use crate::sys::user::own_uid;
use crate::zconfig::Address;

/// What the command line says.
#[derive(Debug, Default)]
pub struct Options {
    /// Variables, extras and templates.
    pub settings: Settings,
    /// Whether key and certificate of the server and of a first client are to be made where there are none.
    pub self_signed: bool,
    /// Addresses as they were typed.
    pub addresses: Vec<OsString>,
    /// The interfaces for ports that have none.
    pub hosts: Vec<String>,
    /// The server, by its absolute path.
    pub server: Option<PathBuf>,
}

/// Settings that do not go to the templates as they are.
const RESOLVED: [&str; 4] = ["address", "server", "zdctl", "zdrun"];

/// Puts together what is wanted of the instance at `home`; programs are looked for in `places`.
///
/// # Errors
/// [`Error::Address`] and what else is wrong with the addresses; [`Error::NotFound`], a program that is not there.
pub fn resolve(
    home: Home,
    options: &Options,
    installed: &Installed,
    site: &Settings,
    places: &SearchPaths,
) -> Result<Request, Error> {
    let known = options.settings.over(&installed.moved(&installed.recorded));
    let Settings { mut values, with, templates } = known.over(site);
    let addresses = addresses_of(&home, options, installed, &values)?;
    let named = |name| values.get(name).map(|path| home.path().join(path));
    let server = options.server.clone().or(named("server")).or_else(|| installed.server());
    let named = [server, named("zdctl"), named("zdrun")];
    let programs = Programs::find(places, named.each_ref().map(Option::as_deref))?;
    values.retain(|name, _| !RESOLVED.contains(&name.as_str()));
    let record = (known != installed.recorded).then(|| known.record());
    Ok(Request {
        home,
        addresses,
        programs,
        set: values,
        with,
        templates,
        adopted: BTreeMap::new(),
        self_signed: options.self_signed,
        record,
    })
}

/// Where the server listens: as typed, else as before, else as the settings say.
fn addresses_of(
    home: &Home,
    options: &Options,
    installed: &Installed,
    values: &BTreeMap<String, String>,
) -> Result<Vec<Address>, Error> {
    let root = own_uid() == 0;
    let parse = |text: &OsStr| address::parse(text, root, home);
    let typed: Vec<_> = options.addresses.iter().map(|text| parse(text)).collect::<Result<_, _>>()?;
    let before = installed.addresses();
    // What is not used may be wrong.
    let set = values.get("address").filter(|_| typed.is_empty() && before.is_empty());
    let set = set.map_or("", String::as_str).lines().map(|text| parse(OsStr::new(text)));
    let set = set.collect::<Result<_, _>>()?;
    let hosts: Vec<_> = options.hosts.iter().map(|host| address::host(host)).collect::<Result<_, _>>()?;
    address::chosen(typed, before, set, &hosts)
}
