//! Rounds of one salvo that a radar follows: each has the radar's word about itself, and none about another.

use super::late_radar::{impact, with_radar};
use super::scene::{self, Pick, Scene, put};
use super::*;
use crate::model::alert::AlertFeature;

/// Last words about rounds that come down 2 s and some 60 m apart; the radar solves those that are named, in that order.
fn words(rounds: u32, solved: &[u32]) -> Vec<AlertFeature> {
    let scene = Scene::square();
    let (registry, radar) = with_radar(&scene);
    let frame = Frame::about(scene.centre);
    let of = |round: u32| {
        (1_000.0 + 40.0 * f64::from(round), 500.0 - 45.0 * f64::from(round), 20.0 + 2.0 * f64::from(round))
    };
    let shots: Vec<Pick> = (0..rounds).map(of).flat_map(|(x_m, y_m, at_s)| scene.shot(x_m, y_m, at_s)).collect();
    let mut lines: Vec<(f64, u32, Option<Pick>)> = shots.into_iter().map(|pick| (pick.at_s, 0, Some(pick))).collect();
    // A word of the radar comes seconds after the round.
    lines.extend(solved.iter().map(|&round| (of(round).2 + 4.0, round, None)));
    lines.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (mut engine, mut out) = (engine(), Output::default());
    for (offset, (at_s, round, pick)) in (0..).zip(&lines) {
        let mut batch = Observations::default();
        match pick {
            Some(pick) => scene::push(&mut batch, offset, pick),
            None => {
                let (x_m, y_m, fell_s) = of(*round);
                // Half a sigma late and off.
                let fell_ns = START_NS + ns_from_s(fell_s + 0.25);
                let detail = impact(&mut batch, frame.to_place(x_m + 20.0, y_m - 20.0), fell_ns);
                put(
                    &mut batch,
                    offset,
                    (radar, Kind::Radar, detail),
                    START_NS + ns_from_s(*at_s),
                    &format!("wlr-{round}"),
                );
            }
        }
        engine.ingest(&batch, &registry, &mut out);
    }
    engine.finish(&registry, &mut out);
    let mut last = BTreeMap::new();
    for said in out.said {
        last.insert(said.feature.properties.alert.clone(), said.into_feature());
    }
    last.into_values().filter(|alert| alert.properties.status != Status::Retracted).collect()
}

/// Of each alert, which round it is and of which rounds the radar's words are that it cites.
fn cited(words: &[AlertFeature]) -> BTreeMap<u32, Vec<String>> {
    let round =
        |alert: &AlertFeature| (((alert.properties.time.0 - START_NS) as f64 * 1e-9 - 20.0) / 2.0).round() as u32;
    let told = |alert: &AlertFeature| {
        let plots = alert.properties.evidence.iter().filter(|evidence| evidence.kind == Kind::Radar);
        plots.map(|evidence| evidence.id.clone()).collect()
    };
    words.iter().map(|alert| (round(alert), told(alert))).collect()
}

#[test]
fn each_round_has_the_word_about_itself() {
    let words = words(5, &[0, 1, 2, 3, 4]);
    let expected: BTreeMap<u32, Vec<String>> = (0..5).map(|round| (round, vec![format!("wlr-{round}")])).collect();
    assert_eq!((words.len(), cited(&words)), (5, expected));
}

#[test]
fn a_round_that_the_radar_missed_does_not_rob_the_next() {
    let words = words(4, &[1, 3]);
    let cited = cited(&words);
    assert_eq!(words.len(), 4);
    assert_eq!((&cited[&1], &cited[&3]), (&vec!["wlr-1".to_owned()], &vec!["wlr-3".to_owned()]), "{cited:?}");
    assert!(cited[&0].is_empty() && cited[&2].is_empty(), "{cited:?}");
}
