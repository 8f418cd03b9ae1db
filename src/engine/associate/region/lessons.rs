//! What a region has learnt, on its way out and back in.

use super::{KeptPlan, READ_AGAIN_S, Region};
use crate::engine::associate::field::Site;
use crate::engine::associate::learnt::Learnt;
use crate::engine::associate::prior::Prior;
use crate::engine::associate::record::{RegionRecord, SiteRecord};
use crate::engine::associate::settle::{Ground, Held};
use crate::model::node::Registry;
use crate::model::time::ns_from_s;

impl Region {
    /// What it has learnt; `None` before anything came.
    pub fn record(&self, registry: &Registry) -> Option<RegionRecord> {
        let centre = self.frame.centre();
        let (loudness, curves, untaught) = self.learnt.record();
        // Of a node that moves what is known of it where it stood first.
        let is_first = |&(number, site): &(u32, &Site)| self.stands.first(site.node, site.wave) == Some(number);
        let numbered = (0u32..).zip(self.field.sites()).filter(is_first);
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
            needed_ns: None,
            known_ns: None,
            finals_from_ns: None,
            reports: Vec::new(),
            finals: Vec::new(),
            plan: None,
        })
    }

    /// The same with all that is not final, for who goes on with the same stream.
    pub fn record_with_plan(&self, registry: &Registry) -> Option<RegionRecord> {
        let mut record = self.record(registry)?;
        let (plan, mut held) = match &self.kept {
            Some(KeptPlan { plan, held }) => (plan.clone(), held.clone()),
            None if self.stepped_to_s >= self.taught_to_s && self.stepped_to_s.is_finite() => {
                let Some((plan, by_site)) =
                    self.settling.record(self.ground(registry), self.stepped_to_s, self.travel_s)
                else {
                    return Some(record);
                };
                let sites = self.field.sites();
                let name =
                    |site: u32| (registry.node(sites[site as usize].node).name.clone(), sites[site as usize].wave);
                (plan, by_site.into_iter().map(|(site, held)| (name(site), held)).collect())
            }
            None => return Some(record),
        };
        for site in &mut record.sites {
            site.held = held.remove(&(site.node.clone(), site.wave)).unwrap_or_default();
        }
        record.plan = Some(plan);
        Some(record)
    }

    fn ground<'a>(&'a self, registry: &'a Registry) -> Ground<'a> {
        Ground { field: &self.field, window: &self.window, points: &self.points, registry }
    }

    /// Goes on from what was not final when the record was written, when all that it rests on is in; whether there is nothing to
    /// be waited for.
    pub(super) fn go_on_from_plan(&mut self, watermark_s: f64, registry: &Registry) -> bool {
        let Some(KeptPlan { plan, held: mut by_name }) = self.kept.take_if(|kept| kept.plan.step_s <= watermark_s)
        else {
            return self.kept.is_none();
        };
        let mut held = Held::default();
        for (number, site) in (0u32..).zip(self.field.sites()) {
            if let Some(own) = by_name.remove(&(registry.node(site.node).name.clone(), site.wave)) {
                held.insert(number, own);
            }
        }
        if !self.taken_back.is_empty() {
            self.let_go_before_plan(plan.step_s, &held);
        }
        let ground = Ground { field: &self.field, window: &self.window, points: &self.points, registry };
        // Where something is missing, all of it is worked out anew.
        if let Some(echoes) = self.settling.resume(&plan, held, ground) {
            for (slot, ln_echo) in echoes {
                self.window.set_echo(slot, ln_echo);
            }
            self.others = self.settling.places();
            self.goes_on = true;
        }
        self.travel_s = self.travel_s.max(plan.travel_s);
        self.stepped_to_s = self.stepped_to_s.max(plan.step_s);
        true
    }

    /// From now on what it comes to is what another run came to.
    pub fn go_on(&mut self) {
        self.goes_on = true;
    }

    /// Whether it went on exactly where another run ended.
    pub fn goes_on_exactly(&self) -> bool {
        self.goes_on
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
        let mut sites = record.sites;
        let held = sites.iter_mut().filter(|site| !site.held.is_empty());
        let held = held.map(|site| ((site.node.clone(), site.wave), std::mem::take(&mut site.held))).collect();
        // Of another stream nothing is open.
        self.kept = record.plan.filter(|_| same_stream).map(|plan| KeptPlan { plan, held });
        self.waiting = sites.into_iter().map(|site| ((site.node.clone(), site.wave), site)).collect();
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
        (self.taught_to_s, self.final_to_s) = (f64::NEG_INFINITY, f64::NEG_INFINITY);
        self.kept = None;
    }
}
