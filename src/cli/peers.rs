//! `truceline bench peers`: other stream processors beside this one.

use super::args::{Common, Peers};
use super::bench::{Bar, Unwritten, write};
use super::console::{Misuse, Outcome, called, grouped, print};
use super::{Stop, logging};
use crate::bench::ground::Ground;
use crate::bench::peers::job::{CELL_DEG, Expected, NODES, WINDOW_S};
use crate::bench::peers::{Caught, Program, Start, WARM_UP};
use crate::bench::percentiles::{Percentiles, write_hgrm};
use crate::bench::report::median;
use crate::bench::{Bench, Watch, usage};
use crate::simulate::load::Mix;
use crate::simulate::node_feature;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// This program, among the others.
const OURS: &str = "truceline";
/// The same, with the peers' job alone.
const OURS_SMALL: &str = "truceline-small-job";

/// All that was measured, as `peers.json` has it.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Compared {
    pub(super) machine: String,
    pub(super) version: String,
    pub(super) command: String,
    pub(super) job: String,
    pub(super) records: u64,
    pub(super) nodes: u32,
    pub(super) seed: u64,
    pub(super) runs: u32,
    pub(super) rows: Vec<Row>,
}

/// What one program did with one kind of telemetry: medians over its runs.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Row {
    pub(super) mix: String,
    pub(super) program: String,
    /// Observations a second, and a second of processor time.
    pub(super) per_s: f64,
    pub(super) per_cpu_s: f64,
    /// The same of the second half of the backlog.
    pub(super) per_s_second_half: f64,
    pub(super) per_cpu_s_second_half: f64,
    pub(super) peak_mib: f64,
    /// Alerts said, or revisions; of those that there were, the share that was not told in the worst run.
    pub(super) said: f64,
    pub(super) lost_share: Option<f64>,
    pub(super) latency: Option<Latency>,
    /// Each run.
    pub(super) each: Vec<Value>,
}

/// Due → visible.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub(super) struct Latency {
    pub(super) asked_per_s: u64,
    pub(super) sent_per_s: f64,
    pub(super) due_to_visible: Percentiles,
}

pub(super) fn command(args: &Peers, common: &Common) -> Outcome {
    let config = common.load()?.config;
    logging::start(&config.log, common, None)?;
    let programs = programs(args, common)?;
    let stop = Stop::on_signals()?;
    let asked = || stop.is_asked();
    let mut bar = Bar::new(common);
    let mut watch = Watch { stop: &asked, on: &mut |step| bar.step(step) };
    let mut compared = Compared {
        machine: usage::machine(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        command: called(),
        job: format!("{NODES} distinct nodes in a cell of {CELL_DEG}° within {WINDOW_S} s of event time"),
        records: args.records,
        nodes: args.nodes,
        seed: args.seed,
        runs: args.runs,
        rows: Vec::new(),
    };
    for name in &args.mix {
        let mix = Mix::parse(name).ok_or_else(|| Misuse(format!("there is no mix {name:?}")))?;
        let bench = Bench {
            kafka: config.kafka.clone(),
            engine: config.engine.clone(),
            mix,
            nodes: args.nodes as usize,
            seed: args.seed,
            duration: args.duration,
            records: args.records,
            embedded: false,
        };
        compared.rows.extend(caught_up(&bench, &programs, args, &mut watch)?);
        if args.no_latency {
            continue;
        }
        for (program, row) in programs.iter().zip(compared.rows.iter_mut().rev().take(programs.len()).rev()) {
            row.latency = Some(delayed(&bench, program, row, args, &mut watch)?);
        }
    }
    drop(bar);
    write(&args.out.join("peers.json"), |file| Ok(serde_json::to_writer_pretty(file, &compared)?))?;
    let table = table(&compared);
    write(&args.out.join("peers.md"), |file| file.write_all(table.as_bytes()))?;
    print(&table)?;
    Ok(())
}

/// This one and those of the command line.
fn programs(args: &Peers, common: &Common) -> Result<Vec<Program>, Misuse> {
    let mut ours: Vec<String> = Vec::new();
    if let Some(config) = &common.config {
        ours.extend(["--config".to_owned(), config.display().to_string()]);
    }
    common.set.iter().for_each(|set| ours.extend(["--set".to_owned(), set.clone()]));
    let ours = |name: &str, is_small| Program {
        name: name.to_owned(),
        start: Start::Ours { arguments: ours.clone(), is_small },
    };
    let mut programs = vec![ours(OURS, false), ours(OURS_SMALL, true)];
    for given in &args.peer {
        let split = given.split_once('=').map(|(name, line)| (name.trim(), line.trim()));
        let Some((name, line)) = split.filter(|(name, line)| is_plain(name) && !line.is_empty()) else {
            return Err(Misuse(format!(
                "--peer is {given:?}; expected NAME=COMMAND, the name of letters, digits and hyphens"
            )));
        };
        if programs.iter().any(|program| program.name == name) {
            return Err(Misuse(format!("--peer names {name:?} twice; expected another name")));
        }
        programs.push(Program { name: name.to_owned(), start: Start::Peer(line.to_owned()) });
    }
    Ok(programs)
}

/// Whether a name can be part of a topic's.
fn is_plain(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
}

/// A directory for the peers' files, gone with it.
struct Scratch(PathBuf);

impl Scratch {
    fn new(ground: &Ground) -> Result<Scratch, Unwritten> {
        let scratch = Scratch(std::env::temp_dir().join(ground.settings("scratch").group));
        let features: Vec<Value> = ground.nodes().iter().map(node_feature).collect();
        let text = json!({ "type": "FeatureCollection", "features": features }).to_string();
        write(&scratch.0.join("sensors.geojson"), |file| file.write_all(text.as_bytes()))?;
        Ok(scratch)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            tracing::warn!("{} is left behind: {error}", self.0.display());
        }
    }
}

