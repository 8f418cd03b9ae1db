//! A day as a page for readers: what was recorded, how sure, where, and what was not covered. It tells what was observed and
//! never who did it.
//!
//! [`Collector`] takes in alerts; [`Page`] says everything in words once; [`markdown`] and [`html`] only lay it out.

pub mod chart;
mod collect;
pub mod html;
pub mod map;
pub mod markdown;
mod words;

pub use collect::Collector;
pub use words::grouped;

use self::words::{chance, counted, date_time, so_many, time_of, zone};
use crate::model::alert::AlertFeature;
use crate::model::area::Area;
use crate::model::daily::{Count, Figures, Fire};
use std::collections::BTreeSet;

/// Alerts in the list of the gravest.
pub const MOST_GRAVE: usize = 20;
/// Gaps that are listed.
pub const MOST_GAPS: usize = 40;

/// A row of the table of figures.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// What is counted.
    pub label: &'static str,
    /// Whether it is a part of the row above.
    pub is_part: bool,
    /// Recorded, confirmed, probable, possible, in violation, under notice.
    pub cells: [String; 6],
}

/// A page.
#[derive(Clone, Debug, PartialEq)]
pub struct Page {
    /// The sector, or the theatre.
    pub sector: String,
    /// The title.
    pub title: String,
    /// The day's boundaries, and what the page was made from.
    pub preface: Vec<String>,
    /// What was recorded, in sentences.
    pub summary: Vec<String>,
    /// The figures.
    pub rows: Vec<Row>,
    /// Violations by area.
    pub areas: Vec<(String, String)>,
    /// The map.
    pub map: String,
    /// What of the map is to be said.
    pub map_note: String,
    /// The last thirty days.
    pub chart: String,
    /// The gravest alerts: id, time, what, where, how sure, severity, verdict, review.
    pub gravest: Vec<[String; 8]>,
    /// How many there are in all.
    pub gravest_note: String,
    /// What was not covered, in a sentence.
    pub coverage: String,
    /// Gaps: node, what, from, to.
    pub gaps: Vec<[String; 4]>,
    /// How to read it.
    pub notes: Vec<String>,
}

/// Headings of the figures' table.
pub const FIGURES: [&str; 7] =
    ["", "Recorded", "confirmed", "probable", "possible", "In violation", "Under notice, apart"];
/// Headings of the gravest alerts.
pub const GRAVEST: [&str; 8] = ["Alert", "Time", "What", "Where", "How sure", "Severity", "Verdict", "Review"];
/// Headings of gaps.
pub const GAPS: [&str; 4] = ["Node", "What", "From", "To"];

impl Page {
    /// The page of a sector's day. `areas` are drawn as far as they belong to the sector or to none.
    pub fn new(collected: &Collector, sector: &str, areas: &[Area]) -> Page {
        let (day, offset_s) = (collected.day(), collected.offset_s());
        let (figures, bars) = collected.days(sector);
        let gravest = collected.gravest(sector);
        let gaps = collected.gaps(sector);
        let is_theatre = sector == collected.theatre();
        let drawn = |area: &&Area| is_theatre || area.sector_id().is_none_or(|its| its == sector);
        let areas: Vec<&Area> = areas.iter().filter(drawn).collect();
        let whole = if is_theatre { "the whole theatre".to_owned() } else { format!("sector {sector}") };
        Page {
            sector: sector.to_owned(),
            title: format!("Daily report, {whole}, {day}"),
            preface: preface(collected, &figures),
            summary: summary(&figures),
            rows: rows(&figures),
            areas: figures.areas.iter().map(|it| (it.area.clone(), grouped(it.violations))).collect(),
            map: map::svg(&gravest, &areas),
            map_note: map_note(gravest.len(), areas.len()),
            chart: chart::svg(&bars, day),
            gravest: gravest
                .iter()
                .filter(|alert| !gaps.iter().any(|gap| gap.properties.alert == alert.properties.alert))
                .take(MOST_GRAVE)
                .map(|alert| grave(alert, collected))
                .collect(),
            gravest_note: gravest_note(gravest.len() - gaps.len()),
            coverage: coverage(&figures, gaps.len(), collected),
            gaps: gaps.iter().take(MOST_GAPS).map(|gap| gap_row(gap, collected)).collect(),
            notes: notes(&figures, &zone(offset_s)),
        }
    }
}

