"""An order out of pairwise evidence, where evidence contradicts itself.

Who stands in front of whom is an edge with a weight. An order exists once no edges form a cycle;
the edges given up for that weigh as little as possible together (the minimum feedback arc set).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from heapq import heapify, heappop, heappush

_EXACT_MOST = 11  # nodes of a knot solved exactly: 2^11 subsets, some 20,000 steps


@dataclass(frozen=True)
class Edge:
    """``front`` hides a part of ``behind``; ``weight`` above 0 is how sure that is."""

    front: int
    behind: int
    weight: float


@dataclass(frozen=True)
class Ordered:
    """``order`` has every node once, the farthest first: a linear extension of all edges but the
    ``dropped`` ones, which run against it."""

    order: tuple[int, ...]
    dropped: tuple[Edge, ...]


def far_to_near(count: int, edges: Sequence[Edge], nearness: Sequence[float]) -> Ordered:
    """Nodes 0 to ``count`` - 1 ordered; ``nearness`` decides where no edge does, then the index.

    Knots (strongly connected components) of up to 11 nodes give up the least total weight, by
    dynamic programming over subsets (Lawler 1964). In larger ones the weakest edge of each cycle
    goes: by falling weight, an edge is kept unless heavier ones already say the opposite.
    """
    assert len(nearness) == count, (len(nearness), count)
    assert all(edge.weight > 0 and edge.front != edge.behind for edge in edges), edges
    dropped: list[Edge] = []
    for knot in _knots(count, edges):
        inside = [edge for edge in edges if edge.front in knot and edge.behind in knot]
        solve = _least_dropped if len(knot) <= _EXACT_MOST else _weakest_dropped
        dropped += solve(sorted(knot), inside)
    gone = set(map(id, dropped))
    kept = [edge for edge in edges if id(edge) not in gone]
    order = _sorted(count, kept, nearness)
    return Ordered(order, tuple(edge for edge in edges if id(edge) in gone))


def _knots(count: int, edges: Iterable[Edge]) -> list[set[int]]:
    """Sets of two nodes and more, each reachable from each other within the set."""
    forward: list[set[int]] = [set() for _ in range(count)]
    backward: list[set[int]] = [set() for _ in range(count)]
    for edge in edges:
        forward[edge.behind].add(edge.front)
        backward[edge.front].add(edge.behind)
    found, left = [], set(range(count))
    while left:
        start = min(left)
        knot = _reached(start, forward) & _reached(start, backward)
        left -= knot
        if len(knot) > 1:
            found.append(knot)
    return found


def _reached(start: int, following: Sequence[set[int]]) -> set[int]:
    seen, waiting = {start}, [start]
    while waiting:
        for node in following[waiting.pop()] - seen:
            seen.add(node)
            waiting.append(node)
    return seen


def _least_dropped(nodes: Sequence[int], edges: Sequence[Edge]) -> list[Edge]:
    """The edges that run against the order which loses the least.

    ``best[placed]`` is the least lost with the set ``placed`` as the farthest ones; putting a node
    next loses its edges to those of them that it should be behind.
    """
    place = {node: index for index, node in enumerate(nodes)}
    lost = [[0.0] * len(nodes) for _ in nodes]  # [node][one placed before, though in front of it]
    for edge in edges:
        lost[place[edge.behind]][place[edge.front]] += edge.weight
    full = 1 << len(nodes)
    best, last = [float("inf")] * full, [-1] * full
    best[0] = 0.0
    for placed in range(full - 1):
        members = [index for index in range(len(nodes)) if placed >> index & 1]
        for node in range(len(nodes)):
            if not placed >> node & 1:
                total = best[placed] + sum(lost[node][other] for other in members)
                if total < best[placed | 1 << node]:
                    best[placed | 1 << node], last[placed | 1 << node] = total, node
    return _against(edges, _unrolled(last, nodes))


def _unrolled(last: Sequence[int], nodes: Sequence[int]) -> dict[int, int]:
    """The rank of each node in the order that the dynamic program ended in."""
    ranks, placed = {}, len(last) - 1
    for rank in range(len(nodes) - 1, -1, -1):
        ranks[nodes[last[placed]]] = rank
        placed &= ~(1 << last[placed])
    return ranks


def _against(edges: Iterable[Edge], ranks: dict[int, int]) -> list[Edge]:
    return [edge for edge in edges if ranks[edge.front] < ranks[edge.behind]]


def _weakest_dropped(nodes: Sequence[int], edges: Sequence[Edge]) -> list[Edge]:
    """Those that close a cycle of heavier ones."""
    forward: dict[int, set[int]] = {node: set() for node in nodes}
    dropped = []
    for edge in sorted(edges, key=lambda edge: -edge.weight):
        if _leads(edge.front, edge.behind, forward):
            dropped.append(edge)
        else:
            forward[edge.behind].add(edge.front)
    return dropped


def _leads(start: int, goal: int, forward: dict[int, set[int]]) -> bool:
    seen, waiting = {start}, [start]
    while waiting:
        node = waiting.pop()
        if node == goal:
            return True
        fresh = forward[node] - seen
        seen |= fresh
        waiting += fresh
    return False


def _sorted(count: int, edges: Iterable[Edge], nearness: Sequence[float]) -> tuple[int, ...]:
    """The linear extension that takes the farthest node whenever there is a choice (Kahn 1962)."""
    behind = [0] * count
    forward: list[list[int]] = [[] for _ in range(count)]
    for edge in edges:
        behind[edge.front] += 1
        forward[edge.behind].append(edge.front)
    ready = [(nearness[node], node) for node in range(count) if not behind[node]]
    heapify(ready)
    order = []
    while ready:
        _, node = heappop(ready)
        order.append(node)
        for front in forward[node]:
            behind[front] -= 1
            if not behind[front]:
                heappush(ready, (nearness[front], front))
    assert len(order) == count, "edges that form a cycle were kept"
    return tuple(order)
