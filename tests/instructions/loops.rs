//! The hot loops, each on a scene that is always the same. What is prepared is not counted.

use truceline::bench::associate::{Ground, Stream};
use truceline::codec::{DecodeOptions, Decoder, Lines, RecordAt};
use truceline::engine::associate::kernel::{Columns, Ear, Isa, Seed, Wind, gains, silence};
use truceline::engine::places::Places;
use truceline::engine::settings::Settings;
use truceline::engine::{Engine, Output};
use truceline::model::node::Registry;
use truceline::model::observation::Observations;
use truceline::simulate::DEFAULT_START_NS;
use truceline::simulate::load::{Load, Mix};

/// Makes the scene, and gives what is to be counted.
pub type Prepare = fn() -> Box<dyn FnMut()>;

/// Each by its name.
pub const LOOPS: [(&str, Prepare); 5] =
    [("decode", decode), ("rules", rules), ("window", window), ("kernel", kernel), ("settle", settle)];

const NODES: usize = 1_000;
const BATCH: usize = 1_024;
/// Lines of telemetry of the load.
const LINES: usize = 24_576;

/// The load's lines, end to end, and its source.
fn load(mix: Mix) -> (Load, Vec<Vec<u8>>) {
    let lines_a_s = NODES as f64 / 30.0 / mix.heartbeat_share();
    let mut load = Load::new(mix, 7, NODES, DEFAULT_START_NS, lines_a_s);
    let line = |_| {
        let mut line = Vec::new();
        load.line(&mut line);
        line
    };
    let lines = (0..LINES).map(line).collect();
    (load, lines)
}

/// Lines to columns, by a decoder that has seen such before.
fn decode() -> Box<dyn FnMut()> {
    let (load, lines) = load(Mix::Mixed);
    let mut registry = Registry::new(load.nodes().to_vec());
    let (mut decoder, mut out) = (Decoder::new(DecodeOptions { keep_raw: true }), Lines::default());
    let mut work = move || {
        for batch in lines.chunks(BATCH) {
            out.clear();
            for (line, offset) in batch.iter().zip(0..) {
                decoder.record(line, RecordAt { topic: 0, partition: 0, offset }, &mut registry, &mut out);
            }
            assert!(out.rejected.is_empty() && out.observations.len() == batch.len());
        }
    };
    work();
    Box::new(work)
}

/// Windows and rules, without fire.
fn rules() -> Box<dyn FnMut()> {
    engine(Mix::Quiet, false)
}

/// The same with fire, and one line in twenty an arrival: routed to its regions, into their windows, looked at for a first word.
fn window() -> Box<dyn FnMut()> {
    engine(Mix::Quiet, true)
}

fn engine(mix: Mix, fire: bool) -> Box<dyn FnMut()> {
    let (load, lines) = load(mix);
    let mut registry = Registry::new(load.nodes().to_vec());
    let (mut decoder, mut out) = (Decoder::new(DecodeOptions { keep_raw: true }), Lines::default());
    let mut batches: Vec<Observations> = Vec::new();
    for batch in lines.chunks(BATCH) {
        for (line, offset) in batch.iter().zip(0..) {
            decoder.record(line, RecordAt { topic: 0, partition: 0, offset }, &mut registry, &mut out);
        }
        batches.push(std::mem::take(&mut out.observations));
    }
    let mut settings = Settings::default();
    settings.fire.on = fire;
    let places = Places::new(load.areas(), Vec::new());
    let mut engine = Engine::new(settings, String::new(), vec!["telemetry.sensors".to_owned()], places);
    let mut output = Output::default();
    Box::new(move || {
        for batch in &batches {
            engine.ingest(batch, &registry, &mut output);
            output.clear();
        }
        assert_eq!(engine.counts().accepted, LINES as u64);
    })
}

/// The search's inner loop: forty sites with three arrivals each and twenty that are silent, from many places.
fn kernel() -> Box<dyn FnMut()> {
    let ear = |at: usize| Ear {
        x_m: 1_500.0 * (at % 8) as f32,
        y_m: 1_700.0 * (at / 8) as f32,
        slowness_s_m: 1.0 / 340.0,
        far_slowness_s_m: 1.0 / 340.0,
        far_s: truceline::engine::associate::kernel::NEVER_S,
        range_m: 12_000.0,
        fall: 2.0,
        missed: [-2.3, -1.2, -0.4],
    };
    let mut columns = Columns::default();
    for site in 0..40 {
        columns.site(&ear(site));
        (0..3).for_each(|nth| columns.arrival(10.0 + 3.0 * nth as f32 + 0.1 * site as f32, 5.0, 4.0));
    }
    (40..60).for_each(|site| columns.quiet(&ear(site)));
    let (isa, wind) = (Isa::best(), Wind::default());
    Box::new(move || {
        let mut sum = 0.0;
        for at in 0..40_000 {
            let (x_m, y_m) = (60.0 * (at % 200) as f32, 60.0 * (at / 200) as f32);
            let seed = Seed { x_m, y_m, time_s: 0.0, slack_s: 0.5 };
            sum += gains(isa, &columns, seed, wind).0 + silence(isa, &columns, seed);
        }
        assert!(std::hint::black_box(sum).is_finite());
    })
}

/// Half a minute of a barrage, from decoded columns to the last word about each of its events.
fn settle() -> Box<dyn FnMut()> {
    let stream = Stream::decode(Ground::Guns.scene(0.8, 24, 61));
    let settings = Settings::default();
    Box::new(move || {
        let pass = stream.pass(&settings);
        assert!(!pass.alerts.is_empty());
    })
}
