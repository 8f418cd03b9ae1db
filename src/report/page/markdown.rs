//! A page as Markdown. Its map and chart are files beside it.

use super::{FIGURES, GAPS, GRAVEST, Page};
use std::fmt::Write;

/// The page; `map` and `chart` are the names of the files that hold them.
pub fn page(page: &Page, map: &str, chart: &str) -> String {
    let mut out = format!("# {}\n\n", text(&page.title));
    paragraph(&mut out, &page.preface);
    paragraph(&mut out, &page.summary);
    out.push_str("## Figures\n\n");
    head(&mut out, &FIGURES, 1);
    for row in &page.rows {
        let label = if row.is_part { format!("· {}", row.label) } else { row.label.to_owned() };
        line(&mut out, std::iter::once(label.as_str()).chain(row.cells.iter().map(String::as_str)));
    }
    out.push('\n');
    if !page.areas.is_empty() {
        head(&mut out, &["Area", "Violations"], 1);
        for (area, violations) in &page.areas {
            line(&mut out, [area.as_str(), violations].into_iter());
        }
        out.push('\n');
    }
    let _ = write!(out, "## Map\n\n![Map of the day's alerts]({map})\n\n{}\n\n", text(&page.map_note));
    let _ = write!(out, "## The last thirty days\n\n![Fire and hours lost by day]({chart})\n\n");
    let _ = write!(out, "## The gravest alerts\n\n{}\n\n", text(&page.gravest_note));
    table(&mut out, &GRAVEST, &page.gravest);
    let _ = write!(out, "## What was not covered\n\n{}\n\n", text(&page.coverage));
    table(&mut out, &GAPS, &page.gaps);
    out.push_str("## How to read this\n\n");
    for note in &page.notes {
        let _ = writeln!(out, "- {}", text(note));
    }
    out
}

fn paragraph(out: &mut String, sentences: &[String]) {
    if !sentences.is_empty() {
        let _ = write!(out, "{}\n\n", text(&sentences.join(" ")));
    }
}

fn table<const N: usize>(out: &mut String, headings: &[&str; N], rows: &[[String; N]]) {
    if rows.is_empty() {
        return;
    }
    head(out, headings, N);
    for row in rows {
        line(out, row.iter().map(String::as_str));
    }
    out.push('\n');
}

/// Headings; columns from `numbers` on hold numbers.
fn head(out: &mut String, headings: &[&str], numbers: usize) {
    line(out, headings.iter().copied());
    let rules = (0..headings.len()).map(|at| if at < numbers { "---" } else { "---:" });
    let _ = writeln!(out, "|{}|", rules.collect::<Vec<_>>().join("|"));
}

fn line<'a>(out: &mut String, cells: impl Iterator<Item = &'a str>) {
    out.push('|');
    for cell in cells {
        let _ = write!(out, " {} |", text(cell));
    }
    out.push('\n');
}

/// Text without what Markdown would take for its own.
fn text(plain: &str) -> String {
    let mut out = String::with_capacity(plain.len());
    for letter in plain.chars() {
        match letter {
            '\\' | '|' | '*' | '_' | '`' | '<' | '>' | '[' | ']' | '#' => {
                out.push('\\');
                out.push(letter);
            }
            control if control.is_control() => out.push(' '),
            letter => out.push(letter),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_break_a_table() {
        assert_eq!(text("a|b\n<i> *x*_"), "a\\|b \\<i\\> \\*x\\*\\_");
    }
}
