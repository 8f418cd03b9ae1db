//! What is known of places already: an answer about areas, and how far from a place it holds.
//!
//! An object moves a few metres from plot to plot, and borders are mostly kilometres away: what was found for one plot is
//! found for the next. What is kept is true of the place, whoever is there; the number of an object's lane only says where it is
//! kept.

use crate::engine::places::Places;
use crate::model::area::Prohibition;
use crate::model::geo::LonLat;

/// Most metres that an answer holds; to ask for more makes asking dearer.
pub const MOST_M: f64 = 5_000.0;

/// The areas in force near a place that prohibit any of these, and the signed distance to the border of each; and how many metres
/// from there the same are near, each on the same side: none where that may be otherwise at another time.
pub fn in_force_near(
    place: LonLat,
    metres: f64,
    prohibitions: &[Prohibition],
    time_ns: i64,
    places: &Places,
) -> (Vec<(usize, f64)>, Option<f64>) {
    let (areas, (mut near, holds_m)) = (places.areas(), places.vicinity(place, metres, prohibitions, MOST_M));
    let is_lasting = near.iter().all(|&(ix, _)| areas[ix].is_always_valid());
    near.retain(|&(ix, _)| areas[ix].valid_at(time_ns));
    (near, is_lasting.then_some(holds_m))
}

/// Answers to one question.
pub struct Spots<A> {
    spots: Vec<Option<Spot<A>>>,
    /// Of [`Places`] for which they hold.
    version: u64,
}

/// An answer, in a line of the processor's cache.
#[repr(align(64))]
struct Spot<A> {
    place: LonLat,
    holds_m: f64,
    about: u8,
    answer: A,
}

impl<A> Default for Spots<A> {
    fn default() -> Spots<A> {
        Spots { spots: Vec::new(), version: 0 }
    }
}

impl<A> Spots<A> {
    /// The answer to a question about that which is kept under that number, if it holds there.
    pub fn known(&self, number: usize, about: u8, place: LonLat, places: &Places) -> Option<&A> {
        let spot = self.spots.get(number)?.as_ref()?;
        let holds = self.version == places.version() && spot.about == about;
        (holds && place.most_m(spot.place) <= spot.holds_m).then_some(&spot.answer)
    }

    /// Looks at where an answer would be; what it gives means nothing.
    pub fn look(&self, number: usize) -> u64 {
        self.spots.get(number).and_then(Option::as_ref).map_or(0, |spot| spot.holds_m.to_bits())
    }

    /// Keeps an answer that holds within so many metres of the place.
    pub fn note(&mut self, number: usize, about: u8, place: LonLat, holds_m: f64, places: &Places, answer: A) {
        if self.version != places.version() {
            self.spots.clear();
            self.version = places.version();
        }
        if number >= self.spots.len() {
            self.spots.resize_with(number + 1, || None);
        }
        self.spots[number] = Some(Spot { place, holds_m, about, answer });
    }
}

#[cfg(test)]
mod tests {
    use super::super::harness::zone;
    use super::*;

    #[test]
    fn an_answer_holds_as_far_as_it_is_said_to_and_until_areas_change() {
        let (mut places, mut spots) = (zone(), Spots::default());
        let at = |east_m: f64| LonLat { lon_deg: 30.0 + east_m / 111_700.0, lat_deg: 50.0 };
        spots.note(1, 0, at(0.0), 100.0, &places, "inside");
        assert_eq!(spots.known(1, 0, at(99.0), &places), Some(&"inside"));
        assert_eq!(spots.known(1, 0, at(101.0), &places), None);
        assert_eq!(spots.known(1, 1, at(0.0), &places), None, "another question");
        assert_eq!(spots.known(0, 0, at(0.0), &places), None, "kept elsewhere");
        places.remove_area("zone");
        assert_eq!(spots.known(1, 0, at(0.0), &places), None);
    }
}
