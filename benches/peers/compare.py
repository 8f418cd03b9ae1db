"""truceline and PyOcto on the same picks: precision, recall and picks a CPU second.

    python3 -m venv venv && venv/bin/pip install pyocto==0.2.2
    truceline=../../target/release/truceline
    venv/bin/python compare.py $truceline simulated sparse,hour,barrage --seeds 101 --rows rows.jsonl
    venv/bin/python compare.py $truceline recorded italy DIR --config amatrice.toml --rows rows.jsonl
    venv/bin/python compare.py $truceline table --rows rows.jsonl

`simulated` makes the scenes itself. `recorded` takes a directory with telemetry.ndjson and truth.ndjson as `truceline import`
writes them, and stations.geojson; `italy` and `ceus` name the search settings below. With --null SEED each station's picks
are first moved by an offset of its own, round the day: no event survives, so every event reported is false.

Both run on one thread. PyOcto's time is that of its call alone; truceline's is that of the whole replay, reading,
decoding and writing included. Both are scored here, by the same rule and not by `truceline score`: a simulated event is
found when |A∩B| / max(|A|,|B|) >= 0.6 on evidence, a recorded one within 3 s and 10 km; one to one, the best pair first.
"""

import argparse
import bisect
import json
import math
import os
import random
import resource
import subprocess
import tempfile
import time
from collections import defaultdict
from datetime import datetime, timedelta, timezone
from pathlib import Path

DAY_S = 86_400.0
SAME_EVIDENCE = 0.6
NEAR_S, NEAR_M = 3.0, 10_000.0
# Picks further apart than this are searched apart: recordings of many windows leave months between them.
GAP_S = 1_800.0

# What was chosen for PyOcto, after trying what RESULTS.md lists. Kilometres and seconds.
PYOCTO = {
    "simulated": dict(
        tolerance=0.3, cutoff=12.0, zlim=(0.0, 0.05), margin=0.0, time_before=45.0,
        settings=dict(
            n_picks=5, n_p_picks=5, n_s_picks=0, n_p_and_s_picks=0, pick_match_tolerance=0.7, min_node_size=1.0,
            min_node_size_location=0.02, min_interevent_time=0.5, time_slicing=300.0, min_pick_fraction=0.25,
        ),
    ),
    "italy": dict(
        tolerance=1.0, cutoff=100.0, zlim=(0.0, 30.0), margin=10.0, time_before=30.0,
        layers=[(0.0, 5.30, 2.75), (1.0, 5.65, 2.80), (5.0, 6.20, 3.40), (21.0, 6.21, 3.50), (31.0, 7.50, 4.00)],
        settings=dict(n_picks=7, n_p_picks=3, n_s_picks=2, n_p_and_s_picks=2, pick_match_tolerance=1.0),
    ),
    "ceus": dict(
        tolerance=2.0, cutoff=600.0, zlim=(0.0, 40.0), margin=100.0, time_before=200.0,
        # Crust and mantle under a continent, as in iasp91 (Kennett & Engdahl 1991).
        layers=[(0.0, 5.80, 3.36), (20.0, 6.50, 3.75), (35.0, 8.04, 4.47), (120.0, 8.05, 4.50)],
        settings=dict(
            n_picks=7, n_p_picks=7, n_s_picks=0, n_p_and_s_picks=0, pick_match_tolerance=2.5, min_node_size=20.0,
            min_node_size_location=3.0, min_interevent_time=10.0, min_pick_fraction=0.25,
        ),
    ),
}


def seconds(text):
    whole, _, fraction = text.rstrip("Z").partition(".")
    return datetime.fromisoformat(whole + "+00:00").timestamp() + float("0." + (fraction or "0"))


def rfc3339(time_s):
    at = datetime.fromtimestamp(0, timezone.utc) + timedelta(microseconds=round(time_s * 1e6))
    return at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def lines(path):
    with open(path) as file:
        return [json.loads(line) for line in file if line.strip()]


def distance_m(a, b):
    """Metres between two points (lon, lat) on a sphere."""
    (lon_a, lat_a), (lon_b, lat_b) = (map(math.radians, point) for point in (a, b))
    h = math.sin((lat_b - lat_a) / 2) ** 2 + math.cos(lat_a) * math.cos(lat_b) * math.sin((lon_b - lon_a) / 2) ** 2
    return 2 * 6_371_000.0 * math.asin(math.sqrt(h))


