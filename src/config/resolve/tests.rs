use std::collections::HashMap;
use std::fs;

use super::*;
use crate::eventlog::{Level, Rotation, Target};

/// A directory with one file, and the surroundings of a load there.
struct Place {
    directory: tempfile::TempDir,
}

impl Place {
    fn with(text: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("a.conf"), text).unwrap();
        Self { directory }
    }

    fn flags() -> Flags {
        Flags { configure: Some(PathBuf::from("a.conf")), ..Flags::default() }
    }

    fn resolve(&self, flags: &Flags) -> Result<Settings, String> {
        let home = HashMap::from([("HOME".to_owned(), "/home/me".to_owned())]);
        let environment = Environment::fixed(self.directory.path().to_owned(), home);
        resolve_in(flags, &environment).map_err(|errors| errors.to_string())
    }
}

#[test]
fn defaults_stand_without_a_file() {
    let settings = resolve(&Flags::default()).unwrap();
    assert_eq!(settings.runner.program, Vec::<OsString>::new());
    assert_eq!(settings.runner.socket_name, PathBuf::from("zdsock"));
    assert!(!settings.runner.daemon && !settings.runner.forever && settings.runner.default_to_interactive);
    assert_eq!((settings.runner.exit_codes, settings.runner.umask), (vec![0, 2], 0o22));
    assert_eq!(settings.runner.stop_timeout, Duration::from_secs(300));
    assert_eq!(settings.runner.prompt, "zdctl>");
    assert_eq!((settings.config_file, settings.event_log), (None, None));
}

#[test]
fn the_sample_of_the_founding_document_is_read() {
    let text = "# Sample zdctl/zdrun configuration\n<runner>\n  program       runzeo.py -a 9999 -f Data.fs\n  \
                daemon\t  true\n  directory     /tmp\n  socket-name   /tmp/zeohome/zdsock\n</runner>\n";
    let settings = Place::with(text).resolve(&Place::flags()).unwrap();
    assert_eq!(settings.runner.program, ["runzeo.py", "-a", "9999", "-f", "Data.fs"]);
    assert!(settings.runner.daemon);
    assert_eq!(settings.runner.directory, Some(PathBuf::from("/tmp")));
    assert_eq!(settings.runner.socket_name, PathBuf::from("/tmp/zeohome/zdsock"));
    assert_eq!(settings.config_file, Some(PathBuf::from("a.conf")));
}

#[test]
fn a_file_without_daemon_stays_in_the_foreground() {
    let place = Place::with("<runner>\nprogram a\n</runner>\n");
    assert!(!place.resolve(&Place::flags()).unwrap().runner.daemon);
    assert!(place.resolve(&Flags { daemon: Some(true), ..Place::flags() }).unwrap().runner.daemon);
}

#[test]
fn the_command_line_wins_over_the_file() {
    let text =
        "<runner>\nprogram a\nbackoff-limit 5\nexit-codes 1\numask 77\nforever on\nuser me\n</runner>\n";
    let flags =
        Flags { backoff_limit: Some(7), umask: Some(0), program: Some(vec!["b".into()]), ..Place::flags() };
    let runner = Place::with(text).resolve(&flags).unwrap().runner;
    assert_eq!((runner.backoff_limit, runner.umask), (Duration::from_secs(7), 0));
    assert_eq!((runner.program, runner.exit_codes), (vec!["b".into()], vec![1]));
    assert_eq!((runner.forever, runner.user), (true, Some("me".into())));
}

#[test]
fn a_program_may_come_from_either_side_and_must_come_from_one() {
    let named = Flags { program: Some(vec!["b".into()]), ..Place::flags() };
    let keyless = Place::with("<runner>\numask 7\n</runner>\n");
    assert_eq!(keyless.resolve(&named).unwrap().runner.umask, 7);
    assert_eq!(
        keyless.resolve(&Place::flags()),
        Err("a.conf:3: the key 'program' is missing from '<runner>'".into())
    );
    let empty = Place::with("\n");
    assert_eq!(empty.resolve(&named).unwrap().runner.program, ["b"]);
    assert_eq!(empty.resolve(&Place::flags()), Err("a.conf: no '<runner>' section".into()));
}

#[test]
fn quoted_words_of_a_program_stay_together() {
    let place = Place::with("<runner>\nprogram '/a b/runzeo' -C \"/x y/zeo.conf\"\n</runner>\n");
    assert_eq!(
        place.resolve(&Place::flags()).unwrap().runner.program,
        ["/a b/runzeo", "-C", "/x y/zeo.conf"]
    );
}

