//! Regions that are shared out: who judges by what all parts tell says what one says that hears and sees all itself, however
//! unequally they come forward, and whoever dies on the way.

use crate::engine::escalation::record::EscalationRecord;
use crate::engine::escalation::telling::{BinTeller, BinTold, Counting, JUDGE};
use crate::engine::escalation::{EscalationWatch, Sign};
use crate::engine::places::Places;
use crate::engine::rules::World;
use crate::engine::settings::Settings;
use crate::model::escalation::Escalation;
use crate::model::node::{NodeIx, Registry};
use crate::model::time::NS_PER_S;
use crate::simulate::fortnight::{Bin, Course, Fortnight, Terms, areas};
use proptest::prelude::*;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::sync::LazyLock;

const BIN_NS: i64 = 300 * NS_PER_S;
/// What a part that begins anew hears again, bins: a quarter of an hour.
const AGAIN: usize = 3;
/// One part is no further behind another than so many bins: more than are remembered of a node.
const APART: usize = 100;

/// A day and a half in which the rate of a sector is tripled in the end.
struct Scene {
    registry: Registry,
    places: Places,
    settings: Settings,
    bins: Vec<Bin>,
}

impl Scene {
    fn new() -> Scene {
        let mut settings = Settings::default();
        settings.escalation.least_history_h = 6.0;
        let terms = Terms { course: Course::Onset, per_hour: 150.0, swing: 0.1, times: 3.0, bin_s: 300.0, days: 1.5 };
        let fortnight = Fortnight::new(22, terms);
        let (registry, places) = (Registry::new(fortnight.nodes()), Places::new(areas(), Vec::new()));
        Scene { registry, places, settings, bins: fortnight.collect() }
    }

    fn world(&self) -> World<'_> {
        World::new(&self.registry, &self.places, &self.settings)
    }

    fn watch(&self) -> EscalationWatch {
        EscalationWatch::new(&self.settings.escalation, String::new())
    }

    /// One that judges by what so many parts tell.
    fn judge(&self, parts: u32) -> EscalationWatch {
        let mut watch = self.watch();
        watch.gather_from(parts);
        watch
    }

    /// The nodes of a part that are up in a bin, and what they tell of the weather: of all, if there is one part.
    fn hear(&self, at: usize, (part, parts): (u32, u32), mut hear: impl FnMut(NodeIx, Option<(f64, f64)>)) {
        let bin = &self.bins[at];
        let is_its = |node: usize| node % parts as usize == part as usize;
        let mics = self.registry.nodes().len() - bin.weather.len();
        bin.up.iter().filter(|&&node| is_its(node)).for_each(|&node| hear(NodeIx(node as u32), None));
        let weather = bin.weather.iter().enumerate().map(|(sector, &told)| (mics + sector, told));
        weather.filter(|it| is_its(it.0)).for_each(|(node, told)| hear(NodeIx(node as u32), Some(told)));
    }

    /// What one says that hears and sees all.
    fn said_by_one(&self) -> Vec<Escalation> {
        let (mut watch, mut said) = (self.watch(), Vec::new());
        for (at, bin) in self.bins.iter().enumerate() {
            self.hear(at, (0, 1), |node, weather| match weather {
                None => watch.hear(node, bin.from_ns),
                Some((wind_m_s, noise_db)) => watch.weather(node, bin.from_ns, wind_m_s, noise_db, self.world()),
            });
            if watch.due(Fortnight::at_ns(0.0), bin.from_ns + BIN_NS).is_some() {
                said.extend(watch.step(&bin.signs, self.world()));
            }
        }
        said
    }
}

/// It, and what one says of it that hears and sees all.
static SCENE: LazyLock<(Scene, Vec<Escalation>)> = LazyLock::new(|| {
    let scene = Scene::new();
    let said = scene.said_by_one();
    (scene, said)
});

/// A part that hears its nodes, and tells.
struct Part {
    number: (u32, u32),
    teller: BinTeller,
    /// The next bin that it hears.
    at: usize,
}

impl Part {
    fn hear(&mut self, scene: &Scene, at: usize) {
        let (teller, from_ns) = (&mut self.teller, scene.bins[at].from_ns);
        scene.hear(at, self.number, |node, weather| match weather {
            None => teller.hear(node, from_ns),
            Some((wind_m_s, noise_db)) => teller.weather(node, from_ns, wind_m_s, noise_db, scene.world()),
        });
    }

    /// What counts in a bin and is this part's to tell.
    fn signs(&self, bin: &Bin) -> Vec<(Sign, Counting)> {
        let (part, parts) = self.number;
        let its = bin.signs.iter().enumerate().filter(|(at, _)| *at % parts as usize == part as usize);
        let with = |(at, sign): (usize, &Sign)| {
            let (at_ns, modality, place) = (sign.time_ns, sign.modality, sign.place);
            (sign.clone(), Counting { at_ns, modality, place, alert: format!("A-{}-{at}", bin.from_ns) })
        };
        its.map(with).collect()
    }

    /// Goes on by a bin; gives what it tells.
    fn step(&mut self, scene: &Scene) -> Vec<String> {
        self.hear(scene, self.at);
        let end_ns = scene.bins[self.at].from_ns + BIN_NS;
        self.at += 1;
        while let Some((from_ns, _)) = self.teller.due(Fortnight::at_ns(0.0), end_ns) {
            let bin = scene.bins.iter().find(|bin| bin.from_ns == from_ns).expect("a bin of the scene");
            self.teller.tell(self.signs(bin), scene.world());
        }
        self.teller.take_told().iter().map(|told| serde_json::to_string(told).expect("JSON")).collect()
    }

