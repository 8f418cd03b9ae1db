//! Everything that talks to Kafka: reading telemetry and tables, writing what is said, checking and making topics.
//!
//! A [`Source`] reads a group's share of some topics in big batches. A [`Sink`] writes with back-pressure. An
//! [`Outbox`] binds the two: what was said and the offsets that led to it stand together ([`ExactlyOnce`]), or
//! the one before the other ([`AtLeastOnce`]). [`Tables`] reads
//! compacted topics from their start and follows them. A [`Broker`] is what of this a live run begins with. [`topics`]
//! checks that everything is there before the first record. An [`Embedded`] broker serves the demo and the unit tests.

pub mod broker;
pub mod embedded;
pub mod error;
pub mod offsets;
pub mod outbox;
mod raw;
mod reader;
pub mod settings;
mod shares;
pub mod sink;
pub mod source;
pub mod tables;
pub mod topics;
pub mod transaction;
mod watch;

pub use broker::{Broker, Cluster, Inbox};
pub use embedded::Embedded;
pub use error::KafkaError;
pub use offsets::{Group, Offsets, Position};
pub use outbox::{AtLeastOnce, Outbox};
pub use reader::Record;
pub use settings::KafkaSettings;
pub use sink::Sink;
pub use source::{Begin, Event, Source};
pub use tables::{Change, Tables};
pub use topics::TopicSpec;
pub use transaction::ExactlyOnce;
