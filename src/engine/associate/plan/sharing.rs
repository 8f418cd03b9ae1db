//! Arrivals that several events want are shared out among them, by auction.

use super::{NO_ONE, Plan, each_heard};
use crate::engine::associate::locate::{Against, Expected, Explained, GATE, Problem};
use crate::engine::associate::loudness::Law;
use crate::engine::associate::window::Slot;
use crate::model::node::NodeIx;

/// A radar and which end of a trajectory it tells.
type Whose = (NodeIx, bool);

/// An event that wants an arrival of a site, or a radar's point.
#[derive(Clone, Copy)]
pub(super) struct Bid {
    site: u32,
    event: u32,
    slot: Slot,
    gain: f64,
}

/// Least step of a price.
const BID_STEP: f64 = 1e-3;
/// Bids made for one site at most: prices rise by steps, so that it ends long before.
const MOST_BIDS: usize = 10_000;

impl Plan {
    /// Shares the arrivals of each site out among these events, their places fixed, so that the sum of what they are
    /// worth is the greatest: an auction (Bertsekas 1988, Ann. Oper. Res. 14). Arrivals that are free may be taken.
    pub fn share_out(&mut self, problem: &Problem<'_>, events: &[u32]) {
        let mut bids = std::mem::take(&mut self.bids);
        bids.clear();
        for &number in events {
            self.bid(problem, number, events, &mut bids);
        }
        for &number in events {
            if let Some(Some(event)) = self.events.get_mut(number as usize) {
                let arrivals = std::mem::take(&mut event.located.arrivals);
                for explained in arrivals {
                    self.give(explained.slot, NO_ONE);
                }
            }
        }
        // A site's bids stand together; the sort keeps the order of the events within.
        bids.sort_by_key(|bid| bid.site);
        for group in bids.chunk_by(|a, b| a.site == b.site) {
            for (event, slot, gain) in auction(group) {
                self.give(slot, event);
                if let Some(Some(event)) = self.events.get_mut(event as usize) {
                    event.located.arrivals.push(Explained {
                        slot,
                        site: group[0].site,
                        gain,
                        residual_s: 0.0,
                        residual_deg: None,
                        is_second: false,
                    });
                }
            }
        }
        self.bids = bids;
        if !problem.points.is_empty() {
            self.share_points_out(problem, events);
        }
    }

    /// The same for the points of each radar, of either end.
    fn share_points_out(&mut self, problem: &Problem<'_>, events: &[u32]) {
        let mut bids: Vec<(Whose, Bid)> = Vec::new();
        for &number in events {
            let Some(at) = self.event(number).map(|event| event.located.at) else { continue };
            for (point, gain) in problem.points_worth(at) {
                let owner = self.point_owner(point);
                if owner == NO_ONE || events.contains(&owner) {
                    bids.push((
                        problem.points[point].whose(),
                        Bid { site: 0, event: number, slot: point as Slot, gain },
                    ));
                }
            }
        }
        for &number in events {
            if let Some(Some(event)) = self.events.get_mut(number as usize) {
                for point in std::mem::take(&mut event.located.points) {
                    self.give_point(point, NO_ONE);
                }
            }
        }
        bids.sort_by_key(|&(whose, _)| whose);
        for group in bids.chunk_by(|a, b| a.0 == b.0) {
            let group: Vec<Bid> = group.iter().map(|&(_, bid)| bid).collect();
            for (event, point, _) in auction(&group) {
                self.give_point(point as usize, event);
                if let Some(Some(event)) = self.events.get_mut(event as usize) {
                    event.located.points.push(point as usize);
                }
            }
        }
    }

