//! What the alerts of a stretch of time come to as signs of an escalation, and which of them count to one.
//!
//! Signs are read off the book when all that they rest on is final: a function of the set of final events. What lasts is
//! counted some time after it began, when it is known wherever it was seen from. What patrols tell is never counted, for how
//! much they tell hangs on how many there are and where they go; nor what nodes tell of themselves; nor what nobody else has heard.

use super::Engine;
use super::associate::layout::is_wide;
use super::book::{FIRE, Known};
use super::escalation::record::EscalationRecord;
use super::escalation::telling::{BinTeller, Counting};
use super::escalation::{EscalationWatch, Sign, THEATRE};
use super::rules::World;
use crate::model::alert::{self, Class};
use crate::model::escalation::Modality;
use crate::model::kind::Kind;
use crate::model::node::Registry;
use crate::model::time::ns_from_s;

/// After so long all that happened near a network of microphones is final, s: two travel times of the slowest wave that takes
/// part, and the steps in which that is judged.
const NEAR_FINAL_S: f64 = 2.0 * (65.0 + 2.0);
/// What is heard by far-hearing nodes alone is final later, and counts by so much later, s.
const WIDE_LATER_S: f64 = 1_400.0;
/// Incursions count so long after they began, s: plots that tell of them are seldom further apart.
const INCURSION_LATER_S: f64 = 600.0;
/// Most alerts that are named; the newest stay.
const MAX_NAMED: usize = 100;

/// An alert that counts, as that and at that time.
fn counting(known: &Known<'_>, (modality, at_ns): (Modality, i64)) -> Counting {
    let alert = known.feature.properties.alert.clone();
    Counting { at_ns, modality, place: known.feature.place(), alert }
}

/// How it was seen and when it counts, nanoseconds; `None` for what is no sign.
fn counts_at(known: &Known<'_>, world: World<'_>) -> Option<(Modality, i64)> {
    // What an emitter is for is not known.
    if known.feature.properties.sign == Some(alert::Sign::Emitter) {
        return None;
    }
    let modality = Modality::of(known.feature.properties.class)?;
    let evidence = &known.feature.properties.evidence;
    let node = |name: &str| world.registry.find(name).map(|ix| world.registry.node(ix));
    let later_s = match modality {
        Modality::Fire if !known.was_final || !known.key.starts_with(FIRE) => return None,
        Modality::Fire => {
            let is_far = evidence.iter().all(|it| it.kind != Kind::Radar && node(&it.node).is_some_and(is_wide));
            if is_far { WIDE_LATER_S } else { 0.0 }
        }
        // From when on it counts for one hangs on what the vessel used to do.
        Modality::Sea if known.feature.properties.class == Class::SeaDark => return None,
        // What nodes suffer may come of what they are and what keeps their time, and network and mission change.
        _ if evidence.iter().all(|it| matches!(it.kind, Kind::Patrol | Kind::Status)) => return None,
        _ => INCURSION_LATER_S,
    };
    Some((modality, known.time_ns.saturating_add(ns_from_s(later_s))))
}

/// The sign that an alert is, with who told of it.
fn sign(known: &Known<'_>, modality: Modality, registry: &Registry) -> Sign {
    let mut sign = Sign {
        modality,
        time_ns: known.time_ns,
        place: known.feature.place(),
        arrivals: Vec::new(),
        seers: Vec::new(),
    };
    for it in known.feature.properties.evidence.iter().filter(|it| it.kind != Kind::Patrol) {
        let Some(node) = registry.find(&it.node) else { continue };
        let is_arrival = modality == Modality::Fire && it.kind != Kind::Radar;
        if is_arrival { &mut sign.arrivals } else { &mut sign.seers }.push(node);
    }
    sign
}

