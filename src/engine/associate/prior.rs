//! Where and when events are to be expected: the prior density λ of the score.
//!
//! Guns fire again, and where one round fell others do. λ is a mixture: fire anywhere at its long-run rate, fire
//! anywhere while there is much of it, and around each known event kernels of several widths, lasting or fading within
//! a minute (a self-exciting point process: Ogata 1998, Ann. Inst. Statist. Math. 50). The shares of the mixture are
//! learnt from final events, each explained by the others (expectation-maximisation, one event at a time).

use super::bells::{self, Columns, Fading, Known, REACH_M, WIDTHS_M};
use super::exp::exp;
use super::kernel::Isa;
use super::locate::Place;
use super::record::PriorRecord;
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// How long fire begets fire, s.
const ECHO_S: f64 = 45.0;
/// Beyond so many of these nothing is left of it.
const ECHOES: f64 = 6.0;
/// How long a place is remembered, s.
const MEMORY_S: f64 = 3_600.0;
/// Events so near to each other are one place, m.
const SAME_PLACE_M: f64 = 50.0;
/// Weight of a place, in events, from which on it is looked at first whenever something is heard: one event alone may have
/// been the only one there.
const AGAIN: f64 = 1.2;
/// Most places remembered; the least weighty goes first.
const MAX_PLACES: usize = 512;
/// Most recent events kept.
const MAX_RECENT: usize = 2_048;
/// An event so near in time and space is the event itself, s and m.
const SELF_S: f64 = 0.5;
const SELF_M: f64 = 300.0;
/// Components: background, much fire anywhere, kernels that last, kernels that fade.
pub const COMPONENTS: usize = 2 + 2 * WIDTHS_M.len();
/// What each is taken to explain before anything is learnt, in events.
const FIRST_GUESS: [f64; COMPONENTS] = [4.0, 2.0, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5];
/// Events after which old ones fade.
const MOST_LEARNT: f64 = 400.0;

/// Fire at a place that is remembered.
const LASTING: Fading =
    Fading { in_s: MEMORY_S, both_ways: false, most: f64::INFINITY, self_s: 0.0, self_m: 0.0, counts_far: false };
/// Fire that begets fire: what is final, all of which is summed up already, and what is not.
const ECHOING: Fading =
    Fading { in_s: ECHO_S, both_ways: true, most: ECHOES, self_s: SELF_S, self_m: SELF_M, counts_far: false };
const ECHOING_OPEN: Fading = Fading { counts_far: true, ..ECHOING };

/// The prior of one region. What [`Prior::sum_up`] makes of the rest is not written down.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Prior {
    first_rate_per_s: f64,
    area_m2: f64,
    since_s: f64,
    events: f64,
    last_s: f64,
    recent: Vec<Known>,
    /// Of each of `recent`: how much is left at its time of all before, itself included, and of all after.
    #[serde(skip)]
    left: Vec<(f64, f64)>,
    /// From west to east, so that those around a place stand in a row.
    places: Vec<Known>,
    /// The weightiest of them.
    #[serde(skip)]
    heaviest: f64,
    /// Both as they are summed up.
    #[serde(skip)]
    recent_columns: Columns,
    #[serde(skip)]
    place_columns: Columns,
    explained: [f64; COMPONENTS],
    #[serde(skip, default = "Isa::best")]
    isa: Isa,
}

impl Default for Prior {
    fn default() -> Prior {
        Prior {
            first_rate_per_s: 20.0 / 3600.0,
            area_m2: 1e9,
            since_s: f64::NAN,
            events: 0.0,
            last_s: f64::NAN,
            recent: Vec::new(),
            left: Vec::new(),
            places: Vec::new(),
            heaviest: 0.0,
            recent_columns: Columns::default(),
            place_columns: Columns::default(),
            explained: FIRST_GUESS,
            isa: Isa::best(),
        }
    }
}

impl Prior {
    /// Sets what is known without any event.
    pub fn expect(&mut self, events_per_hour: f64, area_m2: f64) {
        (self.first_rate_per_s, self.area_m2) = (events_per_hour / 3600.0, area_m2);
    }

    /// ln λ at a place and time, per m² s, given `others`, the events that are not final.
    pub fn ln_density(&self, at: Place, others: &[Place]) -> f64 {
        let total: f64 = self.explained.iter().sum();
        let parts = self.parts(at, others);
        (parts.iter().zip(&self.explained).map(|(part, weight)| part * weight).sum::<f64>() / total).max(1e-300).ln()
    }

