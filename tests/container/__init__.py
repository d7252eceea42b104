"""The image, built from the Dockerfile and run; a package, so that its fixtures live for this folder only."""
