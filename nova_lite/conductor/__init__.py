"""The only process that writes the databases for the computes, and the one
that orchestrates what spans hosts."""
