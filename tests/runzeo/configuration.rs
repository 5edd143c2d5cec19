//! Faults of a configuration: all of them in one run, each with its place and with what to do.

use crate::sandbox::Sandbox;

/// What `--check-config` says of a configuration, with its status.
fn faults(sandbox: &Sandbox, text: &str) -> (i32, String) {
    sandbox.write("zeo.conf", text);
    let outcome = sandbox.runzeo().args(["-C", "zeo.conf", "--check-config"]).output();
    (outcome.status, outcome.stderr)
}

fn assert_faults(text: &str, expected: &[&str]) {
    let sandbox = Sandbox::new();
    assert_eq!(faults(&sandbox, text), (2, expected.join("\n") + "\n"), "{text}");
}

const ZEO: &str = "<zeo>\naddress 1\n</zeo>\n";
const STORAGE: &str = "<filestorage>\npath Data.fs\n</filestorage>\n";

#[test]
fn section_in_the_wrong_place_hides_nothing_that_is_missing() {
    let zodb = "zeo.conf:1: '<zodb>' does not belong outside of other sections; it is for the file of a client; in that of a \
                server the storage stands without '<zodb>' around it";
    assert_faults(
        "<zodb>\n<zeoclient>\nserver h:1\n</zeoclient>\n</zodb>\n",
        &["zeo.conf: no '<zeo>' section", "zeo.conf: no '<filestorage>' section", zodb],
    );
    assert_faults(
        &format!("<zodb>\n{STORAGE}</zodb>\n{ZEO}"),
        &["zeo.conf: no '<filestorage>' section", zodb],
    );
    let storage =
        "zeo.conf:4: '<filestorage>' does not belong in '<zeo>'; it stands outside of other sections";
    assert_faults(
        &format!("<zeo>\naddress 1\nread-only maybe\n{STORAGE}</zeo>\n"),
        &[
            "zeo.conf: no '<filestorage>' section",
            "zeo.conf:3: read-only: 'maybe' is not a boolean; yes, true, on, no, false and off are",
            storage,
        ],
    );
}

#[test]
fn misspelt_section_is_not_missing_besides() {
    assert_faults(
        &format!("<zeos>\naddress 1\n</zeos>\n{STORAGE}"),
        &["zeo.conf:1: unknown section type 'zeos'; did you mean 'zeo'"],
    );
    let faults = ["zeo.conf:4: unknown section type 'filestorge'; did you mean 'filestorage'"];
    assert_faults(&format!("{ZEO}<filestorge>\n</filestorge>\n"), &faults);
    assert_faults(
        "<filestorge>\n</filestorge>\n",
        &[
            "zeo.conf: no '<zeo>' section",
            "zeo.conf:1: unknown section type 'filestorge'; did you mean 'filestorage'",
        ],
    );
}

#[test]
fn component_that_is_not_built_in_is_the_reason_for_types_that_are_not_known() {
    let import = "zeo.conf:4: the component 'zc.zlibstorage' is not built in; the storages of other packages need Python's \
                  runzeo, with the package installed";
    let needs = "it needs Python's runzeo, with the package of this storage installed";
    let file = |kind: &str| format!("{ZEO}%import zc.zlibstorage\n<{kind}>\n{STORAGE}</{kind}>\n");
    for kind in ["zlibstorage", "raidstorage", "relstorage"] {
        assert_faults(&file(kind), &[import, &format!("zeo.conf:5: unknown section type '{kind}'; {needs}")]);
    }
    let of = "it may be of the component 'zc.zlibstorage' (line 4), which is not built in";
    for kind in ["otherstorage", "filestorge"] {
        assert_faults(&file(kind), &[import, &format!("zeo.conf:5: unknown section type '{kind}'; {of}")]);
    }
    for kind in ["zlibstorage", "raidstorage", "temporarystorage"] {
        let line = format!("zeo.conf:4: unknown section type '{kind}'; {needs}");
        assert_faults(&format!("{ZEO}<{kind}>\n{STORAGE}</{kind}>\n"), &[&line]);
    }
    let zodb_db = "zeo.conf:4: unknown section type 'zodb_db'; it is for Zope's file; in that of a server the storage stands \
                   without '<zodb_db>' around it";
    assert_faults(&format!("{ZEO}<zodb_db main>\n{STORAGE}</zodb_db>\n"), &[zodb_db]);
}

