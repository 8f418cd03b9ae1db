//! Observations in, alerts out. Pure: no clock, thread, socket, file or random source; the shells around it
//! bring the batches and carry away what it says.

mod as_bytes;
mod as_named;
pub mod associate;
pub mod book;
pub mod checkpoint;
pub mod checks;
pub mod corrections;
pub mod duplicates;
pub mod escalation;
pub mod fire;
mod held;
mod in_order;
mod latecomers;
pub mod ledger;
mod neighbours;
pub mod pair;
pub mod places;
pub mod progress;
pub mod rules;
pub mod settings;
pub mod settled;
pub mod share;
mod signs;
pub mod slow;
mod succession;
mod taking_in;
pub mod weather;

use crate::model::decision::Decision;
use crate::model::escalation::Escalation;
use crate::model::kind::Kind;
use crate::model::node::Registry;
use crate::model::observation::{Observations, Origin};
use crate::model::reject::Refusal;
use crate::model::review::Review;
use crate::model::time::ns_from_s;
use book::{Book, DecisionError, Said, Settled};
use duplicates::Duplicates;
use escalation::EscalationWatch;
use escalation::telling::BinTeller;
use fire::{FireWatch, Now};
use latecomers::Latecomers;
use places::Places;
use progress::{Partition, Progress, Verdict};
use rules::{Rule, World};
use serde::{Deserialize, Serialize};
use settings::Settings;
use slow::SlowWatch;
use std::collections::BTreeMap;
use taking_in::Found;
use weather::{ReportRecord, Weather};

/// Most observations held back because they are ahead of the stream; beyond, they are refused at once. A live run waits
/// with partitions that have such at half of it ([`Engine::ahead`]).
pub const MAX_HELD: usize = 65_536;

/// A line that only the stream's clock could refuse.
#[derive(Clone, Debug)]
pub struct Refused {
    /// Where it stood.
    pub origin: Origin,
    /// Why.
    pub refusal: Refusal,
    /// The line as received.
    pub raw: Vec<u8>,
}

/// What one call gave.
#[derive(Debug, Default)]
pub struct Output {
    /// Alert revisions, in order.
    pub said: Vec<Said>,
    /// What was said of escalations, in order.
    pub escalations: Vec<Escalation>,
    /// Lines refused.
    pub refused: Vec<Refused>,
    /// Lines of earlier calls that were held back and have been let in, and their times, nanoseconds.
    pub released: Vec<(Origin, i64)>,
}

impl Output {
    /// Empties it, keeping the memory.
    pub fn clear(&mut self) {
        self.said.clear();
        self.escalations.clear();
        self.refused.clear();
        self.released.clear();
    }
}

/// What became of the observations so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Taken in, in time.
    pub accepted: u64,
    /// Taken in behind the watermark.
    pub late: u64,
    /// Seen before, dropped.
    pub duplicates: u64,
    /// Refused by the stream's clock.
    pub refused: u64,
}

/// The engine of one process. What is skipped when it is written down is as the one is made that takes it up, or has no
/// meaning from one call to the next; see [`checkpoint`].
#[derive(Serialize, Deserialize)]
pub struct Engine {
    #[serde(skip)]
    settings: Settings,
    places: Places,
    progress: Progress,
    duplicates: Duplicates,
    weather: Weather,
    fire: FireWatch,
    slow: SlowWatch,
    /// `None` where it is not looked for.
    escalation: Option<EscalationWatch>,
    #[serde(with = "as_named")]
    escalations: Vec<Escalation>,
    /// Where regions are shared out, what those are told who judge.
    bin_teller: Option<BinTeller>,
    /// All before this was judged, and told, in the record that was last asked for, nanoseconds.
    escalation_kept_ns: (Option<i64>, Option<i64>),
    #[serde(with = "checkpoint::rules")]
    rules: Vec<Box<dyn Rule>>,
    /// By kind: the numbers of the rules that look at it.
    #[serde(skip)]
    heeded_by: Vec<Vec<usize>>,
    book: Book,
    held: Observations,
    latecomers: Latecomers,
    /// Room for those of a batch.
    #[serde(skip)]
    found: Vec<Found>,
    /// Up to where the partitions of the rows at hand had come when these were judged, nanoseconds.
    #[serde(skip)]
    passed: Vec<i64>,
    counts: Counts,
    advanced_to_ns: i64,
    /// How long behind event time alerts are kept, seconds.
    #[serde(skip)]
    kept_s: f64,
    settled: Settled,
    /// How far the engine before this one had come.
    settled_before: Settled,
    /// What nodes said of themselves before what is seen, until the first observation is.
    #[serde(with = "as_named")]
    reports_before: Vec<ReportRecord>,
    /// The newest time accepted.
    newest_ns: i64,
    /// The oldest time accepted in time: nothing is known of what was before.
    oldest_ns: i64,
    /// Of the others that have regions, by their number: events from before this are final there and have been told.
    others_ns: BTreeMap<u32, i64>,
    others_moved: bool,
    /// After a restart: final events from before that time may be missing here, nanoseconds.
    finals_known_ns: Option<i64>,
    /// The whole second of event time up to which final events were weighed last.
    weighed_to_s: i64,
}