# What is compared: reports and events are dicts with `time`, `place` and `ids`.


def by_evidence(reports, events):
    of = defaultdict(list)
    for e, event in enumerate(events):
        for pick in event["ids"]:
            of[pick].append(e)
    for r, report in enumerate(reports):
        shared = defaultdict(int)
        for pick in report["ids"]:
            for e in of[pick]:
                shared[e] += 1
        for e, common in shared.items():
            agreement = common / max(len(report["ids"]), len(events[e]["ids"]))
            if agreement >= SAME_EVIDENCE - 1e-12:
                yield -agreement, r, e


def by_place(reports, events):
    order = sorted(range(len(events)), key=lambda e: events[e]["time"])
    times = [events[e]["time"] for e in order]
    for r, report in enumerate(reports):
        first = bisect.bisect_left(times, report["time"] - NEAR_S)
        for e in order[first : bisect.bisect_right(times, report["time"] + NEAR_S)]:
            apart_m = distance_m(report["place"], events[e]["place"])
            if apart_m <= NEAR_M:
                yield ((report["time"] - events[e]["time"]) / NEAR_S) ** 2 + (apart_m / NEAR_M) ** 2, r, e


def found(pairs):
    """How many pairs are left when each report and each event is in one at most."""
    reports, events = set(), set()
    for _, r, e in sorted(pairs):
        if r not in reports and e not in events:
            reports.add(r)
            events.add(e)
    return len(events)


# The two programs.


class Telemetry:
    def __init__(self, directory, sensors):
        self.sensors = Path(sensors)
        self.path = Path(directory) / "telemetry.ndjson"
        features = json.loads(self.sensors.read_text())["features"]
        self.nodes = {f["properties"]["node"]: f["geometry"]["coordinates"] for f in features if f["geometry"]}
        self.read()

    def read(self):
        self.picks, self.temperatures, seen = [], [], set()
        for row in lines(self.path):
            if row["kind"] == "status" and "temperature_c" in row:
                self.temperatures.append(row["temperature_c"])
            if row["kind"] not in ("acoustic", "seismic") or row["node"] not in self.nodes:
                continue
            if (row["node"], row["id"]) not in seen:
                seen.add((row["node"], row["id"]))
                self.picks.append((seconds(row["time"]), row["node"], row.get("phase", "P"), row["id"]))
        self.picks.sort()

    def cut(self, hours, directory):
        """Only the first so many hours."""
        rows = lines(self.path)
        end = min(seconds(row["time"]) for row in rows) + 3600.0 * hours
        short = Path(directory) / "telemetry.ndjson"
        kept = [row for row in rows if seconds(row["time"]) < end]
        short.write_text("".join(json.dumps(row, separators=(",", ":")) + "\n" for row in kept))
        self.path = short
        self.read()

    def sound_km_s(self):
        """What the nodes' own thermometers say."""
        mean_c = sum(self.temperatures) / max(len(self.temperatures), 1)
        return 20.05e-3 * math.sqrt(mean_c + 273.15)

    def shifted(self, seed, directory):
        """The same picks, each station's moved by its own offset round the day."""
        chance, offsets, rows = random.Random(seed), {}, []
        for row in lines(self.path):
            offset = offsets.setdefault(row["node"], chance.uniform(120.0, DAY_S - 120.0))
            at = seconds(row["time"])
            at = at // DAY_S * DAY_S + (at % DAY_S + offset) % DAY_S
            rows.append((at, dict(row, time=rfc3339(at))))
        rows.sort(key=lambda row: row[0])
        moved = Path(directory) / "telemetry.ndjson"
        moved.write_text("".join(json.dumps(row, separators=(",", ":")) + "\n" for _, row in rows))
        self.path = moved
        self.read()


