#!/usr/bin/env python3
"""truceline, PyOcto and GaMMA on the same picks in the same run: precision, recall, picks a CPU second.

DATA are scenes that truceline simulates (sparse, hour, barrage) and published recordings (italy, italy-2h: its first two
hours, ceus), whose directories are given as their publishers filled them, archives unpacked. Each is followed by the null
test: each station's picks are moved by an offset of its own, so that no event survives and every report is false.

All run on one thread and are scored by one rule (scoring.py): a simulated event is found when 0.6 of the evidence agrees, a
recorded one within 3 s and 10 km. A peer's time is that of its call alone; truceline's that of the whole replay, reading
and writing included, and beside it that of association: what the same replay takes less without it.
"""

import argparse
import importlib.util
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from importlib import metadata
from pathlib import Path

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parent.parent.parent
REAL = REPOSITORY / "docs" / "examples-real"
EXAMPLES = """examples:
  python3 -m venv venv && venv/bin/pip install -r requirements.txt
  venv/bin/python compare.py                                    the simulated scenes, all programs
  venv/bin/python compare.py --italy DIR --ceus DIR             and the recordings, and all null tests
  venv/bin/python compare.py barrage --seeds 61,62,63 --null none --programs truceline,pyocto
  venv/bin/python compare.py italy-2h --italy DIR --set pyocto.tolerance=0.7 --out tried.json
  venv/bin/python compare.py --table --out results.json         what is there already, as Markdown

A result that is in --out already is taken from there; remove the file, or name another, to measure anew.
"""
SIMULATED = ["sparse", "hour", "barrage"]
RECORDED = {
    "italy": dict(config="amatrice.toml", hours=None, stations=[45000, 0.2, 24, 0.5], windows=[]),
    "italy-2h": dict(config="amatrice.toml", hours=2.0, stations=[45000, 0.2, 24, 0.5], windows=[]),
    "ceus": dict(config="ceus.toml", hours=None, stations=[1000000, 0.12, 68.8, 2], windows=["windows"]),
}
NEAR = {"3 s, 10 km": (3.0, 10_000.0)}
WIDER = {"10 s, 50 km": (10.0, 50_000.0), "15 s, 100 km": (15.0, 100_000.0)}
BARS = [0.4, 0.5, 0.8, 0.9, 0.95, 0.99]


def arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    known = [*SIMULATED, *RECORDED]
    parser.add_argument("data", nargs="*", metavar="DATA", help=f"{', '.join(known)}; without any, all that can be run")
    parser.add_argument("--truceline", type=Path, default=REPOSITORY / "target" / "release" / "truceline", metavar="PATH")
    parser.add_argument("--italy", type=Path, metavar="DIR", help="20161014/, station.dat and the two catalogues (*.sum)")
    parser.add_argument("--ceus", type=Path, metavar="DIR", help="ceus.jsonpick, the station list and CEUS.csv")
    parser.add_argument("--programs", default="truceline,pyocto,gamma", metavar="NAME,…")
    parser.add_argument("--seeds", default="61", metavar="N,…", help="of the simulated scenes (default: 61)")
    parser.add_argument("--null", default="1", metavar="N,…", help="seeds of the null test, or none (default: 1)")
    parser.add_argument("--limit-s", type=int, default=600, metavar="S", help="processor time a peer may take for one row (default: 600)")
    parser.add_argument("--set", action="append", default=[], metavar="PROGRAM.KEY=VALUE", help="in place of a setting of settings.py, or of truceline's")
    parser.add_argument("--out", type=Path, default=Path("results.json"), metavar="FILE", help="where results are kept (default: results.json)")
    parser.add_argument("--reports", type=Path, metavar="DIR", help="also write what each program reported, as JSON lines")
    parser.add_argument("--table", action="store_true", help="only print what is in --out")
    args = parser.parse_args()
    if not args.table:
        check(args, known, parser)
    return args


