//! The arrivals that could share an event with one of them, the apex: found, in order, weighed.

use super::field::Site;
use super::kernel::{self, Columns, Ear, Isa};
use super::locate::{Against, Free, Problem, RATE_HALF_S};
use super::recent::Asked;
use super::triple::Third;
use super::wave::Wave;
use super::window::Slot;
use std::ops::Range;

/// Partners of one apex at most; beyond, those at the farthest nodes are left out.
pub const MAX_PARTNERS: usize = 1_024;

/// An arrival that may come this much before the earliest one of its event, s: picks and clocks err.
const EARLIER_S: f64 = 0.5;

/// An arrival that could share an event with the apex.
#[derive(Clone, Copy)]
pub struct Partner {
    /// The arrival.
    pub slot: Slot,
    /// Where and when it is, seen from the apex.
    pub third: Third,
    group: u32,
}

/// The partners at one site, in order of time.
#[derive(Clone, Copy)]
pub struct Group {
    /// The site.
    pub site: u32,
    /// How far it hears, m.
    pub range_m: f64,
    /// Whether it picks the same wave as the apex.
    pub same_wave: bool,
    distance_m: f64,
    order: u64,
    from: usize,
    len: usize,
}

impl Group {
    /// Where they stand among all partners.
    pub fn range(&self) -> Range<usize> {
        self.from..self.from + self.len
    }
}

/// No group.
const NONE: u32 = u32::MAX;

/// Partners of one apex; the memory is used again.
#[derive(Default)]
pub struct Partners {
    all: Vec<Partner>,
    groups: Vec<Group>,
    /// Whether some were left out because they have an owner.
    pub has_owned: bool,
    /// Of the groups, how many have one that costs nothing.
    pub free_groups: usize,
    slots: Vec<Slot>,
    found: Vec<Partner>,
    /// Of each site the group that it has, while they are gathered.
    group_of: Vec<u32>,
    nearest: Vec<u32>,
    sorted: Vec<Group>,
    deepest: Vec<u32>,
    times_s: Vec<f64>,
}

impl Partners {
    /// All of them, the nearest sites' first.
    pub fn all(&self) -> &[Partner] {
        &self.all
    }

    /// By site, the nearest first.
    pub fn groups(&self) -> &[Group] {
        &self.groups
    }

    /// Finds them. `earliest`: the apex is to be about the earliest of its event's arrivals.
    ///
    /// Two arrivals of one event differ by no more than [`most_apart_s`], the pairwise gate: |t_i − t_j| ≤ d_ij / c for waves
    /// of one speed, 5% more for the wind and four sigma for the picks.
    pub fn gather(&mut self, isa: Isa, problem: &Problem<'_>, apex: Slot, earliest: bool, free: &impl Free) {
        let arrival = problem.window.arrival(apex);
        let sites = problem.field.sites();
        let here = &sites[arrival.site as usize];
        let slowness_here = problem.medium.slowness_s_m(here.wave, here.range_m);
        let own_variance = problem.variance(here, arrival);
        let apex_s = arrival.time_s - here.ahead_s;
        let clocks_s = 2.0 * problem.field.most_ahead_s();
        let asked = Asked {
            stand: here.stand(problem.settings),
            time_s: arrival.time_s,
            before_s: problem.travel_s + clocks_s,
            after_s: (problem.travel_s + clocks_s).min(problem.until_s - arrival.time_s),
            // The columns know one slowness of each site, the greatest.
            slack_s: 4.0 * (own_variance.sqrt() + problem.window.widest_sd_s())
                + clocks_s
                + 1.05 * here.range_m * (slowness_here.1 - slowness_here.0),
        };
        problem.window.recent().find(isa, &asked, &mut self.slots);
        self.found.clear();
        self.groups.clear();
        self.group_of.resize(sites.len().max(self.group_of.len()), NONE);
        self.has_owned = false;
        for &slot in &self.slots {
            let other = problem.window.arrival(slot);
            let there = &sites[other.site as usize];
            let after_s = other.time_s - apex_s - there.ahead_s;
            // Both come within the longest travel time of the event.
            let same_wave = there.wave == here.wave;
            let before_s = if earliest && same_wave { EARLIER_S } else { problem.travel_s };
            if other.site == arrival.site
                || !(-before_s..=problem.travel_s).contains(&after_s)
                || other.time_s > problem.until_s
            {
                continue;
            }
            let (x_m, y_m) = (there.x_m - here.x_m, there.y_m - here.y_m);
            let distance_m = (x_m * x_m + y_m * y_m).sqrt();
            if distance_m > here.range_m + there.range_m {
                continue;
            }
            let slowness =
                if same_wave { slowness_here } else { problem.medium.slowness_s_m(there.wave, there.range_m) };
            let apart_s = 1.05 * most_apart_s(distance_m, here.range_m, slowness_here, slowness);
            let beyond_s = after_s.abs() - apart_s;
            let variance = own_variance + problem.variance(there, other);
            if beyond_s > 0.0 && beyond_s * beyond_s > 16.0 * variance {
                continue;
            }
            if !free.arrival(slot) {
                self.has_owned = true;
                continue;
            }
            let group = &mut self.group_of[other.site as usize];
            if *group == NONE {
                *group = self.groups.len() as u32;
                let (range_m, order) = (there.range_m, there.order);
                self.groups.push(Group { site: other.site, range_m, same_wave, distance_m, order, from: 0, len: 0 });
            }
            self.groups[*group as usize].len += 1;
            self.found.push(Partner { slot, third: Third { x_m, y_m, after_s }, group: *group });
        }
        self.put_in_order(problem, free);
    }

