//! Regions that are shared out: what one engine hears of the final events of the others, and tells them.

use super::Engine;
use super::rules::World;
use super::settled::FinalEvent;
use super::share::Share;
use crate::model::node::Registry;

impl Engine {
    /// Takes a share of the regions. To be called before the first observation.
    pub fn take_share(&mut self, share: Share) {
        self.others_ns = share.others().into_iter().map(|part| (part, i64::MIN)).collect();
        // Who is up in the others' regions is not known here, nor what rules find there.
        if !self.others_ns.is_empty() {
            self.escalation = None;
        }
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

    /// What the others have to be told of final events here, since the last call.
    pub fn take_finals(&mut self) -> Vec<FinalEvent> {
        self.fire.take_finals()
    }
}
