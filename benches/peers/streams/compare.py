#!/usr/bin/env python3
"""truceline, Kafka Streams and Flink on the same topics of a real broker, in turn.

Builds the two peers with Maven (Java 17), starts a broker of its own on this machine unless --brokers names one, and has
`truceline bench peers` do the measuring, to which all that follows after -- is handed on. README.md says what the peers do
and how they are set.
"""

import argparse
import contextlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parent.parent.parent
BROKER = REPOSITORY / "tests" / "whole" / "pom.xml"
EXAMPLES = """examples:
  python3 compare.py                                     a million records of each mix, some twenty minutes
  python3 compare.py --records 4000000 --runs 3          the real thing
  python3 compare.py --mix quiet --records 200000 --for 15s --peers flink
  python3 compare.py --brokers broker:9092 -- --nodes 5000 --seed 7
"""
# Both have the heap they need and no more; the parallel collector, which costs the least processor time.
JAVA = ["java", "-XX:+UseParallelGC", "-Xmx1g"]
# Flink reaches into the platform's collections; its own scripts open these for it as well.
OPENS = [f"--add-opens=java.base/java.{package}=ALL-UNNAMED" for package in ("util", "lang", "time", "nio")]
PEERS = {
    "kafka-streams": [*JAVA, "-cp", "{classpath}", "truceline.peers.StreamsJob"],
    "flink": [*JAVA, *OPENS, "-cp", "{classpath}", "truceline.peers.FlinkJob"],
}
START_PATIENCE_S = 120
PROPERTIES = """process.roles=broker,controller
node.id=1
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
controller.quorum.bootstrap.servers=127.0.0.1:{controller}
log.dirs={data}
auto.create.topics.enable=false
num.partitions=4
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
"""
LOGGING = """<Configuration>
  <Appenders><Console name="out"><PatternLayout pattern="%d %p %c{1}: %m%n"/></Console></Appenders>
  <Loggers><Root level="WARN"><AppenderRef ref="out"/></Root></Loggers>
</Configuration>
"""


def arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    release = REPOSITORY / "target" / "release" / "truceline"
    parser.add_argument("--truceline", type=Path, default=release, metavar="PATH")
    parser.add_argument("--brokers", metavar="HOST:PORT,…", help="a broker that runs already, in place of one of its own")
    parser.add_argument("--peers", default=",".join(PEERS), metavar="NAME,…", help=f"default: {','.join(PEERS)}")
    parser.add_argument("--mix", default="quiet,mixed,barrage", metavar="MIX,…")
    parser.add_argument("--records", type=int, default=1_000_000, metavar="N")
    parser.add_argument("--runs", type=int, default=1, metavar="N", help="how often each reads all; tables have medians")
    parser.add_argument("--for", dest="duration", default="30s", metavar="TIME", help="how long to publish for a latency")
    parser.add_argument("--out", type=Path, default=Path("compared"), metavar="DIR")
    parser.add_argument("more", nargs="*", metavar="-- ARGUMENT", help="handed on to truceline bench peers")
    args = parser.parse_args()
    args.peers = [name for name in args.peers.split(",") if name]
    for name in args.peers:
        if name not in PEERS:
            parser.error(f"there is no peer {name!r}; there are {', '.join(PEERS)}")
    if not os.access(args.truceline, os.X_OK):
        parser.error(f"{args.truceline} is not a program: build it (cargo build --release) or give --truceline PATH")
    for program in ("java", "mvn"):
        if shutil.which(program) is None:
            parser.error(f"{program} is not found; it takes Java 17 or newer and Maven")
    return args


def say(text):
    print(text, file=sys.stderr, flush=True)


def run(command, **how):
    subprocess.run([str(part) for part in command], check=True, **how)


def build():
    say("building the peers")
    run(["mvn", "-q", "-B", "-f", HERE / "pom.xml", "package", "dependency:copy-dependencies"], stdout=sys.stderr)


def peer(name):
    target = HERE / name / "target"
    classpath = f"{target / 'classes'}:{target / 'dependency'}/*"
    words = [word.format(classpath=classpath) for word in PEERS[name]]
    return f"{name}=" + " ".join(f"'{word}'" for word in words)


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@contextlib.contextmanager
def broker():
    """A broker that lasts as long as the block; gives its address."""
    with tempfile.TemporaryDirectory(prefix="truceline-peers-") as at:
        at = Path(at)
        say("fetching and starting a broker")
        paths = at / "classpath.txt"
        find = ["mvn", "-q", "-B", "-f", BROKER, "dependency:build-classpath", f"-Dmdep.outputFile={paths}"]
        run(find, stdout=sys.stderr)
        port, controller = free_port(), free_port()
        (at / "server.properties").write_text(PROPERTIES.format(port=port, controller=controller, data=at / "data"))
        (at / "log4j2.xml").write_text(LOGGING)
        java = ["java", "-Xmx1G", f"-Dlog4j2.configurationFile={at / 'log4j2.xml'}", f"-Dkafka.logs.dir={at}"]
        java += ["-cp", paths.read_text().strip()]
        storage = ["kafka.tools.StorageTool", "format", "-t", "dHJ1Y2VsaW5lLXBlZXJzIQ", "--standalone", "-c"]
        run([*java, *storage, at / "server.properties"], stdout=subprocess.DEVNULL)
        with open(at / "broker.log", "wb") as log:
            process = subprocess.Popen([*java, "kafka.Kafka", str(at / "server.properties")], stdout=log, stderr=log)
        try:
            await_port(process, port, at / "broker.log")
            yield f"127.0.0.1:{port}"
        finally:
            process.terminate()
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def await_port(process, port, log):
    deadline = time.monotonic() + START_PATIENCE_S
    while True:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        if process.poll() is not None or time.monotonic() > deadline:
            tail = log.read_text(errors="replace").splitlines()[-10:]
            raise SystemExit("the broker did not start:\n" + "\n".join(tail))
        time.sleep(0.1)


def main():
    args = arguments()
    build()
    with contextlib.ExitStack() as until:
        brokers = args.brokers or until.enter_context(broker())
        command = [args.truceline, "bench", "peers", "--set", f"kafka.brokers={brokers}", "--mix", args.mix]
        command += ["--records", args.records, "--runs", args.runs, "--for", args.duration, "--out", args.out]
        for name in args.peers:
            command += ["--peer", peer(name)]
        code = subprocess.run([str(part) for part in command + args.more]).returncode
    sys.exit(code)


if __name__ == "__main__":
    main()
