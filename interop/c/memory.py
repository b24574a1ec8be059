"""The place of each value in the workspace, which is as small as the values' lifetimes allow."""

from .trace import Buffer, Call


def plan(calls: list[Call]) -> tuple[dict[Buffer, str], int]:
    """For each buffer its place as C code, and the workspace's number of elements.

    A buffer lives from the first call that uses it to the last. A function that may work in place does so if its input
    is no longer needed. Beginning with the largest, each buffer is placed at the lowest offset that no buffer with an
    overlapping lifetime occupies.
    """
    first, last = _lifetimes(calls)
    merged = _in_place(calls, first, last)
    groups: dict[Buffer, list[Buffer]] = {}
    for buffer in first:
        groups.setdefault(_root(merged, buffer), []).append(buffer)
    lives = {root: (min(first[b] for b in group), max(last[b] for b in group)) for root, group in groups.items()}
    given = {root: next((b.place for b in group if b.place), "") for root, group in groups.items()}
    offsets: dict[Buffer, int] = {}
    for root in sorted((root for root in groups if not given[root]), key=lambda root: -root.size):
        begin, end = lives[root]
        others = [b for b in offsets if lives[b][0] <= end and begin <= lives[b][1]]
        offset = 0
        for other in sorted(others, key=lambda b: offsets[b]):
            if offset + root.size > offsets[other]:
                offset = max(offset, offsets[other] + other.size)
        offsets[root] = offset
    places = {b: given[root] or f"workspace + {offsets[root]}" for root, group in groups.items() for b in group}
    return places, max((offset + root.size for root, offset in offsets.items()), default=0)


def _lifetimes(calls: list[Call]) -> tuple[dict[Buffer, int], dict[Buffer, int]]:
    first: dict[Buffer, int] = {}
    last: dict[Buffer, int] = {}
    for index, call in enumerate(calls):
        for buffer in call.buffers:
            first.setdefault(buffer, index)
            last[buffer] = index
    return first, last


def _in_place(calls: list[Call], first: dict[Buffer, int], last: dict[Buffer, int]) -> dict[Buffer, Buffer]:
    """For each buffer that takes another's place, the other. The caller's inputs and outputs are not overwritten."""
    merged: dict[Buffer, Buffer] = {}
    for index, call in enumerate(calls):
        into = call.into
        if into is not None and first[into] == index:
            free = (one for one in call.over if last[one] == index and not one.place and one.size == into.size)
            if found := next(free, None):
                merged[into] = found
    return merged


def _root(merged: dict[Buffer, Buffer], buffer: Buffer) -> Buffer:
    while buffer in merged:
        buffer = merged[buffer]
    return buffer
