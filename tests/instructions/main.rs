//! How many instructions the hot loops take, held to what they took before: counts repeat on machines whose clocks do not.
//!
//! Each loop is run by this program in a process of its own under callgrind, which counts inside [`hot_loop_counted`] alone.
//! Counts depend on the compiler, on how hard it optimizes and on the processor's vector instructions, so `counts.json` has
//! them by all three; where it has none of a build, nothing is compared. After a change that is meant:
//!
//! `TRUCELINE_COUNTS=keep cargo test --release --test instructions`
//!
//! Without valgrind the tests are ignored; when the environment says `CI` that is a failure.

mod loops;

use libtest_mimic::{Arguments, Failed, Trial};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

/// By this share a count may be off.
const TOLERANCE: f64 = 0.03;
/// Names the loop that this process is to run.
const LOOP: &str = "TRUCELINE_HOT_LOOP";
/// Says that counts are to be kept, not compared.
const KEEP: &str = "TRUCELINE_COUNTS";

/// Counts of each loop, by build.
type Counts = BTreeMap<String, BTreeMap<String, u64>>;

/// All that is counted happens in here.
#[inline(never)]
fn hot_loop_counted(work: &mut dyn FnMut()) {
    work();
    // Nothing of it may be moved behind the end.
    std::hint::black_box(());
}

fn main() -> ExitCode {
    if let Ok(name) = std::env::var(LOOP) {
        return match loops::LOOPS.iter().find(|(of, _)| *of == name) {
            Some((_, prepare)) => {
                hot_loop_counted(&mut *prepare());
                println!("{}", vector_instructions());
                ExitCode::SUCCESS
            }
            None => ExitCode::FAILURE,
        };
    }
    let mut arguments = Arguments::from_args();
    // What is kept is one file.
    arguments.test_threads = Some(1);
    let missing = Command::new("valgrind").arg("--version").output().is_err().then_some("valgrind not found");
    if let (Some(why), Some(_), false) = (missing, std::env::var_os("CI"), arguments.list) {
        eprintln!("instructions can't be counted: {why}");
        return ExitCode::FAILURE;
    }
    let trial = |&(name, _): &(&'static str, loops::Prepare)| match missing {
        None => Trial::test(name, move || check(name)),
        Some(why) => Trial::test(name, || Err("valgrind is missing".into())).with_kind(why).with_ignored_flag(true),
    };
    libtest_mimic::run(&arguments, loops::LOOPS.iter().map(trial).collect()).exit_code()
}

/// What the kernels choose by.
fn vector_instructions() -> &'static str {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx2") {
        return "avx2";
    }
    "baseline"
}

fn check(name: &str) -> Result<(), Failed> {
    if env!("TRUCELINE_BUILD").ends_with("opt-level 0") {
        eprintln!("{name}: this build is not optimized; nothing was counted");
        return Ok(());
    }
    let (count, vectors) = count(name)?;
    let build = format!("{}, {vectors}", env!("TRUCELINE_BUILD"));
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/instructions/counts.json");
    let mut counts: Counts = serde_json::from_slice(&std::fs::read(&path)?)?;
    if std::env::var_os(KEEP).is_some_and(|value| value == "keep") {
        counts.entry(build).or_default().insert(name.to_owned(), count);
        std::fs::write(&path, format!("{}\n", serde_json::to_string_pretty(&counts)?))?;
        return Ok(());
    }
    let Some(&kept) = counts.get(&build).and_then(|counts| counts.get(name)) else {
        eprintln!("{name}: {count} instructions; none are kept of this build ({build}), so nothing was compared");
        return Ok(());
    };
    let change = count as f64 / kept as f64 - 1.0;
    if change.abs() > TOLERANCE {
        let than = if change > 0.0 { "more" } else { "fewer" };
        let percent = 100.0 * change.abs();
        return Err(format!(
            "{count} instructions, {percent:.1}% {than} than the {kept} that are kept of {build}; \
             if that is meant, keep it: {KEEP}=keep cargo test --release --test instructions"
        )
        .into());
    }
    Ok(())
}

/// Runs a loop under callgrind; gives its instructions and the vector instructions that it had.
fn count(name: &str) -> Result<(u64, String), Failed> {
    let out = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("callgrind-{name}.out"));
    let ran = Command::new("valgrind")
        .args(["--tool=callgrind", "--collect-atstart=no", "--toggle-collect=*hot_loop_counted*"])
        .arg(format!("--callgrind-out-file={}", out.display()))
        .arg(std::env::current_exe()?)
        .env(LOOP, name)
        .output()?;
    let said = String::from_utf8_lossy(&ran.stderr).into_owned();
    if !ran.status.success() {
        return Err(format!("valgrind ended with {}: {said}", ran.status).into());
    }
    let text = std::fs::read_to_string(&out)?;
    let total = text.lines().find_map(|line| line.strip_prefix("totals:").or_else(|| line.strip_prefix("summary:")));
    let count = total.and_then(|total| total.trim().parse().ok()).filter(|&count| count > 0);
    let count = count.ok_or_else(|| format!("callgrind counted nothing: {said}"))?;
    Ok((count, String::from_utf8_lossy(&ran.stdout).trim().to_owned()))
}
