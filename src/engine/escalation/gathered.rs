//! Regions that are shared out: what the part that judges has gathered of what all tell of bins of event time.
//!
//! A bin is judged when all have told of it ([`super::telling`]). What it comes to is what one process comes to, for each of
//! what they tell is a set or a sum, and of each nodes and alerts there is one part that tells.

use super::Sign;
use super::ears::WeatherSum;
use super::telling::{BinTold, Counting, SignTold};
use crate::model::node::{NodeIx, Registry};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};

/// Most nodes of bins of which some have told and others have not; at it the oldest bin is passed over. It is a day and more
/// of 10,000 nodes at five minutes.
const MOST_HELD: usize = 4_000_000;

/// Alerts that are handed on to a successor, the newest.
const MOST_HANDED_ON: usize = 300;

/// A part's word of a bin, and where it stands in what is read here.
#[derive(Debug, Serialize, Deserialize)]
struct Word {
    heard: Vec<(NodeIx, u64)>,
    weather: Vec<(String, WeatherSum)>,
    signs: Vec<(Sign, Counting)>,
    here: i64,
}

/// What all have told.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Gathered {
    /// Of each part the last bin that it has told of.
    told_to: BTreeMap<u32, Option<i64>>,
    waiting: BTreeMap<i64, Vec<Word>>,
    held: usize,
    /// Alerts that counted in bins that have been judged.
    counting: VecDeque<Counting>,
}

/// All that was told of a bin.
#[derive(Debug, Default)]
pub struct Bin {
    /// Nodes and the bins in which they were heard, see [`BinTold::heard`].
    pub heard: Vec<(NodeIx, u64)>,
    /// By sectors.
    pub weather: Vec<(String, WeatherSum)>,
    /// What counts.
    pub signs: Vec<Sign>,
}

impl Gathered {
    /// From so many parts.
    pub fn from(parts: u32) -> Gathered {
        Gathered { told_to: (0..parts).map(|part| (part, None)).collect(), ..Gathered::default() }
    }

    /// A part has told of that bin, or a piece of that; `next` is judged next, and anything before it no more. It stands `here` in what is read. Gives
    /// the bin that is to be judged next if those that are missing can be waited for no longer.
    pub fn hear(&mut self, told: BinTold, bin: i64, next: Option<i64>, here: i64, registry: &Registry) -> Option<i64> {
        // Who begins anew without knowing where it was tells once more, and of less, what it has told in full.
        let told_to = self.told_to.get_mut(&told.part).filter(|to| to.is_none_or(|to| to < bin))?;
        if !told.more {
            *told_to = Some(bin);
        }
        if next.is_some_and(|next| bin < next) {
            return None;
        }
        let word = Word::new(told, here, registry);
        self.held += word.heard.len();
        self.waiting.entry(bin).or_default().push(word);
        let mut passes_to = None;
        while self.held > MOST_HELD
            && let Some((bin, passed)) = self.waiting.pop_first()
        {
            self.held -= passed.iter().map(|it| it.heard.len()).sum::<usize>();
            passes_to = Some(bin + 1);
        }
        passes_to
    }

    /// Whether all have told of a bin.
    pub fn is_complete(&self, bin: i64) -> bool {
        self.told_to.values().all(|to| to.is_some_and(|to| to >= bin))
    }

    /// Takes what they have told of a bin; what they told of earlier ones is passed over.
    pub fn take(&mut self, bin: i64) -> Bin {
        let later = self.waiting.split_off(&(bin + 1));
        let mut all = Bin::default();
        for (at, words) in std::mem::replace(&mut self.waiting, later) {
            self.held -= words.iter().map(|it| it.heard.len()).sum::<usize>();
            for word in words.into_iter().filter(|_| at == bin) {
                all.heard.extend(word.heard);
                all.weather.extend(word.weather);
                for (sign, counting) in word.signs {
                    all.signs.push(sign);
                    self.counting.push_back(counting);
                }
            }
        }
        all
    }

    /// Alerts that count.
    pub fn counting(&self) -> impl Iterator<Item = &Counting> {
        self.counting.iter()
    }

    /// Forgets those that counted before that time, nanoseconds.
    pub fn forget_before(&mut self, time_ns: i64) {
        self.counting.retain(|counting| counting.at_ns >= time_ns);
    }

    /// Where the first word stands that is still needed.
    pub fn needed_here(&self) -> Option<i64> {
        self.waiting.values().flatten().map(|word| word.here).min()
    }

    /// What a successor has to know besides what it reads again.
    pub fn handed_on(&self) -> Vec<Counting> {
        let mut newest: Vec<Counting> = self.counting.iter().cloned().collect();
        newest.sort_by(Counting::in_order);
        newest.split_off(newest.len().saturating_sub(MOST_HANDED_ON))
    }

    /// Goes on from what was handed on.
    pub fn go_on(&mut self, counting: Vec<Counting>) {
        self.counting = counting.into();
    }
}

impl Word {
    fn new(told: BinTold, here: i64, registry: &Registry) -> Word {
        let of_bits = |(bits, names): &(u64, Vec<String>)| {
            let known = names.iter().filter_map(|name| Some((registry.find(name)?, *bits)));
            known.collect::<Vec<(NodeIx, u64)>>()
        };
        let heard = told.heard.iter().flat_map(of_bits).collect();
        let signs = told.signs.into_iter().map(|told| (sign(&told, registry), told.counting)).collect();
        Word { heard, weather: told.weather, signs, here }
    }
}

fn sign(told: &SignTold, registry: &Registry) -> Sign {
    // Of one that is not known nothing is asked but that it is there.
    let node = |name: &String| registry.find(name).unwrap_or(NodeIx(u32::MAX));
    let nodes = |names: &[String]| names.iter().map(node).collect();
    let Counting { modality, place, .. } = told.counting;
    Sign { modality, time_ns: told.time_ns, place, arrivals: nodes(&told.arrivals), seers: nodes(&told.seers) }
}
