//! From one arrival, the apex, to the best event it could belong to.
//!
//! Three arrivals fix a place and a time ([`super::triple`]). The apex with each pair of arrivals at the nodes nearest
//! to it gives seeds, and so do the places at which there was fire before; [`super::kernel`] looks at each seed with
//! all arrivals that could share an event with the apex, and the most promising are located. Near nodes come first,
//! since they are the likeliest to have heard the event and leave the least room for chance.

use super::field::Site;
use super::ground::Head;
use super::kernel::{self, Columns, Ear, Isa, Seed, Wind};
use super::locate::{Against, Free, How, Located, Place, Problem, Scratch};
use super::recent::Asked;
use super::triple::{Drift, Third, Thirds};
use super::wave::Wave;
use super::window::Slot;

/// Partners of one apex at most; beyond, those at the farthest nodes are left out.
pub const MAX_PARTNERS: usize = 1_024;

/// Nodes whose arrivals make triples with the apex, the nearest that have any.
const TRIPLE_SITES: usize = 8;

/// Two picks of a triple may be off by so much together, s.
const PICKS_S: f64 = 0.8;

/// A seed from a triple is off by about so much, s.
const SEED_SLACK_S: f32 = 0.12;
/// The same for waves through an earth that is not as assumed.
const GROUND_SLACK_S: f32 = 0.6;
/// A seed from a known place, s.
const PLACE_SLACK_S: f32 = 0.25;

/// Seeds nearer to each other than this would be located twice, m and s.
const SAME_M: f32 = 250.0;
const SAME_S: f32 = 0.7;

/// Explanations of the same arrivals nearer to each other than this are one, m.
const SAME_EVENT_M: f64 = 1_000.0;

/// What misses the bar by no more may reach it later, when more has been learnt.
const NEARLY: f64 = 4.0;

/// What is taken from others is worth little more than it costs, so an event needs as many arrivals that cost nothing,
/// beside the apex, to be worth its prior.
const LEAST_FREE: usize = 2;

/// What Laplace's terms of the score come to for an event that is located well: 40 m × 40 m × 0.1 s.
const LN_VOLUME: f64 = 6.5;

/// Waves this slow feel the wind, s/m.
const FEELS_WIND_S_M: f32 = 1.0 / 1_000.0;

/// What a search is after.
#[derive(Clone, Copy, Debug)]
pub struct Wanted {
    /// Only what scores above this.
    pub bar: f64,
    /// Seeds looked at, at most.
    pub seeds: usize,
    /// Seeds located, at most.
    pub fits: usize,
    /// What loudness, bearings and a better place are trusted to add to what the kernel sees, natural log.
    pub unseen: f64,
    /// What arrivals are weighed against.
    pub against: Against,
    /// Whether the apex is to be about the earliest of the event's arrivals, which halves what there is to look at.
    pub earliest: bool,
}

/// An arrival that may come this much before the earliest one of its event, s: picks and clocks err.
const EARLIER_S: f64 = 0.5;

/// An arrival that could share an event with the apex.
#[derive(Clone, Copy)]
struct Found {
    slot: Slot,
    /// Its site, by number and by name.
    site: u32,
    order: u64,
    /// How far from the apex's that is, and how far it hears, m.
    distance_m: f64,
    range_m: f64,
    third: Third,
    same_wave: bool,
}

/// Memory of the search, used again.
#[derive(Default)]
pub struct Search {
    columns: Columns,
    slots: Vec<Slot>,
    found: Vec<Found>,
    /// For sorting those: the distance's bits, which compare as the distance does, and which one it is.
    keys: Vec<(u64, u32)>,
    unsorted: Vec<Found>,
    /// How many arrivals each group has, and which it is: the most first.
    depths: Vec<(u32, u32)>,
    /// Where each site's arrivals begin in `found`.
    groups: Vec<usize>,
    /// Of these sites, how many have one that costs nothing.
    free_groups: usize,
    thirds: Thirds,
    /// Where and when they lead.
    events: Vec<(f64, f64, f64)>,
    /// Whether another search from the same apex could find more: arrivals were left out because they have an owner, or
    /// were weighed against more than clutter, or something nearly reached the bar.
    crowded: bool,
    seeds: Vec<(f32, Seed)>,
    scratch: Scratch,
}

