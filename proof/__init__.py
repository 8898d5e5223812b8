"""Proves the engine from outside: kills it at every durable boundary, throws faults at it, plants bugs, mutates it.

wire      a proxy that sees when PostgreSQL has made something durable, and can strike there
work      processes that sync and can be killed
school    simulated schools, the sources that read them, and what core must hold of them
campus    a simulated Moodle that core is exported to, and each change that was made there
agreement what core says should stand there, and where it does not
held      what a database holds, without what may differ, and the invariants that always hold
stage     one run that is killed at each of its boundaries, and resumed
crashes   a sync and an export, killed
chaos     seeded runs: faults, crashes, concurrent runs, data that changes
exports   the exports of these runs
browser   a headless Chromium, and the pictures it takes
walk      a person's way through the UI: launch, watch, find a held plan, approve it, see core updated
project   a whole project as it is operated, in processes that are started again when they end
systems   three simulated systems that keep changing and tell of it
memory    what long-lived processes take, and whether that stays as it is
aftermath what must be true when nothing moves any more
soak      such a project for minutes, while everything around it breaks
planted   known ways to be wrong, each with the tests that must notice
mutants   small changes of Python and SQL, and the share that tests notice
"""
