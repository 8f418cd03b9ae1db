//! Observations as columns: one batch is a structure of arrays that is filled, used, cleared and filled again.
//!
//! What every observation has stands in [`Observations`]; what only one kind has stands in that kind's own
//! columns, at the row that `detail` names. An absent number is NaN, an absent text an empty [`Span`]. Texts
//! lie end to end in one arena of bytes. Clearing keeps the memory, so a steady stream allocates nothing.

mod id;

use super::kind::{Activity, Band, Domain, Health, Hint, Kind, Phase};
use super::node::NodeIx;
use serde::{Deserialize, Serialize};

pub use self::id::{Id, MAX_ID_BYTES};

/// Where a line of input stood.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Origin {
    /// The topic, as the shell that reads it numbers them.
    pub topic: u16,
    /// The partition.
    pub partition: i32,
    /// The record's offset.
    pub offset: i64,
    /// The line in the record, from 0.
    pub line: u32,
}

/// A text in [`Observations::bytes`]; the empty span is an absent text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    /// First byte.
    pub start: u32,
    /// Bytes.
    pub len: u32,
}

impl Span {
    /// Whether there is no text.
    pub const fn is_empty(self) -> bool {
        self.len == 0
    }
}

/// Declares one kind's columns and the row that is pushed into them.
macro_rules! columns {
    ($(#[$cmeta:meta])* $columns:ident of $(#[$rmeta:meta])* $row:ident { $($(#[$fmeta:meta])* $field:ident: $type:ty),+ $(,)? }) => {
        $(#[$rmeta])*
        #[derive(Clone, Copy, Debug, PartialEq)]
        pub struct $row { $($(#[$fmeta])* #[doc = concat!("`", stringify!($field), "` of the contract")] pub $field: $type),+ }
        $(#[$cmeta])*
        #[derive(Clone, Debug, Default, Serialize, Deserialize)]
        pub struct $columns { $($(#[$fmeta])* #[doc = concat!("`", stringify!($field), "` of the contract")] pub $field: Vec<$type>),+ }
        impl $columns {
            /// Adds a row and returns its number.
            #[inline]
            pub fn push(&mut self, row: $row) -> u32 {
                $(self.$field.push(row.$field);)+
                self.len() as u32 - 1
            }
            /// The row at `at`, gathered.
            pub fn row(&self, at: usize) -> $row {
                $row { $($field: self.$field[at]),+ }
            }
            /// Rows held.
            pub fn len(&self) -> usize {
                columns!(@first self $($field)+).len()
            }
            /// Whether there are none.
            pub fn is_empty(&self) -> bool {
                self.len() == 0
            }
            /// Forgets the rows, keeps the memory.
            pub fn clear(&mut self) {
                $(self.$field.clear();)+
            }
        }
    };
    (@first $self:ident $first:ident $($rest:ident)*) => { $self.$first };
}

columns! {
    /// `acoustic`, `infrasound`, `seismic`, `radio` and `flash`.
    Arrivals of
    /// An arrival at a node.
    Arrival {
        amplitude: f64, snr_db: f64, azimuth_deg: f64, azimuth_sd_deg: f64, hint: Hint, phase: Option<Phase>,
        trace_velocity_m_s: f64, frequency_hz: f64, power_dbm: f64, emitter: Span, elevation_deg: f64, intensity: f64,
    }
}

impl Arrival {
    /// An arrival that states nothing.
    pub const BARE: Arrival = Arrival {
        amplitude: f64::NAN,
        snr_db: f64::NAN,
        azimuth_deg: f64::NAN,
        azimuth_sd_deg: f64::NAN,
        hint: Hint::Unknown,
        phase: None,
        trace_velocity_m_s: f64::NAN,
        frequency_hz: f64::NAN,
        power_dbm: f64::NAN,
        emitter: Span { start: 0, len: 0 },
        elevation_deg: f64::NAN,
        intensity: f64::NAN,
    };
}

impl Status {
    /// A heartbeat that states nothing but that.
    pub fn bare(health: Health) -> Status {
        let nothing = f64::NAN;
        Status {
            health,
            clock_sd_s: nothing,
            temperature_c: nothing,
            wind_speed_m_s: nothing,
            wind_from_deg: nothing,
            noise_db: nothing,
        }
    }
}

columns! {
    /// Origins and impacts of `radar`: NaN where absent.
    Radars of
    /// A weapon-locating radar's solution.
    Radar {
        origin: RadarPoint, impact: RadarPoint, projectile: Span,
    }
}

/// One end of a radar's trajectory. Absent when `time_ns` is `None`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct RadarPoint {
    /// Longitude, degrees.
    pub lon_deg: f64,
    /// Latitude, degrees.
    pub lat_deg: f64,
    /// When, nanoseconds; `None`: the radar does not give this end.
    pub time_ns: Option<i64>,
    /// Uncertainty of the time, seconds.
    pub time_sd_s: f64,
    /// One-sigma ellipse, metres.
    pub semi_major_m: f64,
    /// One-sigma ellipse, metres.
    pub semi_minor_m: f64,
    /// Of the long axis, degrees clockwise from north.
    pub orientation_deg: f64,
}

impl RadarPoint {
    /// No point.
    pub const ABSENT: RadarPoint = RadarPoint {
        lon_deg: f64::NAN,
        lat_deg: f64::NAN,
        time_ns: None,
        time_sd_s: f64::NAN,
        semi_major_m: f64::NAN,
        semi_minor_m: f64::NAN,
        orientation_deg: f64::NAN,
    };
}

columns! {
    /// `track`.
    Tracks of
    /// One plot of a tracked object.
    Plot {
        track: Span, domain: Domain, speed_m_s: f64, course_deg: f64, object_class: Span, identity: Span,
        object_lon_deg: f64, object_lat_deg: f64, object_alt_m: f64, object_sd_m: f64,
    }
}

columns! {
    /// `thermal`.
    Thermals of
    /// A hot spot.
    Thermal {
        object_lon_deg: f64, object_lat_deg: f64, object_sd_m: f64, pixel_m: f64, frp_mw: f64, confidence: f64,
    }
}

columns! {
    /// `interference`.
    Interferences of
    /// Jamming seen by a node.
    Interference {
        band: Band, power_dbm: f64, azimuth_deg: f64, azimuth_sd_deg: f64,
    }
}

columns! {
    /// `status`.
    Statuses of
    /// A heartbeat.
    Status {
        health: Health, clock_sd_s: f64, temperature_c: f64, wind_speed_m_s: f64, wind_from_deg: f64, noise_db: f64,
    }
}

columns! {
    /// `patrol`.
    Patrols of
    /// What a patrol reports.
    Report {
        activity: Activity, hint: Hint, count: f64, count_is_minimum: bool, azimuth_deg: f64, azimuth_sd_deg: f64,
        distance_m: f64, distance_sd_m: f64, duration_s: f64, text: Span, object_class: Span, object_lon_deg: f64,
        object_lat_deg: f64, by: Span, reason: Span,
    }
}

/// What every observation has: one row of the common columns.
#[derive(Clone, Copy, Debug)]
pub struct Common {
    /// Where the line stood.
    pub origin: Origin,
    /// What it is.
    pub kind: Kind,
    /// Who sent it.
    pub node: NodeIx,
    /// The sender's id for it.
    pub id: Span,
    /// A hash of (node, id): what duplicates are told by.
    pub key: u64,
    /// When it happened at the node, nanoseconds.
    pub time_ns: i64,
    /// The pick's uncertainty, seconds; NaN: the registry's or the kind's holds.
    pub time_sd_s: f64,
    /// The node's own position when it moves, degrees; NaN: the registry's holds.
    pub lon_deg: f64,
    /// As `lon_deg`.
    pub lat_deg: f64,
    /// Height of the node, metres.
    pub alt_m: f64,
    /// The id of the observation that this one corrects.
    pub supersedes: Span,
    /// It only takes the other back.
    pub withdrawn: bool,
    /// The line as received; empty unless the decoder was asked to keep it.
    pub raw: Span,
    /// The row in the kind's own columns.
    pub detail: u32,
}

impl Common {
    /// A row that states no more than it has to; without an id.
    pub fn new(origin: Origin, kind: Kind, node: NodeIx, time_ns: i64, detail: u32) -> Common {
        Common {
            origin,
            kind,
            node,
            id: Span::default(),
            key: 0,
            time_ns,
            time_sd_s: f64::NAN,
            lon_deg: f64::NAN,
            lat_deg: f64::NAN,
            alt_m: f64::NAN,
            supersedes: Span::default(),
            withdrawn: false,
            raw: Span::default(),
            detail,
        }
    }
}

/// What an observation is to whoever reads it. Where regions are shared out among processes, some read what another
/// answers for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Part {
    /// It is this reader's own: all that follows from it is said here.
    #[default]
    Own,
    /// Another has it too and answers for it: here it only counts for events near by.
    Halo,
    /// Only its time counts: another reads it, and so far its partition has come.
    Progress,
}

/// A batch of observations.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Observations {
    /// Where each line stood.
    pub origin: Vec<Origin>,
    /// What each is.
    pub kind: Vec<Kind>,
    /// Who sent it.
    pub node: Vec<NodeIx>,
    /// The sender's id.
    pub id: Vec<Span>,
    /// Hash of (node, id).
    pub key: Vec<u64>,
    /// Time at the node, nanoseconds.
    pub time_ns: Vec<i64>,
    /// Pick uncertainty, seconds, or NaN.
    pub time_sd_s: Vec<f64>,
    /// Own longitude, degrees, or NaN.
    pub lon_deg: Vec<f64>,
    /// Own latitude, degrees, or NaN.
    pub lat_deg: Vec<f64>,
    /// Own height, metres, or NaN.
    pub alt_m: Vec<f64>,
    /// The id of what it corrects.
    pub supersedes: Vec<Span>,
    /// Whether it only takes that back.
    pub withdrawn: Vec<bool>,
    /// The line as received, where kept.
    pub raw: Vec<Span>,
    /// Row in the kind's columns.
    pub detail: Vec<u32>,
    /// What it is to whoever reads it.
    pub part: Vec<Part>,
    /// Arrivals of waves.
    pub arrivals: Arrivals,
    /// Radar solutions.
    pub radars: Radars,
    /// Plots of tracked objects.
    pub tracks: Tracks,
    /// Hot spots.
    pub thermals: Thermals,
    /// Jamming.
    pub interferences: Interferences,
    /// Heartbeats.
    pub statuses: Statuses,
    /// Patrols' reports.
    pub patrols: Patrols,
    /// All texts, end to end.
    pub bytes: Vec<u8>,
}

impl Observations {
    /// Rows held.
    pub fn len(&self) -> usize {
        self.kind.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.kind.is_empty()
    }

    /// Forgets the rows, keeps the memory.
    pub fn clear(&mut self) {
        self.origin.clear();
        self.kind.clear();
        self.node.clear();
        self.id.clear();
        self.key.clear();
        self.time_ns.clear();
        self.time_sd_s.clear();
        self.lon_deg.clear();
        self.lat_deg.clear();
        self.alt_m.clear();
        self.supersedes.clear();
        self.withdrawn.clear();
        self.raw.clear();
        self.detail.clear();
        self.part.clear();
        self.arrivals.clear();
        self.radars.clear();
        self.tracks.clear();
        self.thermals.clear();
        self.interferences.clear();
        self.statuses.clear();
        self.patrols.clear();
        self.bytes.clear();
    }

    /// Adds what is common to all kinds; the kind's own row is in its columns already.
    #[inline]
    pub fn push(&mut self, row: Common) {
        self.origin.push(row.origin);
        self.kind.push(row.kind);
        self.node.push(row.node);
        self.id.push(row.id);
        self.key.push(row.key);
        self.time_ns.push(row.time_ns);
        self.time_sd_s.push(row.time_sd_s);
        self.lon_deg.push(row.lon_deg);
        self.lat_deg.push(row.lat_deg);
        self.alt_m.push(row.alt_m);
        self.supersedes.push(row.supersedes);
        self.withdrawn.push(row.withdrawn);
        self.raw.push(row.raw);
        self.detail.push(row.detail);
        self.part.push(Part::Own);
    }

    /// Copies a row of another batch, texts and all, to the end of this one.
    pub fn copy_row(&mut self, from: &Observations, row: usize) {
        let mut text = |span: Span| if span.is_empty() { Span::default() } else { self.store(from.slice(span)) };
        let (id, supersedes, raw) = (text(from.id[row]), text(from.supersedes[row]), text(from.raw[row]));
        let detail = from.detail[row] as usize;
        let detail = match from.kind[row] {
            // It has no row of its own.
            _ if from.part[row] == Part::Progress => 0,
            Kind::Acoustic | Kind::Infrasound | Kind::Seismic | Kind::Radio | Kind::Flash => {
                let mut arrival = from.arrivals.row(detail);
                arrival.emitter = text(arrival.emitter);
                self.arrivals.push(arrival)
            }
            Kind::Radar => {
                let mut radar = from.radars.row(detail);
                radar.projectile = text(radar.projectile);
                self.radars.push(radar)
            }
            Kind::Track => {
                let mut plot = from.tracks.row(detail);
                plot.track = text(plot.track);
                plot.object_class = text(plot.object_class);
                plot.identity = text(plot.identity);
                self.tracks.push(plot)
            }
            Kind::Thermal => self.thermals.push(from.thermals.row(detail)),
            Kind::Interference => self.interferences.push(from.interferences.row(detail)),
            Kind::Status => self.statuses.push(from.statuses.row(detail)),
            Kind::Patrol => {
                let mut report = from.patrols.row(detail);
                report.text = text(report.text);
                report.object_class = text(report.object_class);
                report.by = text(report.by);
                report.reason = text(report.reason);
                self.patrols.push(report)
            }
        };
        self.push(Common {
            origin: from.origin[row],
            kind: from.kind[row],
            node: from.node[row],
            id,
            key: from.key[row],
            time_ns: from.time_ns[row],
            time_sd_s: from.time_sd_s[row],
            lon_deg: from.lon_deg[row],
            lat_deg: from.lat_deg[row],
            alt_m: from.alt_m[row],
            supersedes,
            withdrawn: from.withdrawn[row],
            raw,
            detail,
        });
        if let Some(part) = self.part.last_mut() {
            *part = from.part[row];
        }
    }

    /// Stores a text in the arena.
    #[inline]
    pub fn store(&mut self, text: &[u8]) -> Span {
        let start = self.bytes.len() as u32;
        self.bytes.extend_from_slice(text);
        Span { start, len: text.len() as u32 }
    }

    /// The text of a span. Spans come from this batch's decoder, which stores UTF-8 only.
    pub fn text(&self, span: Span) -> &str {
        std::str::from_utf8(self.slice(span)).unwrap_or_default()
    }

    /// The bytes of a span.
    pub fn slice(&self, span: Span) -> &[u8] {
        &self.bytes[span.start as usize..(span.start + span.len) as usize]
    }
}

/// The hash by which duplicates are told: over the node's index and the id, eight bytes at a time, finished with the
/// mixer of SplitMix64 (Steele et al., OOPSLA 2014). 64 bits: with 10⁷ open ids a false match has odds of 1 in 10¹².
#[inline]
pub fn duplicate_key(node: NodeIx, id: &[u8]) -> u64 {
    let mut hash = mixed(u64::from(node.0) << 32 | id.len() as u64);
    let (words, rest) = id.as_chunks::<8>();
    for word in words {
        hash = mixed(hash ^ u64::from_le_bytes(*word));
    }
    mixed(hash ^ rest.iter().fold(0, |word, &byte| word << 8 | u64::from(byte)))
}

/// Each bit of the result hangs on all bits of `word`, and no two words have the same.
#[inline]
fn mixed(word: u64) -> u64 {
    let word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

/// A hash that is the same everywhere: FNV-1a (Fowler, Noll, Vo; RFC 9923).
#[inline]
pub fn fnv_1a(bytes: impl Iterator<Item = u8>) -> u64 {
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}