/// One search under way.
struct Hunt<'a, 'p> {
    isa: Isa,
    problem: &'a Problem<'p>,
    wind: Wind,
    range_m: f64,
    least: f32,
    /// Sites at which it must be heard at least.
    sites: u32,
    left: usize,
}

impl Search {
    /// The best event that holds the arrival `apex`, of those that are wanted; arrivals that are not `free` are
    /// left alone.
    pub fn best(
        &mut self,
        isa: Isa,
        problem: &Problem<'_>,
        apex: Slot,
        wanted: Wanted,
        free: &impl Free,
    ) -> Option<Located> {
        let arrival = problem.window.arrival(apex);
        let site = &problem.field.sites()[arrival.site as usize];
        if site.wave == Wave::Flash {
            // Light has no travel time to turn into a place; flashes join events that others found.
            return None;
        }
        self.gather(isa, problem, apex, wanted, free);
        let least_arrivals = problem.settings.min_arrivals;
        if self.groups.len() + 1 < least_arrivals || self.free_groups < LEAST_FREE.min(least_arrivals - 1) {
            return None;
        }
        self.fill(problem, apex, wanted, free);
        let credit = problem.prior.ln_most(problem.others) + LN_VOLUME + wanted.unseen;
        let least = (wanted.bar - credit) as f32;
        if self.columns.most() < least {
            return None;
        }
        let sites = least_arrivals as u32;
        let mut hunt =
            Hunt { isa, problem, wind: wind(problem), range_m: site.range_m, least, sites, left: wanted.seeds };
        self.seeds.clear();
        self.seed_places(&mut hunt, apex);
        self.seed_triples(&mut hunt, apex);
        self.hear_silence(isa, problem, apex, least);
        self.locate(problem, apex, wanted, free)
    }

    /// Whether another search from the last apex could find what that one did not.
    pub fn may_find_more(&self) -> bool {
        self.crowded
    }

    /// Weighs the silence of the sites around against the seeds, and drops those that promise nothing then.
    fn hear_silence(&mut self, isa: Isa, problem: &Problem<'_>, apex: Slot, least: f32) {
        let arrival = problem.window.arrival(apex);
        // Whatever this arrival belongs to, it has reached everyone by then.
        if self.seeds.is_empty() || arrival.time_s + problem.travel_s > problem.heard_until_s {
            return;
        }
        let sites = problem.field.sites();
        let here = &sites[arrival.site as usize];
        let around = problem.field.around(arrival.site).iter().map(|n| (&sites[n.number as usize], (n.x_m, n.y_m)));
        for (site, at) in std::iter::once((here, (0.0, 0.0))).chain(around) {
            if site.wave.silence_counts() && problem.weather.is_up(site.node, arrival.time_ns, site.heartbeat_s) {
                self.columns.quiet(&ear(problem, site, at));
            }
        }
        for (worth, seed) in &mut self.seeds {
            *worth += kernel::silence(isa, &self.columns, *seed);
        }
        self.seeds.retain(|&(worth, _)| worth >= least);
    }

    /// Locates the most promising seeds.
    fn locate(&mut self, problem: &Problem<'_>, apex: Slot, wanted: Wanted, free: &impl Free) -> Option<Located> {
        let arrival = problem.window.arrival(apex);
        let site = &problem.field.sites()[arrival.site as usize];
        let mut best: Option<Located> = None;
        let how = How { against: wanted.against, near: false };
        let mut most = None;
        self.seeds.iter().for_each(|&seed| keep_better(&mut most, seed));
        for _ in 0..wanted.fits {
            let Some((worth, seed)) = most.take() else { break };
            self.seeds.retain(|&other| {
                let (dx, dy) = (other.1.x_m - seed.x_m, other.1.y_m - seed.y_m);
                let is_other = dx * dx + dy * dy > SAME_M * SAME_M || (other.1.time_s - seed.time_s).abs() > SAME_S;
                if is_other {
                    keep_better(&mut most, other);
                }
                is_other
            });
            let start = Place {
                x_m: site.x_m + f64::from(seed.x_m),
                y_m: site.y_m + f64::from(seed.y_m),
                time_s: arrival.time_s - site.ahead_s + f64::from(seed.time_s),
            };
            let promise =
                f64::from(worth) + problem.prior.ln_density(start, problem.others) + LN_VOLUME + wanted.unseen;
            if promise < wanted.bar {
                continue;
            }
            let Some(located) = problem.fit(&mut self.scratch, start, how, free) else { continue };
            self.crowded |= located.score > wanted.bar - NEARLY;
            let holds_apex = located.arrivals.iter().any(|explained| explained.slot == apex);
            if !holds_apex {
                continue;
            }
            match &mut best {
                Some(best) if best.score >= located.score => best.rival = best.rival.max(unlike(best, &located)),
                _ if located.score > wanted.bar => {
                    let rival = best.as_ref().map_or(f64::NEG_INFINITY, |last| last.rival.max(unlike(&located, last)));
                    best = Some(Located { rival, ..located });
                }
                _ => {}
            }
        }
        best
    }

