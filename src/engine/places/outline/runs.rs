//! The edges of a border in runs of eight, side by side, and the boxes around the runs, eight side by side as well: where the
//! nearest point of a border is sought.
//!
//! What comes out is what a walk along all edges gives, to the last bit.

use super::{Edge, Plane, box_of};

/// Edges in a run, and boxes looked at together.
pub(super) const RUN: usize = 8;
/// Boxes and edges are measured with other roundings: so much further off, and a box is certainly. Degrees are rounded to some
/// nanometres, which is much of a short way; in square metres it is no more than this where the way is short.
const CERTAINLY_FURTHER: f64 = 1.0 + 1e-9;
const ROUNDING_M2: f64 = 1e-6;

/// Edges: one end, and how far the other is from there, degrees.
#[derive(Clone, Copy, Debug)]
struct Edges {
    x_deg: [f64; RUN],
    y_deg: [f64; RUN],
    dx_deg: [f64; RUN],
    dy_deg: [f64; RUN],
}

/// The boxes of runs.
#[derive(Clone, Copy, Debug)]
struct Boxes {
    west_deg: [f64; RUN],
    south_deg: [f64; RUN],
    east_deg: [f64; RUN],
    north_deg: [f64; RUN],
}

/// All edges that are borders.
#[derive(Clone, Debug)]
pub(super) struct Runs {
    edges: Vec<Edges>,
    boxes: Vec<Boxes>,
}

/// The nearest point so far: metres east and north of the place.
struct Nearest {
    m2: f64,
    east_m: f64,
    north_m: f64,
    /// Of two edges that are as near the first counts, in whatever order runs are looked at.
    edge: usize,
}

impl Runs {
    pub(super) fn of(edges: &[Edge]) -> Runs {
        // Where there is no edge, nor one that is a border: further off than any.
        let none =
            Edges { x_deg: [f64::INFINITY; RUN], y_deg: [f64::INFINITY; RUN], dx_deg: [0.0; RUN], dy_deg: [0.0; RUN] };
        let run = |edges: &[Edge]| {
            let mut run = none;
            for (at, edge) in edges.iter().enumerate().filter(|(_, edge)| !edge.seam) {
                (run.x_deg[at], run.y_deg[at]) = (edge.x1_deg, edge.y1_deg);
                (run.dx_deg[at], run.dy_deg[at]) = (edge.x2_deg - edge.x1_deg, edge.y2_deg - edge.y1_deg);
            }
            run
        };
        let no_box = Boxes {
            west_deg: [f64::INFINITY; RUN],
            south_deg: [f64::INFINITY; RUN],
            east_deg: [f64::NEG_INFINITY; RUN],
            north_deg: [f64::NEG_INFINITY; RUN],
        };
        let eight = |edges: &[Edge]| {
            let mut boxes = no_box;
            for (at, run) in edges.chunks(RUN).enumerate() {
                let bounds = box_of(run);
                (boxes.west_deg[at], boxes.south_deg[at]) = (bounds.west_deg, bounds.south_deg);
                (boxes.east_deg[at], boxes.north_deg[at]) = (bounds.east_deg, bounds.north_deg);
            }
            boxes
        };
        Runs { edges: edges.chunks(RUN).map(run).collect(), boxes: edges.chunks(RUN * RUN).map(eight).collect() }
    }

    /// How far east and north of the plane's middle the nearest point is, metres; `None` where nothing is a border.
    pub(super) fn nearest(&self, plane: &Plane) -> Option<(f64, f64)> {
        // The nearest box first.
        let (mut start, mut least_m2) = (0, f64::INFINITY);
        for (eight, boxes) in self.boxes.iter().enumerate() {
            for (at, m2) in boxes.m2(plane).into_iter().enumerate() {
                if m2 < least_m2 {
                    (start, least_m2) = (eight * RUN + at, m2);
                }
            }
        }
        let mut nearest = Nearest { m2: f64::INFINITY, east_m: 0.0, north_m: 0.0, edge: usize::MAX };
        self.look(start, plane, &mut nearest);
        for (eight, boxes) in self.boxes.iter().enumerate() {
            for (at, m2) in boxes.m2(plane).into_iter().enumerate() {
                let run = eight * RUN + at;
                if m2 <= nearest.m2 * CERTAINLY_FURTHER + ROUNDING_M2 && run != start {
                    self.look(run, plane, &mut nearest);
                }
            }
        }
        nearest.m2.is_finite().then_some((nearest.east_m, nearest.north_m))
    }

    /// Looks at the edges of a run.
    fn look(&self, run: usize, plane: &Plane, nearest: &mut Nearest) {
        let Some(edges) = self.edges.get(run) else { return };
        let (mut east_m, mut north_m, mut all_m2) = ([0.0; RUN], [0.0; RUN], [0.0; RUN]);
        for at in 0..RUN {
            let ends_deg = [edges.x_deg[at], edges.y_deg[at], edges.dx_deg[at], edges.dy_deg[at]];
            (east_m[at], north_m[at]) = plane.nearest_of(ends_deg);
            all_m2[at] = east_m[at] * east_m[at] + north_m[at] * north_m[at];
        }
        for (at, m2) in all_m2.into_iter().enumerate() {
            let edge = run * RUN + at;
            if m2 < nearest.m2 || m2 == nearest.m2 && edge < nearest.edge {
                *nearest = Nearest { m2, east_m: east_m[at], north_m: north_m[at], edge };
            }
        }
    }
}

impl Boxes {
    /// The squares of the distances to each.
    fn m2(&self, plane: &Plane) -> [f64; RUN] {
        // A distance is no NaN: plain comparisons are what the processor has.
        let more = |a: f64, b: f64| if a > b { a } else { b };
        std::array::from_fn(|at| {
            let dx_deg = more(more(self.west_deg[at] - plane.x_deg, plane.x_deg - self.east_deg[at]), 0.0);
            let dy_deg = more(more(self.south_deg[at] - plane.y_deg, plane.y_deg - self.north_deg[at]), 0.0);
            (dx_deg * plane.east_m).powi(2) + (dy_deg * plane.north_m).powi(2)
        })
    }
}
