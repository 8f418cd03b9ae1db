//! Observations described in a line.

use super::at_s;
use crate::model::kind::{Activity, Band, Domain, Health, Hint, Kind};
use crate::model::node::Registry;
use crate::model::observation::{
    Arrival, Common, Interference, Observations, Origin, Plot, Radar, RadarPoint, Report, Span, Status as Beat,
    duplicate_key,
};

/// An observation on its way.
#[derive(Clone, Debug)]
pub struct Sent {
    node: &'static str,
    id: String,
    pub(super) second: i64,
    position: (f64, f64),
    /// How high the node is, and one sigma of the time.
    alt_m: f64,
    time_sd_s: f64,
    supersedes: String,
    withdrawn: bool,
    what: What,
}

#[derive(Clone, Debug)]
enum What {
    Plot {
        domain: Domain,
        track: String,
        identity: &'static str,
        lon_deg: f64,
        lat_deg: f64,
        object: &'static str,
        sd_m: f64,
        alt_m: f64,
    },
    Origin {
        lon_deg: f64,
        lat_deg: f64,
    },
    Beat(Health, f64),
    Sound,
    Radio {
        after_ns: i64,
        emitter: &'static str,
        frequency_hz: f64,
    },
    Jammed {
        band: Band,
        azimuth_deg: f64,
        power_dbm: f64,
    },
    Report {
        activity: Activity,
        object: &'static str,
        lon_deg: f64,
        lat_deg: f64,
        count: f64,
    },
}

fn sent(node: &'static str, id: String, second: i64, what: What) -> Sent {
    let position = (f64::NAN, f64::NAN);
    let (alt_m, time_sd_s) = (f64::NAN, f64::NAN);
    Sent { node, id, second, position, alt_m, time_sd_s, supersedes: String::new(), withdrawn: false, what }
}

/// A plot of a tracked object, uncertain by 20 m.
pub fn plot(node: &'static str, domain: Domain, track: &str, second: i64, lon_deg: f64, lat_deg: f64) -> Sent {
    let track = track.to_owned();
    let id = format!("{track}-{second}");
    let (sd_m, alt_m) = (20.0, f64::NAN);
    sent(node, id, second, What::Plot { domain, track, identity: "", lon_deg, lat_deg, object: "", sd_m, alt_m })
}

/// A heartbeat.
pub fn status(node: &'static str, second: i64, health: &str) -> Sent {
    sent(node, format!("beat-{second}"), second, What::Beat(Health::parse(health).unwrap(), f64::NAN))
}

/// Something that a microphone hears.
pub fn arrival(node: &'static str, second: i64) -> Sent {
    sent(node, format!("sound-{second}"), second, What::Sound)
}

/// A radar's solution of where a round left, uncertain by 60 m.
pub fn origin(node: &'static str, second: i64, lon_deg: f64, lat_deg: f64) -> Sent {
    sent(node, format!("round-{second}"), second, What::Origin { lon_deg, lat_deg })
}

/// A report of jamming, its bearing uncertain by 5°.
pub fn jammed(node: &'static str, band: Band, second: i64, azimuth_deg: f64, power_dbm: f64) -> Sent {
    let azimuth_deg = azimuth_deg.rem_euclid(360.0);
    sent(node, format!("jam-{second}"), second, What::Jammed { band, azimuth_deg, power_dbm })
}

/// An arrival of a radio signal, so many nanoseconds after the second, uncertain by 200 ns.
pub fn radio(node: &'static str, second: i64, after_ns: i64, emitter: &'static str, frequency_hz: f64) -> Sent {
    let what = What::Radio { after_ns, emitter, frequency_hz };
    sent(node, format!("radio-{emitter}{frequency_hz}-{second}"), second, what)
}

/// A patrol's report.
pub fn patrol(node: &'static str, second: i64, activity: Activity) -> Sent {
    let what = What::Report { activity, object: "", lon_deg: f64::NAN, lat_deg: f64::NAN, count: f64::NAN };
    sent(node, format!("{activity}-{second}"), second, what)
}

/// `by` takes back `other`.
pub fn withdraw(by: Sent, other: &Sent) -> Sent {
    Sent { supersedes: other.id.clone(), withdrawn: true, ..by }
}

/// `by` stands for `other`.
pub fn supersede(by: Sent, other: &Sent) -> Sent {
    Sent { supersedes: other.id.clone(), ..by }
}

impl Sent {
    /// When it happened, seconds after noon.
    pub fn second(&self) -> i64 {
        self.second
    }

