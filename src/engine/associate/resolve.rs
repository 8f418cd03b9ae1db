//! Rival events taken out together, their arrivals explained anew.
//!
//! Taking events one at a time goes wrong where rounds fall seconds apart: the first takes what is the second's, and
//! no change of one event alone mends it. So two to four rivals are taken out, and events are placed again one after
//! the other from seeds: where one of them was, where there was fire near by, or where three of the arrivals lead. What
//! comes of it stays when the total is better (large neighbourhood search: Shaw 1998, CP98).
//!
//! The throws of the dice are a function of the events, so that the same arrivals give the same plan.

use super::field::Site;
use super::kernel::{self, Columns, Isa, Seed};
use super::locate::{Against, How, Located, Place, Problem};
use super::partners::{ear, path_variance, value};
use super::plan::{Event, NO_ONE, Plan, each_heard};
use super::search::{below, straight, wind};
use super::triple::Third;
use super::window::Slot;

/// Free arrivals this near to when an event would have them may be taken too, s.
const NEAR_S: f64 = 1.6;
/// Seeds looked at for each event to be placed.
const SEEDS: usize = 20;

/// Of these the most promising are located.
const FITS: usize = 3;

/// A seed's residuals up to this cost nothing, s.
const SLACK_S: f32 = 0.15;
/// Scale of the noise that lets the second best be tried too.
const NOISE: f64 = 1.5;

/// A total that differs by no more is the same.
const SAME_SCORE: f64 = 1e-3;
/// A total that is worse by more, once all are placed, is not mended by sharing out.
const MOST_LOST: f64 = 12.0;

/// Places of fire this near to the events are tried as theirs, m.
const PLACES_M: f64 = 1_500.0;

/// Dice (xorshift64*: Marsaglia 2003; Vigna 2016).
pub struct Dice(u64);

impl Dice {
    /// Dice that fall as `seed` says.
    pub fn new(seed: u64) -> Dice {
        // Splitmix's finaliser: near seeds must not throw alike.
        let mut z = seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        Dice((z ^ (z >> 31)) | 1)
    }

    /// From 0 up to 1.
    pub fn uniform(&mut self) -> f64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 11) as f64 / (1u64 << 53) as f64
    }

    /// One of `count`.
    pub fn below(&mut self, count: usize) -> usize {
        ((self.uniform() * count as f64) as usize).min(count.saturating_sub(1))
    }

    /// An exponential variate.
    pub fn exponential(&mut self) -> f64 {
        -(self.uniform().max(1e-12)).ln()
    }
}

/// An arrival of the pool.
#[derive(Clone, Copy)]
struct Pooled {
    slot: Slot,
    site: u32,
    order: u64,
    third: Third,
}

/// Memory, used again.
#[derive(Default)]
pub struct Resolver {
    pool: Vec<Pooled>,
    left: Vec<usize>,
    columns: Columns,
    seeds: Vec<(f64, Seed)>,
    spots: Vec<(f64, f64)>,
}

impl Resolver {
    /// Explains these events' arrivals anew; `true` when that made the total better.
    pub fn resolve(
        &mut self,
        isa: Isa,
        problem: &Problem<'_>,
        plan: &mut Plan,
        rivals: &[u32],
        dice: &mut Dice,
    ) -> bool {
        let old: Vec<Event> = rivals.iter().filter_map(|&number| plan.take(number)).collect();
        let Some(first) = old.first() else { return false };
        let reference = first.located.at;
        let before: f64 = old.iter().map(|event| event.located.score).sum();
        self.collect(problem, plan, &old, reference);
        self.spots.clear();
        self.spots.extend(problem.prior.places(problem.others).filter(|&(x_m, y_m)| {
            old.iter().any(|event| {
                (event.located.at.x_m - x_m).powi(2) + (event.located.at.y_m - y_m).powi(2) < PLACES_M * PLACES_M
            })
        }));
        let mut placed: Vec<u32> = Vec::with_capacity(old.len() + 1);
        for turn in 0..=old.len() {
            match self.place(isa, problem, plan, &old, reference, dice) {
                Some(located) => placed.push(plan.put(Event { located, tries: 0 })),
                None if turn > 0 => break,
                None => {}
            }
        }
        // What was there before has been found again, or nothing like it: sharing out would change neither.
        let lost = before - plan.total(&placed);
        if lost.abs() > SAME_SCORE && lost < MOST_LOST {
            plan.come_to_terms(problem, &mut placed);
        }
        if plan.total(&placed) > before + SAME_SCORE {
            return true;
        }
        // In reverse, so that each event has the number it had.
        for &number in placed.iter().rev() {
            plan.take(number);
        }
        for event in old.into_iter().rev() {
            plan.put(event);
        }
        false
    }