#[test]
fn removed_keys_say_since_when_and_whether_the_server_is_open_without_them() {
    let open = "ZEO 5 dropped passwords in 2016: without it every client that reaches the address can read and write, so \
                leave it out only where the address is protected (a local socket, a firewall)";
    let expected: Vec<String> = [
        ("monitor-address 8888", "ZEO 5 dropped it in 2016: leave it out"),
        ("authentication-protocol digest", open),
        ("authentication-database etc/zeo.users", open),
        ("Authentication-Realm zeo", open),
    ]
    .iter()
    .enumerate()
    .map(|(number, (line, hint))| {
        let key = line.split(' ').next().unwrap();
        format!("zeo.conf:{}: unknown key '{key}' in '<zeo>'; {hint}", number + 3)
    })
    .collect();
    let lines: Vec<&str> = expected.iter().map(String::as_str).collect();
    let keys = "monitor-address 8888\nauthentication-protocol digest\nauthentication-database etc/zeo.users\n\
                Authentication-Realm zeo\n";
    assert_faults(&format!("<zeo>\naddress 1\n{keys}</zeo>\n{STORAGE}"), &lines);
}

#[test]
fn what_is_not_served_is_refused_in_the_same_run_whatever_its_value() {
    let blobs = "zeo.conf:6: blobs (blob-dir) is not served yet; serve this file with Python's runzeo, or leave blob-dir out \
                 where no object has blobs";
    for directory in ["blobs", "/no/such/directory/blobs"] {
        assert_faults(
            &format!(
                "{ZEO}<filestorage>\npath Data.fs\nblob-dir {directory}\nread-only maybe\n</filestorage>\n"
            ),
            &[blobs, "zeo.conf:7: read-only: 'maybe' is not a boolean; yes, true, on, no, false and off are"],
        );
    }
}

#[test]
fn faults_of_a_log_have_the_lines_of_their_keys() {
    let log = |keys: &str| {
        format!("{ZEO}{STORAGE}<eventlog>\n<logfile>\npath log\n{keys}</logfile>\n</eventlog>\n")
    };
    assert_faults(
        &log("format %(nosuch)s\nformatter zope.exceptions.log.Formatter\nold-files few\n"),
        &[
            "zeo.conf:10: format: unknown field 'nosuch'; arbitrary-fields true would let it pass",
            "zeo.conf:11: formatter: 'zope.exceptions.log.Formatter' is a Python class that cannot be called; leave \
             formatter out",
            "zeo.conf:12: old-files: 'few' is not a whole number; decimal digits are, such as 10",
        ],
    );
    for (keys, fault) in [
        (
            "delay true\nmax-size 1MB\n",
            "11: max-size: rotation without old-files keeps nothing; old-files 5 would keep five",
        ),
        ("when D\n", "10: when: rotation without old-files keeps nothing; old-files 5 would keep five"),
        (
            "old-files 5\n",
            "10: old-files: neither max-size nor when is given; max-size 10MB would rotate by size, when D by time",
        ),
        (
            "max-size 1MB\nwhen D\nold-files 5\n",
            "11: when: both max-size and when are given; rotate by size or by time",
        ),
    ] {
        assert_faults(&log(keys), &[&format!("zeo.conf:{fault}")]);
    }
}

