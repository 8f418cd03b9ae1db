//! How fast a broker gives what it has to somebody who does nothing with it: the roof of every reader.
//!
//! Fetch requests over a plain connection, version 11 of the protocol (<https://kafka.apache.org/protocol#The_Messages_Fetch>),
//! one after the other. Of the answers only the heads of the batches are looked at, for the next offset and the number of records.
//! Nothing is decompressed.

use super::ground::Ground;
use super::usage::Moment;
use super::{BenchError, PATIENCE, Rate, Step, Watch};
use crate::kafka::topics::leaders;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::Instant;

const API_FETCH: i16 = 1;
const VERSION: i16 = 11;
/// How long the broker may wait for more, milliseconds.
const MAX_WAIT_MS: i32 = 100;
/// What it may answer at a time, and of each partition, bytes.
const MAX_BYTES: i32 = 64 << 20;
const MAX_PARTITION_BYTES: i32 = 8 << 20;
/// The head of a batch of records, version 2, up to the number of its records.
const BATCH_HEAD: usize = 61;

/// A partition that is read.
struct Reading {
    partition: i32,
    next: i64,
}

impl Ground {
    /// Fetches the sensors' topic until `records` have come; `Ok(None)` where connections are encrypted or need a login.
    ///
    /// # Errors
    /// No broker, or one that does not answer as expected; told to stop.
    pub fn fetch(&self, records: u64, watch: &mut Watch<'_>) -> Result<Option<Rate>, BenchError> {
        let settings = self.settings("fetch");
        let protocol = settings.client.0.get("security.protocol").map_or("plaintext", String::as_str);
        if !protocol.eq_ignore_ascii_case("plaintext") {
            return Ok(None);
        }
        let topic = &settings.topics.sensors;
        let failed = |error: io::Error| BenchError::Fetch(error.to_string());
        let mut brokers: Vec<(String, TcpStream, Vec<Reading>)> = Vec::new();
        for (partition, address) in leaders(&settings, topic)? {
            let reading = Reading { partition, next: 0 };
            match brokers.iter_mut().find(|broker| broker.0 == address) {
                Some(broker) => broker.2.push(reading),
                None => {
                    let stream = TcpStream::connect(&address).map_err(failed)?;
                    stream.set_nodelay(true).and_then(|()| stream.set_read_timeout(Some(PATIENCE))).map_err(failed)?;
                    brokers.push((address, stream, vec![reading]));
                }
            }
        }
        let (start, mut done, mut moved, mut answer) = (Moment::now(), 0, Instant::now(), Vec::new());
        while done < records {
            if (watch.stop)() {
                return Err(BenchError::Stopped("fetching"));
            }
            // All are asked before any is waited for.
            for (_, stream, readings) in &mut brokers {
                stream.write_all(&request(topic, readings)).map_err(failed)?;
            }
            let before = done;
            for (_, stream, readings) in &mut brokers {
                read_answer(stream, &mut answer).map_err(failed)?;
                done += take(&answer, readings).map_err(|what| BenchError::Fetch(what.to_owned()))?;
            }
            if done > before {
                moved = Instant::now();
                (watch.on)(Step { what: "fetching", done, total: Some(records) });
            } else if moved.elapsed() > PATIENCE {
                return Err(BenchError::Stalled { stage: "fetching", done, total: records });
            }
        }
        Ok(Some(start.rate_to(Moment::now(), done)))
    }
}

fn text(out: &mut Vec<u8>, text: &str) {
    out.extend((text.len() as i16).to_be_bytes());
    out.extend(text.as_bytes());
}

fn request(topic: &str, readings: &[Reading]) -> Vec<u8> {
    let mut out = vec![0; 4];
    out.extend(API_FETCH.to_be_bytes());
    out.extend(VERSION.to_be_bytes());
    // The number by which an answer is known; they come in turn.
    out.extend(0i32.to_be_bytes());
    text(&mut out, "truceline-bench");
    // No replica, but a client.
    out.extend((-1i32).to_be_bytes());
    for number in [MAX_WAIT_MS, 1, MAX_BYTES] {
        out.extend(number.to_be_bytes());
    }
    // Everything there is, committed or not; and no session.
    out.push(0);
    out.extend(0i32.to_be_bytes());
    out.extend((-1i32).to_be_bytes());
    out.extend(1i32.to_be_bytes());
    text(&mut out, topic);
    out.extend((readings.len() as i32).to_be_bytes());
    for reading in readings {
        out.extend(reading.partition.to_be_bytes());
        // No epoch of the leader, and no beginning of the log.
        out.extend((-1i32).to_be_bytes());
        out.extend(reading.next.to_be_bytes());
        out.extend((-1i64).to_be_bytes());
        out.extend(MAX_PARTITION_BYTES.to_be_bytes());
    }
    // Nothing to be forgotten, and no rack.
    out.extend(0i32.to_be_bytes());
    text(&mut out, "");
    let length = (out.len() - 4) as i32;
    out[..4].copy_from_slice(&length.to_be_bytes());
    out
}

