"""Which tests run where."""

from border import AS_USED

collect_ignore_glob = [] if AS_USED else ["test_*"]