    /// What an event would give for each arrival that it, another of these events or no one owns.
    fn bid(&self, problem: &Problem<'_>, number: u32, among: &[u32], bids: &mut Vec<Bid>) {
        let Some(event) = self.event(number) else { return };
        let (at, loudness) = (event.located.at, event.located.loudness);
        let free = self.own(number);
        each_heard(problem, at, &mut |site_number, site, travel| {
            let path_sd_s = problem.medium.path_sd_s(site.wave, travel.time_s);
            let environment = path_sd_s * path_sd_s;
            let due_s = at.time_s + travel.time_s + site.ahead_s;
            let beyond_s = problem.medium.beyond_s(site.wave, travel.time_s);
            let gate_s = GATE * (problem.window.most_sd_s(site_number) + path_sd_s) + beyond_s;
            let expected = Expected {
                number: site_number,
                site,
                due_s,
                environment,
                ln_heard: site.chance(travel.distance_m).0,
                loudness,
                loudness_is_fitted: true,
                distance_m: travel.distance_m,
                ln_distance: Law::ln_distance(travel.distance_m),
            };
            for (_, slot) in problem.window.between(site_number, due_s - gate_s, (due_s + gate_s).min(problem.until_s))
            {
                let owner = self.owner(slot);
                if owner != NO_ONE && !among.contains(&owner) {
                    continue;
                }
                let worth = problem.worth(slot, &expected, Against::Clutter, &free);
                if let Some(worth) = worth.filter(|worth| worth.gain > 0.0) {
                    bids.push(Bid { site: site_number, event: number, slot, gain: worth.gain });
                }
            }
        });
    }
}

/// The best assignment of one site's arrivals to events, one each at most: (event, slot, gain).
fn auction(bids: &[Bid]) -> Vec<(u32, Slot, f64)> {
    if let [only] = bids {
        return vec![(only.event, only.slot, only.gain)];
    }
    // What stands for a slot: its price and who has it.
    let mut prices: Vec<(Slot, f64, Option<u32>)> = Vec::with_capacity(bids.len());
    let mut waiting: Vec<u32> = Vec::with_capacity(bids.len());
    for bid in bids {
        if !prices.iter().any(|price| price.0 == bid.slot) {
            prices.push((bid.slot, 0.0, None));
        }
        if !waiting.contains(&bid.event) {
            waiting.push(bid.event);
        }
    }
    for _ in 0..MOST_BIDS {
        let Some(event) = waiting.pop() else { break };
        let (mut best, mut second, mut at) = (0.0, 0.0, None);
        for bid in bids.iter().filter(|bid| bid.event == event) {
            let Some(number) = prices.iter().position(|price| price.0 == bid.slot) else { continue };
            let value = bid.gain - prices[number].1;
            if value > best {
                (second, best, at) = (best, value, Some(number));
            } else if value > second {
                second = value;
            }
        }
        if let Some(number) = at {
            prices[number].1 += best - second + BID_STEP;
            waiting.extend(prices[number].2.replace(event));
        }
    }
    let gain = |event: u32, slot: Slot| {
        bids.iter().find(|bid| bid.event == event && bid.slot == slot).map_or(0.0, |bid| bid.gain)
    };
    prices.iter().filter_map(|&(slot, _, owner)| owner.map(|event| (event, slot, gain(event, slot)))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bid(event: u32, slot: Slot, gain: f64) -> Bid {
        Bid { site: 0, event, slot, gain }
    }

    #[test]
    fn an_auction_gives_the_greatest_sum() {
        // Event 0 likes slot 5 best, but event 1 has nothing else.
        let mut given = auction(&[bid(0, 5, 4.0), bid(0, 6, 3.0), bid(1, 5, 3.5)]);
        given.sort_by_key(|given| given.0);
        assert_eq!(given, vec![(0, 6, 3.0), (1, 5, 3.5)]);
    }

    #[test]
    fn what_no_one_else_wants_stays() {
        assert_eq!(auction(&[bid(3, 9, 1.0)]), vec![(3, 9, 1.0)]);
        assert_eq!(auction(&[bid(3, 9, 1.0), bid(4, 9, 2.0)]), vec![(4, 9, 2.0)]);
    }
}