    /// By distance, equal ones by name, so that it does not matter which node was heard first; at one site by time and id.
    fn put_in_order(&mut self, problem: &Problem<'_>, free: &impl Free) {
        let Partners { all, groups, found, group_of, nearest, sorted, .. } = self;
        groups.iter().for_each(|group| group_of[group.site as usize] = NONE);
        nearest.clear();
        nearest.extend(0..groups.len() as u32);
        nearest.sort_unstable_by(|&a, &b| {
            let (a, b) = (&groups[a as usize], &groups[b as usize]);
            a.distance_m.total_cmp(&b.distance_m).then(a.order.cmp(&b.order))
        });
        let mut end = 0;
        let mut kept = 0;
        for &group in nearest.iter() {
            let group = &mut groups[group as usize];
            group.from = end;
            end += group.len;
            kept += 1;
            if end >= MAX_PARTNERS {
                break;
            }
        }
        for &group in &nearest[kept..] {
            groups[group as usize].from = end;
        }
        all.clear();
        if let Some(&some) = found.first() {
            all.resize(end, some);
        }
        // `from` runs on as they are put in, and back again below.
        for &partner in found.iter() {
            let at = &mut groups[partner.group as usize].from;
            if let Some(place) = all.get_mut(*at) {
                *place = partner;
                *at += 1;
            }
        }
        sorted.clear();
        self.free_groups = 0;
        let id = |partner: &Partner| problem.window.arrival(partner.slot).id;
        for &group in &nearest[..kept] {
            let group = groups[group as usize];
            let group = Group { from: group.from - group.len, ..group };
            let partners = &mut all[group.range()];
            partners
                .sort_unstable_by(|a, b| a.third.after_s.total_cmp(&b.third.after_s).then_with(|| id(a).cmp(&id(b))));
            self.free_groups += usize::from(partners.iter().any(|partner| free.price(partner.slot) == 0.0));
            sorted.push(group);
        }
        std::mem::swap(groups, sorted);
    }

    /// Puts the apex and its partners into the kernel's columns. Gives what they would be worth more, all together, if they
    /// were weighed against clutter alone.
    pub fn fill(
        &mut self,
        problem: &Problem<'_>,
        apex: Slot,
        against: Against,
        free: &impl Free,
        columns: &mut Columns,
    ) -> f32 {
        let arrival = problem.window.arrival(apex);
        let sites = problem.field.sites();
        let here = &sites[arrival.site as usize];
        let own_variance = problem.variance(here, arrival);
        columns.clear();
        columns.site(&ear(problem, here, (0.0, 0.0)));
        let ln_rate = match against {
            Against::Rest => problem.ln_rest(arrival.site, here, arrival.time_s, free),
            Against::Clutter => here.ln_clutter,
        };
        let (gain, weight) = value(problem, here, apex, path_variance(problem, here), ln_rate, free);
        columns.arrival(0.0, gain, weight);
        let mut more = ln_rate - here.ln_clutter;
        let Partners { all, groups, deepest, times_s, .. } = self;
        // Those with the most arrivals side by side: a lane costs as much as the fullest of its eight.
        deepest.clear();
        deepest.extend(0..groups.len() as u32);
        deepest.sort_unstable_by_key(|&group| (std::cmp::Reverse(groups[group as usize].len), group));
        for &group in deepest.iter() {
            let group = &groups[group as usize];
            let partners = &all[group.range()];
            let site = &sites[group.site as usize];
            let Some(Third { x_m, y_m, .. }) = partners.first().map(|first| first.third) else { continue };
            columns.site(&ear(problem, site, (x_m, y_m)));
            let other = own_variance + path_variance(problem, site);
            let mut rest = Rest::of(problem, group.site, partners, against, free, times_s);
            let mut most = 0f64;
            for partner in partners {
                let ln_rate = rest.ln_rate(problem, site, problem.window.arrival(partner.slot).time_s);
                most = most.max(ln_rate - site.ln_clutter);
                let (gain, weight) = value(problem, site, partner.slot, other, ln_rate, free);
                columns.arrival(partner.third.after_s as f32, gain, weight);
            }
            more += most;
        }
        more as f32
    }
}

