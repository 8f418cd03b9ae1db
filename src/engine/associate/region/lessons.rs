//! What a region has learnt, on its way out and back in.

use super::{READ_AGAIN_S, Region};
use crate::engine::associate::learnt::Learnt;
use crate::engine::associate::prior::Prior;
use crate::engine::associate::record::{RegionRecord, SiteRecord};
use crate::model::node::Registry;
use crate::model::time::ns_from_s;

impl Region {
    /// What it has learnt; `None` before anything came.
    pub fn record(&self, registry: &Registry) -> Option<RegionRecord> {
        let centre = self.frame.centre();
        let (loudness, curves, untaught) = self.learnt.record();
        let numbered = (0u32..).zip(self.field.sites());
        let mut sites: Vec<SiteRecord> = numbered
            .map(|(number, site)| self.learnt.record_site(number, site, &registry.node(site.node).name))
            .collect();
        sites.sort_by(|a, b| (&a.node, a.wave).cmp(&(&b.node, b.wave)));
        let taught_to_s = self.stepped_to_s.max(self.taught_to_s);
        Some(RegionRecord {
            centre: [centre.lon_deg, centre.lat_deg],
            epoch_ns: self.epoch_ns?,
            taught_to_s: taught_to_s.is_finite().then_some(taught_to_s),
            untaught,
            loudness,
            curves,
            sites,
            prior: self.prior.record(),
        })
    }

    /// The last step that taught, nanoseconds; `None` while none has.
    pub fn taught_to_ns(&self) -> Option<i64> {
        let to_s = self.stepped_to_s.max(self.taught_to_s);
        Some(self.epoch_ns?.saturating_add(ns_from_s(to_s))).filter(|_| to_s.is_finite())
    }

    /// Goes on from what another run learnt here; `false` if the record cannot be. To be called before anything comes.
    /// `same_stream`: whatever comes that is older than what taught it is what taught it.
    pub fn start_from(&mut self, record: RegionRecord, registry: &Registry, same_stream: bool) -> bool {
        let Some(learnt) = Learnt::from_record(&record.loudness, &record.curves, record.untaught) else { return false };
        self.learnt = learnt;
        self.prior = Prior::from_record(&record.prior);
        (self.epoch_ns, self.is_restored) = (Some(record.epoch_ns), true);
        self.taught_to_s = record.taught_to_s.unwrap_or(f64::NEG_INFINITY);
        self.read_again_s = if same_stream { f64::INFINITY } else { READ_AGAIN_S };
        self.waiting = record.sites.into_iter().map(|site| ((site.node.clone(), site.wave), site)).collect();
        self.field.learn(|sites| {
            for (number, site) in (0u32..).zip(sites) {
                self.learnt.introduce(site);
                if let Some(record) = self.waiting.remove(&(registry.node(site.node).name.clone(), site.wave)) {
                    self.learnt.restore_site(number, site, &record);
                }
            }
        });
        true
    }

    /// What was learnt is of another time.
    pub(super) fn forget_times(&mut self) {
        self.learnt.forget_times();
        self.prior.forget_events();
        self.taught_to_s = f64::NEG_INFINITY;
    }
}
