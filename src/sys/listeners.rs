//! Which sockets listen on a TCP port, and whether a process holds one of them (proc(5)).

use std::fs;

/// The state of a listening socket in `/proc/net/tcp` (`TCP_LISTEN` of the kernel's `net/tcp_states.h`).
const LISTENING: &str = "0A";

/// The inodes of the sockets that listen on this port, of any interface, in the network namespace of this process.
#[must_use]
pub fn on_port(port: u16) -> Vec<u64> {
    let tables =
        ["/proc/net/tcp", "/proc/net/tcp6"].map(|table| fs::read_to_string(table).unwrap_or_default());
    tables.iter().flat_map(|table| table.lines()).filter_map(|line| listener(line, port)).collect()
}

/// The inode on a line `sl local_address rem_address st tx:rx tr:when retrnsmt uid timeout inode ...`.
fn listener(line: &str, port: u16) -> Option<u64> {
    let mut fields = line.split_ascii_whitespace();
    let (_, own) = fields.nth(1)?.rsplit_once(':')?;
    let state = fields.nth(1)?;
    let inode = fields.nth(5)?;
    (state == LISTENING && u16::from_str_radix(own, 16) == Ok(port)).then(|| inode.parse().ok())?
}

/// Whether a process has one of these sockets open; `None`: another user's process, whose descriptors cannot be seen.
#[must_use]
pub fn holds(pid: i32, inodes: &[u64]) -> Option<bool> {
    let descriptors = fs::read_dir(format!("/proc/{pid}/fd")).ok()?;
    let targets = descriptors.flatten().filter_map(|entry| fs::read_link(entry.path()).ok());
    let mut held = targets.filter_map(|target| {
        target.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse::<u64>().ok()
    });
    Some(held.any(|inode| inodes.contains(&inode)))
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn listener_is_found_by_its_port() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let inodes = on_port(listener.local_addr().unwrap().port());
        let own = std::process::id().cast_signed();
        assert_eq!((inodes.len(), holds(own, &inodes)), (1, Some(true)));
        assert_eq!(holds(own, &[]), Some(false));
        assert_eq!(holds(-1, &inodes), None);
    }

    #[test]
    fn line_of_another_port_or_state_is_none() {
        let line = "0: 0100007F:270F 00000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 4711 1 0";
        assert_eq!(listener(line, 9999), Some(4711));
        assert_eq!(listener(line, 9998), None);
        assert_eq!(listener(&line.replace(" 0A ", " 01 "), 9999), None);
        assert_eq!(listener("  sl  local_address rem_address   st", 9999), None);
    }
}