/// By how much two arrivals of one event may differ at most, s, at nodes that stand so far apart, when the first hears as far as
/// `range_m` and a metre takes each wave between the least and the most that is given, s/m.
///
/// With t = d·s and t′ = d′·s′, |d − d′| ≤ D: t − t′ ≤ d (s − s′) + D s′ and t′ − t ≤ d (s′ − s) + D s′.
#[inline]
fn most_apart_s(apart_m: f64, range_m: f64, (least, most): (f64, f64), (least_other, most_other): (f64, f64)) -> f64 {
    apart_m * most.max(most_other) + range_m * (most - least_other).max(most_other - least)
}

/// The rate of free picks around each of a site's arrivals, asked for in order of time: what [`Problem::ln_rest`] gives, for
/// all of them in one go.
struct Rest<'a> {
    /// When there are free picks; `None`: they are not looked at.
    times_s: Option<&'a [f64]>,
    first: usize,
    end: usize,
}

impl<'a> Rest<'a> {
    fn of(
        problem: &Problem<'_>,
        number: u32,
        partners: &[Partner],
        against: Against,
        free: &impl Free,
        times_s: &'a mut Vec<f64>,
    ) -> Rest<'a> {
        let none = Rest { times_s: None, first: 0, end: 0 };
        let time_s = |partner: Option<&Partner>| partner.map(|partner| problem.window.arrival(partner.slot).time_s);
        let (Some(first_s), Some(last_s)) = (time_s(partners.first()), time_s(partners.last())) else { return none };
        if against == Against::Clutter {
            return none;
        }
        let (from_s, to_s) = (first_s - RATE_HALF_S, (last_s + RATE_HALF_S).min(problem.until_s));
        times_s.clear();
        let around = problem.window.between(number, from_s, to_s);
        times_s.extend(around.filter(|&(_, slot)| free.arrival(slot)).map(|(time_s, _)| time_s));
        Rest { times_s: Some(times_s), ..none }
    }

    fn ln_rate(&mut self, problem: &Problem<'_>, site: &Site, time_s: f64) -> f64 {
        let Some(times_s) = self.times_s else { return site.ln_clutter };
        while times_s.get(self.first).is_some_and(|&other_s| other_s < time_s - RATE_HALF_S) {
            self.first += 1;
        }
        while times_s.get(self.end).is_some_and(|&other_s| other_s <= time_s + RATE_HALF_S) {
            self.end += 1;
        }
        problem.ln_rate(site, self.end - self.first)
    }
}

/// A site as the kernel wants it; (x, y) is its place about the reference.
pub fn ear(problem: &Problem<'_>, site: &Site, (x_m, y_m): (f64, f64)) -> Ear {
    let far = problem.medium.far(site.wave, site.range_m);
    Ear {
        far_slowness_s_m: far.map_or(0.0, |head| head.slowness_s_m as f32),
        far_s: far.map_or(kernel::NEVER_S, |head| head.intercept_s as f32),
        x_m: x_m as f32,
        y_m: y_m as f32,
        slowness_s_m: (1.0 / problem.medium.speed_m_s(site.wave)) as f32,
        range_m: site.range_m as f32,
        fall: site.glance.fall,
        missed: site.glance.missed,
    }
}

