//! What can be set about the engine, with the defaults.

use serde::{Deserialize, Serialize};

/// The engine's part of the configuration. Its digest stands on every alert.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// How far behind the newest observation of its partition an observation may come and still count in time.
    pub lateness_s: f64,
    /// How far behind it may come at all (it then amends); beyond, `too_late`.
    pub amend_horizon_s: f64,
    /// How far ahead of the stream's event time it may be; beyond, `bad_time`.
    pub max_future_s: f64,
    /// A partition that has nothing more to read and is this far behind the others no longer holds them back.
    pub idle_after_s: f64,
    /// How long behind the watermark an id is remembered, to tell duplicates.
    pub duplicates_s: f64,
    /// Fire.
    pub fire: Fire,
    /// Many who heard something, counted and not associated.
    pub coincidence: Coincidence,
    /// Tracked objects in areas.
    pub tracks: Tracks,
    /// Vessels that stop reporting.
    pub dark: Dark,
    /// Nodes that stop reporting.
    pub silence: Silence,
    /// Jamming.
    pub interference: Interference,
    /// Emitters of radio signals.
    pub emitters: Emitters,
    /// Identities that are where they can't be.
    pub identity: Identity,
    /// Objects that linger at a border.
    pub loitering: Loitering,
    /// Weapons that are seen by what they fire.
    pub weapons: Weapons,
    /// Restrictions of movement that repeat at one place.
    pub repeats: Repeats,
    /// Fire near protected sites.
    pub sites: Sites,
    /// Fire across lines of contact.
    pub lines: Lines,
    /// How grave an alert is.
    pub severity: Severity,
    /// The pattern of a renewed attack.
    pub escalation: Escalation,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            lateness_s: 30.0,
            amend_horizon_s: 6.0 * 3600.0,
            max_future_s: 60.0,
            idle_after_s: 5.0,
            duplicates_s: 300.0,
            fire: Fire::default(),
            coincidence: Coincidence::default(),
            tracks: Tracks::default(),
            dark: Dark::default(),
            silence: Silence::default(),
            interference: Interference::default(),
            emitters: Emitters::default(),
            identity: Identity::default(),
            loitering: Loitering::default(),
            weapons: Weapons::default(),
            repeats: Repeats::default(),
            sites: Sites::default(),
            lines: Lines::default(),
            severity: Severity::default(),
            escalation: Escalation::default(),
        }
    }
}

/// How arrivals become events.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Fire {
    /// Whether fire is looked for.
    pub on: bool,
    /// Chance from which an event is said at once, before all its arrivals are in.
    pub preliminary_p: f64,
    /// Chance from which an event stands when all its arrivals are in.
    pub min_p: f64,
    /// Events expected an hour and region before anything is learnt.
    pub events_per_hour: f64,
    /// Fewest arrivals of an event.
    pub min_arrivals: usize,
    /// Uncertainty of the path's speed: share of the travel time.
    pub path_sd_share: f64,
    /// Seismic speeds.
    pub seismic: Seismic,
}

impl Default for Fire {
    fn default() -> Fire {
        Fire {
            on: true,
            preliminary_p: 0.8,
            min_p: 0.5,
            events_per_hour: 20.0,
            min_arrivals: 4,
            path_sd_share: 0.001,
            seismic: Seismic::default(),
        }
    }
}

/// Ground in flat layers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Seismic {
    /// Speed of P in the upper layer, m/s.
    pub p_m_s: f64,
    /// Speed of S in it, m/s.
    pub s_m_s: f64,
    /// What lies below, from the top down; nothing: the same ground all the way.
    pub layers: Vec<Layer>,
    /// Speed of Lg, m/s.
    pub lg_m_s: f64,
    /// Depth that is assumed of every source: 0 for explosions, some kilometres for earthquakes.
    pub depth_m: f64,
    /// Uncertainty of a travel time through an unmodelled earth: share of it.
    pub path_sd_share: f64,
}

impl Default for Seismic {
    fn default() -> Seismic {
        Seismic {
            p_m_s: 5800.0,
            s_m_s: 3350.0,
            // The crust and the top of the mantle of IASP91 (Kennett & Engdahl 1991, Geophys. J. Int. 105, 429–465).
            layers: vec![
                Layer { top_m: 20_000.0, p_m_s: 6_500.0, s_m_s: 3_750.0 },
                Layer { top_m: 35_000.0, p_m_s: 8_040.0, s_m_s: 4_470.0 },
            ],
            lg_m_s: 3500.0,
            depth_m: 0.0,
            path_sd_share: 0.02,
        }
    }
}

/// A layer of the ground.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Layer {
    /// Depth of its top, m.
    pub top_m: f64,
    /// Speed of P, m/s.
    pub p_m_s: f64,
    /// Speed of S, m/s.
    pub s_m_s: f64,
}

