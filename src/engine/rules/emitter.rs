//! Emitters: where radio signals leave, by when they arrive at several nodes.
//!
//! [`emission`] tells which arrivals are of one emission, [`fix`] where it left. Emissions of one emitter are one alert, from the first to
//! the last: those on a channel that a name was given to, as far as one thing can have moved from the one place to
//! the other; of others those from one place. Its place is the weighted mean of all since it was last seen to move.
//!
//! What an emitter is for is not known here: it breaches nothing, and is a sign to look at, but where only satellites may send.
//! It is told when event time has passed its first emission, for before that arrivals may belong together otherwise.

mod emission;
mod fix;
mod known;
mod waiting;

pub use self::emission::channel;
use self::emission::{Arrival, Emission};
pub use self::fix::LEAST_NODES;
use self::known::Known;
use self::waiting::Waiting;
use super::lane::{Episode, Extent, Scene, Seen, Watch, span_ns};
use super::lanes::Lanes;
use super::memory::Memory;
use super::sighting::{self, Sighting, What};
use super::{Rule, World, cited_at, position_at, radio_bearing, supersedes_at};
use crate::engine::book::{Book, Cited, Claim, Transmitter};
use crate::model::alert::{Class, Sign};
use crate::model::area::Prohibition;
use crate::model::geo::{Ellipse, LonLat, Symmetric, inverse};
use crate::model::kind::{Band, Kind, KindSet};
use crate::model::observation::Observations;
use crate::model::time::{NS_PER_S, s_from_ns};
use serde::{Deserialize, Serialize};

/// The chance that what four nodes bear out is not so, and by how much each more lessens it.
const DOUBT: f64 = 0.05;
/// Nothing is surer than that.
const MOST_P: f64 = 0.99;
/// Emissions are from one place if that lies within so many sigma, or nearer than that, metres.
const SAME_SD: f64 = 5.0;
const SAME_M: f64 = 100.0;
/// What has a name, and is off by more than so many sigma, has moved.
const MOVED_SD: f64 = 2.5;
/// However many emissions are averaged, a place is no surer than that, metres.
const LEAST_SD_M: f64 = 10.0;
/// A time that is known no better tells no place: light goes 30 km in it. And none is known better than that, seconds.
const SD_S: (f64, f64) = (1e-9, 1e-4);
/// A node that says that it is lower or higher than that does not know, metres.
const HEIGHTS_M: std::ops::RangeInclusive<f64> = -1_000.0..=100_000.0;
/// Where only satellites send: whoever does so on the ground or in the air interferes with them (ITU Radio Regulations, article 5, 1,559
/// to 1,610 MHz: radionavigation-satellite, space to Earth).
pub const SATELLITES_HZ: std::ops::RangeInclusive<f64> = 1.559e9..=1.61e9;
/// Emitters on one channel at a time. At it the one that began first ends.
const MAX_EMITTERS: usize = 256;
/// One that has sent from one place for so long, nanoseconds, and so often is known: what is its own is explained by it first ([`known`]).
/// An aircraft has gone on by then.
const KNOWN_FOR_NS: i64 = 20 * NS_PER_S;
const KNOWN_EMISSIONS: u64 = 3;
/// Emissions that are cited besides the last.
const MAX_CITED: usize = 4;

/// An emission that was located.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Located {
    cited: Vec<Cited>,
    place: LonLat,
    covariance_m2: Symmetric,
    height_m: f64,
    height_sd_m: f64,
    sent_ns: i64,
    frequency_hz: Option<f64>,
    probability: f64,
}

impl Located {
    fn of(emission: Emission) -> Located {
        let Emission { fix, cited, frequency_hz, by_chance, .. } = emission;
        let sent_ns = fix.sent_ns();
        let fix::Fix { place, covariance_m2, height_m, height_sd_m, .. } = fix;
        let more = cited.len().saturating_sub(LEAST_NODES).min(9) as i32;
        let probability = ((1.0 - DOUBT.powi(1 + more)) / (1.0 + by_chance)).min(MOST_P);
        Located { cited, place, covariance_m2, height_m, height_sd_m, sent_ns, frequency_hz, probability }
    }
}

impl Located {
    fn sighting(&self) -> Sighting {
        let &Located { covariance_m2, probability, ref cited, .. } = self;
        let emission = Box::new(sighting::Emission { covariance_m2, probability, arrivals: cited.clone() });
        let what = What::Emission(emission);
        Sighting::new(cited[0], Band::Gnss, self.place, what).known_after(KNOWN_AFTER_NS)
    }
}

impl Seen for Located {
    fn cited(&self) -> &Cited {
        &self.cited[0]
    }
}

