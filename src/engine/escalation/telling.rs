//! Regions that are shared out: what each part tells of a bin of event time to the one that judges.
//!
//! Who was up, what the weather was and what counts is known only to the part that answers for it. So each of them, the one that
//! judges too, tells of a bin when all of it is final with it ([`super::gathered`]). What has been told is not told again: up to
//! where a part has come is kept with what it told.

use super::Sign;
use super::bins;
use super::ears::{Ears, WeatherSum};
use super::sectors::Sectors;
use crate::engine::rules::World;
use crate::model::escalation::Modality;
use crate::model::geo::LonLat;
use crate::model::node::{NodeIx, Registry};
use serde::{Deserialize, Serialize};
use std::cmp::Ordering;

/// The part that judges.
pub const JUDGE: u32 = 0;

/// An alert that counts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Counting {
    /// From when on, nanoseconds.
    pub at_ns: i64,
    /// As what.
    pub modality: Modality,
    /// Where it is.
    pub place: LonLat,
    /// Its id.
    pub alert: String,
}

impl Counting {
    /// By when they count.
    pub fn in_order(&self, other: &Counting) -> Ordering {
        self.at_ns.cmp(&other.at_ns).then_with(|| self.alert.cmp(&other.alert))
    }
}

/// One in a bin that is told of, nodes by name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SignTold {
    /// The alert.
    pub counting: Counting,
    /// When it happened, nanoseconds.
    pub time_ns: i64,
    /// See [`Sign::arrivals`].
    pub arrivals: Vec<String>,
    /// See [`Sign::seers`].
    pub seers: Vec<String>,
}

/// What a part of the regions tells of a bin; of all bins before it has told what there was.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BinTold {
    /// Whose it is.
    pub part: u32,
    /// When the bin begins, nanoseconds.
    pub from_ns: i64,
    /// Nodes of which something came, by the bins in which it did: bit n stands for the one n before this.
    pub heard: Vec<(u64, Vec<String>)>,
    /// What the nodes of each sector said of the weather.
    pub weather: Vec<(String, WeatherSum)>,
    /// What counts in it.
    pub signs: Vec<SignTold>,
}

impl BinTold {
    /// All nodes that are named.
    pub fn nodes(&self) -> impl Iterator<Item = &str> {
        let heard = self.heard.iter().flat_map(|it| &it.1);
        let of_signs = self.signs.iter().flat_map(|sign| sign.arrivals.iter().chain(&sign.seers));
        heard.chain(of_signs).map(String::as_str)
    }
}

impl SignTold {
    fn new(sign: Sign, counting: Counting, registry: &Registry) -> SignTold {
        let (arrivals, seers) = (names(&sign.arrivals, registry), names(&sign.seers, registry));
        SignTold { counting, time_ns: sign.time_ns, arrivals, seers }
    }
}

fn names(nodes: &[NodeIx], registry: &Registry) -> Vec<String> {
    nodes.iter().map(|&node| registry.node(node).name.clone()).collect()
}

/// What a part has heard and has not told yet.
#[derive(Debug)]
pub struct BinTeller {
    part: u32,
    bin_ns: i64,
    ears: Ears,
    sectors: Sectors,
    laid_out_for: Option<(u64, u64)>,
    /// The next bin to be told of.
    next_bin: Option<i64>,
    told: Vec<BinTold>,
}

impl BinTeller {
    /// Of that part; nothing heard yet.
    pub fn new(part: u32, bin_ns: i64) -> BinTeller {
        let (ears, sectors) = (Ears::new(bin_ns), Sectors::none());
        BinTeller { part, bin_ns, ears, sectors, laid_out_for: None, next_bin: None, told: Vec::new() }
    }

    /// Something came in time of a node that is up.
    #[inline]
    pub fn hear(&mut self, node: NodeIx, time_ns: i64) {
        self.ears.hear(node, time_ns);
    }

    /// A node told of wind and noise, which may not be numbers.
    pub fn weather(&mut self, node: NodeIx, time_ns: i64, wind_m_s: f64, noise_db: f64, world: World<'_>) {
        self.lay_out(world);
        self.ears.weather(self.sectors.home(node), time_ns, wind_m_s, noise_db);
    }

    /// As [`super::EscalationWatch::due`].
    pub fn due(&mut self, oldest_ns: i64, final_ns: i64) -> Option<(i64, i64)> {
        bins::due(&mut self.next_bin, self.bin_ns, oldest_ns, final_ns)
    }

    /// Goes by that the next bin is told of with these.
    pub fn tell(&mut self, signs: Vec<(Sign, Counting)>, world: World<'_>) {
        let Some(bin) = self.next_bin else { return };
        self.lay_out(world);
        let heard = self.ears.heard_by(bin).into_iter().map(|(bits, nodes)| (bits, names(&nodes, world.registry)));
        let weather = self.sectors.names().iter().cloned().zip(self.ears.weather_by_sector(bin).iter().copied());
        let signs = signs.into_iter().map(|(sign, counting)| SignTold::new(sign, counting, world.registry));
        self.told.push(BinTold {
            part: self.part,
            from_ns: bin * self.bin_ns,
            heard: heard.collect(),
            weather: weather.filter(|(_, sum)| *sum != WeatherSum::default()).collect(),
            signs: signs.collect(),
        });
        self.next_bin = Some(bin + 1);
        self.ears.forget_before(bin);
    }

    /// What is to be told, since the last call.
    pub fn take_told(&mut self) -> Vec<BinTold> {
        std::mem::take(&mut self.told)
    }

    /// All before this has been told, nanoseconds.
    pub fn told_ns(&self) -> Option<i64> {
        self.next_bin.map(|next| next.saturating_mul(self.bin_ns))
    }

    /// Goes on from where another one had come.
    pub fn go_on(&mut self, told_ns: i64) {
        self.next_bin = Some(told_ns.div_euclid(self.bin_ns));
    }

    fn lay_out(&mut self, world: World<'_>) {
        let versions = (world.registry.version(), world.places.version());
        if self.laid_out_for.replace(versions) != Some(versions) {
            self.sectors = Sectors::new(world.registry, world.places);
        }
    }
}
