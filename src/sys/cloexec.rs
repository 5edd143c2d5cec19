//! Whether a descriptor stays open in a program that is executed (`FD_CLOEXEC`).

use std::io;
use std::os::fd::{AsFd, AsRawFd as _, RawFd};

use nix::fcntl::{FcntlArg, FdFlag, fcntl};

/// Lets every program that this process starts from here on inherit `descriptor`; returns its number there.
///
/// # Errors
/// None is expected.
pub fn clear_cloexec(descriptor: impl AsFd) -> io::Result<RawFd> {
    fcntl(descriptor.as_fd(), FcntlArg::F_SETFD(FdFlag::empty()))?;
    Ok(descriptor.as_fd().as_raw_fd())
}

/// Takes that back: from here on a started program does not get it.
///
/// # Errors
/// None is expected.
pub fn set_cloexec(descriptor: impl AsFd) -> io::Result<()> {
    fcntl(descriptor.as_fd(), FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::process::Command;

    use super::*;

    #[test]
    fn program_finds_the_descriptor_open() {
        let (mut reader, writer) = io::pipe().unwrap();
        let number = clear_cloexec(&writer).unwrap();
        let status = Command::new("sh").args(["-c", &format!("echo ready >&{number}")]).status().unwrap();
        drop(writer);
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        assert_eq!((status.code(), text.as_str()), (Some(0), "ready\n"));
    }
}