    /// Puts in an event that takes what others own, if the total is better for it once all of them have come to terms;
    /// gives its number.
    pub fn insert(&mut self, problem: &Problem<'_>, plan: &mut Plan, located: Located) -> Option<u32> {
        let mut owners: Vec<u32> = located.arrivals.iter().map(|e| plan.owner(e.slot)).collect();
        owners.retain(|&owner| plan.event(owner).is_some());
        owners.sort_unstable();
        owners.dedup();
        let old: Vec<Event> = owners.iter().filter_map(|&number| plan.event(number).cloned()).collect();
        let before = plan.total(&owners);
        let new = plan.put(Event { located, tries: 0 });
        let mut all: Vec<u32> = owners.iter().copied().chain([new]).collect();
        all.retain(|&number| plan.refit(problem, number));
        plan.come_to_terms(problem, &mut all);
        if plan.total(&all) > before + SAME_SCORE && all.contains(&new) {
            return Some(new);
        }
        // The owners are as they were, though not always under the number that they had.
        for &number in &all {
            plan.take(number);
        }
        for event in old {
            plan.put(event);
        }
        None
    }

    /// Looks for one more event among what is left in the pool.
    fn place(
        &mut self,
        isa: Isa,
        problem: &Problem<'_>,
        plan: &mut Plan,
        old: &[Event],
        reference: Place,
        dice: &mut Dice,
    ) -> Option<Located> {
        self.mark(plan);
        if self.left.len() < problem.settings.min_arrivals {
            return None;
        }
        self.columns(problem, plan, reference);
        let wind = wind(problem);
        self.seeds.clear();
        for turn in 0..SEEDS {
            let Some(at) = self.throw(problem, old, reference, turn, dice) else { continue };
            let seed = Seed {
                x_m: (at.x_m - reference.x_m) as f32,
                y_m: (at.y_m - reference.y_m) as f32,
                time_s: (at.time_s - reference.time_s) as f32,
                slack_s: SLACK_S,
            };
            let worth = kernel::gains(isa, &self.columns, seed, wind).0 + kernel::silence(isa, &self.columns, seed);
            self.seeds.push((f64::from(worth) + NOISE * dice.exponential(), seed));
        }
        self.seeds.sort_by(|a, b| b.0.total_cmp(&a.0));
        let mut best: Option<(f64, Located)> = None;
        let how = How { against: Against::Clutter, near: false, least: 0.0 };
        let mut fits = 0;
        let mut tried: Vec<Place> = Vec::with_capacity(FITS);
        for &(_, seed) in &self.seeds {
            let start = Place {
                x_m: reference.x_m + f64::from(seed.x_m),
                y_m: reference.y_m + f64::from(seed.y_m),
                time_s: reference.time_s + f64::from(seed.time_s),
            };
            let same = |other: &Place| {
                (other.x_m - start.x_m).hypot(other.y_m - start.y_m) < 100.0
                    && (other.time_s - start.time_s).abs() < 0.3
            };
            if tried.iter().any(same) {
                continue;
            }
            tried.push(start);
            fits += 1;
            if let Some(located) = plan.locate(problem, start, how, NO_ONE) {
                let liking = located.score + NOISE * dice.exponential();
                if located.score > 0.0 && best.as_ref().is_none_or(|best| liking > best.0) {
                    best = Some((liking, located));
                }
            }
            if fits == FITS {
                break;
            }
        }
        best.map(|(_, located)| located)
    }

    /// A place and time at which an event may have been.
    fn throw(
        &self,
        problem: &Problem<'_>,
        old: &[Event],
        reference: Place,
        turn: usize,
        dice: &mut Dice,
    ) -> Option<Place> {
        let one = |dice: &mut Dice| old[dice.below(old.len())].located.at;
        if turn == 0 && dice.uniform() < 0.6 {
            return Some(one(dice));
        }
        let apex = self.pool[self.left[dice.below(self.left.len())]];
        let site = &problem.field.sites()[apex.site as usize];
        if turn % 2 == 1 {
            // A place and one arrival give the time.
            let how = dice.uniform();
            let (x_m, y_m) = if how < 0.25 {
                let n = old.len() as f64;
                let sum = old
                    .iter()
                    .fold((0.0, 0.0), |sum, event| (sum.0 + event.located.at.x_m, sum.1 + event.located.at.y_m));
                (sum.0 / n, sum.1 / n)
            } else if how < 0.75 && !self.spots.is_empty() {
                self.spots[dice.below(self.spots.len())]
            } else {
                let at = one(dice);
                (at.x_m, at.y_m)
            };
            let travel = problem.medium.travel(site.wave, site.x_m - x_m, site.y_m - y_m);
            let heard = travel.distance_m <= site.range_m;
            return heard.then_some(Place { x_m, y_m, time_s: reference.time_s + apex.third.after_s - travel.time_s });
        }
        // Three arrivals give all.
        let pick = |dice: &mut Dice| self.pool[self.left[dice.below(self.left.len())]];
        let (a, b) = (pick(dice), pick(dice));
        let same_wave = |other: &Pooled| problem.field.sites()[other.site as usize].wave == site.wave;
        if a.site == apex.site || b.site == apex.site || a.site == b.site || !same_wave(&a) || !same_wave(&b) {
            return None;
        }
        let far = problem.medium.far(site.wave, site.range_m).filter(|_| dice.uniform() < 0.5);
        let (drift, intercept_s) =
            far.map_or_else(|| (straight(problem, site.wave), 0.0), |head| (below(head), head.intercept_s));
        let from = |other: Pooled| Third {
            x_m: other.third.x_m - apex.third.x_m,
            y_m: other.third.y_m - apex.third.y_m,
            after_s: other.third.after_s - apex.third.after_s,
        };
        let found = drift.solve(&drift.prepare(from(a)), &drift.prepare(from(b)));
        let near = found.map(|(x_m, y_m, time_s)| Place {
            x_m: site.x_m + x_m,
            y_m: site.y_m + y_m,
            time_s: reference.time_s + apex.third.after_s + time_s - intercept_s,
        });
        near.min_by(|a, b| {
            let off = |at: &Place| (at.x_m - reference.x_m).hypot(at.y_m - reference.y_m);
            off(a).total_cmp(&off(b))
        })
    }