#[test]
fn one_file_serves_all_programs() {
    let text = "%define HERE /tmp\n%import ZODB\n<zeo>\n  address 9999\n  nosuch $undefined\n</zeo>\n<filestorage 1>\n  path x\n\
                </filestorage>\n<mystorage>\n <inner/>\n (odd\n</mystorage>\n<eventlog>\n  level debug\n  <logfile>\n\
                path $HERE/zeo.log\n max-size 10MB\n old-files 3\n  </logfile>\n</eventlog>\n<runner>\n  program a\n\
                </runner>\n<environment>\n A b c\n a\n</environment>";
    let settings = Place::with(text).resolve(&Place::flags()).unwrap();
    assert_eq!(settings.environment, [("A".into(), "b c".into()), ("a".into(), String::new())]);
    let log = settings.event_log.unwrap();
    assert_eq!(log.level, Level(10));
    let Target::File(file) = &log.handlers[0].target else { panic!("not a file: {log:?}") };
    assert_eq!(file.path, PathBuf::from("/tmp/zeo.log"));
    assert_eq!(file.rotation, Rotation::Size { max_size: 10 << 20, old_files: 3 });
}

#[test]
fn the_log_inside_of_the_runner_comes_first() {
    let text = "<eventlog>\nlevel error\n</eventlog>\n<runner>\nprogram a\n<logger>\nlevel 35\n</logger>\n</runner>\n";
    assert_eq!(Place::with(text).resolve(&Place::flags()).unwrap().event_log.unwrap().level, Level(35));
}

#[test]
fn all_faults_are_reported_in_one_run_each_with_its_line() {
    let text = "<runner>\n  program a\n  umaks 7\n  umask 9\n  daemon maybe\n</runner>\n<eventlog>\n  <logfle>\n  \
                </logfle>\n</eventlog>\nfoo bar\n";
    assert_eq!(
        Place::with(text).resolve(&Place::flags()).unwrap_err(),
        "a.conf:3: unknown key 'umaks' in '<runner>'; did you mean 'umask'\n\
         a.conf:5: daemon: 'maybe' is not a boolean; yes, true, on, no, false and off are\n\
         a.conf:4: umask: '9' is not an octal number; digits 0 to 7 are, such as 022\n\
         a.conf:8: unknown section type 'logfle'; did you mean 'logfile'\n\
         a.conf:11: unknown key 'foo'; keys stand inside of sections"
    );
}

#[test]
fn numbers_that_cannot_be_used_are_refused_and_not_bent() {
    let text = "<runner>\nprogram a\nbackoff-limit -1\nstart-timeout 4294967296\nstop-timeout -99999999999999999999\n\
                umask 1777\nexit-codes 0,99999999999\n</runner>\n<eventlog>\n<logfile>\npath a\nmax-size 99999999999GB\n\
                old-files -1\n</logfile>\n</eventlog>\n";
    assert_eq!(
        Place::with(text).resolve(&Place::flags()).unwrap_err(),
        "a.conf:5: stop-timeout: '-99999999999999999999' is too small\n\
         a.conf:12: max-size: '99999999999GB' is too large\n\
         a.conf:3: backoff-limit: '-1' is negative; 0 to 4294967295 are possible\n\
         a.conf:7: exit-codes: '99999999999' is no exit status; 0 to 255 are, and -1 for a signal\n\
         a.conf:4: start-timeout: '4294967296' is too large; 0 to 4294967295 are possible\n\
         a.conf:6: umask: a number larger than 0777 is no mask; a mask is 0 to 0777\n\
         a.conf:13: old-files: '-1' is negative; 0 to 4294967295 are possible"
    );
}

#[test]
fn a_misspelt_runner_is_not_passed_over_in_silence() {
    let place = Place::with("<runer>\nprogram a\n</runer>\n");
    assert_eq!(
        place.resolve(&Place::flags()),
        Err("a.conf: no '<runner>' section; was '<runer>' meant to be it".into())
    );
}

#[test]
fn overrides_reach_their_section_and_need_a_file() {
    let place = Place::with("<zeo>\n</zeo>\n<runner>\nprogram a\numask 9\n</runner>\n");
    let flags = |typed: &str| Flags { overrides: vec![typed.to_owned()], ..Place::flags() };
    assert_eq!(place.resolve(&flags("runner/umask=77")).unwrap().runner.umask, 0o77);
    let both = Flags { overrides: vec!["zeo/address=1".into(), "runner/umask=0".into()], ..Place::flags() };
    assert_eq!(place.resolve(&both).unwrap().runner.umask, 0);
    assert_eq!(
        place.resolve(&flags("runner/umask=8")),
        Err("-X runner/umask=8: umask: '8' is not an octal number; digits 0 to 7 are, such as 022".into())
    );
    assert_eq!(
        place.resolve(&Flags { configure: None, ..flags("runner/umask=7") }),
        Err("configuration overrides (-X) cannot be used without a configuration file".into())
    );
}

