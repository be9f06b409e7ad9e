"""Many matrices: check all that are in files and folders, and keep the results.

`files` finds them, `workers` check them, in processes on this machine or on a cluster, `results`
keeps what comes back, `pages` shows it, and `progress` says how far it is. `running` joins these.
"""

from spectralgrad.survey.running import Survey, survey

__all__ = ["Survey", "survey"]
