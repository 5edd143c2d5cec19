//! The integration tests, one binary: each module is a subject.
#![allow(clippy::unwrap_used, clippy::expect_used)] // a test that cannot go on says so by panicking

mod boot;
mod citations;
mod control_document;
mod end_to_end;
mod exit_status;
mod extras;
mod filestorage;
mod golden;
mod layering;
mod manual;
mod mkzeoinst;
mod peers;
mod readme;
mod runzeo;
mod sandbox;
mod storage;
mod system_errors;
mod zconfig;
mod zdctl;
mod zdrun;
mod zeo;