/// Variance of what the path adds to the time of an arrival at a site, as far as it can be told without a place, s².
pub fn path_variance(problem: &Problem<'_>, site: &Site) -> f64 {
    let travel_s = 0.7 * site.range_m / problem.medium.speed_m_s(site.wave);
    let path_sd_s = problem.medium.path_sd_s(site.wave, travel_s);
    let mut variance = path_sd_s * path_sd_s;
    if site.wave == Wave::Infrasound {
        // As if any time in the range were as likely: what lies at its end costs a nat and a half.
        variance += problem.medium.beyond_s(site.wave, travel_s).powi(2) / 3.0;
    }
    variance
}

/// An arrival at `site` as the kernel wants it: what it is worth at its site when others come at a rate of e^`ln_rate` a
/// second (natural log), and ½ / σ² of its time (1/s²), to an event that is known with `other` more variance, the path's
/// included.
pub fn value(problem: &Problem<'_>, site: &Site, slot: Slot, other: f64, ln_rate: f64, free: &impl Free) -> (f32, f32) {
    let arrival = problem.window.arrival(slot);
    let ln_rate = ln_rate.max(site.ln_clutter_at(arrival));
    let gain = f64::from(site.glance.near) - f64::from(arrival.ln_norm) - ln_rate - free.price(slot);
    (gain as f32, (0.5 / (problem.variance(site, arrival) + other)) as f32)
}

#[cfg(test)]
mod tests {
    use super::super::celerity;
    use super::super::recent::Recent;
    use super::super::wave::Medium;
    use super::*;
    use crate::engine::settings::Fire;
    use crate::engine::weather::Air;
    use crate::model::node::{Node, NodeIx};
    use proptest::prelude::*;

    fn site(wave: Wave, (x_m, y_m): (f64, f64), range_m: f64) -> Site {
        let node = Node { range_m: Some(range_m), ..Node::unregistered("n") };
        Site::new(NodeIx(0), &node, wave, (x_m, y_m), 0.0)
    }

    /// How long a wave takes, as slow or quick as it may be: 0 to 1.
    fn travel_s(medium: &Medium, site: &Site, (x_m, y_m): (f64, f64), slow: f64) -> f64 {
        let distance_m = (site.x_m - x_m).hypot(site.y_m - y_m);
        let (least, most) = match site.wave {
            Wave::Infrasound => celerity::slowness_s_m(distance_m),
            wave => medium.slowness_s_m(wave, distance_m),
        };
        distance_m * (least + slow * (most - least))
    }

    proptest! {
        #[test]
        fn two_arrivals_of_one_event_are_always_partners(
            place in (-3e5f64..3e5, -3e5f64..3e5), other in (-3e5f64..3e5, -3e5f64..3e5),
            waves in (0usize..3, 0usize..3), slow in (0f64..1.0, 0f64..1.0), more in (1f64..1.5, 1f64..1.5),
        ) {
            let waves = [waves.0, waves.1].map(|wave| [Wave::Acoustic, Wave::Infrasound, Wave::Flash][wave]);
            let medium = Medium::new(Air::default(), &Fire::default());
            let here = site(waves[0], place, more.0 * place.0.hypot(place.1) + 1.0);
            let there = site(waves[1], other, more.1 * other.0.hypot(other.1) + 1.0);
            let lag_s = travel_s(&medium, &there, (0.0, 0.0), slow.1) - travel_s(&medium, &here, (0.0, 0.0), slow.0);
            let of = |site: &Site| medium.slowness_s_m(site.wave, site.range_m);
            let apart_m = (other.0 - place.0).hypot(other.1 - place.1);
            prop_assert!(lag_s.abs() <= most_apart_s(apart_m, here.range_m, of(&here), of(&there)) + 1e-6);
            // So are they at the first look.
            let (settings, mut recent, mut found) = (Fire::default(), Recent::default(), Vec::new());
            recent.push(there.stand(&settings), lag_s, 7);
            let spread = of(&here).1 - of(&here).0;
            let asked = Asked {
                stand: here.stand(&settings),
                time_s: 0.0,
                before_s: 5_000.0,
                after_s: 5_000.0,
                slack_s: 1.05 * here.range_m * spread,
            };
            for isa in Isa::available() {
                recent.find(isa, &asked, &mut found);
                prop_assert_eq!(&found, &[7], "{:?}", isa);
            }
        }

        #[test]
        fn waves_of_one_speed_differ_by_what_they_take_from_one_node_to_the_other(apart_m in 0f64..3e4, slowness in 1e-4f64..4e-3) {
            let both = (slowness, slowness);
            prop_assert_eq!(most_apart_s(apart_m, 12_000.0, both, both), apart_m * slowness);
        }
    }
}
