//! Event time, partition by partition.

use super::*;
use crate::model::time::NS_PER_S;
use proptest::prelude::*;

const P: Partition = (0, 0);
const Q: Partition = (0, 1);

fn progress() -> Progress {
    Progress::new(&Settings { lateness_s: 10.0, idle_after_s: 5.0, ..Settings::default() })
}

fn see(progress: &mut Progress, partition: Partition, node: u32, second: i64) -> Standing {
    progress.observe(partition, NodeIx(node), second * NS_PER_S)
}

#[test]
fn the_watermark_follows_the_slowest_partition() {
    let mut p = progress();
    p.assign(Q);
    see(&mut p, P, 1, 100);
    see(&mut p, P, 2, 100);
    assert_eq!(p.advance(), i64::MIN, "the other partition has said nothing");
    see(&mut p, Q, 3, 50);
    assert_eq!(p.advance(), 40 * NS_PER_S);
    see(&mut p, Q, 3, 90);
    assert_eq!(p.advance(), 80 * NS_PER_S);
}

#[test]
fn a_partition_with_nothing_more_to_read_stops_holding_the_others_back() {
    let mut p = progress();
    see(&mut p, Q, 3, 50);
    see(&mut p, P, 1, 100);
    see(&mut p, P, 2, 100);
    assert_eq!(p.advance(), 40 * NS_PER_S);
    p.caught_up(Q);
    assert_eq!(p.advance(), 85 * NS_PER_S);
    assert_eq!(see(&mut p, Q, 3, 60), Standing::Late, "by the watermark; it is the newest of its own partition");
    assert_eq!(p.advance(), 85 * NS_PER_S, "the watermark never goes back");
}

#[test]
fn the_first_line_of_all_drags_nothing() {
    let mut p = progress();
    see(&mut p, P, 1, 3_000);
    assert_eq!(p.advance(), i64::MIN, "nobody has borne it out");
    for second in 0..40 {
        assert_eq!(see(&mut p, P, 2, second), Standing::InTime, "{second}");
        assert_eq!(see(&mut p, P, 3, second), Standing::InTime, "{second}");
        p.advance();
    }
    assert_eq!(p.watermark_ns(), 29 * NS_PER_S);
}

#[test]
fn who_is_alone_moves_event_time_when_it_has_gone_on_for_as_long_as_others_may_be_ahead() {
    let mut p = progress();
    see(&mut p, P, 1, 0);
    see(&mut p, P, 1, 59);
    assert_eq!(p.advance(), i64::MIN);
    see(&mut p, P, 1, 60);
    assert_eq!(p.advance(), 50 * NS_PER_S);
    // One that is behind does not set it back: what is late does not hang on when that was asked.
    assert_eq!(see(&mut p, P, 2, 10), Standing::Late);
    assert_eq!(see(&mut p, P, 2, 55), Standing::InTime);
}

#[test]
fn one_that_another_process_reads_holds_back_to_where_that_last_said_that_there_is_no_more() {
    let mut p = progress();
    see(&mut p, Q, 3, 50);
    see(&mut p, P, 1, 100);
    see(&mut p, P, 2, 100);
    p.vouched(Q, 100 * NS_PER_S);
    p.caught_up(Q);
    assert_eq!(p.advance(), 85 * NS_PER_S);
    // Who reads it is gone.
    see(&mut p, P, 1, 150);
    see(&mut p, P, 2, 150);
    assert_eq!(p.advance(), 85 * NS_PER_S);
    assert_eq!(see(&mut p, Q, 3, 101), Standing::InTime, "what comes meanwhile is in time when somebody reads it");
    p.vouched(Q, 150 * NS_PER_S);
    p.caught_up(Q);
    assert_eq!(p.advance(), 135 * NS_PER_S);
}

#[test]
fn late_is_what_is_late_in_its_own_partition_but_for_one_node_that_is_ahead() {
    let mut p = progress();
    p.assign(Q);
    see(&mut p, P, 1, 100);
    see(&mut p, P, 2, 100);
    see(&mut p, P, 3, 140);
    assert_eq!(see(&mut p, P, 1, 91), Standing::InTime);
    assert_eq!(p.advance(), i64::MIN, "the other partition has said nothing");
    assert_eq!(see(&mut p, P, 1, 89), Standing::Behind { passed_ns: 90 * NS_PER_S });
    assert_eq!(see(&mut p, Q, 4, 89), Standing::InTime);
}

