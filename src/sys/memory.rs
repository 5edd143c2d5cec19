//! Memory that a process which runs for years need not keep.
#![allow(unsafe_code)] // madvise and malloc_trim take raw addresses

use std::fs;

use nix::libc;

/// Gives back what is not in use at this moment: pages of program files that were mapped and not changed (they are
/// mapped again from the file when they are touched), and free heap.
///
/// Reading options and configuration touches far more code than the loop that follows, and the kernel maps the
/// neighbours of each page too; all that would count as ours for as long as nobody else wants memory.
pub fn release_unused() {
    // SAFETY: no arguments that could be wrong; frees only what malloc holds as free.
    unsafe { libc::malloc_trim(0) };
    let Ok(maps) = fs::read_to_string("/proc/self/smaps") else { return };
    for (start, length) in unchanged(&maps) {
        // SAFETY: a mapping of a file that may not be written to and of which no page was ever changed (proc(5)): what
        // is dropped is the file's, and is mapped again at the next touch (madvise(2), MADV_DONTNEED).
        unsafe { libc::madvise(std::ptr::without_provenance_mut(start), length, libc::MADV_DONTNEED) };
    }
}

/// Address and length of each mapping of a file that is as in the file, by the text of `/proc/PID/smaps`.
fn unchanged(maps: &str) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    let mut current = Mapping::Other;
    for line in maps.lines() {
        match line.strip_prefix("Anonymous:") {
            Some(anonymous) => {
                if let Mapping::ReadOnlyFile(start, length) = current
                    && anonymous.trim() == "0 kB"
                {
                    found.push((start, length));
                }
                current = Mapping::Other;
            }
            None => current = Mapping::begun_by(line).unwrap_or(current),
        }
    }
    found
}

/// What a line of `/proc/PID/smaps` that begins a mapping says of it.
#[derive(Debug, Clone, Copy)]
enum Mapping {
    /// Of a file, not to be written to: address and length.
    ReadOnlyFile(usize, usize),
    /// Anything else.
    Other,
}

impl Mapping {
    /// `None`: the line tells more of a mapping that has begun.
    fn begun_by(line: &str) -> Option<Self> {
        let mut fields = line.split_ascii_whitespace();
        let (start, end) = fields.next()?.split_once('-')?;
        let mode = fields.next()?;
        let inode = fields.nth(2)?;
        let start = usize::from_str_radix(start, 16).ok()?;
        let length = usize::from_str_radix(end, 16).ok()?.checked_sub(start)?;
        let plain = mode.starts_with('r') && !mode.contains('w') && mode.ends_with('p') && inode != "0";
        Some(if plain { Self::ReadOnlyFile(start, length) } else { Self::Other })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAPS: &str = "\
00400000-00452000 r-xp 00000000 08:02 173521 /usr/bin/prog
Size:                328 kB
Anonymous:             0 kB
00651000-00652000 r--p 00051000 08:02 173521 /usr/bin/prog
Anonymous:             4 kB
00652000-00655000 rw-p 00052000 08:02 173521 /usr/bin/prog
Anonymous:             0 kB
00660000-00661000 r--p 00060000 08:02 173521 /usr/bin/prog
Anonymous:             0 kB
7fffb2d48000-7fffb2d49000 r-xp 00000000 00:00 0 [vdso]
Anonymous:             0 kB
";

    #[test]
    fn only_what_is_as_in_the_file_is_given_back() {
        assert_eq!(unchanged(MAPS), [(0x40_0000, 0x5_2000), (0x66_0000, 0x1000)]);
        assert_eq!(unchanged("nonsense\nAnonymous: 0 kB\n"), []);
    }

    #[test]
    fn process_goes_on_without_what_it_gave_back() {
        release_unused();
        assert_eq!((1..=10).sum::<u32>(), 55);
    }
}
