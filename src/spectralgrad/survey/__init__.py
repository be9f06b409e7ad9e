"""Many matrices: check all that are in files and folders, and keep the results.

`files` finds them, `workers` have them checked, by `checking`, in processes on this machine or on a
cluster, `results` keeps what comes back, and `pages` shows it. `running` joins these.
"""