#[test]
fn one_node_far_ahead_drags_nothing() {
    let mut p = progress();
    for second in 100..105 {
        see(&mut p, P, 1, second);
        see(&mut p, P, 2, second);
    }
    assert_eq!(see(&mut p, P, 9, 5000), Standing::Ahead);
    assert_eq!(see(&mut p, P, 9, 150), Standing::InTime);
    assert_eq!(p.advance(), 94 * NS_PER_S);
    assert_eq!(p.verdict(), None);
    for second in 105..180 {
        see(&mut p, P, 1, second);
        see(&mut p, P, 2, second);
    }
    assert_eq!(p.verdict(), Some(Verdict::Refuted(P)));
    p.judged(Verdict::Refuted(P), std::iter::empty());
    assert_eq!(p.verdict(), None);
}

#[test]
fn after_a_gap_the_stream_goes_on() {
    let mut p = progress();
    for node in 0..4 {
        see(&mut p, P, node, 100);
    }
    assert_eq!(see(&mut p, P, 0, 4000), Standing::Ahead);
    assert_eq!(p.verdict(), None);
    assert_eq!(see(&mut p, P, 1, 4001), Standing::Ahead);
    assert_eq!(p.verdict(), Some(Verdict::BorneOut));
    p.judged(Verdict::BorneOut, std::iter::empty());
    assert_eq!(p.release(P, NodeIx(0), 4000 * NS_PER_S), Standing::InTime);
    assert_eq!(p.release(P, NodeIx(1), 4001 * NS_PER_S), Standing::InTime);
    assert_eq!(p.advance(), 3990 * NS_PER_S);
}

#[test]
fn a_node_that_was_only_read_early_bears_out_no_other() {
    let mut p = progress();
    // A partition with one node, read far ahead of the others.
    see(&mut p, Q, 7, 400);
    see(&mut p, P, 1, 100);
    assert_eq!(see(&mut p, Q, 7, 420), Standing::Ahead);
    assert_eq!(p.verdict(), None);
    assert_eq!(see(&mut p, P, 2, 4000), Standing::Ahead);
    assert_eq!(p.verdict(), Some(Verdict::BorneOut));
    assert_eq!(p.latest_credible_ns(Verdict::BorneOut), 480 * NS_PER_S, "the one, not the other");
    p.judged(Verdict::BorneOut, std::iter::once((P, 4000 * NS_PER_S)));
    p.release(Q, NodeIx(7), 420 * NS_PER_S);
    for second in 101..200 {
        see(&mut p, P, 1, second);
        see(&mut p, P, 3, second);
    }
    assert_eq!(p.verdict(), Some(Verdict::Refuted(P)));
}

#[test]
fn a_single_node_makes_a_stream_too() {
    let mut p = progress();
    see(&mut p, P, 1, 100);
    assert_eq!(see(&mut p, P, 1, 700), Standing::Ahead);
    assert_eq!(p.verdict(), Some(Verdict::BorneOut));
}

#[test]
fn too_late_is_judged_by_the_partition_alone() {
    let mut p = progress();
    see(&mut p, P, 1, 100_000);
    see(&mut p, P, 2, 100_000);
    assert_eq!(see(&mut p, P, 1, 100_000 - 6 * 3600 - 1), Standing::TooLate);
    assert_eq!(see(&mut p, Q, 1, 10), Standing::InTime, "another partition may be read later");
}

/// A line that comes, of one partition or the other: its node, its second, and what is told of the partition after it.
type Step = (bool, u32, i64, u8);

/// What became of a line, where event time was then, what was to become of lines held back, what to read next, and what there
/// was still to read, and where the stream was when there was nothing.
type After = (Standing, i64, Option<Verdict>, Option<(Partition, i64)>, BTreeSet<Partition>, Option<i64>);

fn read(steps: &[Step], is_written: bool) -> Vec<After> {
    let mut p = progress();
    p.assign(Q);
    let step = |&(is_q, node, second, then): &Step| {
        let of = if is_q { Q } else { P };
        let standing = see(&mut p, of, node, second);
        let verdict = p.verdict();
        verdict
            .iter()
            .for_each(|&verdict| p.judged(verdict, [(Q, 900 * NS_PER_S)].into_iter().take(second as usize % 2)));
        match then {
            0 => p.caught_up(of),
            1 => p.behind(of),
            2 => p.pass((second - 20) * NS_PER_S),
            3 => p.revoke(of),
            4 => p.resume(of, second * NS_PER_S),
            _ => {}
        }
        p.advance();
        if is_written {
            p = postcard::from_bytes(&postcard::to_stdvec(&p).unwrap()).unwrap();
        }
        (standing, p.watermark_ns(), verdict, p.slowest(), p.doubt.unread.clone(), p.doubt.all_read_ns)
    };
    steps.iter().map(step).collect()
}

proptest! {
    #[test]
    fn written_down_and_taken_up_again_it_goes_on(
        steps in proptest::collection::vec(
            (any::<bool>(), 0u32..6, prop_oneof![5 => 90i64..130, 1 => 150i64..1000], 0u8..30), 0..120),
    ) {
        prop_assert_eq!(read(&steps, true), read(&steps, false));
    }
}