/// All programs on one topic, in turn, as often as asked for.
fn caught_up(
    bench: &Bench,
    programs: &[Program],
    args: &Peers,
    watch: &mut Watch<'_>,
) -> Result<Vec<Row>, Box<dyn std::error::Error + Send + Sync>> {
    let mut ground = Ground::open(bench)?;
    let scratch = Scratch::new(&ground)?;
    let mut expected = Expected::new(ground.nodes());
    ground.fill_seen(args.records, watch, &mut |line| expected.see(line))?;
    let mut each: Vec<Vec<Caught>> = programs.iter().map(|_| Vec::new()).collect();
    for turn in 0..args.runs as usize {
        for (program, each) in programs.iter().zip(&mut each) {
            each.push(bench.catch_up(&ground, program, turn, (args.records, &expected), &scratch.0, watch)?);
            if let Some(caught) = each.last() {
                tell(bench, program, caught);
            }
        }
    }
    Ok(programs.iter().zip(&each).map(|(program, each)| row(bench.mix, &program.name, each)).collect())
}

fn tell(bench: &Bench, program: &Program, caught: &Caught) {
    tracing::info!(
        mix = bench.mix.as_str(),
        program = program.name,
        per_s = caught.rate.per_s() as u64,
        per_cpu_s = caught.rate.per_cpu_s().unwrap_or(0.0) as u64,
        said = caught.said,
        "caught up"
    );
}

fn row(mix: Mix, program: &str, each: &[Caught]) -> Row {
    let of = |value: &dyn Fn(&Caught) -> f64| median(each.iter().map(value).collect()).unwrap_or(f64::NAN);
    let lost =
        |caught: &Caught| caught.account.map(|account| 1.0 - account.told as f64 / account.expected.max(1) as f64);
    Row {
        mix: mix.as_str().to_owned(),
        program: program.to_owned(),
        per_s: of(&|caught| caught.rate.per_s()),
        per_cpu_s: of(&|caught| caught.rate.per_cpu_s().unwrap_or(0.0)),
        per_s_second_half: of(&|caught| caught.second_half.per_s()),
        per_cpu_s_second_half: of(&|caught| caught.second_half.per_cpu_s().unwrap_or(0.0)),
        peak_mib: of(&|caught| caught.peak_kib.unwrap_or(0) as f64 / 1024.0),
        said: of(&|caught| caught.said as f64),
        lost_share: each.iter().filter_map(lost).reduce(f64::max),
        latency: None,
        each: each.iter().map(|caught| json!(caught)).collect(),
    }
}

fn delayed(
    bench: &Bench,
    program: &Program,
    row: &Row,
    args: &Peers,
    watch: &mut Watch<'_>,
) -> Result<Latency, Box<dyn std::error::Error + Send + Sync>> {
    let rate = args.rate.unwrap_or((row.per_s / 2.0) as u64).max(1);
    let mut ground = Ground::open(bench)?;
    let scratch = Scratch::new(&ground)?;
    let delay = bench.delay(&mut ground, program, rate, &scratch.0, watch)?;
    let path = args.out.join(format!("{}-{}.hgrm", row.mix, row.program));
    write(&path, |file| write_hgrm(&delay.due_to_visible_us, file))?;
    Ok(Latency {
        asked_per_s: delay.asked_per_s,
        sent_per_s: delay.sent_per_s,
        due_to_visible: Percentiles::from(&delay.due_to_visible_us),
    })
}