/// One that sends.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Emitting {
    key: String,
    /// Its name, if nodes give one.
    label: Option<String>,
    frequency_hz: Option<f64>,
    /// The mean of where it was since it was last seen to move, and the information on that, 1/m².
    place: LonLat,
    information: Symmetric,
    height_m: f64,
    /// Information on the height, 1/m².
    height_information: f64,
    emissions: u64,
    /// The chance that none of its emissions was one.
    doubt: f64,
    from_ns: i64,
    newest_ns: i64,
    to_ns: Option<i64>,
    cited: Vec<Vec<Cited>>,
    last: Vec<Cited>,
}

impl Emitting {
    fn begin(key: String, label: Option<String>, seen: &Located) -> Emitting {
        Emitting {
            key,
            label,
            frequency_hz: seen.frequency_hz,
            place: seen.place,
            information: inverse(seen.covariance_m2),
            height_m: seen.height_m,
            height_information: seen.height_sd_m.powi(-2),
            emissions: 1,
            doubt: 1.0 - seen.probability,
            from_ns: seen.sent_ns,
            newest_ns: seen.sent_ns,
            to_ns: None,
            cited: vec![seen.cited.clone()],
            last: Vec::new(),
        }
    }

    /// How far off that emission is, in sigma of both, and metres.
    fn off(&self, seen: &Located) -> (f64, f64) {
        apart((self.place, inverse(self.information)), (seen.place, seen.covariance_m2))
    }

    fn known(&self) -> Known {
        let (xx, xy, yy) = inverse(self.information);
        let covariance_m2 = (xx + LEAST_SD_M * LEAST_SD_M, xy, yy + LEAST_SD_M * LEAST_SD_M);
        let height_sd_m = self.height_information.powf(-0.5).max(LEAST_SD_M);
        Known { place: self.place, covariance_m2, height_m: self.height_m, height_sd_m }
    }

    fn is_at(&self, seen: &Located) -> bool {
        let (off, off_m) = self.off(seen);
        off <= SAME_SD || off_m <= SAME_M
    }

    /// Whether one thing can have been where it was and there.
    fn reaches(&self, seen: &Located, speed_m_s: f64) -> bool {
        let (off, off_m) = self.off(seen);
        // What is uncertain does not count: the distance less so many sigma of it.
        let sure_m = if off > SAME_SD { off_m * (1.0 - SAME_SD / off) } else { 0.0 };
        sure_m <= speed_m_s * s_from_ns((seen.sent_ns - self.newest_ns).abs())
    }

    fn add(&mut self, seen: &Located) {
        let own = inverse(seen.covariance_m2);
        // Without a name it is taken for this one because it stands there.
        if self.label.is_none() || self.off(seen).0 <= MOVED_SD {
            let (east_m, north_m) = self.place.flat_offset_m(seen.place);
            let known = self.information;
            let sum = (known.0 + own.0, known.1 + own.1, known.2 + own.2);
            let (xx, xy, yy) = inverse(sum);
            let pull = (own.0 * east_m + own.1 * north_m, own.1 * east_m + own.2 * north_m);
            let by = (xx * pull.0 + xy * pull.1, xy * pull.0 + yy * pull.1);
            self.place = self.place.toward(by.0.atan2(by.1).to_degrees(), by.0.hypot(by.1));
            self.information = sum;
            let weight = seen.height_sd_m.powi(-2);
            self.height_information += weight;
            self.height_m += (seen.height_m - self.height_m) * weight / self.height_information;
        } else {
            // It has moved.
            (self.place, self.information) = (seen.place, own);
            (self.height_m, self.height_information) = (seen.height_m, seen.height_sd_m.powi(-2));
        }
        self.emissions += 1;
        self.doubt *= 1.0 - seen.probability;
        self.frequency_hz = self.frequency_hz.or(seen.frequency_hz);
        self.newest_ns = self.newest_ns.max(seen.sent_ns);
        if self.cited.len() < MAX_CITED {
            self.cited.push(seen.cited.clone());
        } else {
            self.last.clone_from(&seen.cited);
        }
    }
}

impl Episode for Emitting {
    fn key(&self) -> &str {
        &self.key
    }

    fn extent(&self) -> Extent {
        Extent { seen: self.emissions, newest_ns: self.newest_ns, from_ns: self.from_ns, to_ns: self.to_ns }
    }

