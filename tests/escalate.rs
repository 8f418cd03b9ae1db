//! The scenario `escalate` from files to files: what is told of it, that it is told of that sector alone, that it is a function
//! of what came and not of the order, and that alerts are the same without it.

use std::path::Path;
use truceline::engine::settings::Settings;
use truceline::model::escalation::{Escalation, Modality};
use truceline::model::review::Review;
use truceline::pipeline::reference::ReferenceFiles;
use truceline::pipeline::replay::Replay;
use truceline::report::ReportSettings;
use truceline::simulate::escalate::STRUCK;
use truceline::simulate::{self, Options, Scenario, Simulation};

const SEED: u64 = 24;

fn replay(simulation: &Simulation, dir: &Path, on: bool) -> Vec<Escalation> {
    simulate::write(simulation, dir).expect("written");
    let mut settings = Settings::default();
    settings.escalation.on = on;
    settings.escalation.least_history_h = 4.0;
    let replay = Replay {
        telemetry: vec![dir.join("telemetry.ndjson")],
        reference: ReferenceFiles {
            sensors: Some(dir.join("sensors.geojson")),
            areas: Some(dir.join("areas.geojson")),
            ..ReferenceFiles::default()
        },
        learnt: None,
        out: dir.join("out"),
        config_digest: settings.digest(),
        settings,
        review: Review::default(),
        archive: None,
        report: ReportSettings::default(),
    };
    let summary = replay.run(&mut |_| {}).expect("replayed");
    let text = std::fs::read_to_string(dir.join("out/escalations.ndjson")).expect("escalations");
    let told: Vec<Escalation> = text.lines().map(|line| serde_json::from_str(line).expect("an escalation")).collect();
    assert_eq!(summary.escalations, told.len() as u64);
    told
}

#[test]
fn three_times_the_fire_in_one_sector_is_told_of_that_sector() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut simulation = simulate::simulate(Scenario::Escalate, SEED, &Options::default());
    let onset_ns = simulation.chapters[0].time_ns;
    let told = replay(&simulation, &dir.path().join("a"), true);
    let levels: Vec<(&str, u8, f64)> =
        told.iter().map(|it| (it.sector.as_str(), it.level, (it.raised_at.0 - onset_ns) as f64 / 60e9)).collect();
    assert!(
        told.iter().filter(|it| it.level >= 2).all(|it| it.sector == STRUCK && it.raised_at.0 > onset_ns),
        "{levels:?}"
    );
    let first = |level: u8| told.iter().find(|it| it.level >= level);
    let (second, third) = (first(2).expect("level 2"), first(3).expect("level 3"));
    assert!(second.raised_at.0 - onset_ns <= 90 * 60_000_000_000, "{levels:?}");
    assert!(third.modalities.contains(&Modality::Fire) && third.modalities.len() >= 2, "{third:?}");
    assert!(second.rate_per_hour > 1.8 * second.expected_per_hour && !second.alerts.is_empty(), "{second:?}");
    assert!(third.reasons.len() >= 2, "{third:?}");

    // No alert hangs on it.
    assert!(replay(&simulation, &dir.path().join("off"), false).is_empty());
    let bytes = |run: &str, file: &str| std::fs::read(dir.path().join(run).join("out").join(file)).expect("a file");
    for file in ["alerts.ndjson", "reports.ndjson", "rejected.ndjson"] {
        assert!(bytes("a", file) == bytes("off", file), "{file}");
    }
    assert!(bytes("a", "alerts.ndjson").len() > 100_000);

    // Lines that come within the bound may change places.
    simulation.deliveries.reverse();
    simulation.deliveries.sort_by_key(|delivery| delivery.deliver_ns / 8_000_000_000);
    assert_eq!(replay(&simulation, &dir.path().join("b"), true), told, "seed {SEED}");
}
