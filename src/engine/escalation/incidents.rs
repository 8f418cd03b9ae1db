//! Rounds become incidents: what falls side by side and without a pause is one, however many rounds it has.
//!
//! Fire comes in barrages, so rounds are no Poisson stream, and what is learnt from ten of one barrage is little more than
//! from one. The places of a bin's rounds are spots of half a kilometre or so; spots side by side make a cluster. A
//! cluster is a new incident if nothing happened in it in the bin before, else it goes on with an old one. That a place
//! stays under fire shows in the spots, each of which counts once a bin. It is a matter of the set of rounds, bin by bin.

use super::grid::{CellKey, Grid};
use crate::model::geo::LonLat;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Bins without fire after which an incident is over.
const PAUSE_BINS: i64 = 1;

/// Spots side by side have middles no further apart than so many times their size: those of a square and its four
/// neighbours, in rows that do not quite stand on one another.
const BESIDE: f64 = 1.2;

/// Where fire was of late.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Incidents {
    /// Spots and the last bin in which there was fire.
    last: Vec<(CellKey, i64)>,
}

impl Incidents {
    /// The new incidents of a bin, and all spots under fire in it: for each a place in it, in order. `spots` is the grid
    /// of spots of that size.
    pub fn step(&mut self, bin: i64, rounds: &[LonLat], spots: Grid, spot_m: f64) -> (Vec<LonLat>, Vec<LonLat>) {
        let mut last: BTreeMap<CellKey, i64> = std::mem::take(&mut self.last).into_iter().collect();
        let mut first: BTreeMap<CellKey, LonLat> = BTreeMap::new();
        for &place in rounds {
            // Of a spot's rounds the one that stands first on the map, whichever came first.
            let known = first.entry(spots.cell(place)).or_insert(place);
            if (place.lat_deg, place.lon_deg) < (known.lat_deg, known.lon_deg) {
                *known = place;
            }
        }
        let mut left: BTreeSet<CellKey> = first.keys().copied().collect();
        let mut new = Vec::new();
        while let Some(start) = left.pop_first() {
            let (mut to_see, mut goes_on) = (vec![start], false);
            while let Some(spot) = to_see.pop() {
                goes_on |= last.get(&spot).is_some_and(|&seen| bin - seen <= PAUSE_BINS);
                for beside in spots.about(spots.middle(spot), BESIDE * spot_m) {
                    if left.remove(&beside) {
                        to_see.push(beside);
                    }
                }
            }
            if !goes_on {
                new.extend(first.get(&start));
            }
        }
        last.retain(|_, seen| bin - *seen < PAUSE_BINS);
        last.extend(first.keys().map(|&spot| (spot, bin)));
        self.last = last.into_iter().collect();
        (new, first.into_values().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SPOT_M: f64 = 500.0;

    fn at(east_m: f64, north_m: f64) -> LonLat {
        LonLat { lon_deg: 31.5, lat_deg: 46.9 }.toward(east_m.atan2(north_m).to_degrees(), east_m.hypot(north_m))
    }

    fn counts(bins: &[&[LonLat]]) -> Vec<usize> {
        let mut incidents = Incidents::default();
        (0..).zip(bins).map(|(bin, rounds)| incidents.step(bin, rounds, Grid::new(SPOT_M), SPOT_M).0.len()).collect()
    }

    #[test]
    fn a_barrage_is_one_incident_while_it_goes_on_and_another_after_a_pause() {
        let barrage: Vec<LonLat> = (0..40).map(|n| at(25.0 * f64::from(n % 8), 40.0 * f64::from(n % 5))).collect();
        assert_eq!(counts(&[&barrage, &barrage[..1], &[], &barrage[5..], &[], &[], &barrage]), [1, 0, 0, 1, 0, 0, 1]);
        let far: Vec<LonLat> = barrage.iter().copied().chain([at(6000.0, 0.0), at(-4000.0, 0.0)]).collect();
        assert_eq!(counts(&[&far, &far]), [3, 0]);
        assert_eq!(counts(&[&[at(0.0, 0.0)], &[at(1800.0, 0.0)]]), [1, 1], "that is another place");
    }

    proptest! {
        #[test]
        fn it_is_a_matter_of_the_set(
            rounds in proptest::collection::vec((0i64..4, -4000.0f64..4000.0, -4000.0f64..4000.0), 1..60),
        ) {
            let told = |rounds: &[(i64, f64, f64)]| {
                let mut incidents = Incidents::default();
                (0..4).map(|bin| {
                    let of_it: Vec<LonLat> =
                        rounds.iter().filter(|it| it.0 == bin).map(|it| at(it.1, it.2)).collect();
                    incidents.step(bin, &of_it, Grid::new(SPOT_M), SPOT_M)
                }).collect::<Vec<_>>()
            };
            let mut reversed = rounds.clone();
            reversed.reverse();
            prop_assert_eq!(told(&rounds), told(&reversed));
        }
    }
}
