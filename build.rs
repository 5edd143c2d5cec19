//! Makes starts cheap. Links the unwinder of the C compiler into the programs where it comes as an archive, as it does with GCC.
//!
//! Otherwise each start loads it as a shared library (`libgcc_s.so`), of which a program without a panic uses nothing:
//! a tenth of the life of a `zdctl status` (docs/benchmarks.md). Where there is no archive nothing changes.

use std::env;
use std::path::Path;
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=CC");
    let target = |what: &str| env::var(format!("CARGO_CFG_TARGET_{what}")).unwrap_or_default();
    let is_static = target("FEATURE").split(',').any(|feature| feature == "crt-static");
    if target("OS") == "linux" && target("ENV") == "gnu" && !is_static && has_archive() {
        // Before the standard library's own `-lgcc_s`, which the linker then has no need of.
        println!("cargo::rustc-link-lib=static:-bundle=gcc_eh");
        // At an address of their own these have no addresses to correct at each start (zdctl 2,000, mkzeoinst 7,000), on
        // pages that each cost a fault. They live for a millisecond and listen to nobody; libraries, stack and heap move
        // as ever.
        println!("cargo::rustc-link-arg-bin=zdctl=-no-pie");
        println!("cargo::rustc-link-arg-bin=mkzeoinst=-no-pie");
    }
}

/// Whether the linker driver finds the archive: then it tells a path, else the bare name.
fn has_archive() -> bool {
    let linker = env::var_os("RUSTC_LINKER").unwrap_or_else(|| "cc".into());
    let told = Command::new(linker).arg("-print-file-name=libgcc_eh.a").output();
    told.is_ok_and(|told| Path::new(String::from_utf8_lossy(&told.stdout).trim()).is_absolute())
}
