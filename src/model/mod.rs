//! What the world is made of: observations in columns, nodes, areas, notices, decisions, alerts.
//!
//! Plain data and the arithmetic of time and place. Nothing here reads, writes, waits or guesses.

pub mod alert;
pub mod area;
pub mod daily;
pub mod day;
pub mod decision;
pub mod escalation;
pub mod fault;
pub mod geo;
pub mod kind;
mod names;
pub mod node;
pub mod notice;
pub mod observation;
pub mod reject;
pub mod review;
pub mod time;