    /// Looks at a seed and keeps it if it promises anything.
    fn consider(&mut self, hunt: &mut Hunt<'_, '_>, (x_m, y_m, time_s): (f64, f64, f64), slack_s: f32) {
        hunt.left -= 1;
        let seed = Seed { x_m: x_m as f32, y_m: y_m as f32, time_s: time_s as f32, slack_s };
        let (worth, heard) = kernel::gains(hunt.isa, &self.columns, seed, hunt.wind);
        if worth >= hunt.least && heard >= hunt.sites {
            self.seeds.push((worth, seed));
        }
    }

    /// The places at which there was fire, at the time that the apex gives them.
    fn seed_places(&mut self, hunt: &mut Hunt<'_, '_>, apex: Slot) {
        let problem = hunt.problem;
        let arrival = problem.window.arrival(apex);
        let site = &problem.field.sites()[arrival.site as usize];
        for (x_m, y_m) in problem.prior.places(problem.others) {
            if hunt.left == 0 {
                return;
            }
            let (dx_m, dy_m) = (site.x_m - x_m, site.y_m - y_m);
            if dx_m * dx_m + dy_m * dy_m <= site.range_m * site.range_m {
                let travel = problem.medium.travel(site.wave, dx_m, dy_m);
                self.consider(hunt, (x_m - site.x_m, y_m - site.y_m, -travel.time_s), PLACE_SLACK_S);
            }
        }
    }

    /// The apex with every two arrivals at two of the nearest nodes.
    fn seed_triples(&mut self, hunt: &mut Hunt<'_, '_>, apex: Slot) {
        let problem = hunt.problem;
        let wave = problem.field.sites()[problem.window.arrival(apex).site as usize].wave;
        self.seed_triples_at(hunt, straight(problem, wave), wave, 0.0);
        if let Some(head) = problem.medium.far(wave, hunt.range_m) {
            self.seed_triples_at(hunt, below(head), wave, head.intercept_s);
        }
    }