/// Tracked objects in areas that prohibit them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Tracks {
    /// Whether it is looked for.
    pub on: bool,
    /// The chance of being inside at which an incursion opens.
    pub enter_p: f64,
    /// The chance of being inside at which it closes.
    pub leave_p: f64,
    /// Plots in a row that must agree before either.
    pub plots: usize,
    /// Position uncertainty of a plot that gives none, metres.
    pub object_sd_m: f64,
    /// Uncertainty of a plot's height, metres: what is told by pressure is off by 8 m a hectopascal.
    pub object_alt_sd_m: f64,
    /// A track without a plot for so long has ended.
    pub lost_after_s: f64,
}

impl Default for Tracks {
    fn default() -> Tracks {
        Tracks {
            on: true,
            enter_p: 0.9,
            leave_p: 0.1,
            plots: 2,
            object_sd_m: 50.0,
            object_alt_sd_m: 100.0,
            lost_after_s: 900.0,
        }
    }
}

/// Nodes that heard something in one cell within one stretch of time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Coincidence {
    /// Whether they are counted.
    pub on: bool,
    /// Distinct nodes that make an alert.
    pub nodes: u32,
    /// Length of a stretch, seconds; they begin at multiples of it.
    pub within_s: f64,
    /// Side of a cell, degrees.
    pub cell_deg: f64,
    /// The chance that there was fire.
    pub probability: f64,
}

impl Default for Coincidence {
    fn default() -> Coincidence {
        Coincidence { on: false, nodes: 4, within_s: 10.0, cell_deg: 0.25, probability: 0.9 }
    }
}

/// Vessels that go dark.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Dark {
    /// Whether it is looked for.
    pub on: bool,
    /// A gap counts from so many times the vessel's own median interval …
    pub intervals: f64,
    /// … but not before so many seconds.
    pub min_gap_s: f64,
    /// How often a day a vessel is taken to fall silent by itself: what the habits of vessels are held against.
    pub per_day: f64,
    /// How near a prohibited area the last plot must be, metres.
    pub near_m: f64,
}

impl Default for Dark {
    fn default() -> Dark {
        Dark { on: true, intervals: 10.0, min_gap_s: 600.0, per_day: 1.0, near_m: 5000.0 }
    }
}

/// Nodes that fall silent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Silence {
    /// Whether it is looked for.
    pub on: bool,
    /// Missed heartbeats before a node counts as silent.
    pub heartbeats: f64,
    /// Many neighbours that are silent at once.
    pub cluster: Cluster,
}

impl Default for Silence {
    fn default() -> Silence {
        Silence { on: true, heartbeats: 5.0, cluster: Cluster::default() }
    }
}

/// Many neighbouring nodes that are silent at once.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Cluster {
    /// Whether it is looked for.
    pub on: bool,
    /// Fewest nodes.
    pub nodes: usize,
    /// Neighbours are no further apart, metres.
    pub near_m: f64,
    /// Neighbours fell silent within so long of each other, seconds.
    pub within_s: f64,
}

impl Default for Cluster {
    fn default() -> Cluster {
        Cluster { on: true, nodes: 5, near_m: 10_000.0, within_s: 600.0 }
    }
}

/// Jamming that several nodes report.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Interference {
    /// Whether it is looked for.
    pub on: bool,
    /// It has ended when nobody has reported it for so long.
    pub ends_after_s: f64,
    /// Reports of nodes within so far of each other are of one source, metres.
    pub reach_m: f64,
    /// The chance that what one node alone reports is so.
    pub single_p: f64,
    /// So many nodes whose clocks or positions jump are a source though nobody reports it.
    pub jumps: usize,
    /// By how much a power differs from what the distance makes of it, dB.
    pub power_sd_db: f64,
}

impl Default for Interference {
    fn default() -> Interference {
        // What is in the way of a signal over land differs by 4 to 12 dB (Rappaport 2002, Wireless Communications, 4.9).
        Interference { on: true, ends_after_s: 120.0, reach_m: 60_000.0, single_p: 0.3, jumps: 3, power_sd_db: 6.0 }
    }
}

/// Emitters that are located by when their signals arrive.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Emitters {
    /// Whether they are looked for.
    pub on: bool,
    /// One that is not heard for so long has ended.
    pub ends_after_s: f64,
    /// None that nodes give a name goes faster, m/s: what is further away is another one of that name.
    pub speed_m_s: f64,
}

impl Default for Emitters {
    fn default() -> Emitters {
        Emitters { on: true, ends_after_s: 300.0, speed_m_s: 350.0 }
    }
}

/// Identities of ships and aircraft that are where they can't be.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Identity {
    /// Whether it is looked for.
    pub on: bool,
    /// No ship goes faster, m/s.
    pub sea_m_s: f64,
    /// No aircraft and no drone goes faster, m/s.
    pub air_m_s: f64,
    /// No node of the mission goes faster, m/s.
    pub node_m_s: f64,
    /// A jump is no shorter, metres, besides what the plots are uncertain by.
    pub min_jump_m: f64,
    /// Plots in a row that bear out another whereabouts.
    pub plots: usize,
    /// A whereabouts holds so long after its last plot.
    pub forget_after_s: f64,
}