    /// Who sends it.
    pub fn node(&self) -> &'static str {
        self.node
    }

    /// Of a plot: of whom.
    pub fn identity(mut self, name: &'static str) -> Sent {
        if let What::Plot { identity, .. } = &mut self.what {
            *identity = name;
        }
        self
    }

    /// Of a plot: how high.
    pub fn high(mut self, height_m: f64) -> Sent {
        if let What::Plot { alt_m, .. } = &mut self.what {
            *alt_m = height_m;
        }
        self
    }

    /// Of jamming: without its bearing, or its power.
    pub fn without(mut self, azimuth: bool, power: bool) -> Sent {
        if let What::Jammed { azimuth_deg, power_dbm, .. } = &mut self.what {
            *azimuth_deg = if azimuth { f64::NAN } else { *azimuth_deg };
            *power_dbm = if power { f64::NAN } else { *power_dbm };
        }
        self
    }

    /// Of a heartbeat: with a clock that is so uncertain, seconds.
    pub fn clock(mut self, sd_s: f64) -> Sent {
        if let What::Beat(_, clock_sd_s) = &mut self.what {
            *clock_sd_s = sd_s;
        }
        self
    }

    /// From so high, metres.
    pub fn up(self, alt_m: f64) -> Sent {
        Sent { alt_m, ..self }
    }

    /// With a time that is so uncertain, seconds.
    pub fn timed(self, time_sd_s: f64) -> Sent {
        Sent { time_sd_s, ..self }
    }

    /// With another id, by a number.
    pub fn called(self, number: usize) -> Sent {
        Sent { id: format!("{}-{number}", self.id), ..self }
    }

    /// Of a radio signal: so much later, nanoseconds.
    pub fn later(mut self, by_ns: i64) -> Sent {
        if let What::Radio { after_ns, .. } = &mut self.what {
            *after_ns += by_ns;
        }
        self
    }

    /// With the node's own position.
    pub fn located(mut self, lon_deg: f64, lat_deg: f64) -> Sent {
        self.position = (lon_deg, lat_deg);
        self
    }

    /// With what was seen or found.
    pub fn object(mut self, class: &'static str, at_lon_deg: f64, at_lat_deg: f64, how_many: f64) -> Sent {
        match &mut self.what {
            What::Plot { object, .. } => *object = class,
            What::Report { object, lon_deg, lat_deg, count, .. } => {
                (*object, *lon_deg, *lat_deg, *count) = (class, at_lon_deg, at_lat_deg, how_many);
            }
            What::Beat(..) | What::Sound | What::Jammed { .. } | What::Radio { .. } | What::Origin { .. } => {}
        }
        self
    }

    pub fn push(&self, offset: i64, registry: &Registry, batch: &mut Observations) {
        let node = registry.find(self.node).unwrap();
        let (kind, detail) = match &self.what {
            What::Plot { domain, track, identity, lon_deg, lat_deg, object, sd_m, alt_m } => {
                let identity = batch.store(identity.as_bytes());
                let (track, object_class) = (batch.store(track.as_bytes()), batch.store(object.as_bytes()));
                let plot = Plot {
                    track,
                    domain: *domain,
                    speed_m_s: f64::NAN,
                    course_deg: f64::NAN,
                    object_class,
                    identity,
                    object_lon_deg: *lon_deg,
                    object_lat_deg: *lat_deg,
                    object_alt_m: *alt_m,
                    object_sd_m: *sd_m,
                };
                (Kind::Track, batch.tracks.push(plot))
            }
            &What::Beat(health, clock_sd_s) => {
                (Kind::Status, batch.statuses.push(Beat { clock_sd_s, ..Beat::bare(health) }))
            }
            What::Sound => (Kind::Acoustic, batch.arrivals.push(Arrival::BARE)),
            &What::Origin { lon_deg, lat_deg } => {
                let origin = RadarPoint {
                    lon_deg,
                    lat_deg,
                    time_ns: Some(at_s(self.second).0),
                    time_sd_s: 0.5,
                    semi_major_m: 60.0,
                    semi_minor_m: 60.0,
                    orientation_deg: 0.0,
                };
                let row = Radar { origin, impact: RadarPoint::ABSENT, projectile: Span::default() };
                (Kind::Radar, batch.radars.push(row))
            }
            &What::Radio { emitter, frequency_hz, .. } => {
                let emitter = batch.store(emitter.as_bytes());
                (Kind::Radio, batch.arrivals.push(Arrival { emitter, frequency_hz, ..Arrival::BARE }))
            }
            &What::Jammed { band, azimuth_deg, power_dbm } => {
                let row = Interference { band, power_dbm, azimuth_deg, azimuth_sd_deg: 5.0 };
                (Kind::Interference, batch.interferences.push(row))
            }
            What::Report { activity, object, lon_deg, lat_deg, count } => {
                let object_class = batch.store(object.as_bytes());
                let report = Report {
                    activity: *activity,
                    hint: Hint::Unknown,
                    count: *count,
                    count_is_minimum: false,
                    azimuth_deg: f64::NAN,
                    azimuth_sd_deg: f64::NAN,
                    distance_m: f64::NAN,
                    distance_sd_m: f64::NAN,
                    duration_s: f64::NAN,
                    text: Span::default(),
                    object_class,
                    object_lon_deg: *lon_deg,
                    object_lat_deg: *lat_deg,
                    by: Span::default(),
                    reason: Span::default(),
                };
                (Kind::Patrol, batch.patrols.push(report))
            }
        };
        let (id, supersedes) = (batch.store(self.id.as_bytes()), batch.store(self.supersedes.as_bytes()));
        let origin = Origin { topic: 0, partition: 0, offset, line: 0 };
        let after_ns = if let What::Radio { after_ns, .. } = self.what { after_ns } else { 0 };
        batch.push(Common {
            id,
            key: duplicate_key(node, self.id.as_bytes()),
            lon_deg: self.position.0,
            lat_deg: self.position.1,
            alt_m: self.alt_m,
            time_sd_s: self.time_sd_s,
            supersedes,
            withdrawn: self.withdrawn,
            ..Common::new(origin, kind, node, at_s(self.second).0 + after_ns, detail)
        });
    }
}
