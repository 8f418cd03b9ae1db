use super::super::harness::*;
use super::*;
use crate::codec::daily::daily_json;
use crate::codec::reference::from_collection;
use crate::model::alert::{Alert, Class, Status};
use crate::model::daily::DailyReport;
use crate::model::decision::Verdict;
use crate::model::geo::Ellipse;
use crate::report::{Desk, ReportSettings};

/// A day with something of everything.
fn day() -> Vec<AlertFeature> {
    let fire = |id: &str, class, hours: f64, probability: f64| {
        let ellipse = Some(Ellipse { semi_major_m: 41.0, semi_minor_m: 17.0, orientation_deg: 30.0 });
        let term = crate::model::alert::Term::of(probability);
        let sectors = vec!["north".to_owned()];
        Alert { ellipse, probability, term, sectors, time_sd_s: 0.1, ..alert(id, class, hours) }
    };
    let breach = |alert: Alert| Alert { violation: true, areas: vec!["zone-1".to_owned()], severity: 4, ..alert };
    let reviewed = |alert: Alert, verdict| Alert { review: decided(&alert, verdict), revision: 2, ..alert };
    let impact = breach(fire("A-01", Class::FireImpact, 5.5, 0.999));
    let salvo = breach(Alert { count: 4, count_is_minimum: true, ..fire("A-02", Class::FireImpact, 5.6, 0.9) });
    let outgoing = fire("A-03", Class::FireOutgoing, 5.49, 0.97);
    let training = Alert { notice: Some("range-7".to_owned()), ..fire("A-04", Class::FireExplosion, 9.0, 0.99) };
    let shot = fire("A-05", Class::FireShot, 11.0, 0.5);
    let denied = Alert { violation: true, ..fire("A-06", Class::RestrictionDenied, 12.0, 0.99) };
    let doubted = reviewed(fire("A-07", Class::FireBurst, 13.0, 0.8), Verdict::Dismissed);
    let decided = reviewed(breach(fire("A-08", Class::FireImpact, 14.0, 0.98)), Verdict::Attributed);
    let rumour = fire("A-09", Class::FireExplosion, 15.0, 0.2);
    let taken_back = Alert { status: Status::Retracted, revision: 3, ..fire("A-10", Class::FireImpact, 16.0, 0.0) };
    let weapons = breach(Alert { count: 3, ..fire("A-11", Class::IncursionWeapons, 17.0, 0.95) });
    let silent = Alert { sectors: vec!["north".to_owned()], ..silence("A-12", "mic-7", 20.0, None) };
    let before = breach(fire("A-13", Class::FireImpact, -20.0, 0.97));
    let south = Alert { revision: 2, sectors: vec!["south".to_owned()], ..fire("A-14", Class::FireShot, 3.0, 0.97) };
    let after = Alert { sectors: vec!["south".to_owned()], ..fire("A-15", Class::FireShot, 25.0, 0.97) };
    let all = [
        impact, salvo, outgoing, training, shot, denied, doubted, decided, rumour, taken_back, weapons, silent, before,
        south, after,
    ];
    let place = |(at, alert)| feature(alert, 31.4 + 0.01 * f64::from(at), 46.9 + 0.004 * f64::from(at % 5));
    (0u8..).zip(all).map(|(at, alert)| place((at, alert))).collect()
}

fn areas() -> Vec<Area> {
    let ring = "[[31.40,46.88],[31.47,46.88],[31.47,46.92],[31.40,46.92],[31.40,46.88]]";
    let text = format!(
        r#"{{"type":"FeatureCollection","features":[
        {{"type":"Feature","geometry":{{"type":"Polygon","coordinates":[{ring}]}},
          "properties":{{"area":"zone-1","name":"Zone <1>","type":"disengagement","prohibits":["fire"],"sector":"north"}}}},
        {{"type":"Feature","geometry":{{"type":"LineString","coordinates":[[31.38,46.9],[31.6,46.93]]}},
          "properties":{{"area":"line","type":"line_of_contact"}}}},
        {{"type":"Feature","geometry":{{"type":"Polygon","coordinates":[{ring}]}},
          "properties":{{"area":"south","type":"sector"}}}}]}}"#
    );
    from_collection(text.as_bytes()).unwrap()
}

fn collected(offset_s: i32) -> Collector {
    let mut collected = Collector::new(DAY, offset_s, "theatre");
    day().into_iter().for_each(|alert| collected.take(alert));
    collected
}

fn page(sector: &str) -> Page {
    Page::new(&collected(0), sector, &areas())
}

/// The report of the same day as it is published.
fn message() -> DailyReport {
    let mut desk = Desk::new(ReportSettings::default());
    day().iter().for_each(|feature| desk.take(&feature.properties));
    desk.reach(at_h(25.0));
    let reports = desk.publish(DAY);
    reports.into_iter().find(|report| report.sector == "north" && report.day == DAY).unwrap()
}

