"""The command line of audiossl: turns flags into calls and errors into exit codes, nothing else."""
