//! Which gun fired at which place: the direction of fire, told from when rounds left and when they landed.
//!
//! One round and one impact prove nothing: in a barrage a dozen impacts lie within any shell's flight time. A gun that
//! fires again and again at the same place repeats its flight time to a few per cent. So for a round that left (or landed) the
//! partners are tried one by one; each says: rounds from about here reach about there after so long. The others from about here
//! within two minutes bear that out or don't:
//!
//! ln L = Σ ln (p₁/p₀) over those that have an impact there at that lag ± 4%, + Σ ln (1−p₁)/(1−p₀) over the others,
//!
//! p₁ = 0.8 (both ends are found and final), p₀ = 1 − e^(−r w) what impacts there would give by chance, at their rate r
//! within the window w. Against them stands that the partner is none of these, as likely at the outset as all together.
//! A direction is claimed when those within 3° of the best have 0.98 of it, borne out by four rounds at least.
//!
//! On the simulator's `fused` scene with its radars taken out (seeds 31–33, 7 and 41–44), 422 of 428 directions that radars
//! knew were told to within 5°; of seeds that nothing was tried on, 245 of 247. Where a radar knows, its word stands.
//!
//! A shell flies T = √(2 D tan θ / g) over D metres at an elevation θ (vacuum, level ground: any textbook of mechanics;
//! drag shortens D at a given T by less than the bounds leave room for): 10°–75° and 0.5–40 km are taken to be possible.

use super::book::OtherEnd;
use super::ledger::Ledger;
use super::settled::Settled;
use crate::model::alert::Class;
use crate::model::geo::{Ellipse, LonLat};
use crate::model::time::{ns_from_s, s_from_ns};

/// Distances that a shell flies, m.
const NEAREST_M: f64 = 500.0;
const FURTHEST_M: f64 = 40_000.0;
/// Who is further from an event than this is neither its partner nor of its partner's shoot, m.
const REACH_M: f64 = FURTHEST_M + 2.0 * TARGET_M;
/// No degree of latitude is shorter, m.
const LEAST_M_A_DEGREE: f64 = 110_500.0;
/// √(2 tan θ / g) at 10° and 75°, s/√m.
const FLIGHT_S: (f64, f64) = (0.19, 0.872);
/// The longest flight in these bounds, s.
const MOST_FLIGHT_S: f64 = 175.0;
/// Rounds so far from each other in time may belong to one shoot, s.
const SHOOT_S: f64 = 120.0;
/// How far rounds of one gun, and impacts of one target, are apart, m.
const GUN_M: f64 = 150.0;
const TARGET_M: f64 = 400.0;
/// By how much flight times of one gun and target differ: share.
const SAME_FLIGHT: f64 = 0.04;
/// The chance that both ends of a round are found.
const BOTH_P: f64 = 0.8;
/// A claim needs so much, and so many rounds that bear it out.
const SURE_P: f64 = 0.98;
const LEAST_ROUNDS: usize = 4;
/// What rounds may bear out at most, ln: two guns that both fire at the target are both borne out, and the one that fired
/// more is not the likelier to have fired this round.
const MOST_LN_L: f64 = 6.0;
/// Directions as near as this are one, degrees.
const SAME_DEG: f64 = 3.0;
/// An event is looked at with what was final so long after it, s: its partner's shoot has to be in.
pub const WAIT_S: f64 = MOST_FLIGHT_S + SHOOT_S;
/// Most events looked at about one; beyond, nothing is claimed.
const MOST_ABOUT: usize = 2_048;

/// One end of a trajectory.
#[derive(Clone, Copy)]
struct End {
    time_ns: i64,
    place: LonLat,
    left: bool,
    /// East and north of the end that is asked about, m: places are compared a hundred thousand times in a barrage.
    at_m: (f64, f64),
}

impl End {
    fn of(event: &Settled) -> Option<End> {
        End::about(event, event.claim.place)
    }

    fn about(event: &Settled, reference: LonLat) -> Option<End> {
        let left = match event.claim.class {
            Class::FireOutgoing => true,
            Class::FireImpact | Class::FireExplosion => false,
            _ => return None,
        };
        let place = event.claim.place;
        (event.claim.probability >= 0.5).then(|| End {
            time_ns: event.claim.time_ns,
            place,
            left,
            at_m: reference.flat_offset_m(place),
        })
    }

    fn lag_s(&self, other: &End) -> f64 {
        s_from_ns(other.time_ns - self.time_ns).abs()
    }

    fn distance_m(&self, other: &End) -> f64 {
        let (east_m, north_m) = (other.at_m.0 - self.at_m.0, other.at_m.1 - self.at_m.1);
        (east_m * east_m + north_m * north_m).sqrt()
    }

