"""The commands as the command line has them: options in, exit code out. What they do is in the modules beside."""