    /// ln λ where nothing is known of the place.
    pub fn ln_background(&self) -> f64 {
        let total: f64 = self.explained.iter().sum();
        (self.rate_per_s(self.memory_s()) / self.area_m2 * self.explained[0] / total).ln()
    }

    /// An upper bound of ln λ, for a search that has no place yet.
    pub fn ln_most(&self, others: &[Place]) -> f64 {
        if self.places.is_empty() && others.is_empty() && self.recent.is_empty() {
            return self.ln_background();
        }
        let total: f64 = self.explained.iter().sum();
        let memory_s = self.memory_s();
        let most = self.heaviest.max(1.0) / memory_s;
        let lasting: f64 = WIDTHS_M
            .iter()
            .zip(&self.explained[2..])
            .map(|(h, w)| w * 3.0 * most / (std::f64::consts::TAU * h * h))
            .sum();
        let fading: f64 = WIDTHS_M
            .iter()
            .zip(&self.explained[2 + WIDTHS_M.len()..])
            .map(|(h, w)| w * 3.0 / (std::f64::consts::TAU * h * h) / (2.0 * ECHO_S))
            .sum();
        ((lasting + fading) / total).max(1e-300).ln().max(self.ln_background())
    }

    /// Places at which there was fire, that of the day first and then that which is not final.
    pub fn places<'a>(&'a self, others: &'a [Place]) -> impl Iterator<Item = (f64, f64)> + 'a {
        self.places.iter().map(|known| (known.x_m, known.y_m)).chain(others.iter().map(|at| (at.x_m, at.y_m)))
    }

    /// Of these those at which there was fire more than once, and all that is not final.
    pub fn firing_places<'a>(&'a self, others: &'a [Place]) -> impl Iterator<Item = (f64, f64)> + 'a {
        let again = self.places.iter().filter(|known| known.weight > AGAIN);
        again.map(|known| (known.x_m, known.y_m)).chain(others.iter().map(|at| (at.x_m, at.y_m)))
    }

    fn memory_s(&self) -> f64 {
        let elapsed_s = if self.since_s.is_nan() { 0.0 } else { (self.last_s - self.since_s).max(0.0) };
        (MEMORY_S * (1.0 - (-elapsed_s / MEMORY_S).exp())).max(300.0)
    }

    fn rate_per_s(&self, memory_s: f64) -> f64 {
        // The first guess is worth an hour.
        (self.events + self.first_rate_per_s * 3600.0) / (memory_s + 3600.0)
    }

    fn parts(&self, at: Place, others: &[Place]) -> [f64; COMPONENTS] {
        let mut parts = [0.0; COMPONENTS];
        let memory_s = self.memory_s();
        parts[0] = self.rate_per_s(memory_s) / self.area_m2;
        let here = (at.x_m, at.y_m, at.time_s);
        let lasting = bells::sums(self.isa, &self.place_columns, self.within(at.x_m, REACH_M), here, &LASTING);
        let from = self.recent.partition_point(|other| other.time_s < at.time_s - ECHOES * ECHO_S);
        let to = self.recent.partition_point(|other| other.time_s <= at.time_s + ECHOES * ECHO_S);
        let recent = bells::sums(self.isa, &self.recent_columns, from..to, here, &ECHOING);
        let open = bells::sums_of_places(self.isa, others, here, &ECHOING_OPEN);
        let fading = self.left_at(at.time_s) - recent.left_itself + open.left;
        parts[1] = fading.max(0.0) / (2.0 * ECHO_S) / self.area_m2;
        for k in 0..WIDTHS_M.len() {
            parts[2 + k] = lasting.densities[k] / memory_s;
            parts[2 + WIDTHS_M.len() + k] = (recent.densities[k] + open.densities[k]) / (2.0 * ECHO_S);
        }
        parts
    }

    /// The places that are no further east or west than that.
    fn within(&self, x_m: f64, reach_m: f64) -> Range<usize> {
        let from = self.places.partition_point(|known| known.x_m < x_m - reach_m);
        from..from + self.places[from..].partition_point(|known| known.x_m <= x_m + reach_m)
    }

    /// How much is left of all that is recent at that time: the sum of exp(−|Δt| / τ).
    fn left_at(&self, time_s: f64) -> f64 {
        let after = self.recent.partition_point(|other| other.time_s <= time_s);
        let before = after
            .checked_sub(1)
            .map_or(0.0, |last| self.left[last].0 * exp((self.recent[last].time_s - time_s) / ECHO_S));
        let later = self
            .recent
            .get(after)
            .map_or(0.0, |next| (1.0 + self.left[after].1) * exp((time_s - next.time_s) / ECHO_S));
        before + later
    }

