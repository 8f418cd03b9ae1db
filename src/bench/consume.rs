//! Kafka to memory, nothing decoded: the reader alone, on a topic that was filled before.

use super::ground::Ground;
use super::usage::Moment;
use super::{BenchError, PATIENCE, Rate, Step, Watch};
use crate::kafka::{Event, Source};
use std::hint::black_box;
use std::time::{Duration, Instant};

/// Longest wait of one poll.
const POLL: Duration = Duration::from_millis(50);

impl Ground {
    /// Reads the sensors' topic from its first record to number `records`. Counted from the first poll that gave any.
    ///
    /// # Errors
    /// The reader's; told to stop; a topic that gives less.
    pub fn consume(&self, records: u64, watch: &mut Watch<'_>) -> Result<Rate, BenchError> {
        let settings = self.settings("consume");
        let mut source = Source::new(&settings, std::slice::from_ref(&settings.topics.sensors))?;
        let (mut done, mut first, mut moved) = (0, None, Instant::now());
        while done < records {
            if (watch.stop)() {
                return Err(BenchError::Stopped("consuming"));
            }
            let taken = source.poll(POLL, &mut |event| {
                if let Event::Record(record) = event {
                    // What every reader must look at.
                    black_box((record.key, record.payload.first(), record.offset));
                }
            })? as u64;
            if taken > 0 {
                done += taken;
                moved = Instant::now();
                first.get_or_insert((Moment::now(), done));
                (watch.on)(Step { what: "consuming", done, total: Some(records) });
            } else if moved.elapsed() > PATIENCE {
                return Err(BenchError::Stalled { stage: "consuming", done, total: records });
            }
        }
        let (start, before) = first.ok_or(BenchError::Stopped("consuming"))?;
        Ok(start.rate_to(Moment::now(), done - before))
    }
}
