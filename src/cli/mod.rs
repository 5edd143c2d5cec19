//! The command lines. Each program's module turns arguments into the plain values that the lower floors work with,
//! prints the one line of an error and picks the exit status; nothing below it prints an error or ends the process.

pub mod mkzeoinst;
pub mod options;
pub mod zdctl;
pub mod zdrun;
