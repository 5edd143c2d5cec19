//! The certificates of a server: read at its start, and again when the log files are opened anew.

use std::sync::Arc;

use super::journal::Journal;
use crate::config::server::{self, Settings};
use crate::zeo::tls::{Error, Files, Tls};

/// What encrypts the connections, if they are to be encrypted.
pub(super) fn open(settings: &Settings) -> Result<Option<Arc<Tls>>, Error> {
    let Some(tls) = settings.tls.clone() else { return Ok(None) };
    let server::Tls { certificate, key, password_file, authenticate } = tls;
    Tls::open(Files { certificate, key, password_file, authenticate }).map(Arc::new).map(Some)
}

/// Reads the certificates again. Clients keep their connections.
pub(super) fn reload(tls: &Tls, log: &Journal) {
    match tls.reload() {
        Ok(()) => report(tls, log),
        Err(error) => log.error(format_args!(
            "TLS: {error}; the files that were read before stay in use: {}",
            tls.described()
        )),
    }
}

/// Says what is in use.
pub(super) fn report(tls: &Tls, log: &Journal) {
    log.info(format_args!("TLS: {}", tls.described()));
    if let Some(doubt) = tls.doubt() {
        log.warning(format_args!("TLS: {doubt}"));
    }
}
