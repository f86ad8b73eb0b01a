"""Several pieces of work at once: in this process, in others beside it, or on a Ray cluster; always the same bytes.

    Call: a function of tabcli, small arguments, files that it reads, files that it leaves
    calls ─ running ─▶ here │ processes ─▶ worker │ cluster ─▶ nodes ─▶ results, files at their names

calls      a piece of work, and what comes back
objects    what pieces of work hand on
worker     a process that does pieces of work: `python -m tabcli.engines.worker`
processes  in processes beside this one
cluster    on a Ray cluster
running    wherever it is asked for
"""
