//! Regions that are shared out: what one engine hears of the final events of the others, and tells them.

use super::Engine;
use super::escalation::telling::{BinTeller, BinTold, JUDGE};
use super::pair;
use super::rules::World;
use super::settled::FinalEvent;
use super::share::Share;
use super::slow::Known;
use crate::model::node::Registry;
use crate::model::time::{NS_PER_S, ns_from_s};

impl Engine {
    /// Takes a share of the regions. To be called before the first observation.
    pub fn take_share(&mut self, share: Share) {
        self.others_ns = share.others().into_iter().map(|part| (part, i64::MIN)).collect();
        // Who is up in the others' regions is not known here, nor what rules find there: one judges by what all tell.
        if let Some(watch) = self.escalation.as_mut().filter(|_| share.regions.parts() > 1) {
            let bin_ns = ns_from_s(self.settings.escalation.bin_s).max(1);
            self.bin_teller = Some(BinTeller::new(share.part, bin_ns));
            watch.gather_from(share.regions.parts());
            if share.part != JUDGE {
                self.escalation = None;
            }
        }
        self.book.take_share(share.part, share.regions.parts());
        self.fire.take_share(share);
    }

    /// A final event of another's region: reports may be about it, and it may be an end of a round whose other is here.
    pub fn hear_final(&mut self, event: FinalEvent, registry: &Registry) {
        self.fire.hear_final(event, World::new(registry, &self.places, &self.settings));
    }

    /// All events from before that time are final in that part, and have been told here.
    pub fn hear_settled(&mut self, part: u32, settled_ns: i64) {
        if let Some(known_ns) = self.others_ns.get_mut(&part)
            && settled_ns > *known_ns
        {
            *known_ns = settled_ns;
            self.others_moved = true;
        }
    }

    /// What a part, this one or another, tells of a bin of event time; it stands `here` in what is read.
    pub fn hear_bin(&mut self, told: BinTold, here: i64, registry: &Registry) {
        if let Some(watch) = &mut self.escalation {
            watch.hear_bin(told, here, registry);
        }
    }

    /// What is to be told of bins here to [`JUDGE`], since the last call.
    pub fn take_bins(&mut self) -> Vec<BinTold> {
        self.bin_teller.as_mut().map(BinTeller::take_told).unwrap_or_default()
    }

    /// Where the first stands of what was told of bins that are still to be judged.
    pub fn bins_needed_here(&self) -> Option<i64> {
        self.escalation.as_ref()?.gathered()?.needed_here()
    }

    /// What the others have to be told of final events here, since the last call.
    pub fn take_finals(&mut self) -> Vec<FinalEvent> {
        self.fire.take_finals()
    }

    /// Fire of before that is final in the others' regions, nanoseconds.
    pub(super) fn others_final_ns(&self) -> i64 {
        self.others_ns.values().copied().min().unwrap_or(i64::MAX)
    }

    /// Fire of before that is final in all regions, whoever has them, nanoseconds.
    pub(super) fn final_everywhere_ns(&self) -> i64 {
        self.settled.fire_ns.min(self.others_final_ns())
    }

    /// What rests on final events of all regions: reports, and who fired where. All of them are gone through, so it is
    /// done once a second of event time, not for each batch; and up to that whole second, or who reads the same again in other batches
    /// would come to something in silence that its predecessor was yet to say.
    pub(super) fn weigh(&mut self, registry: &Registry) {
        self.others_moved = false;
        let final_ns = self.final_everywhere_ns();
        let final_s = final_ns.div_euclid(NS_PER_S);
        if std::mem::replace(&mut self.weighed_to_s, final_s) == final_s {
            return;
        }
        let final_ns = if final_ns == i64::MAX { final_ns } else { final_s.saturating_mul(NS_PER_S) };
        let world = World::new(registry, &self.places, &self.settings);
        let finals_since_ns = self.finals_known_ns.unwrap_or(i64::MIN);
        let known = Known { since_ns: self.oldest_ns, finals_since_ns };
        self.slow.weigh(self.fire.settled_mut(), final_ns, known, world, &mut self.book);
        for (region, at) in pair::pair(self.fire.settled_mut(), final_ns, finals_since_ns) {
            self.fire.settled_mut()[region][at].say(world, &mut self.book);
        }
    }
}
