//! The corpus cases in which ours differs from ZConfig on purpose, each with its reason.

/// Case (without its number) and reason.
pub(super) const DIFFERENCES: &[(&str, &str)] = &[
    (
        "backslash-kept",
        "a program is split as a shell would split it, so that words may hold spaces; a backslash quotes",
    ),
    ("quotes-kept", "a program is split as a shell would split it, so that words may hold spaces"),
    ("include-package-in-section", "package: URLs name files of Python packages, which are not there"),
    ("import-no-component", "the built-in components are known by name; there is no package to look into"),
];
