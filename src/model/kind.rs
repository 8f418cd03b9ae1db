//! The closed vocabularies of the contract: one enum each, named on the wire in `snake_case`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

macro_rules! vocabulary {
    ($(#[$meta:meta])* $name:ident { $($(#[$vmeta:meta])* $variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
        #[repr(u8)]
        pub enum $name { $($(#[$vmeta])* #[doc = concat!("`", $text, "`")] #[serde(rename = $text)] $variant),+ }
        impl $name {
            /// Every member, in the order of the contract.
            pub const ALL: &'static [$name] = &[$($name::$variant),+];
            /// The name on the wire.
            pub const fn as_str(self) -> &'static str { match self { $($name::$variant => $text),+ } }
            /// The member of that wire name.
            pub fn parse(text: &str) -> Option<$name> { match text { $($text => Some($name::$variant),)+ _ => None } }
            /// The member of that wire name, which may be any bytes.
            pub fn parse_bytes(text: &[u8]) -> Option<$name> {
                match text { $(word if word == $text.as_bytes() => Some($name::$variant),)+ _ => None }
            }
        }
        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { f.pad(self.as_str()) }
        }
    };
}
pub(crate) use vocabulary;

vocabulary! {
    /// What an observation is.
    Kind {
        Acoustic = "acoustic", Infrasound = "infrasound", Seismic = "seismic", Radio = "radio",
        Flash = "flash", Radar = "radar", Track = "track", Thermal = "thermal",
        Interference = "interference", Status = "status", Patrol = "patrol",
    }
}

impl Kind {
    /// The pick uncertainty assumed when neither the observation nor the registry gives one, in seconds.
    pub const fn default_time_sd_s(self) -> f64 {
        match self {
            Kind::Acoustic => 0.15,
            Kind::Infrasound => 1.0,
            Kind::Seismic => 0.25,
            Kind::Radio => 2e-7,
            Kind::Flash => 0.05,
            Kind::Radar => 0.5,
            Kind::Track => 1.0,
            Kind::Thermal => 60.0,
            Kind::Interference => 1.0,
            Kind::Status => 1.0,
            Kind::Patrol => 60.0,
        }
    }
}

vocabulary! {
    /// A sender's hint of what made an arrival; a hint only.
    Hint {
        Explosion = "explosion", Impact = "impact", Outgoing = "outgoing", Burst = "burst",
        Shot = "shot", Unknown = "unknown",
    }
}

vocabulary! {
    /// A seismic phase.
    Phase { P = "P", S = "S", Lg = "Lg" }
}

vocabulary! {
    /// Where a tracked object moves.
    Domain { Air = "air", Uav = "uav", Ground = "ground", Sea = "sea" }
}

vocabulary! {
    /// A node's own account of its state.
    Health { Ok = "ok", Degraded = "degraded", Tamper = "tamper", Offline = "offline" }
}

vocabulary! {
    /// What is jammed.
    Band { Gnss = "gnss", Link = "link", Radio = "radio" }
}

vocabulary! {
    /// What a patrol reports.
    Activity {
        Position = "position", Heard = "heard", Saw = "saw", Recorded = "recorded", Found = "found",
        Denied = "denied", Delayed = "delayed", Conditional = "conditional",
    }
}

vocabulary! {
    /// The part of the force that a node, an area or an alert belongs to.
    Component { Ground = "ground", Maritime = "maritime", Air = "air", Logistics = "logistics" }
}

/// A set of kinds, one bit each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KindSet(u16);

impl KindSet {
    /// The set of one kind.
    pub const fn of(kind: Kind) -> KindSet {
        KindSet(0).with(kind)
    }
    /// The set with `kind` in it as well.
    pub const fn with(self, kind: Kind) -> KindSet {
        KindSet(self.0 | 1 << kind as u16)
    }
    /// Whether `kind` is in the set.
    pub const fn contains(self, kind: Kind) -> bool {
        self.0 & (1 << kind as u16) != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_reads_back_from_its_name() {
        for &kind in Kind::ALL {
            assert_eq!(Kind::parse(kind.as_str()), Some(kind));
            assert!(kind.default_time_sd_s() > 0.0);
        }
        assert_eq!(Kind::parse("Acoustic"), None);
    }

    #[test]
    fn a_set_holds_what_was_put_in_and_no_more() {
        let set = KindSet::default().with(Kind::Radar).with(Kind::Status);
        assert!(set.contains(Kind::Radar) && set.contains(Kind::Status));
        assert!(!set.contains(Kind::Acoustic));
    }
}
