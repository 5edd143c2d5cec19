//! How many descriptors this process may have.

use std::io;

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// Raises the limit to what the process may raise it to: the usual 1,024 are for programs that use select(2).
///
/// # Errors
/// What the system says; the limit is then as it was.
pub fn raise_limit() -> io::Result<()> {
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE)?;
    Ok(setrlimit(Resource::RLIMIT_NOFILE, most, most)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limit_is_as_high_as_it_may_be() {
        raise_limit().unwrap();
        let (now, most) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
        assert_eq!(now, most);
    }
}
