//! A model of reading: partitions are filled by a world that goes on, and read at any pace. What becomes of a line
//! must be what became of it had all been read as it came.

use super::*;
use crate::model::time::NS_PER_S;
use proptest::prelude::*;

const LATENESS_S: i64 = 10;

/// One line: its partition, its node, when it was delivered and the time it tells.
#[derive(Clone, Copy, Debug)]
struct Line {
    partition: usize,
    node: u32,
    delivered_ds: i64,
    time_ds: i64,
}

/// Three partitions of busy nodes, and one whose three nodes speak once in minutes, over ten minutes, in the order of
/// delivery. Deliveries take up to nine seconds.
fn lines(delays_ds: &[u8]) -> Vec<Line> {
    let mut delays = delays_ds.iter().copied().cycle();
    let mut lines = Vec::new();
    for (partition, nodes, every_ds) in [(0, 2, 15), (1, 3, 25), (2, 4, 40), (3, 3, 1100)] {
        for node in 0..nodes {
            let mut time_ds = i64::from(node) * every_ds / i64::from(nodes);
            while time_ds < 6000 {
                let delivered_ds = time_ds + i64::from(delays.next().unwrap_or(0) % 90);
                lines.push(Line { partition, node: partition as u32 * 10 + node, delivered_ds, time_ds });
                time_ds += every_ds;
            }
        }
    }
    lines.sort_by_key(|line| line.delivered_ds);
    lines
}

/// How many lines are read of each partition in one batch, and how long the world goes on before it.
#[derive(Clone, Copy, Debug)]
struct Step {
    world_ds: i64,
    read: [usize; 4],
}

/// Reads all lines in such steps and counts what became of them: in time, late, refused.
fn read(lines: &[Line], steps: &[Step]) -> [usize; 3] {
    let settings = Settings { lateness_s: LATENESS_S as f64, idle_after_s: 5.0, ..Settings::default() };
    let mut progress = Progress::new(&settings);
    let queues: Vec<Vec<Line>> =
        (0..4).map(|k| lines.iter().filter(|line| line.partition == k).copied().collect()).collect();
    let at = |k: usize| (0, k as i32);
    (0..4).for_each(|k| progress.assign(at(k)));
    let (mut done, mut held, mut now_ds, mut became) = ([0; 4], Vec::<Line>::new(), 0, [0; 3]);
    let mut steps = steps.iter().copied().cycle();
    while (0..4).any(|k| done[k] < queues[k].len()) {
        let Some(step) = steps.next() else { break };
        now_ds += step.world_ds;
        let delivered: Vec<usize> =
            queues.iter().map(|queue| queue.partition_point(|line| line.delivered_ds <= now_ds)).collect();
        for k in (0..4).filter(|&k| done[k] < delivered[k]) {
            progress.behind(at(k));
        }
        for k in 0..4 {
            let to = delivered[k].min(done[k] + step.read[k]);
            for &line in &queues[k][done[k]..to] {
                match progress.observe(at(k), NodeIx(line.node), line.time_ds * NS_PER_S / 10) {
                    Standing::InTime => became[0] += 1,
                    Standing::Late | Standing::Behind { .. } => became[1] += 1,
                    Standing::Ahead => held.push(line),
                    Standing::TooLate => became[2] += 1,
                }
                if let Some(verdict) = progress.verdict() {
                    judge(&mut progress, verdict, &mut held, &mut became);
                }
            }
            done[k] = to;
        }
        progress.advance();
        for k in (0..4).filter(|&k| done[k] == delivered[k]) {
            progress.caught_up(at(k));
            progress.advance();
        }
    }
    judge(&mut progress, Verdict::AllRefuted, &mut held, &mut became);
    became
}

fn judge(progress: &mut Progress, verdict: Verdict, held: &mut Vec<Line>, became: &mut [usize; 3]) {
    let latest_ns = progress.latest_credible_ns(verdict);
    let lets_in = matches!(verdict, Verdict::BorneOut | Verdict::Reached);
    for line in std::mem::take(held) {
        let (partition, time_ns) = ((0, line.partition as i32), line.time_ds * NS_PER_S / 10);
        let is_refuted = verdict == Verdict::AllRefuted || verdict == Verdict::Refuted(partition);
        if time_ns <= latest_ns && (is_refuted || lets_in) {
            let standing = progress.release(partition, NodeIx(line.node), time_ns);
            became[usize::from(standing == Standing::Late)] += 1;
        } else if is_refuted {
            became[2] += 1;
        } else {
            held.push(line);
        }
    }
    let still = held.iter().map(|line| ((0, line.partition as i32), line.time_ds * NS_PER_S / 10));
    progress.judged(verdict, still);
}

fn step() -> impl Strategy<Value = Step> {
    let share = || prop_oneof![3 => Just(0usize), 2 => 1usize..20, 1 => Just(1000)];
    // Mostly the world stands while a backlog is read.
    let world_ds = prop_oneof![4 => 0i64..5, 1 => 100i64..3000];
    (world_ds, [share(), share(), share(), share()]).prop_map(|(world_ds, read)| Step { world_ds, read })
}

proptest! {
    #[test]
    fn no_pace_of_reading_makes_a_line_late_or_refuses_it(
        delays_ds in proptest::collection::vec(any::<u8>(), 1..50),
        mut steps in proptest::collection::vec(step(), 1..40),
        backlog_ds in prop_oneof![Just(0i64), Just(7000i64)],
    ) {
        let lines = lines(&delays_ds);
        // The world ends and everything is read, whatever the steps.
        steps[0].world_ds += backlog_ds;
        steps.push(Step { world_ds: 10, read: [1, 1, 1, 1] });
        prop_assert_eq!(read(&lines, &steps), [lines.len(), 0, 0]);
    }
}

#[test]
fn read_as_it_comes_every_line_is_in_time() {
    let lines = lines(&[0, 89, 3, 50, 17]);
    assert_eq!(read(&lines, &[Step { world_ds: 1, read: [1000; 4] }]), [lines.len(), 0, 0]);
}

#[test]
fn a_line_that_no_reading_bears_out_is_refused_once_all_is_read() {
    let mut lines = lines(&[0, 10]);
    let liar = Line { partition: 3, node: 39, delivered_ds: 1000, time_ds: 900_000 };
    lines.push(liar);
    lines.sort_by_key(|line| line.delivered_ds);
    for read_at_once in [1, 7, 1000] {
        let became = read(&lines, &[Step { world_ds: 20, read: [read_at_once + 3; 4] }]);
        assert_eq!(became, [lines.len() - 1, 0, 1]);
    }
}
