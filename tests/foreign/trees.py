"""RFC 6962 hashing and proofs, from docs/protocol.md, "Trees"."""

import hashlib


class Refused(Exception):
    """Something does not hold. The first argument is a stable word."""


def sha256(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


def leaf_hash(leaf):
    return sha256(b"\x00", leaf)


def node_hash(left, right):
    return sha256(b"\x01", left, right)


def _split(count):
    """The largest power of two strictly below count."""
    return 1 << ((count - 1).bit_length() - 1)


def tree_head(leaves):
    if not leaves:
        return sha256()
    if len(leaves) == 1:
        return leaves[0]
    middle = _split(len(leaves))
    return node_hash(tree_head(leaves[:middle]), tree_head(leaves[middle:]))


def inclusion_path(leaves, index):
    if len(leaves) == 1:
        return []
    middle = _split(len(leaves))
    left, right = leaves[:middle], leaves[middle:]
    if index < middle:
        return inclusion_path(left, index) + [tree_head(right)]
    return inclusion_path(right, index - middle) + [tree_head(left)]


def head_from_path(leaf, index, size, path):
    """The head that the path leads to; refuses a path that cannot belong to this leaf."""
    if not 0 <= index < size:
        raise Refused("path")
    node, last, head = index, size - 1, leaf
    for sibling in path:
        if len(sibling) != 32 or last == 0:
            raise Refused("path")
        if node & 1 or node == last:
            head = node_hash(sibling, head)
            while node and not node & 1:
                node >>= 1
                last >>= 1
        else:
            head = node_hash(head, sibling)
        node >>= 1
        last >>= 1
    if last:
        raise Refused("path")
    return head


def verify_consistency(old, old_root, new, new_root, proof):
    """Refuses unless the tree (new, new_root) begins with the tree (old, old_root)."""
    if old > new:
        raise Refused("consistency")
    if old in (0, new):
        if proof or old_root != (new_root if old else sha256()):
            raise Refused("consistency")
        return
    hashes = list(proof)
    if old & (old - 1) == 0:
        hashes.insert(0, old_root)
    if not hashes:
        raise Refused("consistency")
    node, last = old - 1, new - 1
    while node & 1:
        node >>= 1
        last >>= 1
    first = second = hashes[0]
    for sibling in hashes[1:]:
        if last == 0:
            raise Refused("consistency")
        if node & 1 or node == last:
            first = node_hash(sibling, first)
            second = node_hash(sibling, second)
            while node and not node & 1:
                node >>= 1
                last >>= 1
        else:
            second = node_hash(second, sibling)
        node >>= 1
        last >>= 1
    if last or first != old_root or second != new_root:
        raise Refused("consistency")