impl Default for Identity {
    fn default() -> Identity {
        Identity {
            on: true,
            sea_m_s: 40.0,
            air_m_s: 700.0,
            node_m_s: 100.0,
            min_jump_m: 2000.0,
            plots: 3,
            forget_after_s: 1800.0,
        }
    }
}

/// Objects that linger at the border of an area that is closed to them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Loitering {
    /// Whether it is looked for.
    pub on: bool,
    /// How near the area they must be, metres.
    pub near_m: f64,
    /// How far they may move from where they were, metres.
    pub within_m: f64,
    /// From when on it counts, seconds.
    pub after_s: f64,
}

impl Default for Loitering {
    fn default() -> Loitering {
        Loitering { on: true, near_m: 3000.0, within_m: 1500.0, after_s: 3600.0 }
    }
}

/// Heavy weapons that are seen by what they fire.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Weapons {
    /// Whether they are looked for.
    pub on: bool,
    /// The chance of being inside from which a round's origin counts.
    pub min_p: f64,
    /// A place from which nothing was fired for so long is empty, seconds.
    pub ends_after_s: f64,
}

impl Default for Weapons {
    fn default() -> Weapons {
        Weapons { on: true, min_p: 0.5, ends_after_s: 3600.0 }
    }
}

/// Restrictions of movement that repeat at one place.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Repeats {
    /// Whether it is said that they do.
    pub on: bool,
    /// What happened within so far is at one place, metres.
    pub near_m: f64,
    /// Earlier ones count for so long, seconds.
    pub within_s: f64,
    /// What was reported less than so long before may be the same encounter, seconds.
    pub apart_s: f64,
}

impl Default for Repeats {
    fn default() -> Repeats {
        Repeats { on: true, near_m: 1000.0, within_s: 7.0 * 86_400.0, apart_s: 3600.0 }
    }
}

/// Fire near protected sites.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Sites {
    /// Whether it is said.
    pub on: bool,
    /// How near the site is near, metres.
    pub near_m: f64,
    /// The chance of being near from which it is said.
    pub min_p: f64,
}

impl Default for Sites {
    fn default() -> Sites {
        Sites { on: true, near_m: 1000.0, min_p: 0.1 }
    }
}

/// Fire across lines of contact.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Lines {
    /// Whether it is said.
    pub on: bool,
    /// The chance that both ends lie on different sides from which it is said.
    pub min_p: f64,
}

impl Default for Lines {
    fn default() -> Lines {
        Lines { on: true, min_p: 0.1 }
    }
}

/// Severity 1–5: a base by class, raised by the area and by the count, cut to the range.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Severity {
    /// Base of `fire.impact` and `fire.explosion`.
    pub impact: u8,
    /// Base of `fire.outgoing`.
    pub outgoing: u8,
    /// Base of any other fire.
    pub other_fire: u8,
    /// Base of `incursion.weapons` and `air.incursion`.
    pub weapons: u8,
    /// Base of `incursion.ground` and `sea.*`.
    pub incursion: u8,
    /// Base of the rest.
    pub other: u8,
    /// Added inside a `protected_site`.
    pub protected_site: u8,
    /// Added from this count on.
    pub many: u32,
    /// Taken off when it is no violation.
    pub no_violation: u8,
}

impl Default for Severity {
    fn default() -> Severity {
        Severity {
            impact: 3,
            outgoing: 3,
            other_fire: 2,
            weapons: 3,
            incursion: 2,
            other: 1,
            protected_site: 2,
            many: 10,
            no_violation: 1,
        }
    }
}

/// When more of what is seen than usual is an escalation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Escalation {
    /// Whether it is looked for.
    pub on: bool,
    /// So much event time at a time is counted and judged, seconds.
    pub bin_s: f64,
    /// Side of the cells by which it is told where it is, metres.
    pub cell_m: f64,
    /// How long the past counts, hours: after so long it counts a third. After as long nodes that are new begin to count.
    pub memory_h: f64,
    /// The past is compared with from so many hours of it on.
    pub least_history_h: f64,
    /// How many false level 1 a year are borne, all sectors together.
    pub level_1_per_year: f64,
    /// How many false level 2.
    pub level_2_per_year: f64,
    /// By chance another way of seeing agrees in such a share of cases at most.
    pub agree_p: f64,
    /// A level comes down after so much quiet, seconds.
    pub quiet_s: f64,
    /// A sector whose nodes measure that much wind on average has a storm, in which nothing is compared.
    pub storm_wind_m_s: f64,
    /// The same where noise is so much above the usual, dB.
    pub storm_noise_db: f64,
}

impl Default for Escalation {
    fn default() -> Escalation {
        Escalation {
            on: false,
            bin_s: 300.0,
            cell_m: 5000.0,
            memory_h: 168.0,
            least_history_h: 24.0,
            level_1_per_year: 12.0,
            level_2_per_year: 0.5,
            agree_p: 0.1,
            quiet_s: 3600.0,
            storm_wind_m_s: 12.0,
            storm_noise_db: 6.0,
        }
    }
}
