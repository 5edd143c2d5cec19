//! Makes starts cheap (docs/benchmarks.md): what every start would pay for and few have a use for is settled by the linker.
//!
//! - The unwinder of the C compiler is linked into the programs where it comes as an archive, as it does with GCC. Otherwise
//!   each start loads it as a shared library (`libgcc_s.so`), of which a program without a panic uses nothing.
//! - The programs that live for a millisecond lie at an address of their own and have nothing to correct at a start.
//! - The functions that a program executes most lie side by side (`src/bin/*.ld`, written by `benches/order`), so that few
//!   pages have to be mapped.
//!
//! Where one of these cannot be had nothing changes but the time.

use std::env;
use std::path::Path;
use std::process::Command;

/// The programs that have a list of functions.
const ORDERED: [&str; 3] = ["zdctl", "zdrun", "mkzeoinst"];

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=CC");
    let target = |what: &str| env::var(format!("CARGO_CFG_TARGET_{what}")).unwrap_or_default();
    let is_static = target("FEATURE").split(',').any(|feature| feature == "crt-static");
    if target("OS") != "linux" || target("ENV") != "gnu" {
        return;
    }
    if !is_static && has_archive() {
        // Before the standard library's own `-lgcc_s`, which the linker then has no need of.
        println!("cargo::rustc-link-lib=static:-bundle=gcc_eh");
        // Zdctl has 2,000 addresses to correct at each start, mkzeoinst 7,000, on pages that each cost a fault. They live
        // for a millisecond and listen to nobody; libraries, stack and heap move as ever.
        println!("cargo::rustc-link-arg-bin=zdctl=-no-pie");
        println!("cargo::rustc-link-arg-bin=mkzeoinst=-no-pie");
    }
    for program in ORDERED {
        let list = format!("{}/src/bin/{program}.ld", env::var("CARGO_MANIFEST_DIR").unwrap_or_default());
        println!("cargo::rerun-if-changed={list}");
        if is_optimised() && linker_is_usual() {
            println!("cargo::rustc-link-arg-bin={program}=-T");
            println!("cargo::rustc-link-arg-bin={program}={list}");
        }
    }
}

/// Whether the linker driver finds the archive: then it tells a path, else the bare name.
fn has_archive() -> bool {
    let linker = env::var_os("RUSTC_LINKER").unwrap_or_else(|| "cc".into());
    let told = Command::new(linker).arg("-print-file-name=libgcc_eh.a").output();
    told.is_ok_and(|told| Path::new(String::from_utf8_lossy(&told.stdout).trim()).is_absolute())
}

/// Whether functions have the names that are listed; without optimisation there are others.
fn is_optimised() -> bool {
    env::var("OPT_LEVEL").is_ok_and(|level| level == "3")
}

/// Whether it is LLVM's or GNU's linker, which take a list; mold, gold and others do not, and are asked for by name.
fn linker_is_usual() -> bool {
    let flags = env::var("CARGO_ENCODED_RUSTFLAGS").unwrap_or_default();
    env::var_os("RUSTC_LINKER").is_none()
        && !["linker=", "fuse-ld", "ld-path"].iter().any(|asked| flags.contains(asked))
}
