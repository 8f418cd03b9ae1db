//! What of it outlives a process: who counts, all that is usual, the evidence so far, and the levels that stand.
//!
//! It is kept when a bin has been judged, with the event time up to which all is in it. The successor judges the bins after
//! that, from final events that are kept with the alerts or found again.

use super::EscalationWatch;
use super::gathered::Gathered;
use super::grid::CellKey;
use super::reference::{Reference, ReferenceRecord};
use super::scan::Cell;
use super::scope::Scope;
use super::telling::Counting;
use super::usual::Day;
use crate::engine::rules::World;
use crate::model::node::Registry;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// As it stands; or, of one that was cut in pieces, a part of the cells.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct EscalationRecord {
    /// Which piece of how many.
    pub piece: (usize, usize),
    /// All bins before that have been judged, nanoseconds.
    pub stands_ns: i64,
    /// Length of a bin and side of a cell: of others nothing can be taken over.
    bin_ns: i64,
    cell_m: f64,
    cells: Vec<(CellKey, Cell)>,
    cells_h: f64,
    day: Option<Day>,
    now: Option<ReferenceRecord>,
    next: Option<ReferenceRecord>,
    scopes: Vec<(String, Scope)>,
    /// Where regions are shared out: all before this has been told by this part, nanoseconds; and alerts that count.
    #[serde(default)]
    pub told_ns: Option<i64>,
    #[serde(default)]
    counting: Vec<Counting>,
}

impl EscalationRecord {
    /// Of a part that does not judge, and has told all before that time.
    pub fn of_teller(told_ns: i64) -> EscalationRecord {
        EscalationRecord { piece: (0, 1), stands_ns: told_ns, told_ns: Some(told_ns), ..EscalationRecord::default() }
    }

    /// Whether any bin has been judged.
    fn is_of_judge(&self) -> bool {
        self.day.is_some()
    }

    /// Cut into pieces of so many cells at most; the first has all else.
    pub fn pieces(mut self, most_cells: usize) -> Vec<EscalationRecord> {
        let cells = std::mem::take(&mut self.cells);
        let count = cells.len().div_ceil(most_cells).max(1);
        let (stands_ns, bin_ns, cell_m) = (self.stands_ns, self.bin_ns, self.cell_m);
        let mut pieces = vec![self];
        pieces.resize(count, EscalationRecord { stands_ns, bin_ns, cell_m, ..EscalationRecord::default() });
        for (at, piece) in pieces.iter_mut().enumerate() {
            piece.piece = (at, count);
            piece.cells = cells.iter().skip(at * most_cells).take(most_cells).cloned().collect();
        }
        pieces
    }

    /// Put together again; `None` if there is none, or a piece of it is missing.
    pub fn joined(pieces: impl IntoIterator<Item = EscalationRecord>) -> Option<EscalationRecord> {
        let mut pieces: Vec<EscalationRecord> = pieces.into_iter().collect();
        pieces.sort_by_key(|piece| piece.piece);
        let (count, stands_ns) = pieces.first().map(|first| (first.piece.1, first.stands_ns))?;
        // There may have been more of them once.
        pieces.truncate(count);
        let fits = |(at, piece): (usize, &EscalationRecord)| piece.piece == (at, count) && piece.stands_ns == stands_ns;
        if pieces.len() != count || !pieces.iter().enumerate().all(fits) {
            return None;
        }
        let mut pieces = pieces.into_iter();
        let mut whole = pieces.next()?;
        whole.cells.extend(pieces.flat_map(|piece| piece.cells));
        Some(whole)
    }
}

impl EscalationWatch {
    /// As it stands; `None` before the first bin has been judged. It names the nodes of the registry.
    pub fn record(&self, registry: &Registry) -> Option<EscalationRecord> {
        let counting = self.gathered.as_ref().map(Gathered::handed_on).unwrap_or_default();
        if let (Some(waiting), Some(_)) = (&self.waiting, &self.gathered) {
            // How far this part has told is kept with it, whether or not a bin has been judged since.
            return Some(EscalationRecord { counting, ..waiting.clone() });
        }
        let stands_ns = self.stands_ns().filter(|_| self.laid_out_for.is_some() && self.waiting.is_none())?;
        let names = self.sectors.names();
        Some(EscalationRecord {
            piece: (0, 1),
            stands_ns,
            bin_ns: self.bin_ns,
            cell_m: self.settings.cell_m,
            cells: self.scan.cells.iter().map(|(&key, cell)| (key, cell.clone())).collect(),
            cells_h: self.scan.hours,
            day: Some(self.day),
            now: self.now.as_ref().map(|it| it.record(names, registry)),
            next: self.next.as_ref().map(|it| it.record(names, registry)),
            scopes: names.iter().cloned().zip(self.scopes.iter().cloned()).collect(),
            told_ns: None,
            counting,
        })
    }

    /// Goes on with all that was written down in a checkpoint; false if bins or cells are of another size now: then nothing
    /// of it is taken over.
    pub fn load(&mut self, saved: EscalationWatch) -> bool {
        if (saved.bin_ns, saved.grid) != (self.bin_ns, self.grid) {
            return false;
        }
        let (settings, config_digest) = (self.settings.clone(), std::mem::take(&mut self.config_digest));
        *self = EscalationWatch { settings, config_digest, ..saved };
        true
    }

    /// Goes on from there; false if bins or cells are of another size now: then what is usual is learnt anew. To be called
    /// before anything is heard but what is in a checkpoint of before: who was heard stays, and all else is as the record
    /// has it.
    pub fn restore(&mut self, mut record: EscalationRecord) -> bool {
        if !record.is_of_judge() {
            return true;
        }
        if record.bin_ns != self.bin_ns || record.cell_m != self.settings.cell_m {
            return false;
        }
        self.next_bin = Some(record.stands_ns / self.bin_ns);
        if let Some(gathered) = &mut self.gathered {
            gathered.go_on(std::mem::take(&mut record.counting));
        }
        self.waiting = Some(record);
        // It is taken up when sectors are laid out.
        self.laid_out_for = None;
        true
    }

    /// Takes up what was known, now that sectors are laid out.
    pub(super) fn take_up(&mut self, record: EscalationRecord, world: World<'_>) {
        let (names, homes) = (self.sectors.names(), self.sectors.homes());
        let reference = |it: ReferenceRecord| Reference::restore(it, names, world.registry, homes);
        (self.now, self.next) = (record.now.map(reference), record.next.map(reference));
        self.day = record.day.unwrap_or_default();
        self.scan.cells = record.cells.into_iter().collect();
        self.scan.hours = record.cells_h;
        let mut scopes: BTreeMap<String, Scope> = record.scopes.into_iter().collect();
        self.scopes = names.iter().map(|name| scopes.remove(name).unwrap_or_default()).collect();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_of_which_a_piece_is_missing_or_older_is_none() {
        let piece = |at: usize, stands_ns: i64| EscalationRecord { piece: (at, 2), stands_ns, ..Default::default() };
        assert!(EscalationRecord::joined([piece(0, 5), piece(1, 5)]).is_some());
        assert!(EscalationRecord::joined([piece(0, 5)]).is_none());
        assert!(EscalationRecord::joined([piece(0, 5), piece(1, 4)]).is_none());
        assert!(EscalationRecord::joined([]).is_none());
    }
}
