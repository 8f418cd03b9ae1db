"""Picks, stations and reference events as the comparison needs them: read from what `truceline` reads and writes."""

import json
import math
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

# Picks further apart than this are searched apart: recordings of many windows leave months between them.
GAP_S = 1_800.0
# Over so long the weather that nodes report is averaged.
WEATHER_S = 600.0


def seconds(text):
    """Seconds since 1970 of an RFC 3339 time in UTC."""
    whole, _, fraction = text.rstrip("Z").partition(".")
    return datetime.fromisoformat(whole + "+00:00").timestamp() + float("0." + (fraction or "0"))


def lines(path):
    with open(path) as file:
        return [json.loads(line) for line in file if line.strip()]


def distance_m(a, b):
    """Metres between two points (lon, lat) on a sphere."""
    (lon_a, lat_a), (lon_b, lat_b) = (map(math.radians, point) for point in (a, b))
    h = math.sin((lat_b - lat_a) / 2) ** 2 + math.cos(lat_a) * math.cos(lat_b) * math.sin((lon_b - lon_a) / 2) ** 2
    return 2 * 6_371_000.0 * math.asin(math.sqrt(h))


@dataclass
class Pick:
    time: float  # seconds since 1970
    node: str
    phase: str
    id: str

    @property
    def key(self):
        """An id is its node's own: stations may number their picks alike."""
        return f"{self.node}/{self.id}"


@dataclass
class Recording:
    """What all programs are given. `nodes` are (lon, lat) by name; `weather` is (time, °C, wind to the east, to the north)."""

    telemetry: Path
    sensors: Path
    picks: list = field(default_factory=list)
    nodes: dict = field(default_factory=dict)
    weather: list = field(default_factory=list)

    def __post_init__(self):
        features = json.loads(self.sensors.read_text())["features"]
        self.nodes = {f["properties"]["node"]: tuple(f["geometry"]["coordinates"][:2]) for f in features if f["geometry"]}
        seen = set()
        for row in lines(self.telemetry):
            if row["kind"] == "status" and "temperature_c" in row:
                to = math.radians(row.get("wind_from_deg", 0.0) + 180.0)
                speed_m_s = row.get("wind_speed_m_s", 0.0)
                wind = (speed_m_s * math.sin(to), speed_m_s * math.cos(to))
                self.weather.append((seconds(row["time"]), row["temperature_c"], *wind))
            if row["kind"] in ("acoustic", "seismic") and row["node"] in self.nodes and (row["node"], row["id"]) not in seen:
                seen.add((row["node"], row["id"]))
                self.picks.append(Pick(seconds(row["time"]), row["node"], row.get("phase", "P"), row["id"]))
        self.picks.sort(key=lambda pick: pick.time)

    def windows(self):
        """The picks, in lists between which nothing was heard for half an hour."""
        windows, last = [], -math.inf
        for pick in self.picks:
            if pick.time - last > GAP_S:
                windows.append([])
            windows[-1].append(pick)
            last = pick.time
        return windows

    def sound_km_s(self):
        """What the nodes' own thermometers say, by c = 20.05 √T."""
        mean_c = sum(row[1] for row in self.weather) / max(len(self.weather), 1)
        return 20.05e-3 * math.sqrt(mean_c + 273.15)

    def wind_m_s(self):
        """A function of time: the mean wind that all nodes report about then, to the east and to the north."""
        sums = defaultdict(lambda: [0, 0.0, 0.0])
        for time, _, east, north in self.weather:
            at = sums[time // WEATHER_S]
            at[0], at[1], at[2] = at[0] + 1, at[1] + east, at[2] + north
        count = max(sum(at[0] for at in sums.values()), 1)
        whole = tuple(sum(at[axis] for at in sums.values()) / count for axis in (1, 2))

        def at(time):
            n, east, north = sums.get(time // WEATHER_S, (0, 0.0, 0.0))
            return (east / n, north / n) if n else whole

        return at


def first_hours(telemetry, hours, into):
    """Writes only the first so many hours."""
    rows = lines(telemetry)
    end = min(seconds(row["time"]) for row in rows) + 3600.0 * hours
    into.write_text("".join(json.dumps(row, separators=(",", ":")) + "\n" for row in rows if seconds(row["time"]) < end))
