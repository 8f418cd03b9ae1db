//! What counts as a breach besides fire: one rule a file.
//!
//! A rule sees each accepted observation once, in whatever order it came, and is told when event time moves on.
//! What it says before that is provisional; what it says at a watermark is a function of the set of observations
//! up to it.

use super::book::Book;
use super::places::Places;
use super::settings::Settings;
use crate::model::node::Registry;
use crate::model::observation::Observations;

/// What a rule may look at besides the observations.
#[derive(Clone, Copy)]
pub struct World<'a> {
    /// The sensor registry.
    pub registry: &'a Registry,
    /// Areas and notices.
    pub places: &'a Places,
    /// The configuration.
    pub settings: &'a Settings,
}

/// One kind of breach.
pub trait Rule: Send {
    /// Takes in the accepted observation at `row`. Out of order within the lateness bound is normal.
    fn observe(&mut self, batch: &Observations, row: usize, world: World<'_>, book: &mut Book);

    /// Event time has passed `watermark_ns`: nothing earlier comes any more but as late evidence. Settles what is
    /// provisional and forgets what is no longer needed.
    fn advance(&mut self, watermark_ns: i64, world: World<'_>, book: &mut Book);
}

/// The rules that are switched on.
pub fn all(_settings: &Settings) -> Vec<Box<dyn Rule>> {
    Vec::new()
}
