//! Asks the linker to fold functions that compile to the same code, a tenth of the command.
//!
//! Only lld does it, which Rust brings along and takes by default on x86-64 Linux; where it is not there, or the user has
//! flags of their own, which may name another linker, the command is larger and otherwise the same.

#![allow(clippy::print_stdout)] // that is how a build script answers

use std::env::var;
use std::path::Path;
use std::process::Command;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-env-changed=CARGO_ENCODED_RUSTFLAGS");
    let is_default_lld = var("TARGET").as_deref() == Ok("x86_64-unknown-linux-gnu")
        && var("CARGO_ENCODED_RUSTFLAGS").is_ok_and(|flags| flags.is_empty());
    if is_default_lld && var("PROFILE").as_deref() == Ok("release") && has_lld().unwrap_or(false) {
        println!("cargo:rustc-link-arg-bins=-Wl,--icf=all");
    }
}

/// Whether the compiler has brought lld along.
fn has_lld() -> Option<bool> {
    let output = Command::new(var("RUSTC").ok()?).args(["--print", "sysroot"]).output().ok()?;
    let root = String::from_utf8(output.stdout).ok()?;
    let folder = Path::new(root.trim()).join("lib/rustlib/x86_64-unknown-linux-gnu/bin/gcc-ld");
    Some(folder.join("ld.lld").exists())
}
