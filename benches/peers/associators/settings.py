"""What was chosen for the published associators, after trying what RESULTS.md lists. Kilometres and seconds."""


def layered(*tops):
    """Layers (top, P, S) of one velocity each, as points between which the programs draw lines."""
    points = []
    for (top, p, s), below in zip(tops, [*tops[1:], None]):
        points.append((top, p, s))
        if below:
            points.append((below[0] - 0.01, p, s))
    return points


# The publisher's; and under a continent as in iasp91 (Kennett & Engdahl 1991).
ITALY = layered((0.0, 5.30, 2.75), (1.0, 5.65, 2.80), (5.0, 6.20, 3.40), (21.0, 6.21, 3.50), (31.0, 7.50, 4.00))
CONTINENT = layered((0.0, 5.80, 3.36), (20.0, 6.50, 3.75), (35.0, 8.04, 4.47), (120.0, 8.05, 4.50))

# A wider node than a cell that tells rounds apart, or a wider match than the air is uncertain by, takes up picks of others.
PYOCTO_SOUND = dict(
    cutoff=12.0, zlim=(0.0, 0.05), margin=0.0, time_before=45.0, n_s_picks=0, n_p_and_s_picks=0,
    min_node_size_location=0.02, min_interevent_time=0.05, time_slicing=300.0, min_pick_fraction=0.5,
)
GAMMA_SOUND = dict(zlim=(0.0, 0.05), margin=0.0, max_sigma11=1.0, dbscan_min_samples=3)
GAMMA_BUSY = dict(
    GAMMA_SOUND, min_picks_per_eq=5, covariance_prior=10.0, oversample_factor=8, dbscan_eps=30.0,
    dbscan_min_cluster_size=100, dbscan_max_time_space_ratio=3,
)
SOUND = {
    "sparse": {
        "pyocto": dict(PYOCTO_SOUND, tolerance=0.2, pick_match_tolerance=0.5, min_node_size=0.5, n_picks=4, n_p_picks=4),
        "gamma": dict(GAMMA_SOUND, min_picks_per_eq=4, covariance_prior=15.0, oversample_factor=5, dbscan_eps=45.0),
    },
    "hour": {
        "pyocto": dict(PYOCTO_SOUND, tolerance=0.1, pick_match_tolerance=0.3, min_node_size=0.3, n_picks=5, n_p_picks=5),
        "gamma": GAMMA_BUSY,
    },
    "barrage": {
        "pyocto": dict(PYOCTO_SOUND, tolerance=0.1, pick_match_tolerance=0.2, min_node_size=0.3, n_picks=8, n_p_picks=8),
        "gamma": GAMMA_BUSY,
    },
}

EARTH = {
    "italy": {
        "pyocto": dict(
            layers=ITALY, tolerance=0.3, cutoff=50.0, zlim=(0.0, 30.0), margin=10.0, time_before=30.0, min_node_size=3.0,
            n_picks=7, n_p_picks=3, n_s_picks=2, n_p_and_s_picks=2, pick_match_tolerance=1.0,
        ),
        "gamma": dict(
            layers=ITALY, zlim=(0.0, 30.0), margin=10.0, min_picks_per_eq=9, max_sigma11=0.8, oversample_factor=8,
            dbscan_eps=3.0, dbscan_min_samples=3, dbscan_min_cluster_size=50, dbscan_max_time_space_ratio=2,
        ),
    },
    "ceus": {
        "pyocto": dict(
            layers=CONTINENT, tolerance=1.0, cutoff=400.0, zlim=(0.0, 40.0), margin=100.0, time_before=200.0,
            n_picks=8, n_p_picks=8, n_s_picks=0, n_p_and_s_picks=0, pick_match_tolerance=2.0, min_node_size=10.0,
            min_node_size_location=3.0, min_interevent_time=30.0, min_pick_fraction=0.3,
        ),
        "gamma": dict(
            layers=CONTINENT, zlim=(0.0, 40.0), margin=100.0, min_picks_per_eq=8, max_sigma11=2.0, oversample_factor=8,
            dbscan_eps=15.0, dbscan_min_samples=3, dbscan_min_cluster_size=100, dbscan_max_time_space_ratio=3,
        ),
    },
}
PEERS = {**SOUND, **EARTH}
