//! The calling thread.

/// The kernel's number of the calling thread, as `ps -L` shows it; that of the first thread is the process id
/// (gettid(2)).
#[must_use]
pub fn id() -> i32 {
    nix::unistd::gettid().as_raw()
}

#[cfg(test)]
mod tests {
    #[test]
    fn each_thread_has_its_own_number() {
        let other = std::thread::spawn(super::id).join().unwrap();
        assert_ne!(super::id(), other);
    }
}
