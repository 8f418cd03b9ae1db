//! `truceline report`: a day as a page for readers.

use super::args::{Common, Report};
use super::console::{FileError, Misuse, Outcome, failed, print};
use super::{Progress, logging};
use crate::config::Config;
use crate::model::area::Area;
use crate::pipeline::alert_source::AlertSource;
use crate::pipeline::correlator::Reference;
use crate::pipeline::reference::ReferenceFiles;
use crate::pipeline::reference_tables::ReferenceTables;
use crate::report::page::{Collector, Page, html, markdown};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

pub(super) fn command(args: &Report, common: &Common) -> Outcome {
    let mut config = common.load()?.config;
    if args.areas.is_some() {
        config.reference.areas.clone_from(&args.areas);
    }
    logging::start(&config.log, common, None)?;
    let source = match (&args.alerts, &args.archive) {
        (Some(file), _) => AlertSource::File(file.clone()),
        (None, Some(root)) => AlertSource::Archive(root.clone()),
        (None, None) => AlertSource::Topic(Box::new(config.kafka.clone())),
    };
    let areas = areas(&config, matches!(source, AlertSource::Topic(_)))?;
    let mut collected = Collector::new(args.day, args.offset, &config.report.theatre);
    let (mut progress, mut read) = (Progress::new("report", common), 0);
    source.read(&mut |alert| {
        collected.take(alert);
        read += 1;
        progress.at(read, None, "revisions", "");
    })?;
    drop(progress);
    let sector = args.sector.as_deref().unwrap_or(collected.theatre());
    check_sector(sector, &collected, &areas)?;
    let page = Page::new(&collected, sector, &areas);
    let written = write(&page, args)?;
    if !common.quiet {
        let lines: String = written.iter().map(|path| format!("{}\n", path.display())).collect();
        print(&format!("{}\n{lines}", page.title))?;
    }
    Ok(())
}

/// The areas of the file, or, where alerts come from the broker too, of the topic.
fn areas(config: &Config, from_topic: bool) -> Result<Vec<Area>, Box<dyn std::error::Error + Send + Sync>> {
    let files = ReferenceFiles { areas: config.reference.areas.clone(), ..ReferenceFiles::default() };
    let mut areas: BTreeMap<String, Area> =
        files.load()?.1.areas().iter().map(|area| (area.area.clone(), area.clone())).collect();
    if from_topic {
        // Nodes and notices are no part of the page, but a table is read with its neighbours.
        ReferenceTables::load(&config.kafka, &files, &mut |change| match change {
            Reference::Area(area) => {
                areas.insert(area.area.clone(), area);
            }
            Reference::AreaGone(area) => {
                areas.remove(&area);
            }
            Reference::Node(_) | Reference::Notice(_) | Reference::NoticeGone(_) => {}
        })?;
    }
    Ok(areas.into_values().collect())
}

/// A name that nobody knows is more likely misspelt than quiet.
fn check_sector(sector: &str, collected: &Collector, areas: &[Area]) -> Outcome {
    let known: BTreeSet<&str> = collected.sectors().chain(areas.iter().filter_map(Area::sector_id)).collect();
    if known.contains(sector) {
        return Ok(());
    }
    let known: Vec<&str> = known.into_iter().collect();
    Err(Misuse(format!("--sector held {sector}; expected one of {}", known.join(", "))).into())
}

/// Writes the page in both forms, and its drawings, and gives their paths.
fn write(page: &Page, args: &Report) -> Result<Vec<PathBuf>, FileError> {
    std::fs::create_dir_all(&args.out).map_err(failed("cannot write", &args.out))?;
    let stem = match &args.sector {
        None => format!("report-{}", args.day),
        Some(sector) => format!("report-{}-{}", args.day, file_name(sector)),
    };
    let (map, chart) = (format!("{stem}-map.svg"), format!("{stem}-chart.svg"));
    let files = [
        (format!("{stem}.md"), markdown::page(page, &map, &chart)),
        (format!("{stem}.html"), html::page(page)),
        (map.clone(), page.map.clone()),
        (chart.clone(), page.chart.clone()),
    ];
    let mut written = Vec::new();
    for (name, text) in files {
        let path = args.out.join(name);
        std::fs::write(&path, text).map_err(failed("cannot write", &path))?;
        written.push(path);
    }
    Ok(written)
}

/// A sector's name as a part of a file's.
fn file_name(sector: &str) -> String {
    sector.chars().map(|c| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.') { c } else { '_' }).collect()
}
