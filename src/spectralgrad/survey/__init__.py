"""Many matrices: check all that are in files and folders, and keep the results.

`files` finds them, `workers` have them checked, by `checking`, in processes on this machine or on a
cluster, `results` keeps what comes back, `pages` shows it, and `status` compares it with what was
before. `running` joins these.
"""
