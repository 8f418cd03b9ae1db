"""The programs that are compared. Each gives reports (dicts with `time`, `place`, `ids`, and `p` where it states one) and processor time.

A peer runs in a child process on one thread, window by window, under a limit of processor time; its clock runs while its own
function does, not while data frames and travel-time tables are made for it.
"""

import contextlib
import io
import json
import math
import multiprocessing
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from pathlib import Path

from picks import lines, seconds

# GaMMA has 6 km/s written into the place where it begins. Sound's distances are given in units of which it goes six a second.
GAMMA_UNITS_S = 6.0
FIRE_BAR = 0.4


class Failed(Exception):
    pass


def run(command):
    """Runs it to its end; its processor time, seconds."""
    process = subprocess.Popen([str(part) for part in command], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    said = process.stderr.read().decode()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise Failed(f"{' '.join(map(str, command))}\nended with {process.returncode}: {said.strip()}")
    return usage.ru_utime + usage.ru_stime


def truceline(program, recording, extra, directory):
    """Reports, the processor time of the whole replay, and of it what association takes: the rest is measured without it."""
    command = [program, "replay", "--telemetry", recording.telemetry, "--sensors", recording.sensors, "--no-archive", "--quiet"]
    whole_s = run([*command, *extra, "--out", directory / "out"])
    rest_s = run([*command, *extra, "--set", "engine.fire.on=false", "--out", directory / "rest"])
    last = {}
    for alert in lines(directory / "out" / "alerts.ndjson"):
        properties = alert["properties"]
        if properties["revision"] >= last.get(properties["alert"], alert)["properties"]["revision"]:
            last[properties["alert"]] = alert
    reports = [
        dict(
            time=seconds(alert["properties"]["time"]),
            place=tuple(alert["geometry"]["coordinates"][:2]),
            ids={f"{evidence['node']}/{evidence['id']}" for evidence in alert["properties"]["evidence"]},
            p=alert["properties"]["probability"],
        )
        for alert in last.values()
        if alert["properties"]["class"].startswith("fire.")
        and alert["properties"]["status"] != "retracted"
        and alert["properties"]["probability"] >= FIRE_BAR
    ]
    return reports, whole_s, max(whole_s - rest_s, 0.0)


class Plane:
    """Kilometres to the east and north of the stations' middle."""

    def __init__(self, nodes):
        import pyproj

        lons, lats = [place[0] for place in nodes], [place[1] for place in nodes]
        middle = (min(lons) + max(lons)) / 2, (min(lats) + max(lats)) / 2
        # Two parallels that are kept as long as they are hold a continent's scale to within one per cent.
        low, high = min(lats) + (max(lats) - min(lats)) / 6, max(lats) - (max(lats) - min(lats)) / 6
        plane = f"+proj=lcc +lon_0={middle[0]} +lat_0={middle[1]} +lat_1={low} +lat_2={high} +units=km"
        self.way = pyproj.Transformer.from_crs("EPSG:4326", plane, always_xy=True)

    def km(self, lon, lat):
        return self.way.transform(lon, lat)

    def lonlat(self, x, y):
        return self.way.transform(x, y, direction="INVERSE")


def stations_of(recording, plane):
    import pandas

    heard = sorted({pick.node for pick in recording.picks})
    places = [plane.km(*recording.nodes[node]) for node in heard]
    return pandas.DataFrame(dict(id=heard, x=[p[0] for p in places], y=[p[1] for p in places], z=0.0))


def in_still_air(recording, plane):
    """A function: the pick's time as it would be without wind, for programs that know none.

    To first order in wind over sound, d / (c + u·w) = d/c − w·s/c² + w·x/c² (s station, x source): the station's term is
    taken out here, and the source's moves the origin time alone.
    """
    c_km_s, wind = recording.sound_km_s(), recording.wind_m_s()
    place = {node: plane.km(*recording.nodes[node]) for node in {pick.node for pick in recording.picks}}

    def still(pick):
        east, north = wind(pick.time)
        x, y = place[pick.node]
        return pick.time + (east * x + north * y) * 1e-3 / c_km_s**2

    return still if recording.weather else lambda pick: pick.time


def pyocto(recording, search, directory):
    """Yields, for each window, its reports and the processor time of the call."""
    import pandas
    import pyocto as package

    search = dict(search)
    plane = Plane(list(recording.nodes.values()))
    stations, still = stations_of(recording, plane), in_still_air(recording, plane)
    margin, zlim = search.pop("margin"), search.pop("zlim")
    tolerance, cutoff, layers = search.pop("tolerance"), search.pop("cutoff"), search.pop("layers", None)
    if layers:
        across = math.hypot(stations.x.max() - stations.x.min(), stations.y.max() - stations.y.min()) + 4 * margin
        frame = pandas.DataFrame(layers, columns=["depth", "vp", "vs"])
        package.VelocityModel1D.create_model(frame, 1.0, across, zlim[1] + 1.0, directory / "velocity")
        model = package.VelocityModel1D(directory / "velocity", tolerance, association_cutoff_distance=cutoff)
    else:
        model = package.VelocityModel0D(recording.sound_km_s(), recording.sound_km_s() / 1.7, tolerance, cutoff)
    limits = lambda axis: (axis.min() - margin, axis.max() + margin)
    associator = package.OctoAssociator(limits(stations.x), limits(stations.y), zlim, model, n_threads=1, **search)
    for window in recording.windows():
        start = window[0].time
        picks = pandas.DataFrame(
            dict(station=[p.node for p in window], phase=[p.phase for p in window], time=[still(p) - start for p in window])
        )
        began = time.process_time()
        events, assigned = associator.associate(picks, stations)
        cpu_s = time.process_time() - began
        reports = []
        if len(events):
            ids = assigned.groupby("event_idx")["pick_idx"].apply(lambda rows: {window[row].key for row in rows})
            for row in events.itertuples():
                reports.append(dict(time=row.time + start, place=plane.lonlat(row.x, row.y), ids=ids[row.idx]))
        yield len(window), reports, cpu_s


def gamma(recording, search, directory):
    """Yields, for each window, its reports and the processor time of the call."""
    import numpy
    import pandas
    from gamma import seismic_ops, utils

    search = dict(search)
    plane = Plane(list(recording.nodes.values()))
    stations, still = stations_of(recording, plane), in_still_air(recording, plane)
    margin, zlim, layers = search.pop("margin"), search.pop("zlim"), search.pop("layers", None)
    unit_km = 1.0 if layers else recording.sound_km_s() / GAMMA_UNITS_S
    frame = stations.rename(columns={"x": "x(km)", "y": "y(km)", "z": "z(km)"})
    frame[["x(km)", "y(km)"]] /= unit_km
    limits = lambda axis: (axis.min() - margin / unit_km, axis.max() + margin / unit_km)
    box = {"x(km)": limits(frame["x(km)"]), "y(km)": limits(frame["y(km)"]), "z(km)": tuple(z / unit_km for z in zlim)}
    config = dict(search, **box, dims=["x(km)", "y(km)", "z(km)"], use_amplitude=False, use_dbscan=True, ncpu=1)
    config["bfgs_bounds"] = (*(tuple(box[axis]) for axis in config["dims"]), (None, None))
    config["vel"] = {"p": GAMMA_UNITS_S, "s": GAMMA_UNITS_S / 1.75}
    if "covariance_prior" in search:
        config["covariance_prior"] = [search["covariance_prior"]]
    os.chdir(directory)
    if layers:
        depth, p, s = (list(column) for column in zip(*layers))
        table = dict(vel={"z": depth, "p": p, "s": s}, h=1.0, xlim=box["x(km)"], ylim=box["y(km)"], zlim=(0.0, zlim[1] + 2.0))
        with contextlib.redirect_stdout(io.StringIO()):
            table = seismic_ops.initialize_eikonal(table)
        # Made once, and its functions compiled, before the clock runs; the package would do both in each call.
        here, there = numpy.array([[1.0, 1.0, 5.0]]), numpy.array([[3.0, 3.0, 0.0], [4.0, 4.0, 0.0]])
        for function in (seismic_ops.traveltime, seismic_ops.grad_traveltime):
            function(here, there, numpy.array(["p", "s"]), table)
        utils.initialize_eikonal = lambda known: known
        config["eikonal"] = table
    for window in recording.windows():
        start = window[0].time
        stamps = [pandas.Timestamp(round((still(p) - start) * 1e6), unit="us", tz="UTC") for p in window]
        picks = pandas.DataFrame(
            dict(id=[p.node for p in window], timestamp=stamps, type=[p.phase.lower() for p in window], prob=1.0)
        )
        numpy.random.seed(42)
        began = time.process_time()
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            events, assigned = utils.association(picks, frame.copy(), config, method="BGMM")
        cpu_s = time.process_time() - began
        ids = {}
        for pick, event, _ in assigned:
            ids.setdefault(event, set()).add(window[pick].key)
        reports = [
            dict(
                time=pandas.Timestamp(event["time"], tz="UTC").timestamp() + start,
                place=plane.lonlat(event["x(km)"] * unit_km, event["y(km)"] * unit_km),
                ids=ids.get(event["event_index"], set()),
            )
            for event in events
        ]
        yield len(window), reports, cpu_s


PEERS = {"pyocto": pyocto, "gamma": gamma}
NEEDS = {"pyocto": ["pyocto", "pyrocko", "pyproj", "pandas"], "gamma": ["gamma", "sklearn", "numba", "pyproj", "pandas"]}


def child(name, recording, search, limit_s, pipe):
    try:
        used_s = math.ceil(time.process_time())
        resource.setrlimit(resource.RLIMIT_CPU, (used_s + limit_s, used_s + limit_s + 5))
        with tempfile.TemporaryDirectory() as directory:
            for window in PEERS[name](recording, search, Path(directory)):
                pipe.send(window)
        pipe.send(None)
    except Exception:
        pipe.send(traceback.format_exc())


def peer(name, recording, search, limit_s, progress):
    """Reports, processor time, picks gone through; fewer than there are when the limit came first."""
    # The libraries under a peer shall not take more than a thread either.
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS", "LOKY_MAX_CPU_COUNT"):
        os.environ[variable] = "1"
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=child, args=(name, recording, search, limit_s, theirs))
    process.start()
    theirs.close()
    reports, cpu_s, picks, began = [], 0.0, 0, time.monotonic()
    try:
        while True:
            while not ours.poll(10.0):
                progress(picks, time.monotonic() - began)
            said = ours.recv()
            if said is None:
                break
            if isinstance(said, str):
                raise Failed(f"{name}:\n{said}")
            picks, cpu_s = picks + said[0], cpu_s + said[2]
            reports.extend(said[1])
    except EOFError:
        process.join()
        if process.exitcode not in (-signal.SIGXCPU, -signal.SIGKILL):
            raise Failed(f"{name} died with {process.exitcode}")
        cpu_s = float(limit_s)
    finally:
        if process.is_alive() and picks < len(recording.picks):
            process.terminate()
        process.join()
    return reports, cpu_s, picks
