//! The wire contract in code: JSON in, columns out; alerts in, JSON out; and the schemas of both.
//!
//! [`Decoder`] turns a record into columns and refusals. It is the one way in for telemetry and decisions.
//! [`reference`] reads and writes the sensor registry, areas and notices. [`alert`] writes what goes out.
//! [`schema`] describes every message as JSON Schema, by the types in [`wire`].

pub mod alert;
mod bounds;
mod decision;
mod decode;
pub mod escalation;
mod fields;
mod kinds;
mod letters;
mod numbers;
pub mod reference;
mod scan;
pub mod schema;
pub mod signature;
pub mod wire;

pub use decode::{
    DecisionLine, DecodeOptions, Decoder, Lines, MAX_DEPTH, MAX_LINE_BYTES, MAX_RECORD_BYTES, RecordAt, RejectedLine,
    line_of,
};
