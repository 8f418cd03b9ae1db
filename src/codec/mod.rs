//! The wire contract in code: JSON in, columns out; alerts in, JSON out; and the schemas of both.
//!
//! [`Decoder`] turns a record into columns and refusals. It is the one way in for telemetry and decisions.
//! [`reference`] reads and writes the sensor registry, areas and notices. [`alert`] and [`daily`] write what goes out.
//! [`reviewers`] checks who decided. [`schema`] describes every message as JSON Schema, by the types in [`wire`].

pub mod alert;
mod bounds;
pub mod daily;
mod decision;
mod decode;
pub mod escalation;
mod fields;
mod kinds;
mod letters;
mod numbers;
pub mod reference;
pub mod reviewers;
mod scan;
pub mod schema;
pub mod signature;
pub mod wire;

pub use decode::{
    DecisionLine, DecodeOptions, Decoder, Lines, MAX_DEPTH, MAX_LINE_BYTES, MAX_RECORD_BYTES, RecordAt, RejectedLine,
    line_of,
};
