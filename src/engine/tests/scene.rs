//! Small scenes for tests of the whole engine: nodes in a plane about any place of the earth, what they pick, and the
//! last words about it.

use crate::engine::book::Said;
use crate::engine::places::Places;
use crate::engine::settings::Settings;
use crate::engine::weather::Air;
use crate::engine::{Engine, Output};
use crate::model::alert::{AlertFeature, Status};
use crate::model::geo::{Frame, LonLat};
use crate::model::kind::{Hint, Kind, KindSet, Phase};
use crate::model::node::{Node, NodeIx, Registry};
use crate::model::observation::{Arrival, Common, Observations, Origin, duplicate_key};
use crate::model::time::ns_from_s;
use std::collections::BTreeMap;

/// When the scenes begin, nanoseconds.
pub const START_NS: i64 = 1_772_323_200_000_000_000;

/// What a node picks.
#[derive(Clone, Debug, PartialEq)]
pub struct Pick {
    /// The node's number.
    pub node: u32,
    /// Seconds since the start.
    pub at_s: f64,
    /// As what.
    pub kind: Kind,
    /// Towards the source and one sigma of that, degrees.
    pub azimuth: Option<(f64, f64)>,
    /// Which wave its sender takes it for.
    pub phase: Option<Phase>,
    /// Its id.
    pub id: String,
}

/// Nodes at x and y metres from a place.
#[derive(Clone, Debug)]
pub struct Scene {
    /// The place.
    pub centre: LonLat,
    /// The nodes' names and places in the plane about it.
    pub nodes: Vec<(String, f64, f64)>,
    /// One sigma of their picks, s.
    pub pick_sd_s: f64,
}

/// Last words: those that stand, by id.
pub type Words = BTreeMap<String, AlertFeature>;

impl Scene {
    /// Microphones at these places about (31.5, 46.9).
    pub fn new(places: impl IntoIterator<Item = (f64, f64)>) -> Scene {
        let named = places.into_iter().enumerate().map(|(k, (x_m, y_m))| (format!("mic-{k:02}"), x_m, y_m));
        Scene { centre: LonLat { lon_deg: 31.5, lat_deg: 46.9 }, nodes: named.collect(), pick_sd_s: 0.1 }
    }

    /// Sixteen of them 5 km apart, none quite where a square would have it.
    pub fn square() -> Scene {
        Scene::new((0..16u32).map(|k| {
            let off_m = |by: u32| f64::from((k * by + 3) % 11) * 90.0 - 450.0;
            (f64::from(k % 4) * 5e3 - 7.5e3 + off_m(7), f64::from(k / 4) * 5e3 - 7.5e3 + off_m(5))
        }))
    }

    /// Them as they are registered.
    pub fn registry(&self) -> Registry {
        let frame = Frame::about(self.centre);
        Registry::new(self.nodes.iter().map(|(name, x_m, y_m)| {
            let mut node = Node::unregistered(name);
            node.kinds = KindSet::default().with(Kind::Acoustic);
            node.position = Some(frame.to_place(*x_m, *y_m));
            node.range_m = Some(12_000.0);
            node.detect_p = Some(0.9);
            node.time_sd_s = Some(self.pick_sd_s);
            node.registered = true;
            node
        }))
    }

    /// What all nodes in range pick of a shot, in still air of the default temperature.
    pub fn shot(&self, x_m: f64, y_m: f64, at_s: f64) -> Vec<Pick> {
        let sound_m_s = Air::default().sound_m_s();
        let heard = (0u32..).zip(&self.nodes).filter_map(|(node, (_, nx, ny))| {
            let distance_m = (nx - x_m).hypot(ny - y_m);
            (distance_m < 12_000.0).then(|| pick(node, at_s + distance_m / sound_m_s))
        });
        heard.collect()
    }

    /// The last words that stand once all has been heard, whatever the picks' order; each word said on the way has to
    /// be sound.
    pub fn run(&self, picks: &[Pick]) -> Words {
        self.run_in(picks.to_vec(), 7)
    }

