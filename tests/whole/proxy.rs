//! A bad line between the program and the broker: connections that are cut, refused, slow, narrow, or dead without a word.
//!
//! The broker has a listener that says of itself to be where the proxy is, so who comes in by the proxy stays on it.

use super::records::PATIENCE;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Bytes that are taken at once.
const PIECE_BYTES: usize = 16 * 1024;
/// Pieces on their way in one direction; then reading waits.
const MAX_PIECES: usize = 256;

/// What the line is like.
#[derive(Default)]
struct Line {
    delay: Duration,
    /// Bytes a second in each direction of each connection; `None`: all there is.
    band: Option<f64>,
    is_held: bool,
    /// So many connections that come next are closed at once.
    refuses: u32,
    /// Pieces that were passed on.
    pieces: u64,
    connections: Vec<Arc<Connection>>,
}

/// A connection and its other half.
struct Connection {
    ends: [TcpStream; 2],
    is_cut: AtomicBool,
    /// Nothing passes any more, and nobody says so.
    is_dead: AtomicBool,
}

impl Connection {
    fn cut(&self) {
        self.is_cut.store(true, Ordering::Release);
        for end in &self.ends {
            // It fails only when the other side was faster.
            let _ = end.shutdown(Shutdown::Both);
        }
    }
}

#[derive(Default)]
struct Shared {
    line: Mutex<Line>,
    changed: Condvar,
}

impl Shared {
    fn line(&self) -> MutexGuard<'_, Line> {
        // Each change is one assignment.
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A proxy. It lives as long as the tests do.
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
}

impl Proxy {
    /// A proxy in front of a port of 127.0.0.1, through which everything passes for now.
    pub fn before(port: u16) -> std::io::Result<Proxy> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let proxy = Proxy { address: listener.local_addr()?, shared: Arc::default() };
        let shared = proxy.shared.clone();
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let mut line = shared.line();
                let is_refused = line.refuses > 0;
                line.refuses = line.refuses.saturating_sub(1);
                drop(line);
                shared.changed.notify_all();
                if !is_refused && let Ok(server) = TcpStream::connect(("127.0.0.1", port)) {
                    connect(&shared, [client, server]);
                }
            }
        });
        Ok(proxy)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Cuts all connections that there are.
    pub fn cut(&self) {
        self.shared.line().connections.drain(..).for_each(|connection| connection.cut());
        self.shared.changed.notify_all();
    }

    /// Closes so many of the connections that come next at once.
    pub fn refuse(&self, refuses: u32) {
        self.change(|line| line.refuses = refuses);
    }

    /// Waits until as many as were to be refused have been.
    pub fn await_refused(&self) {
        self.await_line(|line| line.refuses == 0);
    }

    /// Waits until so many more pieces have been passed on.
    pub fn await_pieces(&self, pieces: u64) {
        let from = self.shared.line().pieces;
        self.await_line(|line| line.pieces >= from + pieces);
    }

    fn await_line(&self, is_so: impl Fn(&Line) -> bool) {
        let line = self.shared.line();
        let waited = self.shared.changed.wait_timeout_while(line, PATIENCE, |line| !is_so(line));
        assert!(!waited.expect("no panic while held").1.timed_out(), "nobody came");
    }

    /// How long each byte takes, each way.
    pub fn delay(&self, delay: Duration) {
        self.change(|line| line.delay = delay);
    }

    /// How many bytes a second pass each way of each connection.
    pub fn narrow(&self, band: Option<f64>) {
        self.change(|line| line.band = band);
    }

    /// Whether everything is held up, without a word; what is held up passes later.
    pub fn hold(&self, is_held: bool) {
        self.change(|line| line.is_held = is_held);
    }

    /// Lets the connections that there are die without a word: they stay open, and nothing passes ever again.
    pub fn lose(&self) {
        self.change(|line| line.connections.iter().for_each(|it| it.is_dead.store(true, Ordering::Release)));
    }

    fn change(&self, change: impl FnOnce(&mut Line)) {
        change(&mut self.shared.line());
        self.shared.changed.notify_all();
    }
}

fn connect(shared: &Arc<Shared>, ends: [TcpStream; 2]) {
    let halves = || -> std::io::Result<[TcpStream; 4]> {
        ends.iter().try_for_each(|end| end.set_nodelay(true))?;
        let [client, server] = &ends;
        Ok([client.try_clone()?, server.try_clone()?, server.try_clone()?, client.try_clone()?])
    };
    let Ok([from_client, to_server, from_server, to_client]) = halves() else { return };
    let connection = Arc::new(Connection { ends, is_cut: AtomicBool::new(false), is_dead: AtomicBool::new(false) });
    shared.line().connections.push(connection.clone());
    for (from, to) in [(from_client, to_server), (from_server, to_client)] {
        let (give, take) = sync_channel(MAX_PIECES);
        let (shared, connection) = (shared.clone(), connection.clone());
        std::thread::spawn(move || gather(from, &give));
        std::thread::spawn(move || {
            pass_on(to, &take, &shared, &connection);
            connection.cut();
            shared.line().connections.retain(|it| !Arc::ptr_eq(it, &connection));
        });
    }
}

type Piece = (Instant, Vec<u8>);

/// Takes what comes, and when it came.
fn gather(mut from: TcpStream, give: &SyncSender<Piece>) {
    let mut bytes = vec![0; PIECE_BYTES];
    while let Ok(count @ 1..) = from.read(&mut bytes) {
        if give.send((Instant::now(), bytes[..count].to_vec())).is_err() {
            return;
        }
    }
}

/// Passes pieces on when it is time.
fn pass_on(mut to: TcpStream, take: &Receiver<Piece>, shared: &Shared, connection: &Connection) {
    let mut free_at = Instant::now();
    while let Ok((came, bytes)) = take.recv() {
        let mut line = shared.line();
        loop {
            let (now, due) = (Instant::now(), free_at.max(came + line.delay));
            if connection.is_cut.load(Ordering::Acquire) {
                return;
            }
            let is_stuck = line.is_held || connection.is_dead.load(Ordering::Acquire);
            if !is_stuck && now >= due {
                line.pieces += 1;
                shared.changed.notify_all();
                break;
            }
            let wait = if is_stuck { Duration::from_secs(60) } else { due - now };
            line = shared.changed.wait_timeout(line, wait).unwrap_or_else(PoisonError::into_inner).0;
        }
        let takes = line.band.map_or(Duration::ZERO, |band| Duration::from_secs_f64(bytes.len() as f64 / band));
        drop(line);
        free_at = Instant::now() + takes;
        if to.write_all(&bytes).is_err() {
            return;
        }
    }
}