impl Engine {
    /// Judges the bins of which all is final, when fire is worked out up to `fire_ns` and rules up to `rules_ns`.
    pub(super) fn escalate(&mut self, rules_ns: i64, fire_ns: i64, registry: &Registry) {
        if self.book.is_recalling() || self.oldest_ns == i64::MAX {
            return;
        }
        let final_ns = fire_ns.saturating_sub(ns_from_s(NEAR_FINAL_S)).min(rules_ns);
        let world = World::new(registry, &self.places, &self.settings);
        let signs_in = |(from_ns, to_ns): (i64, i64)| {
            let counted = self.book.known().filter_map(move |known| Some((counts_at(&known, world)?, known)));
            let in_time = counted.filter(move |((_, at_ns), _)| (from_ns..to_ns).contains(at_ns));
            in_time.map(move |(at, known)| (sign(&known, at.0, registry), counting(&known, at)))
        };
        if let Some(teller) = &mut self.bin_teller {
            while let Some(bin) = teller.due(self.oldest_ns, final_ns) {
                teller.tell(signs_in(bin).collect(), world);
            }
        }
        let Some(watch) = &mut self.escalation else { return };
        while let Some((from_ns, to_ns)) = watch.due(self.oldest_ns, final_ns) {
            let signs = match watch.gathered() {
                Some(_) => watch.gather(world),
                None => signs_in((from_ns, to_ns)).map(|(sign, _)| sign).collect(),
            };
            for mut said in watch.step(&signs, world) {
                let of_it = |it: &Counting| {
                    (said.from.0..to_ns).contains(&it.at_ns)
                        && said.modalities.contains(&it.modality)
                        && (said.sector == THEATRE || watch.sector(it.place, world) == Some(said.sector.as_str()))
                };
                let mut named: Vec<Counting> = match watch.gathered() {
                    Some(gathered) => gathered.counting().filter(|it| of_it(it)).cloned().collect(),
                    None => {
                        let known = self.book.known();
                        let all = known.filter_map(|known| Some(counting(&known, counts_at(&known, world)?)));
                        all.filter(of_it).collect()
                    }
                };
                named.sort_unstable_by(Counting::in_order);
                let newest = named.len().saturating_sub(MAX_NAMED);
                said.alerts = named.drain(newest..).map(|it| it.alert).collect();
                self.escalations.push(said);
            }
            watch.forget_counting_before(to_ns.saturating_sub(ns_from_s(self.kept_s)));
        }
    }

    /// What a successor has to know of what is usual, and of how far this part has told, if that has changed since the last call.
    pub fn take_escalation_record(&mut self, registry: &Registry) -> Option<EscalationRecord> {
        let stands_ns = self.escalation.as_ref().and_then(EscalationWatch::stands_ns);
        let told_ns = self.bin_teller.as_ref().and_then(BinTeller::told_ns);
        if self.escalation_kept_ns == (stands_ns, told_ns) {
            return None;
        }
        let of_judge = self.escalation.as_ref().and_then(|watch| watch.record(registry));
        let record = match (of_judge, told_ns) {
            (Some(mut record), told_ns) => {
                record.told_ns = told_ns;
                record
            }
            (None, Some(told_ns)) => EscalationRecord::of_teller(told_ns),
            (None, None) => return None,
        };
        self.escalation_kept_ns = (stands_ns, told_ns);
        Some(record)
    }

    /// Goes on from what an engine before this one knew of what is usual; false if it can't be gone on from, and what is usual
    /// is learnt anew. To be called before the first observation.
    pub fn restore_escalation(&mut self, record: EscalationRecord) -> bool {
        if let (Some(teller), Some(told_ns)) = (&mut self.bin_teller, record.told_ns) {
            teller.go_on(told_ns);
        }
        self.escalation.as_mut().is_none_or(|watch| watch.restore(record))
    }
}

#[cfg(test)]
mod tests {
    use super::super::book::{Book, Cited, Claim, Stage};
    use super::super::places::Places;
    use super::super::settings::Settings;
    use super::*;
    use crate::model::geo::LonLat;
    use crate::model::kind::KindSet;
    use crate::model::node::{Node, NodeIx};
    use crate::model::observation::{Id, Origin};

    const NODES: [(&str, Kind, f64); 4] = [
        ("mic", Kind::Acoustic, 12_000.0),
        ("patrol", Kind::Patrol, 5_000.0),
        ("radar", Kind::Track, 30_000.0),
        ("far", Kind::Infrasound, 200_000.0),
    ];

    /// When an alert counts that a node tells of, seconds after it happened.
    fn counted_after(key: &str, class: Class, node: u32, stage: Stage) -> Option<(Modality, i64)> {
        counted_by(NODES[node as usize].1, None, key, class, node, stage)
    }

    /// The same by an observation of that kind, and by that sign.
    fn counted_by(
        kind: Kind,
        sign: Option<alert::Sign>,
        key: &str,
        class: Class,
        node: u32,
        stage: Stage,
    ) -> Option<(Modality, i64)> {
        let registry = Registry::new(NODES.map(|(name, kind, range_m)| Node {
            kinds: KindSet::of(kind),
            range_m: Some(range_m),
            heartbeat_s: Some(60.0),
            registered: true,
            ..Node::unregistered(name)
        }));
        let (places, settings) = (Places::default(), Settings::default());
        let mut book = Book::new(String::new(), vec!["t".to_owned()]);
        let origin = Origin { topic: 0, partition: 0, offset: 0, line: 0 };
        let (residual_s, residual_deg) = (None, None);
        let cited = Cited { origin, id: Id::new(b"1"), node: NodeIx(node), kind, time_ns: 0, residual_s, residual_deg };
        let place = LonLat { lon_deg: 31.5, lat_deg: 46.9 };
        let claim = Claim { evidence: vec![cited], sign, ..Claim::new(key.to_owned(), class, place, 0) };
        book.say(claim, stage, &registry, &places, &settings);
        let world = World::new(&registry, &places, &settings);
        let known: Vec<Known<'_>> = book.known().collect();
        counts_at(&known[0], world).map(|(modality, at_ns)| (modality, at_ns / 1_000_000_000))
    }

