//! What the process has used, as Linux tells it under `/proc`; elsewhere all is unknown.

use std::time::{Duration, Instant};

/// Clock ticks a second in `/proc/self/stat`: a constant of Linux's interface on every platform it runs on today.
const TICKS_A_S: f64 = 100.0;

/// Processor time of all threads since the process began, those that have ended included; to 10 ms.
pub fn cpu() -> Option<Duration> {
    cpu_of("self")
}

/// The same of another process, by its number.
pub fn cpu_of(process: &str) -> Option<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The second field is the program's name in brackets, which may hold spaces.
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace();
    let user: u64 = fields.nth(11)?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(Duration::from_secs_f64((user + system) as f64 / TICKS_A_S))
}

/// Processor time of this thread since it began; counted to the nanosecond, but only up to the scheduler's last tick, a
/// few milliseconds ago.
pub fn thread_cpu() -> Option<Duration> {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    stat.split_ascii_whitespace().next()?.parse().ok().map(Duration::from_nanos)
}

/// Memory in use, KiB.
pub fn resident_kib() -> Option<u64> {
    status("self", "VmRSS:")
}

/// The most memory that was in use since [`forget_peak`], KiB.
pub fn peak_kib() -> Option<u64> {
    peak_kib_of("self")
}

/// The most memory that another process had in use, KiB.
pub fn peak_kib_of(process: &str) -> Option<u64> {
    status(process, "VmHWM:")
}

/// Lets the peak be what is in use now. Where that can't be done, it stays.
pub fn forget_peak() {
    let _ = std::fs::write("/proc/self/clear_refs", "5");
}

fn status(process: &str, field: &str) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(field))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}

/// The processor's model and how many of its cores there are for us.
pub fn machine() -> String {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let model = model.map_or("processor of unknown model", |(_, model)| model.trim());
    format!("{model}, {cores} {}", if cores == 1 { "core" } else { "cores" })
}

/// All memory of the machine, MiB.
pub fn memory_mib() -> Option<u64> {
    let info = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = info.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    line.split_ascii_whitespace().next()?.parse().ok().map(|kib: u64| kib / 1024)
}

/// The release of the kernel.
pub fn kernel() -> Option<String> {
    std::fs::read_to_string("/proc/sys/kernel/osrelease").ok().map(|text| text.trim().to_owned())
}

/// Wall and processor time at one moment.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    wall: Instant,
    cpu: Option<Duration>,
}

impl Moment {
    /// Now.
    pub fn now() -> Moment {
        Moment::of("self")
    }

    /// Now, with the processor time of another process.
    pub fn of(process: &str) -> Moment {
        Moment { wall: Instant::now(), cpu: cpu_of(process) }
    }

    /// The rate at which `observations` were done from here to `end`.
    pub fn rate_to(&self, end: Moment, observations: u64) -> super::Rate {
        let cpu = end.cpu.zip(self.cpu).map_or(Duration::ZERO, |(end, start)| end.saturating_sub(start));
        super::Rate {
            observations,
            wall_s: end.wall.saturating_duration_since(self.wall).as_secs_f64(),
            cpu_s: cpu.as_secs_f64(),
        }
    }
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use super::*;

    #[test]
    fn work_shows_in_processor_time_and_memory_in_the_peak() {
        let before = cpu().unwrap();
        let mut sum = 0u64;
        while cpu().unwrap() - before < Duration::from_millis(20) {
            sum = (0..100_000u64).fold(sum, |sum, n| std::hint::black_box(sum.wrapping_mul(31) + n));
        }
        let held = std::hint::black_box(vec![1u8; 64 << 20]);
        assert!(peak_kib().unwrap() >= 64 << 10 && resident_kib().unwrap() >= 64 << 10);
        drop(held);
        assert!(machine().contains("core") && memory_mib().unwrap() > 64);
        assert!(kernel().unwrap().starts_with(|first: char| first.is_ascii_digit()));
    }
}
