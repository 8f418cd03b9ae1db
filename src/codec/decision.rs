//! A review decision, bare or as the `data` of a CloudEvent in structured mode.

use super::bounds::REVISION;
use super::fields::{Field, Fields};
use crate::model::decision::{Decision, Verdict};
use crate::model::observation::MAX_ID_BYTES;
use crate::model::reject::Refusal;
use crate::model::time::Timestamp;

/// Longest name of who decided, in bytes.
pub(super) const MAX_BY_BYTES: usize = 256;

/// Longest version of CloudEvents, in bytes.
const MAX_VERSION_BYTES: usize = 64;

/// The decision in this object, bare or as its `data`; `None` if it holds none.
#[inline]
pub(super) fn find<'i>(fields: &impl Fields<'i>) -> Option<Result<Decision, Refusal>> {
    if is_decision(fields) {
        return Some(read(fields));
    }
    if !fields.has(Field::SpecVersion) {
        return None;
    }
    let data = fields.object(Field::Data, "data.").filter(is_decision)?;
    Some(fields.name(Field::SpecVersion, MAX_VERSION_BYTES).and_then(|_| read(&data)))
}

fn is_decision<'i>(fields: &impl Fields<'i>) -> bool {
    fields.has(Field::Decision) && fields.has(Field::Alert)
}

fn read<'i>(fields: &impl Fields<'i>) -> Result<Decision, Refusal> {
    let text = |field| fields.text(field).map(|text| Some(owned(text)).filter(|text| !text.is_empty()));
    if !fields.has(Field::Revision) {
        return Err(fields.missing(Field::Revision));
    }
    Ok(Decision {
        alert: owned(fields.name(Field::Alert, MAX_ID_BYTES)?),
        revision: fields.number(Field::Revision, &REVISION)? as u32,
        decision: fields.required_word(Field::Decision, Verdict::parse_bytes, Verdict::ALL)?,
        attribution: text(Field::Attribution)?,
        by: owned(fields.name(Field::By, MAX_BY_BYTES)?),
        at: Timestamp(fields.time_ns(Field::At)?),
        reason: text(Field::Reason)?,
        signature: text(Field::Signature)?,
        outdated: false,
    })
}

fn owned(text: &[u8]) -> String {
    String::from_utf8_lossy(text).into_owned()
}
