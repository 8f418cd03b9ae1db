//! Notes what compiles the program and how hard, as `TRUCELINE_BUILD`: figures mean little without it. And what a checkpoint is
//! made of, as `TRUCELINE_STATE`: the sources of all that is in one, so that no build takes up what another means by the
//! same bytes.

use std::path::Path;
use std::process::Command;

/// Where the types stand that a checkpoint holds, and which crates write them down.
const STATE: [&str; 4] = ["src/engine", "src/model", "src/pipeline", "Cargo.lock"];

fn main() {
    let variable = |name: &str| std::env::var(name).unwrap_or_default();
    let said = Command::new(variable("RUSTC")).arg("--version").output();
    let version = said.ok().and_then(|said| String::from_utf8(said.stdout).ok()).unwrap_or_default();
    let version = if version.trim().is_empty() { "rustc of unknown version" } else { version.trim() };
    println!("cargo:rustc-env=TRUCELINE_BUILD={version}, {}, opt-level {}", variable("TARGET"), variable("OPT_LEVEL"));
    let mut digest = FNV_OFFSET;
    for source in STATE {
        println!("cargo:rerun-if-changed={source}");
        add(Path::new(source), &mut digest);
    }
    println!("cargo:rustc-env=TRUCELINE_STATE={digest:016x}");
    println!("cargo:rerun-if-changed=build.rs");
}

/// FNV-1a, 64 bits.
const FNV_OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const FNV_PRIME: u64 = 0x0000_0100_0000_01b3;

/// Adds what is in a file, or in all files of a directory in the order of their names.
fn add(path: &Path, digest: &mut u64) {
    match std::fs::read_dir(path) {
        Ok(entries) => {
            let mut paths: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
            paths.sort();
            paths.iter().for_each(|path| add(path, digest));
        }
        Err(_) => {
            for byte in std::fs::read(path).unwrap_or_default() {
                *digest = (*digest ^ u64::from(byte)).wrapping_mul(FNV_PRIME);
            }
        }
    }
}