    /// Whether `other` may be another round of the same gun, or of the same target.
    fn is_like(&self, other: &End) -> bool {
        let reach_m = if self.left { GUN_M } else { TARGET_M };
        self.left == other.left && self.lag_s(other) <= SHOOT_S && self.distance_m(other) <= reach_m
    }
}

/// Looks at all events that have not been looked at and whose surroundings are final; gives those whose direction of
/// fire is told now, by region and place in it. What is around one may be missing from before `known_ns`: such are left as they were told.
pub fn pair(ledger: &mut Ledger, final_ns: i64, known_ns: i64) -> Vec<(usize, usize)> {
    let before_ns = final_ns.saturating_sub(ns_from_s(WAIT_S));
    let mut told = Vec::new();
    for region in 0..ledger.len() {
        for at in ledger[region].take_unpaired(before_ns) {
            let event = &ledger[region][at];
            if event.claim.time_ns < known_ns.saturating_add(ns_from_s(WAIT_S)) {
                continue;
            }
            let known = event.claim.direction_of_fire_deg.is_some();
            let paired = if known { None } else { End::of(event).and_then(|end| partner(end, ledger)) };
            let event = &mut ledger[region][at];
            (event.fire_deg, event.paired_with) = paired.unzip();
            if paired.is_some() {
                told.push((region, at));
            }
        }
    }
    told
}