    #[test]
    fn what_patrols_tell_is_no_sign_however_much_they_tell() {
        for (key, class) in [
            ("slow/patrol/1", Class::FireExplosion),
            ("found/patrol/1", Class::IncursionWeapons),
            ("restriction/patrol/1", Class::RestrictionDenied),
            ("restriction/patrol/2", Class::RestrictionDelayed),
        ] {
            assert_eq!(counted_after(key, class, 1, Stage::Final), None, "{class}");
        }
        assert_eq!(counted_after("fire/mic/1", Class::FireExplosion, 0, Stage::Final), Some((Modality::Fire, 0)));
    }

    #[test]
    fn jamming_counts_by_who_reports_it_and_not_by_who_suffers_from_it() {
        let counted = |kind: Kind, sign: alert::Sign| {
            counted_by(kind, Some(sign), "interference/a", Class::Interference, 0, Stage::Final)
        };
        let counts = Some((Modality::Jamming, 600));
        assert_eq!(counted(Kind::Interference, alert::Sign::Jamming), counts);
        assert_eq!(counted(Kind::Track, alert::Sign::Jump), counts);
        assert_eq!(counted(Kind::Status, alert::Sign::Jamming), None, "clocks may hang on one server");
        assert_eq!(counted(Kind::Status, alert::Sign::Jump), None);
        assert_eq!(counted(Kind::Radio, alert::Sign::Emitter), None, "what it is for is not known");
    }

    #[test]
    fn nothing_is_kept_or_taken_up_where_it_is_off() {
        let mut settings = Settings::default();
        settings.escalation.on = false;
        let mut engine = Engine::new(settings, String::new(), vec!["t".to_owned()], Places::default());
        assert!(engine.restore_escalation(EscalationRecord::default()));
        assert!(engine.escalation.is_none() && engine.take_escalation_record(&Registry::new([])).is_none());
    }

    #[test]
    fn a_sign_names_those_whose_arrivals_it_rests_on_and_those_who_are_enough_alone() {
        let registry = Registry::new(NODES.map(|(name, kind, _)| Node {
            kinds: KindSet::of(kind),
            registered: true,
            ..Node::unregistered(name)
        }));
        let (places, settings) = (Places::default(), Settings::default());
        let mut book = Book::new(String::new(), vec!["t".to_owned()]);
        let cited = |offset: i64, node: u32, kind: Kind| Cited {
            origin: Origin { topic: 0, partition: 0, offset, line: 0 },
            id: Id::new(offset.to_string().as_bytes()),
            node: NodeIx(node),
            kind,
            time_ns: offset,
            residual_s: None,
            residual_deg: None,
        };
        let place = LonLat { lon_deg: 31.5, lat_deg: 46.9 };
        let evidence = vec![
            cited(1, 0, Kind::Acoustic),
            cited(2, 0, Kind::Seismic),
            cited(3, 1, Kind::Patrol),
            cited(4, 2, Kind::Radar),
        ];
        let claim = Claim { evidence, ..Claim::new("fire/a".to_owned(), Class::FireImpact, place, 7) };
        book.say(claim, Stage::Final, &registry, &places, &settings);
        let known: Vec<Known<'_>> = book.known().collect();
        let fire = sign(&known[0], Modality::Fire, &registry);
        assert_eq!((fire.arrivals, fire.seers, fire.time_ns), (vec![NodeIx(0), NodeIx(0)], vec![NodeIx(2)], 7));
        let air = sign(&known[0], Modality::Air, &registry);
        assert_eq!(air.seers, [NodeIx(0), NodeIx(0), NodeIx(2)], "of anything else each is enough");
    }

    #[test]
    fn what_is_known_later_counts_later() {
        assert_eq!(counted_after("fire/mic/1", Class::FireImpact, 0, Stage::Open), None, "it may not be so");
        assert_eq!(counted_after("fire/far/1", Class::FireImpact, 3, Stage::Final), Some((Modality::Fire, 1400)));
        assert_eq!(counted_after("track/a", Class::AirIncursion, 2, Stage::Open), Some((Modality::Air, 600)));
        assert_eq!(counted_after("sensor/a", Class::SensorSilent, 0, Stage::Open), None, "who is silent sees nothing");
        assert_eq!(counted_after("dark/a", Class::SeaDark, 2, Stage::Final), None);
    }
}
