//! The whole course of a stream: every line that counted, in the order in which the engine had it, what was said of each
//! alert and when, and now and then what had been learnt.

use super::EvidenceError;
use super::recompute::{Setting, Start};
use crate::codec::{DecodeOptions, Decoder, Lines};
use crate::engine::associate::record::LearntRecord;
use crate::engine::progress::Partition;
use crate::model::alert::AlertFeature;
use crate::model::geo::LonLat;
use crate::model::node::Registry;
use crate::model::time::NS_PER_S;
use crate::pipeline::correlator::Results;
use crate::pipeline::feed::Feed;
use std::collections::BTreeMap;

/// Most bytes of lines that are held: a longer stream has to be given in pieces, with what was learnt before each.
pub const MAX_HELD_BYTES: u64 = 2 << 30;
/// Event time between two looks at what has been learnt.
const LOOK_EVERY_NS: i64 = 600 * NS_PER_S;
/// Most of them that are held; at it every other one is dropped.
const MAX_LOOKS: usize = 256;

/// A line that the engine had, or the end of a partition.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// A line.
    Line(Line),
    /// Nothing more came of that partition.
    Ended(Partition),
}

/// A line that was understood.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// Where it stood.
    pub partition: Partition,
    /// The record's offset.
    pub offset: i64,
    /// The line in the record.
    pub line: u32,
    /// When it happened at the node, nanoseconds; of a decision `None`.
    pub time_ns: Option<i64>,
    /// Where the registry has the node.
    pub place: Option<LonLat>,
    /// The bytes as received.
    pub raw: Box<[u8]>,
}

/// What had been learnt when so many steps were done.
#[derive(Clone, Debug)]
pub struct Look {
    /// So many.
    pub steps: usize,
    /// Event time then, nanoseconds.
    pub stream_ns: i64,
    /// Lines from this time on were still needed, nanoseconds.
    pub low_water_ns: i64,
    /// What had been learnt.
    pub learnt: LearntRecord,
}

/// What was said of an alert, and after how many steps the last of it.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// Every revision.
    pub revisions: Vec<AlertFeature>,
    /// All that was read when the newest was said.
    pub steps: usize,
}

/// A stream from its beginning to its end.
pub struct Course {
    /// The topics, as partitions count them.
    pub topics: Vec<String>,
    /// All that was read.
    pub steps: Vec<Step>,
    /// What was said, by alert.
    pub said: BTreeMap<String, History>,
    /// What had been learnt, in order.
    pub looks: Vec<Look>,
    /// All nodes in the end.
    pub registry: Registry,
}

impl Course {
    /// Runs the engine over the whole stream. `progress` is told the bytes read so far.
    ///
    /// # Errors
    /// A file that can't be read, a record of what was learnt that can't be used, a stream that is too long.
    pub fn run(
        mut feed: Feed,
        setting: &Setting,
        start: &Start,
        progress: &mut dyn FnMut(u64),
    ) -> Result<Course, EvidenceError> {
        let topics = feed.topics().to_vec();
        let mut correlator = setting.correlator(topics.clone(), start)?;
        for partition in feed.partitions() {
            correlator.engine().assign(partition);
        }
        let mut decoder = Decoder::new(DecodeOptions { keep_raw: true });
        let (mut lines, mut results) = (Lines::default(), Results::default());
        let mut course = Course {
            topics,
            steps: Vec::new(),
            said: BTreeMap::new(),
            looks: Vec::new(),
            registry: Registry::default(),
        };
        let (mut bytes, mut every_ns) = (0, LOOK_EVERY_NS);
        while let Some(fed) = feed.next(&mut correlator, &mut decoder, &mut lines)? {
            bytes += fed.bytes;
            if bytes > MAX_HELD_BYTES {
                return Err(EvidenceError::TooLong { bytes: MAX_HELD_BYTES });
            }
            course.read(&lines, correlator.registry());
            correlator.correlate(&mut lines, &mut results);
            correlator.advance(&mut results);
            if fed.ended {
                course.steps.push(Step::Ended(fed.partition));
                correlator.caught_up(fed.partition.0, fed.partition.1, &mut results);
            }
            course.note(&mut results);
            let (stream_ns, low_water_ns) =
                (correlator.engine().progress().stream_ns(), correlator.engine().low_water_ns());
            if let Some(stream_ns) = stream_ns
                && course.looks.last().is_none_or(|last| stream_ns >= last.stream_ns.saturating_add(every_ns))
            {
                let learnt = correlator.learnt();
                course.looks.push(Look { steps: course.steps.len(), stream_ns, low_water_ns, learnt });
                if course.looks.len() > MAX_LOOKS {
                    let mut number = 0;
                    course.looks.retain(|_| {
                        number += 1;
                        number % 2 == 1
                    });
                    every_ns *= 2;
                }
            }
            progress(bytes);
        }
        correlator.finish(&mut results);
        course.note(&mut results);
        course.registry = correlator.registry().clone();
        Ok(course)
    }

    fn read(&mut self, lines: &Lines, registry: &Registry) {
        let rows = &lines.observations;
        let observed = (0..rows.len()).map(|row| {
            let (origin, raw) = (rows.origin[row], rows.slice(rows.raw[row]));
            (origin, Some(rows.time_ns[row]), registry.node(rows.node[row]).position, raw)
        });
        let decided = lines.decisions.iter().map(|it| (it.origin, None, None, it.raw.as_slice()));
        let mut read: Vec<Line> = observed
            .chain(decided)
            .map(|(origin, time_ns, place, raw)| Line {
                partition: (origin.topic, origin.partition),
                offset: origin.offset,
                line: origin.line,
                time_ns,
                place,
                raw: raw.into(),
            })
            .collect();
        read.sort_by_key(|line| (line.offset, line.line));
        self.steps.extend(read.into_iter().map(Step::Line));
    }

    fn note(&mut self, results: &mut Results) {
        for said in results.said.drain(..) {
            let history = self.said.entry(said.feature.properties.alert.clone()).or_default();
            history.steps = self.steps.len();
            history.revisions.push(said.into_feature());
        }
        results.clear();
    }
}
