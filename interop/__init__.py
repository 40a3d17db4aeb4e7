"""The integrator's day, run with the real client stacks against the real service. See interop/README.md."""
