//! `truceline bench curves`: how cost and memory grow with what there is.

use super::args::{Common, Curves};
use super::console::{Outcome, grouped, print};
use super::{Progress, logging};
use crate::bench::curves::{Of, Point, measure};
use crate::bench::usage;
use serde::Serialize;
use std::process::Command;
use thiserror::Error;

/// A point that could not be measured.
#[derive(Debug, Error)]
#[error("measuring {count} {}: the process ended with {status}: {said}", of.as_str())]
struct Unmeasured {
    of: Of,
    count: usize,
    status: std::process::ExitStatus,
    said: String,
}

/// All that was measured, as `--json` prints it.
#[derive(Debug, Serialize)]
struct Report {
    machine: String,
    points: Vec<Point>,
}

pub(super) fn command(args: &Curves, common: &Common) -> Outcome {
    let config = common.load()?.config;
    logging::start(&config.log, common, None)?;
    let of = args.of.as_deref().and_then(|name| Of::ALL.into_iter().find(|of| of.as_str() == name));
    if let (Some(of), Some(count)) = (of, args.count) {
        let point = measure(of, count, &config.engine)?;
        return Ok(print(&format!("{}\n", serde_json::to_string(&point)?))?);
    }
    let wanted = args.nodes.iter().map(|&count| (Of::Nodes, count));
    let wanted: Vec<(Of, usize)> = wanted.chain(args.alerts.iter().map(|&count| (Of::Alerts, count))).collect();
    let mut points = Vec::new();
    {
        let mut progress = Progress::new("measuring", common);
        for &(of, count) in &wanted {
            points.push(apart(of, count, common)?);
            progress.at(points.len() as u64, Some(wanted.len() as u64), "points", "");
        }
    }
    if args.json {
        let report = Report { machine: usage::machine(), points };
        return Ok(print(&format!("{}\n", serde_json::to_string_pretty(&report)?))?);
    }
    Ok(print(&table(&points))?)
}

/// One point, by a process of its own under the same settings.
fn apart(of: Of, count: usize, common: &Common) -> Result<Point, Box<dyn std::error::Error + Send + Sync>> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["bench", "curves", "--quiet", "--of", of.as_str(), "--count"]);
    command.arg(count.to_string());
    if let Some(config) = &common.config {
        command.arg("--config").arg(config);
    }
    command.args(common.set.iter().flat_map(|set| ["--set", set]));
    let ended = command.output()?;
    if !ended.status.success() {
        let said = String::from_utf8_lossy(&ended.stderr).trim().to_owned();
        return Err(Unmeasured { of, count, status: ended.status, said }.into());
    }
    Ok(serde_json::from_slice(&ended.stdout)?)
}

fn table(points: &[Point]) -> String {
    let mut text = format!("{:<8}{:>11}{:>14}{:>16}{:>14}\n", "of", "count", "ns each", "memory, MiB", "bytes each");
    for point in points {
        let memory = point.grown_kib.map_or_else(|| "-".to_owned(), |kib| format!("{:.1}", kib as f64 / 1024.0));
        let each = point.grown_kib.filter(|_| point.count > 0);
        let each = each.map_or_else(|| "-".to_owned(), |kib| grouped(1024 * kib / point.count as u64));
        let of = point.of.as_str();
        text += &format!("{of:<8}{:>11}{:>14.0}{memory:>16}{each:>14}\n", grouped(point.count as u64), point.each_ns);
    }
    text + "\nns each: time of the engine's thread, an observation. memory: what came into use with them, all the engine's windows included.\n"
}