def check(args, known, parser):
    """Every fault before the first minute of work."""
    args.programs = args.programs.split(",")
    args.seeds = [int(seed) for seed in args.seeds.split(",")]
    args.null = [] if args.null in ("", "none") else [int(seed) for seed in args.null.split(",")]
    directory = {"italy": args.italy, "italy-2h": args.italy, "ceus": args.ceus}
    args.directory = directory
    args.data = args.data or [name for name in known if name in SIMULATED or directory[name]]
    for name in args.data:
        if name not in known:
            parser.error(f"there is no data {name!r}; there are {', '.join(known)}")
        if name in RECORDED and not directory[name]:
            parser.error(f"{name} needs --{name.split('-')[0]} DIR")
        if name in RECORDED and not directory[name].is_dir():
            parser.error(f"{directory[name]} is not a directory")
    if not os.access(args.truceline, os.X_OK):
        parser.error(f"{args.truceline} is not a program: build it (cargo build --release) or give --truceline PATH")
    from programs import NEEDS

    for program in args.programs:
        if program != "truceline" and program not in NEEDS:
            parser.error(f"there is no program {program!r}; there are truceline, {', '.join(NEEDS)}")
        missing = [name for name in NEEDS.get(program, []) if importlib.util.find_spec(name) is None]
        if missing:
            parser.error(
                f"{program} needs {', '.join(missing)}, which this Python lacks: "
                f"{sys.executable} -m pip install -r {HERE / 'requirements.txt'}, or leave it out with --programs"
            )


def say(text):
    print(text, file=sys.stderr, flush=True)