    fn claim(&self, _world: World<'_>) -> Claim {
        let mut claim = Claim::new(self.key.clone(), Class::Interference, self.place, self.from_ns);
        claim.sign = Some(Sign::Emitter);
        if self.frequency_hz.is_some_and(|hz| SATELLITES_HZ.contains(&hz)) {
            claim.prohibitions = vec![Prohibition::Interference];
        }
        // Times are told to the millisecond.
        claim.time_sd_s = 5e-4;
        let (xx, xy, yy) = inverse(self.information);
        let ellipse = Ellipse::of_covariance(xx, xy, yy);
        claim.ellipse = Some(Ellipse {
            semi_major_m: ellipse.semi_major_m.max(LEAST_SD_M),
            semi_minor_m: ellipse.semi_minor_m.max(LEAST_SD_M),
            ..ellipse
        });
        (claim.from_ns, claim.to_ns) = (Some(self.from_ns), self.to_ns);
        claim.probability = (1.0 - self.doubt).min(MOST_P);
        claim.emitter = Some(Transmitter {
            label: self.label.clone(),
            frequency_hz: self.frequency_hz,
            alt_m: self.height_m,
            alt_sd_m: self.height_information.powf(-0.5),
        });
        claim.evidence = self.cited.iter().flatten().chain(&self.last).copied().collect();
        claim
    }
}

/// How far apart two places are, in sigma of both, and metres; each with its covariance, m².
fn apart((place, own): (LonLat, Symmetric), (other, others): (LonLat, Symmetric)) -> (f64, f64) {
    let (east_m, north_m) = place.flat_offset_m(other);
    let (xx, xy, yy) = inverse((own.0 + others.0, own.1 + others.1, own.2 + others.2));
    let d2 = xx * east_m * east_m + 2.0 * xy * east_m * north_m + yy * north_m * north_m;
    (d2.max(0.0).sqrt(), east_m.hypot(north_m))
}

/// Who sends on a channel.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Channel {
    emitters: Vec<Emitting>,
    /// The newest emission of late, nanoseconds: who sees the last ones again must know that they were of what has ended.
    #[serde(default)]
    newest_ns: Option<i64>,
}

fn ends_after_ns(world: World<'_>) -> i64 {
    span_ns(world.settings.emitters.ends_after_s).max(1)
}

impl Channel {
    /// Those without a name that stand and send at that time, nanoseconds.
    fn known(&self, at_ns: i64, ends_after_ns: i64) -> Vec<Known> {
        let stands = |it: &&Emitting| {
            it.label.is_none()
                && it.emissions >= KNOWN_EMISSIONS
                && it.newest_ns.saturating_sub(it.from_ns) >= KNOWN_FOR_NS
        };
        let sends = |it: &&Emitting| at_ns.saturating_sub(it.newest_ns) < ends_after_ns;
        self.emitters.iter().filter(stands).filter(sends).map(Emitting::known).collect()
    }

    fn end(&mut self, at: usize, ended: &mut Vec<Emitting>) {
        let mut emitter = self.emitters.remove(at);
        emitter.to_ns = Some(emitter.newest_ns);
        ended.push(emitter);
    }
}

impl Watch for Channel {
    const NAME: &'static str = "emitter";

    type Key = str;
    type Seen = Located;
    type Episode = Emitting;
    type Common = ();

    fn quiet(&mut self, now_ns: i64, scene: Scene<'_>, ended: &mut Vec<Emitting>) {
        let ends_after_ns = ends_after_ns(scene.world);
        while let Some(at) = self.emitters.iter().position(|it| now_ns.saturating_sub(it.newest_ns) >= ends_after_ns) {
            self.end(at, ended);
        }
        let horizon_ns = span_ns(scene.world.settings.amend_horizon_s);
        self.newest_ns.take_if(|newest_ns| now_ns.saturating_sub(*newest_ns) >= horizon_ns);
    }

    fn step(&mut self, seen: &Located, scene: Scene<'_>, ended: &mut Vec<Emitting>) {
        self.newest_ns = self.newest_ns.max(Some(seen.sent_ns));
        let label = emission::label(scene.key);
        let is_of = |it: &Emitting| match label {
            Some(_) => it.reaches(seen, scene.world.settings.emitters.speed_m_s),
            None => it.is_at(seen),
        };
        let nearest = self.emitters.iter().enumerate().filter(|(_, it)| is_of(it));
        let nearest = nearest.min_by(|a, b| a.1.off(seen).0.total_cmp(&b.1.off(seen).0).then(a.0.cmp(&b.0)));
        if let Some((at, _)) = nearest {
            return self.emitters[at].add(seen);
        }
        if self.emitters.len() == MAX_EMITTERS {
            self.end(0, ended);
        }
        let first = seen.cited();
        let node = &scene.world.registry.node(first.node).name;
        let key = format!("emitter/{}/{node}/{}", scene.key, first.id.as_str());
        self.emitters.push(Emitting::begin(key, label.map(str::to_owned), seen));
    }