    /// The same for waves of one speed that take so much longer than the distance has it.
    fn seed_triples_at(&mut self, hunt: &mut Hunt<'_, '_>, drift: Drift, wave: Wave, intercept_s: f64) {
        let slack_s = if wave == Wave::Acoustic { SEED_SLACK_S } else { GROUND_SLACK_S };
        let last = self.groups.len().min(TRIPLE_SITES);
        let end = self.groups.get(last).copied().unwrap_or(self.found.len());
        self.thirds.clear();
        for found in &self.found[..end] {
            self.thirds.push(&drift, found.third, found.same_wave.then_some(found.range_m));
        }
        let mut events = std::mem::take(&mut self.events);
        'all: for far in 1..last {
            let group = self.group(far);
            for b in group.clone() {
                self.thirds.solve(hunt.isa, &drift, (group.start, b), (hunt.range_m, PICKS_S), &mut events);
                for &(x_m, y_m, time_s) in &events {
                    if hunt.left == 0 {
                        break 'all;
                    }
                    self.consider(hunt, (x_m, y_m, time_s - intercept_s), slack_s);
                }
            }
        }
        self.events = events;
    }

    fn group(&self, number: usize) -> std::ops::Range<usize> {
        self.groups[number]..self.groups.get(number + 1).copied().unwrap_or(self.found.len())
    }

    /// Finds the arrivals that could share an event with the apex, the nearest sites' first.
    ///
    /// Two arrivals of one event differ by at most d·s + |s′ − s|·range, the pairwise gate: |t_i − t_j| ≤ d_ij / c for
    /// waves of one speed, 5% more for the wind and four sigma for the picks.
    fn gather(&mut self, isa: Isa, problem: &Problem<'_>, apex: Slot, wanted: Wanted, free: &impl Free) {
        let arrival = problem.window.arrival(apex);
        let sites = problem.field.sites();
        let here = &sites[arrival.site as usize];
        let slowness_here = 1.0 / problem.medium.speed_m_s(here.wave);
        let own_variance = problem.variance(here, arrival);
        let apex_s = arrival.time_s - here.ahead_s;
        let clocks_s = 2.0 * problem.field.most_ahead_s();
        let asked = Asked {
            stand: here.stand(problem.settings),
            time_s: arrival.time_s,
            before_s: problem.travel_s + clocks_s,
            after_s: (problem.travel_s + clocks_s).min(problem.until_s - arrival.time_s),
            slack_s: 4.0 * (own_variance.sqrt() + problem.window.widest_sd_s()) + clocks_s,
        };
        problem.window.recent().find(isa, &asked, &mut self.slots);
        self.found.clear();
        self.groups.clear();
        self.free_groups = 0;
        self.crowded = false;
        for &slot in &self.slots {
            let other = problem.window.arrival(slot);
            let there = &sites[other.site as usize];
            let after_s = other.time_s - apex_s - there.ahead_s;
            // Both come within the longest travel time of the event.
            let same_wave = there.wave == here.wave;
            let before_s = if wanted.earliest && same_wave { EARLIER_S } else { problem.travel_s };
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
            let slowness = if same_wave { slowness_here } else { 1.0 / problem.medium.speed_m_s(there.wave) };
            let apart_s =
                1.05 * (distance_m * slowness.max(slowness_here) + here.range_m * (slowness - slowness_here).abs());
            let beyond_s = after_s.abs() - apart_s;
            let variance = own_variance + problem.variance(there, other);
            if beyond_s > 0.0 && beyond_s * beyond_s > 16.0 * variance {
                continue;
            }
            if !free.arrival(slot) {
                self.crowded = true;
                continue;
            }
            let third = Third { x_m, y_m, after_s };
            let (site, range_m) = (other.site, there.range_m);
            self.found.push(Found { slot, site, order: there.order, distance_m, range_m, third, same_wave });
        }
        self.sort(problem);
        let mut from = 0;
        for group in self.found.chunk_by(|a, b| a.site == b.site) {
            self.groups.push(from);
            self.free_groups += usize::from(group.iter().any(|found| free.price(found.slot) == 0.0));
            from += group.len();
            if from >= MAX_PARTNERS {
                break;
            }
        }
        self.found.truncate(from);
    }

    /// Puts what was found in order: by distance, and equal ones by name, so that it does not matter which node was heard
    /// first, then by time and id. Sorting keys and then what is equal takes a tenth of sorting all of it at once.
    fn sort(&mut self, problem: &Problem<'_>) {
        self.keys.clear();
        self.keys.extend((0u32..).zip(&self.found).map(|(number, found)| (found.distance_m.to_bits(), number)));
        self.keys.sort_unstable();
        std::mem::swap(&mut self.found, &mut self.unsorted);
        self.found.clear();
        self.found.extend(self.keys.iter().map(|&(_, number)| self.unsorted[number as usize]));
        let id = |found: &Found| problem.window.arrival(found.slot).id;
        for equal in self.found.chunk_by_mut(|a, b| a.distance_m == b.distance_m) {
            equal.sort_unstable_by(|a, b| {
                (a.order.cmp(&b.order).then(a.third.after_s.total_cmp(&b.third.after_s))).then_with(|| id(a).cmp(&id(b)))
            });
        }
    }

    /// Puts the apex and what was found into the kernel's columns.
    fn fill(&mut self, problem: &Problem<'_>, apex: Slot, wanted: Wanted, free: &impl Free) {
        let arrival = problem.window.arrival(apex);
        let sites = problem.field.sites();
        let here = &sites[arrival.site as usize];
        let own_variance = problem.variance(here, arrival);
        self.columns.clear();
        self.columns.site(&ear(problem, here, (0.0, 0.0)));
        let worth = value(problem, apex, 0.0, wanted.against, free);
        self.columns.arrival(0.0, worth.gain, worth.weight);
        let mut crowded = worth.crowded;
        // Those with the most arrivals side by side: a lane costs as much as the fullest of its eight.
        self.depths.clear();
        let ends = self.groups.iter().copied().skip(1).chain([self.found.len()]);
        self.depths.extend((0u32..).zip(self.groups.iter().zip(ends)).map(|(at, (from, to))| ((to - from) as u32, at)));
        self.depths.sort_unstable_by_key(|&(depth, at)| (std::cmp::Reverse(depth), at));
        for at in 0..self.depths.len() {
            let group = &self.found[self.group(self.depths[at].1 as usize)];
            let first = &group[0];
            self.columns.site(&ear(problem, &sites[first.site as usize], (first.third.x_m, first.third.y_m)));
            for found in group {
                let worth = value(problem, found.slot, own_variance, wanted.against, free);
                self.columns.arrival(found.third.after_s as f32, worth.gain, worth.weight);
                crowded |= worth.crowded;
            }
        }
        self.crowded |= crowded;
    }
}

