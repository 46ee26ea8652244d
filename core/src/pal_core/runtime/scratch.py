"""An oracle's scratch directory: emptied before a label, measured while one is made, kept after one that failed.

Imports the standard library alone: the guard of an oracle's process is to stay small.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

__all__ = ["KEPT_DIRECTORIES", "KEPT_SAMPLES", "empty", "keep_scratch", "kept_path", "usage"]

KEPT_SAMPLES = 100
"""All kept directories together may be this many times as large as one."""
KEPT_DIRECTORIES = 500
_LEFT_OUT = "LEFT-OUT.txt"
_NAMED = 100
_BLOCK = 512  # of `st_blocks`, whatever the file system's


def kept_path(run_directory: Path, sample: int, attempt: int) -> Path:
    """Where the scratch directory of a failed or refused attempt is kept, if it is."""
    return run_directory / "quarantine" / f"{sample}-{attempt}"


def empty(directory: Path) -> None:
    """Make sure that a directory is there and holds nothing; what stands in its place is removed, links unfollowed.

    Raises
    ------
    OSError
        If that can't be done.
    """
    _remove_if_other(directory)
    directory.mkdir(parents=True, exist_ok=True)
    directory.chmod(0o700)
    for entry in os.scandir(directory):
        _remove(entry)


def _remove_if_other(directory: Path) -> None:
    with contextlib.suppress(FileNotFoundError):
        if not stat.S_ISDIR(directory.lstat().st_mode):
            directory.unlink()


def _remove(entry: os.DirEntry[str]) -> None:
    if not entry.is_dir(follow_symlinks=False):
        Path(entry.path).unlink(missing_ok=True)
        return
    with contextlib.suppress(RecursionError):  # thousands of folders in each other
        shutil.rmtree(entry.path, ignore_errors=True)
    if Path(entry.path).exists():  # folders that may not be written to
        _remove_folders(entry.path)


def _remove_folders(top: str) -> None:
    found, unseen = [], [top]
    while unseen:
        folder = unseen.pop()
        found.append(folder)
        os.chmod(folder, 0o700)  # noqa: PTH101
        for entry in os.scandir(folder):
            if entry.is_dir(follow_symlinks=False):
                unseen.append(entry.path)
            else:
                os.unlink(entry.path)  # noqa: PTH108
    for folder in reversed(found):
        os.rmdir(folder)  # noqa: PTH106


def _files(directory: Path) -> Iterator[tuple[Path, os.stat_result]]:
    """Everything in a directory but folders; what vanishes meanwhile is left out, and no link is followed."""
    unseen = [] if directory.is_symlink() else [str(directory)]
    while unseen:
        folder = unseen.pop()
        with contextlib.suppress(OSError), os.scandir(folder) as entries:
            for entry in entries:
                with contextlib.suppress(OSError):
                    if entry.is_dir(follow_symlinks=False):
                        unseen.append(entry.path)
                    else:
                        yield Path(entry.path), entry.stat(follow_symlinks=False)


def usage(directory: Path) -> int:
    """Bytes that the files in a directory take on the disk."""
    return sum(_BLOCK * status.st_blocks for _, status in _files(directory))


def keep_scratch(scratch: Path, kept: Path, limit: int) -> bool:
    """Move what is in a scratch directory to where it is kept; nothing may write there any more.

    Of more than `limit` bytes the largest files are left out, and named in a file. Older directories beside the new
    one go when all of them are more than `KEPT_DIRECTORIES`, or larger than `KEPT_SAMPLES` times `limit`.

    Parameters
    ----------
    scratch : Path
        Gone afterwards if True is returned.
    kept : Path
        From `kept_path`. What is there is replaced.
    limit : int
        Bytes; 0 keeps nothing.

    Returns
    -------
    bool
        Whether there was anything to keep.

    Raises
    ------
    OSError
        If it can't be moved, by a full disk or lacking rights.
    """
    if not limit or scratch.is_symlink() or not scratch.is_dir() or not any(scratch.iterdir()):
        return False
    _cut(scratch, limit)
    shutil.rmtree(kept, ignore_errors=True)
    kept.parent.mkdir(parents=True, exist_ok=True)
    scratch.rename(kept)
    _prune(kept.parent, KEPT_SAMPLES * limit)
    return True


def _cut(directory: Path, limit: int) -> None:
    """Leave out the largest files, and what is no file."""
    total, left_out = 0, []
    for path, status in sorted(_files(directory), key=lambda f: (f[1].st_blocks, f[0])):
        plain = stat.S_ISREG(status.st_mode) or stat.S_ISLNK(status.st_mode)
        total += _BLOCK * status.st_blocks
        if total > limit or not plain:
            path.unlink(missing_ok=True)
            left_out.append(f"{path.relative_to(directory)}: {status.st_size} bytes\n")
    if left_out:
        names = [*left_out[:_NAMED], *([f"and {len(left_out) - _NAMED} more\n"] if len(left_out) > _NAMED else [])]
        note = directory / _LEFT_OUT
        with contextlib.suppress(OSError):  # a full disk
            note.unlink(missing_ok=True)  # a link of this name would be followed
            with note.open("x", errors="replace") as file:
                file.write("".join(names))


def _prune(quarantine: Path, limit: int) -> None:
    """Remove the oldest directories; other processes may be about the same."""
    ages = []
    for path in quarantine.iterdir():
        with contextlib.suppress(OSError):
            ages.append((path.lstat().st_mtime, path))
    total = 0
    for number, (_, path) in enumerate(sorted(ages, reverse=True)):
        total += usage(path)
        if number and (number >= KEPT_DIRECTORIES or total > limit):
            shutil.rmtree(path, ignore_errors=True)