    fn lasting(&self) -> impl Iterator<Item = &Emitting> {
        self.emitters.iter()
    }

    fn due_ns(&self, world: World<'_>) -> Option<i64> {
        let ends_after_ns = ends_after_ns(world);
        let forgotten_ns = self.newest_ns.map(|it| it.saturating_add(span_ns(world.settings.amend_horizon_s)));
        self.emitters.iter().map(|it| it.newest_ns.saturating_add(ends_after_ns)).chain(forgotten_ns).min()
    }

    fn spent(&self) -> bool {
        self.emitters.is_empty() && self.newest_ns.is_none()
    }

    fn is_memorable(&self, _span_ns: i64) -> bool {
        !self.spent()
    }

    fn each_cited(&mut self, tell: &mut dyn FnMut(&mut Cited)) {
        self.emitters.iter_mut().flat_map(|it| it.cited.iter_mut().flatten().chain(&mut it.last)).for_each(tell);
    }
}

/// The rule.
#[derive(Default, Serialize, Deserialize)]
pub struct Emitters {
    waiting: Waiting,
    lanes: Lanes<Channel>,
    /// Emissions in the satellites' band that nobody has heard of yet.
    sightings: Vec<Sighting>,
}

/// An emission is known so long after its first arrival, nanoseconds: arrivals are looked at by the quarter of a second.
const KNOWN_AFTER_NS: i64 = NS_PER_S;

impl Emitters {
    fn look(&mut self, cutoff_ns: i64, world: World<'_>, book: &mut Book) {
        loop {
            let next_ns = self.waiting.next_cutoff_ns(cutoff_ns);
            let Emitters { waiting, lanes, .. } = self;
            let known = |channel: &str, at_ns: i64| {
                lanes.settled(channel).map_or_else(Vec::new, |it| it.known(at_ns, ends_after_ns(world)))
            };
            for (channel, emission) in waiting.take(next_ns, world.registry, &known) {
                let located = Located::of(emission);
                if located.frequency_hz.is_some_and(|hz| SATELLITES_HZ.contains(&hz)) {
                    self.sightings.push(located.sighting());
                }
                self.lanes.observe(channel.as_str(), located, None, world, book);
            }
            self.lanes.advance(next_ns, world, book);
            if next_ns == cutoff_ns {
                break;
            }
        }
    }
}

impl Rule for Emitters {
    fn kinds(&self) -> KindSet {
        KindSet::of(Kind::Radio)
    }

    fn observe(&mut self, batch: &Observations, row: usize, world: World<'_>, book: &mut Book) {
        if !world.settings.emitters.on {
            return;
        }
        let (cited, supersedes, detail) = (cited_at(batch, row), supersedes_at(batch, row), batch.detail[row] as usize);
        if let Some(id) = supersedes {
            self.waiting.take_back(cited.node, id, cited.time_ns, world.passed_ns);
        }
        let Some(place) = position_at(batch, row, world).filter(|_| !batch.withdrawn[row]) else { return };
        let (node, arrivals) = (world.registry.node(cited.node), &batch.arrivals);
        let heights_m = [Some(batch.alt_m[row]), node.alt_m];
        let height_m = heights_m.into_iter().flatten().find(|alt_m| HEIGHTS_M.contains(alt_m)).unwrap_or(0.0);
        let azimuth = radio_bearing(arrivals.azimuth_deg[detail], arrivals.azimuth_sd_deg[detail]);
        let frequency_hz = arrivals.frequency_hz[detail];
        let own_s = batch.time_sd_s[row];
        let sd_s = if own_s > 0.0 { own_s } else { node.time_sd_s(Kind::Radio) }.max(SD_S.0);
        if sd_s > SD_S.1 {
            return;
        }
        let channel = channel(batch.text(arrivals.emitter[detail]), frequency_hz);
        let frequency_hz = Some(frequency_hz).filter(|hz| hz.is_finite());
        let range_m = node.range_m;
        self.waiting.add(channel, Arrival { cited, place, height_m, sd_s, azimuth, frequency_hz, range_m });
        if let Some(cutoff_ns) = self.waiting.overdue() {
            self.look(cutoff_ns, world, book);
        }
    }

    fn advance(&mut self, watermark_ns: i64, world: World<'_>, book: &mut Book) {
        if let Some(cutoff_ns) = self.waiting.due(watermark_ns) {
            self.look(cutoff_ns, world, book);
        }
    }

    fn take_sightings(&mut self) -> Vec<Sighting> {
        std::mem::take(&mut self.sightings)
    }

    fn memory(&mut self) -> Option<&mut dyn Memory> {
        Some(&mut self.lanes)
    }
}

#[cfg(test)]
mod tests;
