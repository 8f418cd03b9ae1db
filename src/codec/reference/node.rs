//! A node of the sensor registry.

use super::{Feature, MAX_NAME_BYTES, MAX_NODE_BYTES, Reference, ReferenceError, geometry, to_feature};
use crate::codec::bounds::{NOT_NEGATIVE, POSITIVE, SHARE};
use crate::model::kind::{Component, Kind, KindSet};
use crate::model::node::Node;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::VerifyingKey;
use serde_json::{Value, json};

const PUBLIC_KEY: &str = "an Ed25519 public key: 32 bytes in base64 or hexadecimal";

impl Reference for Node {
    const ID: &'static str = "node";

    fn id(&self) -> &str {
        &self.name
    }

    fn from_feature(feature: &Feature<'_>) -> Result<Node, ReferenceError> {
        let properties = &feature.properties;
        let name = properties.required_name("node", MAX_NODE_BYTES)?;
        let kinds = properties.words("kinds", Kind::parse, Kind::ALL)?;
        let place = feature.point()?;
        let public_key = match properties.name("public_key", MAX_NAME_BYTES)? {
            None => None,
            Some(text) => Some(public_key(&text).ok_or_else(|| properties.fault("public_key", PUBLIC_KEY))?),
        };
        Ok(Node {
            name,
            kinds: kinds.into_iter().fold(KindSet::default(), KindSet::with),
            position: place.map(|(position, _)| position),
            alt_m: place.and_then(|(_, alt_m)| alt_m),
            range_m: properties.number("range_m", &POSITIVE)?,
            time_sd_s: properties.number("time_sd_s", &POSITIVE)?,
            detect_p: properties.number("detect_p", &SHARE)?,
            false_per_hour: properties.number("false_per_hour", &NOT_NEGATIVE)?,
            heartbeat_s: properties.number("heartbeat_s", &POSITIVE)?,
            sector: properties.name("sector", MAX_NAME_BYTES)?,
            component: properties.word("component", Component::parse, Component::ALL)?,
            public_key,
            registered: true,
        })
    }

    fn to_feature(&self) -> Value {
        let kinds: Vec<&str> =
            Kind::ALL.iter().filter(|&&kind| self.kinds.contains(kind)).map(|kind| kind.as_str()).collect();
        let properties = json!({
            "node": self.name,
            "kinds": kinds,
            "range_m": self.range_m,
            "time_sd_s": self.time_sd_s,
            "detect_p": self.detect_p,
            "false_per_hour": self.false_per_hour,
            "heartbeat_s": self.heartbeat_s,
            "sector": self.sector,
            "component": self.component,
            "public_key": self.public_key.map(|key| STANDARD.encode(key)),
        });
        to_feature(geometry::of_point(self.position, self.alt_m), properties)
    }
}

/// The key, if the text is one, and a point of the curve: a key that is not could never verify anything.
pub(in crate::codec) fn public_key(text: &str) -> Option<[u8; 32]> {
    let bytes = if text.len() == 64 { hexadecimal(text)? } else { STANDARD.decode(text).ok()? };
    let key: [u8; 32] = bytes.try_into().ok()?;
    VerifyingKey::from_bytes(&key).ok()?;
    Some(key)
}

fn hexadecimal(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).map(|digit| digit as u8);
    text.as_bytes().chunks(2).map(|pair| Some(digit(pair[0])? << 4 | digit(*pair.get(1)?)?)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::reference::{from_collection, from_record, to_collection};
    use crate::codec::signature;
    use crate::model::geo::LonLat;

    fn full() -> Node {
        Node {
            name: "mic-1".to_owned(),
            kinds: KindSet::default().with(Kind::Acoustic).with(Kind::Status),
            position: Some(LonLat { lon_deg: 31.5, lat_deg: 46.25 }),
            alt_m: Some(12.5),
            range_m: Some(12_000.0),
            time_sd_s: Some(0.15),
            detect_p: Some(0.9),
            false_per_hour: Some(0.0),
            heartbeat_s: Some(60.0),
            sector: Some("south".to_owned()),
            component: Some(Component::Ground),
            public_key: Some(signature::public_key(&[7; 32])),
            registered: true,
        }
    }

    #[test]
    fn a_node_reads_back_as_it_was_written() {
        let bare = Node { registered: true, ..Node::unregistered("patrol-7") };
        let nodes = vec![full(), bare];
        assert_eq!(from_collection(to_collection(&nodes).to_string().as_bytes()), Ok(nodes));
    }

    #[test]
    fn a_public_key_is_base64_or_hexadecimal_and_a_point_of_the_curve() {
        let key = signature::public_key(&[7; 32]);
        let hexadecimal: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
        let with = |text: &str| {
            let feature = json!({"type": "Feature", "geometry": null, "properties": {"node": "a", "public_key": text}});
            from_record::<Node>(feature.to_string().as_bytes()).map(|node| node.public_key)
        };
        assert_eq!(with(&STANDARD.encode(key)), Ok(Some(key)));
        assert_eq!(with(&hexadecimal), Ok(Some(key)));
        assert_eq!(with(&hexadecimal.to_uppercase()), Ok(Some(key)));
        let mut off_curve = [0; 32];
        off_curve[0] = 2;
        for bad in
            ["", "abc", &hexadecimal[1..], &STANDARD.encode([1; 31]), &STANDARD.encode(off_curve), &"g".repeat(64)]
        {
            assert!(with(bad).is_err(), "{bad}");
        }
    }
}
