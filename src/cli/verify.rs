//! `truceline verify`: is every row of an archive there, once?

use super::args::{Common, Verify};
use super::console::{Outcome, grouped, print};
use super::logging;
use crate::archive::{Report, verify};
use std::fmt::Write;
use thiserror::Error;

/// An archive that is not whole.
#[derive(Debug, Error)]
#[error("the archive {root} has {faults} {}", if *.faults == 1 { "fault" } else { "faults" })]
struct NotWhole {
    root: String,
    faults: u64,
}

/// A directory that cannot be read. One that is not there holds no fault, and is yet not what was meant.
#[derive(Debug, Error)]
#[error("cannot read the archive {root}")]
struct Unread {
    root: String,
    source: std::io::Error,
}

pub(super) fn command(args: &Verify, common: &Common) -> Outcome {
    let config = common.load()?.config;
    logging::start(&config.log, common, None)?;
    let unread = |source| Unread { root: args.root.display().to_string(), source };
    std::fs::read_dir(&args.root).map_err(unread)?;
    let report = verify(&args.root)?;
    if !common.quiet || !report.is_whole() {
        print(&text(&report))?;
    }
    if !report.is_whole() {
        return Err(NotWhole { root: args.root.display().to_string(), faults: report.fault_count }.into());
    }
    Ok(())
}

fn text(report: &Report) -> String {
    let mut text = format!("{} commits\n", grouped(report.commits));
    for (table, held) in &report.tables {
        let _ = writeln!(
            text,
            "{}: {} rows in {} files, {} bytes",
            table.as_str(),
            grouped(held.rows),
            grouped(held.files),
            grouped(held.bytes)
        );
    }
    for path in &report.unlisted {
        let _ = writeln!(text, "{path} belongs to no commit: a crash left it, or a writer is at work");
    }
    for fault in &report.faults {
        let _ = writeln!(text, "{fault}");
    }
    let untold = report.fault_count.saturating_sub(report.faults.len() as u64);
    if untold > 0 {
        let _ = writeln!(text, "and {} more faults", grouped(untold));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_beyond_those_told_are_counted() {
        let report = Report { faults: vec!["a is missing".to_owned()], fault_count: 1_200, ..Report::default() };
        assert_eq!(text(&report), "0 commits\na is missing\nand 1,199 more faults\n");
    }
}
