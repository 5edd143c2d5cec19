//! Links the unwinder of the C compiler into the programs where it comes as an archive, as it does with GCC.
//!
//! Otherwise each start loads the unwinder as a shared library (`libgcc_s.so`), of which a program without a panic uses
//! nothing: 0.13 ms of the 0.9 that an empty program took (docs/benchmarks.md).

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
    }
}

/// Whether the linker driver finds the archive: then it prints a path, else the bare name.
fn has_archive() -> bool {
    let linker = env::var_os("RUSTC_LINKER").unwrap_or_else(|| "cc".into());
    let output = Command::new(linker).arg("-print-file-name=libgcc_eh.a").output();
    output.is_ok_and(|output| Path::new(String::from_utf8_lossy(&output.stdout).trim()).is_absolute())
}
