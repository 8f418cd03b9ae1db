//! Who fires when and where: single rounds over the land, rounds again and again from one place, and the barrage.

use super::chance::Chance;
use super::ground::offset;
use super::world::World;
use crate::model::alert::Class;
use crate::model::geo::LonLat;

/// Mean speed of a shell along the ground, m/s: 20–45 s of flight over 6–14 km.
const SHELL_M_S: f64 = 310.0;
/// How long before the first event that is told of a mission may have started, seconds: a mission and a flight.
const BEFORE_S: f64 = 180.0;
/// A gun takes so long to load, seconds.
const RELOAD_S: f64 = 1.0;

/// Where rounds may fall and how far they are heard.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ground {
    /// Half the width of the square that they fall in, metres.
    pub(super) reach_m: f64,
    /// How far the nodes hear, metres.
    pub(super) range_m: f64,
}

impl Ground {
    fn place(&self, world: &World, chance: &mut Chance) -> LonLat {
        let (east, north) = (chance.range(-self.reach_m, self.reach_m), chance.range(-self.reach_m, self.reach_m));
        offset(world.centre, east, north)
    }
}

fn any_class(chance: &mut Chance) -> Class {
    match chance.uniform() {
        u if u < 0.35 => Class::FireExplosion,
        u if u < 0.65 => Class::FireImpact,
        u if u < 0.90 => Class::FireOutgoing,
        _ => Class::FireBurst,
    }
}

/// `count` rounds between `from_s` and `to_s`, of which `series_share` come in series of two to six from one place
/// (to 40 m), 2–60 s apart.
pub(super) fn scattered(
    world: &mut World,
    ground: Ground,
    count: usize,
    (from_s, to_s): (f64, f64),
    series_share: f64,
    chance: &mut Chance,
) {
    let mut left = count;
    while left > 0 {
        // A series has four rounds on average, so the share of series is a quarter of that of their rounds.
        let series = chance.yes(series_share / (series_share + 4.0 * (1.0 - series_share)));
        let rounds = if series { (2 + chance.below(5)).min(left) } else { 1 };
        let (class, place) = (any_class(chance), ground.place(world, chance));
        let mut at_s = chance.range(from_s, to_s);
        for _ in 0..rounds {
            let spot = if series { offset(place, 40.0 * chance.normal(), 40.0 * chance.normal()) } else { place };
            let time_ns = world.at_ns(at_s);
            world.add_fire(class, time_ns, spot, ground.range_m, chance);
            at_s += chance.range(2.0, 60.0);
            if at_s >= to_s {
                at_s = chance.range(from_s, to_s);
            }
        }
        left -= rounds;
    }
}

/// A gun and an impact area: where rounds start and where they come down.
#[derive(Clone, Debug)]
pub(super) struct Batteries {
    /// The guns.
    pub(super) guns: Vec<LonLat>,
    /// The middles of the impact areas.
    pub(super) targets: Vec<LonLat>,
}

impl Batteries {
    /// Six guns in the west, four impact areas in the east, at least `apart_m` from each other.
    pub(super) fn new(world: &World, reach_m: f64, chance: &mut Chance) -> Batteries {
        let apart_m = 0.05 * reach_m;
        let mut spots = |count: usize, east: (f64, f64), places: &mut Vec<LonLat>| {
            while places.len() < count {
                let place = offset(
                    world.centre,
                    chance.range(east.0 * reach_m, east.1 * reach_m),
                    chance.range(-0.65 * reach_m, 0.65 * reach_m),
                );
                if places.iter().all(|other| other.distance_m(place) >= apart_m) {
                    places.push(place);
                }
            }
        };
        let (mut guns, mut targets) = (Vec::new(), Vec::new());
        spots(6, (-0.65, -0.15), &mut guns);
        spots(4, (0.15, 0.65), &mut targets);
        Batteries { guns, targets }
    }
}

/// `count` events between `from_s` and `to_s`, rounds leaving and rounds landing: missions of one to three guns on one
/// impact area, each gun 5–15 rounds, seconds apart. A gun stands within 10 m, rounds scatter by 120 m; a gun that is
/// still loading for another mission leaves a round out. It is a piece of a fire that goes on before and after, so that as much happens at the ends as in the middle. Returns the
/// pairs (leaving, landing) of which both are in the piece, by their places in the world's list.
pub(super) fn barrage(
    world: &mut World,
    batteries: &Batteries,
    range_m: f64,
    count: usize,
    (from_s, to_s): (f64, f64),
    chance: &mut Chance,
) -> Vec<(usize, usize)> {
    let (mut pairs, mut left) = (Vec::new(), count);
    let mut fired_s: Vec<Vec<f64>> = vec![Vec::new(); batteries.guns.len()];
    // Guns can't fire more than they can load: a scene that asks for more gets what they manage.
    let mut missions = 0..50 + 10 * count;
    while left > 0 && missions.next().is_some() {
        let target = batteries.targets[chance.below(batteries.targets.len())];
        let (mut ready, start_s) = (1 + chance.below(3), chance.range(from_s - BEFORE_S, to_s));
        for (at, &gun) in batteries.guns.iter().enumerate() {
            // As many as are ready out of those that are left, each with the same chance.
            if !chance.yes(ready as f64 / (batteries.guns.len() - at) as f64) {
                continue;
            }
            ready -= 1;
            let (fired, every_s) = (5 + chance.below(11), chance.range(2.0, 9.0));
            let mut leaves_s = start_s + chance.range(0.0, 4.0);
            for _ in 0..fired {
                let from = offset(gun, 10.0 * chance.normal(), 10.0 * chance.normal());
                let to = offset(target, 120.0 * chance.normal(), 120.0 * chance.normal());
                let flight_s = from.distance_m(to) / (SHELL_M_S * (1.0 + 0.03 * chance.normal()));
                if fired_s[at].iter().all(|other_s| (leaves_s - other_s).abs() >= RELOAD_S) {
                    fired_s[at].push(leaves_s);
                    let mut fire = |class, at_s: f64, place| {
                        let inside = left > 0 && (from_s..to_s).contains(&at_s);
                        inside.then(|| {
                            left -= 1;
                            world.add_fire(class, world.at_ns(at_s), place, range_m, chance)
                        })
                    };
                    let leaving = fire(Class::FireOutgoing, leaves_s, from);
                    let landing = fire(Class::FireImpact, leaves_s + flight_s, to);
                    if let Some((leaving, landing)) = leaving.zip(landing) {
                        world.events[leaving].other_end = Some(to);
                        world.events[landing].other_end = Some(from);
                        pairs.push((leaving, landing));
                    }
                }
                leaves_s += every_s * chance.range(0.7, 1.3);
            }
        }
    }
    pairs
}