    /// Sums up what is left of what is recent, and puts all in columns: what follows from the rest, and is not written down with
    /// it. All that changes the rest ends with this.
    pub fn sum_up(&mut self) {
        self.heaviest = self.places.iter().map(|place| place.weight).fold(0.0, f64::max);
        let base_s = if self.last_s.is_nan() { 0.0 } else { self.last_s };
        self.recent_columns.fill(base_s, self.recent.iter().copied());
        self.place_columns.fill(base_s, self.places.iter().copied());
        let recent = &self.recent;
        let lasting = |k: usize| exp((recent[k].time_s - recent[k + 1].time_s) / ECHO_S);
        self.left.clear();
        self.left.resize(recent.len(), (1.0, 0.0));
        for k in 1..recent.len() {
            self.left[k].0 += self.left[k - 1].0 * lasting(k - 1);
        }
        for k in (1..recent.len()).rev() {
            self.left[k - 1].1 = (1.0 + self.left[k].1) * lasting(k - 1);
        }
    }

    /// An event is final.
    pub fn learn(&mut self, at: Place, others: &[Place]) {
        if self.since_s.is_nan() {
            (self.since_s, self.last_s) = (at.time_s - 60.0, at.time_s);
        }
        let parts = self.parts(at, others);
        let sum: f64 = parts.iter().zip(&self.explained).map(|(part, weight)| part * weight).sum();
        if sum > 0.0 {
            let total: f64 = self.explained.iter().sum();
            let fade = if total > MOST_LEARNT { MOST_LEARNT / (total + 1.0) } else { 1.0 };
            for ((explained, part), first) in self.explained.iter_mut().zip(parts).zip(FIRST_GUESS) {
                *explained = (*explained * fade + part * *explained / sum).max(0.25 * first);
            }
        }
        let passed_s = (at.time_s - self.last_s).max(0.0);
        self.events = self.events * (-passed_s / MEMORY_S).exp() + 1.0;
        self.last_s = self.last_s.max(at.time_s);
        self.remember(at);
        if self.recent.len() >= MAX_RECENT {
            self.recent.drain(..MAX_RECENT / 2);
        }
        let spot = self.recent.partition_point(|other| other.time_s <= at.time_s);
        self.recent.insert(spot, event(at));
        if self.recent.first().is_some_and(|first| first.time_s < at.time_s - 2.0 * ECHOES * ECHO_S) {
            self.recent.retain(|other| other.time_s >= at.time_s - ECHOES * ECHO_S - 120.0);
        }
        self.sum_up();
    }

    /// As it is written down. What [`Prior::expect`] says is not part of it.
    pub fn record(&self) -> PriorRecord {
        PriorRecord {
            from_to_s: (!self.since_s.is_nan()).then_some((self.since_s, self.last_s)),
            events: self.events,
            explained: self.explained,
            places: self.places.iter().map(|known| [known.x_m, known.y_m, known.weight, known.time_s]).collect(),
            recent: self.recent.iter().map(|known| [known.x_m, known.y_m, known.time_s]).collect(),
        }
    }

    /// As it was written down. What is more than fits is left out.
    pub fn from_record(record: &PriorRecord) -> Prior {
        let (since_s, last_s) = record.from_to_s.unwrap_or((f64::NAN, f64::NAN));
        let known = |&[x_m, y_m, weight, time_s]: &[f64; 4]| Known { x_m, y_m, weight: weight.max(0.0), time_s };
        let mut explained = record.explained;
        for (explained, first) in explained.iter_mut().zip(FIRST_GUESS) {
            *explained = explained.max(0.25 * first);
        }
        let mut prior = Prior {
            since_s,
            last_s,
            events: record.events.max(0.0),
            explained,
            places: record.places.iter().take(MAX_PLACES).map(known).collect(),
            recent: record
                .recent
                .iter()
                .take(MAX_RECENT)
                .map(|&[x_m, y_m, time_s]| event(Place { x_m, y_m, time_s }))
                .collect(),
            ..Prior::default()
        };
        prior.recent.sort_by(|a, b| a.time_s.total_cmp(&b.time_s));
        prior.places.sort_by(|a, b| a.x_m.total_cmp(&b.x_m));
        prior.sum_up();
        prior
    }

    /// Forgets when and where events were, but not what they taught about the mixture.
    pub fn forget_events(&mut self) {
        *self = Prior {
            first_rate_per_s: self.first_rate_per_s,
            area_m2: self.area_m2,
            explained: self.explained,
            ..Prior::default()
        };
    }

