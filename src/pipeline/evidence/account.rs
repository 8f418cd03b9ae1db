//! How an alert was worked out, for reading: what, where, when, how sure, on which picks, and who decided what.

use super::package::Package;
use crate::model::alert::{Alert, AlertFeature};
use crate::model::decision::Decision;
use crate::model::geo::LonLat;
use crate::model::node::Registry;
use std::fmt::Write;

/// The account of a package, with what is known of its nodes.
pub fn of_package(package: &Package) -> String {
    let Some(feature) = package.alert() else { return String::new() };
    let registry = Registry::new(package.setting.nodes.clone());
    let mut text = of_alert(feature, Some(&registry));
    let (records, cited) = package.context.counts();
    let _ =
        writeln!(text, "\nWorked out from {records} records ({}), of which it cites {cited}.", package.scope.text());
    let _ = writeln!(
        text,
        "{}",
        if package.recomputes {
            "It comes out the same, byte for byte, from these records alone."
        } else {
            "It does NOT come out the same from these records: what was read, known or decided besides is missing."
        }
    );
    if package.revisions.len() > 1 {
        let _ = writeln!(text, "\nRevisions");
        for revision in &package.revisions {
            let it = &revision.properties;
            let place = revision.place();
            let _ = writeln!(
                text,
                "  {:>3}  {:<11}  {}  {:.5} {:.5}  p {:.4}  {} observations",
                it.revision,
                it.status.as_str(),
                it.time,
                place.lat_deg,
                place.lon_deg,
                it.probability,
                it.evidence.len()
            );
        }
    }
    text
}

/// The account of an alert; with a registry, distances and apparent speeds beside the picks.
pub fn of_alert(feature: &AlertFeature, registry: Option<&Registry>) -> String {
    let alert = &feature.properties;
    let place = feature.place();
    let mut text = format!("Alert {}, revision {}, {}\n\n", alert.alert, alert.revision, alert.status);
    let count = match (alert.count, alert.count_is_minimum) {
        (1, false) => String::new(),
        (count, false) => format!(", {count} times"),
        (count, true) => format!(", at least {count} times"),
    };
    let mut line = |what: &str, held: String| {
        let _ = writeln!(text, "{what:<10} {held}");
    };
    let sign = alert.sign.map_or_else(String::new, |sign| format!(", {sign}"));
    let emitter = alert.emitter.as_ref().map_or_else(String::new, |it| format!(" ({})", it.words()));
    line("What", format!("{}{sign}{emitter}{count}; severity {} of 5", alert.class, alert.severity));
    let ellipse = alert.ellipse.map(|it| {
        let (major, minor, orientation) = (it.semi_major_m, it.semi_minor_m, it.orientation_deg);
        format!(", give or take {major:.0} m by {minor:.0} m (1σ), the longer way {orientation:.0}° from north")
    });
    let (ns, ew) = (if place.lat_deg < 0.0 { 'S' } else { 'N' }, if place.lon_deg < 0.0 { 'W' } else { 'E' });
    let (lat_deg, lon_deg) = (place.lat_deg.abs(), place.lon_deg.abs());
    line("Where", format!("{lat_deg:.6} {ns} {lon_deg:.6} {ew}{}", ellipse.unwrap_or_default()));
    line("When", format!("{}, give or take {} s (1σ)", alert.time, alert.time_sd_s));
    if let Some(from) = alert.from {
        let to = alert.to.map_or_else(|| "it lasts".to_owned(), |to| format!("to {to}"));
        line("", format!("from {from} {to}"));
    }
    line("How sure", format!("{} ({:.4}) that it happened", alert.term, alert.probability));
    line("Breach", breach(alert));
    if let Some(direction_deg) = alert.direction_of_fire_deg {
        line("Fired", format!("towards {direction_deg:.1}° from north"));
    }
    line("By whom", alert.attribution.clone());
    if let Some(successor) = &alert.superseded_by {
        line("Stands as", successor.clone());
    }
    evidence(&mut text, alert, place, registry);
    if !alert.silent.is_empty() {
        let _ = writeln!(text, "\nIn range, up, and did not report it: {}", alert.silent.join(", "));
    }
    decisions(&mut text, alert);
    let _ = writeln!(text, "\nSoftware   {}", alert.software);
    let _ = writeln!(text, "Settings   {}", alert.config_digest);
    let _ = writeln!(text, "Evidence   {}", alert.evidence_digest);
    text
}

fn breach(alert: &Alert) -> String {
    let within = if alert.within.is_empty() { "no area".to_owned() } else { alert.within.join(", ") };
    match (&alert.notice, alert.violation) {
        (Some(notice), _) => format!("none: the notice {notice} covers it (it lies in {within})"),
        (None, true) if alert.areas.is_empty() => format!("a VIOLATION wherever it happens (it lies in {within})"),
        (None, true) => format!("a VIOLATION of {} (it lies in {within})", alert.areas.join(", ")),
        (None, false) => format!("none (it lies in {within})"),
    }
}

fn evidence(text: &mut String, alert: &Alert, place: LonLat, registry: Option<&Registry>) {
    if alert.evidence.is_empty() {
        return;
    }
    let _ = writeln!(text, "\nEvidence (residuals are what was observed less what was expected)");
    let _ = writeln!(
        text,
        "  {:<16} {:<12} {:>10} {:>11} {:>9}  at (topic/partition/offset/line)",
        "node", "kind", "distance m", "residual s", "azimuth °"
    );
    let number = |value: Option<f64>, digits: usize| value.map_or_else(String::new, |it| format!("{it:+.digits$}"));
    for it in &alert.evidence {
        let at = registry.and_then(|registry| registry.node(registry.find(&it.node)?).position);
        let distance = at.map_or_else(String::new, |at| format!("{:.0}", at.distance_m(place)));
        let _ = writeln!(
            text,
            "  {:<16} {:<12} {distance:>10} {:>11} {:>9}  {}/{}/{}/{} id {}",
            it.node,
            it.kind.as_str(),
            number(it.residual_s, 4),
            number(it.residual_deg, 2),
            it.topic,
            it.partition,
            it.offset,
            it.line,
            it.id
        );
    }
    let residuals: Vec<f64> = alert.evidence.iter().filter_map(|it| it.residual_s).collect();
    if !residuals.is_empty() {
        let rms_s = (residuals.iter().map(|it| it * it).sum::<f64>() / residuals.len() as f64).sqrt();
        let _ = writeln!(text, "  {} residuals in time, their root mean square {rms_s:.4} s", residuals.len());
    }
}

fn decisions(text: &mut String, alert: &Alert) {
    let one = |it: &Decision| {
        let to = it.attribution.as_ref().map(|to| format!(" to {to}")).unwrap_or_default();
        let reason = it.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
        let signed = if it.signature.is_some() { "signed" } else { "not signed" };
        let outdated = if it.outdated { ", the alert has changed since" } else { "" };
        let (at, by, decision, revision) = (it.at, &it.by, it.decision, it.revision);
        format!("  {at}  {by}: {decision}{to}{reason} (revision {revision}{outdated}; {signed})\n")
    };
    let stands = alert
        .review
        .as_ref()
        .map_or("nothing has been decided".to_owned(), |it| format!("{}, by {} on {}", it.decision, it.by, it.at));
    let _ = writeln!(text, "\nReview     {stands}");
    match &alert.panel {
        Some(panel) => {
            let _ = writeln!(text, "           {}, {} have to agree", panel.state, panel.quorum);
            panel.decisions.iter().for_each(|it| text.push_str(&one(it)));
        }
        None => alert.review.iter().for_each(|it| text.push_str(&one(it))),
    }
}
