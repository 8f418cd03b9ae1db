//! The shells around the engine, each readable from top to bottom.
//!
//! [`correlator`] is what replay and live run share: decoded lines in, alerts and rejected lines out, no input or output
//! of its own. A live run has three stages ([`run`]): one reads, one correlates, one tells and commits. In a cluster other
//! processes go before it ([`route`]), and it is run once for each part of the regions ([`correlate`]).

pub mod alert_source;
pub mod archive;
mod by_region;
mod checkpoint;
pub mod correlate;
pub mod correlator;
mod crossing;
pub mod demo;
pub mod evidence;
pub mod feed;
pub(crate) mod finals_heard;
mod handover;
mod heard;
mod held_keys;
mod intake;
pub mod latency;
pub mod layout;
pub mod learnt;
pub(crate) mod lessons;
mod live;
mod low_water;
pub mod nodes;
pub mod parcel;
pub mod reference;
pub mod reference_tables;
pub mod replay;
pub mod report;
pub mod route;
pub mod run;
mod said_table;
mod second_hop;
mod shelf;
#[cfg(test)]
pub(crate) mod simulation;
pub(crate) mod teller;
