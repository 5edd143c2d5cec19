//! Edits that were made to what older templates made, merged with what today's make.

use std::fs;
use std::path::Path;

use super::{install, mkzeoinst};
use crate::sandbox::Sandbox;
use crate::sandbox::run::Run;

/// A site's templates, exported from the program and then changed.
struct Site {
    sandbox: Sandbox,
}

impl Site {
    fn new() -> Self {
        let sandbox = Sandbox::new();
        install(&sandbox, "");
        mkzeoinst(&sandbox).args(["--export-templates", "site"]).stdout("...\n").run();
        Self { sandbox }
    }

    fn run(&self, words: &[&str]) -> Run {
        mkzeoinst(&self.sandbox).args(words)
    }

    /// Replaces what stands in a file once.
    #[track_caller]
    fn edit(&self, file: &str, from: &str, to: &str) {
        let text = self.sandbox.read(file);
        assert_eq!(text.matches(from).count(), 1, "{from} in {text}");
        self.sandbox.write(file, text.replacen(from, to, 1));
    }

    fn merged(&self, file: &str) -> String {
        format!("Merged file {}\n", self.sandbox.path(Path::new("zeo").join(file)).display())
    }

    fn unknown(&self, file: &str) -> String {
        let path = self.sandbox.path(Path::new("zeo").join(file));
        format!("Warning: not overwriting existing file '{}'; [..]\n", path.display())
    }
}

#[test]
fn edits_of_what_older_templates_made_are_merged_over_two_changes_of_the_templates() {
    let site = Site::new();
    site.edit("site/etc/zeo.conf", "# What the server has to say.", "# The server's log.");
    site.run(&["--templates", "site", "zeo", "19999"]).stdout("...\nAll done.\n").run();
    site.edit("zeo/etc/zeo.conf", "# quota 100GB", "quota 7GB");
    site.edit("site/etc/zeo.conf", "# The server's log.", "# Its log.");
    site.edit("site/etc/zeo.conf", "# Its log.", "# Log.");
    let updated = format!("{}All done.\n", site.merged("etc/zeo.conf"));
    site.run(&["--update", "--dry-run", "zeo"])
        .stdout("Would merge file [..]\nNothing was done: [..]\n")
        .run();
    site.run(&["--update", "zeo"]).stdout(updated).run();
    let text = site.sandbox.read("zeo/etc/zeo.conf");
    assert!(text.contains("\n  quota 7GB\n") && text.contains("\n# Log.") && !text.contains("server's log"));
    site.run(&["--update", "zeo"]).stdout("All done.\n").run();
}

#[test]
fn without_the_text_that_was_edited_edits_are_left_alone() {
    let site = Site::new();
    site.edit("site/etc/zeo.conf", "# What the server has to say.", "# The server's log.");
    site.run(&["--templates", "site", "zeo", "19999"]).stdout("...\nAll done.\n").run();
    site.edit("zeo/etc/zeo.conf", "# quota 100GB", "quota 7GB");
    site.edit("site/etc/zeo.conf", "# The server's log.", "# Its log.");
    let record = site.sandbox.path("zeo/etc/.mkzeoinst-pristine.toml");
    let kept = format!("{}All done.\n", site.unknown("etc/zeo.conf"));
    for text in [Some("# not TOML ["), Some("'etc/zeo.conf' = 'another text'\n"), None] {
        match text {
            Some(text) => fs::write(&record, text).unwrap(),
            None => fs::remove_file(&record).unwrap(),
        }
        site.run(&["--update", "zeo"]).stdout(&kept).run();
    }
}

#[test]
fn site_that_begins_with_its_own_templates_merges_edits_of_what_ours_made() {
    let site = Site::new();
    site.run(&["zeo", "19999"]).stdout("...\nAll done.\n").run();
    site.edit("zeo/etc/zeoctl.conf", "# start-test-program /bin/true", "start-test-program /bin/true");
    site.edit("site/etc/zeoctl.conf", "prompt zeoctl>", "prompt zeo>");
    let record = format!("Wrote file {}\n", site.sandbox.path("zeo/etc/mkzeoinst.toml").display());
    let updated = format!("{}{record}All done.\n", site.merged("etc/zeoctl.conf"));
    site.run(&["--update", "--templates", "site", "zeo"]).stdout(updated).run();
    let text = site.sandbox.read("zeo/etc/zeoctl.conf");
    assert!(
        text.contains("\n  prompt zeo>\n") && text.contains("\n  start-test-program /bin/true\n"),
        "{text}"
    );
}

#[test]
fn same_line_changed_by_both_goes_beside() {
    let site = Site::new();
    site.run(&["--templates", "site", "zeo", "19999"]).stdout("...\nAll done.\n").run();
    site.edit("zeo/etc/zeoctl.conf", "prompt zeoctl>", "prompt mine>");
    site.edit("site/etc/zeoctl.conf", "prompt zeoctl>", "prompt zeo>");
    let beside = format!(
        "{}Wrote file {}\nAll done.\n",
        site.unknown("etc/zeoctl.conf"),
        site.sandbox.path("zeo/etc/zeoctl.conf.new").display()
    );
    site.run(&["--update", "zeo"]).stdout(beside).run();
    assert!(site.sandbox.read("zeo/etc/zeoctl.conf").contains("\n  prompt mine>\n"));
    assert!(site.sandbox.read("zeo/etc/zeoctl.conf.new").contains("\n  prompt zeo>\n"));
}