    /// The same in batches of that size.
    pub fn run_in(&self, mut picks: Vec<Pick>, batch: usize) -> Words {
        picks.sort_by(|a, b| a.at_s.total_cmp(&b.at_s).then(a.id.cmp(&b.id)));
        let mut engine = engine();
        let mut last = Words::new();
        for said in hear(&mut engine, &self.registry(), &picks, batch) {
            is_sound(&said);
            last.insert(said.properties.alert.clone(), said);
        }
        last.retain(|_, alert| alert.properties.status != Status::Retracted);
        last
    }

    /// Where an alert is, in the plane.
    pub fn at(&self, alert: &AlertFeature) -> (f64, f64) {
        Frame::about(self.centre).to_plane(alert.place())
    }
}

/// A microphone's pick.
pub fn pick(node: u32, at_s: f64) -> Pick {
    Pick { node, at_s, kind: Kind::Acoustic, azimuth: None, phase: None, id: format!("{node}-{}", ns_from_s(at_s)) }
}

/// An engine for nodes that send no heartbeats: after a quiet minute one pick alone would have to be borne out first.
pub fn engine() -> Engine {
    let mut settings = Settings::default();
    settings.silence.on = false;
    settings.max_future_s = 3600.0;
    Engine::new(settings, String::new(), vec!["t".to_owned()], Places::new(Vec::new(), Vec::new()))
}

/// Takes picks in, in their order, and ends the stream: all that is said.
pub fn hear(engine: &mut Engine, registry: &Registry, picks: &[Pick], batch: usize) -> Vec<AlertFeature> {
    let mut out = Output::default();
    let mut offset = 0;
    for some in picks.chunks(batch) {
        let mut batch = Observations::default();
        for pick in some {
            push(&mut batch, offset, pick);
            offset += 1;
        }
        engine.ingest(&batch, registry, &mut out);
    }
    engine.finish(registry, &mut out);
    out.said.into_iter().map(Said::into_feature).collect()
}

/// What a node picks, as an observation.
pub fn push(batch: &mut Observations, offset: i64, pick: &Pick) {
    let detail = arrival(batch, pick.azimuth);
    batch.arrivals.phase[detail as usize] = pick.phase;
    put(batch, offset, (pick.node, pick.kind, detail), START_NS + ns_from_s(pick.at_s), &pick.id);
}

/// The particulars of an impact that was heard, with a bearing or without; gives their number.
pub fn arrival(batch: &mut Observations, azimuth: Option<(f64, f64)>) -> u32 {
    let (azimuth_deg, azimuth_sd_deg) = azimuth.unwrap_or((f64::NAN, f64::NAN));
    batch.arrivals.push(Arrival { azimuth_deg, azimuth_sd_deg, hint: Hint::Impact, ..Arrival::BARE })
}

/// An observation that states no more than what its kind has to: by that node, of that kind, with those particulars.
pub fn put(batch: &mut Observations, offset: i64, (node, kind, detail): (u32, Kind, u32), time_ns: i64, id: &str) {
    let (node, id, key) = (NodeIx(node), batch.store(id.as_bytes()), duplicate_key(NodeIx(node), id.as_bytes()));
    let origin = Origin { topic: 0, partition: 0, offset, line: 0 };
    batch.push(Common { id, key, ..Common::new(origin, kind, node, time_ns, detail) });
}

/// Whatever the geometry, what is said are numbers that can be.
fn is_sound(alert: &AlertFeature) {
    let properties = &alert.properties;
    assert!((0.0..=1.0).contains(&properties.probability), "{alert:?}");
    let place = alert.place();
    assert!(LonLat::checked(place.lon_deg, place.lat_deg).is_some(), "{alert:?}");
    if let Some(ellipse) = &properties.ellipse {
        let axes = [ellipse.semi_major_m, ellipse.semi_minor_m];
        assert!(axes.iter().all(|axis_m| axis_m.is_finite() && *axis_m >= 0.0), "{alert:?}");
        assert!((0.0..=180.0).contains(&ellipse.orientation_deg), "{alert:?}");
    }
    for cited in &properties.evidence {
        assert!(cited.residual_s.is_none_or(f64::is_finite), "{alert:?}");
    }
}
