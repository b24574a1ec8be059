"""The site is tested where `nox -s site` has built it."""

import os

collect_ignore = [] if os.environ.get("XPNN_SITE") else ["test_links.py", "test_pages.py", "test_translation.py"]