/// The figures as Markdown.
pub(super) fn table(compared: &Compared) -> String {
    let Compared { machine, version, records, nodes, seed, runs, job, .. } = compared;
    let (records, nodes) = (grouped(*records), grouped(u64::from(*nodes)));
    let mut text = format!(
        "{machine}; truceline {version}; {records} observations of {nodes} nodes, seed {seed}; medians of {runs}. The peers: {job}. \
         truceline: all that it does.\n\n\
         | mix | program | observations/s | per CPU second | — second half | peak memory | alerts | lost | \
         latency at | p50 | p99 | p99.9 |\n|---|---|---|---|---|---|---|---|---|---|---|---|\n"
    );
    for row in &compared.rows {
        let whole = |value: f64| grouped(value as u64);
        let lost = row.lost_share.map_or_else(|| "–".to_owned(), |share| format!("{:.2}%", 100.0 * share));
        text += &format!(
            "| {} | {} | {} | {} | {} | {} MiB | {} | {lost} |",
            row.mix,
            row.program,
            whole(row.per_s),
            whole(row.per_cpu_s),
            whole(row.per_cpu_s_second_half),
            whole(row.peak_mib),
            whole(row.said)
        );
        text += &match row.latency {
            Some(Latency { asked_per_s, due_to_visible: seen, .. }) if seen.count == 0 => {
                format!(" {}/s | no alert | – | – |\n", grouped(asked_per_s))
            }
            Some(Latency { asked_per_s, due_to_visible: seen, .. }) => format!(
                " {}/s | {:.1} ms | {:.1} ms | {:.1} ms |\n",
                grouped(asked_per_s),
                seen.p50_ms,
                seen.p99_ms,
                seen.p999_ms
            ),
            None => " – | – | – | – |\n".to_owned(),
        };
    }
    text + &format!(
        "\nLatency: from when the deciding observation was due to when a read_committed subscriber has the alert, the first {} s left out.\n",
        WARM_UP.as_secs()
    )
}

/// The figures of a comparison that was made before.
pub(super) fn read(path: &Path) -> Result<Compared, Misuse> {
    let text =
        std::fs::read_to_string(path).map_err(|error| Misuse(format!("cannot read {}: {error}", path.display())))?;
    serde_json::from_str(&text)
        .map_err(|error| Misuse(format!("{} is not what `truceline bench peers` writes: {error}", path.display())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::Rate;
    use crate::bench::peers::job::Account;

    #[test]
    fn peers_need_a_name_of_their_own_and_a_command() {
        let named = |peer: &[&str]| {
            let peer = peer.iter().map(|&peer| peer.to_owned()).collect();
            let args = Peers { peer, ..arguments() };
            programs(&args, &Common::default()).map(|programs| programs.len())
        };
        assert_eq!(named(&["a=./a --fast", "b=b x=y"]).unwrap(), 4);
        for wrong in [&["a"][..], &["=x"], &["a="], &["a b=x"], &["a=x", "a=y"], &["truceline=x"]] {
            assert!(named(wrong).is_err(), "{wrong:?}");
        }
    }

    fn arguments() -> Peers {
        Peers {
            peer: Vec::new(),
            mix: vec!["quiet".to_owned()],
            records: 1000,
            runs: 1,
            duration: std::time::Duration::from_secs(1),
            rate: None,
            no_latency: true,
            nodes: 100,
            seed: 1,
            out: PathBuf::new(),
        }
    }

    #[test]
    fn a_row_has_medians_and_the_worst_loss_and_comes_back_from_its_file() {
        let caught = |wall_s: f64, told| Caught {
            rate: Rate { observations: 1000, wall_s, cpu_s: 2.0 },
            second_half: Rate { observations: 500, wall_s, cpu_s: 0.5 },
            peak_kib: Some(2048),
            said: told,
            dropped: 0,
            account: Some(Account { expected: 100, told, repeated: 0, unfounded: 0 }),
        };
        let row = row(Mix::Quiet, "other", &[caught(1.0, 100), caught(4.0, 75), caught(2.0, 100)]);
        assert_eq!((row.per_s, row.per_cpu_s, row.per_cpu_s_second_half), (500.0, 500.0, 1000.0));
        assert_eq!((row.peak_mib, row.said, row.lost_share), (2.0, 100.0, Some(0.25)));
        let compared = Compared {
            machine: "m".to_owned(),
            version: "1".to_owned(),
            command: "c".to_owned(),
            job: "j".to_owned(),
            records: 1000,
            nodes: 5,
            seed: 1,
            runs: 3,
            rows: vec![row],
        };
        let again: Compared = serde_json::from_str(&serde_json::to_string(&compared).unwrap()).unwrap();
        assert_eq!(table(&again), table(&compared));
        assert!(table(&again).contains("| quiet | other | 500 | 500 | 1,000 | 2 MiB | 100 | 25.00% | – |"));
        assert_eq!(median(vec![1.0, 2.0]), Some(1.5));

        // That nothing was said is not that it was said at once.
        let mut silent = again;
        let none = Percentiles::from(&crate::pipeline::latency::latencies());
        silent.rows[0].latency = Some(Latency { asked_per_s: 7, sent_per_s: 7.0, due_to_visible: none });
        assert!(table(&silent).contains("| 7/s | no alert | – | – |"));
    }
}