/// Compares with a file; `TRUCELINE_WRITE=1` writes it instead, to be looked at and committed.
fn assert_is(text: &str, path: &str) {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    if std::env::var_os("TRUCELINE_WRITE").is_some() {
        std::fs::write(&path, text).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(kept == text, "{} is another; TRUCELINE_WRITE=1 writes it anew. It should read:\n{text}", path.display());
}

#[test]
fn a_page_reads_as_it_always_did() {
    let text = markdown::page(&page("north"), "map.svg", "chart.svg");
    assert_is(&text, "src/report/page/golden/north.md");
}

#[test]
fn a_message_reads_as_it_always_did() {
    let compact = daily_json(&message()).unwrap();
    let value: serde_json::Value = serde_json::from_slice(&compact).unwrap();
    assert_eq!(serde_json::from_value::<DailyReport>(value.clone()).unwrap(), message(), "it reads back");
    assert_is(&format!("{value:#}\n"), "docs/examples/daily.json");
}

#[test]
fn page_and_message_tell_the_same_figures() {
    assert_eq!(collected(0).days("north").0, message().figures);
}

#[test]
fn an_html_page_stands_alone_and_names_cannot_break_it() {
    let text = html::page(&page("north"));
    for banned in ["<script", "src=", "href=", "@import", "url(http", "<1>"] {
        assert!(!text.contains(banned), "{banned}");
    }
    assert!(text.contains("Zone &lt;1&gt;"));
    assert_eq!(text.matches("<svg").count(), 2);
    for tag in ["svg", "table", "tr", "td", "th", "ul", "li", "p", "g"] {
        let opened = text.matches(&format!("<{tag}>")).count() + text.matches(&format!("<{tag} ")).count();
        assert_eq!(opened, text.matches(&format!("</{tag}>")).count(), "{tag}");
    }
}

#[test]
fn it_is_never_told_who_did_it() {
    let page = page("theatre");
    for text in [html::page(&page), markdown::page(&page, "m", "c")] {
        assert!(!text.contains("party 1") && !text.contains("commission"), "{text}");
    }
}

#[test]
fn the_order_of_revisions_changes_no_page() {
    let in_order = Page { preface: Vec::new(), ..page("theatre") };
    let mut all = day();
    let moved = feature(Alert { revision: 2, ..alert("A-05", Class::FireShot, 30.0) }, 31.5, 46.9);
    let older = feature(Alert { revision: 1, ..alert("A-14", Class::FireBurst, 30.0) }, 31.5, 46.9);
    all.push(older);
    let mut collected = Collector::new(DAY, 0, "theatre");
    all.iter().rev().for_each(|alert| collected.take(alert.clone()));
    assert_eq!(Page { preface: Vec::new(), ..Page::new(&collected, "theatre", &areas()) }.rows, in_order.rows);
    // One that has moved to the next day is in this one no more, whichever revision comes first.
    all.insert(0, moved.clone());
    let mut first = Collector::new(DAY, 0, "theatre");
    all.into_iter().for_each(|alert| first.take(alert));
    collected.take(moved);
    let (first, last) = (Page::new(&first, "theatre", &areas()), Page::new(&collected, "theatre", &areas()));
    assert_eq!((&first.rows, &first.gravest, &first.map), (&last.rows, &last.gravest, &last.map));
    assert_eq!(first.rows[5].label, "Shots");
    assert_eq!((in_order.rows[5].cells[0].as_str(), first.rows[5].cells[0].as_str()), ("2", "1"));
}

#[test]
fn a_day_of_other_clocks_has_other_bounds() {
    // The round of 5.5 h UTC is of the next day where clocks are 19 hours ahead, which none are; 11 will do for 14.0 h.
    let east = Collector::new(DAY, 11 * 3600, "theatre");
    let page = Page::new(&east, "theatre", &[]);
    let bounds = "The day runs from 2026-03-01 00:00:00 (2026-02-28 13:00:00 UTC) to 2026-03-02 00:00:00 (2026-03-01 13:00:00 \
                  UTC), UTC+11:00.";
    assert_eq!(page.preface[0], bounds);
    let page = Page::new(&collected(11 * 3600), "north", &areas());
    assert!(!page.gravest.iter().any(|row| row[0] == "A-08"), "of 14:00 UTC: the next day there");
    assert_eq!(page.gravest.iter().find(|row| row[0] == "A-01").map(|row| row[1].as_str()), Some("16:30:00"));
}

#[test]
fn a_map_has_its_marks_where_they_are_and_a_scale_of_a_round_length() {
    let (north, south) =
        (feature(alert("n", Class::FireShot, 1.0), 31.0, 47.0), feature(alert("s", Class::FireShot, 1.0), 31.0, 46.9));
    let drawn = map::svg(&[&north, &south], &[]);
    let centres: Vec<(f64, f64)> = drawn
        .split(r#"r="2.8""#)
        .filter_map(|part| {
            let at = part.rsplit_once("cx=\"")?.1;
            let (x, rest) = at.split_once('"')?;
            let y = rest.split_once("cy=\"")?.1.split_once('"')?.0;
            Some((x.parse().ok()?, y.parse().ok()?))
        })
        .collect();
    let ((x0, y0), (x1, y1)) = (centres[0], centres[1]);
    assert!((x0 - x1).abs() < 0.2 && y0 > y1, "the southern one is drawn first, below the other: {centres:?}");
    // 0.1° of latitude are 11,118 m there; 2 km to the scale's length.
    let length = drawn.split_once("v6h").unwrap().1.split_once('v').unwrap().0.parse::<f64>().unwrap();
    let metres = (y0 - y1) / length * 2000.0;
    assert!(drawn.contains(">2 km<") && (metres - 11_118.0).abs() < 60.0, "{metres} m");
}
