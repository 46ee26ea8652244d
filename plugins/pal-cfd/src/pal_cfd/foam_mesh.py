"""A triangulation as a mesh of OpenFOAM: prisms, one cell deep."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pal_cfd.mesher import Ints, Triangulation
from pal_cfd.shapes import Floats

__all__ = ["DEPTH", "FoamMesh", "header"]

DEPTH = 0.1
_WALLS = ("lower", "upper", "promoter")


def header(kind: str, name: str, place: str = "") -> str:
    """First lines of a file of OpenFOAM."""
    location = f'    location "{place}";\n' if place else ""
    return f"FoamFile\n{{\n    version 2.0;\n    format ascii;\n    class {kind};\n{location}    object {name};\n}}\n"


@dataclass(frozen=True)
class _Sides:
    """Sides of triangles: the triangle, and both ends as numbers of unwrapped vertices."""

    cell: Ints
    start: Ints
    end: Ints


class FoamMesh:
    """Points, faces and patches.

    Triangles that leave the period stay in one piece, so its ends, patches ``left`` and ``right``, are jagged. They are
    cyclic: the same faces, a period apart.

    Attributes
    ----------
    corners : ndarray, shape (cells, 3, 2)
        Of the cells, in OpenFOAM's order: along the channel.
    wall_face : mapping of str to (cells, lengths, distances)
        Of the faces on each wall: their cells, and the distance of these cells' centres along the faces' normals.
    """

    def __init__(self, mesh: Triangulation) -> None:
        order = np.argsort(mesh.corners[..., 0].mean(1), kind="stable")
        triangles, copy = mesh.triangles[order], mesh.copy[order]
        self.corners, self.period = mesh.corners[order], mesh.period
        keys = np.stack([triangles, copy], -1).reshape(-1, 2)
        unique, index = np.unique(keys, axis=0, return_inverse=True)
        self.cells: Ints = index.reshape(-1, 3).astype(np.int64)
        self.points = mesh.vertices[unique[:, 0]] + unique[:, 1:] * np.array([mesh.period, 0.0])
        self._patches(mesh, triangles)

    def _patches(self, mesh: Triangulation, triangles: Ints) -> None:
        n, count = len(mesh.vertices), len(triangles)
        start, end = self.cells.ravel(), np.roll(self.cells, -1, 1).ravel()
        torus = np.sort(np.stack([triangles.ravel(), np.roll(triangles, -1, 1).ravel()], 1), 1) @ np.array([n, 1])
        cell = np.repeat(np.arange(count), 3)
        order = np.lexsort((cell, torus))
        paired = torus[order][1:] == torus[order][:-1]
        first, second = order[:-1][paired], order[1:][paired]
        here = (start[first] == end[second]) & (end[first] == start[second])
        inner, ends = (first[here], second[here]), (first[~here], second[~here])
        by_owner = np.lexsort((cell[inner[1]], cell[inner[0]]))
        self.inner = _Sides(cell[inner[0]], start[inner[0]], end[inner[0]])
        self.inner = _Sides(*(a[by_owner] for a in (self.inner.cell, self.inner.start, self.inner.end)))
        self.neighbour = cell[inner[1]][by_owner]
        low = self.points[start[ends[0]], 0] < self.points[end[ends[1]], 0]
        left, right = np.where(low, ends[0], ends[1]), np.where(low, ends[1], ends[0])
        # The first point of a face must be that of its partner, whose sense is the opposite.
        self.left, self.right = (_Sides(cell[s], start[s], end[s]) for s in (left, right))
        alone = np.setdiff1d(np.arange(3 * count), np.concatenate([first, second]))
        b = mesh.boundary
        tag_of = dict(zip((np.sort(np.stack([b.start, b.end], 1), 1) @ np.array([n, 1])).tolist(), b.tag, strict=True))
        tags = np.array([tag_of[k] for k in torus[alone].tolist()])
        self.walls = {tag: _Sides(cell[s], start[s], end[s]) for tag in _WALLS if len(s := alone[tags == tag])}

    def wall_faces(self, tag: str) -> tuple[Ints, Floats, Floats]:
        """Cells at a wall, lengths of their sides there, and distances of their centres from these sides."""
        sides = self.walls[tag]
        a, b = self.points[sides.start], self.points[sides.end]
        along, centre = b - a, self.corners[sides.cell].mean(1)
        length = np.linalg.norm(along, axis=1)
        distance = np.abs(along[:, 0] * (centre - a)[:, 1] - along[:, 1] * (centre - a)[:, 0]) / length
        return sides.cell, length, distance

    def write(self, folder: Path) -> None:
        """Write ``constant/polyMesh``."""
        folder = folder / "constant" / "polyMesh"
        folder.mkdir(parents=True, exist_ok=True)
        n = len(self.points)
        flat = np.concatenate([np.c_[self.points, np.zeros(n)], np.c_[self.points, np.full(n, DEPTH)]])
        faces = [_upright(s, n) for s in (self.inner, *self.walls.values(), self.left)]
        faces.append(_upright(self.right, n, partner=True))
        owner = [s.cell for s in (self.inner, *self.walls.values(), self.left, self.right)]
        cells = np.arange(len(self.cells))
        lines = [f"4({' '.join(map(str, f))})" for part in faces for f in part.tolist()]
        lines += [f"3({' '.join(map(str, f))})" for f in self.cells[:, ::-1].tolist()]
        lines += [f"3({' '.join(map(str, f))})" for f in (self.cells + n).tolist()]
        owners = np.concatenate([*owner, cells, cells])
        points = [f"({x:.15g} {y:.15g} {z:.15g})" for x, y, z in flat.tolist()]
        for kind, name, rows in (
            ("vectorField", "points", points),
            ("faceList", "faces", lines),
            ("labelList", "owner", owners.tolist()),
            ("labelList", "neighbour", self.neighbour.tolist()),
        ):
            text = "\n".join(map(str, rows))
            (folder / name).write_text(f"{header(kind, name, 'constant/polyMesh')}{len(rows)}\n(\n{text}\n)\n")
        (folder / "boundary").write_text(self._boundary())

    def _boundary(self) -> str:
        sizes = {tag: len(s.cell) for tag, s in self.walls.items()}
        sizes |= {"left": len(self.left.cell), "right": len(self.right.cell), "back": len(self.cells)}
        sizes["front"] = len(self.cells)
        at, out = len(self.inner.cell), []
        for name, size in sizes.items():
            kind = "wall" if name in _WALLS else "empty" if name in ("back", "front") else "cyclic"
            other = {"left": "right", "right": "left"}.get(name)
            shift = f"({self.period if name == 'left' else -self.period:.15g} 0 0)"
            more = f"neighbourPatch {other}; transform translational; separationVector {shift};" if other else ""
            out.append(f"{name} {{ type {kind}; {more} nFaces {size}; startFace {at}; }}")
            at += size
        listing = "\n".join(out)
        return f"{header('polyBoundaryMesh', 'boundary', 'constant/polyMesh')}{len(out)}\n(\n{listing}\n)\n"


def _upright(sides: _Sides, n: int, partner: bool = False) -> Ints:
    """Quadrilaterals that face out of the sides' cells, shape (sides, 4)."""
    a, b = sides.start, sides.end
    return np.stack([b, b + n, a + n, a] if partner else [a, b, b + n, a + n], 1)
