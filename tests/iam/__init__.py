"""Proof that each role of the deployment may do what its part does, and nothing else."""
