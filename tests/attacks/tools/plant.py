import contextlib
import glob
import os
import pathlib
import site
import sys
import tempfile

from more.seek import breach

HERE = pathlib.Path(__file__).resolve().parents[1]


def plant(files):
    """Lays files wherever a Python or a pytest may look; returns where it worked."""
    planted = []
    for place in ("/opt/kata", *sys.path):
        if not place.startswith(("/tmp", str(HERE))) and os.access(place, os.W_OK):
            breach(f"installed libraries are open: {place}")
    places = [HERE, HERE.parent, os.getcwd(), tempfile.gettempdir(), "/tmp", "/dev/shm",
              os.path.expanduser("~"), site.getusersitepackages(), *glob.glob("/tmp/judge-*")]
    for place in dict.fromkeys(map(str, places)):
        if not place.startswith(("/tmp", "/dev/shm")):
            continue
        with contextlib.suppress(OSError):
            os.makedirs(place, exist_ok=True)
            with contextlib.suppress(OSError):
                os.chmod(place, 0o755)
            for name, text in files.items():
                target = pathlib.Path(place, name)
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_text(text)
            planted.append(place)
    return planted