/// Keeps the seed that promises more; of two that promise the same, the one further east, north, later.
#[inline]
fn keep_better(most: &mut Option<(f32, Seed)>, other: (f32, Seed)) {
    let is_better = |known: &(f32, Seed)| {
        if other.0 != known.0 {
            return other.0 > known.0;
        }
        let place = |seed: &Seed| [seed.x_m, seed.y_m, seed.time_s];
        let order = place(&other.1).into_iter().zip(place(&known.1)).map(|(other, known)| other.total_cmp(&known));
        order.fold(std::cmp::Ordering::Equal, std::cmp::Ordering::then).is_gt()
    };
    if most.as_ref().is_none_or(is_better) {
        *most = Some(other);
    }
}

/// The score of an event as another explanation of what `this` one explains: none, if both are the same. The same
/// arrivals from another place, such as from the other side of a line of nodes, are another one.
fn unlike(this: &Located, other: &Located) -> f64 {
    let apart_m = (this.at.x_m - other.at.x_m).hypot(this.at.y_m - other.at.y_m);
    if this.shared(other) > 0.7 && apart_m < SAME_EVENT_M { f64::NEG_INFINITY } else { other.score }
}

/// The wind as the kernel wants it.
pub fn wind(problem: &Problem<'_>) -> Wind {
    let (east, north) = problem.medium.wind_share();
    Wind { east: east as f32, north: north as f32, from_slowness_s_m: FEELS_WIND_S_M }
}

/// How a wave comes straight, for triples; sound drifts with the wind, no other does.
pub fn straight(problem: &Problem<'_>, wave: Wave) -> Drift {
    let (east, north) = if wave == Wave::Acoustic { problem.medium.wind_share() } else { (0.0, 0.0) };
    let speed_m_s = problem.medium.speed_m_s(wave);
    Drift { speed_m_s, wind_m_s: (east * speed_m_s, north * speed_m_s) }
}

/// How a wave comes that has gone along a layer below.
pub fn below(head: Head) -> Drift {
    Drift { speed_m_s: 1.0 / head.slowness_s_m, wind_m_s: (0.0, 0.0) }
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

/// An arrival as the kernel wants it.
pub struct Worth {
    /// What it is worth at its site, natural log.
    pub gain: f32,
    /// ½ / σ² of its time, 1/s².
    pub weight: f32,
    /// Whether it was weighed against more than clutter.
    pub crowded: bool,
}

/// What an arrival is worth to an event whose place is known with `other` more variance.
pub fn value(problem: &Problem<'_>, slot: Slot, other: f64, against: Against, free: &impl Free) -> Worth {
    let arrival = problem.window.arrival(slot);
    let site = &problem.field.sites()[arrival.site as usize];
    let ln_rate = match against {
        Against::Rest => problem.ln_rest(arrival.site, site, arrival.time_s, free),
        Against::Clutter => site.ln_clutter,
    };
    let path_sd_s = problem.medium.path_sd_s(site.wave, 0.7 * site.range_m / problem.medium.speed_m_s(site.wave));
    let own = problem.variance(site, arrival) + path_sd_s * path_sd_s;
    let gain = f64::from(site.glance.near) - f64::from(arrival.ln_norm) - ln_rate - free.price(slot);
    Worth { gain: gain as f32, weight: (0.5 / (own + other)) as f32, crowded: ln_rate != site.ln_clutter }
}
