//! The live table: pure rendering of the state into a frame of any size.

use super::{Row, Tally, Verdict, ViewState, words};
use crate::cli::console::grouped;
use crate::model::alert::Status;
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Cell, Paragraph, Table};

/// From this width on, every column is shown.
const WIDE_COLUMNS: u16 = 118;
/// From this width on, the place is shown.
const MEDIUM_COLUMNS: u16 = 76;
/// Lines of the story on a screen high enough for them.
const STORY_LINES: u16 = 3;

/// Draws the state; `colour` or without it, and then nothing is lost.
pub fn draw(frame: &mut Frame<'_>, state: &ViewState, colour: bool) {
    let area = frame.area();
    let story = match area.height {
        0..9 => 0,
        9..18 => 1,
        _ => STORY_LINES,
    };
    let [title, rates, tale, table, foot] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(1),
        Constraint::Length(story),
        Constraint::Min(1),
        Constraint::Length(1),
    ])
    .areas(area);
    frame.render_widget(Paragraph::new(title_line(state, title.width)), title);
    frame.render_widget(Paragraph::new(rates_line(state, rates.width)), rates);
    frame.render_widget(Paragraph::new(story_lines(state, tale.height)), tale);
    draw_table(frame, table, state, colour);
    frame.render_widget(Paragraph::new(foot_line(state, foot.width)), foot);
}

fn title_line(state: &ViewState, width: u16) -> Line<'static> {
    let mut left = format!("truceline  {}", words::span(state.elapsed));
    let mut bar = String::new();
    if let Some(total) = state.total {
        left += &format!(" of {}", words::span(total));
        let room = usize::from(width).saturating_sub(left.chars().count() + 2).min(40);
        let share = state.elapsed.as_secs_f64() / total.as_secs_f64().max(1e-9);
        let full = ((share.clamp(0.0, 1.0) * room as f64).round() as usize).min(room);
        bar = format!("  {}{}", "━".repeat(full), "─".repeat(room - full));
    }
    if state.ending {
        bar = "  ending …".to_owned();
    }
    Line::from(vec![Span::styled(left, Style::new().add_modifier(Modifier::BOLD)), Span::raw(bar)])
}

fn rates_line(state: &ViewState, width: u16) -> Line<'static> {
    let rates = &state.rates;
    let event_time = rates.watermark_ns.map_or("–".to_owned(), words::date_and_clock);
    let parts = [
        format!("{}/s", grouped(rates.observations_per_s as u64)),
        format!("event time {event_time}"),
        format!("{} observations", grouped(rates.observations)),
        format!("{} rejected", grouped(rates.rejected)),
        format!("lag {}", grouped(rates.lag)),
    ];
    Line::from(as_many_as_fit(&parts, width))
}

fn story_lines(state: &ViewState, height: u16) -> Vec<Line<'static>> {
    let first = state.story.len().saturating_sub(usize::from(height));
    state
        .story
        .iter()
        .skip(first)
        .map(|(time_ns, text)| {
            Line::styled(format!("{}  {text}", words::clock(*time_ns)), Style::new().add_modifier(Modifier::ITALIC))
        })
        .collect()
}

fn foot_line(state: &ViewState, width: u16) -> Line<'static> {
    let Tally { alerts, violations, notified, retracted } = state.tally;
    let mut parts = vec![
        "q ends".to_owned(),
        format!("{} alerts", grouped(alerts)),
        format!("{} violations", grouped(violations)),
        format!("{} under notice", grouped(notified)),
        format!("{} taken back", grouped(retracted)),
    ];
    if !state.ingest_to_alert_us.is_empty() {
        let at = |quantile| words::latency(state.ingest_to_alert_us.value_at_quantile(quantile));
        parts.push(format!("read to alert p50 {} p99 {}", at(0.5), at(0.99)));
    }
    Line::styled(as_many_as_fit(&parts, width), Style::new().add_modifier(Modifier::DIM))
}

/// The first parts, whole ones only.
fn as_many_as_fit(parts: &[String], width: u16) -> String {
    let mut line = String::new();
    for part in parts {
        let longer = if line.is_empty() { part.clone() } else { format!("{line} · {part}") };
        if longer.chars().count() > usize::from(width) {
            break;
        }
        line = longer;
    }
    line
}