fn preface(collected: &Collector, figures: &Figures) -> Vec<String> {
    let (day, offset_s) = (collected.day(), collected.offset_s());
    let utc = |ns: i64| if offset_s == 0 { String::new() } else { format!(" ({} UTC)", date_time(ns, 0)) };
    let (from_ns, to_ns) = (day.begins_ns(offset_s), day.plus(1).begins_ns(offset_s));
    let mut said = vec![format!(
        "The day runs from {}{} to {}{}, {}.",
        date_time(from_ns, offset_s),
        utc(from_ns),
        date_time(to_ns, offset_s),
        utc(to_ns),
        zone(offset_s)
    )];
    said.push(match collected.newest_ns() {
        None => "No alert is known at all.".to_owned(),
        Some(newest_ns) => {
            let so_far = if newest_ns < to_ns { " The day may not be over." } else { "" };
            format!(
                "Made by truceline {} from {} revisions of alerts, the newest of {} {}.{so_far}",
                env!("CARGO_PKG_VERSION"),
                grouped(collected.revisions()),
                date_time(newest_ns, offset_s),
                zone(offset_s)
            )
        }
    });
    if figures.not_final > 0 {
        said.push(format!("{} of the alerts counted are not final yet.", grouped(figures.not_final)));
    }
    if collected.left_out() > 0 {
        said.push(format!("{} alerts found no room and are not counted.", grouped(collected.left_out())));
    }
    said
}

fn summary(figures: &Figures) -> Vec<String> {
    let mut said = Vec::new();
    let fire = &figures.fire;
    if fire.all().count == 0 {
        said.push("No fire was recorded.".to_owned());
    } else {
        let explosions = fire.explosions.all();
        let mut parts = vec![so_many(explosions, "explosion", "explosions")];
        if explosions.count > 0 {
            let assessed = [
                (fire.explosions.impact, "assessed as impacts"),
                (fire.explosions.outgoing, "as outgoing"),
                (fire.explosions.undetermined, "undetermined"),
            ];
            let told: Vec<String> = assessed
                .iter()
                .filter(|(count, _)| count.count > 0)
                .map(|(count, what)| so_many(*count, what, what))
                .collect();
            parts[0].push_str(&format!(" ({})", told.join(", ")));
        }
        parts.push(so_many(fire.bursts, "burst", "bursts"));
        parts.push(so_many(fire.shots, "shot", "shots"));
        if fire.undetermined.count > 0 {
            parts.push(so_many(fire.undetermined, "round of undetermined fire", "rounds of undetermined fire"));
        }
        said.push(sentence(&format!("{} were recorded", listed(&parts))));
        let breaches = fire.all().violations;
        said.push(match breaches {
            0 => "None of it was in an area that prohibits fire.".to_owned(),
            1 => "One round was in an area that prohibits fire.".to_owned(),
            many => format!("{} rounds were in areas that prohibit fire.", grouped(many)),
        });
    }
    let notice = figures.fire_under_notice.all();
    if notice.count > 0 {
        let rounds = so_many(notice, "round was", "rounds were");
        said.push(format!("Apart from these, {rounds} covered by a notice (training, demining)."));
    }
    let restricted = figures.restrictions;
    let restrictions = restricted.denied.and(restricted.delayed).and(restricted.conditional);
    if restrictions.count > 0 {
        let times = if restrictions.count == 1 { "once".to_owned() } else { so_many(restrictions, "time", "times") };
        said.push(format!(
            "The monitors' freedom of movement was restricted {times}: {} denied, {} delayed, {} conditional.",
            counted(restricted.denied),
            counted(restricted.delayed),
            counted(restricted.conditional)
        ));
    }
    let moved = [
        (figures.weapons, "heavy weapon was found where none may be", "heavy weapons were found where none may be"),
        (figures.ground, "ground movement entered a prohibited area", "ground movements entered prohibited areas"),
        (figures.air, "aircraft was in a prohibited area", "aircraft were in prohibited areas"),
        (figures.sea.incursions, "vessel was in a prohibited area", "vessels were in prohibited areas"),
        (figures.sea.dark, "vessel stopped reporting", "vessels stopped reporting"),
        (figures.interference, "case of jamming was noted", "cases of jamming were noted"),
    ];
    let seen = moved.iter().filter(|(count, ..)| count.count > 0);
    said.extend(seen.map(|(count, one, many)| sentence(&so_many(*count, one, many))));
    said
}

