//! Notes what compiles the program and how hard, as `TRUCELINE_BUILD`: figures mean little without it.

use std::process::Command;

fn main() {
    let variable = |name: &str| std::env::var(name).unwrap_or_default();
    let said = Command::new(variable("RUSTC")).arg("--version").output();
    let version = said.ok().and_then(|said| String::from_utf8(said.stdout).ok()).unwrap_or_default();
    let version = if version.trim().is_empty() { "rustc of unknown version" } else { version.trim() };
    println!("cargo:rustc-env=TRUCELINE_BUILD={version}, {}, opt-level {}", variable("TARGET"), variable("OPT_LEVEL"));
    println!("cargo:rerun-if-changed=build.rs");
}
