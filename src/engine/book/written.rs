//! The book as a checkpoint has it: all but what was claimed last and how it was said. These never change, and take longest to be
//! written; so they stand behind everything else, and somebody else writes them ([`crate::engine::checkpoint::Written`]).

use super::{Book, Claim, Entry};
use crate::model::alert::AlertFeature;
use crate::model::time::Timestamp;
use serde::ser::SerializeSeq;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::BTreeMap;
use std::sync::Arc;

/// An entry by its key, without its claim and its alert: the rest in the order in which [`Entry`] has it.
pub(super) type Bare = (Arc<str>, bool, Option<Timestamp>, u32, i64);

struct Entries<'a>(&'a BTreeMap<Arc<str>, Entry>);

impl Serialize for Entries<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut all = serializer.serialize_seq(Some(self.0.len()))?;
        for (key, entry) in self.0 {
            let Entry { claim: _, feature: _, was_final, attributed_at, content_revision, newest_ns } = entry;
            all.serialize_element(&(key, was_final, attributed_at, content_revision, newest_ns))?;
        }
        all.end()
    }
}

impl Serialize for Book {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Book { entries, judged_version, tally, said, memory, .. } = self;
        (Entries(entries), judged_version, tally, said, memory).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Book {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Book, D::Error> {
        let (bare, judged_version, tally, said, memory) = Deserialize::deserialize(deserializer)?;
        Ok(Book { bare, judged_version, tally, said, memory, ..Book::new(String::new(), Vec::new()) })
    }
}

impl Book {
    /// The claims, and the alerts as they were last said, both in the order in which the book is written down.
    pub fn lasting(&self) -> (Vec<Arc<Claim>>, Vec<Arc<AlertFeature>>) {
        self.entries.values().map(|entry| (entry.claim.clone(), entry.feature.clone())).unzip()
    }

    /// Goes on with all that was written down, and the claims and alerts of it; letterhead, reviewers and share stay. False if
    /// these are not as many as it has: then it is as it was.
    pub fn load(&mut self, mut saved: Book, claims: Vec<Arc<Claim>>, alerts: Vec<Arc<AlertFeature>>) -> bool {
        if saved.bare.len() != alerts.len() || saved.bare.len() != claims.len() {
            return false;
        }
        let entry =
            |(((key, was_final, attributed_at, content_revision, newest_ns), claim), feature): ((Bare, _), _)| {
                (key, Entry { claim, feature, was_final, attributed_at, content_revision, newest_ns })
            };
        let entries: BTreeMap<Arc<str>, Entry> =
            std::mem::take(&mut saved.bare).into_iter().zip(claims).zip(alerts).map(entry).collect();
        let (letterhead, review) = (std::mem::take(&mut self.letterhead), std::mem::take(&mut self.review));
        *self = Book { letterhead, review, share: self.share, entries, ..saved };
        self.by_rank = self.entries.iter().map(|(key, entry)| entry.rank(key)).collect();
        let id = |entry: &Entry| entry.feature.properties.alert.clone();
        self.keys_by_id = self.entries.iter().map(|(key, entry)| (id(entry), key.clone())).collect();
        true
    }
}