def machine(truceline):
    """What measured: versions and processor."""
    said = subprocess.run([truceline, "--version"], capture_output=True, text=True, check=True).stdout.split()
    versions = {"truceline": " ".join(said[1:])}
    for package in ("pyocto", "GMMA", "numpy", "scipy", "scikit-learn", "pyrocko"):
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            pass
    model = [line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")][:1]
    return dict(processor=(model or [platform.processor()])[0], python=platform.python_version(), packages=versions)


# What is made before anything is measured: telemetry, sensors, and the references by name.


def simulated(args, name, seed, directory):
    from programs import run

    run([args.truceline, "simulate", name, "--seed", seed, "--out", directory, "--quiet"])
    return directory / "telemetry.ndjson", directory / "sensors.geojson", {"evidence": directory / "truth.ndjson"}


def recorded(args, name, directory):
    from programs import run

    source, how = args.directory[name], RECORDED[name]
    call = [args.truceline, "import"]
    if name == "ceus":
        run([*call, "glass", source, "--out", directory])
        catalogues = sorted(source.glob("CEUS.csv"))
    else:
        run([*call, "picks", source / "20161014", source / "station.dat", "--out", directory])
        catalogues = sorted(source.glob("*catOut.sum"))
    references = {}
    for catalogue in catalogues:
        run([*call, "catalogue", catalogue, "--out", directory / catalogue.stem])
        references[catalogue.stem] = directory / catalogue.stem / "truth.ndjson"
    telemetry, stations = directory / "telemetry.ndjson", directory / "stations.geojson"
    command = [sys.executable, REAL / "stations.py", directory / "sensors.geojson", telemetry, *how["stations"]]
    stations.write_bytes(subprocess.run([str(part) for part in command], check=True, stdout=subprocess.PIPE).stdout)
    return telemetry, stations, references


def shifted(telemetry, seed, windows, into):
    with open(into, "w") as file:
        command = [sys.executable, str(REAL / "null_test.py"), str(telemetry), str(seed), *windows]
        subprocess.run(command, check=True, stdout=file)
    return into


# One row.


def settings(args, name, program):
    """The peer's settings, with what the command line puts in their place."""
    import settings as chosen

    search = dict(chosen.PEERS[name.removesuffix("-2h")][program])
    for change in args.set:
        key, _, value = change.partition("=")
        if key.startswith(program + "."):
            search[key.split(".", 1)[1]] = json.loads(value)
    return search


def measure(args, name, program, recording, directory):
    from programs import peer, truceline

    began = time.monotonic()
    row = dict(picks=len(recording.picks))
    if program == "truceline":
        extra = ["--config", REAL / RECORDED[name]["config"]] if name in RECORDED else []
        for change in args.set:
            if change.startswith("truceline."):
                extra += ["--set", change.removeprefix("truceline.")]
        reports, cpu_s, associate_s = truceline(args.truceline, recording, extra, directory)
        row.update(finished=True, cpu_s=round(cpu_s, 3), associate_cpu_s=round(associate_s, 3))
        row["reported_by_p"] = {str(bar): sum(report["p"] >= bar for report in reports) for bar in BARS}
        row["associate_picks_per_cpu_s"] = round(row["picks"] / max(associate_s, 1e-3))
    else:

        def progress(picks, wall_s):
            say(f"    {program}: {picks:,} of {row['picks']:,} picks, {wall_s:.0f} s")

        reports, cpu_s, picks = peer(program, recording, settings(args, name, program), args.limit_s, progress)
        row.update(finished=picks == row["picks"], cpu_s=round(cpu_s, 3), picks_done=picks)
    row["picks_per_cpu_s"] = round(row.get("picks_done", row["picks"]) / max(cpu_s, 1e-3))
    say(f"    {program}: {len(reports)} reported, {cpu_s:.1f} s of processor time, {time.monotonic() - began:.0f} s in all")
    return row, reports


def scored(name, row, reports, references, most):
    """The row with its shares: against each reference, and of as many of the surest as PyOcto reported in its time."""
    from scoring import by_evidence, by_place, inside, score

    for reference, events in references.items():
        rules = {"evidence": by_evidence} if name in SIMULATED else {
            near: by_place(*bounds) for near, bounds in {**NEAR, **(WIDER if name == "ceus" else {})}.items()
        }
        for rule, pairs in rules.items():
            key = reference if len(rules) == 1 else f"{reference}, {rule}"
            row.setdefault("scores", {})[key] = score(reports, events, pairs)
            if key in most and reports and "p" in reports[0]:
                surest = sorted(inside(reports, events), key=lambda report: -report["p"])[: most[key]["reported"]]
                row.setdefault("scores_of_as_many", {})[key] = score(surest, events, pairs)


def references_of(paths, recording):
    from picks import lines, seconds

    found, keys = {}, {pick.id: pick.key for pick in recording.picks}
    for reference, path in paths.items():
        events = [
            dict(
                time=seconds(event["time"]),
                place=(event["lon"], event["lat"]),
                ids={keys.get(pick, pick) for pick in event.get("evidence", [])},
            )
            for event in lines(path)
        ]
        found[reference] = [event for event in events if event["time"] <= recording.picks[-1].time]
    return found


def rows(args, name, seed, null, made, results, directory):
    """Measures what is missing of one recording."""
    from picks import Recording, first_hours

    key = lambda program: "|".join(str(part) for part in (name, seed, null, program))
    missing = [program for program in args.programs if key(program) not in results["rows"]]
    title = name + (f", seed {seed}" if seed is not None else "") + (f", null test {null}" if null is not None else "")
    if not missing:
        return say(f"{title}: known already")
    telemetry, sensors, references = made()
    if null is not None:
        windows = RECORDED[name]["windows"] if name in RECORDED else ["windows"]
        telemetry, references = shifted(telemetry, null, windows, directory / "null.ndjson"), {}
    hours = RECORDED.get(name, {}).get("hours")
    if hours:
        # Cut after picks are moved: moved round the day, the first hours' alone would make a thin one.
        first_hours(telemetry, hours, directory / "first.ndjson")
        telemetry = directory / "first.ndjson"
    recording = Recording(telemetry, sensors)
    say(f"{title}: {len(recording.picks):,} picks")
    events = references_of(references, recording)
    # The peers first: truceline's surest are held against as many as PyOcto reported.
    for program in sorted(missing, key=lambda program: program == "truceline"):
        row, reports = measure(args, name, program, recording, directory)
        row.update(data=name, seed=seed, null=null, program=program, reported=len(reports))
        if row["finished"]:
            first = results["rows"].get(key("pyocto"), {})
            scored(name, row, reports, events, first.get("scores", {}))
        if args.set:
            row["set"] = args.set
        results["rows"][key(program)] = row
        args.out.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n")
        if args.reports:
            args.reports.mkdir(parents=True, exist_ok=True)
            with open(args.reports / (key(program).replace("|", "-") + ".ndjson"), "w") as file:
                for report in reports:
                    file.write(json.dumps(dict(report, ids=sorted(report["ids"]))) + "\n")


def table(results):
    order, ran = [*SIMULATED, *RECORDED], ["truceline", "pyocto", "gamma"]
    kept = sorted(results["rows"].values(), key=lambda r: (order.index(r["data"]), r["seed"] or 0, r["null"] or 0, ran.index(r["program"])))
    speed = {(r["data"], r["seed"], r["null"]): r["picks_per_cpu_s"] for r in kept if r["program"] == "pyocto"}
    title = lambda r: r["data"] + (f" {r['seed']}" if r["seed"] is not None else "")
    print("| data | reference | program | events | reported | found | precision | recall | F1 |\n|---|---|---|---|---|---|---|---|---|")
    for r in kept:
        if r["null"] is None:
            if not r["finished"]:
                print(f"| {title(r)} | | {r['program']} | | did not finish: {r['picks_done']:,} of {r['picks']:,} picks in {r['cpu_s']:.0f} s | | | | |")
            for what, scores in (("", r.get("scores", {})), (", as many", r.get("scores_of_as_many", {}))):
                for name, s in scores.items():
                    print(f"| {title(r)} | {name} | {r['program']}{what} | {s['events']} | {s['reported']} | {s['found']} | {s['precision']:.3f} | {s['recall']:.3f} | {s['f1']:.3f} |")
    print("\n| data | program | picks | CPU s | picks per CPU s | PyOcto's times | association: CPU s | picks per CPU s | PyOcto's times |\n|---|---|---|---|---|---|---|---|---|")
    for r in kept:
        name = title(r) + (f", shifted by {r['null']}" if r["null"] is not None else "")
        peer = speed.get((r["data"], r["seed"], r["null"]))
        times = lambda rate: f"{rate / peer:,.1f}" if peer else "–"
        own = "| | |"
        if "associate_cpu_s" in r:
            rate = r["associate_picks_per_cpu_s"]
            own = f"{r['associate_cpu_s']:.2f} | {rate:,} | {times(rate)} |"
        cpu = f"{r['cpu_s']:.2f}" if r["finished"] else f"over {r['cpu_s']:.0f}"
        print(f"| {name} | {r['program']} | {r['picks']:,} | {cpu} | {r['picks_per_cpu_s']:,} | {times(r['picks_per_cpu_s'])} | {own}")
    bars = " | ".join(f"≥ {bar}" for bar in BARS)
    print(f"\n| null test | program | false events | {bars} |\n|---|---|---|" + "---|" * len(BARS))
    for r in kept:
        if r["null"] is not None:
            said = r["reported"] if r["finished"] else f"did not finish in {r['cpu_s']:.0f} s"
            by_p = " | ".join(str(r["reported_by_p"][str(bar)]) if "reported_by_p" in r else "–" for bar in BARS)
            print(f"| {title(r)}, shifted by {r['null']} | {r['program']} | {said} | {by_p} |")


def main():
    args = arguments()
    if args.table:
        if not args.out.exists():
            sys.exit(f"compare.py: there is no {args.out}")
        return table(json.loads(args.out.read_text()))
    results = json.loads(args.out.read_text()) if args.out.exists() else dict(machine=machine(args.truceline), rows={})
    from programs import Failed

    try:
        for name in args.data:
            for seed in args.seeds if name in SIMULATED else [None]:
                nulls = args.null if name in RECORDED or seed == args.seeds[0] else []
                with tempfile.TemporaryDirectory() as at:
                    directory, made = Path(at), []

                    def make():
                        if not made:
                            make_it = simulated(args, name, seed, directory) if name in SIMULATED else recorded(args, name, directory)
                            made.append(make_it)
                        return made[0]

                    for null in [None, *nulls]:
                        rows(args, name, seed, null, make, results, directory)
    except Failed as failure:
        sys.exit(f"compare.py: {failure}")
    table(results)


if __name__ == "__main__":
    main()