fn read_answer(stream: &mut TcpStream, answer: &mut Vec<u8>) -> io::Result<()> {
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let length = i32::from_be_bytes(length);
    if !(0..=2 * MAX_BYTES).contains(&length) {
        return Err(io::Error::other(format!("an answer of {length} bytes; expected {} at most", 2 * MAX_BYTES)));
    }
    answer.resize(length as usize, 0);
    stream.read_exact(answer)
}

/// What is left of an answer.
struct Cursor<'a>(&'a [u8]);

const SHORT: &str = "an answer ends before it is whole";

impl<'a> Cursor<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], &'static str> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(SHORT)?;
        self.0 = rest;
        Ok(taken)
    }

    fn i16(&mut self) -> Result<i16, &'static str> {
        self.take(2).map(|bytes| i16::from_be_bytes([bytes[0], bytes[1]]))
    }

    fn i32(&mut self) -> Result<i32, &'static str> {
        self.take(4).map(|bytes| i32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
    }

    fn sized(&mut self) -> Result<&'a [u8], &'static str> {
        let size = self.i32()?.max(0) as usize;
        self.take(size)
    }
}

/// Moves the readings on by an answer; gives how many records came.
fn take(answer: &[u8], readings: &mut [Reading]) -> Result<u64, &'static str> {
    let mut left = Cursor(answer);
    // Its number and how long the broker held it back.
    left.take(8)?;
    if left.i16()? != 0 {
        return Err("the broker refuses to be fetched from");
    }
    // The session.
    left.take(4)?;
    let mut records = 0;
    for _ in 0..left.i32()? {
        let name = left.i16()?.max(0) as usize;
        left.take(name)?;
        for _ in 0..left.i32()? {
            let partition = left.i32()?;
            if left.i16()? != 0 {
                return Err("the broker refuses to be fetched from");
            }
            // How far the log goes, how far it is stable, where it begins.
            left.take(24)?;
            let aborted = left.i32()?.max(0) as usize;
            left.take(16 * aborted)?;
            // The replica to ask instead.
            left.take(4)?;
            let batches = left.sized()?;
            if let Some(reading) = readings.iter_mut().find(|reading| reading.partition == partition) {
                records += count(batches, &mut reading.next);
            }
        }
    }
    Ok(records)
}

/// Records in batches from `next` on, which moves behind the last whole one.
fn count(mut batches: &[u8], next: &mut i64) -> u64 {
    let number = |bytes: &[u8], at: usize| i32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
    let mut records = 0;
    while batches.len() >= BATCH_HEAD {
        let size = 12 + number(batches, 8).max(0) as usize;
        if size > batches.len() {
            break;
        }
        let base = (i64::from(number(batches, 0)) << 32) | i64::from(number(batches, 4) as u32);
        let last = base + i64::from(number(batches, 23));
        if last >= *next {
            // The first batch may begin before what was asked for.
            records += (number(batches, 57).max(0) as u64).min((last + 1 - *next) as u64);
            *next = last + 1;
        }
        batches = &batches[size..];
    }
    records
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::ground::tests::small;

    #[test]
    fn all_that_a_topic_holds_is_fetched() {
        let bench = small();
        let watch = &mut Watch { stop: &|| false, on: &mut |_| {} };
        let mut ground = Ground::open(&bench).unwrap();
        ground.fill(bench.records, watch).unwrap();
        assert_eq!(ground.fetch(bench.records, watch).unwrap().unwrap().observations, bench.records);
    }

    #[test]
    fn only_whole_batches_count_and_only_what_was_asked_for() {
        let batch = |base: i64, records: i32| {
            let mut bytes = vec![0; BATCH_HEAD + 7];
            let length = bytes.len() as i32 - 12;
            bytes[..8].copy_from_slice(&base.to_be_bytes());
            bytes[8..12].copy_from_slice(&length.to_be_bytes());
            bytes[23..27].copy_from_slice(&(records - 1).to_be_bytes());
            bytes[57..61].copy_from_slice(&records.to_be_bytes());
            bytes
        };
        let all = [batch(10, 5), batch(15, 3), batch(18, 9)].concat();
        let mut next = 12;
        assert_eq!((count(&all[..all.len() - 1], &mut next), next), (6, 18));
        let mut far = 1 << 40;
        assert_eq!((count(&batch(1 << 40, 2), &mut far), far), (2, (1 << 40) + 2));
        assert_eq!((take(&[0; 9], &mut []), count(&[], &mut next)), (Err(SHORT), 0));
    }
}
