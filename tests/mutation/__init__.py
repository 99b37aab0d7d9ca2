"""Mutation testing: small faults in the code, and whether a unit test fails for each.

cosmic-ray makes the mutants.  A mutant is never written to a file: the process that judges it
loads the changed source from memory, so the checkout stays as it is.  Each mutant meets the
unit tests that run its line, the quickest first, until one fails.

  scripts/mutate                        a sample of 500, as docs/reliability.md reports it
  scripts/mutate --only wire --all      all mutants of one package
  scripts/mutate --list                 the sample, and nothing is judged

Results are kept in .mutation/: a run that was stopped continues where it was.  A killed mutant
is judged again when its module changes; one that survived, when a unit test changes, too.
tests/mutation/explained.toml names the mutants that no test can kill or should, each with the
reason; they are not judged without --explained.  The command prints all other survivors as diffs,
in the form in which they are explained, and its exit code is then 1.
"""
