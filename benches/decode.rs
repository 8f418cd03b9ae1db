//! Observations a second of the decoder, beside the roofs it works under: the parser's tape alone, and a tree.

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use serde_json::{Value, json};
use simd_json::{Buffers, INPUT_PADDING, Tape, fill_tape_padded};
use std::hint::black_box;
use truceline::codec::{DecodeOptions, Decoder, Lines, RecordAt};
use truceline::model::node::{Node, Registry};

const LINES: usize = 1024;

/// Lines as gateways send them: mostly arrivals, then plots, heartbeats and patrols' reports.
fn lines() -> Vec<String> {
    (0..LINES)
        .map(|at| {
            let mut line = json!({
                "id": format!("{:08x}", at * 2_654_435_761), "node": format!("node-{:04}", at % 500),
                "time": format!("2025-11-22T13:{:02}:{:02}.{:09}Z", at / 60 % 60, at % 60, at * 971_123 % 1_000_000_000),
            });
            let angle = (at * 37 % 3600) as f64 / 10.0;
            let own = match at % 8 {
                0..4 => json!({"kind": "acoustic", "time_sd_s": 0.02, "amplitude_pa": 0.5 + angle / 100.0,
                    "snr_db": 17.25, "azimuth_deg": angle, "azimuth_sd_deg": 2.5, "class": "impact"}),
                4 => json!({"kind": "seismic", "phase": "P", "amplitude_m_s": 2.1e-6, "snr_db": 11.5, "time_sd_s": 0.05}),
                5 => json!({"kind": "track", "track": format!("T{at}"), "domain": "uav", "speed_m_s": 27.5,
                    "course_deg": angle, "object_lon": 31.602_11 + angle / 1e4, "object_lat": 46.930_05,
                    "object_alt_m": 420, "object_sd_m": 35, "object_class": "fixed wing"}),
                6 => json!({"kind": "status", "health": "ok", "clock_sd_s": 0.0002, "temperature_c": -3.5,
                    "wind_speed_m_s": 4.2, "wind_from_deg": angle, "noise_db": 41}),
                _ => json!({"kind": "patrol", "activity": "heard", "lon": 31.500_12, "lat": 46.905_55,
                    "azimuth_deg": angle, "distance_m": 2500, "count": 3, "text": "three \"loud\" detonations"}),
            };
            let (Value::Object(line), Value::Object(own)) = (&mut line, own) else { unreachable!() };
            line.extend(own);
            serde_json::to_string(line).unwrap()
        })
        .collect()
}

fn registry() -> Registry {
    Registry::new((0..500).map(|at| Node { registered: true, ..Node::unregistered(&format!("node-{at:04}")) }))
}

fn decode(criterion: &mut Criterion) {
    let lines = lines();
    let bytes: usize = lines.iter().map(String::len).sum();
    eprintln!("{LINES} lines of {} bytes on average", bytes / LINES);
    let at = RecordAt { topic: 0, partition: 0, offset: 0 };
    let mut group = criterion.benchmark_group("decode");
    group.throughput(Throughput::Elements(LINES as u64));

    let (mut registry, mut out) = (registry(), Lines::default());
    for (name, keep_raw) in [("one object a record", false), ("one object a record, raw kept", true)] {
        let mut decoder = Decoder::new(DecodeOptions { keep_raw });
        group.bench_function(name, |bench| {
            bench.iter(|| {
                out.clear();
                for line in &lines {
                    decoder.record(line.as_bytes(), at, &mut registry, &mut out);
                }
                assert_eq!(out.observations.len(), LINES);
                black_box(&out);
            });
        });
    }
    let batches: Vec<String> = lines.chunks(64).map(|chunk| chunk.join("\n")).collect();
    let mut decoder = Decoder::new(DecodeOptions::default());
    group.bench_function("64 objects a record", |bench| {
        bench.iter(|| {
            out.clear();
            for batch in &batches {
                decoder.record(batch.as_bytes(), at, &mut registry, &mut out);
            }
            assert_eq!(out.observations.len(), LINES);
            black_box(&out);
        });
    });
    group.bench_function("roof: tape alone", |bench| {
        let (mut buffers, mut scratch) = (Buffers::new(4096), Vec::new());
        let mut kept: Tape<'static> = Tape(Vec::new());
        bench.iter(|| {
            for line in &lines {
                scratch.clear();
                scratch.extend_from_slice(line.as_bytes());
                scratch.resize(line.len() + INPUT_PADDING, b' ');
                let mut tape: Tape<'_> = std::mem::replace(&mut kept, Tape(Vec::new()));
                fill_tape_padded(&mut scratch, line.len(), &mut buffers, &mut tape).unwrap();
                black_box(&tape);
                kept = tape.reset();
            }
        });
    });
    group.bench_function("roof: serde_json tree", |bench| {
        bench.iter_batched(
            || (),
            |()| {
                for line in &lines {
                    black_box(serde_json::from_str::<Value>(line).unwrap());
                }
            },
            BatchSize::SmallInput,
        );
    });
    group.finish();
}

criterion_group!(benches, decode);
criterion_main!(benches);