    /// What the events owned, and what is free near when they would have it, as columns about the reference.
    fn collect(&mut self, problem: &Problem<'_>, plan: &Plan, old: &[Event], reference: Place) {
        self.pool.clear();
        let pool = &mut self.pool;
        for event in old {
            let at = event.located.at;
            each_heard(problem, at, &mut |number, site, travel| {
                let due_s = at.time_s + travel.time_s + site.ahead_s;
                for (time_s, slot) in
                    problem.window.between(number, due_s - NEAR_S, (due_s + NEAR_S).min(problem.until_s))
                {
                    if plan.owner(slot) == NO_ONE {
                        let third = Third {
                            x_m: site.x_m - reference.x_m,
                            y_m: site.y_m - reference.y_m,
                            after_s: time_s - site.ahead_s - reference.time_s,
                        };
                        pool.push(Pooled { slot, site: number, order: site.order, third });
                    }
                }
            });
        }
        let id = |pooled: &Pooled| problem.window.arrival(pooled.slot).id;
        pool.sort_by(|a, b| {
            a.order.cmp(&b.order).then(a.third.after_s.total_cmp(&b.third.after_s)).then_with(|| id(a).cmp(&id(b)))
        });
        pool.dedup_by_key(|pooled| pooled.slot);
    }

    /// Notes what of the pool is still free.
    fn mark(&mut self, plan: &Plan) {
        self.left.clear();
        self.left.extend((0..self.pool.len()).filter(|&number| plan.owner(self.pool[number].slot) == NO_ONE));
    }

    /// The columns of what is left, and the sites around.
    fn columns(&mut self, problem: &Problem<'_>, plan: &Plan, reference: Place) {
        self.columns.clear();
        let free = plan.own(NO_ONE);
        let about = |site: &Site| (site.x_m - reference.x_m, site.y_m - reference.y_m);
        // The silence of a site that has something left counts as well: the event may have another pick's time.
        for &number in problem.field.near(reference.x_m, reference.y_m) {
            let site = &problem.field.sites()[number as usize];
            self.columns.quiet(&ear(problem, site, about(site)));
        }
        let mut last = u32::MAX;
        for pooled in self.left.iter().map(|&number| &self.pool[number]) {
            if pooled.site != last {
                let site = &problem.field.sites()[pooled.site as usize];
                self.columns.site(&ear(problem, site, about(site)));
                last = pooled.site;
            }
            let site = &problem.field.sites()[pooled.site as usize];
            let other = 0.01 + path_variance(problem, site);
            let (gain, weight) = value(problem, site, pooled.slot, other, site.ln_clutter, &free);
            self.columns.arrival(pooled.third.after_s as f32, gain, weight);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dice_fall_as_their_seed_says_and_near_seeds_fall_differently() {
        let throw = |seed: u64| {
            let mut dice = Dice::new(seed);
            (0..1_000).map(|_| dice.uniform()).collect::<Vec<_>>()
        };
        assert_eq!(throw(7), throw(7));
        assert_ne!(throw(7)[0], throw(8)[0]);
        let mean = throw(9).iter().sum::<f64>() / 1_000.0;
        assert!((0.45..0.55).contains(&mean) && throw(9).iter().all(|u| (0.0..1.0).contains(u)));
        let mut dice = Dice::new(3);
        assert!((0..100).all(|_| dice.below(4) < 4) && dice.below(1) == 0);
    }
}
