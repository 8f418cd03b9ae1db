//! The program under test, run as a user would: a configuration file, arguments, signals, its log.

use super::broker::Broker;
use super::records::{PATIENCE, fresh};
use super::truceline_binary;
use rdkafka::admin::{AdminClient, AdminOptions, AlterConfig, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::client::DefaultClientContext;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Instant;
use truceline::model::time::Timestamp;

/// The keys of all topics below `kafka.topics`.
const TOPICS: [&str; 13] = [
    "sensors",
    "patrols",
    "reference_sensors",
    "reference_areas",
    "reference_notices",
    "decisions",
    "violations",
    "current",
    "escalations",
    "rejected",
    "daily",
    "state",
    "by_region",
];

/// Topics, a group, a configuration file and an archive that no other test has.
pub struct Site {
    name: String,
    directory: tempfile::TempDir,
}

impl Site {
    /// A site at the broker; its topics are not made yet.
    pub fn new(broker: &Broker, name: &str) -> Site {
        Site::at(&broker.bootstrap(), name)
    }

    /// A site at an address.
    pub fn at(bootstrap: &str, name: &str) -> Site {
        let name = fresh(name);
        let directory = tempfile::tempdir().expect("a directory");
        let archive = directory.path().join("archive");
        let mut text = format!(
            "[kafka]\nbrokers = \"{bootstrap}\"\ngroup = \"{name}\"\nsession_timeout_ms = 3000\nanswer_timeout_ms = 5000\n\
             checkpoint_dir = \"\"\n[output]\narchive_dir = \"{}\"\nrates_every_s = 0.1\n[log]\ncolour = \"never\"\n[kafka.topics]\n",
            archive.display()
        );
        for key in TOPICS {
            let _ = writeln!(text, "{key} = \"{name}.{key}\"");
        }
        std::fs::write(directory.path().join("truceline.toml"), text).expect("written");
        Site { name, directory }
    }

    /// The name of a topic by its key.
    pub fn topic(&self, key: &str) -> String {
        assert!(TOPICS.contains(&key), "no topic is called {key}");
        format!("{}.{key}", self.name)
    }

    /// Its consumer group.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The configuration file.
    pub fn config(&self) -> PathBuf {
        self.directory.path().join("truceline.toml")
    }

    /// The archive's root.
    pub fn archive(&self) -> PathBuf {
        self.directory.path().join("archive")
    }

    /// Makes its topics, all at once, as an operator would. `largest_bytes` is their largest record.
    pub fn create_topics(&self, broker: &Broker, largest_bytes: u32) {
        let admin: AdminClient<DefaultClientContext> = broker.client().create().expect("an admin client");
        let names = TOPICS.map(|key| self.topic(key));
        let largest = largest_bytes.to_string();
        let new: Vec<NewTopic<'_>> = names
            .iter()
            .map(|name| NewTopic::new(name, 4, TopicReplication::Fixed(1)).set("max.message.bytes", &largest))
            .collect();
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let made = runtime.block_on(admin.create_topics(&new, &AdminOptions::new())).expect("an answer");
        assert!(made.iter().all(Result::is_ok), "{made:?}");
        broker.await_topics(&names, 4);
    }

    /// Sets the largest batch of records that one of its topics takes.
    pub fn limit(&self, broker: &Broker, key: &str, largest_bytes: u32) {
        self.set(broker, key, "max.message.bytes", &largest_bytes.to_string());
    }

    /// Sets a property of one of its topics; all others get their defaults.
    pub fn set(&self, broker: &Broker, key: &str, property: &str, value: &str) {
        let admin: AdminClient<DefaultClientContext> = broker.client().create().expect("an admin client");
        let topic = self.topic(key);
        let wish = AlterConfig::new(ResourceSpecifier::Topic(&topic)).set(property, value);
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let done = runtime.block_on(admin.alter_configs([&wish], &AdminOptions::new())).expect("an answer");
        assert!(done.iter().all(Result::is_ok), "{done:?}");
    }

    /// The arguments of a command with this site's configuration.
    pub fn arguments(&self, command: &[&str]) -> Vec<String> {
        let config = self.config().display().to_string();
        command.iter().copied().chain(["--config", &config]).map(str::to_owned).collect()
    }

    /// Starts `truceline run` here.
    pub fn run(&self, more: &[&str]) -> Program {
        Program::start(&self.arguments(&[&["run"], more].concat()), |_| {})
    }
}

/// How a program ended.
#[derive(Debug)]
pub struct Ended {
    /// Its exit code; `None` when a signal ended it.
    pub code: Option<i32>,
    /// All it wrote.
    pub said: String,
}

/// A program that runs. It is killed when this is dropped.
pub struct Program {
    child: Child,
    log: Arc<Log>,
    reader: Option<std::thread::JoinHandle<()>>,
}

#[derive(Default)]
struct Log {
    lines: Mutex<(Vec<String>, bool)>,
    changed: Condvar,
}

impl Program {
    /// Starts it where no file may grow beyond 4 KiB: writing fails as it does on a full disk, until there is room again.
    pub fn start_on_full_disk(arguments: &[String]) -> Program {
        const ROOM_BYTES: libc::rlim_t = 4_096;
        Program::start(arguments, |command| {
            // SAFETY: `signal` and `prlimit` are async-signal-safe, and their arguments live through the calls.
            unsafe {
                command.pre_exec(|| {
                    libc::signal(libc::SIGXFSZ, libc::SIG_IGN);
                    limit_files(0, ROOM_BYTES)
                });
            }
        })
    }

    /// There is room on its disk again.
    pub fn make_room(&self) {
        limit_files(self.pid(), libc::RLIM_INFINITY).expect("room again");
    }

    /// Starts it. `prepare` may change how.
    pub fn start(arguments: &[String], prepare: impl FnOnce(&mut Command)) -> Program {
        let mut command = Command::new(truceline_binary());
        command.args(arguments).env_remove("TRUCELINE_LOG").env_remove("TRUCELINE_CONFIG");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        // SAFETY: `prctl` is async-signal-safe. It ends with the tests, should these be killed.
        unsafe {
            command.pre_exec(|| match libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) {
                0 => Ok(()),
                _ => Err(std::io::Error::last_os_error()),
            });
        }
        prepare(&mut command);
        let mut child = command.spawn().expect("the program");
        let errors = child.stderr.take().expect("its standard error");
        let log = Arc::new(Log::default());
        let to = Arc::clone(&log);
        let reader = std::thread::spawn(move || {
            for line in BufReader::new(errors).lines() {
                let Ok(line) = line else { break };
                to.lines.lock().expect("no panic while held").0.push(line);
                to.changed.notify_all();
            }
            to.lines.lock().expect("no panic while held").1 = true;
            to.changed.notify_all();
        });
        Program { child, log, reader: Some(reader) }
    }

    /// Runs it until it ends by itself, and gives all it wrote.
    pub fn run_to_end(arguments: &[String]) -> Ended {
        let mut out = tempfile::tempfile().expect("a file");
        let mut program = Program::start(arguments, |command| {
            command.stdout(out.try_clone().expect("a file"));
        });
        let mut ended = program.wait();
        std::io::Seek::rewind(&mut out).expect("a file");
        out.read_to_string(&mut ended.said).expect("text");
        ended
    }

    /// Waits until a line of its log that came after the first `from` lines pleases; gives the number of lines up to
    /// and with it. Fails when the program ends before.
    pub fn await_line(&self, from: usize, what: &str, mut pleases: impl FnMut(&str) -> bool) -> usize {
        let deadline = Instant::now() + PATIENCE;
        let mut seen = from;
        let mut state = self.log.lines.lock().expect("no panic while held");
        loop {
            while seen < state.0.len() {
                seen += 1;
                if pleases(&state.0[seen - 1]) {
                    return seen;
                }
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if state.1 || left.is_zero() {
                let ended = if state.1 { "it ended" } else { "time is up" };
                panic!("waited in vain for {what}, {ended}: {:#?}", tail(&state.0));
            }
            state = self.log.changed.wait_timeout(state, left).expect("no panic while held").0;
        }
    }

    /// Waits until it has read all there is and event time is past `time_ns`.
    pub fn await_event_time(&self, from: usize, time_ns: i64) -> usize {
        let past = Timestamp(time_ns);
        self.await_line(from, &format!("event time {past}"), |line| {
            field(line, "lag").as_deref() == Some("0") && watermark(line).is_some_and(|watermark| watermark >= past)
        })
    }

    /// Waits until it has read more than it had.
    pub fn await_more(&self) -> usize {
        let observations = |line: &str| field(line, "observations");
        let so_far = self.log().lines().rev().find_map(observations);
        self.await_line(self.lines(), "more", |line| observations(line).is_some_and(|now| Some(now) != so_far))
    }

    /// How many lines its log has.
    pub fn lines(&self) -> usize {
        self.log.lines.lock().expect("no panic while held").0.len()
    }

    /// Its log.
    pub fn log(&self) -> String {
        self.log.lines.lock().expect("no panic while held").0.join("\n")
    }

    /// Its process.
    pub fn pid(&self) -> libc::pid_t {
        self.child.id() as libc::pid_t
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("its state").is_none()
    }

    /// Waits until it ends by itself, and tells how.
    pub fn await_end(mut self) -> Ended {
        self.wait()
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: libc::c_int) {
        // SAFETY: plain system call on a child that was not waited for.
        let sent = unsafe { libc::kill(self.pid(), signal) };
        assert_eq!(sent, 0, "signal {signal}");
    }

    /// Ends it as a crash would.
    pub fn crash(mut self) -> String {
        self.child.kill().expect("killed");
        self.wait().said
    }

    /// Asks it to finish by SIGTERM, and waits until it has.
    pub fn terminate(mut self) -> Ended {
        self.signal(libc::SIGTERM);
        self.wait()
    }

    fn wait(&mut self) -> Ended {
        // Its standard error closes when it ends.
        let mut state = self.log.lines.lock().expect("no panic while held");
        let deadline = Instant::now() + PATIENCE;
        while !state.1 {
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "it does not end: {:#?}", tail(&state.0));
            state = self.log.changed.wait_timeout(state, left).expect("no panic while held").0;
        }
        let said = state.0.join("\n");
        drop(state);
        let code = self.child.wait().expect("its end").code();
        if let Some(reader) = self.reader.take() {
            reader.join().expect("the log's reader");
        }
        assert!(!said.contains("panicked"), "{said}");
        Ended { code, said }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // Both fail only when it is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The event time that a line of the log tells.
pub fn watermark(line: &str) -> Option<Timestamp> {
    serde_json::from_value(field(line, "watermark")?.into()).ok()
}

/// The value of a field in a line of the log.
pub fn field(line: &str, name: &str) -> Option<String> {
    let start = line.find(&format!(" {name}="))? + name.len() + 2;
    let value = line[start..].split(' ').next()?;
    Some(value.trim_matches('"').to_owned())
}

/// The last lines but for how it goes, and the last of all.
fn tail(lines: &[String]) -> Vec<&String> {
    let mut words: Vec<&String> = lines.iter().rev().skip(1).filter(|line| !line.contains("so far")).take(12).collect();
    words.reverse();
    words.into_iter().chain(lines.last()).collect()
}

/// Lets a process (0: this one) write files of that size, and raise the limit again.
pub fn limit_files(pid: libc::pid_t, bytes: libc::rlim_t) -> std::io::Result<()> {
    let limit = libc::rlimit { rlim_cur: bytes, rlim_max: libc::RLIM_INFINITY };
    // SAFETY: the limit lives through the call, and nothing is asked to be written back.
    match unsafe { libc::prlimit(pid, libc::RLIMIT_FSIZE, &limit, std::ptr::null_mut()) } {
        0 => Ok(()),
        _ => Err(std::io::Error::last_os_error()),
    }
}
