//! The report as one HTML page that needs nothing else.

use super::plot::{Bar, bars, curves, escape, short};
use super::{Latency, Report, Stage};
use serde_json::Value;
use std::fmt::Write;

const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;max-width:900px;margin:2em auto;padding:0 1em;color:#222}\
h1{font-size:1.6em}h2{font-size:1.2em;margin-top:2em}table{border-collapse:collapse;width:100%;font-size:14px}\
th,td{padding:.25em .6em;border-bottom:1px solid #ddd;text-align:right;white-space:nowrap}\
th:first-child,td:first-child{text-align:left;white-space:normal}code{background:#f4f4f4;padding:.1em .3em;overflow-wrap:anywhere}\
svg{width:100%;height:auto}svg text{font:12px system-ui,sans-serif}.note{color:#555;font-size:13px}";

/// The whole page.
pub fn page(report: &Report) -> String {
    let mut out = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>truceline bench</title>\
         <meta name=\"viewport\" content=\"width=device-width\"><style>{STYLE}</style></head><body>\n<h1>truceline bench</h1>\n"
    );
    head(&mut out, report);
    stages(&mut out, &report.stages);
    if let Some(mib) = report.peak_mib {
        let _ = writeln!(out, "<p>The whole path, exactly once, took {mib:.0} MiB of memory at most.</p>");
    }
    latencies(&mut out, &report.latencies);
    if let Some(peers) = &report.peers {
        beside(&mut out, peers);
    }
    if !report.missing.is_empty() {
        out += "<h2>Not measured</h2>\n<ul>";
        report.missing.iter().for_each(|what| out += &format!("<li>{}</li>", escape(what)));
        out += "</ul>\n";
    }
    out + "</body></html>\n"
}

fn row(out: &mut String, tag: &str, cells: &[String]) {
    let cells: String = cells.iter().map(|cell| format!("<{tag}>{cell}</{tag}>")).collect();
    let _ = writeln!(out, "<tr>{cells}</tr>");
}

fn table(out: &mut String, heads: &[&str], rows: impl Iterator<Item = Vec<String>>) {
    *out += "<table>\n";
    row(out, "th", &heads.iter().map(|head| escape(head)).collect::<Vec<String>>());
    rows.for_each(|cells| row(out, "td", &cells));
    *out += "</table>\n";
}

fn head(out: &mut String, report: &Report) {
    let Report { machine, versions, command, mix, nodes, seed, records, line_bytes, runs, embedded, .. } = report;
    let unknown = || "unknown".to_owned();
    let memory = machine.memory_mib.map_or_else(unknown, |mib| format!("{:.1} GiB", mib as f64 / 1024.0));
    let broker = if *embedded {
        "embedded, which is made for a demo and limits every figure that it is part of"
    } else {
        "as configured"
    };
    let facts = [
        ("processor", machine.processor.clone()),
        ("memory", memory),
        ("kernel", machine.kernel.clone().unwrap_or_else(unknown)),
        ("truceline", versions.truceline.clone()),
        ("compiled by", versions.compiler.clone()),
        ("librdkafka", versions.librdkafka.clone()),
        ("broker", broker.to_owned()),
        (
            "telemetry",
            format!("{mix}, {nodes} nodes, seed {seed}, {line_bytes:.0} bytes an observation, {records} in the topic"),
        ),
        ("runs", format!("{runs}; medians below")),
    ];
    *out += "<table>\n";
    for (name, value) in facts {
        let _ = writeln!(
            out,
            "<tr><td>{name}</td><td style=\"text-align:left;white-space:normal\">{}</td></tr>",
            escape(&value)
        );
    }
    let _ = writeln!(out, "</table>\n<p><code>{}</code></p>", escape(command));
}

fn stages(out: &mut String, stages: &[Stage]) {
    *out += "<h2>Stages and their roofs</h2>\n";
    let bar = |stage: &Stage| {
        let roof = stage.roof.as_ref().map(|roof| roof.per_cpu_s);
        Some(Bar {
            label: stage.name.to_owned(),
            value: stage.per_cpu_s?,
            roof,
            group: usize::from(stage.what.starts_with("roof")),
        })
    };
    *out += &bars("Observations a second of processor time", &stages.iter().filter_map(bar).collect::<Vec<Bar>>());
    *out += "<p class=\"note\">Observations a second of processor time (all threads of the process), each line ten times \
             the last; a dashed frame is the roof.</p>\n";
    let cells = |stage: &Stage| {
        let known = |value: Option<f64>, told: &dyn Fn(f64) -> String| value.map_or_else(|| "–".to_owned(), told);
        let roof = stage.roof.as_ref();
        let of = roof.map_or_else(|| "–".to_owned(), |roof| roof.of.join(" + "));
        vec![
            escape(stage.what),
            short(stage.per_s),
            known(stage.per_cpu_s, &short),
            known(stage.cpu_ns, &|ns| if ns < 10.0 { format!("{ns:.1}") } else { format!("{ns:.0}") }),
            of,
            known(roof.map(|roof| roof.share), &|share| format!("{:.0}%", 100.0 * share)),
        ]
    };
    let heads = ["stage", "observations/s", "per CPU second", "ns each", "roof", "share of it"];
    table(out, &heads, stages.iter().map(cells));
    *out += "<p class=\"note\">Several roofs together are what they allow a program that pays for each of them once. The tape is what a general \
             parser does first; a decoder that does without it can be above that roof.</p>\n";
}

fn latencies(out: &mut String, latencies: &[Latency]) {
    if latencies.is_empty() {
        return;
    }
    *out += "<h2>Latency</h2>\n";
    let name = |at: &Latency| format!("{:.0}%, {}/s", at.load_percent, short(at.asked_per_s as f64));
    let all: Vec<(String, &[(f64, f64)])> = latencies.iter().map(|at| (name(at), at.curve.as_slice())).collect();
    *out += &curves("From when the deciding observation was due to when the first word is visible", &all);
    *out += "<p class=\"note\">From when the deciding observation was due, in an open-loop schedule, to when a read_committed subscriber has \
             the first word.</p>\n";
    let rows = latencies.iter().flat_map(|at| {
        [("due → first word visible", at.due_to_visible), ("read → any word visible", at.read_to_visible)].map(
            |(what, told)| {
                let known = |ms: f64| if told.count > 0 { format!("{ms:.1}") } else { "–".to_owned() };
                let ms = [told.p50_ms, told.p90_ms, told.p99_ms, told.p999_ms, told.max_ms].map(known);
                [vec![escape(&format!("{}: {what}", name(at))), told.count.to_string()], ms.to_vec()].concat()
            },
        )
    });
    table(out, &["load, ms", "alerts", "p50", "p90", "p99", "p99.9", "max"], rows);
}

/// What `bench peers` wrote. A figure that is not there is shown as such: the file is another program's run.
fn beside(out: &mut String, peers: &Value) {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    *out += "<h2>Beside other stream processors</h2>\n";
    let _ = writeln!(
        out,
        "<p>The peers: {}. truceline: all that it does. {} observations, medians of {}; {}, truceline {}.</p>\n<p><code>{}</code></p>",
        escape(&text(&peers["job"])),
        peers["records"],
        peers["runs"],
        escape(&text(&peers["machine"])),
        escape(&text(&peers["version"])),
        escape(&text(&peers["command"]))
    );
    let rows = peers["rows"].as_array().map_or(&[][..], Vec::as_slice);
    let mut programs: Vec<&Value> = Vec::new();
    for row in rows {
        if !programs.contains(&&row["program"]) {
            programs.push(&row["program"]);
        }
    }
    let bar = |row: &Value| {
        let group = programs.iter().position(|program| **program == row["program"]).unwrap_or(0);
        let label = format!("{}, {}", text(&row["mix"]), text(&row["program"]));
        Some(Bar { label, value: row["per_cpu_s"].as_f64()?, roof: None, group })
    };
    *out += &bars("Observations a second of processor time", &rows.iter().filter_map(bar).collect::<Vec<Bar>>());
    let number = |value: &Value, told: &dyn Fn(f64) -> String| value.as_f64().map_or_else(|| "–".to_owned(), told);
    let ms = |value: &Value| number(value, &|ms| format!("{ms:.1}"));
    let cells = |row: &Value| {
        // Of no alert there is no latency.
        let seen = Some(&row["latency"]["due_to_visible"]).filter(|seen| seen["count"] != 0).unwrap_or(&Value::Null);
        vec![
            escape(&format!("{}, {}", text(&row["mix"]), text(&row["program"]))),
            number(&row["per_s"], &short),
            number(&row["per_cpu_s"], &short),
            number(&row["per_cpu_s_second_half"], &short),
            number(&row["peak_mib"], &|mib| format!("{mib:.0}")),
            number(&row["lost_share"], &|share| format!("{:.1}%", 100.0 * share)),
            number(&row["latency"]["asked_per_s"], &short),
            ms(&seen["p50_ms"]),
            ms(&seen["p99_ms"]),
        ]
    };
    let heads =
        ["telemetry, program", "per s", "per CPU s", "second half", "MiB", "lost", "latency at", "p50 ms", "p99 ms"];
    table(out, &heads, rows.iter().map(cells));
}

#[cfg(test)]
mod tests {
    use super::super::{Machine, Versions, curve, stages};
    use super::*;
    use crate::bench::Rate;
    use crate::bench::percentiles::Percentiles;
    use crate::pipeline::latency::latencies;
    use serde_json::json;

    fn report() -> Report {
        let mut histogram = latencies();
        (1..=1000u64).for_each(|us| histogram.record(us * 30).unwrap());
        let rate = |observations| vec![Rate { observations, wall_s: 1.0, cpu_s: 1.0 }];
        Report {
            machine: Machine { processor: "a <fast> one".to_owned(), memory_mib: Some(2048), kernel: None },
            versions: Versions {
                truceline: "0.1".to_owned(),
                compiler: "rustc".to_owned(),
                librdkafka: "2.12".to_owned(),
            },
            command: "truceline bench --report out".to_owned(),
            mix: "quiet".to_owned(),
            nodes: 14_000,
            seed: 1,
            records: 1000,
            line_bytes: 230.0,
            embedded: false,
            runs: 3,
            stages: stages(&[("tape", rate(4_000_000)), ("decode", rate(3_000_000)), ("copy", rate(40_000_000))]),
            peak_mib: Some(250.0),
            latencies: vec![Latency {
                load_percent: 50.0,
                asked_per_s: 1000,
                sent_per_s: 1000.0,
                due_to_visible: Percentiles::from(&histogram),
                read_to_visible: Percentiles::from(&histogram),
                curve: curve(&histogram),
            }],
            missing: vec!["consume: no broker".to_owned()],
            peers: Some(
                json!({"job": "four", "records": 1000, "runs": 1, "machine": "m", "version": "0", "command": "c", "rows": [
                {"mix": "quiet", "program": "other", "per_s": 5e4, "per_cpu_s": 2e5, "peak_mib": 500.0, "lost_share": 0.25,
                 "latency": {"asked_per_s": 100, "due_to_visible": {"p50_ms": 70.0, "p99_ms": 150.0}}},
                {"mix": "quiet", "program": "truceline", "per_s": 2e5, "per_cpu_s": 3e5}]}),
            ),
        }
    }

    #[test]
    fn the_page_shows_every_figure_and_needs_nothing_else() {
        let page = page(&report());
        for shown in [
            "a &lt;fast&gt; one",
            "2.0 GiB",
            "decode: lines to columns",
            "75%",
            "333",
            "50%, 1 k/s",
            "25.0%",
            "70.0",
            "no broker",
            "250 MiB",
        ] {
            assert!(page.contains(shown), "{shown} is not on the page");
        }
        assert_eq!(page.matches("<svg").count(), 3);
        for foreign in ["http", "src=", "<script", "<link"] {
            assert!(!page.contains(foreign), "{foreign}");
        }
    }

    #[test]
    fn every_element_is_closed() {
        let page = page(&report());
        for tag in ["table", "tr", "td", "th", "svg", "p", "h2", "ul", "li", "text", "code", "body", "html"] {
            let opened = page.matches(&format!("<{tag}>")).count() + page.matches(&format!("<{tag} ")).count();
            assert_eq!(opened, page.matches(&format!("</{tag}>")).count(), "{tag}");
        }
    }

    #[test]
    fn that_nothing_was_said_is_not_that_it_was_said_at_once() {
        let mut report = report();
        let none = Percentiles::from(&latencies());
        (report.latencies[0].due_to_visible, report.latencies[0].curve) = (none, curve(&latencies()));
        let cells = "<td>0</td><td>–</td><td>–</td>";
        assert!(page(&report).contains(cells));
        assert_eq!(report.latencies[0].curve, []);
    }

    #[test]
    fn what_is_not_there_is_left_out() {
        let report = Report {
            latencies: Vec::new(),
            peers: None,
            missing: Vec::new(),
            stages: Vec::new(),
            peak_mib: None,
            ..report()
        };
        let page = page(&report);
        assert!(!page.contains("<svg") && !page.contains("Latency") && !page.contains("Not measured"));
    }
}
