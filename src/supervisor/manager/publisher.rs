//! What the clients that watch and the service manager know of the state.

use std::time::Duration;

use super::super::service_notify::{NotifyState, ServiceNotifier};
use super::super::status::Watched;

/// What was last published of the state.
#[derive(Debug)]
pub struct Publisher {
    /// What the clients that watch were sent last.
    watched: Option<Watched>,
    service: Option<ServiceNotifier>,
}

impl Publisher {
    /// Nothing has been published; `service` is to be notified, if there is one.
    pub fn new(service: Option<ServiceNotifier>) -> Self {
        Self { watched: None, service }
    }

    /// When the service manager is to be notified though nothing has changed.
    pub fn due(&self) -> Option<Duration> {
        self.service.as_ref().and_then(ServiceNotifier::due)
    }

    /// Notifies the service manager of what is new in `state`.
    pub fn notify_service(&mut self, state: impl FnOnce() -> NotifyState, now: Duration) {
        if let Some(service) = &mut self.service {
            service.notify(state(), now);
        }
    }

    /// The program asks for so much time to come up.
    pub fn needs_time(&self, time: Duration) {
        if let Some(service) = &self.service {
            service.needs_time(time);
        }
    }

    /// A reload begins, as the service manager sees it; `is_reload`: it is to see it so.
    pub fn reload_begins(&self, is_reload: bool) {
        if let Some(service) = self.service.as_ref().filter(|_| is_reload) {
            service.reloading();
        }
    }

    /// It is over.
    pub fn reload_ends(&self, is_reload: bool) {
        if let Some(service) = self.service.as_ref().filter(|_| is_reload) {
            service.reloaded();
        }
    }

    /// Whether `state` is news to the clients that watch, which know it from now on; `None`: none watches.
    pub fn is_news(&mut self, state: Option<Watched>) -> bool {
        let is_news = state.is_some() && self.watched != state;
        self.watched = state;
        is_news
    }
}
