//! From one arrival, the apex, to the best event it could belong to.
//!
//! Three arrivals fix a place and a time ([`super::triple`]). The apex with each pair of arrivals at the nodes nearest
//! to it gives seeds, and so do the places at which there was fire before; [`super::kernel`] looks at each seed with
//! all arrivals that could share an event with the apex, and the most promising are located. Near nodes come first,
//! since they are the likeliest to have heard the event and leave the least room for chance.

use super::celerity;
use super::ground::Head;
use super::kernel::{self, Columns, Isa, Seed, Wind};
use super::locate::{Against, Free, How, Located, Place, Problem, Scratch};
use super::partners::{Group, Partners, ear};
use super::triple::{Drift, Thirds};
use super::wave::Wave;
use super::window::Slot;

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

/// Memory of the search, used again.
#[derive(Default)]
pub struct Search {
    columns: Columns,
    partners: Partners,
    thirds: Thirds,
    /// Where and when they lead.
    events: Vec<(f64, f64, f64)>,
    /// What is to be looked at.
    candidates: Vec<Seed>,
    /// Whether another search from the same apex could find more: arrivals were left out because they have an owner, or
    /// were weighed against more than clutter and that decided, or something nearly reached the bar.
    crowded: bool,
    /// What promises something.
    seeds: Vec<(f32, Seed)>,
    scratch: Scratch,
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
        self.crowded = false;
        if site.wave == Wave::Flash {
            // Light has no travel time to turn into a place; flashes join events that others found.
            return None;
        }
        self.partners.gather(isa, problem, apex, wanted.earliest, free);
        self.crowded = self.partners.has_owned;
        let least_arrivals = problem.settings.min_arrivals;
        let too_few_free = self.partners.free_groups < LEAST_FREE.min(least_arrivals.saturating_sub(1));
        if self.partners.groups().len() + 1 < least_arrivals || too_few_free {
            return None;
        }
        self.candidates.clear();
        self.seed_places(problem, apex, wanted.seeds);
        self.seed_triples(isa, problem, apex, wanted.seeds);
        if self.candidates.is_empty() {
            return None;
        }
        let more = self.partners.fill(problem, apex, wanted.against, free, &mut self.columns);
        let credit = problem.prior.ln_most(problem.others) + LN_VOLUME + wanted.unseen;
        let least = (wanted.bar - credit) as f32;
        // Weighed against clutter alone nothing could be worth more than this.
        let would_do = |worth: f32| more > 0.0 && worth + more >= least - NEARLY as f32;
        let most = self.columns.most();
        if most < least {
            self.crowded |= would_do(most);
            return None;
        }
        let most = self.look(isa, problem, least_arrivals as u32, least);
        self.crowded |= self.candidates.len() >= wanted.seeds || would_do(most);
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
        let around =
            problem.field.around(arrival.site).iter().map(|n| (n.number, &sites[n.number as usize], (n.x_m, n.y_m)));
        for (number, site, at) in std::iter::once((arrival.site, here, (0.0, 0.0))).chain(around) {
            if site.wave.silence_counts() && problem.is_there(number, site, arrival.time_s, arrival.time_ns) {
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
        // What misses the bar by more is of no use, not even to compare with.
        let least = (wanted.bar - NEARLY).min(-NEARLY);
        let how = How { against: wanted.against, near: false, least };
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

    /// Looks at the candidates and keeps those that are heard at so many sites and worth so much; gives what the best is worth
    /// before silence is heard.
    fn look(&mut self, isa: Isa, problem: &Problem<'_>, sites: u32, least: f32) -> f32 {
        let wind = wind(problem);
        let mut most = f32::NEG_INFINITY;
        self.seeds.clear();
        for &seed in &self.candidates {
            let (worth, heard) = kernel::gains(isa, &self.columns, seed, wind);
            if heard >= sites {
                most = most.max(worth);
                if worth >= least {
                    self.seeds.push((worth, seed));
                }
            }
        }
        most
    }

    /// The places at which there is fire again and again, at the time that the apex gives them.
    fn seed_places(&mut self, problem: &Problem<'_>, apex: Slot, most: usize) {
        let arrival = problem.window.arrival(apex);
        let site = &problem.field.sites()[arrival.site as usize];
        for (x_m, y_m) in problem.prior.firing_places(problem.others) {
            if self.candidates.len() >= most {
                return;
            }
            let (dx_m, dy_m) = (site.x_m - x_m, site.y_m - y_m);
            if dx_m * dx_m + dy_m * dy_m <= site.range_m * site.range_m {
                let travel = problem.medium.travel(site.wave, dx_m, dy_m);
                self.candidates.push(candidate((-dx_m, -dy_m, -travel.time_s), PLACE_SLACK_S));
            }
        }
    }

    /// The apex with every two arrivals at two of the nearest nodes.
    fn seed_triples(&mut self, isa: Isa, problem: &Problem<'_>, apex: Slot, most: usize) {
        let site = &problem.field.sites()[problem.window.arrival(apex).site as usize];
        let (wave, range_m) = (site.wave, site.range_m);
        if wave == Wave::Infrasound {
            // All of them came the same way in most cases.
            for speed_m_s in celerity::speeds_m_s(range_m) {
                let drift = Drift { speed_m_s, wind_m_s: (0.0, 0.0) };
                self.seed_triples_at(isa, drift, range_m, (0.0, GROUND_SLACK_S), most);
            }
            return;
        }
        let slack_s = if wave == Wave::Acoustic { SEED_SLACK_S } else { GROUND_SLACK_S };
        self.seed_triples_at(isa, straight(problem, wave), range_m, (0.0, slack_s), most);
        if let Some(head) = problem.medium.far(wave, range_m) {
            self.seed_triples_at(isa, below(head), range_m, (head.intercept_s, slack_s), most);
        }
    }

    /// The same for waves of one speed that take so much longer than the distance has it.
    fn seed_triples_at(
        &mut self,
        isa: Isa,
        drift: Drift,
        range_m: f64,
        (intercept_s, slack_s): (f64, f32),
        most: usize,
    ) {
        let last = self.partners.groups().len().min(TRIPLE_SITES);
        self.thirds.clear();
        for group in &self.partners.groups()[..last] {
            let range_m = group.same_wave.then_some(group.range_m);
            for partner in &self.partners.all()[group.range()] {
                self.thirds.push(&drift, partner.third, range_m);
            }
        }
        for far in 1..last {
            let group = self.partners.groups().get(far).map_or(0..0, Group::range);
            for b in group.clone() {
                self.thirds.solve(isa, &drift, (group.start, b), (range_m, PICKS_S), &mut self.events);
                for &(x_m, y_m, time_s) in &self.events {
                    if self.candidates.len() >= most {
                        return;
                    }
                    self.candidates.push(candidate((x_m, y_m, time_s - intercept_s), slack_s));
                }
            }
        }
    }
}

/// A place and time as the kernel wants it.
#[inline]
fn candidate((x_m, y_m, time_s): (f64, f64, f64), slack_s: f32) -> Seed {
    Seed { x_m: x_m as f32, y_m: y_m as f32, time_s: time_s as f32, slack_s }
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
