"""The benchmark: what a call costs, beside the least that the same server can do. See docs/performance.md."""