    /// Dies, and begins anew with what was kept.
    fn begin_anew(&mut self, scene: &Scene) {
        let told_ns = self.teller.told_ns();
        self.teller = BinTeller::new(self.number.0, BIN_NS);
        told_ns.into_iter().for_each(|told_ns| self.teller.go_on(told_ns));
        (self.at.saturating_sub(AGAIN)..self.at).for_each(|at| self.hear(scene, at));
    }
}

/// Who judges, and how far it has read what all tell.
struct Judge {
    watch: EscalationWatch,
    read: usize,
    said: Vec<Escalation>,
    /// What was kept last of what it knew.
    kept: Option<String>,
}

impl Judge {
    fn new(scene: &Scene, parts: u32) -> Judge {
        Judge { watch: scene.judge(parts), read: 0, said: Vec::new(), kept: None }
    }

    /// Reads one word, and judges what is due by it: of what is final with its own part.
    fn read(&mut self, scene: &Scene, words: &[String], own: &Part) {
        let told: BinTold = serde_json::from_str(&words[self.read]).expect("what was told");
        self.watch.hear_bin(told, self.read as i64, &scene.registry);
        self.read += 1;
        while self.watch.due(Fortnight::at_ns(0.0), scene.bins[0].from_ns + own.at as i64 * BIN_NS).is_some() {
            let signs = self.watch.gather(scene.world());
            self.said.extend(self.watch.step(&signs, scene.world()));
        }
    }

    /// Dies, and begins anew with what was kept, from the first word that is still needed.
    fn begin_anew(&mut self, scene: &Scene, parts: u32) {
        let kept = self.watch.record(&scene.registry).map(|record| serde_json::to_string(&record).expect("JSON"));
        assert!(kept.is_some() || self.kept.is_none(), "what was known is not lost");
        self.kept = kept;
        let needed = self.watch.gathered().and_then(|gathered| gathered.needed_here());
        self.read = needed.map_or(self.read, |here| here as usize);
        self.watch = scene.judge(parts);
        if let Some(kept) = &self.kept {
            let record: EscalationRecord = serde_json::from_str(kept).expect("a record");
            assert!(self.watch.restore(record));
        }
    }
}

/// What is said by so many parts in turns that hang on the seed, and whether all that counts was gathered.
fn said_by(scene: &Scene, parts: u32, seed: u64, die: bool) -> (Vec<Escalation>, usize) {
    let mut dice = ChaCha8Rng::seed_from_u64(seed);
    let new = |part| Part { number: (part, parts), teller: BinTeller::new(part, BIN_NS), at: 0 };
    let mut all: Vec<Part> = (0..parts).map(new).collect();
    let mut judge = Judge::new(scene, parts);
    let mut words: Vec<String> = Vec::new();
    loop {
        let slowest = all.iter().map(|part| part.at).min().unwrap_or(0);
        if slowest == scene.bins.len() && judge.read == words.len() {
            return (judge.said, judge.watch.gathered().map_or(0, |all| all.counting().count()));
        }
        let part = &mut all[dice.random_range(0..parts) as usize];
        // Some spells long, so that they part.
        for _ in 0..dice.random_range(1..40) {
            if part.at < scene.bins.len() && part.at < slowest + APART {
                words.extend(part.step(scene));
            }
        }
        if die && dice.random_bool(0.1) {
            part.begin_anew(scene);
        }
        for _ in 0..dice.random_range(0..60) {
            if judge.read < words.len() {
                judge.read(scene, &words, &all[0]);
            }
        }
        if die && dice.random_bool(0.05) {
            judge.begin_anew(scene, parts);
        }
    }
}

#[test]
fn one_that_waits_for_a_part_says_nothing_and_goes_on_when_it_tells() {
    let (scene, by_one) = &*SCENE;
    let mut judge = Judge::new(scene, 2);
    let new = |part| Part { number: (part, 2), teller: BinTeller::new(part, BIN_NS), at: 0 };
    let (mut own, mut other) = (new(JUDGE), new(1));
    let mut words = Vec::new();
    (0..scene.bins.len()).for_each(|_| words.extend(own.step(scene)));
    (0..words.len()).for_each(|_| judge.read(scene, &words, &own));
    assert_eq!(judge.watch.stands_ns(), judge_begins(scene), "nothing is judged");
    (0..scene.bins.len()).for_each(|_| words.extend(other.step(scene)));
    (judge.read..words.len()).for_each(|_| judge.read(scene, &words, &own));
    assert_eq!(judge.said, *by_one);
}

/// The first bin that is judged, nanoseconds.
fn judge_begins(scene: &Scene) -> Option<i64> {
    let mut watch = scene.watch();
    watch.due(Fortnight::at_ns(0.0), i64::MIN / 2);
    watch.stands_ns()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    #[test]
    fn what_is_told_by_parts_comes_to_what_one_sees(seed in 0u64..1 << 40, parts in 2u32..6, die in any::<bool>()) {
        let (scene, by_one) = &*SCENE;
        prop_assert!(by_one.iter().any(|it| it.level >= 2), "an onset is told");
        let (by_all, counting) = said_by(scene, parts, seed, die);
        prop_assert!(by_all == *by_one, "{} said by one, {} by {parts} parts", by_one.len(), by_all.len());
        // Of a judge that died the newest are known.
        prop_assert!(die || counting >= scene.bins[10..].iter().map(|bin| bin.signs.len()).sum());
    }
}