#[test]
fn value_that_cannot_be_read_hides_no_fault_of_its_key() {
    let unset = "the environment variable 'NO_SUCH' is not set; set it where the program is started, or write the text itself";
    let template = "'${buildout' not followed by '}' (is this a template, of which buildout makes the file?); '$$' stands for a \
                    dollar sign, $name, ${name} and $(ENVIRONMENT) for a text";
    assert_faults(
        &format!("<zeo>\nadress $(NO_SUCH)\nread-only ${{buildout:ro}}\n</zeo>\n{STORAGE}"),
        &[
            &format!("zeo.conf:2: {unset}"),
            "zeo.conf:2: unknown key 'adress' in '<zeo>'; did you mean 'address'",
            &format!("zeo.conf:3: {template}"),
        ],
    );
    let stands = "zeo.conf:1: '<logfile>' does not belong outside of other sections; it stands in '<eventlog>' or '<logger>'";
    assert_faults(&format!("<logfile>\npath l\n</logfile>\n{ZEO}{STORAGE}"), &[stands]);
}

#[test]
fn equals_sign_in_front_of_a_value_is_to_be_left_out() {
    for (value, fault) in [
        (
            "= Data.fs",
            "'= Data.fs' begins with an equals sign; write 'path Data.fs', without the equals sign",
        ),
        (
            "= /no/such/Data.fs",
            "'= /no/such/Data.fs' is in a directory that does not exist; write 'path /no/such/Data.fs', without the equals sign",
        ),
    ] {
        assert_faults(
            &format!("{ZEO}<filestorage>\npath {value}\n</filestorage>\n"),
            &[&format!("zeo.conf:5: path: {fault}")],
        );
    }
    let address =
        "zeo.conf:2: address: '= 8100' is not an address; write 'address 8100', without the equals sign";
    assert_faults(&format!("<zeo>\naddress = 8100\n</zeo>\n{STORAGE}"), &[address]);
}

#[test]
fn python_that_is_gone_is_not_needed() {
    let sandbox = Sandbox::new();
    let runner = "<runner>\nprogram sleep 1\npython /no/such/python2.4\nzdrun /no/such/zdrun.py\nsocket-name /no/such/place/s\n\
                  </runner>\n";
    assert_eq!(faults(&sandbox, &format!("{ZEO}{STORAGE}{runner}")), (0, String::new()));
    sandbox.write("zeoctl.conf", runner);
    let check = sandbox.zdctl().args(["-C", "zeoctl.conf", "check"]).output();
    let lines: Vec<&str> = check.stderr.lines().take(2).collect();
    assert_eq!(
        lines,
        [
            "zeoctl.conf:3: python: '/no/such/python2.4' does not exist; leave python out: our zdrun needs none",
            "zeoctl.conf:4: zdrun: '/no/such/zdrun.py' does not exist; leave zdrun and python out: zdctl has a zdrun of its own",
        ]
    );
}

#[test]
fn directory_of_the_data_that_is_not_there_is_status_1_as_it_may_be_there_later() {
    let sandbox = Sandbox::new();
    let fault = "is in a directory that does not exist; create the directory 'mnt' or name an existing one\n";
    let file = |path: &str| format!("{ZEO}<filestorage>\npath {path}\n</filestorage>\n");
    let expected = format!("zeo.conf:5: path: 'mnt/Data.fs' {fault}");
    assert_eq!(faults(&sandbox, &file("mnt/Data.fs")), (1, expected.clone()));
    sandbox.runzeo().args(["-C", "zeo.conf"]).status(1).stderr(expected).run();
    let stderr = format!("runzeo: -f: 'mnt/Data.fs' {fault}");
    sandbox.runzeo().args(["-a", "1", "-f", "mnt/Data.fs"]).status(1).stderr(stderr).run();
    // With a mistake beside it no other try can succeed.
    assert_eq!(faults(&sandbox, &file("mnt/Data.fs\nnosuch x")).0, 2);
    sandbox.runzeo().args(["-f", "mnt/Data.fs"]).status(2).stderr("...").run();
}
