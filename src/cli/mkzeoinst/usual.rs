//! The line of nearly every call, read without the parser, whose tables take a good part of the time that an instance takes.
//! It means what the parser takes it for; any other is left to it.

use std::ffi::OsString;

use super::super::is_plain;
use super::arguments::Arguments;

/// `[--server PATH] HOME [ADDRESS]`
pub(super) fn read(words: &[OsString]) -> Option<Arguments> {
    let (server, words) = match words {
        [option, server, words @ ..] if option == "--server" => (Some(server), words),
        words => (None, words),
    };
    let (home, address) = match words {
        [home] => (home, None),
        [home, address] => (home, Some(address)),
        _ => return None,
    };
    let words = [Some(home), address, server];
    words.into_iter().flatten().all(|word| is_plain(word)).then(|| Arguments {
        home: Some(home.clone()),
        address: address.cloned(),
        server: server.map(Into::into),
        ..Arguments::default()
    })
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    #[test]
    fn usual_line_means_what_the_parser_takes_it_for() {
        for line in ["h", "h 1", "h l:1", "--server s h", "--server s h 1", "help", "h [::1]:8100"] {
            let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
            let parsed = Arguments::try_parse_from(std::iter::once("mkzeoinst".into()).chain(words.clone()));
            assert_eq!(format!("{:?}", read(&words).unwrap()), format!("{:?}", parsed.unwrap()), "{line}");
        }
    }

    #[test]
    fn any_other_line_is_left_to_the_parser() {
        for line in [
            "",
            "-h",
            "--server",
            "--server s",
            "--server -x h",
            "h -n",
            "-- h",
            "a b c",
            "--server=s h",
            "h --",
        ] {
            let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
            assert!(read(&words).is_none(), "{line}");
        }
        assert!(read(&[]).is_none());
    }
}
