//! A page as one HTML file: no script, nothing to load, fit to be printed.

use super::words::escaped;
use super::{FIGURES, GAPS, GRAVEST, Page};
use std::fmt::Write;

const STYLE: &str = "
:root { color-scheme: light; }
body { font: 15px/1.5 system-ui, 'Segoe UI', 'DejaVu Sans', sans-serif; color: #222; background: #fff; max-width: 980px;
  margin: 2rem auto; padding: 0 1.2rem; }
h1 { font-size: 1.55rem; margin: 0 0 .4rem; border-bottom: 2px solid #222; padding-bottom: .4rem; }
h2 { font-size: 1.1rem; margin: 2rem 0 .5rem; }
.preface, .note { color: #555; font-size: .88rem; }
.summary { font-size: 1.02rem; }
table { border-collapse: collapse; width: 100%; font-size: .86rem; font-variant-numeric: tabular-nums; }
th, td { padding: .26rem .55rem; border-bottom: 1px solid #ddd; text-align: left; vertical-align: top; }
thead th { border-bottom: 1.5px solid #222; font-weight: 600; }
.number { text-align: right; white-space: nowrap; }
.part th { padding-left: 1.6rem; font-weight: 400; color: #555; }
tbody th { font-weight: 500; }
.areas { width: auto; min-width: 22rem; margin-top: 1rem; }
.small td, .small th { font-size: .8rem; }
.id { font-family: ui-monospace, 'DejaVu Sans Mono', monospace; font-size: .72rem; white-space: nowrap; }
svg { width: 100%; height: auto; display: block; }
ul { padding-left: 1.2rem; font-size: .88rem; color: #444; }
@media print { body { margin: 0; max-width: none; } h2 { break-after: avoid; } svg, tr { break-inside: avoid; } }
";

/// The page.
pub fn page(page: &Page) -> String {
    let mut out = String::new();
    let title = escaped(&page.title);
    let _ = write!(
        out,
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width, \
         initial-scale=1\"><title>{title}</title><style>{STYLE}</style></head><body>\n<h1>{title}</h1>\n"
    );
    let _ = writeln!(out, "<p class=\"preface\">{}</p>", escaped(&page.preface.join(" ")));
    let _ = writeln!(out, "<p class=\"summary\">{}</p>", escaped(&page.summary.join(" ")));
    figures(&mut out, page);
    let _ = write!(out, "<h2>Map</h2>\n{}\n<p class=\"note\">{}</p>\n", page.map, escaped(&page.map_note));
    let _ = write!(out, "<h2>The last thirty days</h2>\n{}\n", page.chart);
    let _ = write!(out, "<h2>The gravest alerts</h2>\n<p class=\"note\">{}</p>\n", escaped(&page.gravest_note));
    table(&mut out, &GRAVEST, &page.gravest);
    let _ = write!(out, "<h2>What was not covered</h2>\n<p>{}</p>\n", escaped(&page.coverage));
    table(&mut out, &GAPS, &page.gaps);
    out.push_str("<h2>How to read this</h2>\n<ul>");
    for note in &page.notes {
        let _ = write!(out, "<li>{}</li>", escaped(note));
    }
    out.push_str("</ul>\n</body></html>\n");
    out
}

fn figures(out: &mut String, page: &Page) {
    out.push_str("<h2>Figures</h2>\n<table><thead><tr>");
    for (at, heading) in FIGURES.iter().enumerate() {
        let class = if at == 0 { "" } else { " class=\"number\"" };
        let _ = write!(out, "<th{class}>{}</th>", escaped(heading));
    }
    out.push_str("</tr></thead><tbody>\n");
    for row in &page.rows {
        let class = if row.is_part { " class=\"part\"" } else { "" };
        let _ = write!(out, "<tr{class}><th>{}</th>", escaped(row.label));
        for cell in &row.cells {
            let _ = write!(out, "<td class=\"number\">{}</td>", escaped(cell));
        }
        out.push_str("</tr>\n");
    }
    out.push_str("</tbody></table>\n");
    if !page.areas.is_empty() {
        out.push_str(
            "<table class=\"areas\"><thead><tr><th>Area</th><th class=\"number\">Violations</th></tr></thead><tbody>\n",
        );
        for (area, violations) in &page.areas {
            let _ =
                writeln!(out, "<tr><th>{}</th><td class=\"number\">{}</td></tr>", escaped(area), escaped(violations));
        }
        out.push_str("</tbody></table>\n");
    }
}

fn table<const N: usize>(out: &mut String, headings: &[&str; N], rows: &[[String; N]]) {
    if rows.is_empty() {
        return;
    }
    out.push_str("<table class=\"small\"><thead><tr>");
    for heading in headings {
        let _ = write!(out, "<th>{}</th>", escaped(heading));
    }
    out.push_str("</tr></thead><tbody>\n");
    for row in rows {
        out.push_str("<tr>");
        for (at, cell) in row.iter().enumerate() {
            let class = if at == 0 { " class=\"id\"" } else { "" };
            let _ = write!(out, "<td{class}>{}</td>", escaped(cell));
        }
        out.push_str("</tr>\n");
    }
    out.push_str("</tbody></table>\n");
}
