//! One real Kafka broker for the whole run: KRaft, broker and controller in one, from Maven's jars.
//!
//! It listens on a free port of 127.0.0.1 and keeps its data in a directory that goes with it. It can be killed and
//! started again on the same port and directory. It never outlives the tests: it is killed when [`Broker`] is dropped, and
//! by the kernel should the test process itself be killed.
//!
//! Beside the plain listener, on which everybody may do everything, there is one behind a [`Proxy`], and one for
//! [`GUARDED_USER`], who may do what [`Broker::acl`] has allowed.

use super::proxy::Proxy;
use rdkafka::admin::{AdminClient, AdminOptions, NewPartitions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use std::fs::{self, File};
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};
use truceline::kafka::KafkaSettings;
use truceline::kafka::settings::Brokers;

/// How long a broker may take to start; on a busy machine it is slow.
const START_PATIENCE: Duration = Duration::from_secs(120);

/// Who logs in at the guarded listener, and by which password.
pub const GUARDED_USER: (&str, &str) = ("watcher", "hush");

/// The broker of this test run.
pub struct Broker {
    directory: tempfile::TempDir,
    classpath: String,
    port: u16,
    guarded: u16,
    proxy: Proxy,
    child: Mutex<Option<Child>>,
}

impl Broker {
    /// What is missing on this machine to run a broker, if anything.
    pub fn missing() -> Option<String> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let found = |name: &str| std::env::split_paths(&path).any(|directory| directory.join(name).is_file());
        let missing: Vec<&str> = ["java", "mvn"].into_iter().filter(|name| !found(name)).collect();
        (!missing.is_empty()).then(|| format!("{} not found", missing.join(" and ")))
    }

    /// Starts a broker and waits until it answers. The first time the jars are fetched.
    pub fn start() -> Result<Broker, String> {
        let classpath = classpath()?;
        let directory = tempfile::tempdir().map_err(|error| error.to_string())?;
        let ports =
            Ports { plain: free_port()?, controller: free_port()?, hidden: free_port()?, guarded: free_port()? };
        let proxy = Proxy::before(ports.hidden).map_err(|error| error.to_string())?;
        let at = directory.path();
        let properties = properties(at, &ports, proxy.address().port());
        fs::write(at.join("server.properties"), properties).map_err(|error| error.to_string())?;
        fs::write(at.join("log4j2.yaml"), LOGGING).map_err(|error| error.to_string())?;
        let Ports { plain: port, guarded, .. } = ports;
        let broker = Broker { directory, classpath, port, guarded, proxy, child: Mutex::new(None) };
        let formatted = broker
            .java()
            .args(["kafka.tools.StorageTool", "format", "-t", "dHJ1Y2VsaW5lLXRlc3RzIQ", "--standalone", "-c"])
            .arg(broker.directory.path().join("server.properties"))
            .output()
            .map_err(|error| error.to_string())?;
        if !formatted.status.success() {
            return Err(format!("formatting failed: {}", String::from_utf8_lossy(&formatted.stderr)));
        }
        broker.restart()?;
        Ok(broker)
    }

    /// Its address.
    pub fn bootstrap(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// What its second listener is behind.
    pub fn proxy(&self) -> &Proxy {
        &self.proxy
    }

    /// The address at which [`GUARDED_USER`] logs in.
    pub fn guarded(&self) -> String {
        format!("127.0.0.1:{}", self.guarded)
    }

    /// Changes what [`GUARDED_USER`] may do, as an administrator would with `kafka-acls`; gives what that prints.
    pub fn acl(&self, arguments: &[&str]) -> String {
        let mut java = self.java();
        java.args(["org.apache.kafka.tools.AclCommand", "--bootstrap-server", &self.bootstrap()]).args(arguments);
        let done = java.output().expect("a Java program");
        assert!(done.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8_lossy(&done.stdout).into_owned()
    }

    /// Denies a right to that principal; when it returns, the broker goes by it. The command itself returns when the
    /// controller has been told, and what is written until the broker has heard of it still goes through.
    pub fn deny(&self, principal: &str, operation: &str, resource: &[&str]) {
        self.acl(&[&["--add", "--deny-principal", principal, "--operation", operation], resource].concat());
        while !self.acl(&[&["--list"], resource].concat()).contains("permissionType=DENY") {}
    }

    /// Takes that back.
    pub fn deny_no_more(&self, principal: &str, operation: &str, resource: &[&str]) {
        let denied = ["--remove", "--force", "--deny-principal", principal, "--operation", operation];
        self.acl(&[&denied, resource].concat());
    }

    /// Takes so many bytes a second from the program's writers, or, with `None`, as many as come.
    pub fn throttle(&self, bytes_a_second: Option<u32>) {
        const QUOTA: &str = "producer_byte_rate";
        let mut java = self.java();
        java.args(["kafka.admin.ConfigCommand", "--bootstrap-server", &self.bootstrap(), "--alter"]);
        java.args(["--entity-type", "clients", "--entity-name", "truceline"]);
        match bytes_a_second {
            Some(rate) => java.args(["--add-config", &format!("{QUOTA}={rate}")]),
            None => java.args(["--delete-config", QUOTA]),
        };
        let done = java.output().expect("a Java program");
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    }

    /// Lets it write files of that size at most; beyond, writing fails as on a disk that is broken.
    pub fn limit_files(&self, bytes: libc::rlim_t) {
        let pid = self.child.lock().expect("no panic while held").as_ref().expect("it runs").id();
        super::program::limit_files(pid as libc::pid_t, bytes).expect("a limit");
    }

    /// Waits until it has ended by itself.
    pub fn await_end(&self) {
        let mut child = self.child.lock().expect("no panic while held").take().expect("it runs");
        child.wait().expect("its end");
    }

    /// Asks it as an administrator.
    pub fn administer<T>(&self, ask: impl AsyncFnOnce(&AdminClient<DefaultClientContext>, &AdminOptions) -> T) -> T {
        let admin: AdminClient<DefaultClientContext> = self.client().create().expect("an admin client");
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        runtime.block_on(ask(&admin, &AdminOptions::new()))
    }

    /// Deletes a topic and waits until it is gone.
    pub fn delete_topic(&self, name: &str) {
        let done = self.administer(async |admin, options| admin.delete_topics(&[name], options).await);
        assert!(done.expect("an answer").iter().all(Result::is_ok), "{name}");
        let probe: BaseConsumer = self.client().create().expect("a client");
        let started = Instant::now();
        let is_there = || {
            let found = probe.fetch_metadata(None, Duration::from_secs(10)).expect("metadata");
            found.topics().iter().any(|topic| topic.name() == name)
        };
        while is_there() {
            assert!(started.elapsed() < START_PATIENCE, "topic {name} stays");
        }
    }

    /// Adds partitions to a topic, so that there are so many.
    pub fn add_partitions(&self, name: &str, partitions: usize) {
        let wish = [NewPartitions::new(name, partitions)];
        let done = self.administer(async |admin, options| admin.create_partitions(&wish, options).await);
        assert!(done.expect("an answer").iter().all(Result::is_ok), "{name}");
        self.await_topics(&[name.to_owned()], partitions as i32);
    }

    /// Deletes all records of a topic that are there now, as retention would.
    pub fn delete_records(&self, name: &str) {
        let probe: BaseConsumer = self.client().create().expect("a client");
        let found = probe.fetch_metadata(Some(name), Duration::from_secs(10)).expect("metadata");
        let mut ends = TopicPartitionList::new();
        for partition in found.topics()[0].partitions() {
            ends.add_partition_offset(name, partition.id(), Offset::End).expect("an offset");
        }
        let done = self.administer(async |admin, options| admin.delete_records(&ends, options).await);
        assert!(done.expect("an answer").elements().iter().all(|it| it.error().is_ok()), "{name}");
    }

    /// The product's settings for it, with a group of this name.
    pub fn settings(&self, group: &str) -> KafkaSettings {
        KafkaSettings {
            brokers: Brokers::parse(&self.bootstrap()),
            group: group.to_owned(),
            ..KafkaSettings::default()
        }
    }

    /// A plain client's configuration for it.
    pub fn client(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", self.bootstrap());
        config
    }

    /// Makes a topic and waits until it has its leaders.
    pub fn create_topic(&self, name: &str, partitions: i32) {
        let admin: AdminClient<DefaultClientContext> = self.client().create().expect("an admin client");
        let new = NewTopic::new(name, partitions, TopicReplication::Fixed(1));
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let made = runtime.block_on(admin.create_topics(&[new], &AdminOptions::new())).expect("an answer");
        assert!(made.iter().all(Result::is_ok), "{made:?}");
        self.await_topics(&[name.to_owned()], partitions);
    }

    /// Waits until topics have their leaders.
    pub fn await_topics(&self, names: &[String], partitions: i32) {
        let probe: BaseConsumer = self.client().create().expect("a client");
        let started = Instant::now();
        loop {
            let found = probe.fetch_metadata(None, Duration::from_secs(10)).expect("metadata");
            let shows = |name: &String| {
                found.topics().iter().any(|topic| {
                    topic.name() == name
                        && topic.partitions().len() == partitions as usize
                        && topic.partitions().iter().all(|part| part.leader() >= 0)
                })
            };
            if names.iter().all(shows) {
                return;
            }
            assert!(started.elapsed() < START_PATIENCE, "topics {names:?} do not show");
            std::thread::yield_now();
        }
    }

    /// Stops it in whatever it does, or lets it go on.
    pub fn signal(&self, signal: libc::c_int) {
        if let Some(child) = self.child.lock().expect("no panic while held").as_ref() {
            // SAFETY: plain system call on a child that was not waited for.
            let sent = unsafe { libc::kill(child.id() as libc::pid_t, signal) };
            assert_eq!(sent, 0, "signal {signal}");
        }
    }

    /// Kills it as a crash would.
    pub fn kill(&self) {
        if let Some(mut child) = self.child.lock().expect("no panic while held").take() {
            // Both fail only when it is gone already.
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Starts it on the same port and data, and waits until it answers.
    pub fn restart(&self) -> Result<(), String> {
        self.kill();
        let log = self.directory.path().join("broker.log");
        let out = File::options().create(true).append(true).open(&log).map_err(|error| error.to_string())?;
        let mut java = self.java();
        java.args(["kafka.Kafka"])
            .arg(self.directory.path().join("server.properties"))
            .stdin(Stdio::null())
            .stdout(out.try_clone().map_err(|error| error.to_string())?)
            .stderr(out);
        // SAFETY: `prctl` is async-signal-safe, and nothing else is done between fork and exec.
        unsafe {
            java.pre_exec(|| match libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) {
                0 => Ok(()),
                _ => Err(std::io::Error::last_os_error()),
            });
        }
        let child = java.spawn().map_err(|error| error.to_string())?;
        *self.child.lock().expect("no panic while held") = Some(child);
        self.wait(&log)
    }

    /// Waits until it answers.
    fn wait(&self, log: &Path) -> Result<(), String> {
        let probe: BaseConsumer = self.client().set("log_level", "0").create().map_err(|error| error.to_string())?;
        let started = Instant::now();
        loop {
            if probe.fetch_metadata(None, Duration::from_millis(500)).is_ok_and(|found| !found.brokers().is_empty()) {
                return Ok(());
            }
            let ended = match self.child.lock().expect("no panic while held").as_mut() {
                Some(child) => child.try_wait().map_err(|error| error.to_string())?,
                None => return Err("killed while it started".to_owned()),
            };
            if ended.is_some() || started.elapsed() > START_PATIENCE {
                let text = fs::read_to_string(log).unwrap_or_default();
                let tail: Vec<&str> = text.lines().rev().take(5).collect();
                return Err(format!("the broker did not start ({ended:?}): {tail:?}"));
            }
        }
    }

    fn java(&self) -> Command {
        let at = self.directory.path();
        let mut java = Command::new("java");
        java.arg(format!("-Dlog4j2.configurationFile={}", at.join("log4j2.yaml").display()))
            .arg(format!("-Dkafka.logs.dir={}", at.display()))
            .args(["-Xmx1G", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", &self.classpath]);
        java
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.kill();
    }
}

fn free_port() -> Result<u16, String> {
    let listener = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    listener.map(|address| address.port()).map_err(|error| error.to_string())
}

/// The jars, as Maven resolves them; remembered as long as they and the list of them stay where they are.
fn classpath() -> Result<String, String> {
    let pom = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/whole/pom.xml");
    let remembered = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("kafka-classpath.txt");
    let age = |path: &Path| fs::metadata(path).and_then(|data| data.modified()).ok();
    if let Ok(text) = fs::read_to_string(&remembered)
        && age(&remembered) > age(&pom)
        && text.trim().split(':').all(|jar| Path::new(jar).is_file())
    {
        return Ok(text.trim().to_owned());
    }
    let resolved = Command::new("mvn")
        .args(["-q", "-B", "-f"])
        .arg(&pom)
        .arg("dependency:build-classpath")
        .arg(format!("-Dmdep.outputFile={}", remembered.display()))
        .output()
        .map_err(|error| format!("mvn: {error}"))?;
    if !resolved.status.success() {
        let said = String::from_utf8_lossy(&resolved.stdout).into_owned();
        let fault = said.lines().find(|line| line.contains("ERROR")).unwrap_or("no reason given").to_owned();
        return Err(format!("Maven could not fetch the broker's jars: {fault}"));
    }
    fs::read_to_string(&remembered).map(|text| text.trim().to_owned()).map_err(|error| error.to_string())
}

/// Where it listens.
struct Ports {
    plain: u16,
    controller: u16,
    /// Behind the proxy.
    hidden: u16,
    guarded: u16,
}

fn properties(directory: &Path, ports: &Ports, proxy: u16) -> String {
    let Ports { plain, controller, hidden, guarded } = ports;
    let (user, password) = GUARDED_USER;
    format!(
        "process.roles=broker,controller\n\
         node.id=1\n\
         listeners=PLAINTEXT://127.0.0.1:{plain},CONTROLLER://127.0.0.1:{controller},\
         PROXIED://127.0.0.1:{hidden},GUARDED://127.0.0.1:{guarded}\n\
         advertised.listeners=PLAINTEXT://127.0.0.1:{plain},\
         PROXIED://127.0.0.1:{proxy},GUARDED://127.0.0.1:{guarded}\n\
         listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,\
         PROXIED:PLAINTEXT,GUARDED:SASL_PLAINTEXT\n\
         sasl.enabled.mechanisms=PLAIN\n\
         listener.name.guarded.plain.sasl.jaas.config=\
         org.apache.kafka.common.security.plain.PlainLoginModule required user_{user}=\"{password}\";\n\
         authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer\n\
         super.users=User:ANONYMOUS\n\
         controller.listener.names=CONTROLLER\n\
         inter.broker.listener.name=PLAINTEXT\n\
         controller.quorum.bootstrap.servers=127.0.0.1:{controller}\n\
         log.dirs={}\n\
         auto.create.topics.enable=false\n\
         num.partitions=4\n\
         offsets.topic.replication.factor=1\n\
         offsets.topic.num.partitions=4\n\
         transaction.state.log.replication.factor=1\n\
         transaction.state.log.min.isr=1\n\
         transaction.state.log.num.partitions=4\n\
         share.coordinator.state.topic.replication.factor=1\n\
         share.coordinator.state.topic.min.isr=1\n\
         group.initial.rebalance.delay.ms=0\n\
         group.min.session.timeout.ms=1000\n",
        directory.join("data").display()
    )
}

const LOGGING: &str = "Configuration:
  Appenders:
    Console: { name: out, target: SYSTEM_OUT, PatternLayout: { pattern: \"%d %p %c{1}: %m%n\" } }
  Loggers:
    Root: { level: WARN, AppenderRef: [{ref: out}] }
";
