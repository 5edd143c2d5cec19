//! Random values: for each datatype some that fit, the first of them always, and some that do not.

use zeo_server::zconfig::Key;

/// Values for any key: what the language itself makes of them.
pub(super) const ANY_VALUES: &[&str] = &[
    "",
    "x",
    "$x",
    "${x}",
    "$$x",
    "$(ZCFG_WORD)",
    "$(ZCFG_EMPTY)",
    "$(NOPE)",
    "$nope",
    "a$",
    "$1",
    "${}",
    "${x",
    "$(",
    "$(ZCFG_WORD",
    "${x:-y}",
    "0",
    "-1",
    "10",
    "on",
    "9",
    "a b",
    "é\u{301}\u{ad}",
    "#x",
    "x\u{85}y",
];
/// The pieces that a log format is made of.
const FORMAT_PIECES: &[&str] = &[
    "%(message)s",
    "%(levelno)5d",
    "%(msecs).3f",
    "%%",
    "%",
    "d",
    "%(name)",
    "%(name)d",
    "%(nope)s",
    "s",
    "%s",
    "%x",
    "%(created)x",
    "%(lineno)X",
    "%c",
    " ",
    "\\n",
    "%-5",
    "-",
];

/// A value for a key; most fit its datatype, and the first does.
pub(super) fn value_of(key: &Key, how: u16) -> String {
    if how % 24 == 23 {
        return pick(ANY_VALUES, how / 24).to_owned();
    }
    let (values, how): (&[&str], u16) = match key.datatype.name {
        "boolean" => (&["on", "Off", "TRUE", "no", "1", "maybe", "yes "], how / 3),
        "integer" => (&["7", "+7", "-3", "007", "x", "1.5", " 5"], how / 3),
        "float" => (&["1", ".5", "1e3", "inf", "-nan", "x", "1,5", "1e999"], how),
        "octal" => (&["022", "0o7", "9", "-1", "0x1"], how),
        "byte-size" => (&["10MB", "1kb", "5", "1gb", "10K", "1.5MB", "MB", "-1kb", "1 kb"], how),
        "time-interval" => (&["5", "2m", "1H", "3d", "1w", "m", "1h30m"], how),
        "exit codes" => (&["0,2", "1", "", "0,", " 1 , 2", "a"], how),
        "log level" => (&["info", "WARN", "10", "51", "-1", "trace", "nope", "1.5", "all"], how),
        "log style" => (&["classic", "Classic", "nope"], how),
        "log format" => return format_value(how),
        "syslog facility" => (&["user", "LOCAL7", "nope"], how),
        "http URL" => (
            &["http://h/", "http://h:1/p;a?q#f", "https://h/", "http:///x", "http://h", "http://[x/y", "x"],
            how,
        ),
        "GET or POST" => (&["get", "POST", "PUT"], how),
        "dotted-name" if key.name == "formatter" => (&["logging.Formatter", "nosuch.Thing", "a-b"], how),
        "dotted-name" => (&["a.b", "a", "", "a-b", "a..b"], how),
        "existing-path" => (&["file.txt", "sub", "nope", "~", "~/data", "~nobodyhere"], how),
        "existing-dirpath" => (&["x.log", "sub/x", "no/x", "~/x", "/x", "sub/", "sub//y", "file.txt/x"], how),
        "socket-name" => (&["s", "sub/s", "no/x/s", "~/s", "/s", "no/s", "sub/new/s"], how),
        "directory" => (&[".", "sub", "sub/new", "no/new", "nope", "~", "/"], how),
        name if name.contains("address") => (
            &[
                "8100", "h:1", ":80", "Host", "::1", "[::1]:80", "a/b:80", "70000", "h:70000", "a b", "h:x",
                "[::1]", ":", "[A::1]:",
            ],
            how,
        ),
        _ => (&["a", "STDOUT", "x y", "DYNAMIC", "STDERR", "sub/file", "a  b", "é"], how),
    };
    pick(values, how).to_owned()
}

fn format_value(how: u16) -> String {
    let mut left = usize::from(how);
    let mut out = String::new();
    // Three pieces out of them, by the digits of the decision.
    while left > 0 {
        out.push_str(FORMAT_PIECES[left % FORMAT_PIECES.len()]);
        left /= FORMAT_PIECES.len();
    }
    out
}

/// One of several.
pub(super) fn pick(from: &[&'static str], which: u16) -> &'static str {
    from[usize::from(which) % from.len()]
}