/// Words with a capital before and a full stop after them.
fn sentence(words: &str) -> String {
    let mut letters = words.chars();
    let first = letters.next().map(|letter| letter.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}.", letters.as_str())
}

/// `a, b and c`.
fn listed(parts: &[String]) -> String {
    match parts {
        [first @ .., last] if !first.is_empty() => format!("{} and {last}", first.join(", ")),
        _ => parts.concat(),
    }
}

fn rows(figures: &Figures) -> Vec<Row> {
    let row = |label, is_part, count: Count, notice: Option<Count>| Row {
        label,
        is_part,
        cells: [
            counted(count),
            sparse(count.confirmed),
            sparse(count.probable),
            sparse(count.possible),
            sparse(count.violations),
            notice.filter(|notice| notice.count > 0).map_or_else(|| "–".to_owned(), counted),
        ],
    };
    let (fire, notice): (&Fire, &Fire) = (&figures.fire, &figures.fire_under_notice);
    vec![
        row("Explosions", false, fire.explosions.all(), Some(notice.explosions.all())),
        row("undetermined", true, fire.explosions.undetermined, Some(notice.explosions.undetermined)),
        row("impact", true, fire.explosions.impact, Some(notice.explosions.impact)),
        row("outgoing", true, fire.explosions.outgoing, Some(notice.explosions.outgoing)),
        row("Bursts", false, fire.bursts, Some(notice.bursts)),
        row("Shots", false, fire.shots, Some(notice.shots)),
        row("Fire, undetermined", false, fire.undetermined, Some(notice.undetermined)),
        row("Movement denied", false, figures.restrictions.denied, None),
        row("Movement delayed", false, figures.restrictions.delayed, None),
        row("Movement on conditions", false, figures.restrictions.conditional, None),
        row("Heavy weapons behind withdrawal lines", false, figures.weapons, None),
        row("Ground movement", false, figures.ground, None),
        row("Aircraft and unmanned aircraft", false, figures.air, None),
        row("Vessels in prohibited areas", false, figures.sea.incursions, None),
        row("Vessels not reporting", false, figures.sea.dark, None),
        row("Movement of any kind, announced", false, Count::default(), Some(figures.movement_under_notice)),
        row("Jamming", false, figures.interference, None),
    ]
}

fn sparse(number: u64) -> String {
    if number == 0 { "–".to_owned() } else { grouped(number) }
}

fn map_note(alerts: usize, areas: usize) -> String {
    let mut note = match alerts {
        0 => "No alert is on the map.".to_owned(),
        many if many > map::MAX_MARKS => {
            format!("Drawn are the {} gravest of {} alerts.", grouped(map::MAX_MARKS as u64), grouped(many as u64))
        }
        many => format!("Drawn are all {} alerts that are counted.", grouped(many as u64)),
    };
    if areas == 0 {
        note.push_str(" No areas were given.");
    }
    note
}

fn gravest_note(alerts: usize) -> String {
    match alerts {
        0 => "There is none.".to_owned(),
        many if many > MOST_GRAVE => format!("The first {MOST_GRAVE} of {}.", grouped(many as u64)),
        many => format!("All {}.", grouped(many as u64)),
    }
}