def truceline(program, telemetry, out, extra):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [program, "replay", "--telemetry", telemetry.path, "--sensors", telemetry.sensors, "--no-archive", "--quiet"]
    subprocess.run([str(part) for part in [*command, "--out", out, *extra]], check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    last = {}
    for alert in lines(Path(out) / "alerts.ndjson"):
        properties = alert["properties"]
        if properties["revision"] >= last.get(properties["alert"], alert)["properties"]["revision"]:
            last[properties["alert"]] = alert
    reports = [
        dict(
            time=seconds(alert["properties"]["time"]),
            place=alert["geometry"]["coordinates"][:2],
            ids={evidence["id"] for evidence in alert["properties"]["evidence"]},
        )
        for alert in last.values()
        if alert["properties"]["class"].startswith("fire.")
        and alert["properties"]["status"] != "retracted"
        and alert["properties"]["probability"] >= 0.4
    ]
    return reports, cpu_s


def pyocto(telemetry, search, directory):
    import pandas
    import pyocto
    import pyproj

    lon, lat = (sum(place[axis] for place in telemetry.nodes.values()) / len(telemetry.nodes) for axis in (0, 1))
    plane = pyproj.Transformer.from_crs("EPSG:4326", f"+proj=aeqd +lon_0={lon} +lat_0={lat} +units=km", always_xy=True)
    heard = sorted({node for _, node, _, _ in telemetry.picks})
    places = [plane.transform(*telemetry.nodes[node][:2]) for node in heard]
    stations = pandas.DataFrame(dict(id=heard, x=[p[0] for p in places], y=[p[1] for p in places], z=0.0))
    if "layers" in search:
        table = Path(directory) / "velocity"
        layers = pandas.DataFrame(search["layers"], columns=["depth", "vp", "vs"])
        across = math.hypot(stations.x.max() - stations.x.min(), stations.y.max() - stations.y.min()) + 4 * search["margin"]
        pyocto.VelocityModel1D.create_model(layers, 1.0, across, search["zlim"][1] + 1.0, table)
        model = pyocto.VelocityModel1D(table, search["tolerance"], association_cutoff_distance=search["cutoff"])
    else:
        speed = telemetry.sound_km_s()
        model = pyocto.VelocityModel0D(speed, speed / 1.7, search["tolerance"], search["cutoff"])
    limits = lambda axis: (axis.min() - search["margin"], axis.max() + search["margin"])
    associator = pyocto.OctoAssociator(
        limits(stations.x), limits(stations.y), search["zlim"], model, search["time_before"], n_threads=1, **search["settings"]
    )
    groups, last = [], -math.inf
    for pick in telemetry.picks:
        if pick[0] - last > GAP_S:
            groups.append([])
        groups[-1].append(pick)
        last = pick[0]
    reports, cpu_s = [], 0.0
    for group in groups:
        start = group[0][0]
        picks = pandas.DataFrame(
            dict(station=[p[1] for p in group], phase=[p[2] for p in group], time=[p[0] - start for p in group])
        )
        began = time.process_time()
        events, assigned = associator.associate(picks, stations)
        cpu_s += time.process_time() - began
        if not len(events):
            continue
        ids = assigned.groupby("event_idx")["pick_idx"].apply(lambda rows: {group[row][3] for row in rows})
        for row in events.itertuples():
            place = plane.transform(row.x, row.y, direction="INVERSE")
            reports.append(dict(time=row.time + start, place=place, ids=ids.get(row.idx, set())))
    return reports, cpu_s


# The jobs.


def compare(args, name, telemetry, truth, pairs, search, extra, directory):
    events = [
        dict(time=seconds(event["time"]), place=(event["lon"], event["lat"]), ids=set(event.get("evidence", [])))
        for event in truth
    ]
    if telemetry.picks:
        events = [event for event in events if event["time"] <= telemetry.picks[-1][0]]
    if args.null is None and events:
        span = (min(e["time"] for e in events) - 60.0, max(e["time"] for e in events) + 60.0)
    else:
        events, span = [], None
    programs = {
        "truceline": lambda: truceline(args.truceline, telemetry, Path(directory) / "out", extra),
        "pyocto": lambda: pyocto(telemetry, search, directory),
    }
    for program in args.only.split(","):
        reports, cpu_s = programs[program]()
        row = dict(data=name, program=program, picks=len(telemetry.picks), events=len(events), reported=len(reports))
        row.update(cpu_s=round(cpu_s, 2), picks_per_cpu_s=round(len(telemetry.picks) / max(cpu_s, 1e-3)))
        if events:
            # A catalogue says nothing of what lies outside its time.
            inside = [report for report in reports if span[0] <= report["time"] <= span[1]]
            row.update(reported_in_catalogue_time=len(inside), found=found(pairs(inside, events)))
        print(json.dumps(row), flush=True)
        if args.rows:
            with open(args.rows, "a") as file:
                file.write(json.dumps(row) + "\n")


def simulated(args):
    for scenario in args.scenarios.split(","):
        # Where arrivals of several events are about, fewer than six make too many false ones.
        busy = {} if scenario == "sparse" else dict(n_picks=6, n_p_picks=6)
        search = adjusted("simulated", args, busy)
        for seed in args.seeds.split(","):
            with tempfile.TemporaryDirectory() as directory:
                make = [args.truceline, "simulate", scenario, "--seed", seed, "--out", directory, "--quiet"]
                subprocess.run(make, check=True)
                telemetry = Telemetry(directory, Path(directory) / "sensors.geojson")
                truth = lines(Path(directory) / "truth.ndjson")
                name = f"{scenario} {seed}"
                if args.null is not None:
                    telemetry.shifted(args.null, directory)
                    name += ", shifted"
                compare(args, name, telemetry, truth, by_evidence, search, [], directory)


def recorded(args):
    telemetry = Telemetry(args.directory, Path(args.directory) / "stations.geojson")
    name = args.name
    with tempfile.TemporaryDirectory() as directory:
        if args.null is not None:
            telemetry.shifted(args.null, directory)
            name += f", shifted by {args.null}"
        if args.hours is not None:
            telemetry.cut(args.hours, directory)
            name += f", {args.hours:g} h"
        extra = ["--config", args.config] if args.config else []
        for setting in args.set:
            extra += ["--set", setting]
        truth = lines(Path(args.directory) / "truth.ndjson")
        compare(args, name, telemetry, truth, by_place, adjusted(args.name, args, {}), extra, directory)


def adjusted(name, args, own):
    """The settings above, with the scenario's own and what the command line puts in their place."""
    search = dict(PYOCTO[name], settings=dict(PYOCTO[name]["settings"], **own))
    for change in args.pyocto:
        key, _, value = change.partition("=")
        (search if key in search else search["settings"])[key] = json.loads(value)
    return search


def table(args):
    print("| data | program | picks | events | reported | precision | recall | F1 | CPU s | picks per CPU s |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    for row in lines(args.rows):
        shares = "– | – | –"
        if row["events"]:
            hit, said = row["found"], row["reported_in_catalogue_time"]
            f1 = 2 * hit / max(said + row["events"], 1)
            shares = f"{hit / max(said, 1):.3f} | {hit / row['events']:.3f} | {f1:.3f}"
        print(
            f"| {row['data']} | {row['program']} | {row['picks']:,} | {row['events']} | {row['reported']:,} | {shares} "
            f"| {row['cpu_s']:.1f} | {row['picks_per_cpu_s']:,} |"
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("truceline", help="the program")
    jobs = parser.add_subparsers(required=True)
    for job, run in [("simulated", simulated), ("recorded", recorded)]:
        sub = jobs.add_parser(job)
        if job == "simulated":
            sub.add_argument("scenarios")
            sub.add_argument("--seeds", default="101")
        else:
            sub.add_argument("name", choices=["italy", "ceus"])
            sub.add_argument("directory")
            sub.add_argument("--config")
            sub.add_argument("--hours", type=float, help="only the first so many hours")
            sub.add_argument("--set", action="append", default=[])
        sub.add_argument("--null", type=int, metavar="SEED")
        sub.add_argument("--only", default="truceline,pyocto")
        sub.add_argument("--pyocto", action="append", default=[], metavar="KEY=VALUE", help="put this in place of a setting")
        sub.add_argument("--rows", help="append each row to this file")
        sub.set_defaults(run=run)
    sub = jobs.add_parser("table")
    sub.add_argument("--rows", required=True)
    sub.set_defaults(run=table)
    args = parser.parse_args()
    # The libraries under PyOcto shall not take more than a thread either.
    os.environ["OMP_NUM_THREADS"] = "1"
    args.run(args)


if __name__ == "__main__":
    main()