/// The azimuth from gun to impact for the round that has this end, and its other end.
fn partner(end: End, ledger: &Ledger) -> Option<(f64, OtherEnd)> {
    let (from_ns, to_ns) = (ns_from_s(-WAIT_S) + end.time_ns, ns_from_s(WAIT_S) + end.time_ns);
    let events = ledger.iter().flat_map(|events| events.between(from_ns, to_ns));
    // What is beyond the furthest target has no say; most of a theatre is.
    let is_level =
        |event: &&Settled| (event.claim.place.lat_deg - end.place.lat_deg).abs() * LEAST_M_A_DEGREE <= REACH_M;
    let near = events.filter(is_level).filter_map(|event| End::about(event, end.place));
    let mut about: Vec<End> = near.filter(|other| end.distance_m(other) <= REACH_M).collect();
    if about.len() > MOST_ABOUT {
        return None;
    }
    about.sort_by(|a, b| {
        (a.time_ns, a.left).cmp(&(b.time_ns, b.left)).then(a.place.lon_deg.total_cmp(&b.place.lon_deg))
    });
    let siblings: Vec<End> = about.iter().copied().filter(|other| end.is_like(other)).collect();
    if siblings.len() < LEAST_ROUNDS {
        return None;
    }
    // ln of the likelihood, azimuth, rounds that bear it out, where.
    let mut partners: Vec<(f64, f64, usize, LonLat)> = Vec::new();
    for partner in about.iter().filter(|other| other.left != end.left) {
        let lag_s = end.lag_s(partner);
        if (partner.time_ns > end.time_ns) != end.left || !(1.0..=MOST_FLIGHT_S).contains(&lag_s) {
            continue;
        }
        let distance_m = end.distance_m(partner);
        let flight_s = lag_s / distance_m.sqrt();
        if !(NEAREST_M..=FURTHEST_M).contains(&distance_m) || !(FLIGHT_S.0..=FLIGHT_S.1).contains(&flight_s) {
            continue;
        }
        let (gun, target) = if end.left { (&end, partner) } else { (partner, &end) };
        let (_, azimuth_deg) = gun.place.distance_azimuth(target.place);
        let theirs: Vec<End> = about.iter().copied().filter(|other| partner.is_like(other)).collect();
        let window_s = 2.0 * SAME_FLIGHT * lag_s;
        let chance_p = 1.0 - (-(theirs.len() as f64) / (2.0 * SHOOT_S) * window_s).exp();
        let chance_p = chance_p.clamp(0.05, BOTH_P);
        let (mut score, mut rounds) = (0.0, 0);
        for sibling in &siblings {
            let forward = |other: &&End| (other.time_ns > sibling.time_ns) == end.left;
            let hit =
                theirs.iter().filter(forward).any(|other| (sibling.lag_s(other) - lag_s).abs() <= SAME_FLIGHT * lag_s);
            rounds += usize::from(hit);
            score += if hit { (BOTH_P / chance_p).ln() } else { ((1.0 - BOTH_P) / (1.0 - chance_p)).ln() };
        }
        partners.push((score.min(MOST_LN_L), azimuth_deg, rounds, partner.place));
    }
    let best = partners.iter().copied().max_by(|a, b| a.0.total_cmp(&b.0).then(b.1.total_cmp(&a.1)))?;
    if best.2 < LEAST_ROUNDS {
        return None;
    }
    let off_deg = |azimuth_deg: f64| (azimuth_deg - best.1 + 180.0).rem_euclid(360.0) - 180.0;
    let weight = |&(score, ..): &(f64, f64, usize, LonLat)| (score - best.0).exp();
    let with: Vec<&(f64, f64, usize, LonLat)> =
        partners.iter().filter(|partner| off_deg(partner.1).abs() <= SAME_DEG).collect();
    let agreed: f64 = with.iter().map(|&partner| weight(partner)).sum();
    let all: f64 = partners.iter().map(weight).sum::<f64>() + partners.len() as f64 * (-best.0).exp();
    let mean_deg = best.1 + with.iter().map(|&partner| weight(partner) * off_deg(partner.1)).sum::<f64>() / agreed;
    // Which of the gun's rounds, or of those at the target, is the partner is not known: it lies among them.
    let spread_m = if end.left { TARGET_M } else { GUN_M } / 2.0;
    let ellipse = Ellipse { semi_major_m: spread_m, semi_minor_m: spread_m, orientation_deg: 0.0 };
    let other_end = OtherEnd { place: best.3, ellipse, is_origin: !end.left };
    (agreed / all >= SURE_P).then_some((mean_deg.rem_euclid(360.0), other_end))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::associate::locate::Place;
    use crate::engine::book::Claim;
    use crate::engine::ledger::Finals;
    use crate::engine::weather::Air;
    use crate::model::geo::Frame;

    const CENTRE: LonLat = LonLat { lon_deg: 31.5, lat_deg: 46.9 };

    fn event(class: Class, at_s: f64, x_m: f64, y_m: f64) -> Settled {
        let place = Frame::about(CENTRE).to_place(x_m, y_m);
        let claim = Claim::new(format!("{class}{at_s}"), class, place, ns_from_s(at_s));
        Settled::new(Place { x_m, y_m, time_s: at_s }, Air::default(), 0.0, 0.0, claim)
    }

    /// Rounds of one gun, each landing ten kilometres east after 32 s or so.
    fn shoot(rounds: u32) -> Ledger {
        let left =
            (0..rounds).map(|k| event(Class::FireOutgoing, 1_000.0 + f64::from(k * k % 23) * 5.0, 0.0, f64::from(k)));
        let landed = (0..rounds).map(|k| {
            event(
                Class::FireImpact,
                1_032.0 + f64::from(k * k % 23) * 5.0 + 0.1 * f64::from(k % 3),
                10_000.0,
                f64::from(40 * k),
            )
        });
        let mut finals = Finals::default();
        left.chain(landed).for_each(|event| finals.push(event));
        vec![finals]
    }

    #[test]
    fn a_gun_that_fires_again_and_again_shows_where_at() {
        let mut ledger = shoot(8);
        let told = pair(&mut ledger, i64::MAX, i64::MIN);
        assert_eq!(told.len(), 16);
        assert!(ledger[0].iter().all(|event| (event.fire_deg.unwrap() - 90.0).abs() < 3.0));
    }

    #[test]
    fn one_round_and_one_impact_prove_nothing() {
        assert!(pair(&mut shoot(1), i64::MAX, i64::MIN).is_empty());
        assert!(pair(&mut shoot(3), i64::MAX, i64::MIN).is_empty());
    }

    #[test]
    fn what_no_shell_can_fly_is_no_pair() {
        let mut ledger = shoot(8);
        for (_, event) in ledger[0].those_mut(|event| event.claim.class == Class::FireImpact) {
            event.claim.time_ns -= ns_from_s(20.0);
        }
        assert!(pair(&mut ledger, i64::MAX, i64::MIN).is_empty());
    }

    #[test]
    fn what_may_have_been_around_an_event_that_is_not_known_any_more_leaves_it_as_it_was_told() {
        let first_ns = shoot(8)[0].iter().map(|event| event.claim.time_ns).min().unwrap();
        let told = |known_ns: i64| pair(&mut shoot(8), i64::MAX, known_ns).len();
        assert_eq!(told(first_ns - ns_from_s(WAIT_S)), 16);
        assert!(told(first_ns - ns_from_s(WAIT_S) + 1) < 16);
        assert_eq!(told(first_ns + ns_from_s(1_000.0)), 0);
    }

    #[test]
    fn nothing_is_told_before_all_that_counts_is_final() {
        let mut ledger = shoot(8);
        assert!(pair(&mut ledger, ns_from_s(1_000.0 + WAIT_S), i64::MIN).is_empty());
        assert_eq!(pair(&mut ledger, i64::MAX, i64::MIN).len(), 16, "all of it still is to be looked at");
    }
}
