//! Numbers and texts with their ranges, each written into a schema where it is used.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use std::borrow::Cow;

/// Declares a JSON type by its schema, written in place wherever it is used.
macro_rules! described {
    ($($(#[$meta:meta])* $name:ident { $($schema:tt)+ })+) => {$(
        $(#[$meta])*
        pub struct $name;
        impl JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }
            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ $($schema)+ })
            }
        }
    )+};
}

described! {
    /// Any number that a quantity may have.
    Number { "type": "number", "minimum": -1e12, "maximum": 1e12 }
    /// A standard deviation, a length, a speed that divides.
    Positive { "type": "number", "minimum": 1e-9, "maximum": 1e12 }
    /// A number of at least 0.
    NotNegative { "type": "number", "minimum": 0, "maximum": 1e12 }
    /// The speed of wind, m/s.
    WindSpeed { "type": "number", "minimum": 0, "maximum": 150 }
    /// A direction, degrees clockwise from true north.
    Azimuth { "type": "number", "minimum": 0, "exclusiveMaximum": 360 }
    /// An angle above the horizon, degrees.
    Elevation { "type": "number", "minimum": -90, "maximum": 90 }
    /// A probability or a share.
    Share { "type": "number", "minimum": 0, "maximum": 1 }
    /// The temperature of air, °C.
    AirTemperature { "type": "number", "minimum": -100, "maximum": 100 }
    /// How many.
    Count { "type": "integer", "minimum": 0, "maximum": 4294967295u32 }
    /// A revision of an alert: 1, 2, 3 …
    Revision { "type": "integer", "minimum": 1, "maximum": 4294967295u32 }
    /// Degrees east of Greenwich.
    Longitude { "type": "number", "minimum": -180, "maximum": 180 }
    /// Degrees north of the equator.
    Latitude { "type": "number", "minimum": -90, "maximum": 90 }
    /// An id or a node's name: 1 to 64 bytes of UTF-8.
    Name { "type": "string", "minLength": 1, "maxLength": 64 }
    /// A name of 1 to 256 bytes of UTF-8.
    LongName { "type": "string", "minLength": 1, "maxLength": 256 }
    /// A text that is not empty.
    SomeText { "type": "string", "minLength": 1 }
    /// Longitude, latitude and at most a height in metres.
    Position {
        "type": "array",
        "prefixItems": [
            { "type": "number", "minimum": -180, "maximum": 180 },
            { "type": "number", "minimum": -90, "maximum": 90 },
            { "type": "number" }
        ],
        "items": false,
        "minItems": 2
    }
}