    fn remember(&mut self, at: Place) {
        let mut nearest: Option<(f64, usize)> = None;
        for number in self.within(at.x_m, SAME_PLACE_M) {
            let known = &self.places[number];
            let distance_m = (known.x_m - at.x_m).hypot(known.y_m - at.y_m);
            if distance_m < SAME_PLACE_M && nearest.is_none_or(|(least_m, _)| distance_m < least_m) {
                nearest = Some((distance_m, number));
            }
        }
        let mut here = Known { x_m: at.x_m, y_m: at.y_m, weight: 1.0, time_s: at.time_s };
        if let Some((_, number)) = nearest {
            let known = self.places.remove(number);
            let kept = now_weight(&known, at.time_s);
            here = Known {
                x_m: (known.x_m * kept + at.x_m) / (kept + 1.0),
                y_m: (known.y_m * kept + at.y_m) / (kept + 1.0),
                weight: kept + 1.0,
                time_s: known.time_s.max(at.time_s),
            };
        } else if self.places.len() >= MAX_PLACES {
            let weight = |number: &usize| now_weight(&self.places[*number], self.last_s);
            let least = (0..self.places.len()).min_by(|a, b| weight(a).total_cmp(&weight(b)));
            least.map(|least| self.places.remove(least));
        }
        let spot = self.places.partition_point(|known| known.x_m <= here.x_m);
        self.places.insert(spot, here);
        self.places.retain(|known| now_weight(known, at.time_s) > 0.02);
    }
}

/// An event as [`bells`] wants it.
fn event(at: Place) -> Known {
    Known { x_m: at.x_m, y_m: at.y_m, time_s: at.time_s, weight: 1.0 }
}

fn now_weight(known: &Known, now_s: f64) -> f64 {
    known.weight * (-(now_s - known.time_s).max(0.0) / MEMORY_S).exp()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(x_m: f64, y_m: f64, time_s: f64) -> Place {
        Place { x_m, y_m, time_s }
    }

    #[test]
    fn where_a_gun_fired_more_is_expected_than_elsewhere_and_less_as_time_goes_by() {
        let mut prior = Prior::default();
        prior.expect(20.0, 2e9);
        let before = prior.ln_density(at(0.0, 0.0, 100.0), &[]);
        assert!((before - prior.ln_background()).abs() < 1e-9, "nothing is known of any place");
        for k in 0..20 {
            prior.learn(at(0.0, 0.0, 100.0 + 10.0 * f64::from(k)), &[]);
        }
        let here = prior.ln_density(at(20.0, 0.0, 310.0), &[]);
        let later = prior.ln_density(at(20.0, 0.0, 3_000.0), &[]);
        let elsewhere = prior.ln_density(at(15_000.0, 9_000.0, 3_000.0), &[]);
        assert!(here > later + 1.0 && later > elsewhere + 3.0, "{here} {later} {elsewhere}");
    }

    #[test]
    fn an_event_does_not_see_itself() {
        let prior = Prior::default();
        let places = [at(0.0, 0.0, 50.0), at(100.0, 0.0, 45.0)];
        let alone = prior.ln_density(places[0], &places[..1]);
        let with_other = prior.ln_density(places[0], &places);
        assert!((alone - prior.ln_background()).abs() < 1e-9);
        assert!(with_other > alone + 3.0);
    }

    proptest! {
        #[test]
        fn what_is_left_of_the_recent_is_the_sum(
            times in proptest::collection::vec(0f64..200.0, 1..30), time_s in -20f64..300.0,
        ) {
            let mut prior = Prior::default();
            for &time_s in &times {
                prior.learn(at(0.0, 0.0, time_s), &[]);
            }
            let sum: f64 = prior.recent.iter().map(|other| (-(other.time_s - time_s).abs() / ECHO_S).exp()).sum();
            prop_assert!((prior.left_at(time_s) - sum).abs() < 1e-6 * sum + 1e-9, "{} for {sum}", prior.left_at(time_s));
        }

        #[test]
        fn whatever_was_learnt_the_density_is_a_number_and_memory_is_bounded(
            events in proptest::collection::vec((-5e3f64..5e3, -5e3f64..5e3, 0f64..2e3), 1..40), x in -6e3f64..6e3, y in -6e3f64..6e3,
        ) {
            let mut prior = Prior::default();
            prior.expect(20.0, 2e9);
            let mut events = events;
            events.sort_by(|a, b| a.2.total_cmp(&b.2));
            for &(x_m, y_m, time_s) in &events {
                prior.learn(at(x_m, y_m, time_s), &[]);
            }
            prop_assert!(prior.ln_density(at(x, y, 2_100.0), &[]).is_finite());
            prop_assert!(prior.places.len() <= MAX_PLACES && prior.recent.len() <= MAX_RECENT);
        }
    }
}
