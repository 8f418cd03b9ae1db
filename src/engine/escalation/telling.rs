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

/// Nodes that one record names, more or less: it stays well below what a topic takes, 1 MiB where nobody has set it.
const MOST_NAMES: usize = 8_192;

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

/// What a part of the regions tells of a bin, or a piece of that; of all bins before it has told what there was.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
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
    /// Whether there is more of this bin to come.
    pub more: bool,
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
#[derive(Debug, Serialize, Deserialize)]
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
        let bare = || BinTold { part: self.part, from_ns: bin * self.bin_ns, ..BinTold::default() };
        let (mut piece, mut named) = (bare(), 0);
        let mut make_room = |piece: &mut BinTold, names: usize| {
            if named > 0 && named + names > MOST_NAMES {
                let full = std::mem::replace(piece, bare());
                self.told.push(BinTold { more: true, ..full });
                named = 0;
            }
            named += names;
        };
        for (bits, nodes) in self.ears.heard_by(bin) {
            for nodes in nodes.chunks(MOST_NAMES) {
                make_room(&mut piece, nodes.len());
                piece.heard.push((bits, names(nodes, world.registry)));
            }
        }
        for (sign, counting) in signs {
            make_room(&mut piece, sign.arrivals.len() + sign.seers.len() + 1);
            piece.signs.push(SignTold::new(sign, counting, world.registry));
        }
        let weather = self.sectors.names().iter().cloned().zip(self.ears.weather_by_sector(bin).iter().copied());
        piece.weather = weather.filter(|(_, sum)| *sum != WeatherSum::default()).collect();
        self.told.push(piece);
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

#[cfg(test)]
mod tests {
    use super::super::gathered::Gathered;
    use super::*;
    use crate::engine::places::Places;
    use crate::engine::settings::Settings;
    use crate::model::node::Node;

    #[test]
    fn what_is_too_much_for_a_record_is_told_in_pieces_and_complete_with_the_last() {
        let registry = Registry::new((0..20_000).map(|n| Node::unregistered(&format!("node-of-the-mission-{n:05}"))));
        let (places, settings) = (Places::default(), Settings::default());
        let world = World::new(&registry, &places, &settings);
        let mut teller = BinTeller::new(1, 10);
        (0..20_000).for_each(|node| teller.hear(NodeIx(node), 105 + i64::from(node) % 10));
        let place = LonLat { lon_deg: 31.0, lat_deg: 47.0 };
        let sign = |at: u32| {
            let arrivals: Vec<NodeIx> = (at..at + 40).map(NodeIx).collect();
            let counting = Counting { at_ns: 112, modality: Modality::Fire, place, alert: format!("A-{at}") };
            (Sign { modality: Modality::Fire, time_ns: 112, place, arrivals, seers: Vec::new() }, counting)
        };
        teller.go_on(110);
        teller.tell((0..500).map(sign).collect(), world);
        let told = teller.take_told();
        assert!(told.len() >= 5, "{}", told.len());
        let mut gathered = Gathered::from(2);
        let last = told.len() - 1;
        for (at, piece) in told.into_iter().enumerate() {
            assert!(serde_json::to_vec(&piece).unwrap().len() < 1 << 19);
            assert_eq!(piece.more, at < last);
            assert!(!gathered.is_complete(11));
            gathered.hear(piece, 11, None, at as i64, &registry);
        }
        let own = BinTold { from_ns: 110, ..BinTold::default() };
        gathered.hear(own, 11, None, 99, &registry);
        assert!(gathered.is_complete(11) && gathered.needed_here() == Some(0));
        let bin = gathered.take(11);
        assert_eq!((bin.heard.len(), bin.signs.len(), bin.signs[0].arrivals.len()), (20_000, 500, 40));
        assert_eq!(bin.heard.iter().filter(|it| it.1 == 0b10).count(), 10_000, "half of them in the bin before");
        assert!(gathered.needed_here().is_none() && gathered.counting().count() == 500);
    }
}
