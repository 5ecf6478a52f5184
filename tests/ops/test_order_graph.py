"""Orders out of contradicting evidence, against brute force."""

from itertools import permutations

from hypothesis import given, settings
from hypothesis import strategies as st

from layerstudio.ops import order_graph
from layerstudio.ops.order_graph import Edge, far_to_near


@st.composite
def graphs(draw, most=6):
    count = draw(st.integers(1, most))
    pairs = [(a, b) for a in range(count) for b in range(count) if a != b]
    chosen = draw(st.lists(st.sampled_from(pairs), unique=True)) if pairs else []
    weights = st.floats(0.01, 5, allow_nan=False)
    return count, [Edge(a, b, draw(weights)) for a, b in chosen]


def total(edges):
    return sum(edge.weight for edge in edges)


def against(order, edges):
    rank = {node: index for index, node in enumerate(order)}
    return [edge for edge in edges if rank[edge.front] < rank[edge.behind]]


def check_is_an_extension(count, edges, found):
    assert sorted(found.order) == list(range(count))
    assert against(found.order, edges) == list(found.dropped)


@given(graphs())
def test_the_least_is_dropped_and_the_rest_is_obeyed(graph):
    count, edges = graph
    found = far_to_near(count, edges, [0.0] * count)
    check_is_an_extension(count, edges, found)
    least = min(total(against(order, edges)) for order in permutations(range(count)))
    assert abs(total(found.dropped) - least) < 1e-9


@given(graphs(most=9))
@settings(deadline=None)
def test_in_large_knots_each_dropped_edge_is_the_weakest_of_a_cycle(graph):
    count, edges = graph
    dropped = order_graph._weakest_dropped(range(count), edges)
    kept = [edge for edge in edges if edge not in dropped]
    order_graph._sorted(count, kept, [0.0] * count)  # asserts that no cycle is left
    for edge in dropped:
        heavier = {node: set() for node in range(count)}
        for other in kept:
            if other.weight >= edge.weight:
                heavier[other.behind].add(other.front)
        assert order_graph._leads(edge.front, edge.behind, heavier)


def test_a_knot_too_large_for_the_exact_way_is_ordered():
    ring = [Edge((node + 1) % 30, node, 2.0 + node) for node in range(30)]
    found = far_to_near(30, ring, [0.0] * 30)
    assert found.dropped == (ring[0],)
    assert found.order == (*range(1, 30), 0)


def test_nearness_decides_where_no_edge_does():
    assert far_to_near(4, [Edge(0, 3, 1.0)], [0.1, 0.9, 0.2, 0.5]).order == (2, 3, 0, 1)


def test_the_weakest_of_three_that_hide_each_other_gives_way():
    edges = [Edge(1, 0, 0.9), Edge(2, 1, 0.3), Edge(0, 2, 0.8)]
    found = far_to_near(3, edges, [0.0] * 3)
    assert found.dropped == (edges[1],) and found.order == (2, 0, 1)