impl Engine {
    /// An engine with these settings, areas and notices. `topics` names what [`Origin::topic`] counts; the digest of
    /// the settings stands on every alert.
    pub fn new(settings: Settings, config_digest: String, topics: Vec<String>, places: Places) -> Engine {
        let rules = rules::all();
        let heeds = |kind: Kind| (0..rules.len()).filter(|&at| rules[at].kinds().contains(kind)).collect();
        Engine {
            progress: Progress::new(&settings),
            kept_s: settings.amend_horizon_s,
            escalation: settings
                .escalation
                .on
                .then(|| EscalationWatch::new(&settings.escalation, settings.whole_digest())),
            escalations: Vec::new(),
            bin_teller: None,
            escalation_kept_ns: (None, None),
            heeded_by: Kind::ALL.iter().map(|&kind| heeds(kind)).collect(),
            rules,
            settings,
            places,
            duplicates: Duplicates::default(),
            weather: Weather::default(),
            fire: FireWatch::default(),
            slow: SlowWatch::default(),
            book: Book::new(config_digest, topics),
            held: Observations::default(),
            latecomers: Latecomers::default(),
            found: Vec::new(),
            passed: Vec::new(),
            counts: Counts::default(),
            advanced_to_ns: i64::MIN,
            settled: Settled::NOTHING,
            settled_before: Settled::NOTHING,
            reports_before: Vec::new(),
            newest_ns: i64::MIN,
            oldest_ns: i64::MAX,
            others_ns: BTreeMap::new(),
            others_moved: false,
            finals_known_ns: None,
            weighed_to_s: i64::MIN,
        }
    }

    /// From now on these reviewers decide, and alerts are kept as long as they may.
    pub fn convene(&mut self, review: Review) {
        let open_s = if review.has_reviewers() { review.open_h * 3600.0 } else { 0.0 };
        self.kept_s = open_s.max(self.settings.amend_horizon_s);
        self.book.convene(review);
    }

    /// Changes areas and notices, as reference data changes.
    pub fn change_places(&mut self, registry: &Registry, change: impl FnOnce(&mut Places)) {
        let world = World::new(registry, &self.places, &self.settings);
        self.rules.iter_mut().for_each(|rule| rule.before_places_change(world));
        change(&mut self.places);
    }

    /// Areas and notices.
    pub fn places(&self) -> &Places {
        &self.places
    }

    /// Event time.
    pub fn progress(&self) -> &Progress {
        &self.progress
    }

    /// What became of the observations so far.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Arrivals held in windows, over all regions.
    pub fn arrivals_held(&self) -> usize {
        self.fire.regions().iter().map(|region| region.arrivals_held()).sum()
    }

    /// Arrivals that took no part because there were too many of a node in a second, over all regions.
    pub fn arrivals_passed_over(&self) -> u64 {
        self.fire.regions().iter().map(|region| region.passed_over()).sum()
    }

    /// How many lines wait: those that are ahead of the stream, and those that are late before event time says so.
    pub fn lines_held(&self) -> usize {
        self.held.len() + self.latecomers.len()
    }

    /// Ids remembered, to tell duplicates.
    pub fn ids_held(&self) -> usize {
        self.duplicates.len()
    }

    /// The alerts, as far as they may still change.
    pub fn book(&mut self) -> &mut Book {
        &mut self.book
    }

    /// A partition that is read from now on: it holds the watermark back until it has said something or is caught up.
    pub fn assign(&mut self, partition: Partition) {
        self.progress.assign(partition);
    }

    /// A partition that is no longer read here.
    pub fn revoke(&mut self, partition: Partition) {
        self.progress.revoke(partition);
    }

    /// All there is in a partition has been read.
    pub fn caught_up(&mut self, partition: Partition, registry: &Registry, out: &mut Output) {
        self.progress.caught_up(partition);
        self.advance(registry, out);
    }

    /// Who reads a partition, where that is another process, has looked since then and there was no more: see [`Progress::vouched`].
    pub fn vouched(&mut self, partition: Partition, stream_ns: i64) {
        self.progress.vouched(partition, stream_ns);
    }

    /// There is more in a partition, not yet read: it is told before the batch at hand, so that what others say in it
    /// does not move event time past what this one still has to say.
    pub fn behind(&mut self, partition: Partition) {
        self.progress.behind(partition);
    }