fn draw_table(frame: &mut Frame<'_>, area: Rect, state: &ViewState, colour: bool) {
    type Column = (&'static str, Constraint, fn(&Row) -> String);
    let time: Column = ("time", Constraint::Length(8), |row| words::clock(row.time_ns));
    let severity: Column = ("sev", Constraint::Length(3), |row| row.severity.to_string());
    let place: Column = ("place", Constraint::Length(23), |row| words::place(row.place));
    let verdict: Column = ("verdict", Constraint::Min(17), words::verdict);
    let columns: Vec<Column> = if area.width >= WIDE_COLUMNS {
        vec![
            time,
            severity,
            ("event", Constraint::Length(23), words::what),
            place,
            ("ellipse 1σ", Constraint::Length(11), words::ellipse),
            ("how sure", Constraint::Length(15), |row| format!("{} {:.2}", row.term, words::shown_p(row.probability))),
            ("status", Constraint::Length(11), |row| row.status.to_string()),
            verdict,
        ]
    } else if area.width >= MEDIUM_COLUMNS {
        vec![
            time,
            ("event", Constraint::Length(18), words::what_short),
            ("place", Constraint::Length(20), |row| words::place_short(row.place)),
            ("sure", Constraint::Length(4), |row| format!("{:.2}", words::shown_p(row.probability))),
            verdict,
        ]
    } else {
        vec![time, ("event", Constraint::Length(18), words::what_short), (verdict.0, Constraint::Min(0), verdict.2)]
    };
    let header = ratatui::widgets::Row::new(columns.iter().map(|(name, _, _)| Cell::from(*name)))
        .style(Style::new().add_modifier(Modifier::BOLD | Modifier::UNDERLINED));
    let visible = usize::from(area.height.saturating_sub(1));
    let rows = state.rows().take(visible).map(|row| {
        let cells = columns.iter().map(|(_, _, text)| Cell::from(text(row)));
        ratatui::widgets::Row::new(cells).style(style(row, colour))
    });
    let widths = columns.iter().map(|(_, width, _)| *width);
    frame.render_widget(Table::new(rows, widths).header(header).column_spacing(1), area);
}

/// Bold for a violation, dim for what was taken back; colour only repeats what the columns say.
fn style(row: &Row, colour: bool) -> Style {
    if row.status == Status::Retracted {
        return Style::new().add_modifier(Modifier::DIM);
    }
    let mut style = Style::new();
    if matches!(row.verdict, Verdict::Violation(_)) {
        style = style.add_modifier(Modifier::BOLD);
    }
    if !colour {
        return style;
    }
    match row.severity {
        5.. => style.fg(Color::Red),
        4 => style.fg(Color::LightRed),
        3 => style.fg(Color::Yellow),
        2 => style.fg(Color::Cyan),
        _ => style,
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::watched;
    use super::*;
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;

    fn drawn(state: &ViewState, width: u16, height: u16, colour: bool) -> Terminal<TestBackend> {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        terminal.draw(|frame| draw(frame, state, colour)).unwrap();
        terminal
    }

    fn lines(state: &ViewState, width: u16, height: u16) -> Vec<String> {
        let terminal = drawn(state, width, height, false);
        let buffer = terminal.backend().buffer();
        let rows = buffer.content.chunks(usize::from(width));
        rows.map(|row| row.iter().map(|cell| cell.symbol()).collect::<String>().trim_end().to_owned()).collect()
    }

    #[test]
    fn a_wide_terminal_shows_everything() {
        let golden = [
            "truceline  00:23 of 01:00  ━━━━━━━━━━━━━━━─────────────────────────",
            "2,431/s · event time 2026-03-01 00:03:07 · 56,012 observations · 3 rejected · lag 7",
            "00:03:00  A drone crosses the line of contact",
            "",
            "",
            "time     sev event                   place                   ellipse 1σ  how sure        status      verdict",
            "00:03:27 1   fire.burst ≥3           46.91234 N 31.52345 E   1.2×0.3 km  probable 0.80   preliminary notice range-7",
            "00:03:07 4   fire.impact             46.91234 N 31.52345 E   38×21 m     confirmed 0.99  preliminary VIOLATION disengagement-2",
            "00:02:07 4   restriction.denied      46.91234 N 31.52345 E               confirmed 0.99  final       VIOLATION",
            "00:01:37 4   fire.impact             46.91234 N 31.52345 E   38×21 m     confirmed 0.99  retracted   taken back",
            "",
            "",
            "",
            "",
            "",
            "",
            "",
            "q ends · 3 alerts · 2 violations · 1 under notice · 1 taken back · read to alert p50 12.3 ms p99 12.3 ms",
        ];
        assert_eq!(lines(&watched(), 130, 18), golden);
    }

    #[test]
    fn a_usual_terminal_shows_the_place_and_a_narrow_one_what_it_means() {
        let usual = [
            "truceline  00:23 of 01:00  ━━━━━━━━━━━━━━━─────────────────────────",
            "2,431/s · event time 2026-03-01 00:03:07 · 56,012 observations · 3 rejected",
            "00:03:00  A drone crosses the line of contact",
            "time     event              place                sure verdict",
            "00:03:27 fire.burst ≥3      46.9123 N 31.5235 E  0.80 notice range-7",
            "00:03:07 fire.impact        46.9123 N 31.5235 E  0.99 VIOLATION disengagement-2",
            "00:02:07 restriction.denied 46.9123 N 31.5235 E  0.99 VIOLATION",
            "00:01:37 fire.impact        46.9123 N 31.5235 E  0.99 taken back",
            "q ends · 3 alerts · 2 violations · 1 under notice · 1 taken back",
        ];
        assert_eq!(lines(&watched(), 80, 9), usual);
        let narrow = [
            "truceline  00:23 of 01:00  ━━━━━────────",
            "2,431/s · event time 2026-03-01 00:03:07",
            "time     event              verdict",
            "00:03:27 fire.burst ≥3      notice range",
            "00:03:07 fire.impact        VIOLATION di",
            "00:02:07 restriction.denied VIOLATION",
            "q ends · 3 alerts · 2 violations",
        ];
        assert_eq!(lines(&watched(), 40, 7), narrow);
    }

    #[test]
    fn no_size_of_terminal_is_a_panic() {
        let state = watched();
        for width in 0..140 {
            for height in [0, 1, 2, 3, 5, 8, 9, 20, 60] {
                drawn(&state, width, height, true);
            }
        }
    }

    #[test]
    fn colour_is_by_severity_and_only_when_welcome() {
        let colours = |colour| {
            let terminal = drawn(&watched(), 130, 18, colour);
            let cells = terminal.backend().buffer().content.clone();
            cells.iter().filter(|cell| cell.fg != Color::Reset).count()
        };
        assert!(colours(true) > 0);
        assert_eq!(colours(false), 0);
    }
}