fn grave(feature: &AlertFeature, collected: &Collector) -> [String; 8] {
    let alert = &feature.properties;
    let many = match (alert.count, alert.count_is_minimum) {
        (1, false) => String::new(),
        (count, false) => format!(" ×{count}"),
        (count, true) => format!(" ×≥{count}"),
    };
    let ellipse =
        alert.ellipse.map_or_else(String::new, |it| format!(" ±{:.0}×{:.0} m", it.semi_major_m, it.semi_minor_m));
    [
        alert.alert.clone(),
        time_of(alert.time.0, collected.day(), collected.offset_s()),
        format!("{}{many}", words::what(alert)),
        format!("{}{ellipse}", words::place(feature.place())),
        format!("{} {}", alert.term, chance(alert.probability)),
        alert.severity.to_string(),
        words::verdict(feature),
        words::review(feature).to_owned(),
    ]
}

fn coverage(figures: &Figures, gaps: usize, collected: &Collector) -> String {
    let lost = figures.coverage;
    if gaps == 0 {
        return "No node is known to have been silent or tampered with.".to_owned();
    }
    let nodes = |count: u64, one: &str, many: &str| match count {
        1 => format!("1 node {one}"),
        _ => format!("{} nodes {many}", grouped(count)),
    };
    // What lasts is known to last as long as anything is known.
    let ends_ns = collected.day().plus(1).begins_ns(collected.offset_s());
    let so_far = collected.newest_ns().filter(|&newest_ns| newest_ns < ends_ns).map_or_else(String::new, |newest_ns| {
        format!(" up to {}", time_of(newest_ns, collected.day(), collected.offset_s()))
    });
    let mut said = Vec::new();
    if lost.silences > 0 {
        said.push(format!(
            "{} silent, for {:.2} node hours of the day{so_far}: what happened near by then may not be in the figures.",
            nodes(lost.silent_nodes, "was", "were"),
            lost.node_hours_lost
        ));
    }
    if lost.tampered_nodes > 0 {
        said.push(format!("{} tampered with.", nodes(lost.tampered_nodes, "was", "were")));
    }
    if gaps > MOST_GAPS {
        said.push(format!("The first {MOST_GAPS} of {} gaps are listed.", grouped(gaps as u64)));
    }
    said.join(" ")
}

fn gap_row(feature: &AlertFeature, collected: &Collector) -> [String; 4] {
    let alert = &feature.properties;
    let nodes: BTreeSet<&str> = alert.evidence.iter().map(|it| it.node.as_str()).collect();
    let time = |ns| time_of(ns, collected.day(), collected.offset_s());
    [
        nodes.into_iter().collect::<Vec<_>>().join(", "),
        words::what(alert).to_owned(),
        time(alert.time.0),
        alert.to.map_or_else(|| "lasts".to_owned(), |to| time(to.0)),
    ]
}

fn notes(figures: &Figures, zone: &str) -> Vec<String> {
    let mut notes = vec![
        "This page tells what was observed and how sure that is. It does not tell who did it.".to_owned(),
        "≥ marks a lower bound: not all rounds could be told apart, or a report told of more.".to_owned(),
        "Confirmed, probable and possible are calibrated chances that it happened (from 0.95, 0.75 and 0.4). In violation: \
         an area prohibits it and no notice covers it. What a notice covers stands apart and is in no other column."
            .to_owned(),
        format!(
            "An alert counts on the day of its time ({zone}); silences and tampering on every day that they touch. ±: one \
             sigma of the place along the axes of its ellipse."
        ),
    ];
    let aside = figures.set_aside;
    if aside.unresolved + aside.dismissed > 0 {
        notes.push(format!(
            "Set aside and not counted: {} that are less than possible (below 0.4), {} that review dismissed.",
            grouped(aside.unresolved),
            grouped(aside.dismissed)
        ));
    }
    let review = figures.review;
    let reviewed = review.confirmed + review.dismissed + review.attributed + review.more_evidence;
    notes.push(format!(
        "Review has looked at {}: {} confirmed, {} dismissed, {} decided, {} to be looked at with more evidence.",
        so_many(Count { count: reviewed, ..Count::default() }, "alert", "alerts"),
        grouped(review.confirmed),
        grouped(review.dismissed),
        grouped(review.attributed),
        grouped(review.more_evidence)
    ));
    notes
}

#[cfg(test)]
mod tests;