#[test]
fn a_file_that_cannot_be_read_is_reported_with_the_reason() {
    let place = Place::with("");
    let flags = Flags { configure: Some("b.conf".into()), ..Flags::default() };
    let expected = format!(
        "cannot read '{}': No such file or directory",
        place.directory.path().join("b.conf").display()
    );
    assert_eq!(place.resolve(&flags), Err(expected));
}

#[test]
fn handlers_that_are_not_served_are_refused_with_their_place() {
    let text = "<runner>\nprogram a\n</runner>\n<eventlog>\n<http-logger/>\n</eventlog>\n";
    let expected = "a.conf:5: '<http-logger>' is not served; '<logfile>' and '<syslog>' are";
    assert_eq!(Place::with(text).resolve(&Place::flags()), Err(expected.into()));
}

#[test]
fn other_styles_than_the_classic_one_are_refused() {
    let text = |style: &str| {
        format!(
            "<runner>\nprogram a\n</runner>\n<eventlog>\n<logfile>\npath a\nstyle {style}\n</logfile>\n</eventlog>\n"
        )
    };
    assert!(Place::with(&text("Classic")).resolve(&Place::flags()).is_ok());
    for style in ["format", "template", "safe-template"] {
        let error = Place::with(&text(style)).resolve(&Place::flags()).unwrap_err();
        let expected = format!(
            "a.conf:7: style: '{style}' is not a style here; only classic is; leave style out and write placeholders as \
             %(message)s"
        );
        assert_eq!(error, expected);
    }
}

mod toml {
    use super::*;

    fn resolve(text: &str) -> Result<Settings, String> {
        let place = Place::with("");
        fs::write(place.directory.path().join("a.toml"), text).unwrap();
        place.resolve(&Flags { configure: Some("a.toml".into()), ..Flags::default() })
    }

    #[test]
    fn both_forms_fill_the_same_settings() {
        let toml = "[runner]\nprogram = [\"/a b/runzeo\", \"-C\"]\ndaemon = true\numask = 0o77\nexit-codes = [0, 3]\n\
                    backoff-limit = 0x10\nsocket-name = '~/s'\n[environment]\nA = 'b $c'\nB = ''\n[eventlog]\nlevel = 'debug'\n\
                    [[eventlog.logfile]]\npath = 'STDERR'\n[[eventlog.syslog]]\naddress = '/dev/log'\n[zeo]\naddress = 1\n";
        let lines = "<runner>\nprogram '/a b/runzeo' -C\ndaemon on\numask 77\nexit-codes 0,3\nbackoff-limit 16\n\
                     socket-name ~/s\n</runner>\n<environment>\nA b $$c\nB\n</environment>\n<eventlog>\nlevel debug\n\
                     <logfile>\npath STDERR\n</logfile>\n<syslog>\naddress /dev/log\n</syslog>\n</eventlog>\n";
        let lines = Place::with(lines).resolve(&Place::flags()).unwrap();
        assert_eq!(resolve(toml).unwrap(), Settings { config_file: Some("a.toml".into()), ..lines });
    }

    #[test]
    fn a_program_may_be_one_string() {
        let settings = resolve("[runner]\nprogram = \"a 'b c'\"\n").unwrap();
        assert_eq!(settings.runner.program, ["a", "b c"]);
        assert!(!settings.runner.daemon);
    }

    #[test]
    fn faults_have_their_lines_and_the_same_words() {
        let text = "[runner]\nprogram = 'a'\numaks = 7\ndaemon = 'maybe'\numask = 22\nuser = ['a', 'b']\n\n[eventlog]\n\
                    [[eventlog.logfle]]\n";
        assert_eq!(
            resolve(text).unwrap_err(),
            "a.toml:3: unknown key 'umaks' in '<runner>'; did you mean 'umask'\n\
             a.toml:5: umask: a decimal number where an octal one belongs; write 0o22 or \"22\"\n\
             a.toml:4: daemon: 'maybe' is not a boolean; yes, true, on, no, false and off are\n\
             a.toml:6: user: a list is not allowed here; give one value\n\
             a.toml:9: unknown section type 'logfle'; did you mean 'logfile'"
        );
    }

    #[test]
    fn a_file_that_is_not_toml_is_reported_with_all_its_faults() {
        let faults = resolve("[runner]\nprogram a\ndaemon b\n").unwrap_err();
        let places: Vec<&str> = faults.lines().filter_map(|line| line.split(' ').next()).collect();
        assert_eq!(places, ["a.toml:2:", "a.toml:3:"], "{faults}");
        assert_eq!(resolve("[runner]\nprogram = 'a'\n#\u{7f}\n").unwrap_err().lines().count(), 1);
    }

    #[test]
    fn the_runner_must_be_there() {
        assert_eq!(resolve("").unwrap_err(), "a.toml: no '<runner>' section");
    }
}
