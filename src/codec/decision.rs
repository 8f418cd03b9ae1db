//! A review decision, bare or as the `data` of a CloudEvent in structured mode.

use super::bounds::REVISION;
use super::fields::{Field, Fields};
use crate::model::decision::{Decision, Verdict};
use crate::model::observation::MAX_ID_BYTES;
use crate::model::reject::Refusal;
use crate::model::time::Timestamp;

/// Longest name of who decided, in bytes.
const MAX_BY_BYTES: usize = 256;

/// Longest version of CloudEvents, in bytes.
const MAX_VERSION_BYTES: usize = 64;

/// The decision in this object, bare or as its `data`; `None` if it holds none.
#[inline]
pub(super) fn find(fields: &Fields<'_, '_>) -> Option<Result<Decision, Refusal>> {
    if is_decision(fields) {
        return Some(read(fields));
    }
    if !fields.has(Field::SpecVersion) {
        return None;
    }
    let data = fields.object(Field::Data, "data.").filter(is_decision)?;
    Some(fields.name(Field::SpecVersion, MAX_VERSION_BYTES).and_then(|_| read(&data)))
}

fn is_decision(fields: &Fields<'_, '_>) -> bool {
    fields.has(Field::Decision) && fields.has(Field::Alert)
}

fn read(fields: &Fields<'_, '_>) -> Result<Decision, Refusal> {
    let text = |field| fields.text(field).map(|text| Some(text.to_owned()).filter(|text| !text.is_empty()));
    if !fields.has(Field::Revision) {
        return Err(fields.missing(Field::Revision));
    }
    Ok(Decision {
        alert: fields.name(Field::Alert, MAX_ID_BYTES)?.to_owned(),
        revision: fields.number(Field::Revision, &REVISION)? as u32,
        decision: fields.required_word(Field::Decision, Verdict::parse, Verdict::ALL)?,
        attribution: text(Field::Attribution)?,
        by: fields.name(Field::By, MAX_BY_BYTES)?.to_owned(),
        at: Timestamp(fields.time_ns(Field::At)?),
        reason: text(Field::Reason)?,
        signature: text(Field::Signature)?,
    })
}
