//! Truceline watches a ceasefire: telemetry in, likely violations out, each with its evidence.
#![warn(missing_docs)]

pub mod archive;
pub mod bench;
pub mod cli;
pub mod codec;
pub mod config;
pub mod engine;
pub mod failpoint;
pub mod import;
pub mod kafka;
pub mod model;
pub mod pipeline;
pub mod report;
pub mod score;
pub mod simulate;