    /// All has been quiet for so long: event time goes on by as much from where the stream stood, and what waited for
    /// more becomes final, as at the stream's end. Lines held back are refused, for nothing has borne them out. Does
    /// nothing while a partition has more to read. What comes after it, of a time that was passed, is late.
    pub fn quiet_for(&mut self, quiet_ns: i64, registry: &Registry, out: &mut Output) {
        let Some(stream_ns) = self.progress.stream_ns().filter(|_| self.progress.is_caught_up()) else { return };
        if quiet_ns >= ns_from_s(self.settings.max_future_s) {
            self.judge_held(Verdict::AllRefuted, registry, out);
        }
        let passed_ns = stream_ns.saturating_add(quiet_ns).saturating_sub(ns_from_s(self.settings.lateness_s));
        if passed_ns > self.progress.watermark_ns() {
            self.take_late(passed_ns, registry);
            self.progress.pass(passed_ns);
            // Rules that wait for something to appear again are not to count the time in which nobody could.
            let rules_ns = passed_ns.min(stream_ns.saturating_add(1)).max(self.advanced_to_ns);
            self.settle(rules_ns, passed_ns, registry);
        }
        self.book.rejudge(registry, &self.places, &self.settings);
        self.hand_out(out);
    }

    /// Takes in a batch and says what follows from it: [`Engine::observe`], then [`Engine::advance`].
    pub fn ingest(&mut self, batch: &Observations, registry: &Registry, out: &mut Output) {
        self.observe(batch, registry, out);
        self.advance(registry, out);
    }

    /// A decision of the commission. The error is a sentence that says why it cannot stand.
    pub fn decide(&mut self, decision: Decision, out: &mut Output) -> Result<(), DecisionError> {
        self.book.decide(decision)?;
        self.hand_out(out);
        Ok(())
    }

    /// The stream has ended: everything that can be final is.
    pub fn finish(&mut self, registry: &Registry, out: &mut Output) {
        self.judge_held(Verdict::AllRefuted, registry, out);
        // Rules that wait for something to appear again must not wait until the end of time.
        let end_ns = self.progress.stream_ns().unwrap_or(i64::MIN).saturating_add(1);
        self.take_late(end_ns, registry);
        self.progress.finish();
        self.settle(end_ns.max(self.advanced_to_ns), i64::MAX, registry);
        self.book.rejudge(registry, &self.places, &self.settings);
        self.hand_out(out);
    }

    /// Moves event time on by what was observed, and gives what is final by that.
    pub fn advance(&mut self, registry: &Registry, out: &mut Output) {
        let borne_out_ns = self.progress.advance();
        self.take_late(borne_out_ns, registry);
        if borne_out_ns > self.advanced_to_ns {
            self.settle(borne_out_ns, self.progress.watermark_ns(), registry);
        } else {
            if self.others_moved && self.settings.fire.on {
                self.weigh(registry);
            }
            if self.bin_teller.is_some() {
                // Others may have told what was waited for.
                self.escalate(self.advanced_to_ns, self.progress.watermark_ns(), registry);
            }
            let world = World::new(registry, &self.places, &self.settings);
            rules::each(&mut self.rules, world, &mut self.book, |rule, book| rule.go_over(world, book));
        }
        self.book.rejudge(registry, &self.places, &self.settings);
        self.hand_out(out);
    }

    /// Gives what has been said since.
    fn hand_out(&mut self, out: &mut Output) {
        out.said.append(&mut self.book.take_said());
        out.escalations.append(&mut self.escalations);
    }

    /// Rules settle up to `rules_ns`, fire up to `fire_ns`.
    fn settle(&mut self, rules_ns: i64, fire_ns: i64, registry: &Registry) {
        self.advanced_to_ns = rules_ns;
        self.settled.rules_ns = rules_ns;
        // Where regions are shared out, reports wait for what is final in the others; what they may be about is kept until then.
        let weighed_ns = rules_ns.min(self.others_final_ns());
        let world = World::new(registry, &self.places, &self.settings);
        let now = Now { weather: &self.weather, watermark_ns: fire_ns, heard_until_ns: fire_ns, late_clock_sd_s: None };
        if self.settings.fire.on {
            self.fire.advance(now, world, &mut self.book);
            let final_ns = self.fire.final_before_ns(fire_ns);
            self.settled.fire_ns = final_ns;
            self.book.retract_unfound(final_ns);
            self.weigh(registry);
            let kept_ns = weighed_ns.saturating_sub(ns_from_s(self.settings.amend_horizon_s + slow::KEEP_S));
            self.fire.forget_before(kept_ns);
            self.slow.forget_before(kept_ns);
        }
        let world = World::new(registry, &self.places, &self.settings);
        let heard_ns = rules_ns.min(self.newest_ns.saturating_add(1));
        rules::each(&mut self.rules, world, &mut self.book, |rule, book| rule.advance(heard_ns, world, book));
        self.book.retract_unheld(rules_ns, |key| rules::is_held(self.rules.iter().map(|rule| &**rule), key));
        self.escalate(rules_ns, fire_ns, registry);
        self.duplicates.forget_before(rules_ns.saturating_sub(ns_from_s(self.settings.duplicates_s)));
        self.weather.forget_before(rules_ns.saturating_sub(ns_from_s(2.0 * WEATHER_S)));
        self.book.forget_before(weighed_ns.saturating_sub(ns_from_s(self.kept_s)));
    }
}

/// How long a status says something of the weather and the clock, s: twice the longest wait for the final word.
const WEATHER_S: f64 = 1800.0;

#[cfg(test)]
mod tests;
