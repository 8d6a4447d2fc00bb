"""What huggingface_hub sees: `hub_cache.py find|snapshot|file REPOSITORY [FILE]` prints one line of JSON.

- `find`: the cached snapshot of main, its files, and the scan of the whole cache; no network;
- `snapshot`: downloads main;
- `file`: downloads FILE of main.

Where the hub and the cache are, the environment says.
"""

import hashlib
import json
import sys
from pathlib import Path

import huggingface_hub
from huggingface_hub import hf_hub_download, scan_cache_dir, snapshot_download, try_to_load_from_cache


def find(repository: str) -> dict:
    """What is cached of `repository`, by every way that Python has of asking."""
    snapshot = Path(snapshot_download(repository, local_files_only=True))
    files = {}
    for path in sorted(snapshot.rglob("*")):
        name = path.relative_to(snapshot).as_posix()
        found = try_to_load_from_cache(repository, name)
        assert isinstance(found, str) and Path(found) == path, f"{name} is {found}"
        assert hf_hub_download(repository, name, local_files_only=True) == found
        files[name] = hashlib.sha256(path.read_bytes()).hexdigest()
    # What is not there is not known to be absent either.
    assert try_to_load_from_cache(repository, "absent.bin") is None
    scan = scan_cache_dir()
    repositories = []
    for known in scan.repos:
        revisions = [
            {
                "commit": revision.commit_hash,
                "refs": sorted(revision.refs),
                "files": sorted(file.file_name for file in revision.files),
                "bytes": revision.size_on_disk,
            }
            for revision in known.revisions
        ]
        kind = {"id": known.repo_id, "type": known.repo_type, "bytes": known.size_on_disk, "files": known.nb_files}
        repositories.append(kind | {"revisions": sorted(revisions, key=lambda one: one["commit"])})
    return {
        "path": str(snapshot),
        "files": files,
        "warnings": [str(warning) for warning in scan.warnings],
        "repositories": sorted(repositories, key=lambda one: one["id"]),
    }


def main() -> None:
    action, repository = sys.argv[1:3]
    if action == "find":
        result = find(repository)
    elif action == "snapshot":
        result = {"path": snapshot_download(repository)}
    else:
        result = {"path": hf_hub_download(repository, sys.argv[3])}
    print(json.dumps({"huggingface_hub": huggingface_hub.__version__} | result))


main()
